//! Reads what people send over HTTP: whose token it is, what they mean, what they ask for.
//!
//! ```text
//!   Authorization --> bearer --> TokenHash          somebody, or nobody
//!   path -----------> plan_id, resource_id ----+
//!   query ----------> Asked, Which ------------+--> a value, or a Mistake: what is wrong, and what to do about it
//!   body -----------> Seen --------------------+
//! ```
//!
//! What is done about it is the program's; it reads bytes that come from anybody here, and nowhere else.
//!
//! Invariant: bytes of any size and shape end in a value or in a [`Mistake`], never in a panic; limits are constants here.
//! Invariant: a [`Mistake`] says what is wrong and what to do, and repeats a bounded part of what was sent.
//! Invariant: this crate knows no engine, no connection and no clock: the time is given.

mod asked;
mod bearer;
mod mistake;
mod moment;
mod named;
mod query;
mod seen;
mod token;
mod which;

pub use asked::{Asked, MAX_SHOWN, Wanted};
pub use bearer::bearer;
pub use mistake::{MAX_MISTAKE, Mistake};
pub use moment::moment;
pub use named::{plan_id, resource_id};
pub use query::MAX_QUERY;
pub use seen::{MAX_BODY, Seen};
pub use token::TokenHash;
pub use which::{MAX_LISTED, Which};
