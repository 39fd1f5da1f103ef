//! Keeps an adapter observed: connects, and connects again when the connection is lost.

use std::sync::Arc;

use homeostat_engine::Input;
use homeostat_port::{Adapter, ObservationSink};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Message;
use crate::metrics::Metrics;

/// The pause before the first new attempt; it doubles up to the longest.
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);
/// The longest pause: an engine that comes back is noticed within this time.
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(10);

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
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
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
                pause = FIRST_PAUSE;
                adapter.observe(&sink, &stop).await
            }
            Err(error) => Err(error),
        };
        metrics.adapter(name.as_str(), false);
        match connected {
            Ok(()) => return,
            Err(error) => tracing::warn!(adapter = %name, %error, again_in = ?pause, "not connected"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
