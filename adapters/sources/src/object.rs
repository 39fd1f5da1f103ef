//! A JSON object that remembers where in its text everything stands.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) name: String,
    /// The name as it is written.
    raw_name: &'a RawValue,
    pub(crate) value: &'a RawValue,
}

impl Field<'_> {
    /// The byte of `text`, which this is a part of, where its name begins.
    pub(crate) fn name_at(&self, text: &str) -> usize {
        offset(text, self.raw_name.get())
    }

    /// The byte of `text`, which this is a part of, where its value begins.
    pub(crate) fn value_at(&self, text: &str) -> usize {
        offset(text, self.value.get())
    }

    /// Whether it is `null`, which counts as left out.
    pub(crate) fn is_null(&self) -> bool {
        self.value.get() == "null"
    }
}

/// The members of an object in the order of the text.
#[derive(Debug)]
pub(crate) struct Object<'a>(pub(crate) Vec<Field<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(raw_name) = map.next_key::<&RawValue>()? {
                    let name = serde_json::from_str(raw_name.get()).map_err(serde::de::Error::custom)?;
                    fields.push(Field { name, raw_name, value: map.next_value()? });
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'a> Object<'a> {
    /// The member called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.0.iter().find(|field| field.name == name)
    }

    /// The first member that has the same name as one before it.
    pub(crate) fn twice(&self) -> Option<&Field<'a>> {
        let mut seen = std::collections::BTreeSet::new();
        self.0.iter().find(|field| !seen.insert(&field.name))
    }

    /// The text of the scalar at `path`: names joined by dots. Names may have dots themselves.
    pub(crate) fn scalar(&self, path: &str) -> Option<String> {
        self.0.iter().find_map(|field| {
            let rest = path.strip_prefix(field.name.as_str())?;
            match rest.strip_prefix('.') {
                None if rest.is_empty() => scalar_text(field.value),
                None => None,
                Some(rest) => serde_json::from_str::<Object<'_>>(field.value.get()).ok()?.scalar(rest),
            }
        })
    }
}

/// The text that a text, a number or a truth is written as.
pub(crate) fn scalar_text(raw: &RawValue) -> Option<String> {
    match raw.get().bytes().next() {
        Some(b'"') => serde_json::from_str(raw.get()).ok(),
        Some(b'{' | b'[' | b'n') | None => None,
        Some(_) => Some(raw.get().to_owned()),
    }
}

/// What a value is, for messages. Raw values have been looked at for their form only.
pub(crate) fn described(raw: &RawValue) -> &'static str {
    let text = raw.get();
    match text.bytes().next() {
        Some(b'{') if serde_json::from_str::<Object<'_>>(text).is_err() => "an object with a broken escape in a name",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') if serde_json::from_str::<String>(text).is_err() => "a text with a broken escape",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a truth",
        Some(b'n') => "null",
        _ if serde_json::from_str::<f64>(text).is_err() => "a number out of range",
        _ => "a number",
    }
}

/// The message of an error without its place, and its place in `text` as a byte.
pub(crate) fn json_error(text: &str, error: &serde_json::Error) -> (String, usize) {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    (message, before + error.column().saturating_sub(1))
}

/// The byte of `whole` where `part`, a slice of it, begins.
pub(crate) fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()).min(whole.len())
}

/// The character, from 1, of the last line of `text` up to `byte`.
pub(crate) fn column_of(text: &str, byte: usize) -> usize {
    let before = text.get(..text.floor_char_boundary(byte)).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
}
