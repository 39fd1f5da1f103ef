//! What became of notifications, by channel.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use homeostat_notify::{Figures, Tally};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// The counts of all channels, by their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Deliveries(Arc<Mutex<BTreeMap<String, Arc<Tally>>>>);

impl Deliveries {
    /// That of the channel called `name`.
    pub(super) fn of(&self, name: &str) -> Arc<Tally> {
        self.lock().entry(name.to_owned()).or_default().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Tally>>> {
        // Whoever panicked left a whole map: an entry is made at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Deliveries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let tallies = self.lock();
        if tallies.is_empty() {
            return Ok(());
        }
        let all: Vec<(&str, Figures)> = tallies.iter().map(|(name, tally)| (name.as_str(), tally.figures())).collect();
        let help = "Notifications that have arrived, were given up, and tries that have failed";
        let mut metric = encoder.encode_descriptor("notifications", help, None, MetricType::Counter)?;
        for (channel, figures) in &all {
            let results =
                [("delivered", figures.delivered), ("failed", figures.failed), ("given_up", figures.given_up)];
            for (result, count) in results {
                let labels = [("channel", *channel), ("result", result)];
                ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Notifications that wait to be delivered";
        let mut metric = encoder.encode_descriptor("notifications_waiting", help, None, MetricType::Gauge)?;
        for (channel, figures) in &all {
            let waiting = i64::try_from(figures.waiting).unwrap_or(i64::MAX);
            ConstGauge::new(waiting).encode(metric.encode_family(&[("channel", *channel)])?)?;
        }
        let help = "The age of the oldest notification that waits; 0 when none does";
        let mut metric = encoder.encode_descriptor("notifications_oldest_seconds", help, None, MetricType::Gauge)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        for (channel, figures) in &all {
            let age = figures.oldest.map_or(0, |oldest| now.saturating_sub(oldest.as_millis() / 1000).max(0));
            ConstGauge::new(age).encode(metric.encode_family(&[("channel", *channel)])?)?;
        }
        Ok(())
    }
}
