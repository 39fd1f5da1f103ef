//! Drives Docker and Podman through their HTTP API.
//!
//! ```text
//!                 +--------- observe: each host by itself --------+        +------------ step -------------+
//!   engine A <--> | info, list, inspect -> snapshot               |        | check -> apply -> probe       | <--> engine A
//!   engine B <--> | events  -> happenings -> upsert, event        | -> sink|   locate: on which host?      | <--> engine B
//!                 | control groups (else stats)  -> usage         |        |   replace, settle: old -> new |
//!                 +-----------------------------------------------+        |   ledger: one deed a key      |
//!                                                                          +-------------------------------+
//! ```
//!
//! A container is called by its name, which is unique in an engine and stays when the container is made anew; its id does
//! not. Where two hosts have the same name, the second is called `container/<host>/<name>` (see `directory.rs`). Everything is
//! read from the engines at the moment it is needed; what is remembered is bounded and is there only to tell what was missed
//! while a connection was gone, and what has been done under which key.
//!
//! A container is moved or made anew by a second one that takes its place (`replace.rs`): by a checkpoint, with what it has in
//! memory, where both engines can; else it is stopped and begins anew. What stays on its host (volumes, binds, devices,
//! another's network) keeps the container there, and the host's attribute `liveMigration` says beforehand which way it is.
//!
//! Invariant: it knows no policy, no plan and no other adapter; a host that is away keeps no other host back.
//! Invariant: every call to an engine ends within a bounded time.
//! Invariant: a step that has begun goes on when its caller goes away, and is never begun twice under one key.
//! Invariant: what an engine cannot do is missing from its capabilities: nothing is found out by trying it on a container.
//! Invariant: a container and the one that takes its place never run at once, and the old one is kept until the new one runs.

mod adapter;
mod blueprint;
mod calls;
mod capability;
mod check;
mod config;
mod connection;
mod deed;
mod directory;
mod fact;
mod follow;
mod group;
mod happening;
mod host;
mod inventory;
mod ledger;
mod limits;
mod locate;
mod measurement;
mod memory;
mod meter;
mod mounts;
mod number;
mod observe;
mod parts;
mod replace;
mod settle;
mod statistics;
mod stream;
mod usage;

pub use adapter::ContainerAdapter;
pub use capability::offered;
pub use config::{ContainerConfig, HostConfig, InvalidContainerConfig, Statistics, TlsConfig};
