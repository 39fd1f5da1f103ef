//! `homeostat schema`: the JSON Schema of policies, guards, their tests and configurations, for editors.

use std::{io::Write, process::ExitCode};

use serde_json::Value;

use crate::{
    cli::{DocumentKind, SchemaArgs},
    config,
    report::Failure,
};

pub(crate) fn run(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let schema = match args.kind {
        None => homeostat_policy::schema(),
        Some(DocumentKind::Policy) => one(homeostat_policy::schema(), "/else/else"),
        Some(DocumentKind::Guard) => one(homeostat_policy::schema(), "/else/then"),
        Some(DocumentKind::Test) => one(homeostat_policy::schema(), "/then"),
        Some(DocumentKind::Config) => config::schema(),
    };
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    // A closed standard output means that nobody wants to read it.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(ExitCode::SUCCESS)
}

/// The schema of one kind alone: its `branch`, with the parts that all share.
fn one(mut whole: Value, branch: &str) -> Value {
    let mut schema = whole.pointer_mut(branch).map(Value::take).unwrap_or_default();
    if let Some(fields) = schema.as_object_mut() {
        for shared in ["$schema", "$defs"] {
            fields.extend(whole.get_mut(shared).map(|part| (shared.to_owned(), part.take())));
        }
    }
    schema
}
