//! One CloudEvent 1.0 in the JSON event format, wherever it came from: a line, or a request in any of the three modes.
//!
//! `subject` is the resource's id, or the mapping finds it. `type`, `time` and `source` with `id` are the event's; the members of
//! `data` are its attributes, nested ones under names joined by dots. `source`, `subject` and extension attributes are attributes
//! too, where `data` has none of that name.

use std::borrow::Cow;

use homeostat_model::{Attributes, Value};

use crate::{
    LineError, LineProblem, Mapping,
    event_data::{self, MAX_ATTRIBUTES},
    line::{Line, Said, near_miss},
    mapping::{Item, shortened},
    names::Names,
    object::{Field, Object, described},
    scan,
    time::{TimeUnit, read_time},
};

/// The version that is read.
const SPEC_VERSION: &str = "1.0";

/// What CloudEvents defines besides extensions.
const DEFINED: [&str; 10] =
    ["specversion", "id", "source", "type", "time", "subject", "data", "data_base64", "datacontenttype", "dataschema"];

struct EventItem<'a>(&'a Object<'a>);

impl Item for EventItem<'_> {
    const WHAT: &'static str = "event";
    const OWN_ID: &'static str = "subject";
    const HAS_LABELS: bool = false;

    fn variable(&self, path: &str) -> Option<Cow<'_, str>> {
        self.0.scalar(path)
    }

    fn variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        for field in &self.0.0 {
            match Object::read(field.value) {
                Ok(inner) => names.extend(inner.0.iter().map(|member| format!("{}.{}", field.name, member.name))),
                Err(_) => names.push(field.name.clone().into_owned()),
            }
        }
        names
    }
}

/// Reads an event that is known to have a `specversion`.
pub(crate) fn read(text: &str, object: &Object<'_>, mapping: &Mapping, names: &mut Names) -> Result<Line, LineError> {
    let required = |name: &'static str| match object.get(name).filter(|field| !field.is_null()) {
        Some(field) => Ok((field, text_of(text, field)?)),
        None => Err(LineError::whole(LineProblem::Missing(name))),
    };
    let (field, version) = required("specversion")?;
    if version != SPEC_VERSION {
        return Err(LineError::at(text, field.value_at(text), LineProblem::SpecVersion(shortened(&version))));
    }
    for field in &object.0 {
        check_name(text, field)?;
        check_type(text, field)?;
    }
    let (id, source) = (required("id")?.1, required("source")?.1);
    let (field, event_type) = required("type")?;
    let event_type =
        names.event_types.read(&event_type).map_err(|invalid| LineError::at(text, field.value_at(text), invalid))?;
    let time = match object.get("time").filter(|field| !field.is_null()) {
        None => None,
        Some(field) => Some(read_time(field.value, TimeUnit::Milliseconds).map_err(|problem| {
            LineError::at(text, field.value_at(text), LineProblem::Time { field: "time".into(), problem })
        })?),
    };
    let resource = mapping.resource_of(&EventItem(object), names).map_err(|unplaced| match object.get("subject") {
        Some(field) if !field.is_null() => LineError::at(text, field.value_at(text), unplaced),
        _ => LineError::whole(unplaced),
    })?;
    let id = [source.as_ref(), "#", id.as_ref()].concat();
    let said = Said::Event { event_type, id, source_bytes: source.len(), attributes: attributes(text, object)? };
    Ok(Line { resource, time, said })
}

/// Names of context attributes are of lower-case letters and digits; another one is a slip of the pen.
fn check_name(text: &str, field: &Field<'_>) -> Result<(), LineError> {
    let name = field.name.as_ref();
    let extension = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if extension || DEFINED.contains(&name) {
        return Ok(());
    }
    let help = near_miss(name, DEFINED).unwrap_or_else(|| {
        "extension attributes have lower-case letters and digits only; other details belong into `data`".into()
    });
    Err(LineError::at(text, field.name_at(text), LineProblem::UnknownKey { key: shortened(name), help }))
}

/// Attributes that are texts where they are given, and extensions, which are scalars.
fn check_type(text: &str, field: &Field<'_>) -> Result<(), LineError> {
    if field.is_null() {
        return Ok(());
    }
    match field.name.as_ref() {
        "id" | "source" | "type" | "subject" | "datacontenttype" | "dataschema" => text_of(text, field).map(|_| ()),
        "data_base64" if !field.value.starts_with('"') => Err(wrong_type(text, field, "a text in Base64")),
        name if !DEFINED.contains(&name) && field.value.starts_with(['{', '[']) => {
            Err(wrong_type(text, field, "a text, a number or a truth; other details belong into `data`"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn wrong_type(text: &str, field: &Field<'_>, wanted: &'static str) -> LineError {
    let problem = LineProblem::WrongType { what: format!("`{}`", field.name), found: described(field.value), wanted };
    LineError::at(text, field.value_at(text), problem)
}

/// A text with something in it, and without control characters.
pub(crate) fn text_of<'a>(text: &str, field: &Field<'a>) -> Result<Cow<'a, str>, LineError> {
    let value = match scan::text(field.value) {
        Some(value) => Some(Cow::Borrowed(value)),
        None => serde_json::from_str::<String>(field.value).ok().map(Cow::Owned),
    };
    let found = match value {
        Some(value) if !value.is_empty() && !value.contains(char::is_control) => return Ok(value),
        Some(value) if value.is_empty() => "empty",
        Some(_) => "a text with control characters",
        None => described(field.value),
    };
    let (what, wanted) = (format!("`{}`", field.name), "a text with something in it");
    Err(LineError::at(text, field.value_at(text), LineProblem::WrongType { what, found, wanted }))
}

/// The details of an event: what its data says, then what else is said of it, as many as are allowed.
fn attributes(text: &str, object: &Object<'_>) -> Result<Attributes, LineError> {
    let mut attributes = event_data::attributes(text, object)?;
    let is_context = |name: &str| matches!(name, "source" | "subject") || !DEFINED.contains(&name);
    for field in object.0.iter().filter(|field| is_context(&field.name) && !field.is_null()) {
        if attributes.len() < MAX_ATTRIBUTES && !attributes.contains_key(field.name.as_ref()) {
            let value: Option<Value> = match scan::scalar(field.value) {
                Some(value) => value,
                None => event_data::scalar_of(text, field)?,
            };
            attributes.extend(value.map(|value| (field.name.clone().into_owned(), value)));
        }
    }
    event_data::bound(&mut attributes);
    Ok(attributes)
}
