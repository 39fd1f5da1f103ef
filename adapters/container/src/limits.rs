//! A container's share of its host: limits of processor time and memory, weight, and the processors it may run on.

use bollard::models::{ContainerUpdateBody, HostConfig};
use homeostat_model::{Amount, Capacity, CpuSet, Value};

use crate::number::{float, integer, positive};

/// The period that engines use when none is given, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;

/// Nanocores in a core.
const NANOS: f64 = 1e9;

/// The weight of a container that was given none.
const DEFAULT_SHARES: u64 = 1024;

/// The share of a core by which two amounts may differ and still be the same: engines round to a thousandth of the period.
const SAME: f64 = 1e-3;

/// How a container's limits were set; `None` is unlimited.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Limits {
    /// In cores.
    pub(crate) vcpus: Option<f64>,
    /// In bytes.
    pub(crate) memory: Option<u64>,
    /// The period in microseconds, when processor time is limited by quota and period and not in nanocores. An engine
    /// refuses to mix the two.
    period: Option<u64>,
    /// Memory and swap together, in bytes; -1 is unlimited, `None` not set.
    memory_and_swap: Option<i64>,
    /// Its weight, if it was given one.
    pub(crate) shares: Option<u64>,
    /// The processors that it may run on.
    pub(crate) cpus: CpuSet,
}

impl Limits {
    /// Reads them from an inspection on a host with so many `cores`. Podman gives nanocores and quota at once, for the same
    /// limit.
    pub(crate) fn of(host: &HostConfig, cores: Option<u64>) -> Self {
        let every = range_of(cores);
        let quota = positive(host.cpu_quota);
        let period = positive(host.cpu_period).unwrap_or(DEFAULT_PERIOD);
        let by_quota = quota.map(|quota| float(quota) / float(period));
        Self {
            vcpus: by_quota.or_else(|| positive(host.nano_cpus).map(|nano| float(nano) / NANOS)),
            memory: positive(host.memory),
            period: quota.map(|_| period).or_else(|| positive(host.cpu_period)),
            memory_and_swap: host.memory_swap.filter(|swap| *swap != 0),
            shares: positive(host.cpu_shares),
            cpus: host
                .cpuset_cpus
                .as_deref()
                .and_then(|set| set.parse().ok())
                .filter(|set| *set != every)
                .unwrap_or(CpuSet::ALL),
        }
    }

    /// What of them the resource carries as attributes, where it is not as with everybody.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let cpus = (!self.cpus.is_all()).then(|| ("cpus", self.cpus.to_string().as_str().into()));
        let shares = self.shares.map(|shares| ("cpuShares", float(shares).into()));
        cpus.into_iter().chain(shares)
    }

    /// As capacity of the resource.
    pub(crate) fn capacity(&self) -> Capacity {
        Capacity { vcpus: self.vcpus, memory_bytes: self.memory }
    }

    /// Whether they are what `wanted` asks for.
    pub(crate) fn satisfy(&self, wanted: &Amount) -> bool {
        let vcpus = wanted.vcpus.is_none_or(|wanted| self.vcpus.is_some_and(|has| (has - wanted).abs() < SAME));
        let memory = wanted.memory_bytes.is_none_or(|wanted| self.memory == Some(wanted));
        let shares = wanted.cpu_shares.is_none_or(|wanted| self.shares.unwrap_or(DEFAULT_SHARES) == wanted);
        let cpus = wanted.cpus.as_ref().is_none_or(|wanted| self.cpus == *wanted);
        vcpus && memory && shares && cpus
    }

    /// What to ask the engine for, to come from these limits to `wanted`.
    ///
    /// Memory and swap have to move together; the room for swap beyond the memory stays as it is. `cores` are the host's: an
    /// engine takes an empty set of processors for one that is not to be changed, so that all of them are named.
    pub(crate) fn update(&self, wanted: &Amount, swap_is_limited: bool, cores: Option<u64>) -> ContainerUpdateBody {
        let mut body = ContainerUpdateBody {
            cpu_shares: wanted.cpu_shares.and_then(|shares| i64::try_from(shares).ok()),
            ..ContainerUpdateBody::default()
        };
        if let Some(cpus) = &wanted.cpus {
            body.cpuset_cpus = Some(if cpus.is_all() { range_of(cores).to_string() } else { cpus.to_string() });
        }
        if let Some(vcpus) = wanted.vcpus {
            match self.period {
                Some(period) => {
                    body.cpu_period = i64::try_from(period).ok();
                    body.cpu_quota = Some(integer(vcpus * float(period)));
                }
                None => body.nano_cpus = Some(integer(vcpus * NANOS)),
            }
        }
        if let Some(memory) = wanted.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok()) {
            body.memory = Some(memory);
            if swap_is_limited {
                body.memory_swap = Some(self.swap_beside(memory));
            }
        }
        body
    }

    fn swap_beside(&self, memory: i64) -> i64 {
        let before = self.memory.and_then(|before| i64::try_from(before).ok());
        match (self.memory_and_swap, before) {
            (Some(both), Some(before)) if both >= before => memory.saturating_add(both - before),
            // Nothing was limited: the memory is from now on, the swap stays unlimited.
            _ => -1,
        }
    }

    /// In words, such as `memory limit 256 MiB, 2 vcpus`.
    pub(crate) fn in_words(&self) -> String {
        let vcpus = self.vcpus.map_or("no cpu limit".into(), |vcpus| format!("{vcpus} vcpus"));
        let memory = self.memory.map_or("no memory limit".into(), |bytes| {
            if bytes % (1 << 20) == 0 {
                format!("memory limit {} MiB", bytes >> 20)
            } else {
                format!("memory limit {bytes} bytes")
            }
        });
        let shares = self.shares.map_or(String::new(), |shares| format!(", {shares} cpu shares"));
        let cpus = if self.cpus.is_all() { String::new() } else { format!(", cpus {}", self.cpus) };
        format!("{memory}, {vcpus}{shares}{cpus}")
    }
}

/// All of a host's processors, by their numbers.
fn range_of(cores: Option<u64>) -> CpuSet {
    cores.map_or(CpuSet::ALL, |cores| CpuSet::range(0, u16::try_from(cores).unwrap_or(u16::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MI: i64 = 1 << 20;

    fn host(nano: i64, quota: i64, period: i64, memory: i64, swap: i64) -> HostConfig {
        HostConfig {
            nano_cpus: Some(nano),
            cpu_quota: Some(quota),
            cpu_period: Some(period),
            memory: Some(memory),
            memory_swap: Some(swap),
            ..HostConfig::default()
        }
    }

    #[test]
    fn limits_are_read_however_they_were_set() {
        for (host, vcpus, memory, words) in [
            (HostConfig::default(), None, None, "no memory limit, no cpu limit"),
            (host(0, 0, 0, 0, 0), None, None, "no memory limit, no cpu limit"),
            (host(0, -1, 0, -1, -1), None, None, "no memory limit, no cpu limit"),
            (host(500_000_000, 0, 0, 64 * MI, 128 * MI), Some(0.5), Some(64 << 20), "memory limit 64 MiB, 0.5 vcpus"),
            (host(0, 150_000, 100_000, 0, 0), Some(1.5), None, "no memory limit, 1.5 vcpus"),
            (host(0, 50_000, 0, 7, 0), Some(0.5), Some(7), "memory limit 7 bytes, 0.5 vcpus"),
            (host(500_000_000, 50_000, 100_000, 0, 0), Some(0.5), None, "no memory limit, 0.5 vcpus"),
        ] {
            let limits = Limits::of(&host, Some(4));
            assert_eq!((limits.vcpus, limits.memory, limits.in_words().as_str()), (vcpus, memory, words), "{host:?}");
        }
    }

    #[test]
    fn an_update_keeps_the_way_the_limits_were_set() {
        let wanted = Amount { vcpus: Some(2.0), memory_bytes: Some(256 << 20), ..Amount::default() };
        // (before) -> nanocores, quota, period, memory and swap
        for (before, nano, quota, period, swap) in [
            (HostConfig::default(), Some(2_000_000_000), None, None, -1),
            (host(500_000_000, 0, 0, 64 * MI, 128 * MI), Some(2_000_000_000), None, None, 320 * MI),
            (host(0, 50_000, 0, 64 * MI, 64 * MI), None, Some(200_000), Some(100_000), 256 * MI),
            (host(0, 5_000, 10_000, 64 * MI, -1), None, Some(20_000), Some(10_000), -1),
            (host(0, 0, 50_000, 0, 0), None, Some(100_000), Some(50_000), -1),
            (host(500_000_000, 50_000, 100_000, 64 * MI, 0), None, Some(200_000), Some(100_000), -1),
        ] {
            let body = Limits::of(&before, Some(4)).update(&wanted, true, Some(4));
            let seen = (body.nano_cpus, body.cpu_quota, body.cpu_period, body.memory, body.memory_swap);
            assert_eq!(seen, (nano, quota, period, Some(256 * MI), Some(swap)), "{before:?}");
        }
    }

    #[test]
    fn an_update_leaves_alone_what_was_not_asked_for() {
        let before = Limits::of(&host(500_000_000, 0, 0, 64 * MI, 64 * MI), Some(4));
        let body = before.update(&Amount { vcpus: Some(1.0), memory_bytes: None, ..Amount::default() }, true, Some(4));
        assert_eq!((body.memory, body.memory_swap), (None, None));
        let body =
            before.update(&Amount { vcpus: None, memory_bytes: Some(128 << 20), ..Amount::default() }, false, Some(4));
        assert_eq!((body.nano_cpus, body.cpu_quota, body.memory_swap), (None, None, None));
        assert_eq!(body.memory, Some(128 * MI));
    }

    #[test]
    fn weight_and_processors_are_changed_beside_the_limits() {
        let set = |text: &str| -> CpuSet { text.parse().unwrap() };
        for (amount, shares, cpus) in [
            (Amount { cpu_shares: Some(512), ..Amount::default() }, Some(512), None),
            (Amount { cpus: Some(set("1,3")), ..Amount::default() }, None, Some("1,3")),
            (Amount { cpus: Some(CpuSet::ALL), ..Amount::default() }, None, Some("0-3")),
        ] {
            let body = Limits::default().update(&amount, true, Some(4));
            let seen = (body.cpu_shares, body.cpuset_cpus.as_deref(), body.nano_cpus, body.memory);
            assert_eq!(seen, (shares, cpus, None, None), "{amount:?}");
        }
        let given = HostConfig { cpu_shares: Some(512), cpuset_cpus: Some("0,1".into()), ..HostConfig::default() };
        let has = Limits::of(&given, Some(4));
        assert_eq!(has.in_words(), "no memory limit, no cpu limit, 512 cpu shares, cpus 0-1");
        let amount = |cpu_shares, cpus: &str| Amount { cpu_shares, cpus: Some(set(cpus)), ..Amount::default() };
        assert!(has.satisfy(&amount(Some(512), "0-1")));
        assert!(!has.satisfy(&amount(Some(512), "0")) && !has.satisfy(&amount(Some(1024), "0-1")));
        let none = Limits::of(&HostConfig::default(), Some(4));
        let every = HostConfig { cpuset_cpus: Some("0-3".into()), ..HostConfig::default() };
        assert_eq!(Limits::of(&every, Some(4)), none, "all there are is no choice");
        assert!(none.satisfy(&amount(Some(1024), "all")) && !none.satisfy(&amount(Some(2), "all")));
    }

    #[test]
    fn rounding_by_the_engine_is_the_same_amount() {
        let has = Limits::of(&host(0, 33_333, 100_000, 64 * MI, 0), Some(4));
        let amount = |vcpus, memory_bytes| Amount { vcpus, memory_bytes, ..Amount::default() };
        assert!(has.satisfy(&amount(Some(1.0 / 3.0), None)));
        assert!(has.satisfy(&amount(None, Some(64 << 20))));
        assert!(!has.satisfy(&amount(Some(0.34), None)));
        assert!(!has.satisfy(&amount(Some(1.0 / 3.0), Some(65 << 20))));
        assert!(!Limits::default().satisfy(&amount(Some(1.0), None)));
    }
}
