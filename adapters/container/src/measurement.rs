//! How containers are measured: by their control groups where those can be read here, else by the engine's statistics.

use std::sync::Arc;

use homeostat_model::Observation;
use homeostat_port::ObservationSink;

use crate::{
    config::Statistics,
    group::Unreadable,
    host::Host,
    inventory::Container,
    meter::Meter,
    stream::{Source, Streams},
};

/// All running containers of one host, each measured in one of the two ways. It ends with this value.
pub(crate) struct Measurement {
    meter: Option<Meter>,
    streams: Streams,
    told: Told,
}

/// Which of the two ways was told of: once each for as long as the connection lasts.
#[derive(Debug, Default)]
struct Told {
    groups: bool,
    engine: bool,
}

impl Measurement {
    /// Nothing is measured yet. `host_cores` is what a container without a limit may use.
    pub(crate) fn new(host: &Host, sink: &ObservationSink, host_cores: Option<f64>) -> Self {
        let streams = Streams::new(Source {
            connection: Arc::clone(&host.connection),
            sink: sink.clone(),
            clock: host.clock,
            every: host.sample_every,
            host_cores,
        });
        let by_groups = host.statistics == Statistics::Auto;
        let meter = by_groups.then(|| Meter::new(host.clock, host.sample_every, host_cores));
        Self { meter, streams, told: Told::default() }
    }

    /// Measures a container that runs, with its limits as they are now, and no more one that does not.
    pub(crate) fn follow(&mut self, container: &Container) {
        if !container.runs {
            return self.leave(&container.id);
        }
        if let Some(meter) = &mut self.meter {
            match meter.follow(container) {
                Ok(()) => {
                    self.told.groups(container);
                    return self.streams.leave(&container.id);
                }
                Err(why) => self.told.engine(container, &why),
            }
        }
        self.streams.follow(container);
    }

    /// Measures the container with the engine's `id` no more.
    pub(crate) fn leave(&mut self, id: &str) {
        if let Some(meter) = &mut self.meter {
            meter.leave(id);
        }
        self.streams.leave(id);
    }

    /// The next samples that are to be sent; those of the engine's statistics are sent already. Nothing is lost when this is
    /// given up before it ends.
    pub(crate) async fn next(&mut self) -> Vec<Observation> {
        let Some(meter) = &mut self.meter else { return std::future::pending().await };
        meter.next().await
    }
}

impl Told {
    fn groups(&mut self, container: &Container) {
        if !std::mem::replace(&mut self.groups, true) {
            tracing::info!(first = %container.resource.id, "containers are measured by their control groups");
        }
    }

    fn engine(&mut self, container: &Container, why: &Unreadable) {
        if !std::mem::replace(&mut self.engine, true) {
            tracing::info!(first = %container.resource.id, %why, "containers are measured by the engine's statistics");
        }
    }
}
