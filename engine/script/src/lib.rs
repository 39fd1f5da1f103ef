//! The Rhai sandbox: compiles and evaluates the pieces of policies that are not native, within a budget.
//!
//! ```text
//!   source + number of inputs --compile--> Script --evaluate(values)--> Value, Data, or an error; never a hang
//!                                                       |
//!             meter: operations, bytes gone through ----+---- stopwatch (of the driver): only watches
//! ```
//!
//! # What a budget is worth
//!
//! Rhai by itself counts operations, but forgets those of a function that a list calls (`list.map(|x| ..)`), and takes a
//! step through a long list for one operation. So this crate counts for itself: every operation, wherever it happens,
//! and every byte of a value each time a variable is read ([`Budget`]). Time and memory are both at most a constant times
//! these counts, which are the same on every machine: what a recorded evaluation gave, it gives again. The worst script
//! known takes 20 ms with optimisation (`tests/budget.rs`), its memory stays below 4 MiB (`tests/hostile.rs`). One kind takes
//! 50 ms: that is how long Rhai waits for a list that is held by whoever calls. It is cut off then, and as a rule refused
//! when it is tried out.
//!
//! Time itself is watched from outside, by the driver's [`Stopwatch`]: it never ends an evaluation.
//!
//! Invariant: a script reaches nothing but its inputs: no files, no modules, no clock, no `eval`, no printing, no sleep.
//! Invariant: operations, bytes gone through, call depth, texts, lists and maps are bounded: evaluation ends, memory is small.
//! Invariant: an evaluation leaves nothing behind, not even memory; the next one does not see what the last one did.
//! Invariant: this crate knows no policy; a script is a text to it.

mod budget;
mod error;
mod functions;
mod meter;
mod result;
mod sandbox;
mod stopwatch;
mod trial;

pub use budget::Budget;
pub use error::{ErrorKind, ScriptError};
pub use sandbox::{Sandbox, Script};
pub use stopwatch::{MAX_WALL_TIME, Stopwatch};
