//! `Guard` documents, and what policies have in common with them.

use homeostat_model::{Impact, Scope};
use serde_json::{Value, json};

use super::{
    list, object,
    policy::{list_up_to, merge},
    shared_as, words,
};
use crate::{
    limits::{MAX_BUDGETS, SCOPES},
    safeguard::{FORBIDDING, MAX_FAILURES, MAX_PARALLEL},
    window::MAX_WINDOWS,
};

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
    let most = |description: &str| json!({"description": description, "type": "integer", "minimum": 1, "maximum": MAX_PARALLEL});
    let mut spec = object(
        "spec",
        "What it guards, and what it limits there, whichever policy acts",
        &["select"],
        json!({
            "description": shared_as("plain", "What the guard is for"),
            "select": shared_as("selector", "The resources that it guards"),
            "budgets": budgets(&everywhere),
            "maxUnhealthy": shared_as("quota", "How many may have a finding at once, for anything to be disrupted; a share is rounded down"),
            "silentHosts": object(
                "silentHosts",
                "Of how many hosts nothing may be heard, for anything to be disrupted",
                &["max"],
                json!({
                    "max": shared_as("quota", "How many; a share is rounded down"),
                    "after": shared_as("duration", "No sample and no event for so long is silence; 5m unless given"),
                }),
            ),
            "breaker": object(
                "breaker",
                "Stops what disrupts when too much fails, and lets one plan through after a pause",
                &["failures", "within", "pause"],
                json!({
                    "failures": {
                        "description": "So many plans that failed open it",
                        "type": "integer", "minimum": 1, "maximum": MAX_FAILURES,
                    },
                    "within": shared_as("duration", "In any stretch of this length"),
                    "pause": shared_as("duration", "How long it stays open before it lets one plan through"),
                }),
            ),
            "maintenance": windows("When people work there, and nothing at all is done"),
            "onlyWithin": windows("When something may be disrupted, if not always"),
            "ceiling": ceiling(),
            "settle": shared_as("duration", "How long nothing is disrupted after the program began, and until it was listed what there is"),
            "parallel": object(
                "parallel",
                "Below how many steps in flight a step may begin",
                &[],
                json!({
                    "host": most("On the same host; 4 unless a guard says otherwise"),
                    "rack": most("On the hosts of the same rack; 16 unless a guard says otherwise"),
                    "adapter": most("Through the same adapter; 32 unless a guard says otherwise"),
                }),
            ),
        }),
    );
    if let Some(parallel) = spec.pointer_mut("/properties/parallel") {
        merge(parallel, json!({"minProperties": 1}));
    }
    let forbids: Vec<Value> = FORBIDDING.iter().map(|field| json!({"required": [field]})).collect();
    merge(&mut spec, json!({"anyOf": forbids}));
    super::document("Guard", &["metadata"], metadata, spec)
}

/// `ceiling`.
pub(super) fn ceiling() -> Value {
    words(
        "The greatest impact that anything may have: none, a change while it goes on running, an interruption, a host switched off; any unless given",
        &Impact::ALL,
    )
}

/// Windows by the calendar.
fn windows(description: &str) -> Value {
    let moment = |description: &str| json!({"description": description, "type": "string", "examples": ["2026-12-24T18:00:00Z", "2026-12-24T18:00"]});
    let mut window = object(
        "a window",
        "A time that comes again, or a single one",
        &[],
        json!({
            "schedule": shared_as("schedule", "When it begins each time"),
            "duration": shared_as("duration", "How long it lasts"),
            "from": moment("When it begins, once"),
            "to": moment("When it ends"),
            "timezone": shared_as("timezone", "The zone of the times; `UTC` unless given"),
        }),
    );
    merge(
        &mut window,
        json!({
            "oneOf": [{"required": ["schedule", "duration"]}, {"required": ["from", "to"]}],
            "not": {"anyOf": [{"required": ["from", "schedule"]}, {"required": ["to", "duration"]}]},
        }),
    );
    list_up_to(MAX_WINDOWS, list(description, 0, window))
}

/// `budgets`, with these scopes and those of labels.
pub(super) fn budgets(scopes: &[Scope]) -> Value {
    let words: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let mut budget = object(
        "a budget",
        "To how many resources something may begin to be done, or be done at a time",
        &["max"],
        json!({
            "scope": {
                "description": "What is counted together",
                "anyOf": [{"enum": words}, {"type": "string", "pattern": "^label:.+$"}],
                "examples": ["host", "label:tier"],
            },
            "max": shared_as("quota", "How many resources; a share of those in the scope is rounded up"),
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
    list_up_to(
        MAX_BUDGETS,
        list("To how many resources something may begin to be done, and be done at a time", 0, budget),
    )
}
