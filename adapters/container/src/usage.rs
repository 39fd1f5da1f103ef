//! What a container uses, computed from the engine's statistics. Every field may be missing: Podman leaves some out.

use bollard::models::{
    ContainerBlkioStatEntry, ContainerBlkioStats, ContainerMemoryStats, ContainerNetworkStats, ContainerStatsResponse,
};
use homeostat_model::MetricName;

use crate::{limits::Limits, number::float};

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;

/// The most processes that the kernel can number: a limit from there on is none.
const MOST_PIDS: u64 = 1 << 22;

/// Where the kernel counts the page cache that it can give back at once: control groups of version 1, then of version 2.
const INACTIVE: [&str; 2] = ["total_inactive_file", "inactive_file"];

/// What is counted since the container was started, or since it was made; each that the engine tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counter {
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

/// Places for all counters.
const COUNTERS: usize = Counter::NetworkDropped.place() + 1;

impl Counter {
    #[expect(clippy::as_conversions, reason = "the number of a variant")]
    const fn place(self) -> usize {
        self as usize
    }

    /// What `stats` says.
    fn of(self, stats: &ContainerStatsResponse) -> Option<u64> {
        let cpu = stats.cpu_stats.as_ref();
        let throttling = cpu.and_then(|cpu| cpu.throttling_data.as_ref());
        let disk = |served: fn(&ContainerBlkioStats) -> &Option<Vec<ContainerBlkioStatEntry>>, operation| {
            served_by(served(stats.blkio_stats.as_ref()?).as_deref()?, operation)
        };
        let network = |counted: fn(&ContainerNetworkStats) -> Option<u64>| {
            let interfaces = stats.networks.as_ref()?;
            interfaces.values().filter_map(counted).reduce(u64::saturating_add)
        };
        let both =
            |one: Option<u64>, other: Option<u64>| [one, other].into_iter().flatten().reduce(u64::saturating_add);
        match self {
            Self::Cpu => cpu?.cpu_usage.as_ref()?.total_usage,
            Self::Periods => throttling?.periods,
            Self::Throttled => throttling?.throttled_periods,
            Self::Failures => stats.memory_stats.as_ref()?.failcnt,
            Self::DiskRead => disk(|stats| &stats.io_service_bytes_recursive, "read"),
            Self::DiskWrite => disk(|stats| &stats.io_service_bytes_recursive, "write"),
            Self::DiskReads => disk(|stats| &stats.io_serviced_recursive, "read"),
            Self::DiskWrites => disk(|stats| &stats.io_serviced_recursive, "write"),
            Self::Received => network(|stats| stats.rx_bytes),
            Self::Sent => network(|stats| stats.tx_bytes),
            Self::PacketsReceived => network(|stats| stats.rx_packets),
            Self::PacketsSent => network(|stats| stats.tx_packets),
            Self::NetworkErrors => both(network(|stats| stats.rx_errors), network(|stats| stats.tx_errors)),
            Self::NetworkDropped => both(network(|stats| stats.rx_dropped), network(|stats| stats.tx_dropped)),
        }
    }
}

/// What one kind of operation comes to on all devices. A list without entries is that of a container that has used none.
fn served_by(entries: &[ContainerBlkioStatEntry], operation: &str) -> Option<u64> {
    let is_meant = |entry: &&ContainerBlkioStatEntry| {
        entry.op.as_deref().is_some_and(|named| named.eq_ignore_ascii_case(operation))
    };
    Some(entries.iter().filter(is_meant).filter_map(|entry| entry.value).fold(0, u64::saturating_add))
}

/// All counters at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    /// By the engine's clock, in seconds since the epoch.
    read: f64,
    counted: [Option<u64>; COUNTERS],
}

/// Every counter, in the order of their places.
const ALL: [Counter; COUNTERS] = [
    Counter::Cpu,
    Counter::Periods,
    Counter::Throttled,
    Counter::Failures,
    Counter::DiskRead,
    Counter::DiskWrite,
    Counter::DiskReads,
    Counter::DiskWrites,
    Counter::Received,
    Counter::Sent,
    Counter::PacketsReceived,
    Counter::PacketsSent,
    Counter::NetworkErrors,
    Counter::NetworkDropped,
];

impl Reading {
    /// The reading in `stats`, if it has one: it has a time, and says how much processor time was used.
    pub(crate) fn of(stats: &ContainerStatsResponse) -> Option<Self> {
        let counted = ALL.map(|counter| counter.of(stats));
        Self { read: seconds(stats.read.as_deref()?)?, counted }.if_counted()
    }

    /// The reading before the first one, which Docker sends along: of processor time only.
    pub(crate) fn before(stats: &ContainerStatsResponse) -> Option<Self> {
        let total = stats.precpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage;
        let counted = ALL.map(|counter| total.filter(|_| counter == Counter::Cpu));
        Self { read: seconds(stats.preread.as_deref()?)?, counted }.if_counted()
    }

    fn if_counted(self) -> Option<Self> {
        (self.read > 0.0 && self.count(Counter::Cpu).is_some()).then_some(self)
    }

    fn count(self, counter: Counter) -> Option<u64> {
        self.counted.get(counter.place()).copied().flatten()
    }

    /// Seconds from `earlier` to this one, by the engine's clock.
    pub(crate) fn seconds_since(self, earlier: Self) -> f64 {
        self.read - earlier.read
    }

    /// How much was counted since `earlier`. `None` when it is less: the container was started anew.
    fn change(self, counter: Counter, earlier: Self) -> Option<u64> {
        self.count(counter)?.checked_sub(earlier.count(counter)?)
    }

    /// The same a second. `None` when no time has passed.
    fn rate(self, counter: Counter, earlier: Self) -> Option<f64> {
        let seconds = self.seconds_since(earlier);
        let change = self.change(counter, earlier)?;
        (seconds > 0.0).then(|| float(change) / seconds)
    }

    /// The share of the periods in which it was held back. `None` when it did not run, or has no limit.
    fn throttled_since(self, earlier: Self) -> Option<f64> {
        let periods = self.change(Counter::Periods, earlier).filter(|periods| *periods > 0)?;
        Some(float(self.change(Counter::Throttled, earlier)?) / float(periods))
    }
}

/// Seconds since the epoch.
fn seconds(time: &str) -> Option<f64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    Some(time.as_duration().as_secs_f64())
}

/// Memory used, in bytes, without the page cache that can be given back at once.
pub(crate) fn memory_used(memory: &ContainerMemoryStats) -> Option<u64> {
    Some(memory.usage?.saturating_sub(inactive(memory).unwrap_or(0)))
}

/// The page cache that can be given back at once, in bytes.
fn inactive(memory: &ContainerMemoryStats) -> Option<u64> {
    INACTIVE.iter().find_map(|name| memory.stats.as_ref()?.get(*name).copied())
}

/// The samples of one reading: metric and value, with what is missing left out.
pub(crate) fn samples(
    stats: &ContainerStatsResponse,
    earlier: Option<Reading>,
    limits: Limits,
    host_cores: Option<f64>,
) -> Vec<(MetricName, f64)> {
    let now = Reading::of(stats);
    let span = now.and_then(|now| Some((now, earlier.or_else(|| Reading::before(stats))?)));
    let span = span.filter(|(now, earlier)| now.seconds_since(*earlier) > 0.0);
    let cores = span.and_then(|(now, earlier)| now.rate(Counter::Cpu, earlier)).map(|nanos| nanos / NANOS);
    let allowed = limits.vcpus.or(host_cores).filter(|allowed| *allowed > 0.0);
    let memory = stats.memory_stats.as_ref();
    let used = memory.and_then(memory_used).map(float);
    let pids = stats.pids_stats.as_ref();
    let running = pids.and_then(|pids| pids.current).map(float);
    // Without a limit, engines give the greatest number there is, or 0.
    let most = pids.and_then(|pids| pids.limit).filter(|limit| *limit > 0 && *limit < MOST_PIDS).map(float);
    let values = [
        ("cpu.utilization", cores.zip(allowed).map(|(cores, allowed)| cores / allowed)),
        ("cpu.cores", cores),
        ("cpu.throttled", span.and_then(|(now, earlier)| now.throttled_since(earlier))),
        ("memory.used", used),
        ("memory.utilization", used.zip(limits.memory).map(|(used, limit)| used / float(limit))),
        ("memory.cache", memory.and_then(inactive).map(float)),
        ("pids", running),
        ("pids.utilization", running.zip(most).map(|(running, most)| running / most)),
    ];
    let rates = RATES.map(|(name, counter)| (name, span.and_then(|(now, earlier)| now.rate(counter, earlier))));
    let known = values.into_iter().chain(rates);
    let known = known.filter_map(|(name, value)| Some((MetricName::new(name).ok()?, value?)));
    known.filter(|(_, value)| value.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use bollard::models::HostConfig;

    use super::*;

    fn stats(json: &str) -> ContainerStatsResponse {
        serde_json::from_str(json).unwrap()
    }

    fn limited(nano_cpus: i64, memory: i64) -> Limits {
        Limits::of(&HostConfig { nano_cpus: Some(nano_cpus), memory: Some(memory), ..HostConfig::default() }, None)
    }

    /// Each is a reading with its limits, and what is seen of it on a host with 4 cores, to four decimals.
    #[test]
    fn a_reading_gives_what_can_be_known() {
        let docker = r#"{"read": "2026-01-01T00:00:10Z", "preread": "2026-01-01T00:00:09Z", "pids_stats": {"current": 3},
            "cpu_stats": {"cpu_usage": {"total_usage": 2500000000}},
            "precpu_stats": {"cpu_usage": {"total_usage": 2000000000}},
            "memory_stats": {"usage": 1000, "stats": {"total_inactive_file": 200, "inactive_file": 1}, "limit": 4000}}"#;
        let podman = r#"{"read": "2026-01-01T00:00:10Z", "preread": "0001-01-01T00:00:00Z", "pids_stats": {"current": 1},
            "cpu_stats": {"cpu_usage": {"total_usage": 2500000000}},
            "precpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {"usage": 1000, "limit": 4000}}"#;
        let version_2 = r#"{"memory_stats": {"usage": 1000, "stats": {"inactive_file": 300}}}"#;
        let more_cache_than_use = r#"{"memory_stats": {"usage": 100, "stats": {"inactive_file": 300}}}"#;
        for (what, json, limits, wanted) in [
            (
                "docker, limited",
                docker,
                limited(1_000_000_000, 1600),
                "cpu.utilization=0.5 cpu.cores=0.5 memory.used=800 memory.utilization=0.5 memory.cache=200 pids=3",
            ),
            (
                "docker, unlimited",
                docker,
                Limits::default(),
                "cpu.utilization=0.125 cpu.cores=0.5 memory.used=800 memory.cache=200 pids=3",
            ),
            (
                "podman, first reading",
                podman,
                limited(1_000_000_000, 2000),
                "memory.used=1000 memory.utilization=0.5 pids=1",
            ),
            ("control groups 2", version_2, Limits::default(), "memory.used=700 memory.cache=300"),
            ("more cache than use", more_cache_than_use, Limits::default(), "memory.used=0 memory.cache=300"),
            ("nothing", "{}", limited(1, 1), ""),
            (
                "a container that has ended",
                r#"{"read": "0001-01-01T00:00:00Z", "memory_stats": {}}"#,
                limited(1, 1),
                "",
            ),
        ] {
            let seen = samples(&stats(json), None, limits, Some(4.0));
            let seen: Vec<String> = seen.iter().map(|(metric, value)| format!("{metric}={value}")).collect();
            assert_eq!(seen.join(" "), wanted, "{what}");
        }
    }

    #[test]
    fn processor_time_is_counted_between_readings_of_one_life() {
        let at = |read: f64, total| Reading { read, counted: ALL.map(|_| Some(total)) };
        for (earlier, later, rate) in [
            (at(1.0, 0), at(3.0, 3_000_000_000), Some(1.5e9)),
            (at(1.0, 5), at(2.0, 5), Some(0.0)),
            (at(1.0, 5), at(1.0, 9), None),
            (at(2.0, 5), at(1.0, 9), None),
            (at(1.0, 9_000_000_000), at(2.0, 5), None),
        ] {
            assert_eq!(later.rate(Counter::Cpu, earlier), rate, "{earlier:?} {later:?}");
        }
    }

    #[test]
    fn every_counter_has_its_place() {
        for (place, counter) in ALL.into_iter().enumerate() {
            assert_eq!(counter.place(), place, "{counter:?}");
        }
    }

    /// What two readings, two seconds apart, say about what is counted.
    #[test]
    fn counters_become_rates_and_what_is_missing_stays_missing() {
        let full = |second: u32, n: u64| {
            format!(
                r#"{{"read": "2026-01-01T00:00:{second:02}Z", "pids_stats": {{"current": 3, "limit": 12}},
                "cpu_stats": {{"cpu_usage": {{"total_usage": {n}}},
                    "throttling_data": {{"periods": {}, "throttled_periods": {n}, "throttled_time": 1}}}},
                "memory_stats": {{"failcnt": {n}}},
                "blkio_stats": {{"io_service_bytes_recursive": [
                        {{"major": 8, "minor": 0, "op": "Read", "value": {}}}, {{"op": "read", "value": 1}},
                        {{"major": 8, "minor": 0, "op": "Write", "value": {n}}}, {{"op": "Total", "value": 99}}],
                    "io_serviced_recursive": null}},
                "networks": {{"eth0": {{"rx_bytes": {n}, "tx_bytes": {}, "rx_errors": 0, "rx_dropped": {n}}},
                    "eth1": {{"rx_bytes": {n}, "tx_dropped": {n}}}}}}}"#,
                4 * n,
                10 * n,
                3 * n,
            )
        };
        let bare = r#"{"read": "2026-01-01T00:00:10Z", "cpu_stats": {"cpu_usage": {"total_usage": 5}},
            "blkio_stats": {}, "networks": {}}"#;
        for (what, before, after, wanted) in [
            (
                "docker",
                full(8, 0),
                full(10, 10),
                "cpu.utilization=0.00000000125 cpu.cores=0.000000005 cpu.throttled=0.25 pids=3 pids.utilization=0.25 \
                 memory.failures=5 disk.read.rate=50 disk.write.rate=5 network.receive.rate=10 network.send.rate=15 \
                 network.errors=0 network.dropped=10",
            ),
            ("little", bare.into(), full(12, 5), "cpu.utilization=0 cpu.cores=0 pids=3 pids.utilization=0.25"),
            ("less", full(8, 0), bare.into(), "cpu.utilization=0.000000000625 cpu.cores=0.0000000025"),
            ("no time between", full(10, 0), full(10, 9), "pids=3 pids.utilization=0.25"),
        ] {
            let seen = samples(&stats(&after), Reading::of(&stats(&before)), Limits::default(), Some(4.0));
            let seen: Vec<String> = seen.iter().map(|(metric, value)| format!("{metric}={value}")).collect();
            assert_eq!(seen.join(" "), wanted, "{what}");
        }
    }

    #[test]
    fn an_earlier_reading_comes_before_what_the_engine_sends_along() {
        let json = r#"{"read": "2026-01-01T00:00:10Z", "preread": "2026-01-01T00:00:09Z",
            "cpu_stats": {"cpu_usage": {"total_usage": 10000000000}},
            "precpu_stats": {"cpu_usage": {"total_usage": 9000000000}}}"#;
        let earlier = Reading::of(&stats(
            r#"{"read": "2026-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 5000000000}}}"#,
        ));
        let seen = samples(&stats(json), earlier, Limits::default(), Some(1.0));
        assert_eq!(seen.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [0.5, 0.5]);
    }
}
