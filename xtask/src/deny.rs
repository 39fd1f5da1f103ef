//! cargo-deny: the stage that judges what dependencies may be, and the installation of the tool.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    interrupt::Interrupt,
    packages,
    stage::{self, Report, Verdict},
};

/// What is installed when there is none. It takes three minutes on two cores, once: it stays in the user's cache.
const VERSION: &str = "0.20.2";

/// What can be judged without the database of advisories, which comes from outside the package registries.
const CHECKS: [&str; 4] = ["check", "bans", "licenses", "sources"];

/// The stage; where the tool is missing, the installation comes first and is a stage of its own.
pub(crate) fn stages(root: &Path, interrupt: &Interrupt) -> Vec<Report> {
    let mut reports = Vec::new();
    let tools = tools_folder();
    let installed = tools.join("bin/cargo-deny");
    let program = packages::find("cargo-deny").or_else(|| installed.is_file().then(|| installed.clone()));
    let program = program.unwrap_or_else(|| {
        reports.push(install(&tools, interrupt));
        installed
    });
    reports.push(if reports.iter().any(|report| report.verdict != Verdict::Passed) {
        Report::skipped("deny", "cargo-deny could not be installed")
    } else {
        stage::run("deny", Command::new(program).current_dir(root).args(CHECKS), interrupt)
    });
    reports
}

fn install(tools: &Path, interrupt: &Interrupt) -> Report {
    let build = tools.join("build");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["install", "cargo-deny", "--locked", "--quiet", "--version", VERSION, "--root"]).arg(tools);
    // A folder of its own, which is of no use afterwards and large.
    cargo.arg("--target-dir").arg(&build);
    let report = stage::run("install deny", &mut cargo, interrupt);
    let _ = std::fs::remove_dir_all(build);
    report
}

/// Where tools are kept from run to run, as the XDG specification has it for caches.
fn tools_folder() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    cache.unwrap_or_else(home).join("homeostat/tools")
}
