//! `journal:` of a configuration: a folder, or a folder with a size.

use std::{fmt, path::PathBuf};

use homeostat_journal::Options;
use homeostat_model::{Quantity, Unit};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};

/// Where the journal is and how large it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalConfig {
    /// Its folder, relative to the configuration.
    pub(crate) path: PathBuf,
    /// How large it may become.
    pub(crate) options: Options,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    path: PathBuf,
    #[serde(default, deserialize_with = "size")]
    max_bytes: Option<u64>,
}

impl<'de> Deserialize<'de> for JournalConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = JournalConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a folder, or {path: folder, maxBytes: 1Gi}")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<JournalConfig, E> {
        Ok(JournalConfig { path: path.into(), options: Options::default() })
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<JournalConfig, A::Error> {
        Err(de::Error::invalid_type(de::Unexpected::Other("a list"), &self))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<JournalConfig, A::Error> {
        let Fields { path, max_bytes } = Fields::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(JournalConfig { path, options: max_bytes.map_or_else(Options::default, Options::of_size) })
    }
}

/// A number of bytes such as `500Mi`.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let shown: String = text.chars().take(64).collect();
    let number = text.parse::<Quantity>().ok().filter(|given| matches!(given.unit, Unit::Bytes | Unit::None));
    let bytes = number.and_then(|given| format!("{:.0}", given.number).parse::<u64>().ok());
    match bytes {
        Some(bytes) if bytes >= Options::LEAST_BYTES => Ok(Some(bytes)),
        Some(_) => Err(de::Error::custom(format_args!("`{shown}` is too little for a journal; give it at least 1Mi"))),
        None => Err(de::Error::custom(format_args!("`{shown}` is no number of bytes; write one such as 500Mi or 2Gi"))),
    }
}

/// The form of both, in JSON Schema.
pub(super) fn schema() -> Value {
    json!({"anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "path": {"description": "The folder", "type": "string"},
                "maxBytes": {
                    "description": "Bytes of all segments together, beyond which the oldest are removed; 1Gi unless given, at least 1Mi",
                    "anyOf": [{"type": "string"}, {"type": "integer"}], "examples": ["500Mi"],
                },
            },
            "required": ["path"],
            "additionalProperties": false,
        },
    ]})
}
