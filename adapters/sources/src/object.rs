//! A JSON object that remembers where in its text everything stands.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::scan;

/// Members up to which comparing each with each is quicker than a tree.
const FEW: usize = 16;

/// A member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) name: Cow<'a, str>,
    /// The name as it is written, perhaps without its quotes.
    raw_name: &'a str,
    /// The value as it is written: JSON, looked at for its form only.
    pub(crate) value: &'a str,
}

impl Field<'_> {
    /// The byte of `text`, which this is a part of, where its name begins.
    pub(crate) fn name_at(&self, text: &str) -> usize {
        let at = offset(text, self.raw_name);
        at.saturating_sub(usize::from(!self.raw_name.starts_with('"')))
    }

    /// The byte of `text`, which this is a part of, where its value begins.
    pub(crate) fn value_at(&self, text: &str) -> usize {
        offset(text, self.value)
    }

    /// Whether it is `null`, which counts as left out.
    pub(crate) fn is_null(&self) -> bool {
        self.value == "null"
    }
}

/// The members of an object in the order of the text.
#[derive(Debug)]
pub(crate) struct Object<'a>(pub(crate) Vec<Field<'a>>);

impl<'a> Object<'a> {
    /// The object that `raw`, JSON of the right form, is.
    ///
    /// # Errors
    /// When it is something else, or a name in it has a broken escape.
    pub(crate) fn read(raw: &'a str) -> Result<Self, serde_json::Error> {
        match Self::plain(raw) {
            Some(object) => Ok(object),
            None => serde_json::from_str(raw),
        }
    }

    /// The same, of any text; `None` when it is not plain JSON, whatever it is instead.
    pub(crate) fn plain(text: &'a str) -> Option<Self> {
        /// What most lines have at most, so that the list does not grow.
        const USUAL: usize = 8;
        let mut fields = Vec::with_capacity(USUAL);
        scan::members(text, |name, value| fields.push(Field { name: Cow::Borrowed(name), raw_name: name, value }))?;
        Some(Self(fields))
    }

    /// The member called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.0.iter().find(|field| field.name == name)
    }

    /// The first member that has the same name as one before it.
    pub(crate) fn twice(&self) -> Option<&Field<'a>> {
        if self.0.len() <= FEW {
            let before = |index: usize| self.0.get(..index).unwrap_or_default();
            let is_second =
                |(index, field): &(usize, &Field<'a>)| before(*index).iter().any(|one| one.name == field.name);
            return self.0.iter().enumerate().find(is_second).map(|(_, field)| field);
        }
        let mut seen = std::collections::BTreeSet::new();
        self.0.iter().find(|field| !seen.insert(&field.name))
    }

    /// The text of the scalar at `path`: names joined by dots. Names may have dots themselves.
    pub(crate) fn scalar(&self, path: &str) -> Option<Cow<'a, str>> {
        self.0.iter().find_map(|field| {
            let rest = path.strip_prefix(field.name.as_ref())?;
            match rest.strip_prefix('.') {
                None if rest.is_empty() => scalar_text(field.value),
                None => None,
                Some(rest) => Object::read(field.value).ok()?.scalar(rest),
            }
        })
    }
}

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
                    let raw_name = raw_name.get();
                    let name: String = serde_json::from_str(raw_name).map_err(serde::de::Error::custom)?;
                    let value: &RawValue = map.next_value()?;
                    fields.push(Field { name: name.into(), raw_name, value: value.get() });
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The text that a text, a number or a truth is written as.
pub(crate) fn scalar_text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.bytes().next() {
        Some(b'"') => match scan::text(raw) {
            Some(text) => Some(Cow::Borrowed(text)),
            None => serde_json::from_str(raw).ok().map(Cow::Owned),
        },
        Some(b'{' | b'[' | b'n') | None => None,
        Some(_) => Some(Cow::Borrowed(raw)),
    }
}

/// What a value is, for messages. Raw values have been looked at for their form only.
pub(crate) fn described(raw: &str) -> &'static str {
    match raw.bytes().next() {
        Some(b'{') if Object::read(raw).is_err() => "an object with a broken escape in a name",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') if serde_json::from_str::<String>(raw).is_err() => "a text with a broken escape",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a truth",
        Some(b'n') => "null",
        _ if serde_json::from_str::<f64>(raw).is_err() => "a number out of range",
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
