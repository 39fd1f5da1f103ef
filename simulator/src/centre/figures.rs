//! How well the workloads fared, and what it cost: the figures by which doing something is compared with doing nothing.

use std::collections::BTreeMap;

use homeostat_model::{Duration, ResourceId};

use super::{
    DataCentre,
    host::{Host, Life},
};

/// Sums over the time so far. What is seen at a sample counts until the next one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// How often a workload crashed.
    pub crashes: u64,
    /// How long workloads that ran at the start did not, in seconds, all together.
    pub down_seconds: f64,
    /// The processor time that each running workload wanted and did not get, in seconds of one core: because its host did not have
    /// it, or because it was not given so many virtual cores. What got all is not listed.
    pub missing_core_seconds: BTreeMap<ResourceId, f64>,
    /// How long disks were full, in seconds, all together.
    pub full_disk_seconds: f64,
    /// How long hosts were switched on and ran nothing, in seconds, all together.
    pub empty_host_seconds: f64,
    /// What all hosts drew, in joules.
    pub energy_joules: f64,
}

impl Figures {
    /// The processor time that all workloads together wanted and did not get, in seconds of one core.
    #[must_use]
    pub fn all_missing_core_seconds(&self) -> f64 {
        self.missing_core_seconds.values().sum()
    }
}

impl DataCentre {
    /// Adds what is so from this sample to the next one. `granted` has the cores that each running workload wants and gets.
    pub(super) fn account(&mut self, elapsed: Duration, granted: &BTreeMap<ResourceId, (f64, f64)>, watts: f64) {
        let seconds = self.sample_every.as_secs_f64();
        let alive = |host: &ResourceId| {
            self.hosts.get(host).is_some_and(|host: &Host| matches!(host.life, Life::Up | Life::Isolated))
        };
        let mut busy: BTreeMap<&ResourceId, usize> = BTreeMap::new();
        for (id, workload) in &self.workloads {
            let runs = workload.is_active() && alive(&workload.host);
            if runs {
                *busy.entry(&workload.host).or_default() += 1;
            } else if workload.wanted {
                self.figures.down_seconds += seconds;
            }
            let cores = granted.get(id).filter(|_| runs).map_or(f64::MAX, |(_, cores)| *cores);
            let missing = workload.load_wanted(elapsed) - cores;
            if missing > 0.0 {
                *self.figures.missing_core_seconds.entry(id.clone()).or_default() += missing * seconds;
            }
            if workload.disk(elapsed).is_some_and(|(used, size)| used >= size) {
                self.figures.full_disk_seconds += seconds;
            }
        }
        let empty = self.hosts.iter().filter(|(id, host)| host.life == Life::Up && !busy.contains_key(id)).count();
        self.figures.empty_host_seconds += f64::from(u32::try_from(empty).unwrap_or(u32::MAX)) * seconds;
        self.figures.energy_joules += watts * seconds;
    }
}
