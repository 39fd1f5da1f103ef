//! `notify`: messages with values in them.

use std::{collections::BTreeSet, ops::Range};

use homeostat_model::{ChannelName, Response, Severity};

use crate::{
    Catalogue, Part, Prescription,
    fields::{Fields, items_up_to, parsed, text, word},
    formula::{Placed, Scope, Written, typed},
    mistake::Mistake,
    nearest::nearest,
    report::Report,
    response::missing,
    yaml::Node,
};

/// Longest message: nobody reads a longer one, and systems that pass messages on cut them off there.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4096;

/// Most channels that are named together: whoever has more means all.
pub(crate) const MAX_CHANNELS: usize = 32;

/// What a message can always hold.
const NAMES: [&str; 2] = ["resource", "policy"];

/// The words of `severity`.
pub(crate) const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];

/// Reads the parameters of `notify`.
pub(crate) fn notify(
    at: &Range<usize>,
    fields: Option<&mut Fields<'_>>,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<Placed<Prescription>> {
    let (severity, message, to) = fields
        .map_or((None, None, None), |fields| (fields.take("severity"), fields.take("message"), fields.take("to")));
    let severity = severity.map_or(Some(Severity::Warning), |node| severity_of(node, report));
    let to = to.map_or(Some(BTreeSet::new()), |node| channels(node, scope.catalogue, report));
    let Some(message) = message else {
        missing("notify", "message", "write `notify: {message: \"..\"}`", at, report);
        return None;
    };
    let words = text(message, "message", report)?;
    if words.len() > MAX_MESSAGE_BYTES {
        let (what, given) = ("the length of `message`".into(), format!("{} bytes", words.len()));
        report.add(
            message.at.clone(),
            Mistake::OutOfRange { what, given, allowed: format!("at most {MAX_MESSAGE_BYTES}") },
        );
        return None;
    }
    let Placed { value: parts, places } = parts(message, words, scope, report)?;
    let (severity, to) = (severity?, to?);
    let value = if places.is_empty() {
        Prescription::Fixed(Response::Notify { severity, message: words.to_owned(), to })
    } else {
        Prescription::Notify { severity, message: parts, to }
    };
    Some(Placed { value, places })
}

/// How urgent a message is.
pub(crate) fn severity_of(node: &Node, report: &mut Report) -> Option<Severity> {
    let name = word(node, "severity", "a severity", &SEVERITIES, report)?;
    Some(match name {
        "critical" => Severity::Critical,
        "warning" => Severity::Warning,
        _ => Severity::Info,
    })
}

/// Reads `to`: channels that the configuration has.
pub(crate) fn channels(node: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<BTreeSet<ChannelName>> {
    let before = report.found();
    let mut channels = BTreeSet::new();
    for item in items_up_to(node, "to", MAX_CHANNELS, report) {
        let Some(name) = parsed::<ChannelName>(item, "a channel", report) else { continue };
        if let Err(help) = catalogue.check_channel(name.as_str()) {
            report.add(item.at.clone(), Mistake::UnknownWord { what: "a channel", given: name.to_string(), help });
        }
        channels.insert(name);
    }
    (report.found() == before).then_some(channels)
}

/// The parts of a message; `None` when one of them is wrong.
fn parts(node: &Node, message: &str, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<Vec<Part>>> {
    let before = report.found();
    let whole = Written::whole(node, message, report);
    let (mut parts, mut places) = (Vec::new(), Vec::new());
    let mut position = 0;
    while let Some(start) = message.get(position..).and_then(|rest| rest.find("${")).map(|found| position + found) {
        push_text(&mut parts, message.get(position..start));
        let begin = start + "${".len();
        let Some(end) = end_of(message, begin) else {
            let mistake = Mistake::Unterminated { what: "placeholder", closing: "`}`" };
            report.push(whole.problem(&(start..message.len()), mistake));
            return None;
        };
        position = end + 1;
        match message.get(begin..end).map(str::trim) {
            Some("resource") => parts.push(Part::Resource),
            Some("policy") => parts.push(Part::Policy),
            Some(word) if word.is_empty() || nearest(word, NAMES).is_some() => {
                let placeholder = message.get(start..position).unwrap_or_default().to_owned();
                report.push(whole.problem(&(start..position), Mistake::UnknownPlaceholder { placeholder }));
            }
            _ => {
                if let Some((formula, _, written)) = typed(whole.part(begin..end), scope, report) {
                    parts.push(Part::Formula(formula));
                    places.push(written);
                }
            }
        }
    }
    push_text(&mut parts, message.get(position..));
    (report.found() == before).then_some(Placed { value: parts, places })
}

fn push_text(parts: &mut Vec<Part>, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// The `}` that ends the expression which begins at the byte `begin`; braces of its own and texts are passed over.
fn end_of(message: &str, begin: usize) -> Option<usize> {
    let mut open = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (offset, c) in message.get(begin..)?.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(closing), _) if c == closing => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`' | '\'') => quote = Some(c),
            (None, '{') => open += 1,
            (None, '}') if open == 0 => return Some(begin + offset),
            (None, '}') => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_ends_at_its_own_brace() {
        for (message, expected) in [
            ("a}b", Some("a")),
            ("#{a: 1}.a} rest", Some("#{a: 1}.a")),
            (r#"labels["}"]} rest"#, Some(r#"labels["}"]"#)),
            (r#""\"}" + x} rest"#, Some(r#""\"}" + x"#)),
            ("`}` + '}'}", Some("`}` + '}'")),
            ("never {}", None),
            ("\"never}", None),
        ] {
            assert_eq!(end_of(message, 0).map(|end| &message[..end]), expected, "{message}");
        }
    }
}
