//! The JSON Schema of configurations, for editors.

use homeostat_configuration::KIND;
use homeostat_policy::API_VERSION;
use serde_json::{Value, json};

use super::{Configuration, journal};

/// Where the schema is known under.
const ID: &str = "https://homeostat.dev/schema/configuration/v1alpha1.json";

/// What the fields are for; their form is asked of the types.
const DESCRIPTIONS: [(&str, &str); 13] = [
    ("policies", "Policy files and folders of them, seen from the main file's folder"),
    ("listen", "Where to listen for HTTP: an IP address and a port; 127.0.0.1:9393 unless given"),
    (
        "socket",
        "The unix socket for people on this machine; in the journal's folder unless given. Whoever can open it is admin",
    ),
    ("api", "Who may ask what over HTTP: tokens by their hashes (`homeostat token create`), and TLS"),
    ("journal", "The journal's folder, or the folder and a size; without it the journal ends with the program"),
    ("speed", "How fast time runs; other than 1 only with the embedded data centre alone"),
    ("until", "When to end by itself, counted from the start, such as 25m"),
    ("traces", "Where traces of plans are sent, by OTLP over HTTP"),
    ("metrics", "Metrics that no adapter provides but a source does"),
    ("events", "Types of events that no adapter brings but a source does; those of alerts are known"),
    ("adapters", "What to act on"),
    ("sources", "What else to listen to"),
    ("notifications", "How people are told: CloudEvents over HTTP, alerts for an Alertmanager, a command"),
];

/// The schema, in JSON Schema 2020-12.
pub(crate) fn schema() -> Value {
    let mut spec = homeostat_configuration::schema::<Configuration>();
    if let Some(fields) = spec.get_mut("properties").and_then(Value::as_object_mut) {
        fields.insert("journal".into(), journal::schema());
        for (name, description) in DESCRIPTIONS {
            if let Some(field) = fields.get_mut(name).and_then(Value::as_object_mut) {
                field.insert("description".into(), json!(description));
            }
        }
        let include = json!({
            "description": "Files to read as parts of this one, seen from the main file's folder; the name of a file may have \
                            wildcards. Lists are joined; whatever else is given twice is refused",
            "type": "array", "items": {"type": "string"}, "examples": [["conf.d/*.yaml"]],
        });
        fields.insert("include".into(), include);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "homeostat's configuration",
        "type": "object",
        "required": ["apiVersion", "kind", "spec"],
        "properties": {
            "apiVersion": {"description": "The version of the format", "const": API_VERSION},
            "kind": {"description": "What the document is", "const": KIND},
            "metadata": {"description": "Names and notes, for people"},
            "spec": spec,
        },
        "additionalProperties": false,
    })
}
