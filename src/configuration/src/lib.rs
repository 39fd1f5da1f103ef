//! Turns a YAML file and those that it includes into a configuration, or into diagnostics with source spans.
//!
//! ```text
//!   file --> tree with places --+--> one tree --> any type that serde can read    --> value
//!     |          (each file)    |        |        (what is wrong is taken out     --> problems, all at once
//!     +--include--> tree -------+        |         and reported, and it is tried
//!                                        |         again, until nothing is wrong)
//!                                        +------> places, by path                 --> origins of values
//! ```
//!
//! What a configuration consists of is said elsewhere, by each room for itself, as a type that derives `Deserialize`: its names
//! are what is known, what is missing and what was nearly meant. [`schema()`] asks the same types.
//!
//! Invariant: all problems of all files are found at once; a problem has a code, a place in a file and what to do about it.
//! Invariant: a value is given once; lists are joined in the order in which files are included.
//! Invariant: what a secret refers to is read by nobody here, and a secret that was written down is shown by no problem.
//! Invariant: input of any size and shape ends in a value or in problems, never in a panic; limits are constants here.
//! Invariant: this crate reads files by the [`Files`] that it is given only.

mod error;
mod gather;
mod merge;
mod origins;
mod pattern;
mod place;
mod problem;
mod reading;
mod schema;
mod secrets;
mod tree;
mod value;

pub use gather::{Files, Gathered, MAX_BYTES, MAX_FILES, MAX_INCLUDE_DEPTH, gather};
pub use origins::{Origins, Setting};
pub use place::Place;
pub use problem::{PREFIX, Problem};
pub use reading::{MAX_PROBLEMS, Reading};
pub use schema::schema;
pub use secrets::FoundSecret;

/// The kind of documents that are read here.
pub const KIND: &str = "Configuration";
