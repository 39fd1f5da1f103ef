//! The same from a running homeostat, which reads its journal itself.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use homeostat_model::Timestamp;
use serde_json::Value;

use super::{row, wanted};
use crate::{
    api::Page,
    cli::AuditArgs,
    client::{Client, encoded},
    printable::printable,
    rendering::Stream,
    report::Failure,
};

/// Shows the newest records that are asked for.
pub(super) fn run(server: &str, args: &AuditArgs) -> Result<ExitCode, Failure> {
    let page: Page = Client::at(Some(server), &args.credentials)?.get(&format!("/api/v1/audit?{}", query(args)))?;
    let mut stream = Stream::new(args.output);
    let mut out = io::stdout().lock();
    for record in &page.records {
        if out.write_all(line(record, &mut stream)?.as_bytes()).is_err() {
            // A closed standard output means that nobody wants to read it.
            return Ok(ExitCode::SUCCESS);
        }
    }
    let mut notes = io::stderr().lock();
    // Nothing can be done when standard error is closed; below, too.
    if page.about.left_out > 0 {
        let _ = writeln!(
            notes,
            "{} older records are not shown; ask for less with --since, --plan or --kind",
            page.about.left_out
        );
    }
    if let Some(note) = &page.about.note {
        let _ = writeln!(notes, "{note}");
    }
    match &page.about.damage {
        None => Ok(ExitCode::SUCCESS),
        Some(damage) => {
            let _ = writeln!(notes, "error: {damage}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn query(args: &AuditArgs) -> String {
    let wanted = wanted(args);
    let time = |at: Timestamp| jiff::Timestamp::from_millisecond(at.as_millis()).ok().map(|time| time.to_string());
    let kinds = (!wanted.kinds.is_empty()).then(|| wanted.kinds.join(","));
    let parts = [
        ("plan", wanted.plan.map(|plan| plan.to_string())),
        ("policy", wanted.policy),
        ("resource", wanted.resource.map(|resource| resource.to_string())),
        ("kind", kinds),
        ("since", wanted.since.and_then(time)),
        ("until", wanted.until.and_then(time)),
    ];
    let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(&value?))));
    parts.collect::<Vec<_>>().join("&")
}

fn line(record: &Value, stream: &mut Stream) -> Result<String, Failure> {
    let mut whole = record.clone();
    // The words are the table's.
    let told = whole.as_object_mut().and_then(|fields| fields.remove("told"));
    Ok(stream.next(&whole)?.unwrap_or_else(|| {
        let number = record.get("number").and_then(Value::as_u64).unwrap_or_default();
        let at = record.get("at").and_then(|at| serde_json::from_value::<Timestamp>(at.clone()).ok());
        let told = told.as_ref().and_then(Value::as_str).unwrap_or_default();
        row(number, at.unwrap_or(Timestamp::from_millis(0)), &printable(told))
    }))
}
