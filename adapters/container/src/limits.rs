//! A container's limits of processor time and memory: reading them, and asking for others.

use bollard::models::{ContainerUpdateBody, HostConfig};
use homeostat_model::{Amount, Capacity};

use crate::number::{float, integer, positive};

/// The period that engines use when none is given, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;

/// Nanocores in a core.
const NANOS: f64 = 1e9;

/// The share of a core by which two amounts may differ and still be the same: engines round to a thousandth of the period.
const SAME: f64 = 1e-3;

/// How a container's limits were set; `None` is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
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
}

impl Limits {
    /// Reads them from an inspection. Podman gives nanocores and quota at once, for the same limit.
    pub(crate) fn of(host: &HostConfig) -> Self {
        let quota = positive(host.cpu_quota);
        let period = positive(host.cpu_period).unwrap_or(DEFAULT_PERIOD);
        let by_quota = quota.map(|quota| float(quota) / float(period));
        Self {
            vcpus: by_quota.or_else(|| positive(host.nano_cpus).map(|nano| float(nano) / NANOS)),
            memory: positive(host.memory),
            period: quota.map(|_| period).or_else(|| positive(host.cpu_period)),
            memory_and_swap: host.memory_swap.filter(|swap| *swap != 0),
        }
    }

    /// As capacity of the resource.
    pub(crate) fn capacity(self) -> Capacity {
        Capacity { vcpus: self.vcpus, memory_bytes: self.memory }
    }

    /// Whether they are what `wanted` asks for.
    pub(crate) fn satisfy(self, wanted: Amount) -> bool {
        let vcpus = wanted.vcpus.is_none_or(|wanted| self.vcpus.is_some_and(|has| (has - wanted).abs() < SAME));
        let memory = wanted.memory_bytes.is_none_or(|wanted| self.memory == Some(wanted));
        vcpus && memory
    }

    /// What to ask the engine for, to come from these limits to `wanted`.
    ///
    /// Memory and swap have to move together; the room for swap beyond the memory stays as it is.
    pub(crate) fn update(self, wanted: Amount, swap_is_limited: bool) -> ContainerUpdateBody {
        let mut body = ContainerUpdateBody::default();
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

    fn swap_beside(self, memory: i64) -> i64 {
        let before = self.memory.and_then(|before| i64::try_from(before).ok());
        match (self.memory_and_swap, before) {
            (Some(both), Some(before)) if both >= before => memory.saturating_add(both - before),
            // Nothing was limited: the memory is from now on, the swap stays unlimited.
            _ => -1,
        }
    }

    /// In words, such as `memory limit 256 MiB, 2 vcpus`.
    pub(crate) fn in_words(self) -> String {
        let vcpus = self.vcpus.map_or("no cpu limit".into(), |vcpus| format!("{vcpus} vcpus"));
        let memory = self.memory.map_or("no memory limit".into(), |bytes| {
            if bytes % (1 << 20) == 0 {
                format!("memory limit {} MiB", bytes >> 20)
            } else {
                format!("memory limit {bytes} bytes")
            }
        });
        format!("{memory}, {vcpus}")
    }
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
            let limits = Limits::of(&host);
            assert_eq!((limits.vcpus, limits.memory, limits.in_words().as_str()), (vcpus, memory, words), "{host:?}");
        }
    }

    #[test]
    fn an_update_keeps_the_way_the_limits_were_set() {
        let wanted = Amount { vcpus: Some(2.0), memory_bytes: Some(256 << 20) };
        // (before) -> nanocores, quota, period, memory and swap
        for (before, nano, quota, period, swap) in [
            (HostConfig::default(), Some(2_000_000_000), None, None, -1),
            (host(500_000_000, 0, 0, 64 * MI, 128 * MI), Some(2_000_000_000), None, None, 320 * MI),
            (host(0, 50_000, 0, 64 * MI, 64 * MI), None, Some(200_000), Some(100_000), 256 * MI),
            (host(0, 5_000, 10_000, 64 * MI, -1), None, Some(20_000), Some(10_000), -1),
            (host(0, 0, 50_000, 0, 0), None, Some(100_000), Some(50_000), -1),
            (host(500_000_000, 50_000, 100_000, 64 * MI, 0), None, Some(200_000), Some(100_000), -1),
        ] {
            let body = Limits::of(&before).update(wanted, true);
            let seen = (body.nano_cpus, body.cpu_quota, body.cpu_period, body.memory, body.memory_swap);
            assert_eq!(seen, (nano, quota, period, Some(256 * MI), Some(swap)), "{before:?}");
        }
    }

    #[test]
    fn an_update_leaves_alone_what_was_not_asked_for() {
        let before = Limits::of(&host(500_000_000, 0, 0, 64 * MI, 64 * MI));
        let body = before.update(Amount { vcpus: Some(1.0), memory_bytes: None }, true);
        assert_eq!((body.memory, body.memory_swap), (None, None));
        let body = before.update(Amount { vcpus: None, memory_bytes: Some(128 << 20) }, false);
        assert_eq!((body.nano_cpus, body.cpu_quota, body.memory_swap), (None, None, None));
        assert_eq!(body.memory, Some(128 * MI));
    }

    #[test]
    fn rounding_by_the_engine_is_the_same_amount() {
        let has = Limits::of(&host(0, 33_333, 100_000, 64 * MI, 0));
        let amount = |vcpus, memory_bytes| Amount { vcpus, memory_bytes };
        assert!(has.satisfy(amount(Some(1.0 / 3.0), None)));
        assert!(has.satisfy(amount(None, Some(64 << 20))));
        assert!(!has.satisfy(amount(Some(0.34), None)));
        assert!(!has.satisfy(amount(Some(1.0 / 3.0), Some(65 << 20))));
        assert!(!Limits::default().satisfy(amount(Some(1.0), None)));
    }
}
