//! How far a plan is, and what leads from one phase to the next: one total match.
//!
//! ```text
//!               look                  end: it helped, or nobody can tell
//!    Forward -----------> Verifying -------------------------------------> Over
//!     |   |                |    ^  `-- look anew, it holds, it does not --.  ^
//!     |   | turn back      |    `-----------------------------------------'  |
//!     |   `---------> Backward ---- end: nothing is left to undo ------------+
//!     |                                                                      |
//!     `-- end: nothing is to be looked at, called off, in doubt -------------'
//! ```

use homeostat_model::{PlanId, Timestamp};
use thiserror::Error;

/// How far a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its steps are done.
    Forward,
    /// It is looked whether it helped.
    Verifying {
        /// When its last step ended.
        done: Timestamp,
        /// How long it is looked.
        until: Timestamp,
        /// Since when it has helped, without a break.
        since: Option<Timestamp>,
    },
    /// What was done is undone.
    Backward,
    /// Nothing more is done.
    Over,
}

/// What happens to a plan as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhaseEvent {
    /// Its last step has ended; whether it helped is looked at.
    Look { done: Timestamp, until: Timestamp },
    /// That is looked at as if nobody had looked before.
    LookAnew { until: Timestamp },
    /// What it was for is so.
    Holds { at: Timestamp },
    /// It is not, or that is not known.
    HoldsNot,
    /// What was done is to be undone.
    TurnBack,
    /// Nothing more is to be done.
    End,
}

impl PhaseEvent {
    /// What a plan cannot do where it cannot happen.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Look { .. } | Self::LookAnew { .. } | Self::Holds { .. } | Self::HoldsNot => "be verified",
            Self::TurnBack => "turn back",
            Self::End => "end",
        }
    }
}

/// Something was said about a plan that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("plan {plan} is {phase:?}; it cannot {what}")]
pub struct IllegalPhase {
    /// The plan.
    pub plan: PlanId,
    /// How far it is.
    pub phase: Phase,
    /// What was to happen to it.
    pub what: &'static str,
}

impl Phase {
    /// The phase after `event`; `None` when that cannot happen here.
    pub(crate) fn next(self, event: PhaseEvent) -> Option<Self> {
        use PhaseEvent as E;
        Some(match (self, event) {
            (Self::Forward, E::Look { done, until }) => Self::Verifying { done, until, since: None },
            (Self::Verifying { done, .. }, E::LookAnew { until }) => Self::Verifying { done, until, since: None },
            (Self::Verifying { done, until, since }, E::Holds { at }) => {
                Self::Verifying { done, until, since: since.or(Some(at)) }
            }
            (Self::Verifying { done, until, .. }, E::HoldsNot) => Self::Verifying { done, until, since: None },
            (Self::Forward | Self::Verifying { .. }, E::TurnBack) => Self::Backward,
            (Self::Forward | Self::Verifying { .. } | Self::Backward, E::End) => Self::Over,
            (Self::Forward, E::LookAnew { .. } | E::Holds { .. } | E::HoldsNot)
            | (Self::Verifying { .. }, E::Look { .. })
            | (Self::Backward, E::Look { .. } | E::LookAnew { .. } | E::Holds { .. } | E::HoldsNot | E::TurnBack)
            | (Self::Over, _) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// Every phase with every event: the whole machine, as it is drawn above.
    #[test]
    fn the_machine() {
        let [done, until, at] = [1, 5, 3].map(Timestamp::from_millis);
        let verifying = |since| Phase::Verifying { done, until, since };
        let phases = [Phase::Forward, verifying(None), verifying(Some(done)), Phase::Backward, Phase::Over];
        let events = [
            ("look", PhaseEvent::Look { done, until }),
            ("look anew", PhaseEvent::LookAnew { until: at }),
            ("it holds", PhaseEvent::Holds { at }),
            ("it does not", PhaseEvent::HoldsNot),
            ("turn back", PhaseEvent::TurnBack),
            ("end", PhaseEvent::End),
        ];
        let mut table = String::new();
        for phase in phases {
            for (name, event) in events {
                if let Some(next) = phase.next(event) {
                    table += &format!("{phase:?} --{name}--> {next:?}\n");
                }
            }
        }
        expect![[r#"
            Forward --look--> Verifying { done: Timestamp(1), until: Timestamp(5), since: None }
            Forward --turn back--> Backward
            Forward --end--> Over
            Verifying { done: Timestamp(1), until: Timestamp(5), since: None } --look anew--> Verifying { done: Timestamp(1), until: Timestamp(3), since: None }
            Verifying { done: Timestamp(1), until: Timestamp(5), since: None } --it holds--> Verifying { done: Timestamp(1), until: Timestamp(5), since: Some(Timestamp(3)) }
            Verifying { done: Timestamp(1), until: Timestamp(5), since: None } --it does not--> Verifying { done: Timestamp(1), until: Timestamp(5), since: None }
            Verifying { done: Timestamp(1), until: Timestamp(5), since: None } --turn back--> Backward
            Verifying { done: Timestamp(1), until: Timestamp(5), since: None } --end--> Over
            Verifying { done: Timestamp(1), until: Timestamp(5), since: Some(Timestamp(1)) } --look anew--> Verifying { done: Timestamp(1), until: Timestamp(3), since: None }
            Verifying { done: Timestamp(1), until: Timestamp(5), since: Some(Timestamp(1)) } --it holds--> Verifying { done: Timestamp(1), until: Timestamp(5), since: Some(Timestamp(1)) }
            Verifying { done: Timestamp(1), until: Timestamp(5), since: Some(Timestamp(1)) } --it does not--> Verifying { done: Timestamp(1), until: Timestamp(5), since: None }
            Verifying { done: Timestamp(1), until: Timestamp(5), since: Some(Timestamp(1)) } --turn back--> Backward
            Verifying { done: Timestamp(1), until: Timestamp(5), since: Some(Timestamp(1)) } --end--> Over
            Backward --end--> Over
        "#]].assert_eq(&table);
    }
}
