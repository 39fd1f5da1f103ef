//! Decides what is the case. Pure: (policies, resources, samples, events, time) -> findings that open and close.
//!
//! ```text
//!   policies + kind of relatives' needs --> Shape: shared by all resources that are watched alike
//!                                            | series and windows to keep, who reads which
//!   sample --(resource, metric)--> Series ---+--> thresholds that may hold, other readers
//!   event  --(resource, type)--> patterns ---+          |
//!   time   --(deadlines)---------------------+          v
//!   relatives: host, children, group --------+   condition -> true | false | unknown
//!              (aggregates once a second)               |
//!                                                       v  for, keepFiringFor, clear, onUnknown
//!                                            Idle -> Pending -> Open -> closed
//! ```
//!
//! A condition is evaluated when a sample or an event that it reads arrives, when its resource or one that it reads of changes,
//! and at the moments at which time alone can change it: when `for` has run out, when a metric goes stale, when a clock shows
//! another minute. Between two samples a window keeps the value it had at the newer one; it is not recomputed for every sample
//! that leaves it. Values of many resources (`children`, `group`) are brought up to date at full seconds.
//!
//! Invariant: no clock, no I/O, no randomness; maps that hash are never iterated.
//! Invariant: the work for a sample is proportional to the policies that read its metric on its resource, or of it.
//! Invariant: unknown opens nothing and closes nothing unless the policy says so; time spent unknown does not count towards
//! `for` and `keepFiringFor`.
//! Invariant: a bad sample, event or script affects only itself; every other policy sees what it would have seen.
//! Invariant: nothing is kept of a policy on a resource as long as nothing has happened there.

mod clock;
mod counting;
mod coverage;
mod decider;
mod evaluation;
mod explain;
mod folding;
mod instance;
mod intern;
mod matching;
mod operand;
mod pattern;
mod phase;
mod predicate;
mod prescription;
mod reading;
mod relatives;
mod rule;
mod scripts;
mod shape;
mod signal;
mod threshold;
mod timers;
mod tracked;

pub use coverage::ClauseCoverage;
pub use decider::{Change, Decider, SampleRefused};
pub use explain::{Explained, Standing};
pub use homeostat_script::Stopwatch;
pub use prescription::Prescribed;
pub use rule::{CompileError, Rule};
pub use timers::earliest;
