//! What an adapter can see and do. Policies are checked against it when they load, plans when they are made.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{AdapterName, EventType, Kind, MetricName, Unit, Verb};

/// A metric that somebody provides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricDescription {
    /// What its numbers measure.
    pub unit: Unit,
    /// What it says, in a sentence.
    pub help: String,
}

/// What an adapter offers for one kind of resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCapability {
    /// What can be done to it.
    pub verbs: BTreeSet<Verb>,
    /// What is measured of it.
    pub metrics: BTreeMap<MetricName, MetricDescription>,
    /// What can happen to it.
    pub events: BTreeSet<EventType>,
    /// Attributes that its resources carry, besides their labels.
    pub attributes: BTreeSet<String>,
}

/// What one adapter offers, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The adapter.
    pub adapter: AdapterName,
    /// What it offers for each kind it has.
    pub kinds: BTreeMap<Kind, KindCapability>,
}

impl Capabilities {
    /// Whether `verb` can be done to resources of `kind`.
    #[must_use]
    pub fn can(&self, kind: &str, verb: Verb) -> bool {
        self.kinds.get(kind).is_some_and(|kind| kind.verbs.contains(&verb))
    }
}
