//! What makes a step safe: what has to be so when it begins, how often it is tried, and which try of it a deed is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Amount, Duration, InvalidName, ResourceId};

/// What has to be so when a step is dispatched: what its plan took for granted when it was made. What an earlier step of the same
/// plan brings about is not among it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precondition {
    /// What is acted on is on this host.
    On(ResourceId),
    /// This host is up and takes new workloads.
    Open(ResourceId),
    /// This host does not run: what was on it is started elsewhere.
    Down(ResourceId),
    /// There is room for what is acted on.
    Room {
        /// On this host; `None`: where it is.
        on: Option<ResourceId>,
        /// When it has this much, and what it has now of all else.
        amount: Amount,
    },
}

impl fmt::Display for Precondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(host) => write!(f, "it is on {host}"),
            Self::Open(host) => write!(f, "{host} is up and takes new workloads"),
            Self::Down(host) => write!(f, "{host} does not run"),
            Self::Room { on: Some(host), .. } => write!(f, "{host} has room for it"),
            Self::Room { on: None, amount } => write!(f, "there is room for {amount} where it is"),
        }
    }
}

/// How often a step is tried, and how long the pauses are. Only what was tried and is known not to be done is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How often in all, at least 1.
    pub attempts: u16,
    /// About how long the first pause is; each further one is twice as long as the one before.
    pub pause: Duration,
}

impl Retry {
    /// No second try.
    pub const ONCE: Self = Self { attempts: 1, pause: Duration::ZERO };

    /// Whether there is no second try.
    #[must_use]
    pub fn is_once(&self) -> bool {
        self.attempts <= 1
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::ONCE
    }
}

/// Which try of a step a deed is. Written as the end of its key: nothing for the first one, `.2` for the second, `.undo` for the
/// first try to undo it, `.undo.2` for the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// Whether the step is being undone.
    pub undo: bool,
    /// From 1.
    pub number: u16,
}

impl Attempt {
    /// The first try of a step.
    pub const FIRST: Self = Self { undo: false, number: 1 };
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.undo {
            f.write_str(".undo")?;
        }
        if self.number > 1 { write!(f, ".{}", self.number) } else { Ok(()) }
    }
}

impl FromStr for Attempt {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (undo, rest) = text.strip_prefix(".undo").map_or((false, text), |rest| (true, rest));
        let number = match rest.strip_prefix('.') {
            Some(number) => number.parse().ok().filter(|number| *number > 1),
            None => rest.is_empty().then_some(1),
        };
        number.map(|number| Self { undo, number }).ok_or_else(|| InvalidName {
            what: "try of a step",
            text: text.chars().take(64).collect(),
            problem: "it ends in nothing, or in `.2`, `.undo` or `.undo.2`".into(),
        })
    }
}

/// What a plan is expected to cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// How long workloads are interrupted, added up.
    #[serde(default)]
    pub expected_downtime: Duration,
    /// How many workloads are interrupted.
    #[serde(default)]
    pub interrupted: u32,
    /// Bytes of memory that are sent from host to host.
    #[serde(default)]
    pub moved_bytes: u64,
}

impl Cost {
    /// Whether it costs nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What has to come about for a plan to have succeeded, besides that its steps are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The condition as the policy has it, on the plan's subject.
    pub that: String,
    /// How long after the last step it has to have come about.
    pub within: Duration,
    /// How long it has to hold without a break.
    #[serde(default)]
    pub stable_for: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generation, IdempotencyKey, PlanId, StepId};

    #[test]
    fn a_key_says_which_try_it_is_and_the_first_one_looks_as_ever() {
        let plan = PlanId { generation: Generation(3), number: 17 };
        for (undo, number, wanted) in
            [(false, 1, "p3-17/2"), (false, 2, "p3-17/2.2"), (true, 1, "p3-17/2.undo"), (true, 3, "p3-17/2.undo.3")]
        {
            let key = IdempotencyKey::of(plan, StepId(2), Attempt { undo, number });
            assert_eq!(key.to_string(), wanted);
            assert_eq!(wanted.parse(), Ok(key), "{wanted}");
        }
        for wrong in [".1", ".0", ".x", "2", ".undo2", ".undo.", "."] {
            assert!(wrong.parse::<Attempt>().is_err(), "{wrong}");
        }
    }
}
