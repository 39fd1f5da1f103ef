//! The breaker: stops what disrupts when too much fails at once, and tries again by itself.
//!
//! ```text
//!             `failures` within `within`, or tripped
//!     Closed ---------------------------------------> Open <----------------------.
//!       ^                                              | `pause` has passed       | it fails, or another does, or
//!       |                                              v                          | nobody knows, or tripped
//!       |                                           HalfOpen, no trial            |
//!       |                                              | a plan begins            |
//!       |             it succeeds                      v                          |
//!       `------------------------------------------ HalfOpen, trial --------------'
//!                                                      | it is called off: the next one is the trial
//!                                                      `----> HalfOpen, no trial
//! ```
//!
//! What only restores is never asked here: it goes on.

use std::collections::VecDeque;

use homeostat_model::{BreakerState, Fuse, PlanId, Timestamp};
use serde::{Deserialize, Serialize};

/// What happens to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shock {
    /// A plan that disrupts something begins.
    Began(PlanId),
    /// A plan is done.
    Succeeded(PlanId),
    /// A plan has failed, or nobody knows what became of it.
    Failed(PlanId),
    /// A plan was called off.
    CalledOff(PlanId),
    /// Another guard says that too much is wrong.
    Tripped,
    /// Time has passed.
    Elapsed,
}

/// A breaker, and the failures that it has not forgotten yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    state: BreakerState,
    /// When plans failed: as many as open it at most, the oldest first.
    failures: VecDeque<Timestamp>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, failures: VecDeque::new() }
    }
}

impl Breaker {
    /// What it is.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// It is known to be this since some time.
    pub(crate) fn set(&mut self, state: BreakerState) {
        if self.state != state {
            self.state = state;
            self.failures.clear();
        }
    }

    /// Whether a plan that disrupts something may begin.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self.state, BreakerState::Closed | BreakerState::HalfOpen { trial: None })
    }

    /// Takes in what happened at `at`; gives whether it is something else now.
    pub fn feel(&mut self, at: Timestamp, shock: Shock, fuse: &Fuse) -> bool {
        let before = self.state;
        self.state = self.next(at, shock, fuse);
        if self.state != before {
            self.failures.clear();
        }
        self.state != before
    }

    fn next(&mut self, at: Timestamp, shock: Shock, fuse: &Fuse) -> BreakerState {
        use BreakerState::{Closed, HalfOpen, Open};
        let open = Open { until: at + fuse.pause };
        match (self.state, shock) {
            (Closed, Shock::Failed(_)) => {
                self.failures.retain(|failed| *failed + fuse.within > at);
                self.failures.push_back(at);
                let enough = usize::try_from(fuse.failures).unwrap_or(usize::MAX);
                if self.failures.len() >= enough { open } else { Closed }
            }
            (Closed | HalfOpen { .. }, Shock::Tripped) => open,
            (Closed, Shock::Began(_) | Shock::Succeeded(_) | Shock::CalledOff(_) | Shock::Elapsed) => Closed,
            (Open { until }, Shock::Elapsed) if until <= at => HalfOpen { trial: None },
            // What was begun before still ends, and says nothing about what it is like now.
            (open @ Open { .. }, _) => open,
            (HalfOpen { trial: None }, Shock::Began(plan)) => HalfOpen { trial: Some(plan) },
            (HalfOpen { .. }, Shock::Failed(_)) => open,
            (HalfOpen { trial }, Shock::Succeeded(plan)) if trial == Some(plan) => Closed,
            (HalfOpen { trial }, Shock::CalledOff(plan)) if trial == Some(plan) => HalfOpen { trial: None },
            (half @ HalfOpen { .. }, Shock::Began(_) | Shock::Succeeded(_) | Shock::CalledOff(_) | Shock::Elapsed) => {
                half
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Duration, Generation};
    use proptest::prelude::*;

    use super::*;

    const FUSE: Fuse = Fuse { failures: 2, within: Duration::from_secs(60), pause: Duration::from_secs(300) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(seconds)
    }

    fn plan(number: u64) -> PlanId {
        PlanId { generation: Generation(1), number }
    }

    #[test]
    fn it_opens_tries_and_closes() {
        use Shock::{Began, CalledOff, Elapsed, Failed, Succeeded, Tripped};
        let mut breaker = Breaker::default();
        for (second, shock, state) in [
            (0, Failed(plan(1)), "closed"),
            // Exactly as long ago as is looked back.
            (60, Failed(plan(2)), "closed"),
            (119, Failed(plan(3)), "open"),
            (120, Succeeded(plan(9)), "open"),
            (121, Tripped, "open"),
            (418, Elapsed, "open"),
            (419, Elapsed, "half open"),
            (420, Succeeded(plan(8)), "half open"),
            (430, Began(plan(4)), "half open, trying plan p1-4"),
            (431, CalledOff(plan(4)), "half open"),
            (432, Began(plan(5)), "half open, trying plan p1-5"),
            (440, Failed(plan(5)), "open"),
            (740, Elapsed, "half open"),
            (741, Began(plan(6)), "half open, trying plan p1-6"),
            (742, Succeeded(plan(6)), "closed"),
            // What failed before it opened is forgotten.
            (743, Failed(plan(7)), "closed"),
            (744, Tripped, "open"),
        ] {
            let before = breaker.state();
            assert_eq!(breaker.feel(at(second), shock, &FUSE), breaker.state() != before);
            assert_eq!(breaker.state().to_string(), state, "{second}: {shock:?}");
        }
    }

    proptest! {
        /// Whatever happens: it is open for no longer than its pause, lets at most one through before it is closed again, and while it is
        /// closed fewer have failed than open it.
        #[test]
        fn it_never_blocks_for_good_and_never_lets_a_second_one_through(
            shocks in prop::collection::vec((0_u64..200, 0_u8..6, 1_u64..4), 0..200),
        ) {
            let mut breaker = Breaker::default();
            let mut now = 0;
            for (gap, kind, number) in shocks {
                now += gap;
                if let BreakerState::Open { until } = breaker.state() && until <= at(now) {
                    breaker.feel(until, Shock::Elapsed, &FUSE);
                    prop_assert!(breaker.passes());
                }
                let shock = match kind {
                    0 if breaker.passes() => Shock::Began(plan(number)),
                    1 => Shock::Succeeded(plan(number)),
                    2 => Shock::Failed(plan(number)),
                    3 => Shock::CalledOff(plan(number)),
                    4 => Shock::Tripped,
                    _ => Shock::Elapsed,
                };
                let half = breaker.state() == BreakerState::HalfOpen { trial: None };
                breaker.feel(at(now), shock, &FUSE);
                prop_assert!(!(half && matches!(shock, Shock::Began(_)) && breaker.passes()));
                if let BreakerState::Open { until } = breaker.state() {
                    prop_assert!(until <= at(now) + FUSE.pause);
                }
                prop_assert!(breaker.failures.len() < 2);
            }
        }
    }
}
