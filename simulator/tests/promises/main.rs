//! The promises as properties: a seed is a data centre, policies, what happens to it and what goes wrong; watchers look on.
//!
//! ```text
//!            seed
//!              |  draw
//!     site, charter, fates
//!              v
//!    World: engine <-> data centre, journal, people   --- facts --->  a watcher a promise
//!             |  ^ crash, restart                                       |
//!             v  |                                                      v
//!            Scene: what is to be seen from outside               broken: seed, when, what
//! ```
//!
//! `HOMEOSTAT_SEED=123` runs one seed and tells its story; `HOMEOSTAT_SEEDS=1000000` runs so many, best in a release build:
//! `HOMEOSTAT_SEEDS=1000000 cargo test --release -p homeostat-simulator --test promises`.
//!
//! Invariant: a run is a function of its seed.
//! Invariant: a watcher sees inputs, outputs and what was really done; it asks the engine nothing but explanations.
//! Invariant: every watcher fails when its guard is taken out of the code: see `MUTATIONS.md`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

#[path = "../bench/mod.rs"]
mod bench;
mod charter;
mod draw;
mod fate;
mod journal;
mod p02_projected_state;
mod p03_budgets;
mod p04_breaker;
mod p05_escalation;
mod p06_journalled;
mod p07_verified;
mod p08_fenced;
mod p09_owned;
mod p10_warm_start;
mod p11_explained;
mod p12_capabilities;
mod p13_equal;
mod scene;
mod site;
mod sweep;
mod watch;
mod world;
