//! One policy on one resource: from a truth that comes and goes to a finding that is open or not.
//!
//! ```text
//!            true                 true for `for`
//!     Idle --------> Pending ----------------------> Open
//!      ^  <--false--    | unknown: the clock stands    |
//!      +------------------------ false ----------------+      (condition)
//!
//!     Idle --event, true--> Open --answered--> Idle           (event)
//!       \--event, unknown--> Waiting --true--> Open           gives up after EVENT_PATIENCE
//! ```

use std::collections::VecDeque;

use homeostat_model::{Duration, Event, FindingRef, Timestamp, Truth};

use crate::predicate::Reading;

/// How long an event waits for its condition to become known, and a fact of the past still deserves an answer.
pub(crate) const EVENT_PATIENCE: Duration = Duration::from_mins(5);

/// Events of one policy and resource that wait for their turn. A crash loop fills it; what matters then is in the newest ones.
pub(crate) const MAX_QUEUE: usize = 16;

/// Where the value of a slot comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    /// A window of a series.
    Window {
        /// Which series.
        series: usize,
        /// Which of its windows.
        window: usize,
    },
    /// An attribute: its reading is refreshed when the resource or the event changes.
    Attribute,
}

/// Where an instance is between truth and finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    /// The condition has held for `held` in all, and since `since` without a break if that is known.
    Pending {
        held: Duration,
        since: Option<Timestamp>,
    },
    /// An event came and its condition is not known yet.
    Waiting {
        until: Timestamp,
    },
    Open {
        since: Timestamp,
    },
}

/// What a step of the phase means to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    None,
    Opened,
    Closed,
}

impl Phase {
    /// The next phase of a condition that is `truth` at `now` and becomes a finding after `hold_for`.
    pub(crate) fn of_condition(self, truth: Truth, now: Timestamp, hold_for: Duration) -> (Self, Transition) {
        match (self, truth) {
            (Self::Open { .. }, Truth::False) => (Self::Idle, Transition::Closed),
            (Self::Open { .. }, _) => (self, Transition::None),
            (_, Truth::False) => (Self::Idle, Transition::None),
            (Self::Pending { held, since }, Truth::Unknown) => {
                let held = since.map_or(held, |since| held.plus(now.since(since)));
                (Self::Pending { held, since: None }, Transition::None)
            }
            (_, Truth::Unknown) => (self, Transition::None),
            (_, Truth::True) => {
                let (held, since) = match self {
                    Self::Pending { held, since } => (held, since.unwrap_or(now)),
                    _ => (Duration::ZERO, now),
                };
                if held.plus(now.since(since)) >= hold_for {
                    (Self::Open { since: now }, Transition::Opened)
                } else {
                    (Self::Pending { held, since: Some(since) }, Transition::None)
                }
            }
        }
    }

    /// The next phase of an event policy whose condition is `truth` at `now`.
    pub(crate) fn of_event(self, truth: Truth, now: Timestamp) -> (Self, Transition) {
        match (self, truth) {
            (Self::Waiting { until }, _) if now >= until => (Self::Idle, Transition::None),
            (Self::Waiting { .. }, Truth::True) => (Self::Open { since: now }, Transition::Opened),
            (Self::Waiting { .. }, Truth::False) => (Self::Idle, Transition::None),
            _ => (self, Transition::None),
        }
    }

    /// When time alone will change it, if the condition stays as it is.
    pub(crate) fn deadline(self, hold_for: Duration) -> Option<Timestamp> {
        match self {
            Self::Pending { held, since: Some(since) } => Some(since + hold_for.minus(held)),
            Self::Waiting { until } => Some(until),
            Self::Idle | Self::Open { .. } | Self::Pending { since: None, .. } => None,
        }
    }
}

/// One policy on one resource.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) finding: FindingRef,
    pub(crate) rule: usize,
    pub(crate) resource: u32,
    /// One for each input of the rule.
    pub(crate) slots: Vec<Slot>,
    /// The newest reading of each slot.
    pub(crate) readings: Vec<Reading>,
    pub(crate) phase: Phase,
    /// The event that is being looked at.
    pub(crate) event: Option<Event>,
    /// Those that came while another was being looked at or answered, oldest first; at most [`MAX_QUEUE`].
    pub(crate) queue: VecDeque<Event>,
    /// The truth at the last evaluation.
    pub(crate) truth: Truth,
    /// When it has to be looked at again though nothing comes in.
    pub(crate) wake: Option<Timestamp>,
    /// The earliest timer that is set for it.
    pub(crate) armed: Option<Timestamp>,
}

impl Instance {
    pub(crate) fn new(finding: FindingRef, rule: usize, resource: u32, inputs: usize) -> Self {
        Self {
            finding,
            rule,
            resource,
            slots: Vec::new(),
            readings: vec![None; inputs],
            phase: Phase::Idle,
            event: None,
            queue: VecDeque::new(),
            truth: Truth::Unknown,
            wake: None,
            armed: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// Runs a script of (second, truth) and gives what happened when.
    fn run(hold_for: u64, truths: &[(i64, Truth)]) -> Vec<(i64, Transition)> {
        let mut phase = Phase::Idle;
        let mut happened = Vec::new();
        for (second, truth) in truths {
            let (next, transition) = phase.of_condition(*truth, at(*second), Duration::from_secs(hold_for));
            phase = next;
            if transition != Transition::None {
                happened.push((*second, transition));
            }
        }
        happened
    }

    #[test]
    fn a_condition_has_to_hold_for_its_time() {
        use Truth::{False, True};
        assert_eq!(run(60, &[(0, True), (30, True), (59, True), (60, True)]), [(60, Transition::Opened)]);
        assert_eq!(run(60, &[(0, True), (59, False), (60, True), (119, True)]), []);
        assert_eq!(run(0, &[(5, True), (6, False)]), [(5, Transition::Opened), (6, Transition::Closed)]);
    }

    #[test]
    fn a_gap_neither_opens_nor_closes_and_its_time_does_not_count() {
        use Truth::{False, True, Unknown};
        assert_eq!(run(60, &[(0, True), (40, Unknown), (400, Unknown)]), []);
        assert_eq!(
            run(60, &[(0, True), (40, Unknown), (400, True), (419, True), (420, True)]),
            [(420, Transition::Opened)]
        );
        assert_eq!(
            run(0, &[(0, True), (40, Unknown), (50, False)]),
            [(0, Transition::Opened), (50, Transition::Closed)]
        );
    }
}
