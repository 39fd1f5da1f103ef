use std::{collections::BTreeMap, path::PathBuf};

use expect_test::expect;
use homeostat_model::{Duration, MetricName, Unit};
use homeostat_port::Secret;
use serde::Deserialize;

use super::{MAX_LEVELS, schema};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its form matters")]
struct Whole {
    #[serde(default)]
    speed: u32,
    file_path: PathBuf,
    metric: MetricName,
    every: Duration,
    unit: Option<Unit>,
    #[serde(default)]
    parts: Vec<Part>,
    names: BTreeMap<String, f64>,
    token: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its form matters")]
enum Part {
    Bare,
    Open(Open),
    Fields { names: Vec<String> },
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its form matters")]
struct Open {
    on: bool,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its form matters")]
struct Looped {
    again: Option<Box<Looped>>,
}

#[test]
fn a_type_says_what_it_is_read_from() {
    expect![[r#"
        {
          "additionalProperties": false,
          "properties": {
            "every": {
              "type": [
                "string",
                "number",
                "boolean"
              ]
            },
            "filePath": {
              "type": [
                "string",
                "number",
                "boolean"
              ]
            },
            "metric": {
              "type": [
                "string",
                "number",
                "boolean"
              ]
            },
            "names": {
              "additionalProperties": {
                "type": "number"
              },
              "type": "object"
            },
            "parts": {
              "items": {
                "oneOf": [
                  {
                    "const": "bare"
                  },
                  {
                    "additionalProperties": false,
                    "properties": {
                      "open": {
                        "properties": {
                          "on": {
                            "type": "boolean"
                          }
                        },
                        "required": [
                          "on"
                        ],
                        "type": "object"
                      }
                    },
                    "required": [
                      "open"
                    ],
                    "type": "object"
                  },
                  {
                    "additionalProperties": false,
                    "properties": {
                      "fields": {
                        "properties": {
                          "names": {
                            "items": {
                              "type": [
                                "string",
                                "number",
                                "boolean"
                              ]
                            },
                            "type": "array"
                          }
                        },
                        "required": [
                          "names"
                        ],
                        "type": "object"
                      }
                    },
                    "required": [
                      "fields"
                    ],
                    "type": "object"
                  }
                ]
              },
              "type": "array"
            },
            "speed": {
              "maximum": 4294967295,
              "minimum": 0,
              "type": "integer"
            },
            "token": {
              "additionalProperties": false,
              "description": "A secret, by reference: the name of an environment variable, or a file",
              "maxProperties": 1,
              "minProperties": 1,
              "properties": {
                "env": {
                  "minLength": 1,
                  "type": "string"
                },
                "file": {
                  "minLength": 1,
                  "type": "string"
                }
              },
              "type": "object"
            },
            "unit": {
              "enum": [
                "none",
                "ratio",
                "bytes",
                "seconds",
                "watts"
              ]
            }
          },
          "required": [
            "filePath",
            "metric",
            "every",
            "names"
          ],
          "type": "object"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&schema::<Whole>()).unwrap());
}

#[test]
fn a_type_that_contains_itself_ends() {
    let schema = schema::<Looped>().to_string();
    assert_eq!(schema.matches("again").count(), MAX_LEVELS + 1, "{schema}");
}
