//! The test bed as seen from a test: engines and containers, Prometheus and Alertmanager, and waiting with a deadline.
//!
//! ```text
//!   cargo xtask test --> HOMEOSTAT_TEST_* --> Engine::docker(), Engine::podman(), Engine::private(..)
//!                                             engine.container(..)            goes with the value
//!                                             Prometheus::start(..), Alertmanager::start(..), NodeExporter::start(..)
//! ```
//!
//! A test that uses it is marked `#[ignore = "needs the test bed: cargo xtask test"]`. By hand: `cargo xtask testbed --detach`
//! prints the exports, `cargo xtask testbed stop` ends it.

// Each test program uses a part of it.
#![allow(dead_code, reason = "every test program compiles this module and uses a part of it")]

mod alerts;
mod engine;
mod fleet;
mod node_exporter;
mod remote_write;

use std::{
    env,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

#[allow(unused_imports, reason = "every test program uses a part of it")]
pub(crate) use self::{
    alerts::{Alertmanager, Prometheus, free_port},
    engine::{Container, Engine},
    fleet::{Fleet, OomKills, cpu_seconds, engine_seconds, signal},
    node_exporter::NodeExporter,
    remote_write::{Samples, WritingPrometheus, number},
};

/// How often something that is waited for is looked at.
const POLL: Duration = Duration::from_millis(100);

/// What the test bed told by the environment variable `name`.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: this test needs the test bed: cargo xtask test"))
}

/// A name that nobody else uses while this test runs.
pub(crate) fn unique(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("{what}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst))
}

/// A folder of the test bed, removed with it at the latest; its path is short enough for sockets in it.
pub(crate) fn folder(what: &str) -> PathBuf {
    let folder = PathBuf::from(variable("HOMEOSTAT_TEST_DIR")).join(unique(what));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Looks until there is something, and gives it. Panics when `patience` is over, naming what was waited for.
pub(crate) fn wait_for<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} within {patience:?}");
        thread::sleep(POLL);
    }
}
