//! Drives Docker and Podman through their HTTP API.
//!
//! ```text
//!              +--------------- observe ----------------+        +------------ step -------------+
//!   engine --> | info, list, inspect -> snapshot        |        | check -> apply -> probe       | --> engine
//!              | events  -> happenings -> upsert, event | -> sink|   ledger: one deed a key      |
//!              | stats, one stream a container -> usage |        |                               |
//!              +----------------------------------------+        +-------------------------------+
//! ```
//!
//! A container is called by its name, which is unique in an engine and stays when the container is made anew; its id does
//! not. Everything is read from the engine at the moment it is needed; what is remembered is bounded and is there only to
//! tell what was missed while the connection was gone, and what has been done under which key.
//!
//! Invariant: it knows no policy, no plan and no other adapter; one adapter drives one engine.
//! Invariant: every call to the engine ends within a bounded time.
//! Invariant: a step that has begun goes on when its caller goes away, and is never begun twice under one key.
//! Invariant: what an engine cannot do is missing from its capabilities: nothing is found out by trying it on a container.

mod adapter;
mod blueprint;
mod calls;
mod capability;
mod check;
mod config;
mod connection;
mod deed;
mod directory;
mod follow;
mod happening;
mod host;
mod inventory;
mod ledger;
mod limits;
mod locate;
mod memory;
mod number;
mod observe;
mod parts;
mod replace;
mod settle;
mod stream;
mod usage;

pub use adapter::ContainerAdapter;
pub use capability::offered;
pub use config::{ContainerConfig, HostConfig, InvalidContainerConfig, TlsConfig};
