//! `then`: the ladder of responses.

use std::ops::Range;

use homeostat_model::{Change, Quantity, Resizing, Response, Severity, Unit, Verb};

use crate::{
    Catalogue, Prescription, Rung,
    alignment::locate,
    fields::{Fields, integer, items, text, word},
    mistake::Mistake,
    nearest::hint,
    report::Report,
    yaml::{Key, Node, Yaml},
};

/// The names of all responses.
const RESPONSES: [&str; 6] = ["restart", "resize", "migrate", "evacuate", "fisicalize", "notify"];

/// Most attempts of one rung: with the shortest useful pause that is still more than a day of trying.
const MAX_ATTEMPTS: u16 = 100;

/// Reads `then` for resources of `kind`.
pub(crate) fn ladder(node: &Node, kind: Option<&str>, catalogue: &Catalogue, report: &mut Report) -> Vec<Rung> {
    let entries = items(node, "then", report);
    if let (Yaml::List(_), true) = (&node.value, entries.is_empty()) {
        report.add(node.at.clone(), Mistake::EmptyThen);
    }
    entries.iter().filter_map(|entry| rung(entry, kind, catalogue, report)).collect()
}

fn rung(entry: &Node, kind: Option<&str>, catalogue: &Catalogue, report: &mut Report) -> Option<Rung> {
    let (name, at, attempts, parameters) = match &entry.value {
        Yaml::Scalar { text, .. } => (text.as_str(), entry.at.clone(), Some(1), None),
        Yaml::Map(entries) => {
            let mut fields = Fields::open(entry, "an entry of `then`", report)?;
            let attempts = fields.take("attempts");
            let attempts = attempts.map_or(Some(1), |node| integer(node, "attempts", (1, MAX_ATTEMPTS), report));
            let key = response_key(&fields, report)?;
            let parameters = entries.iter().find(|(other, _)| other.text == key.text).map(|(_, node)| node);
            (key.text.as_str(), key.at.clone(), attempts, parameters)
        }
        _ => {
            let problem = "is neither the name of a response nor a mapping with one";
            report.add(entry.at.clone(), Mistake::OneResponse { problem });
            return None;
        }
    };
    let parameters = parameters.filter(|node| node.value != Yaml::Null);
    let response = response(name, &at, parameters, report)?;
    if let Some(kind) = kind {
        check_possible(&response, kind, catalogue, at, report);
    }
    Some(Rung { guards: Vec::new(), response: Prescription::Fixed(response), attempts: attempts? })
}

/// The only key that is not `attempts`.
fn response_key<'a>(fields: &Fields<'a>, report: &mut Report) -> Option<&'a Key> {
    let mut keys = fields.keys().filter(|key| key.text != "attempts");
    match (keys.next(), keys.next()) {
        (Some(key), None) => Some(key),
        (None, _) => {
            report.add(fields.at(), Mistake::OneResponse { problem: "has no response" });
            None
        }
        (Some(first), Some(second)) => {
            // Which of the two is wrong: a second response, or something that is none.
            let stranger = [first, second].into_iter().find(|key| !RESPONSES.contains(&key.text.as_str()));
            match stranger {
                Some(key) => {
                    let of = "an entry of `then`".to_owned();
                    let help = hint(&key.text, RESPONSES.into_iter().chain(["attempts"]));
                    report.add(key.at.clone(), Mistake::UnknownField { of, field: key.text.clone(), help });
                }
                None => report.add(second.at.clone(), Mistake::OneResponse { problem: "has two responses" }),
            }
            None
        }
    }
}

fn response(name: &str, at: &Range<usize>, parameters: Option<&Node>, report: &mut Report) -> Option<Response> {
    let mut fields = match parameters {
        Some(node) => Some(Fields::open(node, name, report)?),
        None => None,
    };
    let response = match name {
        "restart" => Some(Response::Restart),
        "migrate" => Some(Response::Migrate),
        "evacuate" => Some(Response::Evacuate),
        "resize" => resize(at, fields.as_mut(), report),
        "fisicalize" => fisicalize(at, fields.as_mut(), report),
        "notify" => notify(at, fields.as_mut(), report),
        _ => {
            let help = hint(name, RESPONSES);
            report.add(at.clone(), Mistake::UnknownWord { what: "a response", given: name.into(), help });
            return None;
        }
    };
    if let Some(fields) = fields {
        fields.finish(report);
    }
    response
}

fn missing(of: &str, field: &'static str, help: &str, at: &Range<usize>, report: &mut Report) {
    report.add(at.clone(), Mistake::MissingField { of: format!("`{of}`"), field, help: Some(help.into()) });
}

fn fisicalize(at: &Range<usize>, fields: Option<&mut Fields<'_>>, report: &mut Report) -> Option<Response> {
    let Some(pool) = fields.and_then(|fields| fields.take("pool")) else {
        missing("fisicalize", "pool", "write `fisicalize: {pool: NAME}`: the hosts' label `pool`", at, report);
        return None;
    };
    Some(Response::Fisicalize { pool: text(pool, "pool", report)?.to_owned() })
}

fn notify(at: &Range<usize>, fields: Option<&mut Fields<'_>>, report: &mut Report) -> Option<Response> {
    let (severity, message) = fields.map_or((None, None), |fields| (fields.take("severity"), fields.take("message")));
    let severity = severity.map_or(Some(Severity::default()), |node| severity_of(node, report));
    let Some(message) = message else {
        missing("notify", "message", "write `notify: {message: \"..\"}`", at, report);
        return None;
    };
    let words = text(message, "message", report)?;
    for placeholder in placeholders(words) {
        if !["${resource}", "${policy}"].contains(&placeholder) {
            let part = words.find(placeholder).map_or(0..0, |start| start..start + placeholder.len());
            let at = locate(report.text(), &message.at, words, &part);
            report.add(at, Mistake::UnknownPlaceholder { placeholder: placeholder.into() });
        }
    }
    Some(Response::Notify { severity: severity?, message: words.to_owned() })
}

fn severity_of(node: &Node, report: &mut Report) -> Option<Severity> {
    let name = word(node, "severity", "a severity", &["info", "warning", "critical"], report)?;
    Some(match name {
        "critical" => Severity::Critical,
        "warning" => Severity::Warning,
        _ => Severity::Info,
    })
}

/// Every `${..}` of a message, the one that does not end included.
fn placeholders(message: &str) -> impl Iterator<Item = &str> {
    message.match_indices("${").filter_map(|(start, _)| {
        let rest = message.get(start..)?;
        rest.get(..rest.find('}').map_or(rest.len(), |end| end + 1))
    })
}

fn resize(at: &Range<usize>, fields: Option<&mut Fields<'_>>, report: &mut Report) -> Option<Response> {
    let Some(fields) = fields else {
        report.add(at.clone(), Mistake::ResizeNothing);
        return None;
    };
    let before = report.found();
    let vcpus = resizing(fields, &VCPUS, report);
    let memory = resizing(fields, &MEMORY, report);
    if vcpus.is_none() && memory.is_none() && report.found() == before {
        report.add(at.clone(), Mistake::ResizeNothing);
    }
    Some(Response::Resize { vcpus, memory })
}

/// What can be resized, and how it is written.
struct Resizable {
    name: &'static str,
    min: &'static str,
    max: &'static str,
    unit: Unit,
    example: &'static str,
}

const VCPUS: Resizable =
    Resizable { name: "vcpus", min: "minVcpus", max: "maxVcpus", unit: Unit::None, example: "vcpus: +2" };
const MEMORY: Resizable =
    Resizable { name: "memory", min: "minMemory", max: "maxMemory", unit: Unit::Bytes, example: "memory: +25%" };

fn resizing(fields: &mut Fields<'_>, what: &Resizable, report: &mut Report) -> Option<Resizing> {
    let nodes = (fields.take(what.name), fields.take(what.min), fields.take(what.max));
    let (wanted, min_node, max_node) = nodes;
    let min = min_node.and_then(|node| bound(node, what.min, what.unit, report));
    let max = max_node.and_then(|node| bound(node, what.max, what.unit, report));
    let Some(wanted) = wanted else {
        for (node, name) in [(min_node, what.min), (max_node, what.max)] {
            if node.is_some() {
                let help = format!("`{name}` bounds a change: write `{}`", what.example);
                missing("resize", what.name, &help, &fields.key_at(name), report);
            }
        }
        return None;
    };
    let change = change(wanted, what, report)?;
    if let (Some(min), Some(max), Some(node)) = (min, max, min_node)
        && min > max
    {
        let (min, max) = (min.to_string(), max.to_string());
        report.add(node.at.clone(), Mistake::MinAboveMax { what: what.name, min, max });
    }
    Some(Resizing { change, min, max })
}

/// An amount greater than zero, in the base unit.
fn bound(node: &Node, name: &'static str, unit: Unit, report: &mut Report) -> Option<f64> {
    let given = text(node, name, report)?;
    match given.parse::<Quantity>() {
        Ok(quantity) if quantity.unit == unit && quantity.number > 0.0 => Some(quantity.number),
        _ => {
            let help =
                Some(format!("write {}", if unit == Unit::Bytes { "an amount such as `2Gi`" } else { "a number" }));
            let reason = format!("`{name}` is `{given}`, which is not an amount greater than zero");
            report.add(node.at.clone(), Mistake::InvalidValue { reason, help });
            None
        }
    }
}

/// `+2`, `-1`, `4`, `+25%`, `+512Mi`, `2Gi`
fn change(node: &Node, what: &Resizable, report: &mut Report) -> Option<Change> {
    let given = text(node, what.name, report)?;
    let (sign, amount) = match given.strip_prefix('-') {
        Some(rest) => (Some(-1.0), rest),
        None => given.strip_prefix('+').map_or((None, given), |rest| (Some(1.0), rest)),
    };
    let quantity = amount.parse::<Quantity>().ok();
    let change = match (quantity, sign) {
        (Some(Quantity { number, unit: Unit::Ratio }), Some(sign)) => Change::ByShare(sign * number),
        (Some(Quantity { number, unit }), Some(sign)) if unit == what.unit => Change::By(sign * number),
        (Some(Quantity { number, unit }), None) if unit == what.unit && number > 0.0 => Change::To(number),
        _ => {
            let help = match what.unit {
                Unit::Bytes => "write `2Gi` (to that amount), `+512Mi` (by it) or `+25%` (of what it has)",
                _ => "write `4` (to that many), `+2` (by them) or `+25%` (of what it has)",
            };
            let reason = format!("`{}` is `{given}`, which is not a change", what.name);
            report.add(node.at.clone(), Mistake::InvalidValue { reason, help: Some(help.into()) });
            return None;
        }
    };
    match change {
        Change::By(amount) | Change::ByShare(amount) if amount == 0.0 => {
            report.add(node.at.clone(), Mistake::NoChange { what: what.name, example: what.example });
            None
        }
        Change::ByShare(share) if share <= -1.0 => {
            let allowed = "a share above -100%".to_owned();
            let what = format!("`{}`", what.name);
            report.add(node.at.clone(), Mistake::OutOfRange { what, given: given.into(), allowed });
            None
        }
        change => Some(change),
    }
}

/// Refuses what no connected system can do to resources of `kind`.
fn check_possible(response: &Response, kind: &str, catalogue: &Catalogue, at: Range<usize>, report: &mut Report) {
    let verb = match response {
        Response::Restart => Verb::Restart,
        Response::Resize { .. } => Verb::Resize,
        Response::Migrate | Response::Fisicalize { .. } => Verb::Migrate,
        Response::Evacuate if kind != "host" => {
            let (response, kind, reason) = (response.to_string(), kind.into(), "it moves what runs on a host".into());
            let help = Some("select the hosts (`kind: host`), or use `migrate`".into());
            report.add(at, Mistake::ImpossibleResponse { response, kind, reason, help });
            return;
        }
        Response::Evacuate | Response::Notify { .. } => return,
    };
    if let Err(help) = catalogue.check_verb(kind, verb) {
        let (response, kind, reason) =
            (response.to_string(), kind.into(), format!("no connected system can {verb} it"));
        report.add(at, Mistake::ImpossibleResponse { response, kind, reason, help });
    }
}
