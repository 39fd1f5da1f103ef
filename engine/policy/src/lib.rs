//! Turns YAML documents into checked policies, or into diagnostics with source spans.
//!
//! ```text
//!   files -> documents -> tree with spans -> fields -----+--> Policy, Safeguard
//!    |                                         |         |
//!    | .rhai                                   v         |
//!    +--> scripts ---------------------> formulas        +--> Problem: code, message, help, place
//!                                              |         |
//!                     catalogue ----------> language ----+
//!                (what exists, with units)  (native or script)
//!
//!   what a script returned -> the same tree -> the same fields -> Response
//! ```
//!
//! Invariant: all problems of all files are found at once, and a bad document does not affect the others.
//! Invariant: a [`Policy`] that was loaded refers to nothing that the catalogue did not know, and its types fit.
//! Invariant: input of any size and shape ends in policies and problems, never in a panic; limits are constants here.
//! Invariant: this crate reads no file, runs no script and knows no adapter.

mod advice;
mod alignment;
mod catalogue;
mod ceiling;
mod codes;
mod document;
mod expr;
mod fields;
mod formula;
mod hand_over;
mod ladder;
mod language;
mod limits;
mod load;
mod message;
mod mismatch;
mod mistake;
mod nearest;
mod oscillation;
mod policy;
pub mod policy_test;
mod prescribe;
mod problem;
mod report;
mod response;
mod safeguard;
mod schema;
mod scripts;
mod selector;
mod sizing;
mod source;
mod trigger;
mod window;
mod yaml;
mod zone;

pub use catalogue::{Catalogue, UnknownMetrics};
pub use codes::CODES;
pub use document::API_VERSION;
pub use expr::{
    Aggregate, Arithmetic, Attribute, Clock, Comparison, Expr, Fold, Function, Input, Members, Millionths, Node, Of,
    Script, Signal,
};
pub use hand_over::{HandOver, Quarantine};
pub use language::{
    ExprContext, ExprProblem, ExprType, MAX_AHEAD, MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH, MAX_SCRIPT_BYTES,
    MAX_WINDOW, overlap, parse_condition, parse_expression, parse_script, parse_typed,
};
pub use limits::Limits;
pub use load::{Loaded, load};
pub use nearest::{hint, nearest};
pub use policy::{
    EventMatch, Figure, Formula, Guard, On, OnUnknown, Operator, Part, Policy, Prescription, Requirement, Rung,
    Selector, Sizing, SizingChange, Verify,
};
pub use policy_test::{PolicyTest, load_tests};
pub use prescribe::prescribe;
pub use problem::{PlainProblem, Problem};
pub use safeguard::{Parallel, Safeguard, Safeguards, SilentHosts};
pub use schema::schema;
pub use source::{MAX_DOCUMENTS, MAX_FILE_BYTES, MAX_LINE_BYTES, SourceText};
pub use yaml::{Key, Node as YamlNode, Yaml, trees};
