//! What a script returned becomes a response, by the same code that reads `then`.

use std::{collections::BTreeMap, ops::Range};

use homeostat_model::{Data, Response, Value};

use crate::{
    Catalogue, Prescription, SourceText, UnknownMetrics,
    formula::{EventRead, Scope},
    ladder::{MODIFIERS, ladder},
    report::Report,
    scripts::Scripts,
    yaml::{Key, Node, Yaml},
};

/// There is no file behind it.
const NOWHERE: Range<usize> = 0..0;

/// Fields whose numbers are bytes: a script calculates without units.
const BYTES: [&str; 3] = ["memory", "minMemory", "maxMemory"];

/// The response that a script returned for a resource of `kind`: a text such as `"restart"`, or a map with one response, such
/// as `#{resize: #{vcpus: 4}}`. `None` when it returned nothing.
///
/// Everything is read as in `then`, but as literals only; a bare number of `memory` is in bytes.
///
/// # Errors
/// What is wrong with it, and what to do about it, in one line.
pub fn prescribe(data: &Data, kind: &str) -> Result<Option<Response>, String> {
    if *data == Data::Nothing {
        return Ok(None);
    }
    if let Data::Map(entries) = data
        && let Some(field) = MODIFIERS.into_iter().find(|field| entries.contains_key(*field))
    {
        return Err(format!("`{field}` belongs beside `script:` in the policy, not into what the script returns"));
    }
    let (catalogue, scripts, metrics) = (Catalogue::new(UnknownMetrics::Allow), Scripts::default(), BTreeMap::new());
    let scope = Scope {
        catalogue: &catalogue,
        kind: Some(kind),
        metrics: &metrics,
        event: EventRead::No,
        scripts: &scripts,
        given: None,
        literal: true,
        ceiling: None,
    };
    let mut report = Report::new(&SourceText { name: "what the script returned".into(), text: String::new() });
    let then = Node { value: Yaml::List(vec![node(data, false)]), at: NOWHERE };
    let mut rungs = ladder(&then, &scope, &mut report);
    let problems = report.into_problems();
    match rungs.pop().map(|rung| rung.rung.response) {
        Some(Prescription::Fixed(response)) if problems.is_empty() => Ok(Some(response)),
        _ => {
            let told: Vec<String> = problems
                .iter()
                .map(|problem| match problem.help() {
                    Some(help) => format!("{problem} ({help})"),
                    None => problem.to_string(),
                })
                .collect();
            Err(told.join("; "))
        }
    }
}

/// The same as a YAML file would have it.
fn node(data: &Data, bytes: bool) -> Node {
    let value = match data {
        Data::Nothing => Yaml::Null,
        Data::Value(Value::Number(number)) if bytes => scalar(format!("{number}B"), true),
        Data::Value(Value::Number(number)) => scalar(number.to_string(), true),
        Data::Value(Value::Bool(truth)) => scalar(truth.to_string(), true),
        Data::Value(Value::Text(text)) => scalar(text.clone(), false),
        Data::List(items) => Yaml::List(items.iter().map(|item| node(item, false)).collect()),
        Data::Map(entries) => Yaml::Map(
            entries
                .iter()
                .map(|(name, item)| {
                    (Key { text: name.clone(), at: NOWHERE }, node(item, BYTES.contains(&name.as_str())))
                })
                .collect(),
        ),
    };
    Node { value, at: NOWHERE }
}

fn scalar(text: String, typed: bool) -> Yaml {
    Yaml::Scalar { text, typed }
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Change, Resizing, Severity};

    use super::*;

    fn map<const N: usize>(entries: [(&str, Data); N]) -> Data {
        Data::Map(entries.map(|(name, item)| (name.to_owned(), item)).into())
    }

    #[test]
    fn a_response_is_read_as_in_then() {
        let to = |number| Some(Resizing { change: Change::To(number), min: None, max: None });
        for (data, expected) in [
            (Data::Nothing, None),
            ("restart".into(), Some(Response::Restart)),
            (map([("migrate", Data::Nothing)]), Some(Response::Migrate)),
            (map([("migrate", map([]))]), Some(Response::Migrate)),
            (
                map([("resize", map([("vcpus", 4.0.into()), ("memory", 2_147_483_648.0.into())]))]),
                Some(Response::Resize { vcpus: to(4.0), memory: to(2_147_483_648.0) }),
            ),
            (
                map([("resize", map([("memory", "+25%".into()), ("maxMemory", 1024.0.into())]))]),
                Some(Response::Resize {
                    vcpus: None,
                    memory: Some(Resizing { change: Change::ByShare(0.25), min: None, max: Some(1024.0) }),
                }),
            ),
            (
                map([("resize", map([("vcpus", (-1.0).into())]))]),
                Some(Response::Resize {
                    vcpus: Some(Resizing { change: Change::By(-1.0), min: None, max: None }),
                    memory: None,
                }),
            ),
            (
                map([("notify", map([("severity", "info".into()), ("message", "see ${resource}".into())]))]),
                Some(Response::Notify {
                    severity: Severity::Info,
                    message: "see ${resource}".into(),
                    to: Default::default(),
                }),
            ),
        ] {
            assert_eq!(prescribe(&data, "vm"), Ok(expected), "{data}");
        }
    }

    #[test]
    fn what_is_no_response_is_refused_with_its_reason() {
        let resize = |name, value: Data| map([("resize", map([(name, value)]))]);
        for (data, expected) in [
            ("restrat".into(), "`restrat` is not a response (did you mean `restart`?)"),
            (true.into(), "`true` is not a response"),
            (Data::List(vec![]), "is neither the name of a response"),
            (map([]), "has no response"),
            (map([("restart", Data::Nothing), ("migrate", Data::Nothing)]), "has two responses"),
            (resize("cpus", 4.0.into()), "`resize` has no field `cpus`"),
            (resize("vcpus", "capacity.vcpus * 2".into()), "`capacity.vcpus * 2`, which is not a change"),
            (resize("vcpus", f64::NAN.into()), "`NaN`, which is not a change"),
            (resize("vcpus", 0.0.into()), "which is not a change"),
            (resize("vcpus", Data::Nothing), "changes neither"),
            (map([("notify", map([("message", "is ${state}".into())]))]), "is an expression"),
            (map([("script", "\"restart\"".into())]), "is an expression"),
            (map([("restart", Data::Nothing), ("if", "true".into())]), "`if` belongs beside `script:`"),
            (map([("restart", Data::Nothing), ("attempts", 3.0.into())]), "`attempts` belongs"),
            (map([("restart", Data::Nothing), ("timeout", "5m".into())]), "`timeout` belongs beside `script:`"),
            ("evacuate".into(), "cannot be done to a vm"),
        ] {
            let told = prescribe(&data, "vm").unwrap_err();
            assert!(told.contains(expected), "{data}: {told}");
        }
    }
}
