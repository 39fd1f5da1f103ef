//! `cargo xtask test`: every check, in order. A failed one does not stop the next: all problems are shown at once.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{
    bed::Bed,
    deny, fuzz,
    interrupt::Interrupt,
    stage::{self, Report},
    summary,
};

/// Runs all stages and prints the summary. The test bed ends before this returns, whatever happened.
pub(crate) fn test(with_bed: bool) -> Result<(), String> {
    let interrupt = Interrupt::install()?;
    let began = Instant::now();
    let mut reports = Vec::new();
    let bed = with_bed.then(Bed::start);
    let bed = match bed {
        None => None,
        Some(started) => {
            let (bed, outcome) = match started {
                Ok(bed) => (Some(bed), Ok(())),
                Err(problem) => (None, Err(problem)),
            };
            reports.push(Report::of("test bed", outcome, began.elapsed()));
            bed
        }
    };
    reports.push(stage::run("format", cargo().args(["fmt", "--all", "--check"]), &interrupt));
    reports.push(stage::run("lint", cargo().args(LINT), &interrupt));
    reports.extend(deny::stages(&root(), &interrupt));
    reports.push(stage::run("test", cargo().args(TEST), &interrupt));
    reports.extend(fuzz::stages(&root(), fuzz::SECONDS, &interrupt));
    reports.push(real(bed.as_ref(), with_bed, &interrupt));
    drop(bed);
    summary::print(&reports, began.elapsed());
    if reports.iter().any(|report| report.counts.failed > 0) || interrupt.came() {
        return Err("not everything passed".into());
    }
    Ok(())
}

const LINT: [&str; 7] = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
const TEST: [&str; 4] = ["test", "--workspace", "--all-features", "--no-fail-fast"];

/// The tests that need real systems; `--tests`, since an ignored example of the documentation is not one of them.
const REAL: [&str; 3] = ["--tests", "--", "--ignored"];

fn real(bed: Option<&Bed>, wanted: bool, interrupt: &Interrupt) -> Report {
    const NAME: &str = "real systems";
    let Some(bed) = bed else {
        let why = if wanted { "there is no test bed" } else { "left out: --without-testbed" };
        return Report::skipped(NAME, why);
    };
    match bed.exports() {
        Ok(exports) => stage::run(NAME, cargo().args(TEST).args(REAL).envs(exports), interrupt),
        Err(problem) => Report::of(NAME, Err(problem), std::time::Duration::ZERO),
    }
}

/// Cargo at the workspace's root.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), Path::to_owned)
}
