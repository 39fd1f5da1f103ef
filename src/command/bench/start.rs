//! How long the program takes to start and to do something small.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use super::{
    Extent,
    figure::{Bound, Figure},
    fleet,
};
use crate::report::Failure;

/// Does nothing, and is started the same way.
const NOTHING: &str = "/bin/true";

pub(super) fn measure(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::new(format!("who am I? {error}")))?;
    let folder = tempfile::tempdir().map_err(|error| Failure::new(format!("no temporary folder: {error}")))?;
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, fleet::policy("hot", "{kind: vm}", "when: avg(\"cpu.utilization\", 5m) > 85%").text)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", policy.display())))?;
    let starts: u32 = extent.of(20, 3);
    let (mut version, mut check, mut nothing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..starts {
        version.push(milliseconds(&program, &["--version".as_ref()])?);
        check.push(milliseconds(&program, &["check".as_ref(), policy.as_ref()])?);
        nothing.push(milliseconds(NOTHING.as_ref(), &[])?);
    }
    Ok((
        format!("from the start of a process to its end, {starts} times"),
        vec![
            Figure::of("homeostat --version", "ms", &version).target(Bound::AtMost(50.0)),
            Figure::of("homeostat check, one policy", "ms", &check).target(Bound::AtMost(50.0)),
            Figure::of(NOTHING, "ms", &nothing),
        ],
    ))
}

fn milliseconds(program: &Path, arguments: &[&std::ffi::OsStr]) -> Result<f64, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status =
        command.status().map_err(|error| Failure::new(format!("cannot run {}: {error}", program.display())))?;
    let took = begin.elapsed();
    if !status.success() {
        return Err(Failure::new(format!("{} ended with {status}", program.display())));
    }
    Ok(took.as_secs_f64() * 1e3)
}
