//! The JSON Schema of the documents, for editors: names, words and limits are those that the readers use.
//!
//! ```text
//!   schema() -- kind: Policy ------> policy.rs --+
//!            |- kind: Guard -------> guard.rs ---+--> $defs: what several places share, or what holds itself
//!            \- kind: PolicyTest --> test.rs ----+
//! ```
//!
//! An editor knows neither what is connected nor the expression language: what passes here may still be refused by
//! [`crate::load`]. It is stricter than that only where a number is written in quotes, or a value is left empty.
//!
//! Invariant: every object has the title that the readers give it in messages, and exactly the fields that they ask for.

mod guard;
mod policy;
mod test;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use serde_json::{Value, json};

use crate::document::API_VERSION;

/// Where the schema is known under.
const ID: &str = "https://homeostat.dev/schema/v1alpha1.json";

/// The schema of `Policy`, `Guard` and `PolicyTest` documents, in JSON Schema 2020-12.
#[must_use]
pub fn schema() -> Value {
    let is = |kind: &str| json!({"properties": {"kind": {"const": kind}}, "required": ["kind"]});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "homeostat",
        "description": "A policy, a guard of all policies, or a test of policies",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "if": is("PolicyTest"),
        "then": test::document(),
        "else": {"if": is("Guard"), "then": guard::document(), "else": policy::document()},
        "$defs": definitions(),
    })
}

fn definitions() -> Value {
    json!({
        "duration": {
            "description": "A time such as 90s, 1h30m or 500ms; the units are d, h, m, s and ms",
            "type": ["string", "integer"],
            "pattern": r"^(0|([0-9]+(\.[0-9]*)?(d|h|m|s|ms))+)$",
            "minimum": 0, "maximum": 0,
            "examples": ["30s", "5m", "1h30m"],
        },
        "plain": {"description": "A text; numbers and truths are taken as they are written", "type": PLAIN},
        "labels": {
            "description": "Texts by name",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/plain"},
        },
        "attributes": {
            "description": "Numbers, truths and texts by name",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/plain"},
        },
        "kind": {
            "description": "What sort of resource it is",
            "type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 253,
            "examples": ["vm", "host", "container"],
        },
        "resourceId": {
            "description": "A resource, as kind/name",
            "type": "string", "pattern": "^[A-Za-z0-9_-]+/[A-Za-z0-9._:/@+-]+$",
            "examples": ["vm/web-1"],
        },
        "metric": {
            "description": "The name of a metric",
            "type": "string", "pattern": "^[A-Za-z0-9._:/-]+$", "maxLength": 253,
            "examples": ["cpu.utilization"],
        },
        "eventType": {
            "description": "The type of an event",
            "type": "string", "pattern": "^[A-Za-z0-9._/:-]+$", "maxLength": 253,
            "examples": ["vm.crashed"],
        },
        "policyName": {
            "description": "The name of a policy",
            "type": PLAIN, "pattern": "^[A-Za-z0-9._-]+$", "maxLength": 253,
        },
        "timezone": {
            "description": "A time zone as the IANA calls it",
            "type": "string", "pattern": "^[A-Za-z0-9_+/-]+$",
            "examples": ["UTC", "Europe/Berlin", "America/New_York"],
        },
        "quota": {
            "description": "A number, or a share of those that it is about",
            "type": ["integer", "string"], "minimum": 0, "pattern": r"^([0-9]+|[0-9]+(\.[0-9]+)?%)$",
            "examples": [1, "10%"],
        },
        "schedule": {
            "description": "When it begins, as in a crontab: minute, hour, day of the month, month, day of the week",
            "type": "string",
            "examples": ["0 22 * * *", "0 9 * * mon-fri", "@daily"],
        },
        "selector": policy::selector("select"),
        "ancestor": policy::selector("within"),
        "condition": policy::condition(),
        "entry": policy::entry(),
        "amount": test::amount(),
    })
}

/// The types of a value that is not structured.
const PLAIN: [&str; 3] = ["string", "number", "boolean"];

/// The parts of a whole document.
fn document(kind: &str, required: &[&str], metadata: Value, spec: Value) -> Value {
    let required: Vec<&str> = ["apiVersion", "kind", "spec"].iter().chain(required).copied().collect();
    object(
        "the document",
        "A whole document",
        &required,
        json!({
            "apiVersion": {"description": "The version of the format", "const": API_VERSION},
            "kind": {"description": "What the document is", "const": kind},
            "metadata": metadata,
            "spec": spec,
        }),
    )
}

/// A mapping with these fields and no others.
fn object(title: &str, description: &str, required: &[&str], properties: Value) -> Value {
    json!({
        "title": title,
        "description": description,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A reference to a shared part.
fn shared(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// The same, saying what it is for here.
fn shared_as(name: &str, description: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}"), "description": description})
}

/// A list of at least `least` such items.
fn list(description: &str, least: usize, items: Value) -> Value {
    json!({"description": description, "type": "array", "minItems": least, "items": items})
}

/// One of a few words.
fn words<T: Display>(description: &str, words: &[T]) -> Value {
    json!({"description": description, "enum": words.iter().map(ToString::to_string).collect::<Vec<_>>()})
}

/// A text.
fn string(description: &str) -> Value {
    json!({"description": description, "type": "string"})
}
