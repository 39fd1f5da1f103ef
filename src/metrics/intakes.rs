//! What became of what came in, by source.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use homeostat_sources::{Counted, Intake};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

/// The counts of all sources, by their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Intakes(Arc<Mutex<BTreeMap<String, Arc<Intake>>>>);

/// Each sort of count: its name, what it says, and the name of its label.
const FAMILIES: [(Counted, &str, &str, &str); 8] = [
    (
        Counted::Received,
        "source_received",
        "Items and requests that came in: taken, repeated, passed over, refused",
        "",
    ),
    (Counted::Taken, "source_taken", "Items that were sent on", ""),
    (Counted::Repeated, "source_repeated", "Items taken before; samples that are not newer than one before", ""),
    (
        Counted::Forgotten,
        "source_forgotten",
        "Items that were taken and are no longer remembered, for want of space",
        "",
    ),
    (Counted::PassedOver, "source_passed_over", "Items that are of no use, though nothing is wrong with them", "why"),
    (Counted::Refused, "source_refused", "Items and requests that were refused", "reason"),
    (Counted::Requests, "source_requests", "Requests, by the status of the answer", "status"),
    (Counted::Ignored, "source_ignored", "Parts of requests that are not read", "what"),
];

impl Intakes {
    /// That of the source called `name`.
    pub(super) fn of(&self, name: &str) -> Arc<Intake> {
        self.lock().entry(name.to_owned()).or_default().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Intake>>> {
        // Whoever panicked left a whole map: an entry is made at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Intakes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let intakes = self.lock();
        if intakes.is_empty() {
            return Ok(());
        }
        let all: Vec<_> = intakes.iter().map(|(source, intake)| (source.as_str(), intake.all())).collect();
        for (family, name, help, label) in FAMILIES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (source, counts) in &all {
                for (_, value, count) in counts.iter().filter(|(counted, ..)| *counted == family) {
                    let (source, labelled) = (("source", *source), (label, *value));
                    let count = ConstCounter::new(*count);
                    match label {
                        "" => count.encode(metric.encode_family(&[source])?)?,
                        _ => count.encode(metric.encode_family(&[source, labelled])?)?,
                    }
                }
            }
        }
        Ok(())
    }
}
