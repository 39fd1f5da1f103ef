//! What a container uses, computed from the engine's statistics. Every field may be missing: Podman leaves some out.

use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use homeostat_model::MetricName;

use crate::{limits::Limits, number::float};

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;

/// Where the kernel counts the page cache that it can give back at once: control groups of version 1, then of version 2.
const INACTIVE: [&str; 2] = ["total_inactive_file", "inactive_file"];

/// The processor time used up to an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuReading {
    /// By the engine's clock, in seconds since the epoch.
    read: f64,
    /// Nanoseconds of all cores, since the container was started.
    total: u64,
}

impl CpuReading {
    /// The reading in `stats`, if it has one.
    pub(crate) fn of(stats: &ContainerStatsResponse) -> Option<Self> {
        let read: jiff::Timestamp = stats.read.as_deref()?.parse().ok()?;
        let total = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
        Some(Self { read: read.as_duration().as_secs_f64(), total }).filter(|reading| reading.read > 0.0)
    }

    /// The reading before the first one, which Docker sends along.
    pub(crate) fn before(stats: &ContainerStatsResponse) -> Option<Self> {
        let read: jiff::Timestamp = stats.preread.as_deref()?.parse().ok()?;
        let total = stats.precpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
        Some(Self { read: read.as_duration().as_secs_f64(), total }).filter(|reading| reading.read > 0.0)
    }

    /// Seconds from `earlier` to this one, by the engine's clock.
    pub(crate) fn seconds_since(self, earlier: Self) -> f64 {
        self.read - earlier.read
    }

    /// Cores kept busy since `earlier`. `None` when no time has passed, or when the container was started anew.
    pub(crate) fn cores_since(self, earlier: Self) -> Option<f64> {
        let seconds = self.seconds_since(earlier);
        let used = self.total.checked_sub(earlier.total)?;
        (seconds > 0.0).then(|| float(used) / NANOS / seconds)
    }
}

/// Memory used, in bytes, without the page cache that can be given back at once.
pub(crate) fn memory_used(memory: &ContainerMemoryStats) -> Option<u64> {
    let stats = memory.stats.as_ref();
    let inactive = INACTIVE.iter().find_map(|name| stats?.get(*name).copied()).unwrap_or(0);
    Some(memory.usage?.saturating_sub(inactive))
}

/// The samples of one reading: metric and value, with what is missing left out.
pub(crate) fn samples(
    stats: &ContainerStatsResponse,
    earlier: Option<CpuReading>,
    limits: Limits,
    host_cores: Option<f64>,
) -> Vec<(MetricName, f64)> {
    let cores = CpuReading::of(stats).and_then(|now| now.cores_since(earlier.or_else(|| CpuReading::before(stats))?));
    let allowed = limits.vcpus.or(host_cores).filter(|allowed| *allowed > 0.0);
    let used = stats.memory_stats.as_ref().and_then(memory_used).map(float);
    let pids = stats.pids_stats.as_ref().and_then(|pids| pids.current).map(float);
    let values = [
        ("cpu.utilization", cores.zip(allowed).map(|(cores, allowed)| cores / allowed)),
        ("cpu.cores", cores),
        ("memory.used", used),
        ("memory.utilization", used.zip(limits.memory).map(|(used, limit)| used / float(limit))),
        ("pids", pids),
    ];
    let known = values.into_iter().filter_map(|(name, value)| Some((MetricName::new(name).ok()?, value?)));
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
        Limits::of(&HostConfig { nano_cpus: Some(nano_cpus), memory: Some(memory), ..HostConfig::default() })
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
                "cpu.utilization=0.5 cpu.cores=0.5 memory.used=800 memory.utilization=0.5 pids=3",
            ),
            (
                "docker, unlimited",
                docker,
                Limits::default(),
                "cpu.utilization=0.125 cpu.cores=0.5 memory.used=800 pids=3",
            ),
            (
                "podman, first reading",
                podman,
                limited(1_000_000_000, 2000),
                "memory.used=1000 memory.utilization=0.5 pids=1",
            ),
            ("control groups 2", version_2, Limits::default(), "memory.used=700"),
            ("more cache than use", more_cache_than_use, Limits::default(), "memory.used=0"),
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
        let at = |read: f64, total| CpuReading { read, total };
        for (earlier, later, cores) in [
            (at(1.0, 0), at(3.0, 3_000_000_000), Some(1.5)),
            (at(1.0, 5), at(2.0, 5), Some(0.0)),
            (at(1.0, 5), at(1.0, 9), None),
            (at(2.0, 5), at(1.0, 9), None),
            (at(1.0, 9_000_000_000), at(2.0, 5), None),
        ] {
            assert_eq!(later.cores_since(earlier), cores, "{earlier:?} {later:?}");
        }
    }

    #[test]
    fn an_earlier_reading_comes_before_what_the_engine_sends_along() {
        let json = r#"{"read": "2026-01-01T00:00:10Z", "preread": "2026-01-01T00:00:09Z",
            "cpu_stats": {"cpu_usage": {"total_usage": 10000000000}},
            "precpu_stats": {"cpu_usage": {"total_usage": 9000000000}}}"#;
        let earlier = CpuReading::of(&stats(
            r#"{"read": "2026-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 5000000000}}}"#,
        ));
        let seen = samples(&stats(json), earlier, Limits::default(), Some(1.0));
        assert_eq!(seen.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [0.5, 0.5]);
    }
}
