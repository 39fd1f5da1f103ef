//! A reading out of an engine's statistics. Podman leaves some of them out.

use bollard::models::{ContainerBlkioStatEntry, ContainerBlkioStats, ContainerNetworkStats, ContainerStatsResponse};

use crate::usage::{Counter, Reading};

/// Where the kernel counts the page cache that it can give back at once: control groups of version 1, then of version 2.
const INACTIVE: [&str; 2] = ["total_inactive_file", "inactive_file"];

/// The reading in `stats`, by the engine's clock.
pub(crate) fn reading(stats: &ContainerStatsResponse) -> Reading {
    let memory = stats.memory_stats.as_ref();
    let pids = stats.pids_stats.as_ref();
    let inactive = |name: &&str| memory?.stats.as_ref()?.get(*name).copied();
    let gauges = Reading {
        at: stats.read.as_deref().and_then(seconds),
        memory: memory.and_then(|memory| memory.usage),
        cache: INACTIVE.iter().find_map(inactive),
        pids: pids.and_then(|pids| pids.current),
        most_pids: pids.and_then(|pids| pids.limit),
        ..Reading::default()
    };
    gauges.counting(|counter| count(counter, stats))
}

/// The reading before the first one, which Docker sends along: of processor time only.
pub(crate) fn before(stats: &ContainerStatsResponse) -> Option<Reading> {
    let total = stats.precpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage;
    let before = Reading { at: stats.preread.as_deref().and_then(seconds), ..Reading::default() };
    before.counting(|counter| total.filter(|_| counter == Counter::Cpu)).if_counted()
}

/// What `stats` says of one counter.
fn count(counter: Counter, stats: &ContainerStatsResponse) -> Option<u64> {
    let cpu = stats.cpu_stats.as_ref();
    let throttling = cpu.and_then(|cpu| cpu.throttling_data.as_ref());
    let disk = |served: fn(&ContainerBlkioStats) -> &Option<Vec<ContainerBlkioStatEntry>>, operation| {
        served_by(served(stats.blkio_stats.as_ref()?).as_deref()?, operation)
    };
    let network = |counted: fn(&ContainerNetworkStats) -> Option<u64>| {
        let interfaces = stats.networks.as_ref()?;
        interfaces.values().filter_map(counted).reduce(u64::saturating_add)
    };
    let both = |one: Option<u64>, other: Option<u64>| [one, other].into_iter().flatten().reduce(u64::saturating_add);
    match counter {
        Counter::Cpu => cpu?.cpu_usage.as_ref()?.total_usage,
        Counter::Periods => throttling?.periods,
        Counter::Throttled => throttling?.throttled_periods,
        Counter::Failures => stats.memory_stats.as_ref()?.failcnt,
        Counter::DiskRead => disk(|stats| &stats.io_service_bytes_recursive, "read"),
        Counter::DiskWrite => disk(|stats| &stats.io_service_bytes_recursive, "write"),
        Counter::DiskReads => disk(|stats| &stats.io_serviced_recursive, "read"),
        Counter::DiskWrites => disk(|stats| &stats.io_serviced_recursive, "write"),
        Counter::Received => network(|stats| stats.rx_bytes),
        Counter::Sent => network(|stats| stats.tx_bytes),
        Counter::PacketsReceived => network(|stats| stats.rx_packets),
        Counter::PacketsSent => network(|stats| stats.tx_packets),
        Counter::NetworkErrors => both(network(|stats| stats.rx_errors), network(|stats| stats.tx_errors)),
        Counter::NetworkDropped => both(network(|stats| stats.rx_dropped), network(|stats| stats.tx_dropped)),
    }
}

/// What one kind of operation comes to on all devices. A list without entries is that of a container that has used none.
fn served_by(entries: &[ContainerBlkioStatEntry], operation: &str) -> Option<u64> {
    let is_meant = |entry: &&ContainerBlkioStatEntry| {
        entry.op.as_deref().is_some_and(|named| named.eq_ignore_ascii_case(operation))
    };
    Some(entries.iter().filter(is_meant).filter_map(|entry| entry.value).fold(0, u64::saturating_add))
}

/// Seconds since the epoch.
fn seconds(time: &str) -> Option<f64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    Some(time.as_duration().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use bollard::models::HostConfig;

    use super::*;
    use crate::{limits::Limits, usage::samples};

    fn stats(json: &str) -> ContainerStatsResponse {
        serde_json::from_str(json).unwrap()
    }

    fn limited(nano_cpus: i64, memory: i64) -> Limits {
        Limits::of(&HostConfig { nano_cpus: Some(nano_cpus), memory: Some(memory), ..HostConfig::default() }, None)
    }

    /// What is seen on a host with 4 cores.
    fn seen(stats: &ContainerStatsResponse, earlier: Option<Reading>, limits: Limits) -> String {
        let earlier = earlier.and_then(Reading::if_counted).or_else(|| before(stats));
        let seen = samples(&reading(stats), earlier.as_ref(), &limits, Some(4.0));
        seen.map(|(metric, value)| format!("{metric}={value}")).collect::<Vec<_>>().join(" ")
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
            assert_eq!(seen(&stats(json), None, limits), wanted, "{what}");
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
            let earlier = reading(&stats(&before));
            assert_eq!(seen(&stats(&after), Some(earlier), Limits::default()), wanted, "{what}");
        }
    }

    #[test]
    fn an_earlier_reading_comes_before_what_the_engine_sends_along() {
        let json = r#"{"read": "2026-01-01T00:00:10Z", "preread": "2026-01-01T00:00:09Z",
            "cpu_stats": {"cpu_usage": {"total_usage": 10000000000}},
            "precpu_stats": {"cpu_usage": {"total_usage": 9000000000}}}"#;
        let earlier = reading(&stats(
            r#"{"read": "2026-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 5000000000}}}"#,
        ));
        assert_eq!(seen(&stats(json), Some(earlier), Limits::default()), "cpu.utilization=0.125 cpu.cores=0.5");
    }
}
