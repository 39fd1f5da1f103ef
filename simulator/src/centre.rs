//! The data centre as a state machine over virtual time.
//!
//! ```text
//!              kill                   isolate
//!   Dead <------------- Up, Booting ----------> Isolated      seen from outside, Dead and Isolated
//!    |  \                ^  |   ^                |  |          are the same: a host that is `down`
//!    |   \ revive (boots)|  |   +--- revive -----+  |
//!    |    +--------------+  | power off             |
//!    |  fence               v                fence  |
//!    +-------------------> Off <--------------------+          a workload: Stopped, Starting, Running, Migrating,
//!                           |  power on: Booting, then Up      Crashed; nobody knows while its host is `down`
//! ```

mod admission;
mod agenda;
mod deed;
mod description;
mod effects;
mod figures;
mod host;
mod incident;
mod ledger;
mod outcome;
mod sampling;
mod workload;

use std::collections::BTreeMap;

use homeostat_model::{
    AdapterName, Capabilities, Duration, Event, Generation, InventoryChange, Observation, Resource, ResourceId,
    StepReport, Timestamp, Value,
};

use crate::{
    Scenario,
    capability::{Vocabulary, capabilities},
    scenario::Link,
};
use agenda::{Agenda, Due};
use deed::Deeds;
pub use effects::{Effects, RanTwice};
pub use figures::Figures;
use host::Host;
pub use ledger::{Account, Ledger};
use workload::Workload;

/// Something that came out of the data centre, and when.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Something was seen.
    Observed {
        /// When.
        at: Timestamp,
        /// What.
        observation: Observation,
    },
    /// A step that was begun has ended, or was refused.
    Finished {
        /// When.
        at: Timestamp,
        /// How.
        report: StepReport,
    },
}

impl Seen {
    /// When it was seen.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Observed { at, .. } | Self::Finished { at, .. } => *at,
        }
    }
}

/// A data centre in virtual time. It begins at the start of its scenario and moves only when it is told to.
#[derive(Debug, Clone)]
pub struct DataCentre {
    adapter: AdapterName,
    start: Timestamp,
    now: Timestamp,
    sample_every: Duration,
    link: Link,
    racks: BTreeMap<ResourceId, BTreeMap<String, String>>,
    hosts: BTreeMap<ResourceId, Host>,
    workloads: BTreeMap<ResourceId, Workload>,
    agenda: Agenda,
    deeds: Deeds,
    newest: Generation,
    effects: Effects,
    ledger: Ledger,
    vocabulary: Vocabulary,
    offers: Capabilities,
    seen: Vec<Seen>,
    events: u64,
    figures: Figures,
}

impl DataCentre {
    /// The data centre of `scenario` at its start, which is put at `start`. Observations carry `adapter` as their owner.
    #[must_use]
    pub fn new(scenario: &Scenario, adapter: AdapterName, start: Timestamp, seed: u64) -> Self {
        let hosts: BTreeMap<_, _> = scenario.hosts.iter().map(|spec| (spec.id.clone(), Host::new(spec))).collect();
        let workloads: BTreeMap<_, _> =
            scenario.workloads.iter().map(|spec| (spec.id.clone(), Workload::new(spec, seed))).collect();
        let mut centre = Self {
            start,
            now: start,
            sample_every: scenario.sample_every,
            link: scenario.migration,
            racks: scenario.racks.iter().map(|spec| (spec.id.clone(), spec.labels.clone())).collect(),
            hosts,
            workloads,
            agenda: Agenda::default(),
            deeds: Deeds::default(),
            newest: Generation::default(),
            effects: Effects::default(),
            ledger: Ledger::default(),
            vocabulary: Vocabulary::default(),
            offers: capabilities(&adapter),
            seen: Vec::new(),
            events: 0,
            figures: Figures::default(),
            adapter,
        };
        for happening in &scenario.timeline {
            centre.agenda.add(start + happening.at, Due::Incident(happening.incident.clone()));
        }
        centre.agenda.add(start, Due::Sample);
        for (id, workload) in &centre.workloads {
            if workload.is_active() {
                centre.effects.appeared(id, &workload.host, start);
            }
        }
        centre
    }

    /// Everything there is, in the order of ids.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Resource> {
        let ids = self.racks.keys().chain(self.hosts.keys()).chain(self.workloads.keys());
        let mut resources: Vec<Resource> = ids.filter_map(|id| self.describe(id)).collect();
        resources.sort_by(|a, b| a.id.cmp(&b.id));
        resources
    }

    /// Moves time on to `to` and gives what was seen on the way, in the order of time. A time that is past changes
    /// nothing; what begun steps and injected incidents caused since the last call comes out first.
    ///
    /// What comes out of one call grows with the time it leaps over: every resource is sampled in every interval.
    pub fn advance(&mut self, to: Timestamp) -> Vec<Seen> {
        while let Some((at, due)) = self.agenda.next_until(to) {
            self.now = self.now.max(at);
            match due {
                Due::Sample => self.sample(),
                Due::Incident(incident) => self.inject(&incident),
                Due::Deed(key) => self.finish_deed(&key),
                Due::Boot(host, boot) => self.finish_boot(&host, boot),
                Due::Relaunch(workload) => self.relaunch(&workload),
            }
        }
        self.now = self.now.max(to);
        std::mem::take(&mut self.seen)
    }

    /// When something comes out next, if nothing is done before; now, when something waits to be taken.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.seen.is_empty() { self.agenda.next_time() } else { Some(self.now) }
    }

    /// The time it has reached.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The adapter that its resources belong to.
    #[must_use]
    pub fn adapter(&self) -> &AdapterName {
        &self.adapter
    }

    /// What has really been done so far, and whether anything ran twice.
    #[must_use]
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// What was done under which key.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The energy that all hosts have used so far, in joules: the power seen at each sample, until the next one.
    #[must_use]
    pub fn energy_joules(&self) -> f64 {
        self.figures.energy_joules
    }

    /// How well its workloads fared so far.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Says that `id` is as it is now.
    fn changed(&mut self, id: &ResourceId) {
        if let Some(resource) = self.describe(id) {
            self.observed(Observation::Inventory(InventoryChange::Upsert(resource)));
        }
    }

    /// Says that `what` happened to `id`.
    fn happened(&mut self, id: &ResourceId, what: &str, attributes: &[(&str, Value)]) {
        let Some(event_type) = self.vocabulary.event(id.kind(), what) else { return };
        self.events += 1;
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let id = id.clone();
        let event_id = format!("{}-{}", self.adapter, self.events);
        self.observed(Observation::Event(Event { resource: id, event_type, time: self.now, id: event_id, attributes }));
    }

    fn observed(&mut self, observation: Observation) {
        self.seen.push(Seen::Observed { at: self.now, observation });
    }
}
