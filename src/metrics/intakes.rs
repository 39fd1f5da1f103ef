//! What became of what came in, by source.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use homeostat_sources::{Intake, Reason};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

/// The counts of all sources, by their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Intakes(Arc<Mutex<BTreeMap<String, Arc<Intake>>>>);

/// What is told of an intake as one number.
type Total = fn(&Intake) -> u64;

const TOTALS: [(&str, &str, Total); 4] = [
    ("source_received", "Items and requests that came in: taken, repeated and refused", Intake::received),
    ("source_taken", "Items that were sent on", Intake::taken),
    ("source_repeated", "Items that had been taken before", Intake::repeated),
    ("source_forgotten", "Items that were taken and are no longer remembered, for want of space", Intake::forgotten),
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
        for (name, help, total) in TOTALS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (source, intake) in intakes.iter() {
                let labels = [("source", source.as_str())];
                ConstCounter::new(total(intake)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Items and requests that were refused";
        let mut metric = encoder.encode_descriptor("source_refused", help, None, MetricType::Counter)?;
        for (source, intake) in intakes.iter() {
            for reason in Reason::ALL {
                let labels = [("source", source.as_str()), ("reason", reason.as_str())];
                ConstCounter::new(intake.refused(reason)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
