//! CloudEvents 1.0 in structured JSON, as one line.
//!
//! `subject` is the resource's id, or the mapping finds it. `type`, `time` and `source` with `id` are the event's; the members of
//! `data` are its attributes, nested ones under names joined by dots. `source`, `subject` and extension attributes are attributes
//! too, where `data` has none of that name. Lists and binary data are not read.

use std::{borrow::Cow, collections::VecDeque};

use homeostat_model::{Attributes, Value};
use serde_json::Value as Json;

use crate::{
    LineError, LineProblem, Mapping,
    line::{Line, Said, near_miss},
    mapping::{Item, shortened},
    names::Names,
    object::{Field, Object, described, json_error, scalar_text},
    scan,
    time::{TimeUnit, read_time},
};

/// The version that is read.
const SPEC_VERSION: &str = "1.0";

/// What CloudEvents defines besides extensions.
const DEFINED: [&str; 10] =
    ["specversion", "id", "source", "type", "time", "subject", "data", "data_base64", "datacontenttype", "dataschema"];

/// Attributes of one event, the least nested first: more than a person writes conditions about, and enough for the events of
/// known systems. The others are left out.
const MAX_ATTRIBUTES: usize = 256;

/// Levels of nesting below `data` that are flattened; deeper ones are left out, as their names would be unreadable.
const MAX_DEPTH: usize = 8;

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
    let required = |name: &'static str| match object.get(name) {
        Some(field) => Ok((field, text_of(text, field)?)),
        None => Err(LineError::whole(LineProblem::Missing(name))),
    };
    let (field, version) = required("specversion")?;
    if version != SPEC_VERSION {
        return Err(LineError::at(text, field.value_at(text), LineProblem::SpecVersion(shortened(&version))));
    }
    for field in &object.0 {
        check_name(text, field)?;
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
    // An id is unique within its source only.
    let id = [source.as_ref(), "#", id.as_ref()].concat();
    let said = Said::Event { event_type, id, attributes: attributes(text, object)? };
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

fn text_of<'a>(text: &str, field: &Field<'a>) -> Result<Cow<'a, str>, LineError> {
    if let Some(value) = scan::text(field.value).filter(|value| !value.is_empty()) {
        return Ok(Cow::Borrowed(value));
    }
    match serde_json::from_str::<String>(field.value) {
        Ok(value) if !value.is_empty() => Ok(Cow::Owned(value)),
        found => {
            let found = if found.is_ok() { "empty" } else { described(field.value) };
            let problem = LineProblem::WrongType {
                what: format!("`{}`", field.name),
                found,
                wanted: "a text with something in it",
            };
            Err(LineError::at(text, field.value_at(text), problem))
        }
    }
}

fn attributes(text: &str, object: &Object<'_>) -> Result<Attributes, LineError> {
    let mut attributes = match object.get("data") {
        Some(data) => match plain(data.value) {
            Some(attributes) => attributes,
            None => any(text, data)?,
        },
        None => Attributes::new(),
    };
    let is_context = |name: &str| matches!(name, "source" | "subject") || !DEFINED.contains(&name);
    for field in object.0.iter().filter(|field| is_context(&field.name)) {
        if attributes.len() < MAX_ATTRIBUTES && !attributes.contains_key(&field.name) {
            let value = match scan::scalar(field.value) {
                Some(value) => value,
                None if scalar_text(field.value).is_some() => scalar(&tree(text, field)?),
                None => None,
            };
            attributes.extend(value.map(|value| (field.name.clone().into_owned(), value)));
        }
    }
    Ok(attributes)
}

/// The attributes in `data` when it is an object of scalars and other such objects, as it mostly is. `None` when it is something
/// else, has a name twice, more names than are taken, or is nested too deeply.
fn plain(data: &str) -> Option<Attributes> {
    let mut attributes = Attributes::new();
    add_plain(&mut attributes, "", data, 1)?;
    Some(attributes)
}

fn add_plain(attributes: &mut Attributes, prefix: &str, object: &str, depth: usize) -> Option<()> {
    let members = Object::plain(object).filter(|members| depth <= MAX_DEPTH && members.twice().is_none())?;
    for member in &members.0 {
        let name = [prefix, &member.name].concat();
        if member.value.starts_with('{') {
            add_plain(attributes, &(name + "."), member.value, depth + 1)?;
        } else if let Some(value) = scan::scalar(member.value)?
            && (attributes.len() >= MAX_ATTRIBUTES || attributes.insert(name, value).is_some())
        {
            return None;
        }
    }
    Some(())
}

/// The same of any `data`.
fn any(text: &str, data: &Field<'_>) -> Result<Attributes, LineError> {
    Ok(match tree(text, data)? {
        Json::Object(data) => flattened(data),
        data => scalar(&data).map(|value| ("data".to_owned(), value)).into_iter().collect(),
    })
}

fn tree(text: &str, field: &Field<'_>) -> Result<Json, LineError> {
    serde_json::from_str(field.value).map_err(|error| {
        let (message, at) = json_error(field.value, &error);
        let problem = LineProblem::Unusable { what: format!("`{}`", field.name), problem: message };
        LineError::at(text, field.value_at(text) + at, problem)
    })
}

/// The scalar members of `data`, level by level, as many as are allowed.
fn flattened(data: serde_json::Map<String, Json>) -> Attributes {
    let mut attributes = Attributes::new();
    let mut waiting: VecDeque<(usize, String, Json)> = data.into_iter().map(|(name, value)| (1, name, value)).collect();
    while let Some((depth, name, value)) = waiting.pop_front() {
        if attributes.len() >= MAX_ATTRIBUTES {
            break;
        }
        match value {
            Json::Object(members) if depth < MAX_DEPTH => {
                waiting
                    .extend(members.into_iter().map(|(member, value)| (depth + 1, format!("{name}.{member}"), value)));
            }
            value => attributes.extend(scalar(&value).map(|value| (name, value))),
        }
    }
    attributes
}

fn scalar(value: &Json) -> Option<Value> {
    match value {
        Json::Bool(value) => Some(Value::Bool(*value)),
        Json::Number(value) => value.as_f64().map(Value::Number),
        Json::String(value) => Some(Value::Text(value.clone())),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_is_read_as_any_other() {
        let many: Vec<String> = (0..300).map(|number| format!("\"k{number}\":{number}")).collect();
        for (data, is_plain) in [
            (r#"{}"#, true),
            (r#"{"cpu":0.5,"a":"b","yes":true,"no":false,"none":null,"zero":-0,"big":18446744073709551616}"#, true),
            (r#"{"b":1,"a":2,"":3,"ü":"ü"}"#, true),
            (r#"{"a":1,"a":2}"#, false),
            (r#"{"a":null,"a":2}"#, false),
            (r#"{"a":{"b":1},"a":2}"#, false),
            (r#"{"a":2,"a":null}"#, false),
            (r#"{"a":{"b":1,"c":{"d":"x","e":null}},"b":{}}"#, true),
            (r#"{"a":{"b":1},"a.b":2}"#, false),
            (r#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}"#, true),
            (r#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":1}}}}}}}}}"#, false),
            (r#"{"a":[1]}"#, false),
            (r#"{"a":"\n"}"#, false),
            (r#"{"a":1e999}"#, false),
            (r#""text""#, false),
            (&format!("{{{}}}", many.join(",")), false),
        ] {
            let text = format!("{{\"data\":{data}}}");
            let object = Object::read(&text).unwrap();
            let found = plain(data);
            assert_eq!(found.is_some(), is_plain, "{data}");
            if let Some(found) = found {
                assert_eq!(found, any(&text, object.get("data").unwrap()).unwrap(), "{data}");
            }
        }
    }
}
