//! Which records are asked for.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Entry, Mode, Plan, PlanId, Record, ResourceId};
use homeostat_request::Wanted;
use serde_json::Value;

/// Takes records that are what they have to be.
#[derive(Debug)]
pub(crate) struct Selection {
    wanted: Wanted,
    /// Of the plans that go on: whose they are, and what they touch. Records of steps do not say it again.
    plans: BTreeMap<PlanId, (String, BTreeSet<ResourceId>)>,
    /// Kinds that there were, to tell who asked for another one.
    seen: BTreeSet<String>,
}

/// What a record is about.
#[derive(Debug, Default)]
struct Subject {
    plan: Option<PlanId>,
    policy: Option<String>,
    resources: BTreeSet<ResourceId>,
}

impl Selection {
    /// What is `wanted`; `before` are plans that were made before the first record.
    pub(crate) fn new(wanted: Wanted, before: &[Plan]) -> Self {
        let mut selection = Self { wanted, plans: BTreeMap::new(), seen: BTreeSet::new() };
        before.iter().for_each(|plan| selection.remember(plan));
        selection
    }

    /// Whether `record` is asked for. To be asked of every record, in order.
    pub(crate) fn takes(&mut self, record: &Record) -> bool {
        if let Entry::PlanMade(plan) = &record.entry {
            self.remember(plan);
        }
        if !self.wanted.kinds.is_empty() {
            // Also of a time that is not asked for: what there is not at all is likely to be misspelt.
            self.seen.extend(kind_of(&record.entry));
        }
        let by_entry = self.wanted.plan.is_some()
            || self.wanted.policy.is_some()
            || self.wanted.resource.is_some()
            || !self.wanted.kinds.is_empty();
        let taken = self.wanted.since.is_none_or(|since| record.at >= since)
            && self.wanted.until.is_none_or(|until| record.at < until)
            && (!by_entry || self.takes_entry(&record.entry));
        if let Entry::PlanFinished { plan, .. } = &record.entry {
            self.plans.remove(plan);
        }
        taken
    }

    /// What to tell somebody who asked for a kind that there is not.
    pub(crate) fn unmet(&self) -> Option<String> {
        let unmet: Vec<&str> =
            self.wanted.kinds.iter().filter(|kind| !self.seen.contains(*kind)).map(String::as_str).collect();
        let seen: Vec<&str> = self.seen.iter().map(String::as_str).collect();
        (!unmet.is_empty())
            .then(|| format!("no record is of kind {}; there are: {}", unmet.join(", "), seen.join(", ")))
    }

    fn takes_entry(&self, entry: &Entry) -> bool {
        // As JSON every entry says its kind, and what it is about under the same names.
        let Ok(Value::Object(json)) = serde_json::to_value(entry) else { return false };
        let Some((kind, body)) = json.into_iter().next() else { return false };
        let about = self.subject(&body);
        (self.wanted.kinds.is_empty() || self.wanted.kinds.contains(&kind))
            && (self.wanted.plan.is_none() || self.wanted.plan == about.plan)
            && (self.wanted.policy.is_none()
                || self.wanted.policy == about.policy
                || loads(&body, self.wanted.policy.as_deref()))
            && self.wanted.resource.as_ref().is_none_or(|resource| about.resources.contains(resource))
    }

    fn subject(&self, body: &Value) -> Subject {
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let id = |field| body.get(field).and_then(Value::as_str).and_then(|id| id.parse().ok());
        let plan: Option<PlanId> = id("plan").or_else(|| id("id"));
        let known = plan.and_then(|plan| self.plans.get(&plan)).cloned();
        let (mut policy, mut resources) =
            known.map_or((None, BTreeSet::new()), |(policy, touched)| (Some(policy), touched));
        let finding = body.get("finding").unwrap_or(body);
        policy = policy.or_else(|| text(finding, "policy"));
        let own = ["resource", "subject"].into_iter().filter_map(|field| text(finding, field)?.parse().ok());
        resources.extend(own);
        Subject { plan, policy, resources }
    }

    fn remember(&mut self, plan: &Plan) {
        // One that is only shown never ends, and has no records but its own, which says everything.
        if plan.mode >= Mode::Approve {
            self.plans.insert(plan.id, (plan.policy.to_string(), plan.touches()));
        }
    }
}

/// The kind of an entry, as JSON has it.
fn kind_of(entry: &Entry) -> Option<String> {
    let Ok(Value::Object(json)) = serde_json::to_value(entry) else { return None };
    json.into_iter().next().map(|(kind, _)| kind)
}

/// Whether a policy is among those that were loaded.
fn loads(body: &Value, policy: Option<&str>) -> bool {
    let loaded = body.get("policies").and_then(Value::as_array);
    loaded.is_some_and(|loaded| loaded.iter().any(|name| name.as_str() == policy))
}
