//! `PolicyTest` documents.

use serde_json::{Value, json};

use super::{PLAIN, list, object, shared, shared_as, string, words};
use crate::{
    message::SEVERITIES,
    policy_test::{MAX_TIMES, STATUSES, VERBS},
};

pub(super) fn document() -> Value {
    let metadata = object(
        "metadata",
        "What the test is known by",
        &[],
        json!({"name": shared_as("plain", "Its name; that of its file unless given")}),
    );
    super::document("PolicyTest", &[], metadata, spec())
}

fn spec() -> Value {
    object(
        "spec",
        "What goes in, and what is to come out",
        &["policies", "expect"],
        json!({
            "policies": list("The files of the policies, seen from this one", 1, string("A file")),
            "resources": list("The resources that there are", 0, resource("a resource")),
            "inventory": list("Resources that appear, change and go", 0, change()),
            "interval": shared_as("duration", "The time between two values of a series; 15s unless given"),
            "series": list("What is measured, value after value", 0, series()),
            "samples": list("What is measured besides, such as what comes late", 0, sample()),
            "events": list("What happens", 0, event()),
            "input": string("A recording, instead of `inventory`, `series`, `samples` and `events`"),
            "actions": list("What becomes of steps; without an entry they are done at once", 0, action()),
            "expect": list("What is to be so, in the order of time", 1, expectation()),
        }),
    )
}

fn resource(title: &str) -> Value {
    object(
        title,
        "A resource of the test",
        &["id"],
        json!({
            "id": shared("resourceId"),
            "on": shared_as("resourceId", "What it runs on"),
            "labels": shared("labels"),
            "attributes": shared("attributes"),
            "capacity": shared_as("amount", "What it has"),
        }),
    )
}

fn change() -> Value {
    let mut change = object(
        "an inventory change",
        "A resource that appears, changes or goes",
        &["at"],
        json!({
            "at": at(),
            "add": resource("add"),
            "change": resource("change"),
            "remove": shared_as("resourceId", "It goes"),
        }),
    );
    if let Some(fields) = change.as_object_mut() {
        let one = ["add", "change", "remove"].map(|field| json!({"required": [field]}));
        fields.insert("oneOf".into(), json!(one));
    }
    change
}

fn sample() -> Value {
    object(
        "a sample",
        "One sample",
        &["at", "resource", "metric", "value"],
        json!({
            "at": shared_as("duration", "When it arrives, from the start of the test"),
            "time": shared_as("duration", "When it was measured; when it arrives unless given"),
            "resource": shared("resourceId"),
            "metric": shared("metric"),
            "value": {"description": "The number, with or without a unit", "type": ["number", "string"], "examples": [0.95]},
        }),
    )
}

/// Processors and memory.
pub(super) fn amount() -> Value {
    object(
        "capacity",
        "Processors and memory",
        &[],
        json!({
            "vcpus": {"description": "In cores", "type": ["number", "string"]},
            "memory": {
                "description": "In bytes, or with a unit",
                "type": ["number", "string"],
                "pattern": r"^[0-9][0-9_]*(\.[0-9_]*)?([kMGT]|[KMGT]iB?|B)?$",
                "examples": ["4Gi"],
            },
        }),
    )
}

fn series() -> Value {
    object(
        "a series",
        "One metric of one resource",
        &["resource", "metric", "values"],
        json!({
            "resource": shared("resourceId"),
            "metric": shared("metric"),
            "values": {
                "description": "One value an interval: `0.5`, `0.5x3` (four times), `1+0.5x3` (1, 1.5, 2, 2.5), `_` (none), `_x3`",
                "type": PLAIN,
                "examples": ["0.5x10 0.95x20"],
            },
        }),
    )
}

fn event() -> Value {
    object(
        "an event",
        "Something that happens",
        &["at", "resource", "type"],
        json!({
            "at": at(),
            "resource": shared("resourceId"),
            "type": shared("eventType"),
            "attributes": shared("attributes"),
        }),
    )
}

fn at() -> Value {
    shared_as("duration", "When, from the start of the test")
}

fn verb() -> Value {
    words("What is done", &VERBS)
}

fn action() -> Value {
    object(
        "an action",
        "What becomes of one action on one resource",
        &["resource", "action"],
        json!({
            "resource": shared("resourceId"),
            "action": verb(),
            "fails": shared_as("plain", "Why it fails"),
            "refuses": shared_as("plain", "Why it is refused before anything is changed"),
            "unknown": shared_as("plain", "Why nobody knows whether it was done; or `true`"),
            "takes": shared_as("duration", "How long it takes; longer than the step's timeout: nobody knows what became of it"),
            "times": {"description": "How often; each time unless given", "type": "integer", "minimum": 1, "maximum": MAX_TIMES},
        }),
    )
}

fn expectation() -> Value {
    let finding = object(
        "a finding",
        "An open finding",
        &["policy", "resource"],
        json!({"policy": shared("policyName"), "resource": shared("resourceId")}),
    );
    let explain = explanation();
    object(
        "an expectation",
        "What is to be so at a time",
        &["at"],
        json!({
            "at": at(),
            "findings": list("The open findings, all of them", 0, finding),
            "explain": {"anyOf": [explain, list("Several", 0, explain)]},
            "plans": list("The plans since the expectation before, all of them", 0, plan()),
            "notified": list("What people were told since the expectation before, all of it", 0, notification()),
        }),
    )
}

fn explanation() -> Value {
    object(
        "explain",
        "What is to be said about a resource",
        &["resource"],
        json!({
            "resource": shared("resourceId"),
            "policy": shared("policyName"),
            "holds": truth("Whether the condition holds"),
            "because": shared_as("plain", "A part of the explanation's text"),
            "status": status(),
            "clauses": {
                "description": "Clauses of the condition, each by a part of its text, and whether they hold",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": truth("Whether it holds"),
            },
            "actsAt": shared_as("duration", "When it could act by itself, from the start of the test"),
        }),
    )
}

fn truth(description: &str) -> Value {
    json!({"description": description, "enum": [true, false, "true", "false", "unknown"]})
}

/// Some readers of YAML take a bare `no` for false.
fn status() -> Value {
    let words: Vec<Value> = STATUSES.iter().map(|word| json!(word)).chain([json!(false)]).collect();
    json!({"description": "How the policy stands towards the resource", "enum": words})
}

fn notification() -> Value {
    object(
        "a notification",
        "Something that people are to be told",
        &["policy"],
        json!({
            "policy": shared("policyName"),
            "resource": shared_as("resourceId", "About which resource"),
            "severity": words("How urgent it is", &SEVERITIES),
            "contains": shared_as("plain", "A part of the message"),
        }),
    )
}

fn plan() -> Value {
    let step = object(
        "a step",
        "A step of the plan",
        &["resource", "action"],
        json!({
            "resource": shared("resourceId"),
            "action": verb(),
            "to": {
                "description": "The size of a resize, or the host of a migration",
                "anyOf": [shared("amount"), shared("resourceId")],
            },
            "on": shared_as("resourceId", "On which host"),
        }),
    );
    object(
        "a plan",
        "A plan that is to be made",
        &["policy"],
        json!({
            "policy": shared("policyName"),
            "subject": shared_as("resourceId", "For which resource's finding"),
            "steps": list("Its steps in order, all of them", 0, step),
        }),
    )
}
