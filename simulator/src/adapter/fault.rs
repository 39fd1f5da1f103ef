//! Ways in which an apply can go wrong on the way between the program and the data centre.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Most faults that are planned ahead: enough for a long test, and a test that plans more has a mistake in it.
const MAX_PLANNED: usize = 10_000;

/// How an apply goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// It never ends and does nothing, until it is called off.
    Hang,
    /// It is acknowledged and not done.
    Lie,
    /// It is done, and the answer is lost.
    LoseAnswer,
}

/// The faults of the next applies, the next one first.
#[derive(Debug, Default)]
pub(super) struct Faults(VecDeque<Fault>);

impl Faults {
    pub(super) fn plan(&mut self, fault: Fault, times: usize) {
        let room = MAX_PLANNED.saturating_sub(self.0.len());
        self.0.extend(std::iter::repeat_n(fault, times.min(room)));
    }

    pub(super) fn next(&mut self) -> Option<Fault> {
        self.0.pop_front()
    }
}
