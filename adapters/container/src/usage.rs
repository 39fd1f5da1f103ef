//! What a container uses, computed from two readings. Every field of a reading may be missing: engines and kernels differ.

use std::sync::LazyLock;

use homeostat_model::MetricName;

use crate::{limits::Limits, number::float};

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;

/// The most processes that the kernel can number: a limit from there on is none.
const MOST_PIDS: u64 = 1 << 22;

/// What is counted since the container was started, or since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    /// Nanoseconds of all cores.
    Cpu,
    /// Periods of the processor limit in which it ran.
    Periods,
    /// Those of them in which it was held back.
    Throttled,
    /// Times that its memory limit was hit.
    Failures,
    DiskRead,
    DiskWrite,
    DiskReads,
    DiskWrites,
    Received,
    Sent,
    PacketsReceived,
    PacketsSent,
    NetworkErrors,
    NetworkDropped,
}

/// Places for all counters.
const COUNTERS: usize = Counter::NetworkDropped.place() + 1;

/// Metrics of one reading, or of what was counted between two.
const VALUES: [&str; 8] = [
    "cpu.utilization",
    "cpu.cores",
    "cpu.throttled",
    "memory.used",
    "memory.utilization",
    "memory.cache",
    "pids",
    "pids.utilization",
];

/// The counters whose change a second is a metric of its own.
const RATES: [(&str, Counter); 11] = [
    ("memory.failures", Counter::Failures),
    ("disk.read.rate", Counter::DiskRead),
    ("disk.write.rate", Counter::DiskWrite),
    ("disk.read.operations", Counter::DiskReads),
    ("disk.write.operations", Counter::DiskWrites),
    ("network.receive.rate", Counter::Received),
    ("network.send.rate", Counter::Sent),
    ("network.receive.packets", Counter::PacketsReceived),
    ("network.send.packets", Counter::PacketsSent),
    ("network.errors", Counter::NetworkErrors),
    ("network.dropped", Counter::NetworkDropped),
];

/// The names of all metrics, values and then rates, made once: there are many samples.
static NAMES: LazyLock<Vec<MetricName>> = LazyLock::new(|| {
    let names = VALUES.into_iter().chain(RATES.map(|(name, _)| name));
    names.filter_map(|name| MetricName::new(name).ok()).collect()
});

impl Counter {
    /// Every counter, in the order of their places.
    pub(crate) const ALL: [Self; COUNTERS] = [
        Self::Cpu,
        Self::Periods,
        Self::Throttled,
        Self::Failures,
        Self::DiskRead,
        Self::DiskWrite,
        Self::DiskReads,
        Self::DiskWrites,
        Self::Received,
        Self::Sent,
        Self::PacketsReceived,
        Self::PacketsSent,
        Self::NetworkErrors,
        Self::NetworkDropped,
    ];

    #[expect(clippy::as_conversions, reason = "the number of a variant")]
    const fn place(self) -> usize {
        self as usize
    }
}

/// What a container has and has used at one instant, whoever was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Reading {
    /// When, in seconds, by a clock that is the same for all readings of a container that are compared.
    pub(crate) at: Option<f64>,
    /// Memory with all of the page cache, in bytes.
    pub(crate) memory: Option<u64>,
    /// The page cache that can be given back at once, in bytes.
    pub(crate) cache: Option<u64>,
    /// Processes and threads.
    pub(crate) pids: Option<u64>,
    /// How many of them there may be; 0 or a very great number when there is no limit.
    pub(crate) most_pids: Option<u64>,
    /// By their places.
    pub(crate) counted: [Option<u64>; COUNTERS],
}

impl Reading {
    /// Takes what `count` says of each counter.
    pub(crate) fn counting(self, count: impl Fn(Counter) -> Option<u64>) -> Self {
        Self { counted: Counter::ALL.map(count), ..self }
    }

    /// Sets one counter.
    pub(crate) fn set(&mut self, counter: Counter, count: Option<u64>) {
        if let Some(place) = self.counted.get_mut(counter.place()) {
            *place = count;
        }
    }

    /// One counter.
    pub(crate) fn count(&self, counter: Counter) -> Option<u64> {
        self.counted.get(counter.place()).copied().flatten()
    }

    /// This one, if something can be counted from it: it has a time, and says how much processor time was used.
    pub(crate) fn if_counted(self) -> Option<Self> {
        (self.at.is_some_and(|at| at > 0.0) && self.count(Counter::Cpu).is_some()).then_some(self)
    }

    /// Memory used, in bytes, without the page cache that can be given back at once.
    pub(crate) fn memory_used(&self) -> Option<u64> {
        Some(self.memory?.saturating_sub(self.cache.unwrap_or(0)))
    }

    /// Seconds from `earlier` to this one.
    pub(crate) fn seconds_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.at? - earlier.at?)
    }

    /// How much was counted since `earlier`. `None` when it is less: the container was started anew.
    fn change(&self, counter: Counter, earlier: &Self) -> Option<u64> {
        self.count(counter)?.checked_sub(earlier.count(counter)?)
    }

    /// The same a second. `None` when no time has passed.
    fn rate(&self, counter: Counter, earlier: &Self) -> Option<f64> {
        let seconds = self.seconds_since(earlier).filter(|seconds| *seconds > 0.0)?;
        Some(float(self.change(counter, earlier)?) / seconds)
    }

    /// The share of the periods in which it was held back. `None` when it did not run, or has no limit.
    fn throttled_since(&self, earlier: &Self) -> Option<f64> {
        let periods = self.change(Counter::Periods, earlier).filter(|periods| *periods > 0)?;
        Some(float(self.change(Counter::Throttled, earlier)?) / float(periods))
    }
}

/// The samples of a reading: metric and value, with what is missing left out. Rates are those since `earlier`.
pub(crate) fn samples(
    now: &Reading,
    earlier: Option<&Reading>,
    limits: &Limits,
    host_cores: Option<f64>,
) -> impl Iterator<Item = (MetricName, f64)> + use<> {
    let earlier = earlier.filter(|earlier| now.seconds_since(earlier).is_some_and(|seconds| seconds > 0.0));
    let rate = |counter| now.rate(counter, earlier?);
    let cores = rate(Counter::Cpu).map(|nanos| nanos / NANOS);
    let allowed = limits.vcpus.or(host_cores).filter(|allowed| *allowed > 0.0);
    let used = now.memory_used().map(float);
    let running = now.pids.map(float);
    // Without a limit, engines give the greatest number there is, or 0.
    let most = now.most_pids.filter(|limit| *limit > 0 && *limit < MOST_PIDS).map(float);
    // In the order of `VALUES`.
    let values = [
        cores.zip(allowed).map(|(cores, allowed)| cores / allowed),
        cores,
        earlier.and_then(|earlier| now.throttled_since(earlier)),
        used,
        used.zip(limits.memory).map(|(used, limit)| used / float(limit)),
        now.cache.map(float),
        running,
        running.zip(most).map(|(running, most)| running / most),
    ];
    let rates = RATES.map(|(_, counter)| rate(counter));
    let known = NAMES.iter().zip(values.into_iter().chain(rates));
    known.filter_map(|(name, value)| Some((name.clone(), value.filter(|value| value.is_finite())?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_counted_between_readings_of_one_life() {
        let at = |at: f64, total| Reading { at: Some(at), ..Reading::default() }.counting(|_| Some(total));
        for (earlier, later, rate) in [
            (at(1.0, 0), at(3.0, 3_000_000_000), Some(1.5e9)),
            (at(1.0, 5), at(2.0, 5), Some(0.0)),
            (at(1.0, 5), at(1.0, 9), None),
            (at(2.0, 5), at(1.0, 9), None),
            (at(1.0, 9_000_000_000), at(2.0, 5), None),
        ] {
            assert_eq!(later.rate(Counter::Cpu, &earlier), rate, "{earlier:?} {later:?}");
        }
    }

    #[test]
    fn every_counter_has_its_place() {
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter.place(), place, "{counter:?}");
        }
    }

    #[test]
    fn every_metric_has_its_name() {
        assert_eq!(NAMES.len(), VALUES.len() + RATES.len());
    }
}
