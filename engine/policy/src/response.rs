//! One response of `then`, with its parameters.

use std::ops::Range;

use homeostat_model::{Response, Verb};

use crate::{
    Prescription,
    ceiling::check_ceiling,
    fields::{Fields, text},
    formula::{Placed, Scope, script},
    message::notify,
    mistake::Mistake,
    nearest::hint,
    report::Report,
    sizing::resize,
    yaml::{Node, Yaml},
};

/// The names of all responses.
pub(crate) const RESPONSES: [&str; 14] = [
    "restart",
    "start",
    "stop",
    "pause",
    "unpause",
    "kill",
    "recreate",
    "resize",
    "migrate",
    "evacuate",
    "fisicalize",
    "release",
    "notify",
    "script",
];

/// Reads the response `name`, which stands at the bytes `at`.
pub(crate) fn read(
    name: &str,
    at: &Range<usize>,
    parameters: Option<&Node>,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<Placed<Prescription>> {
    if name == "script" {
        return computed(at, parameters, scope, report);
    }
    if !RESPONSES.contains(&name) {
        unknown(name, at.clone(), report);
        return None;
    }
    let mut fields = match parameters {
        Some(node) => Some(Fields::open(node, name, report)?),
        None => None,
    };
    let fixed = |response| Some(Placed { value: Prescription::Fixed(response), places: Vec::new() });
    let response = match name {
        "restart" => fixed(Response::Restart),
        "start" => fixed(Response::Start),
        "stop" => fixed(Response::Stop),
        "pause" => fixed(Response::Pause),
        "unpause" => fixed(Response::Unpause),
        "kill" => fixed(Response::Kill),
        "recreate" => recreate(fields.as_mut(), report).and_then(fixed),
        "migrate" => fixed(Response::Migrate),
        "evacuate" => fixed(Response::Evacuate),
        "resize" => resize(at, fields.as_mut(), scope, report),
        "fisicalize" => fisicalize(fields.as_mut(), report).and_then(fixed),
        "release" => fixed(Response::Release),
        _ => notify(at, fields.as_mut(), scope, report),
    };
    if let Some(fields) = fields {
        fields.finish(report);
    }
    check_ceiling(name, at, scope, report);
    if let Some(kind) = scope.kind {
        let pooled = parameters.is_some_and(|node| matches!(&node.value, Yaml::Map(fields) if !fields.is_empty()));
        check_possible(name, pooled, kind, scope, at, report);
    }
    response
}

/// Says that there is no such response.
pub(crate) fn unknown(name: &str, at: Range<usize>, report: &mut Report) {
    let help = hint(name, RESPONSES);
    report.add(at, Mistake::UnknownWord { what: "a response", given: name.into(), help });
}

/// Says that the response `of` lacks a field.
pub(crate) fn missing(of: &str, field: &'static str, help: &str, at: &Range<usize>, report: &mut Report) {
    report.add(at.clone(), Mistake::MissingField { of: format!("`{of}`"), field, help: Some(help.into()) });
}

fn computed(
    at: &Range<usize>,
    parameters: Option<&Node>,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<Placed<Prescription>> {
    let Some(node) = parameters else {
        missing(
            "script",
            "file",
            "write `script: {file: NAME.rhai}`, or the script itself after `script: |`",
            at,
            report,
        );
        return None;
    };
    let (formula, written) = script(node, scope, report)?;
    Some(Placed { value: Prescription::Script(formula), places: vec![written] })
}

fn recreate(fields: Option<&mut Fields<'_>>, report: &mut Report) -> Option<Response> {
    let image = match fields.and_then(|fields| fields.take("image")) {
        Some(node) => Some(text(node, "image", report)?.to_owned()),
        None => None,
    };
    Some(Response::Recreate { image })
}

fn fisicalize(fields: Option<&mut Fields<'_>>, report: &mut Report) -> Option<Response> {
    let pool = match fields.and_then(|fields| fields.take("pool")) {
        Some(node) => Some(text(node, "pool", report)?.to_owned()),
        None => None,
    };
    Some(Response::Fisicalize { pool })
}

/// Refuses what no connected system can do to resources of `kind`.
fn check_possible(response: &str, pooled: bool, kind: &str, scope: &Scope<'_>, at: &Range<usize>, report: &mut Report) {
    let verb = match response {
        "restart" => Verb::Restart,
        "resize" => Verb::Resize,
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "pause" | "unpause" => Verb::Pause,
        "kill" => Verb::Kill,
        "recreate" => Verb::Recreate,
        "fisicalize" if !pooled => Verb::Resize,
        "release" => Verb::Resize,
        "migrate" | "fisicalize" => Verb::Migrate,
        "evacuate" if kind != "host" => {
            let (response, kind, reason) = (response.into(), kind.into(), "it moves what runs on a host".into());
            let help = Some("select the hosts (`kind: host`), or use `migrate`".into());
            report.add(at.clone(), Mistake::ImpossibleResponse { response, kind, reason, help });
            return;
        }
        _ => return,
    };
    if let Err(help) = scope.catalogue.check_verb(kind, verb) {
        let (response, kind, reason) = (response.into(), kind.into(), format!("no connected system can {verb} it"));
        report.add(at.clone(), Mistake::ImpossibleResponse { response, kind, reason, help });
    }
}
