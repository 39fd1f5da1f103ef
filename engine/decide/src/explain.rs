//! What a policy thinks of a resource at this moment, and why.

use std::sync::Arc;

use homeostat_model::{Evidence, Timestamp, Truth};
use homeostat_policy::Policy;

use crate::{
    Decider,
    phase::{Phase, Times},
};

/// How a policy stands towards a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The condition does not hold; for an event policy: no such event is being answered.
    No,
    /// The condition is not known.
    Unknown,
    /// The condition holds, but not for long enough yet.
    Waiting {
        /// Since when it holds without a break.
        since: Option<Timestamp>,
        /// When it becomes a finding if it goes on holding.
        opens: Option<Timestamp>,
    },
    /// It is a finding.
    Open {
        /// Since when.
        since: Timestamp,
        /// When it closes, if what closes it goes on being the case.
        closes: Option<Timestamp>,
    },
}

/// A policy's answer for one resource.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The policy.
    pub policy: Arc<Policy>,
    /// How it stands.
    pub standing: Standing,
    /// Its condition's clauses and their values, now.
    pub evidence: Evidence,
    /// Why its scripts are not run any more, if so.
    pub quarantined: Option<String>,
}

impl Decider {
    /// A question: it changes nothing, and so no later decision.
    pub(crate) fn explain_one(&self, at: Timestamp, number: usize, cell: usize) -> Option<Explained> {
        let one = self.tracked.get(number)?;
        let rule = self.rules.get(*one.shape.rules.get(cell)?)?;
        let policy = rule.policy.clone();
        let instance = self.instance(number, cell);
        let event = instance.and_then(|instance| instance.event.as_deref());
        let evidence = self.evidence_of(at, number, cell, event, true);
        let times = Times { hold_for: policy.hold_for, keep_firing_for: policy.keep_firing_for };
        let phase = instance.map_or(Phase::Idle, |instance| instance.phase);
        let standing = match phase {
            Phase::Open { since, .. } => Standing::Open { since, closes: phase.deadline(times) },
            Phase::Pending(held) => Standing::Waiting { since: held.since(), opens: phase.deadline(times) },
            Phase::Waiting { .. } => Standing::Unknown,
            Phase::Idle if policy.answers_events() => Standing::No,
            Phase::Idle if evidence.truth == Truth::Unknown => Standing::Unknown,
            Phase::Idle => Standing::No,
        };
        Some(Explained { policy, standing, evidence, quarantined: rule.quarantined.clone() })
    }
}
