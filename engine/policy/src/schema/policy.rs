//! `Policy` documents.

use serde_json::{Value, json};

use super::{PLAIN, list, object, shared, shared_as, string, words};
use crate::{
    document::{MAX_PRIORITY, MODES, ON_UNKNOWN},
    fields::UNITS,
    ladder::{MAX_ATTEMPTS, MAX_TRIES},
    limits::{MAX_AGREED, MAX_CHANGES, MAX_QUORUM, OTHERWISE, PROMOTED, SCOPES},
    message::{MAX_CHANNELS, MAX_MESSAGE_BYTES, SEVERITIES},
    response::RESPONSES,
    selector::{MAX_REQUIREMENTS, MAX_VALUES, OPERATORS},
    trigger::{MAX_COUNT, MAX_PATTERN, MAX_TYPES},
};

pub(super) fn document() -> Value {
    let metadata = object(
        "metadata",
        "What the policy is known by",
        &["name"],
        json!({
            "name": shared_as("policyName", "Its name, unique among the policies"),
            "labels": shared_as("labels", "Its own labels"),
        }),
    );
    super::document("Policy", &["metadata"], metadata, spec())
}

fn spec() -> Value {
    let mut spec = object(
        "spec",
        "What it watches, when it acts, and what it does",
        &["select", "then"],
        json!({
            "description": shared_as("plain", "What the policy is for"),
            "metrics": list("Metrics that nobody else declares", 0, metric()),
            "select": shared_as("selector", "The resources that it watches"),
            "on": on(),
            "when": shared_as("condition", "The condition. With `on`, both have to be the case"),
            "clear": shared_as("condition", "What closes a finding, where that is not merely that `when` is false"),
            "for": shared_as("duration", "How long the condition has to hold before anything is done"),
            "keepFiringFor": shared_as("duration", "How long a finding stays open after its condition no longer holds"),
            "staleAfter": shared_as("duration", "The age from which a metric's newest value says nothing; 2m unless given"),
            "cooldown": shared_as("duration", "The pause between two plans on one resource; 5m unless given"),
            "onUnknown": words("What to make of a condition that is not known; `hold` unless given", &ON_UNKNOWN),
            "timezone": shared_as("timezone", "The zone of `time.ofDay` and `time.weekday`, as the IANA calls it; `UTC` unless given"),
            "mode": words("How far it may go by itself; `auto` unless given", &MODES),
            "priority": {
                "description": "The greater one owns a contested resource; 0 unless given",
                "type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY,
            },
            "budgets": super::guard::budgets(&SCOPES),
            "ceiling": super::guard::ceiling(),
            "approval": approval(),
            "promote": object(
                "promote",
                "When it may do more by itself",
                &["after", "to"],
                json!({
                    "after": {"description": "After people have agreed with so many of its plans, one after the other", "type": "integer", "minimum": 1, "maximum": MAX_AGREED},
                    "to": words("The mode that it has then", &PROMOTED),
                }),
            ),
            "handOver": object(
                "handOver",
                "How the ladder ends: a person takes over",
                &[],
                json!({
                    "to": channels(),
                    "severity": words("How urgent that is; `critical` unless given", &SEVERITIES),
                    "after": shared_as("duration", "How long after the first plan, however far the ladder is; when everything was tried unless given"),
                    "quarantine": {
                        "description": "How long the finding has to stay closed until policies act on the resource again, 10m unless given; or \
                                        `false`: they go on. Unless given, there is a quarantine when something was interrupted",
                        "anyOf": [shared("duration"), {"const": false}],
                    },
                }),
            ),
            "flap": object(
                "flap",
                "When nothing is done about a finding because it opens again and again",
                &["changes", "within"],
                json!({
                    "changes": {"description": "How often it opens", "type": "integer", "minimum": 2, "maximum": MAX_CHANGES},
                    "within": shared_as("duration", "In a stretch of this length"),
                }),
            ),
            "returnAfter": shared_as("duration", "How long a workload is not sent back to a host that it left"),
            "minGain": {
                "description": "How much more room has to be left where a workload is migrated to than where it is",
                "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$", "examples": ["10%"],
            },
            "maxUnhealthy": shared_as("quota", "Of how many resources it may have a finding at once, for anything to be disrupted; a share is rounded down"),
            "then": list("What to do: the next is tried when those before could not be done or did not help", 1, shared("entry")),
        }),
    );
    merge(&mut spec, json!({"anyOf": [{"required": ["on"]}, {"required": ["when"]}]}));
    spec
}

fn approval() -> Value {
    let mut approval = object(
        "approval",
        "How people approve of a plan",
        &[],
        json!({
            "quorum": {"description": "So many different people have to; 1 unless given", "type": "integer", "minimum": 1, "maximum": MAX_QUORUM},
            "within": shared_as("duration", "In this time; whenever unless given"),
            "otherwise": words("What becomes of it when the time is over; `reject` unless given", &OTHERWISE),
        }),
    );
    merge(&mut approval, json!({"dependentRequired": {"otherwise": ["within"]}}));
    approval
}

fn metric() -> Value {
    object(
        "a metric",
        "A metric and what it measures",
        &["name"],
        json!({"name": shared("metric"), "unit": words("What its numbers measure; `number` unless given", &UNITS)}),
    )
}

/// A selector; `title` is the field it stands in.
pub(super) fn selector(title: &str) -> Value {
    object(
        title,
        "Resources. All that is said has to be the case",
        &["kind"],
        json!({
            "kind": shared("kind"),
            "name": shared_as("plain", "Their name, without the kind"),
            "matchLabels": shared_as("labels", "Labels that they all carry"),
            "matchExpressions": list_up_to(MAX_REQUIREMENTS, list("More about labels, as in Kubernetes", 0, requirement())),
            "within": {
                "description": "A resource that they run on, directly or not: a selector, or kind/name",
                "anyOf": [shared("ancestor"), shared("resourceId")],
            },
        }),
    )
}

fn requirement() -> Value {
    let of = |operators: &[&str]| json!({"properties": {"operator": {"enum": operators}}, "required": ["operator"]});
    let mut requirement = object(
        "a requirement",
        "Something about one label",
        &["key", "operator"],
        json!({
            "key": shared_as("plain", "The label"),
            "operator": words("What is asked of it", &OPERATORS),
            "values": list_up_to(MAX_VALUES, list("The values, for `In` and `NotIn`", 1, shared("plain"))),
        }),
    );
    merge(
        &mut requirement,
        json!({
            "if": of(&["Exists", "DoesNotExist"]),
            "then": {"not": {"required": ["values"]}},
            "else": {"required": ["values"]},
        }),
    );
    requirement
}

/// An expression, or a script.
pub(super) fn condition() -> Value {
    let mut script = object(
        "when",
        "A script of Rhai's that is true or false",
        &[],
        json!({"script": string("The script itself"), "file": file()}),
    );
    merge(&mut script, json!({"oneOf": [{"required": ["script"]}, {"required": ["file"]}]}));
    json!({"anyOf": [string("An expression, such as `avg(\"cpu.utilization\", 5m) > 85%`"), script]})
}

fn file() -> Value {
    string("The file with the script, seen from this one; its name ends in `.rhai`")
}

fn on() -> Value {
    let types = json!({
        "description": "The event's type, or several of which any will do",
        "anyOf": [shared("eventType"), list_up_to(MAX_TYPES, list("Any of these", 1, shared("eventType")))],
    });
    let filter = shared_as("condition", "What has to hold of the event: `event.reason == \"panic\"`");
    let within = || shared_as("duration", "The time from the first to the last");
    let mut counted = object(
        "on",
        "One event, or several of a kind within a time",
        &["event"],
        json!({
            "event": types, "where": filter, "within": within(),
            "count": {"description": "How many; 1 unless given", "type": "integer", "minimum": 1, "maximum": MAX_COUNT},
        }),
    );
    merge(
        &mut counted,
        json!({
            "if": {"properties": {"count": {"minimum": 2}}, "required": ["count"]},
            "then": {"required": ["within"]},
            "else": {"not": {"required": ["within"]}},
        }),
    );
    let entry = object("an entry of the pattern", "Events", &["event"], json!({"event": types, "where": filter}));
    let several = list_up_to(
        MAX_PATTERN,
        list("Types, or types with what has to hold of them", 2, json!({"anyOf": [types, entry]})),
    );
    let pattern = |form: &str, description: &str| {
        object("on", description, &[form, "within"], json!({form: several, "within": within()}))
    };
    let absent = object(
        "on",
        "No such event for a time",
        &["absent", "for"],
        json!({"absent": types, "where": filter, "for": shared_as("duration", "How long none has to come")}),
    );
    json!({
        "description": "The events that it answers to, or whose absence it does",
        "anyOf": [
            shared("eventType"),
            counted,
            pattern("sequence", "One event after the other; others between them do not matter"),
            pattern("all", "One event of each, in any order"),
            absent,
        ],
    })
}

/// One entry of `then`.
pub(super) fn entry() -> Value {
    let mut entry = object(
        "an entry of `then`",
        "One response, and when to try it",
        &[],
        json!({
            "if": shared_as("condition", "Tried only while this holds"),
            "attempts": {
                "description": "How often to try it before the next one; 1 unless given",
                "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS,
            },
            "within": shared_as("duration", "How long after it was first begun the next one is tried, however often it was tried"),
            "cooldown": shared_as("duration", "The pause after it, whatever came of it, instead of the policy's"),
            "verify": object(
                "verify",
                "When it has helped; otherwise it counts as failed, and what was done is undone",
                &["that", "within"],
                json!({
                    "that": shared_as("condition", "What has to be the case; unknown is not enough"),
                    "within": shared_as("duration", "How long after the last step it has to have come about"),
                    "stableFor": shared_as("duration", "How long it has to hold without a break; 0s unless given"),
                }),
            ),
            "compensate": {
                "description": "Whether what was done is undone when the response did not succeed; true unless given",
                "type": "boolean",
            },
            "timeout": shared_as("duration", "How long each of its steps may take, from 1s to 24h; as is usual for what it does unless given"),
            "retry": object(
                "retry",
                "How often a step that is known not to be done is tried, instead of what is usual for what it does",
                &["attempts"],
                json!({
                    "attempts": {
                        "description": "How often in all; 1 is no second try",
                        "type": "integer", "minimum": 1, "maximum": MAX_TRIES,
                    },
                    "pause": shared_as("duration", "About how long the first pause is, from 1s to 5m; each further one is twice as long. 5s unless given"),
                }),
            ),
            "else": {
                "description": "What to do instead while `if` does not hold",
                "anyOf": [shared("entry"), list("A ladder of its own", 1, shared("entry"))],
            },
            "restart": bare("Restart it where it is"),
            "start": bare("Start it where it is"),
            "stop": bare("Stop it in good order"),
            "pause": bare("Let it stand still"),
            "unpause": bare("Let it go on"),
            "kill": bare("End it at once"),
            "recreate": optional(
                "recreate",
                "Make it anew from its own description, with its volumes",
                json!({"image": shared_as("plain", "The image to make it from; unless given, the one of the same name")}),
            ),
            "resize": resize(),
            "migrate": bare("Move it to the host with the most room"),
            "evacuate": bare("Move everything off this host; off a dead one, after it was fenced"),
            "fisicalize": optional(
                "fisicalize",
                "Give it a physical machine of its own, or without `pool`, processors of its own on its host",
                json!({"pool": shared_as("plain", "The value of the hosts' label `pool`")}),
            ),
            "release": bare("Take back the processors that it was given for itself"),
            "notify": object(
                "notify",
                "Tell people",
                &["message"],
                json!({
                    "severity": words("How urgent it is; `warning` unless given", &SEVERITIES),
                    "message": {
                        "description": "What to say; `${resource}`, `${policy}` and `${any expression}` are replaced",
                        "type": PLAIN, "maxLength": MAX_MESSAGE_BYTES,
                    },
                    "to": channels(),
                }),
            ),
            "script": {
                "description": "A script of Rhai's that gives the response: `\"restart\"`, `#{resize: #{vcpus: 4}}`, or nothing",
                "anyOf": [
                    string("The script itself"),
                    object("script", "A script in a file of its own", &["file"], json!({"file": file()})),
                ],
            },
        }),
    );
    let one: Vec<Value> = RESPONSES.iter().map(|name| json!({"required": [name]})).collect();
    merge(&mut entry, json!({"oneOf": one, "dependentRequired": {"else": ["if"]}}));
    let plain: Vec<&str> = [
        "restart",
        "start",
        "stop",
        "pause",
        "unpause",
        "kill",
        "recreate",
        "migrate",
        "evacuate",
        "fisicalize",
        "release",
    ]
    .into();
    json!({"anyOf": [words("A response without parameters", &plain), entry]})
}

/// Names of channels.
fn channels() -> Value {
    let name = shared_as("plain", "The name of a channel of the configuration");
    list_up_to(MAX_CHANNELS, list("Through which channels; all that want to know unless given", 0, name))
}

/// A response without parameters.
fn bare(description: &str) -> Value {
    json!({"description": description, "type": ["object", "null"], "maxProperties": 0})
}

/// A response with parameters that may all be left out.
fn optional(title: &str, description: &str, properties: Value) -> Value {
    let mut response = object(title, description, &[], properties);
    merge(&mut response, json!({"type": ["object", "null"]}));
    response
}

fn resize() -> Value {
    let cores = json!({"type": ["number", "string"]});
    let bytes = json!({"type": "string"});
    let of = |schema: &Value, description: &str, examples: Value| {
        let mut schema = schema.clone();
        merge(&mut schema, json!({"description": description, "examples": examples}));
        schema
    };
    let bound = |what: &str| format!("{what}: an amount, or an expression");
    let mut resize = object(
        "resize",
        "Change its processors or memory while it runs",
        &[],
        json!({
            "vcpus": of(
                &cores,
                "Processors: `4` (to that many), `+2` (by them), `+25%` (of what it has), or an expression, a sign before it or not",
                json!(["+2", 4, "+25%", "capacity.vcpus * 2"]),
            ),
            "minVcpus": of(&cores, &bound("Not fewer than that"), json!([1])),
            "maxVcpus": of(&cores, &bound("Not more than that"), json!([16])),
            "memory": of(
                &bytes,
                "Memory: `2Gi` (to that amount), `+512Mi` (by it), `+25%` (of what it has), or an expression, a sign before it or not",
                json!(["+25%", "2Gi", "+512Mi"]),
            ),
            "minMemory": of(&bytes, &bound("Not less than that"), json!(["1Gi"])),
            "maxMemory": of(&bytes, &bound("Not more than that"), json!(["64Gi"])),
        }),
    );
    merge(
        &mut resize,
        json!({
            "anyOf": [{"required": ["vcpus"]}, {"required": ["memory"]}],
            "dependentRequired": {
                "minVcpus": ["vcpus"], "maxVcpus": ["vcpus"], "minMemory": ["memory"], "maxMemory": ["memory"],
            },
        }),
    );
    resize
}

/// The same list with at most `most` items.
pub(super) fn list_up_to(most: usize, mut list: Value) -> Value {
    merge(&mut list, json!({"maxItems": most}));
    list
}

/// Adds the entries of one object to another.
pub(super) fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
