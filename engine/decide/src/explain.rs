//! What a policy thinks of a resource at this moment, and why.

use std::sync::Arc;

use homeostat_model::{Evidence, Timestamp};
use homeostat_policy::Policy;

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
}
