//! `homeostat config show`: every value that is in force, and where it comes from.

use std::{fmt::Write as _, io::Write, process::ExitCode};

use homeostat_configuration::KIND;
use homeostat_policy::API_VERSION;
use serde_json::{Value as Json, json};

use crate::{
    cli::{ConfigArgs, ConfigCommand, ShowArgs, ShowFormat},
    config::{Loaded, Origin, Settings, Value},
    report::Failure,
};

pub(crate) fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    let ConfigCommand::Show(args) = &args.command;
    show(args)
}

fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let settings = Settings::of(&Loaded::find(args.configuration.as_deref())?);
    let text = match args.output {
        ShowFormat::Table => table(&settings),
        ShowFormat::Yaml => yaml(&settings),
        ShowFormat::Json => format!("{:#}\n", json(&settings)),
    };
    // A closed standard output means that nobody wants to read it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn table(settings: &Settings) -> String {
    let rows: Vec<[String; 3]> =
        settings.rows().into_iter().map(|(path, value, from)| [path, plain(value), origin(from)]).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let (paths, values) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    rows.iter().fold(String::new(), |mut text, [path, value, from]| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{path:paths$}  {value:values$}  {from}");
        text
    })
}

fn json(settings: &Settings) -> Json {
    let values = settings.rows().into_iter().map(|(path, value, from)| match from {
        Origin::File(file, line) => json!({"path": path, "value": value, "from": "file", "file": file, "line": line}),
        Origin::Environment(name) => json!({"path": path, "value": value, "from": "environment", "variable": name}),
        Origin::Default => json!({"path": path, "value": value, "from": "default"}),
    });
    json!({"values": values.collect::<Vec<_>>()})
}

fn yaml(settings: &Settings) -> String {
    let mut text = format!("apiVersion: {API_VERSION}\nkind: {KIND}\nspec:");
    block(&settings.spec, 1, &mut text);
    text.push('\n');
    text
}

/// Writes a value after its key or dash; what has several lines is indented by `depth`.
fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Map(entries) => {
            for (key, value) in entries {
                let _ = write!(text, "\n{indent}{}:", key_text(key));
                block(value, depth + 1, text);
            }
        }
        Value::List(items) => {
            for item in items {
                let _ = write!(text, "\n{indent}-");
                block(item, depth + 1, text);
            }
        }
        // JSON is YAML, too; all on a line.
        Value::Leaf(value, from) => {
            let _ = write!(text, " {value} # {}", origin(from));
        }
    }
}

fn key_text(key: &str) -> String {
    let simple = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && key.starts_with(|c: char| c.is_ascii_alphabetic());
    if simple { key.to_owned() } else { json!(key).to_string() }
}

/// A value as people write it, on one line.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) if !text.is_empty() && !text.contains(char::is_control) => text.clone(),
        other => other.to_string(),
    }
}

fn origin(from: &Origin) -> String {
    match from {
        Origin::File(file, line) => format!("{file}:{line}"),
        Origin::Environment(name) => format!("environment {name}"),
        Origin::Default => "default".into(),
    }
}
