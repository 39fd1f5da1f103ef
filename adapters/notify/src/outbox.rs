//! The notifications that wait for one channel, and who carries them there.
//!
//! ```text
//!   hand() --> waiting --due--> in hand (4 at a time) --> delivered, reported
//!                 ^                  |  failed: due again after a pause
//!                 +------------------+  older than it may become: given up, reported
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration as Wall,
};

use homeostat_model::{ChannelName, Delivery, Duration, NoticeId, Notification, Topic};
use homeostat_port::Clock;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{DeliveryError, Notifier, Tally, backoff::pause};

/// Notifications that are being delivered at a time: one that hangs must not keep all others waiting.
const AT_ONCE: usize = 4;
/// How long what is being delivered when everything ends may take to arrive; the rest is delivered after the next start.
const LAST: Wall = Wall::from_secs(1);

/// How old a notification may become undelivered until it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Patience(pub Duration);

impl Default for Patience {
    /// A day: whoever was to be told has looked by then, and a receiver that is down for a weekend is not believed to need to know.
    fn default() -> Self {
        Self(Duration::from_secs(24 * 3600))
    }
}

/// What waits for one channel. Whoever hands something in has bounded it: it is as much as the engine lets wait.
pub struct Outbox {
    channel: ChannelName,
    notifier: Arc<dyn Notifier>,
    patience: Patience,
    clock: Clock,
    tally: Arc<Tally>,
    waiting: Mutex<BTreeMap<NoticeId, Waiting>>,
    changed: Notify,
}

#[derive(Debug)]
struct Waiting {
    notification: Notification,
    tries: u32,
    due: Instant,
    in_hand: bool,
    /// Why it failed last.
    problem: String,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Outbox {
    /// An empty one of `channel`, whose notifications `notifier` delivers.
    #[must_use]
    pub fn new(
        channel: ChannelName,
        notifier: Arc<dyn Notifier>,
        patience: Patience,
        clock: Clock,
        tally: Arc<Tally>,
    ) -> Self {
        let (waiting, changed) = (Mutex::default(), Notify::new());
        Self { channel, notifier, patience, clock, tally, waiting, changed }
    }

    /// Takes a notification that is to be delivered; one that waits already waits once.
    pub fn hand(&self, notification: Notification) {
        self.notifier.handed(&notification);
        let mut waiting = self.lock();
        let fresh = || Waiting {
            notification: notification.clone(),
            tries: 0,
            due: Instant::now(),
            in_hand: false,
            problem: String::new(),
        };
        waiting.entry(notification.id).or_insert_with(fresh);
        self.count(&waiting);
        drop(waiting);
        self.changed.notify_one();
    }

    /// A notification was delivered before, and what it is about is not over.
    pub fn stands(&self, notification: &Notification) {
        self.notifier.stands(notification);
    }

    /// What notifications were about is over.
    pub fn resolved(&self, topic: &Topic) {
        self.notifier.resolved(topic);
    }

    /// What waits, in order, to be handed to another one: this one is at its end.
    #[must_use]
    pub fn take(&self) -> Vec<Notification> {
        let waiting = std::mem::take(&mut *self.lock());
        self.count(&BTreeMap::new());
        waiting.into_values().map(|waiting| waiting.notification).collect()
    }

    /// Delivers what is handed in, until `stop` or until nobody listens to the reports.
    pub async fn run(&self, reports: mpsc::Sender<Delivery>, stop: CancellationToken) {
        // What is being delivered has a moment to arrive after `stop`; who has nobody to report to stops by itself.
        let stop = stop.child_token();
        let deliver = async {
            self.deliver_all(&reports, &stop).await;
            stop.cancel();
        };
        tokio::join!(deliver, self.notifier.run(&stop));
    }

    async fn deliver_all(&self, reports: &mpsc::Sender<Delivery>, stop: &CancellationToken) {
        let mut carrying = JoinSet::new();
        loop {
            let mut given_up = Vec::new();
            let next = self.begin(&mut carrying, &mut given_up);
            for delivery in given_up {
                if reports.send(delivery).await.is_err() {
                    return;
                }
            }
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = carrying.join_next() => ended.ok(),
                () = self.changed.notified() => None,
                () = due => None,
            };
            if let Some(delivery) = ended.and_then(|(id, outcome)| self.ended(id, outcome))
                && reports.send(delivery).await.is_err()
            {
                return;
            }
        }
        let last = async {
            while let Some(ended) = carrying.join_next().await {
                let delivery = ended.ok().and_then(|(id, outcome)| self.ended(id, outcome));
                if let Some(delivery) = delivery {
                    // The engine may have ended; then it is delivered once more after the next start.
                    let _ = reports.try_send(delivery);
                }
            }
        };
        let _ = tokio::time::timeout(LAST, last).await;
    }

    /// Begins what is due and finds a place, and gives up what has become too old; when the next one is due.
    fn begin(
        &self,
        carrying: &mut JoinSet<(NoticeId, Result<(), DeliveryError>)>,
        given_up: &mut Vec<Delivery>,
    ) -> Option<Instant> {
        let now = Instant::now();
        let mut waiting = self.lock();
        let old = |one: &Waiting| {
            !one.in_hand && one.tries > 0 && self.clock.now().since(one.notification.at) >= self.patience.0
        };
        let dead: Vec<NoticeId> = waiting.iter().filter(|(_, one)| old(one)).map(|(id, _)| *id).collect();
        for id in dead {
            let Some(one) = waiting.remove(&id) else { continue };
            self.tally.given_up();
            let reason =
                format!("not delivered within {} in {} tries; the last: {}", self.patience.0, one.tries, one.problem);
            tracing::error!(channel = %self.channel, notification = %id, reason, "a notification is given up");
            given_up.push(Delivery { notification: id, channel: self.channel.clone(), given_up: Some(reason) });
        }
        let mut due: Vec<(Instant, NoticeId)> =
            waiting.iter().filter(|(_, one)| !one.in_hand).map(|(id, one)| (one.due, *id)).collect();
        due.sort();
        let mut due = due.into_iter().peekable();
        while let Some((_, id)) = due.next_if(|(at, _)| *at <= now && carrying.len() < AT_ONCE) {
            let Some(one) = waiting.get_mut(&id) else { continue };
            one.in_hand = true;
            let (notifier, notification) = (self.notifier.clone(), one.notification.clone());
            carrying.spawn(async move { (id, notifier.deliver(&notification).await) });
        }
        self.count(&waiting);
        // Who finds no place waits for one that becomes free.
        due.next().map(|(at, _)| at).filter(|_| carrying.len() < AT_ONCE)
    }

    /// One try has ended: what is to be reported, if that is the end of it.
    fn ended(&self, id: NoticeId, outcome: Result<(), DeliveryError>) -> Option<Delivery> {
        let mut waiting = self.lock();
        match outcome {
            Ok(()) => {
                waiting.remove(&id)?;
                self.tally.delivered();
                self.count(&waiting);
                Some(Delivery { notification: id, channel: self.channel.clone(), given_up: None })
            }
            Err(error) => {
                let one = waiting.get_mut(&id)?;
                one.in_hand = false;
                one.tries = one.tries.saturating_add(1);
                let pause = pause(id, one.tries);
                one.due = Instant::now() + pause;
                let problem = error.to_string();
                // A receiver that is down for a day says the same all the time.
                if one.problem != problem {
                    tracing::warn!(channel = %self.channel, notification = %id, tries = one.tries, "a notification was not delivered, and will be tried again: {problem}");
                }
                one.problem = problem;
                self.tally.failed();
                None
            }
        }
    }

    fn count(&self, waiting: &BTreeMap<NoticeId, Waiting>) {
        self.tally.waiting(waiting.len(), waiting.values().map(|one| one.notification.at).min());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NoticeId, Waiting>> {
        // Whoever panicked left a whole map: each change is one step.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
