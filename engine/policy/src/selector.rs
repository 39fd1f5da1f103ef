//! `select`: which resources a policy watches.

use std::{collections::BTreeMap, ops::Range};

use homeostat_model::{Kind, ResourceId};

use crate::{
    Catalogue, Operator, Requirement, Selector,
    fields::{Fields, items_up_to, named_texts, parsed, text, word},
    mistake::Mistake,
    report::Report,
    yaml::{Node, Yaml},
};

/// Deepest nesting of `within`: vm, host, rack, row, room.
const MAX_NESTING: usize = 4;

/// Most requirements of a selector: more than anybody has labels.
pub(crate) const MAX_REQUIREMENTS: usize = 64;

/// Most values of a requirement: beyond that, a label of its own says it better.
pub(crate) const MAX_VALUES: usize = 256;

/// The words of `operator`.
pub(crate) const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

/// Reads `select`.
pub(crate) fn select(node: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<Selector> {
    selector(node, "select", MAX_NESTING, catalogue, report)
}

fn selector(
    node: &Node,
    name: &'static str,
    deeper: usize,
    catalogue: &Catalogue,
    report: &mut Report,
) -> Option<Selector> {
    let mut fields = Fields::open(node, name, report)?;
    let kind_node = fields.require("kind", report);
    let (name_node, labels) = (fields.take("name"), fields.take("matchLabels"));
    let (expressions, within) = (fields.take("matchExpressions"), fields.take("within"));
    fields.finish(report);
    let kind = kind_node.and_then(|node| kind(node, catalogue, report));
    let name = name_node.and_then(|node| own_name(node, kind.as_ref()?, report));
    let mut contradictions = Contradictions::default();
    let mut match_labels = BTreeMap::new();
    for (key, value, at) in labels.map(|node| named_texts(node, "matchLabels", report)).unwrap_or_default() {
        contradictions.add(&key, &Operator::In(vec![value.clone()]), at, report);
        match_labels.insert(key, value);
    }
    let mut match_expressions = Vec::new();
    for item in
        expressions.map(|node| items_up_to(node, "matchExpressions", MAX_REQUIREMENTS, report)).unwrap_or_default()
    {
        let Some(requirement) = requirement(item, report) else { continue };
        contradictions.add(&requirement.key, &requirement.operator, item.at.clone(), report);
        match_expressions.push(requirement);
    }
    let within = within.and_then(|node| ancestor(node, deeper, catalogue, report)).map(Box::new);
    // Whatever else is wrong, the kind is wanted: the rest of the policy is checked against it.
    Some(Selector { kind: kind?, name, match_labels, match_expressions, within })
}

fn kind(node: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<Kind> {
    let kind: Kind = parsed(node, "kind", report)?;
    if let Err(help) = catalogue.check_kind(kind.as_str()) {
        report.add(node.at.clone(), Mistake::UnknownKind { kind: kind.to_string(), help });
        return None;
    }
    Some(kind)
}

fn own_name(node: &Node, kind: &Kind, report: &mut Report) -> Option<String> {
    let given = text(node, "name", report)?;
    match format!("{kind}/{given}").parse::<ResourceId>() {
        Ok(id) => Some(id.name().to_owned()),
        Err(error) => {
            let help = Some(format!("write the name without its kind, such as `web-1` of `{kind}/web-1`"));
            report.add(node.at.clone(), Mistake::InvalidValue { reason: format!("name: {error}"), help });
            None
        }
    }
}

/// `within`: a selector, or `kind/name`.
fn ancestor(node: &Node, deeper: usize, catalogue: &Catalogue, report: &mut Report) -> Option<Selector> {
    let Some(deeper) = deeper.checked_sub(1) else {
        let help = "ask for the innermost resource only: what that one runs on is the same for all that run on it";
        report.add(node.at.clone(), Mistake::NestedTooDeep { limit: MAX_NESTING, help });
        return None;
    };
    if matches!(node.value, Yaml::Map(_)) {
        return selector(node, "within", deeper, catalogue, report);
    }
    let given = text(node, "within", report)?;
    let id: ResourceId = match given.parse() {
        Ok(id) => id,
        Err(error) => {
            let error: homeostat_model::InvalidName = error;
            let help = Some("write `within: rack/r1`, or a selector: `within: {kind: rack, matchLabels: {..}}`".into());
            report.add(node.at.clone(), Mistake::InvalidValue { reason: format!("within: {error}"), help });
            return None;
        }
    };
    let kind = Kind::new(id.kind()).ok()?;
    if let Err(help) = catalogue.check_kind(kind.as_str()) {
        report.add(node.at.clone(), Mistake::UnknownKind { kind: kind.to_string(), help });
        return None;
    }
    let name = Some(id.name().to_owned());
    Some(Selector { kind, name, match_labels: BTreeMap::new(), match_expressions: Vec::new(), within: None })
}

fn requirement(item: &Node, report: &mut Report) -> Option<Requirement> {
    let mut fields = Fields::open(item, "a requirement", report)?;
    let key = fields.require("key", report).and_then(|node| text(node, "key", report));
    let operator = fields.require("operator", report);
    let operator = operator.and_then(|node| word(node, "operator", "an operator", &OPERATORS, report));
    let values_node = fields.take("values");
    let values_at = fields.key_at("values");
    let at = fields.at();
    fields.finish(report);
    let values = values_node.map(|node| values(node, report));
    let operator = operator?;
    let mut refuse = |at: Range<usize>, operator, taken, help| {
        report.add(at, Mistake::LabelValues { operator, taken, help });
        None
    };
    let operator = match (operator, values) {
        ("Exists", None) => Operator::Exists,
        ("DoesNotExist", None) => Operator::DoesNotExist,
        (operator @ ("Exists" | "DoesNotExist"), Some(_)) => {
            return refuse(values_at, operator, "no values", "remove `values`, or use `In` or `NotIn`");
        }
        (operator, None) => {
            return refuse(
                at,
                operator,
                "values, and there are none",
                "add `values: [..]`, or use `Exists` or `DoesNotExist`",
            );
        }
        (operator, Some(values)) if values.is_empty() => {
            return refuse(values_at, operator, "at least one value", "list the values: `values: [web, api]`");
        }
        ("In", Some(values)) => Operator::In(values),
        (_, Some(values)) => Operator::NotIn(values),
    };
    Some(Requirement { key: key?.to_owned(), operator })
}

fn values(node: &Node, report: &mut Report) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for item in items_up_to(node, "values", MAX_VALUES, report) {
        let Some(value) = text(item, "values", report) else { continue };
        if values.iter().any(|other| other == value) {
            report.add(item.at.clone(), Mistake::DuplicateValue { value: value.into() });
        }
        values.push(value.to_owned());
    }
    values
}

/// What was asked of each label so far, and whether that was found to be a contradiction.
#[derive(Default)]
struct Contradictions {
    asked: BTreeMap<String, (Vec<Operator>, bool)>,
}

impl Contradictions {
    /// Adds what is asked of `key` at the bytes `at`, and reports when no label can be all of it.
    fn add(&mut self, key: &str, operator: &Operator, at: Range<usize>, report: &mut Report) {
        let (asked, told) = self.asked.entry(key.to_owned()).or_default();
        let pair = asked.iter().find_map(|other| contradiction(key, other, operator));
        if let Some(reason) = pair.or_else(|| used_up(key, asked, operator)).filter(|_| !*told) {
            report.add(at, Mistake::NeverSelects { reason });
            *told = true;
        }
        asked.push(operator.clone());
    }
}

/// Why no label can be both.
fn contradiction(key: &str, one: &Operator, other: &Operator) -> Option<String> {
    use Operator::{DoesNotExist, Exists, In, NotIn};
    match (one, other) {
        (DoesNotExist, Exists | In(_)) | (Exists | In(_), DoesNotExist) => {
            Some(format!("the label `{key}` would have to be there and not to be there"))
        }
        (In(some), In(others)) if !some.iter().any(|value| others.contains(value)) => {
            Some(format!("the label `{key}` would have to be {} and also {}", listed(some), listed(others)))
        }
        (In(some), NotIn(others)) | (NotIn(others), In(some)) if some.iter().all(|value| others.contains(value)) => {
            Some(format!("the label `{key}` would have to be {} and not to be {}", listed(some), listed(others)))
        }
        _ => None,
    }
}

/// Why all of it together leaves no value, where no two of them contradict each other.
fn used_up(key: &str, asked: &[Operator], last: &Operator) -> Option<String> {
    let all = || asked.iter().chain([last]);
    let mut values: Option<Vec<&String>> = None;
    for operator in all() {
        if let Operator::In(some) = operator {
            values = Some(match values {
                None => some.iter().collect(),
                Some(left) => left.into_iter().filter(|value| some.contains(value)).collect(),
            });
        }
    }
    let mut values = values?;
    for operator in all() {
        if let Operator::NotIn(some) = operator {
            values.retain(|value| !some.contains(value));
        }
    }
    values.is_empty().then(|| format!("all that is said about the label `{key}` leaves no value for it"))
}

fn listed(values: &[String]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ")
}

/// Whether certainly no resource is selected by both.
pub(crate) fn disjoint(one: &Selector, other: &Selector) -> bool {
    let kinds = one.kind != other.kind;
    let names = matches!((&one.name, &other.name), (Some(one), Some(other)) if one != other);
    // A resource runs on one resource of a kind.
    let places = match (&one.within, &other.within) {
        (Some(one), Some(other)) => one.kind == other.kind && disjoint(one, other),
        _ => false,
    };
    let mut asked: BTreeMap<&str, Vec<Operator>> = BTreeMap::new();
    let labels = [one, other].into_iter().flat_map(asked_of_labels).any(|(key, operator)| {
        let before = asked.entry(key).or_default();
        let pair = before.iter().any(|other| contradiction(key, other, &operator).is_some());
        let never = pair || used_up(key, before, &operator).is_some();
        before.push(operator);
        never
    });
    kinds || names || places || labels
}

/// Whether certainly everything that `inner` selects is selected by `outer`.
pub(crate) fn covers(outer: &Selector, inner: &Selector) -> bool {
    let names = outer.name.is_none() || outer.name == inner.name;
    // What it runs on runs on something too.
    let places = |outer: &Selector| {
        std::iter::successors(inner.within.as_deref(), |place| place.within.as_deref()).any(|one| covers(outer, one))
    };
    let asked: Vec<(&str, Operator)> = asked_of_labels(inner).collect();
    let implied = |(key, operator): (&str, Operator)| {
        asked.iter().any(|(other, given)| *other == key && implies(given, &operator))
    };
    outer.kind == inner.kind
        && names
        && outer.within.as_deref().is_none_or(places)
        && asked_of_labels(outer).all(implied)
}

/// Whether a label of which `given` holds has `wanted` too.
fn implies(given: &Operator, wanted: &Operator) -> bool {
    use Operator::{DoesNotExist, Exists, In, NotIn};
    match (given, wanted) {
        (In(some), In(others)) => some.iter().all(|value| others.contains(value)),
        (In(some), NotIn(others)) => !some.iter().any(|value| others.contains(value)),
        (NotIn(some), NotIn(others)) => others.iter().all(|value| some.contains(value)),
        (In(_) | Exists, Exists) | (DoesNotExist, DoesNotExist | NotIn(_)) => true,
        _ => false,
    }
}

/// All that a selector asks of labels.
fn asked_of_labels(select: &Selector) -> impl Iterator<Item = (&str, Operator)> {
    let labels = select.match_labels.iter().map(|(key, value)| (key.as_str(), Operator::In(vec![value.clone()])));
    labels.chain(select.match_expressions.iter().map(|one| (one.key.as_str(), one.operator.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceText, UnknownMetrics, yaml};

    fn of(text: &str) -> Selector {
        let mut report = Report::new(&SourceText { name: "s.yaml".into(), text: text.into() });
        let node = yaml::parse(0..text.len(), &mut report).unwrap();
        let found = select(&node, &Catalogue::new(UnknownMetrics::Allow), &mut report);
        assert_eq!(report.found(), 0, "{text}");
        found.unwrap()
    }

    #[test]
    fn one_covers_another_when_all_that_it_asks_for_is_asked_for_there() {
        let expressions = |of: &str| format!("{{kind: vm, matchExpressions: [{of}]}}");
        let (is_a, is_b) = ("{key: k, operator: In, values: [a]}", "{key: k, operator: In, values: [b]}");
        let (either, neither) = ("{key: k, operator: In, values: [a, b]}", "{key: k, operator: NotIn, values: [a, b]}");
        let (not_a, there, gone) = (
            "{key: k, operator: NotIn, values: [a]}",
            "{key: k, operator: Exists}",
            "{key: k, operator: DoesNotExist}",
        );
        for (outer, inner, wanted) in [
            (either, is_a, true),
            (is_a, either, false),
            (there, either, true),
            (there, neither, false),
            (not_a, is_b, true),
            (not_a, either, false),
            (not_a, neither, true),
            (neither, not_a, false),
            (not_a, gone, true),
            (gone, not_a, false),
            (gone, gone, true),
            (there, gone, false),
        ] {
            assert_eq!(covers(&of(&expressions(outer)), &of(&expressions(inner))), wanted, "{outer} of {inner}");
            assert!(
                covers(&of("{kind: vm}"), &of(&expressions(inner)))
                    && !covers(&of(&expressions(outer)), &of("{kind: vm}"))
            );
        }
        for (outer, inner, wanted) in [
            ("{kind: vm}", "{kind: host}", false),
            ("{kind: vm, name: a}", "{kind: vm, name: a}", true),
            ("{kind: vm, name: a}", "{kind: vm, name: b}", false),
            ("{kind: vm, matchLabels: {k: a}}", "{kind: vm, matchLabels: {k: a, l: b}}", true),
            ("{kind: vm, matchLabels: {k: a, l: b}}", "{kind: vm, matchLabels: {k: a}}", false),
            ("{kind: vm, within: {kind: host}}", "{kind: vm, within: host/h1}", true),
            ("{kind: vm, within: host/h1}", "{kind: vm, within: {kind: host}}", false),
            ("{kind: vm, within: rack/r1}", "{kind: vm, within: {kind: host, within: rack/r1}}", true),
            ("{kind: vm, within: rack/r1}", "{kind: vm, within: host/h1}", false),
        ] {
            assert_eq!(covers(&of(outer), &of(inner)), wanted, "{outer} of {inner}");
        }
    }
}
