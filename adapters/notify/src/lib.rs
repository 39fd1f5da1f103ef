//! Tells people: every channel is one way to do it, and whatever it is handed it delivers at least once.
//!
//! ```text
//!   Notification --> Outbox of each channel it names --> Notifier: CloudEvents, Alertmanager, a command
//!   FindingClosed, and what stands after a restart ---------^          |
//!                       ^-- again: exponential back-off, jitter <-- not delivered, or: given up after a day
//!   Delivery <----------------------------------------------------- delivered
//! ```
//!
//! Invariant: a notification leaves its outbox as a [`Delivery`](homeostat_model::Delivery), given up or not, and in no other way; what
//! is handed in twice under one id waits once.
//! Invariant: a channel that is down, slow or hanging keeps neither another channel nor the caller waiting.
//! Invariant: what a receiver says is bounded in bytes and time. No redirect is followed: a secret goes where it was configured to go.
//! Invariant: a command is run without a shell, and nothing of it is left running when its time is over.
//! Invariant: this crate knows no policy and no engine.

mod alertmanager;
mod backoff;
mod cloud_events;
mod command;
mod error;
mod notifier;
mod outbox;
mod patience;
mod payload;
mod post;
mod tally;
mod url;

pub use alertmanager::{Alertmanager, AlertmanagerConfig};
pub use cloud_events::{CloudEvents, CloudEventsConfig};
pub use command::{Command, CommandConfig};
pub use error::DeliveryError;
pub use notifier::Notifier;
pub use outbox::{Outbox, Patience};
pub use tally::{Figures, Tally};
