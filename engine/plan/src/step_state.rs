//! The states of a step, and what leads from one to the next: one total match.
//!
//! ```text
//!               begin              done                 undo                done
//!    Waiting ----------> Running ----------> Done ----------------> Undoing ----------> Undone
//!     |   |               ^   |  \            |                      ^   |  \
//!     |   |         begin |   |   \unknown    | refuse         begin |   |   \unknown
//!     |   | refuse        |   |    `-> InDoubt|                      |   |    `-> InDoubt
//!     |   |               |   v fail, again   |                      |   v fail, again
//!     |   |            BackingOff             |                  UndoBackingOff
//!     |   |               |       \           |                      |       \
//!     |   |        refuse |        \ fail for | the last time refuse |        \ fail for the last time
//!     |   v               v         v (also   v of Running)          v         v (also of Undoing)
//!     |  Failed <---------+---------+        NotUndone <-------------+---------+
//!     |
//!     +--skip--> Skipped
//! ```
//!
//! A step that runs when the engine ends is Running again after it has begun anew, and is probed instead of begun.

use homeostat_model::{StepId, Timestamp};
use thiserror::Error;

/// Where a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Its turn has not come.
    Waiting,
    /// It was handed to its adapter.
    Running {
        /// For which time.
        attempt: u16,
    },
    /// It was tried and is not done; it will be tried again.
    BackingOff {
        /// How often it was tried.
        attempt: u16,
        /// When it may be tried again.
        until: Timestamp,
    },
    /// It is done.
    Done,
    /// It did not get done.
    Failed(String),
    /// It was never begun, and will not be.
    Skipped,
    /// Nobody knows what became of it, or of undoing it.
    InDoubt(String),
    /// What undoes it was handed to its adapter.
    Undoing {
        /// For which time.
        attempt: u16,
    },
    /// Undoing it was tried and is not done; it will be tried again.
    UndoBackingOff {
        /// How often it was tried.
        attempt: u16,
        /// When it may be tried again.
        until: Timestamp,
    },
    /// It was done and is undone.
    Undone,
    /// It was done, and could not be undone.
    NotUndone(String),
}

/// What happens to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepEvent {
    /// It, or what undoes it, is handed to its adapter.
    Begin,
    /// What has to be so before it, or before it is undone, is not so; or nobody wants it any more.
    Refuse(String),
    /// It, or what undoes it, is done.
    Done,
    /// It is known not to be done, and may be tried again at this time.
    Fail { reason: String, again: Option<Timestamp> },
    /// Nobody knows whether it is done.
    Lose(String),
    /// It is not to be begun at all.
    Skip,
    /// What undoes it is handed to its adapter.
    Undo,
}

/// Something was said about a step that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("step {step} is {state:?}; it cannot {what}")]
pub struct IllegalTransition {
    /// The step.
    pub step: StepId,
    /// Where it is; `None` when the plan has no such step.
    pub state: Option<StepState>,
    /// What was to happen to it.
    pub what: &'static str,
}

impl StepState {
    /// The state after `event`; `None` when that cannot happen here.
    pub(crate) fn next(&self, event: StepEvent) -> Option<Self> {
        use StepEvent as E;
        let next = match (self, event) {
            (Self::Waiting, E::Begin) => Self::Running { attempt: 1 },
            (Self::Waiting, E::Skip) => Self::Skipped,
            (Self::BackingOff { attempt, .. }, E::Begin) => Self::Running { attempt: attempt.saturating_add(1) },
            (Self::Waiting | Self::BackingOff { .. }, E::Refuse(reason)) => Self::Failed(reason),
            (Self::Running { .. }, E::Done) => Self::Done,
            (Self::Running { attempt }, E::Fail { again: Some(until), .. }) => {
                Self::BackingOff { attempt: *attempt, until }
            }
            (Self::Running { .. }, E::Fail { reason, again: None }) => Self::Failed(reason),
            (Self::Done, E::Undo) => Self::Undoing { attempt: 1 },
            (Self::UndoBackingOff { attempt, .. }, E::Begin) => Self::Undoing { attempt: attempt.saturating_add(1) },
            (Self::Done | Self::UndoBackingOff { .. }, E::Refuse(reason)) => Self::NotUndone(reason),
            (Self::Undoing { .. }, E::Done) => Self::Undone,
            (Self::Undoing { attempt }, E::Fail { again: Some(until), .. }) => {
                Self::UndoBackingOff { attempt: *attempt, until }
            }
            (Self::Undoing { .. }, E::Fail { reason, again: None }) => Self::NotUndone(reason),
            (Self::Running { .. } | Self::Undoing { .. }, E::Lose(reason)) => Self::InDoubt(reason),
            (Self::Waiting, E::Done | E::Fail { .. } | E::Lose(_) | E::Undo)
            | (Self::Running { .. } | Self::Undoing { .. }, E::Begin | E::Refuse(_) | E::Skip | E::Undo)
            | (
                Self::BackingOff { .. } | Self::UndoBackingOff { .. },
                E::Done | E::Fail { .. } | E::Lose(_) | E::Skip | E::Undo,
            )
            | (Self::Done, E::Begin | E::Done | E::Fail { .. } | E::Lose(_) | E::Skip)
            | (Self::Failed(_) | Self::Skipped | Self::InDoubt(_) | Self::Undone | Self::NotUndone(_), _) => {
                return None;
            }
        };
        Some(next)
    }

    /// Whether it was handed to its adapter and has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Undoing { .. })
    }

    /// Whether something is still to happen to it, before there is any talk of undoing.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::Running { .. } | Self::BackingOff { .. })
    }

    /// Whether its effect is there, or may be.
    pub(crate) fn stands(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Failed(_) | Self::Skipped | Self::Undone)
    }
}

impl StepEvent {
    /// In a word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Refuse(_) => "be refused",
            Self::Done | Self::Fail { .. } | Self::Lose(_) => "end",
            Self::Skip => "be skipped",
            Self::Undo => "be undone",
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// Every state with every event: the whole machine, as it is drawn above.
    #[test]
    fn the_machine() {
        let until = Timestamp::from_millis(5);
        let states = [
            StepState::Waiting,
            StepState::Running { attempt: 1 },
            StepState::BackingOff { attempt: 1, until },
            StepState::Done,
            StepState::Failed("f".into()),
            StepState::Skipped,
            StepState::InDoubt("d".into()),
            StepState::Undoing { attempt: 1 },
            StepState::UndoBackingOff { attempt: 1, until },
            StepState::Undone,
            StepState::NotUndone("n".into()),
        ];
        let events = [
            ("begin", StepEvent::Begin),
            ("refuse", StepEvent::Refuse("r".into())),
            ("done", StepEvent::Done),
            ("fail, again", StepEvent::Fail { reason: "r".into(), again: Some(until) }),
            ("fail", StepEvent::Fail { reason: "r".into(), again: None }),
            ("unknown", StepEvent::Lose("r".into())),
            ("skip", StepEvent::Skip),
            ("undo", StepEvent::Undo),
        ];
        let mut table = String::new();
        for state in &states {
            for (name, event) in &events {
                if let Some(next) = state.next(event.clone()) {
                    table += &format!("{state:?} --{name}--> {next:?}\n");
                }
            }
        }
        expect![[r#"
            Waiting --begin--> Running { attempt: 1 }
            Waiting --refuse--> Failed("r")
            Waiting --skip--> Skipped
            Running { attempt: 1 } --done--> Done
            Running { attempt: 1 } --fail, again--> BackingOff { attempt: 1, until: Timestamp(5) }
            Running { attempt: 1 } --fail--> Failed("r")
            Running { attempt: 1 } --unknown--> InDoubt("r")
            BackingOff { attempt: 1, until: Timestamp(5) } --begin--> Running { attempt: 2 }
            BackingOff { attempt: 1, until: Timestamp(5) } --refuse--> Failed("r")
            Done --refuse--> NotUndone("r")
            Done --undo--> Undoing { attempt: 1 }
            Undoing { attempt: 1 } --done--> Undone
            Undoing { attempt: 1 } --fail, again--> UndoBackingOff { attempt: 1, until: Timestamp(5) }
            Undoing { attempt: 1 } --fail--> NotUndone("r")
            Undoing { attempt: 1 } --unknown--> InDoubt("r")
            UndoBackingOff { attempt: 1, until: Timestamp(5) } --begin--> Undoing { attempt: 2 }
            UndoBackingOff { attempt: 1, until: Timestamp(5) } --refuse--> NotUndone("r")
        "#]]
        .assert_eq(&table);
    }
}
