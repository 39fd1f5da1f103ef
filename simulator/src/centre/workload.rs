//! A VM or a container: what it was given, what it wants, and what it is at this moment.

use std::collections::BTreeMap;

use homeostat_model::{Duration, ResourceId};

use crate::{Curve, WorkloadSpec, random};

/// What a workload is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It does not run, and was meant not to.
    Stopped,
    /// It is being started and does not run yet.
    Starting,
    /// It runs.
    Running,
    /// It runs while its memory is being copied to another host.
    Migrating,
    /// It stands still, and keeps its memory.
    Paused,
    /// It does not run, by a fault of its own.
    Crashed,
}

#[derive(Debug, Clone)]
pub(super) struct Workload {
    pub(super) host: ResourceId,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) vcpus: f64,
    pub(super) memory_bytes: u64,
    pub(super) load: Curve,
    pub(super) memory_use: Curve,
    pub(super) start_time: Duration,
    pub(super) stop_time: Duration,
    pub(super) phase: Phase,
    /// Of the noise of its load; that of its memory is another one.
    pub(super) seeds: [u64; 2],
}

impl Workload {
    pub(super) fn new(spec: &WorkloadSpec, seed: u64) -> Self {
        let seed = random::seed_of(seed, spec.id.as_str());
        Self {
            host: spec.host.clone(),
            labels: spec.labels.clone(),
            vcpus: spec.vcpus,
            memory_bytes: spec.memory_bytes,
            load: spec.load.clone(),
            memory_use: spec.memory_use.clone(),
            start_time: spec.start_time,
            stop_time: spec.stop_time,
            phase: if spec.running { Phase::Running } else { Phase::Stopped },
            seeds: [random::seed_of(seed, "load"), random::seed_of(seed, "memory")],
        }
    }

    /// Whether it is there, with what it has in memory, as long as its host lives.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Migrating | Phase::Paused)
    }

    /// What can be seen of it on a host that can be reached.
    pub(super) fn state(&self) -> &'static str {
        match self.phase {
            Phase::Stopped => "stopped",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Migrating => "migrating",
            Phase::Paused => "paused",
            Phase::Crashed => "crashed",
        }
    }

    /// The cores it would use after `elapsed` time if its host had them: never more than it was given.
    pub(super) fn wants(&self, elapsed: Duration) -> f64 {
        if self.phase == Phase::Paused {
            return 0.0;
        }
        let [seed, _] = self.seeds;
        self.load.at(elapsed, seed).min(self.vcpus)
    }

    /// The memory it uses after `elapsed` time, in bytes: never more than it was given.
    pub(super) fn memory_used(&self, elapsed: Duration) -> f64 {
        let [_, seed] = self.seeds;
        self.memory_use.at(elapsed, seed).min(crate::number::from_u64(self.memory_bytes)).round()
    }
}
