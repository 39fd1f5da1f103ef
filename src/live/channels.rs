//! The channels that people are told through: each with what it was configured by, so that a change of one leaves the others alone.
//!
//! ```text
//!   loop --hand(), stands(), resolved()--> outbox of each channel named --> a task each
//!   configuration --> new, gone, changed? --> what waits goes over to the new one; of one that is gone it is given up
//!   Input::Delivered <-- reports <--------------------------------+
//!   end() --> what is being delivered arrives, and that is told; what comes later is handed out by the next start
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use homeostat_engine::Input;
use homeostat_model::{Channel, ChannelName, Delivery, Notification, Topic};
use homeostat_notify::{Alertmanager, CloudEvents, Command, Notifier, Outbox, Patience};
use homeostat_port::Clock;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::Message;
use crate::{
    config::{ChannelConfig, Loaded},
    metrics::Metrics,
};

/// Reports that wait until they are passed on. Channels wait when it is full.
const REPORTS: usize = 64;
/// How long the end of the program waits for what is being delivered. The rest is delivered after the next start.
const FAREWELL: Duration = Duration::from_secs(2);

/// The channels.
#[derive(Debug)]
pub(crate) struct Channels {
    clock: Clock,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    running: BTreeMap<ChannelName, Running>,
    tasks: JoinSet<()>,
    /// None at the end.
    reports: Option<mpsc::Sender<Delivery>>,
    /// Ends when there is nobody any more who could report.
    passing_on: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Running {
    /// What it was configured by: two that are equal need not be told apart.
    by: Value,
    outbox: Arc<Outbox>,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Channels {
    /// None yet. What becomes of notifications is told by `messages`.
    pub(crate) fn new(clock: Clock, metrics: Arc<Metrics>, messages: mpsc::Sender<Message>) -> Self {
        let (reports, mut reported) = mpsc::channel(REPORTS);
        let passing_on = tokio::spawn(async move {
            while let Some(delivery) = reported.recv().await {
                // After the engine's end nobody listens; what was not noted is delivered once more after the next start.
                let _ = messages.send(Message::Input(Box::new(Input::Delivered(delivery)))).await;
            }
        });
        let (running, tasks) = (BTreeMap::new(), JoinSet::new());
        let state = State { running, tasks, reports: Some(reports), passing_on: Some(passing_on) };
        Self { clock, metrics, state: Mutex::new(state) }
    }

    /// Puts the channels of `loaded` into force: those with the same configuration and the same secrets go on, the others are stopped or
    /// started. Gives what the engine has to be told.
    pub(crate) fn replace(&self, loaded: &Loaded) -> Input {
        let mut state = self.lock();
        let Some(reports) = state.reports.clone() else { return Input::Channels(Vec::new()) };
        let mut before = std::mem::take(&mut state.running);
        for (number, config) in loaded.configuration.notifications.iter().enumerate() {
            let by = loaded.channel_identity(number);
            let name = config.name().clone();
            let running = match before.remove(&name) {
                Some(same) if same.by == by => same,
                other => {
                    let started = self.start(config, by, loaded, reports.clone(), &mut state.tasks);
                    if let Some(other) = other {
                        other.stop.cancel();
                        other.outbox.take().into_iter().for_each(|waiting| started.outbox.hand(waiting));
                    }
                    started
                }
            };
            state.running.insert(name, running);
        }
        drop(state);
        for (name, gone) in before {
            for waiting in gone.outbox.take() {
                self.give_up(&waiting, name.clone(), reports.clone());
            }
        }
        let channels = loaded.configuration.notifications.iter();
        let channel = |config: &ChannelConfig| Channel { name: config.name().clone(), from: config.min_severity() };
        Input::Channels(channels.map(channel).collect())
    }

    /// Hands a notification to the channels that it names.
    pub(crate) fn hand(&self, notification: &Notification) {
        let state = self.lock();
        // At the end it is left to the next start.
        let Some(reports) = &state.reports else { return };
        for channel in &notification.to {
            match state.running.get(channel) {
                Some(running) => running.outbox.hand(notification.clone()),
                None => self.give_up(notification, channel.clone(), reports.clone()),
            }
        }
    }

    /// People were told this before, and it is not over.
    pub(crate) fn stands(&self, notification: &Notification) {
        let state = self.lock();
        let channels = notification.to.iter().filter_map(|channel| state.running.get(channel));
        channels.for_each(|running| running.outbox.stands(notification));
    }

    /// What people were told about `topic` is over.
    pub(crate) fn resolved(&self, topic: &Topic) {
        self.lock().running.values().for_each(|running| running.outbox.resolved(topic));
    }

    /// Lets what is being delivered arrive, has it reported, and ends. The engine has to listen meanwhile.
    pub(crate) async fn end(&self) {
        let (mut tasks, passing_on) = {
            let mut state = self.lock();
            // Nobody takes up anything any more.
            state.running.clear();
            state.reports = None;
            (std::mem::take(&mut state.tasks), state.passing_on.take())
        };
        let arrived = async {
            while tasks.join_next().await.is_some() {}
            if let Some(passing_on) = passing_on {
                // When the last of them has ended, so has this.
                let _ = passing_on.await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, arrived).await;
    }

    fn start(
        &self,
        config: &ChannelConfig,
        by: Value,
        loaded: &Loaded,
        reports: mpsc::Sender<Delivery>,
        tasks: &mut JoinSet<()>,
    ) -> Running {
        let (notifier, patience): (Arc<dyn Notifier>, Patience) = match config {
            ChannelConfig::CloudEvents(config) => (Arc::new(CloudEvents::new(config.clone())), config.give_up_after),
            ChannelConfig::Alertmanager(config) => {
                (Arc::new(Alertmanager::new(config.clone(), self.clock)), config.give_up_after())
            }
            ChannelConfig::Command(config) => {
                let mut config = config.clone();
                config.resolve(|path| loaded.resolve(path));
                let patience = config.give_up_after;
                (Arc::new(Command::new(config)), patience)
            }
        };
        let tally = self.metrics.tally(config.name().as_str());
        let outbox = Arc::new(Outbox::new(config.name().clone(), notifier, patience, self.clock, tally));
        let stop = CancellationToken::new();
        while tasks.try_join_next().is_some() {}
        let (running, stopped) = (outbox.clone(), stop.clone());
        tasks.spawn(async move { running.run(reports, stopped).await });
        Running { by, outbox, stop }
    }

    /// There is nobody who could deliver it.
    fn give_up(&self, notification: &Notification, channel: ChannelName, reports: mpsc::Sender<Delivery>) {
        let reason = format!("the configuration has no channel {channel} any more");
        tracing::error!(notification = %notification.id, reason, "a notification is given up");
        self.metrics.tally(channel.as_str()).given_up();
        let id = notification.id;
        tokio::spawn(async move {
            let _ = reports.send(Delivery { notification: id, channel, given_up: Some(reason) }).await;
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left whole channels: each is put in its place at once.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
