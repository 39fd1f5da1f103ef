//! Why a selector does not mean a resource, for people.

use homeostat_model::{Resource, Topology};

use crate::{Operator, Requirement, Selector};

impl Selector {
    /// The first thing that is said and is not the case; `None` when the selector means `resource`.
    #[must_use]
    pub fn mismatch(&self, resource: &Resource, topology: &Topology) -> Option<String> {
        if resource.id.kind() != self.kind.as_str() {
            return Some(format!("it is for the kind {}", self.kind));
        }
        if let Some(name) = self.name.as_ref().filter(|name| resource.id.name() != name.as_str()) {
            return Some(format!("it is for {}/{name}", self.kind));
        }
        let has = |key: &str| match resource.labels.get(key) {
            Some(value) => format!("the label {key} is `{value}`"),
            None => format!("there is no label {key}"),
        };
        let label = self.match_labels.iter().find(|(key, value)| resource.labels.get(*key) != Some(*value));
        if let Some((key, value)) = label {
            return Some(format!("{}; it is for those with `{value}`", has(key)));
        }
        if let Some(unmet) = self.match_expressions.iter().find(|one| !one.holds(&resource.labels)) {
            let Requirement { key, operator } = unmet;
            return Some(match operator {
                Operator::In(values) => format!("{}; it is for those with {}", has(key), listed(values)),
                Operator::NotIn(values) => format!("{}; it is for those without {}", has(key), listed(values)),
                Operator::Exists => has(key),
                Operator::DoesNotExist => format!("{}; it is for those without that label", has(key)),
            });
        }
        let within = self.within.as_ref()?;
        let mut ancestors = topology.ancestors(&resource.id);
        if ancestors.any(|ancestor| within.matches(ancestor, topology)) {
            return None;
        }
        let name = within
            .name
            .as_ref()
            .map_or_else(|| format!("such a {}", within.kind), |name| format!("{}/{name}", within.kind));
        Some(format!("it does not run on {name}"))
    }
}

fn listed(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    values.join(" or ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use homeostat_model::{Kind, Resource, Topology};

    use super::*;

    fn selector() -> Selector {
        let kind = Kind::new("vm").unwrap();
        Selector { kind, name: None, match_labels: BTreeMap::new(), match_expressions: Vec::new(), within: None }
    }

    #[test]
    fn the_first_thing_that_is_not_so_is_told_exactly_when_the_selector_does_not_match() {
        let mut web = Resource::named("vm/web-1".parse().unwrap());
        web.labels = BTreeMap::from([("tier".into(), "web".into())]);
        let topology = Topology::default();
        let requirement = |key: &str, operator| Selector {
            match_expressions: vec![Requirement { key: key.into(), operator }],
            ..selector()
        };
        let labels = |key: &str, value: &str| Selector {
            match_labels: BTreeMap::from([(key.into(), value.into())]),
            ..selector()
        };
        let host = Selector { kind: Kind::new("host").unwrap(), name: Some("h1".into()), ..selector() };
        for (selector, expected) in [
            (selector(), None),
            (labels("tier", "web"), None),
            (labels("tier", "db"), Some("the label tier is `web`; it is for those with `db`")),
            (labels("team", "db"), Some("there is no label team; it is for those with `db`")),
            (
                requirement("tier", Operator::In(vec!["a".into(), "b".into()])),
                Some("the label tier is `web`; it is for those with `a` or `b`"),
            ),
            (
                requirement("tier", Operator::NotIn(vec!["web".into()])),
                Some("the label tier is `web`; it is for those without `web`"),
            ),
            (requirement("team", Operator::Exists), Some("there is no label team")),
            (
                requirement("tier", Operator::DoesNotExist),
                Some("the label tier is `web`; it is for those without that label"),
            ),
            (requirement("team", Operator::DoesNotExist), None),
            (Selector { name: Some("db-1".into()), ..selector() }, Some("it is for vm/db-1")),
            (host.clone(), Some("it is for the kind host")),
            (Selector { within: Some(Box::new(host)), ..selector() }, Some("it does not run on host/h1")),
        ] {
            assert_eq!(selector.mismatch(&web, &topology).as_deref(), expected);
            assert_eq!(selector.matches(&web, &topology), expected.is_none(), "{expected:?}");
        }
    }
}
