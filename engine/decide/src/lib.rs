//! Decides what is the case. Pure: (policies, resources, samples, events, time) -> findings that open and close.
//!
//! ```text
//!   sample --(metric, resource)--> Series --> windows kept up incrementally
//!                                    |
//!                                    +--watchers--> Instance: one policy on one resource
//!   event --(type)---------------------------------^   predicate over its slots -> true | false | unknown
//!   time --(deadlines)-----------------------------^   idle -> pending (for) -> open
//! ```
//!
//! A condition is evaluated when a sample or an event that it reads arrives, when its resource changes, and at the moments
//! at which time alone can change it: when `for` has run out, and when a metric goes stale. Between two samples a window
//! keeps the value it had at the newer one; it is not recomputed for every sample that leaves it.
//!
//! Invariant: no clock, no I/O, no randomness; maps that hash are never iterated.
//! Invariant: the work for a sample is proportional to the policies that read its metric on its resource.
//! Invariant: unknown opens nothing and closes nothing; time spent unknown does not count towards `for`.
//! Invariant: a bad sample, event or script affects only itself; every other policy sees what it would have seen.

mod decider;
mod evaluation;
mod explain;
mod instance;
mod intern;
mod matching;
mod predicate;
mod rule;
mod series;
mod timers;
mod window;

pub use decider::{Change, Decider, SampleRefused};
pub use explain::{Explained, Standing};
pub use rule::{CompileError, Rule};
