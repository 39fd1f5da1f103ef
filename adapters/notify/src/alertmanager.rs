//! Keeps alerts open at an Alertmanager, as a Prometheus does: posted when there is something to tell, posted again while its finding
//! is open, and ended when it has closed.
//!
//! ```text
//!   deliver() --> firing, endsAt a few intervals ahead --every `resendEvery`--> posted again
//!   stands() --at once-----^ what was delivered before homeostat was started anew
//!   resolved() ------> over since .. --but not before `keepFor`--> posted with that end, and forgotten
//! ```
//!
//! When homeostat ends, nobody posts again, and the Alertmanager ends the alert when its `endsAt` has come.
//!
//! Invariant: only a notification newer than all that an alert knows of opens it again; an older one that arrives late changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration as Wall,
};

use async_trait::async_trait;
use homeostat_model::{ChannelName, Duration, NoticeId, Notification, Severity, Timestamp, Topic};
use homeostat_port::{Clock, Secret};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    DeliveryError, Notifier, Patience,
    cloud_events::default_timeout,
    patience::some_time,
    payload::{stable_id, time},
    post::{Headers, Post, Poster},
    url::{InvalidUrl, Url},
};

/// Intervals that an alert stays open at the Alertmanager when it is not posted again; Prometheus' number.
const MISSED: u64 = 4;
/// Alerts that are kept open: more than anybody reads. Those that are over make room first, then the oldest.
const MAX_ALERTS: usize = 10_000;
/// Alerts in one request: some hundred KiB with the longest messages.
const BATCH: usize = 64;
/// The shortest interval: more often says nothing new.
const SHORTEST: Duration = Duration::from_secs(1);
/// The label of what people are asked about a plan.
const PLAN: &str = "plan";
/// Labels that are ours, besides.
const OURS: [&str; 5] = ["alertname", "kind", "policy", "resource", "severity"];

/// The Alertmanager.
///
/// ```yaml
/// name: alertmanager
/// url: http://alertmanager.example.org:9093
/// labels: {site: dc1}
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Document")]
pub struct AlertmanagerConfig {
    document: Document,
    api: Url,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    #[serde(default = "default_name")]
    name: ChannelName,
    /// Without the path of its API.
    url: Url,
    /// Shown there as a bearer token.
    token: Option<Secret>,
    #[serde(default)]
    headers: Headers,
    /// Labels of every alert.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    min_severity: Severity,
    /// How often open alerts are posted again.
    #[serde(default = "default_resend")]
    resend_every: Duration,
    /// How long an alert stays open at least.
    #[serde(default = "default_keep")]
    keep_for: Duration,
    #[serde(default = "default_timeout", deserialize_with = "some_time")]
    timeout: Duration,
    #[serde(default)]
    give_up_after: Patience,
}

#[expect(clippy::expect_used, reason = "a constant that is a name")]
fn default_name() -> ChannelName {
    ChannelName::new("alertmanager").expect("a name")
}

/// Prometheus' own.
fn default_resend() -> Duration {
    Duration::from_mins(1)
}

/// Events are over at once, and an Alertmanager tells nobody of an alert that ends before it was told of (`group_wait`).
fn default_keep() -> Duration {
    Duration::from_mins(5)
}

/// A configuration that cannot work.
#[derive(Debug, Error)]
enum InvalidAlertmanager {
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    #[error("`resendEvery` is {0}; it is at least {SHORTEST}")]
    Interval(Duration),
    #[error("`{0}` cannot be a label; letters, digits and `_` can, not beginning with a digit, and none of homeostat's own: {own}, {PLAN}", own = OURS.join(", "))]
    Label(String),
}

impl TryFrom<Document> for AlertmanagerConfig {
    type Error = InvalidAlertmanager;

    fn try_from(document: Document) -> Result<Self, InvalidAlertmanager> {
        if document.resend_every < SHORTEST {
            return Err(InvalidAlertmanager::Interval(document.resend_every));
        }
        let usable = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !OURS.contains(&name)
                && name != PLAN
        };
        if let Some(name) = document.labels.keys().find(|name| !usable(name)) {
            return Err(InvalidAlertmanager::Label(name.clone()));
        }
        let api = document.url.below("/api/v2/alerts")?;
        Ok(Self { document, api })
    }
}

impl AlertmanagerConfig {
    /// The channel's name, by which policies mean it.
    #[must_use]
    pub fn name(&self) -> &ChannelName {
        &self.document.name
    }

    /// The least urgent notifications that become alerts unless a policy names the channel.
    #[must_use]
    pub fn min_severity(&self) -> Severity {
        self.document.min_severity
    }

    /// How old a notification may become undelivered until it is given up.
    #[must_use]
    pub fn give_up_after(&self) -> Patience {
        self.document.give_up_after
    }

    /// What is in force where nothing is given, by the names of the fields.
    #[must_use]
    pub fn defaults(&self) -> Value {
        let Document { name, min_severity, resend_every, keep_for, timeout, give_up_after, .. } = &self.document;
        json!({
            "name": name, "minSeverity": min_severity, "resendEvery": resend_every, "keepFor": keep_for,
            "timeout": timeout, "giveUpAfter": give_up_after,
        })
    }
}

/// The channel.
#[derive(Debug)]
pub struct Alertmanager {
    config: Document,
    post: Post,
    poster: Poster,
    clock: Clock,
    alerts: Mutex<BTreeMap<Key, Alert>>,
    changed: Notify,
}

/// What makes it the same alert to an Alertmanager.
type Key = (Topic, Severity);

/// An alert that the Alertmanager knows, or is about to.
#[derive(Debug, Clone, PartialEq)]
struct Alert {
    /// The newest notification of it.
    newest: NoticeId,
    /// The same, as receivers have it.
    id: String,
    message: String,
    starts: Timestamp,
    /// When the newest was decided.
    told: Timestamp,
    /// When the Alertmanager first had it.
    shown: Option<Timestamp>,
    /// Notifications of it that will be handed in until they are delivered: while there is one it is not forgotten, since whoever
    /// handed that in once more would open it again.
    awaited: BTreeSet<NoticeId>,
    /// Whoever posted it before is gone: it is posted at once, before its end comes.
    overdue: bool,
    over: Option<Timestamp>,
}

impl Alert {
    /// When it has ended; `None` while it is open.
    fn ended(&self, keep: Duration, now: Timestamp) -> Option<Timestamp> {
        let ends = self.over?.max(self.shown? + keep);
        // An end that is not after the begin is refused.
        (ends <= now).then_some(ends.max(self.starts + Duration::from_millis(1)))
    }
}

impl Alertmanager {
    /// One that posts as `config` says.
    #[must_use]
    pub fn new(config: AlertmanagerConfig, clock: Clock) -> Self {
        let AlertmanagerConfig { document: config, api: url } = config;
        let poster = Poster::new(&url);
        let timeout = Wall::from_millis(config.timeout.as_millis());
        let (token, headers) = (config.token.clone(), config.headers.clone());
        let post = Post { url, token, headers, timeout, content_type: "application/json" };
        Self { config, post, poster, clock, alerts: Mutex::default(), changed: Notify::new() }
    }

    /// Takes note of an alert, or of what is new of one.
    fn open(&self, notification: &Notification) -> (Key, Alert) {
        let key = (notification.topic(), notification.severity);
        let mut alerts = self.lock();
        let known = alerts.get_mut(&key);
        if let Some(known) = known.filter(|known| notification.id <= known.newest) {
            // It may be over by now, and was told of as over once.
            known.awaited.insert(notification.id);
            known.starts = known.starts.min(notification.at);
            return (key, known.clone());
        }
        let known = alerts.get(&key);
        let starts = known.map_or(notification.at, |known| known.starts.min(notification.at));
        let shown = known.and_then(|known| known.shown);
        let mut awaited = known.map(|known| known.awaited.clone()).unwrap_or_default();
        awaited.insert(notification.id);
        let alert = Alert {
            newest: notification.id,
            id: stable_id(notification),
            message: notification.message.clone(),
            starts,
            told: notification.at,
            shown,
            awaited,
            overdue: false,
            over: None,
        };
        if alerts.len() >= MAX_ALERTS && !alerts.contains_key(&key) {
            let least = alerts.iter().min_by_key(|(_, alert)| (alert.over.is_none(), alert.starts));
            if let Some(least) = least.map(|(key, _)| key.clone()) {
                tracing::warn!(about = %least.0, "too many alerts are open; this one is not kept open any more");
                alerts.remove(&least);
            }
        }
        alerts.insert(key.clone(), alert.clone());
        (key, alert)
    }

    /// Posts those that are over or overdue and, to `resend`, all of them; forgets those that are over.
    async fn post_again(&self, resend: bool) -> Result<(), DeliveryError> {
        let now = self.clock.now();
        let known: Vec<(Key, Alert)> = {
            let alerts = self.lock();
            let due = |alert: &Alert| resend || alert.overdue || alert.ended(self.config.keep_for, now).is_some();
            alerts.iter().filter(|(_, alert)| due(alert)).map(|(key, alert)| (key.clone(), alert.clone())).collect()
        };
        for batch in known.chunks(BATCH) {
            let body: Vec<Value> = batch.iter().map(|(key, alert)| self.json(key, alert, now)).collect();
            self.poster.post(&self.post, Value::from(body).to_string()).await?;
            for (key, alert) in batch {
                self.posted(key, alert, now);
            }
        }
        Ok(())
    }

    /// The Alertmanager has taken it, as it was at `now`.
    fn posted(&self, key: &Key, alert: &Alert, now: Timestamp) {
        let mut alerts = self.lock();
        // Unless there is something new of it by now.
        let Some(known) = alerts.get_mut(key).filter(|known| known.newest == alert.newest) else { return };
        known.shown.get_or_insert(now);
        known.overdue = false;
        let forgotten = known.awaited.is_empty() || now.since(known.told) > self.config.give_up_after.0;
        if known.over == alert.over && forgotten && alert.ended(self.config.keep_for, now).is_some() {
            alerts.remove(key);
        }
    }

    fn json(&self, (Topic { finding, plan }, severity): &Key, alert: &Alert, now: Timestamp) -> Value {
        let open_until = now + Duration::from_millis(self.config.resend_every.as_millis().saturating_mul(MISSED));
        let ends = alert.ended(self.config.keep_for, now).unwrap_or(open_until);
        let mut labels = self.config.labels.clone();
        let own = [
            finding.policy.to_string(),
            finding.resource.kind().to_owned(),
            finding.policy.to_string(),
            finding.resource.to_string(),
            severity.to_string(),
        ];
        labels.extend(OURS.into_iter().map(ToOwned::to_owned).zip(own));
        // Else it would be the same alert as what people are told of the finding.
        labels.extend(plan.map(|plan| (PLAN.to_owned(), plan.to_string())));
        json!({
            "labels": labels,
            "annotations": {"summary": alert.message, "notification": alert.id},
            "startsAt": time(alert.starts),
            "endsAt": time(ends),
        })
    }

    /// How long until an alert that is over may be ended, or one has to be posted.
    fn next_post(&self) -> Option<Wall> {
        let now = self.clock.now();
        let keep = self.config.keep_for;
        let end = |alert: &Alert| match alert.overdue {
            true => Some(now),
            false => Some(alert.over?.max(alert.shown? + keep)),
        };
        let ends = self.lock().values().filter(|alert| alert.awaited.is_empty()).filter_map(end).min();
        ends.map(|ends| Wall::from_millis(ends.since(now).as_millis()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Alert>> {
        // Whoever panicked left a whole map: each change is one step.
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notifier for Alertmanager {
    async fn deliver(&self, notification: &Notification) -> Result<(), DeliveryError> {
        let (key, alert) = self.open(notification);
        let now = self.clock.now();
        let body = Value::from(vec![self.json(&key, &alert, now)]);
        self.poster.post(&self.post, body.to_string()).await?;
        if let Some(known) = self.lock().get_mut(&key) {
            known.awaited.remove(&notification.id);
            known.shown.get_or_insert(now);
        }
        // It may be over already; then its end is waited for from now on.
        self.changed.notify_one();
        Ok(())
    }

    fn handed(&self, notification: &Notification) {
        let (key, _) = self.open(notification);
        if let Some(known) = self.lock().get_mut(&key).filter(|known| known.newest == notification.id) {
            // It may be one that stands, of which this channel has not said yet that it was delivered.
            known.shown = known.shown.filter(|_| !known.overdue);
        }
    }

    fn stands(&self, notification: &Notification) {
        let key = (notification.topic(), notification.severity);
        if self.lock().contains_key(&key) {
            // It was not away.
            return;
        }
        let (key, _) = self.open(notification);
        if let Some(known) = self.lock().get_mut(&key) {
            known.awaited.remove(&notification.id);
            (known.overdue, known.shown) = (true, Some(notification.at));
        }
        self.changed.notify_one();
    }

    fn resolved(&self, topic: &Topic) {
        let now = self.clock.now();
        for (_, alert) in self.lock().iter_mut().filter(|((about, _), _)| about == topic) {
            alert.over.get_or_insert(now);
        }
        self.changed.notify_one();
    }

    async fn run(&self, stop: &CancellationToken) {
        let every = Wall::from_millis(self.config.resend_every.as_millis());
        let mut again = tokio::time::Instant::now() + every;
        let mut problem = String::new();
        loop {
            let ends = self.next_post().map(|ends| tokio::time::Instant::now() + ends);
            // What could not be posted is posted with the rest, at the next interval.
            let next = if problem.is_empty() { ends.map_or(again, |ends| ends.min(again)) } else { again };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => continue,
                () = tokio::time::sleep_until(next) => {}
            }
            let resend = next == again;
            if resend {
                again = tokio::time::Instant::now() + every;
            }
            let posted = tokio::select! {
                () = stop.cancelled() => return,
                posted = self.post_again(resend) => posted,
            };
            match posted {
                Ok(()) => problem.clear(),
                Err(error) => {
                    let said = error.to_string();
                    if said != problem {
                        tracing::warn!(channel = %self.config.name, "alerts could not be posted again: {said}");
                    }
                    problem = said;
                }
            }
        }
    }
}
