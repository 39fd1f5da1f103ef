//! The engine's statistics of running containers: one stream each, thinned out to samples.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use homeostat_model::{Observation, ResourceId, Sample};
use homeostat_port::{Clock, ObservationSink};
use tokio::{
    sync::{Semaphore, watch},
    task::{AbortHandle, JoinSet},
};

use crate::{
    connection::Connection,
    inventory::Container,
    limits::Limits,
    statistics,
    usage::{self, Reading},
};

/// Streams that are open at a time. Each is a connection of its own, and half of the 1024 files that a process may usually
/// have open stay free. Containers beyond that wait until another one ends.
const MAX_STREAMS: usize = 512;

/// The pause before a stream that ended by itself is opened again.
const REOPEN: Duration = Duration::from_secs(2);

/// Engines send a reading a second, give or take this.
const JITTER: Duration = Duration::from_millis(500);

/// The streams of all running containers. They end with it.
pub(crate) struct Streams {
    source: Source,
    permits: Arc<Semaphore>,
    tasks: JoinSet<()>,
    followed: BTreeMap<String, (AbortHandle, watch::Sender<Limits>)>,
}

/// What every stream needs.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) connection: Arc<Connection>,
    pub(crate) sink: ObservationSink,
    pub(crate) clock: Clock,
    pub(crate) every: Duration,
    pub(crate) host_cores: Option<f64>,
}

impl Streams {
    pub(crate) fn new(source: Source) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_STREAMS));
        Self { source, permits, tasks: JoinSet::new(), followed: BTreeMap::new() }
    }

    /// Follows a container that runs, with its limits as they are now, and stops following one that does not.
    pub(crate) fn follow(&mut self, container: &Container) {
        while self.tasks.try_join_next().is_some() {}
        if !container.runs {
            self.leave(&container.id);
        } else if let Some((_, limits)) = self.followed.get(&container.id) {
            limits.send_replace(container.limits.clone());
        } else {
            let (sender, limits) = watch::channel(container.limits.clone());
            let (source, permits) = (self.source.clone(), Arc::clone(&self.permits));
            let (id, resource) = (container.id.clone(), container.resource.id.clone());
            if permits.available_permits() == 0 {
                tracing::warn!(container = %resource, open = MAX_STREAMS, "not measured until another container ends");
            }
            let task = self.tasks.spawn(async move {
                let Ok(_permit) = permits.acquire().await else { return };
                source.run(&id, &resource, &limits).await;
            });
            self.followed.insert(container.id.clone(), (task, sender));
        }
    }

    /// Stops following the container with the engine's `id`.
    pub(crate) fn leave(&mut self, id: &str) {
        if let Some((task, _)) = self.followed.remove(id) {
            task.abort();
        }
    }
}

impl Source {
    /// Reads until it is aborted or nobody listens any more. A lost connection is noticed by the stream of events.
    async fn run(&self, id: &str, resource: &ResourceId, limits: &watch::Receiver<Limits>) {
        loop {
            if let Ok(mut stream) = self.connection.statistics(id).await {
                let mut pace = Pace { every: self.every, earlier: None, sent: None };
                while let Some(Ok(stats)) = stream.next().await {
                    let now = statistics::reading(&stats);
                    let Some(earlier) = pace.due(now.if_counted()) else { continue };
                    let earlier = earlier.or_else(|| statistics::before(&stats));
                    let current = limits.borrow().clone();
                    for (metric, value) in usage::samples(&now, earlier.as_ref(), &current, self.host_cores) {
                        let sample = Sample { resource: resource.clone(), metric, time: self.clock.now(), value };
                        if self.sink.send(Observation::Sample(sample)).await.is_err() {
                            return;
                        }
                    }
                }
            }
            tokio::time::sleep(REOPEN).await;
        }
    }
}

/// Decides which readings become samples: the first two, so that something is known soon, then one every so often.
struct Pace {
    every: Duration,
    earlier: Option<Reading>,
    sent: Option<Instant>,
}

impl Pace {
    /// Whether a reading is to be sent, and if so what processor time is to be counted from.
    fn due(&mut self, reading: Option<Reading>) -> Option<Option<Reading>> {
        if self.sent.is_some_and(|sent| sent.elapsed() + JITTER < self.every) {
            return None;
        }
        let earlier = self.earlier;
        // Podman sends the first two at once, which says nothing about the processor.
        let since = earlier.zip(reading).and_then(|(earlier, now)| now.seconds_since(&earlier));
        if since.is_some_and(|seconds| seconds < JITTER.as_secs_f64()) {
            return None;
        }
        if earlier.is_some() {
            self.sent = Some(Instant::now());
        }
        self.earlier = reading.or(earlier);
        Some(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(second: u32) -> Option<Reading> {
        let json = format!(
            r#"{{"read": "2026-01-01T00:00:{second:02}Z", "cpu_stats": {{"cpu_usage": {{"total_usage": {second}}}}}}}"#
        );
        statistics::reading(&serde_json::from_str(&json).unwrap()).if_counted()
    }

    #[test]
    fn the_first_two_readings_are_sent_and_then_one_every_so_often() {
        let mut pace = Pace { every: Duration::from_secs(10), earlier: None, sent: None };
        assert_eq!(pace.due(reading(1)), Some(None));
        assert_eq!(pace.due(reading(2)), Some(reading(1)));
        assert_eq!(pace.due(reading(3)), None);
        pace.sent = Instant::now().checked_sub(Duration::from_secs(10));
        assert_eq!(pace.due(reading(12)), Some(reading(2)));
        assert_eq!(pace.due(reading(13)), None);
    }

    #[test]
    fn a_reading_at_the_heels_of_another_is_left_out() {
        let mut pace = Pace { every: Duration::from_secs(1), earlier: reading(1), sent: None };
        assert_eq!(pace.due(reading(1)), None);
        assert_eq!(pace.due(reading(6)), Some(reading(1)));
    }

    #[test]
    fn a_reading_without_processor_time_does_not_lose_the_one_before() {
        let mut pace = Pace { every: Duration::from_secs(1), earlier: reading(1), sent: None };
        assert_eq!(pace.due(None), Some(reading(1)));
        pace.sent = None;
        assert_eq!(pace.due(reading(3)), Some(reading(1)));
    }
}
