//! `Guard` documents, and what policies have in common with them.

use homeostat_model::Scope;
use serde_json::{Value, json};

use super::{
    list, object,
    policy::{list_up_to, merge},
    shared_as,
};
use crate::limits::{MAX_BUDGETS, SCOPES};

pub(super) fn document() -> Value {
    let metadata = object(
        "metadata",
        "What the guard is known by",
        &["name"],
        json!({
            "name": shared_as("policyName", "Its name, unique among the guards"),
            "labels": shared_as("labels", "Its own labels"),
        }),
    );
    let everywhere: Vec<Scope> = SCOPES.into_iter().chain([Scope::All]).collect();
    let spec = object(
        "spec",
        "What it guards, and what it limits there, whichever policy acts",
        &["select", "budgets"],
        json!({
            "description": shared_as("plain", "What the guard is for"),
            "select": shared_as("selector", "The resources that it guards"),
            "budgets": budgets(&everywhere),
        }),
    );
    super::document("Guard", &["metadata"], metadata, spec)
}

/// `budgets`, with these scopes and those of labels.
pub(super) fn budgets(scopes: &[Scope]) -> Value {
    let words: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let mut budget = object(
        "a budget",
        "How many plans may begin, or be in flight",
        &["max"],
        json!({
            "scope": {
                "description": "What is counted together",
                "anyOf": [{"enum": words}, {"type": "string", "pattern": "^label:.+$"}],
                "examples": ["host", "label:tier"],
            },
            "max": shared_as("quota", "How many; a share of the resources in the scope is rounded up"),
            "per": shared_as("duration", "Those that begin in any stretch of this length; without it, those in flight"),
            "inFlight": {"description": "Those in flight at a time, as unless `per` is given", "const": true},
            "schedule": shared_as("schedule", "When it comes into force each time; always in force unless given"),
            "duration": shared_as("duration", "How long it is in force then"),
            "timezone": shared_as("timezone", "The zone of `schedule`; `UTC` unless given"),
        }),
    );
    merge(
        &mut budget,
        json!({
            "not": {"required": ["per", "inFlight"]},
            "dependentRequired": {"schedule": ["duration"], "duration": ["schedule"], "timezone": ["schedule"]},
        }),
    );
    list_up_to(MAX_BUDGETS, list("How many plans may begin, and be in flight", 0, budget))
}
