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
    /// The processor time that running workloads wanted and their hosts did not have, in seconds of one core. What a workload
    /// wants beyond its own virtual cores is not in it.
    pub starved_core_seconds: f64,
    /// The processor time that running workloads wanted beyond their virtual cores, in seconds of one core.
    pub capped_core_seconds: f64,
    /// How long disks were full, in seconds, all together.
    pub full_disk_seconds: f64,
    /// How long hosts were switched on and ran nothing, in seconds, all together.
    pub empty_host_seconds: f64,
    /// What all hosts drew, in joules.
    pub energy_joules: f64,
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
            if let Some((wants, cores)) = granted.get(id).filter(|_| runs) {
                self.figures.starved_core_seconds += (wants - cores).max(0.0) * seconds;
                self.figures.capped_core_seconds += (workload.load_wanted(elapsed) - wants).max(0.0) * seconds;
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
