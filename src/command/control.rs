//! `homeostat pause`, `resume`, `release` and `status`: the engine as a whole.

use std::{fmt::Write as _, io::Write, process::ExitCode};

use serde_json::json;

use crate::{
    api::StatusReport,
    cli::{AskArgs, ReleaseArgs},
    client::Client,
    printable::printable,
    rendering::rendered,
    report::Failure,
};

pub(crate) fn pause(args: &AskArgs) -> Result<ExitCode, Failure> {
    tell(args, &Client::new(&args.server)?.post("/api/v1/pause", &json!({}))?)
}

pub(crate) fn resume(args: &AskArgs) -> Result<ExitCode, Failure> {
    tell(args, &Client::new(&args.server)?.post("/api/v1/resume", &json!({}))?)
}

pub(crate) fn release(args: &ReleaseArgs) -> Result<ExitCode, Failure> {
    let path = format!("/api/v1/release/{}", args.resource);
    tell(&args.asked, &Client::new(&args.asked.server)?.post(&path, &json!({}))?)
}

pub(crate) fn status(args: &AskArgs) -> Result<ExitCode, Failure> {
    tell(args, &Client::new(&args.server)?.get("/api/v1/status")?)
}

fn tell(args: &AskArgs, report: &StatusReport) -> Result<ExitCode, Failure> {
    let text = rendered(report, args.output)?.unwrap_or_else(|| text(report));
    // A closed standard output means that nobody wants to read it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn text(report: &StatusReport) -> String {
    let StatusReport { overview, journal, version } = report;
    let paused = if overview.paused { "paused: no plan begins until `homeostat resume`" } else { "plans may begin" };
    let mut text = format!("homeostat {version}, generation {}: {paused}\n", overview.generation.0);
    let named = |plans: &[homeostat_model::PlanId]| {
        let plans: Vec<String> = plans.iter().map(ToString::to_string).collect();
        if plans.is_empty() { "none".into() } else { plans.join(", ") }
    };
    let quarantined: Vec<&str> = overview.quarantined.iter().map(homeostat_model::ResourceId::as_str).collect();
    let quarantined = if quarantined.is_empty() { "none".into() } else { quarantined.join(", ") };
    for (name, value) in [
        ("policies", overview.policies.to_string()),
        ("resources", overview.resources.to_string()),
        ("findings", overview.findings.to_string()),
        ("waiting", format!("{} for approval", overview.waiting)),
        ("in flight", named(&overview.in_flight)),
        ("in doubt", named(&overview.in_doubt)),
        ("quarantine", quarantined),
        ("journal", journal.clone()),
    ] {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<10} {}", printable(&value));
    }
    text
}
