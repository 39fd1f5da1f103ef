//! A checked policy: everything in it is known to be well-formed and to exist.

use std::collections::BTreeMap;

use homeostat_model::{Duration, EventType, Kind, Mode, PolicyName, Resource, Response};

use crate::Expr;

/// A policy that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name, unique among the loaded ones.
    pub name: PolicyName,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// What it is for.
    pub description: String,
    /// The resources it watches.
    pub select: Selector,
    /// The event it answers to. With `when` too, the condition is asked when the event comes and again before acting.
    pub on: Option<EventType>,
    /// The condition. At least one of `on` and `when` is present.
    pub when: Option<Condition>,
    /// How long the condition has to hold before it is a finding. Always zero with `on`.
    pub hold_for: Duration,
    /// The age from which a metric's newest sample no longer says anything.
    pub stale_after: Duration,
    /// How far it may go by itself.
    pub mode: Mode,
    /// The greater one owns a contested resource.
    pub priority: i32,
    /// The pause between two plans of this policy on one resource, from the end of the first.
    pub cooldown: Duration,
    /// The ladder: a response is tried when those before could not be done or did not help. At least one.
    pub then: Vec<Rung>,
    /// The document as it was written, to tell whether a reloaded policy has changed.
    pub text: String,
}

/// One response of a policy's ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// What to do.
    pub response: Response,
    /// How often to try it before the next rung, at least 1.
    pub attempts: u16,
}

/// Which resources a policy watches.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// Their kind.
    pub kind: Kind,
    /// Labels that they all carry.
    pub match_labels: BTreeMap<String, String>,
}

impl Selector {
    /// Whether `resource` is one of them.
    #[must_use]
    pub fn matches(&self, resource: &Resource) -> bool {
        resource.id.kind() == self.kind.as_str()
            && self.match_labels.iter().all(|(key, value)| resource.labels.get(key) == Some(value))
    }
}

/// A condition as written and as understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// As written in the policy.
    pub text: String,
    /// As understood; its type is a truth.
    pub expr: Expr,
}
