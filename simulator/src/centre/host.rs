//! A host: what it has, and what it is at this moment.

use std::collections::BTreeMap;

use homeostat_model::{Duration, ResourceId};

use crate::HostSpec;

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It works and can be reached.
    Up,
    /// It was switched on and is not of use yet.
    Booting,
    /// It is switched off and draws nothing.
    Off,
    /// It broke while it was switched on. Nobody outside knows more than that it is silent.
    Dead,
    /// It works and cannot be reached. Nobody outside knows more than that it is silent.
    Isolated,
}

#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) rack: ResourceId,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) cores: f64,
    pub(super) memory_bytes: u64,
    pub(super) overcommit: f64,
    pub(super) idle_watts: f64,
    pub(super) busy_watts: f64,
    pub(super) boot_time: Duration,
    pub(super) life: Life,
    /// It will not come up before it is repaired.
    pub(super) broken: bool,
    /// It was made sure that it runs nothing, and it has not been switched on since.
    pub(super) fenced: bool,
    pub(super) cordoned: bool,
    /// Counts its boots, so that the end of one that was cut short is not taken for that of the next.
    pub(super) boots: u64,
}

impl Host {
    pub(super) fn new(spec: &HostSpec) -> Self {
        Self {
            rack: spec.rack.clone(),
            labels: spec.labels.clone(),
            cores: spec.cores,
            memory_bytes: spec.memory_bytes,
            overcommit: spec.overcommit,
            idle_watts: spec.idle_watts,
            busy_watts: spec.busy_watts,
            boot_time: spec.boot_time,
            life: if spec.on { Life::Up } else { Life::Off },
            broken: false,
            fenced: false,
            cordoned: false,
            boots: 0,
        }
    }

    /// What can be seen of it from outside.
    pub(super) fn state(&self) -> &'static str {
        match self.life {
            Life::Up => "up",
            Life::Booting => "booting",
            Life::Off => "off",
            Life::Dead | Life::Isolated => "down",
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.life == Life::Up
    }

    /// Whether nobody outside can tell what is on it.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.life, Life::Dead | Life::Isolated)
    }

    /// The virtual cores it gives out.
    pub(super) fn vcpus(&self) -> f64 {
        self.cores * self.overcommit
    }

    /// What it draws while this share of its cores is busy, in watts. A straight line between idle and busy is within a
    /// few percent of what servers do (Fan, Weber and Barroso, "Power provisioning for a warehouse-sized computer",
    /// ISCA 2007).
    pub(super) fn watts(&self, busy: f64) -> f64 {
        match self.life {
            Life::Up | Life::Isolated => self.idle_watts + (self.busy_watts - self.idle_watts) * busy,
            Life::Booting => self.idle_watts,
            Life::Off | Life::Dead => 0.0,
        }
    }
}
