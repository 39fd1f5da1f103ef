//! Watchers: each looks for one promise to be broken, at what the engine is told and says and at what is really done.

use homeostat_engine::{Explanation, Input};
use homeostat_model::{FindingRef, IdempotencyKey, Record, StepCommand};

use crate::scene::Scene;

/// Something that can be seen from outside, once the scene shows it.
#[derive(Debug)]
pub(crate) enum Fact<'a> {
    /// The engine is told this.
    Told(&'a Input),
    /// It has decided this.
    Recorded(&'a Record),
    /// This step goes out. The records that are durable by then.
    Dispatched(&'a StepCommand, &'a [Record]),
    /// The system is asked what became of this.
    Probed(&'a StepCommand),
    /// The deed of this key was really done, in the data centre.
    Done(&'a IdempotencyKey),
    /// Everything that one call led to was carried out.
    Settled,
    /// The engine has ended without warning; these records are all that is left of it.
    Crashed(&'a [Record]),
    /// The engine has begun anew, and nobody has told it anything but what it has to know.
    Recovered,
    /// Somebody asked why an open finding is as it is.
    Asked(&'a FindingRef, Option<&'a Explanation>),
    /// This was done twice, or ran in two places, by the data centre's own account.
    Twice(&'a str),
    /// Nothing happens any more.
    Quiet,
}

/// Holds one promise.
pub(crate) trait Watch {
    /// The number of the promise.
    fn promise(&self) -> usize;

    /// Looks at what is to be seen now.
    ///
    /// # Errors
    /// What breaks the promise, in a sentence.
    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String>;
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) promise: usize,
    pub(crate) seed: u64,
    pub(crate) what: String,
}
