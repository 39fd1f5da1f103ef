//! Keeps an adapter observed: connects, and connects again when the connection is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use homeostat_engine::Input;
use homeostat_port::{Adapter, ObservationSink};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Message;
use crate::metrics::Metrics;

/// The pause before the first new attempt; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause: an engine that comes back is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An observation that lasted this long has worked. One that breaks sooner, time after time, must not be begun four times a
/// second: each begin is a whole inventory.
const WORKED: Duration = Duration::from_secs(10);

/// Observes `adapter` until `stop`; says when it connected for the first time.
pub(crate) async fn observe(
    adapter: Arc<dyn Adapter>,
    sink: ObservationSink,
    messages: mpsc::Sender<Message>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    first_connected: impl FnOnce(),
) {
    let name = adapter.name().clone();
    let mut first_connected = Some(first_connected);
    let mut pauses = Pauses::default();
    while !stop.is_cancelled() {
        let mut observed = Duration::ZERO;
        // What an engine can do may change with its version, so it is asked at every connection.
        let connected = match adapter.capabilities().await {
            Ok(capabilities) => {
                let announcement = Message::Input(Box::new(Input::Capabilities(capabilities)));
                if messages.send(announcement).await.is_err() {
                    return;
                }
                metrics.adapter(name.as_str(), true);
                tracing::info!(adapter = %name, "connected");
                if let Some(first_connected) = first_connected.take() {
                    first_connected();
                }
                let began = Instant::now();
                let ended = adapter.observe(&sink, &stop).await;
                observed = began.elapsed();
                ended
            }
            Err(error) => Err(error),
        };
        metrics.adapter(name.as_str(), false);
        let pause = pauses.after(observed);
        match connected {
            Ok(()) => return,
            Err(error) => tracing::warn!(adapter = %name, %error, again_in = ?pause, "not connected"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The pauses between attempts: each twice as long as the one before, until an observation has worked.
#[derive(Debug)]
struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: FIRST_PAUSE }
    }
}

impl Pauses {
    /// The pause after an attempt that observed for this long.
    fn after(&mut self, observed: Duration) -> Duration {
        let pause = if observed >= WORKED { FIRST_PAUSE } else { self.next };
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Pauses};

    #[test]
    fn only_an_observation_that_worked_begins_the_pauses_anew() {
        let mut pauses = Pauses::default();
        let observed_and_pause = [
            (0, 250),
            (0, 500),
            (9_999, 1_000),
            (0, 2_000),
            (0, 4_000),
            (0, 8_000),
            (0, 10_000),
            (10_000, 250),
            (0, 500),
        ];
        for (observed, pause) in observed_and_pause {
            assert_eq!(pauses.after(Duration::from_millis(observed)).as_millis(), pause, "after {observed} ms");
        }
    }
}
