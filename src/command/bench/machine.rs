//! What the figures were measured on.

use std::{fmt, fs, thread};

use serde::Serialize;

/// The machine, and the program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    version: &'static str,
    /// `release` or `debug`; figures of the latter say nothing.
    build: &'static str,
    cores: Option<usize>,
    cpu: Option<String>,
}

impl Machine {
    /// This one.
    pub(super) fn find() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            cores: thread::available_parallelism().ok().map(usize::from),
            cpu: fs::read_to_string("/proc/cpuinfo").ok().as_deref().and_then(model),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = self.cores.map_or("?".to_owned(), |cores| cores.to_string());
        let cpu = self.cpu.as_deref().unwrap_or("unknown");
        write!(f, "homeostat {} ({} build), one thread of {cores} on {cpu}", self.version, self.build)?;
        if self.build == "debug" { f.write_str("; figures of a debug build say nothing") } else { Ok(()) }
    }
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
