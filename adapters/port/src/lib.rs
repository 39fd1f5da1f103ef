//! What the program asks of the outside: the traits that adapters and sources implement, and the suite that tests them.
//!
//! ```text
//!             observations                         steps
//!   Source ------------------> sink -> engine -> execute() -> Adapter: check -> apply -> probe
//!   Adapter: observe --------^                                            progress, cancel
//! ```
//!
//! An adapter drives one kind of system (container engines, hypervisors, clusters). Steps may take an hour: `apply` says
//! how far it is, can be called off, and may be cut off at any moment, after which `probe` finds out at the system itself
//! what became of it.
//!
//! Invariant: an adapter knows no policy, no plan and no other adapter.
//! Invariant: every trait method may be called at any time, concurrently, and again after an error.
//! Invariant: what an adapter cannot do is missing from its capabilities; it is never first found out by an error.

mod adapter;
mod causes;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod execute;
mod secret;
mod sink;
mod source;

pub use adapter::{Adapter, AdapterError, ApplyError, Probe, Refusal};
pub use causes::with_causes;
pub use clock::Clock;
pub use execute::{ascertain, execute};
pub use secret::{MAX_SECRET_BYTES, Secret, SecretError, SecretText};
pub use sink::{Closed, ObservationSink, Progress, ProgressSink, Room};
pub use source::{Source, SourceError};
