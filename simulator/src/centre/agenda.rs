//! What is to happen when. Two things of the same time happen in the order in which they were entered.

use std::collections::BTreeMap;

use homeostat_model::{IdempotencyKey, ResourceId, Timestamp};

use crate::Incident;

/// Something that happens at its time. An entry whose deed or boot was called off meanwhile does nothing.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// Everything is measured.
    Sample,
    /// Something of the scenario's timeline.
    Incident(Incident),
    /// A deed ends.
    Deed(IdempotencyKey),
    /// A host has booted: the boot of this number.
    Boot(ResourceId, u64),
    /// A workload that crashed starts by itself.
    Relaunch(ResourceId),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Agenda {
    entries: BTreeMap<(Timestamp, u64), Due>,
    entered: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Timestamp, due: Due) {
        self.entered += 1;
        self.entries.insert((at, self.entered), due);
    }

    /// Takes out the next entry, unless it is later than `until`.
    pub(super) fn next_until(&mut self, until: Timestamp) -> Option<(Timestamp, Due)> {
        let first = self.entries.first_entry()?;
        let (at, _) = *first.key();
        (at <= until).then(|| (at, first.remove()))
    }

    pub(super) fn next_time(&self) -> Option<Timestamp> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }
}
