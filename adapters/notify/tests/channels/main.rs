//! Channels against receivers on the loopback interface that fail, dawdle, die and come back; and commands that hang.

#![cfg(test)]

mod alerts;
mod commands;
mod events;
mod receiver;

use std::{sync::Arc, time::Duration};

use homeostat_model::{ChannelName, Delivery, Generation, NoticeId, Notification, Severity, Timestamp};
use homeostat_notify::{Notifier, Outbox, Patience, Tally};
use homeostat_port::Clock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A notification of now.
fn notification(number: u64, severity: Severity, message: &str) -> Notification {
    Notification {
        id: NoticeId { generation: Generation(1), number },
        at: Clock::system().now(),
        finding: serde_json::from_str(r#"{"policy": "too-hot", "resource": "vm/web-1"}"#).unwrap(),
        rung: None,
        asks: None,
        severity,
        message: message.into(),
        to: [ChannelName::new("channel").unwrap()].into(),
    }
}

/// A channel that runs.
struct Running {
    outbox: Arc<Outbox>,
    tally: Arc<Tally>,
    reports: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
}

impl Running {
    fn start(notifier: Arc<dyn Notifier>, give_up_after: homeostat_model::Duration) -> Self {
        let tally = Arc::new(Tally::default());
        let name = ChannelName::new("channel").unwrap();
        let outbox = Outbox::new(name, notifier, Patience(give_up_after), Clock::system(), tally.clone());
        let outbox = Arc::new(outbox);
        let (sender, reports) = mpsc::channel(100);
        let stop = CancellationToken::new();
        let (running, stopped) = (outbox.clone(), stop.clone());
        tokio::spawn(async move { running.run(sender, stopped).await });
        Self { outbox, tally, reports, stop }
    }

    async fn report(&mut self) -> Delivery {
        tokio::time::timeout(PATIENCE, self.reports.recv()).await.expect("no report").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn a_day() -> homeostat_model::Duration {
    Patience::default().0
}

/// The time in a field, in milliseconds since the epoch.
fn millis(value: &serde_json::Value) -> i64 {
    let time: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
    time.as_millisecond()
}

fn is_now(at: i64) -> bool {
    Clock::system().now().since(Timestamp::from_millis(at)) < homeostat_model::Duration::from_secs(60)
}
