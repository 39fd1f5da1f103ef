//! Turns YAML documents into checked policies, or into diagnostics with source spans.
//!
//! ```text
//!   files -> documents -> tree with spans -> fields ----+--> Policy
//!                                             |  when   |
//!                                             v         |
//!                     catalogue ----------> language ---+--> Problem: code, message, help, place
//!                (what exists, with units)  (native or script)
//! ```
//!
//! Invariant: all problems of all files are found at once, and a bad document does not affect the others.
//! Invariant: a [`Policy`] that was loaded refers to nothing that the catalogue did not know, and its types fit.
//! Invariant: input of any size and shape ends in policies and problems, never in a panic; limits are constants here.
//! Invariant: this crate reads no file, runs no script and knows no adapter.

mod alignment;
mod catalogue;
mod document;
mod expr;
mod fields;
mod ladder;
mod language;
mod load;
mod mistake;
mod nearest;
mod policy;
pub mod policy_test;
mod problem;
mod report;
mod source;
mod yaml;

pub use catalogue::{Catalogue, UnknownMetrics};
pub use document::API_VERSION;
pub use expr::{
    Aggregate, Arithmetic, Attribute, Clock, Comparison, Expr, Fold, Function, Input, Members, Millionths, Node, Of, Script, Signal,
};
pub use language::{
    ExprContext, ExprProblem, MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH, MAX_WINDOW, parse_condition, parse_expression,
};
pub use load::{Loaded, load};
pub use mistake::CODES;
pub use policy::{
    EventMatch, Figure, Formula, Guard, On, OnUnknown, Operator, Part, Policy, Prescription, Requirement, Rung, Selector, Sizing,
    SizingChange,
};
pub use policy_test::{PolicyTest, load_tests};
pub use problem::{PlainProblem, Problem};
pub use source::{MAX_DOCUMENTS, MAX_FILE_BYTES, MAX_LINE_BYTES, SourceText};
