//! The data of a CloudEvent as attributes: JSON, texts, and what Base64 wraps.

use std::collections::VecDeque;

use base64::{Engine, prelude::BASE64_STANDARD};
use homeostat_model::{Attributes, Value};
use serde_json::Value as Json;

use crate::{
    LineError, LineProblem,
    cloud_event::{text_of, wrong_type},
    media_type::MediaType,
    object::{Field, Object, json_error},
    scan,
};

/// Attributes of one event, the least nested first: more than a person writes conditions about, and enough for the events of
/// known systems. The others are left out.
pub(crate) const MAX_ATTRIBUTES: usize = 256;

/// Bytes of the attributes of one event, with their names: what CloudEvents asks everybody to carry. Events wait for the engine,
/// and what does not fit is left out, so that they take a bounded space.
const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;

/// Levels of nesting below `data` that are flattened; deeper ones are left out, as their names would be unreadable.
const MAX_DEPTH: usize = 8;

/// The attribute that data is which has no members.
const DATA: &str = "data";

/// What is in the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Json,
    Text,
    /// Something that has no attributes.
    Opaque,
}

/// The attributes that the data of the event `object` is.
///
/// JSON is flattened, also out of `data_base64`; a text is the attribute `data`; what else there is has no attributes.
pub(crate) fn attributes(text: &str, object: &Object<'_>) -> Result<Attributes, LineError> {
    let given = |name: &str| object.get(name).filter(|field| !field.is_null());
    let declared = given("datacontenttype").map(|field| content(text, field)).transpose()?;
    match (given(DATA), given("data_base64")) {
        (Some(_), Some(field)) => Err(LineError::at(text, field.name_at(text), LineProblem::TwoData)),
        // Without a type it is JSON: the JSON event format, section 3.1.2.
        (Some(data), None) if declared.is_none_or(|content| content == Content::Json) => match plain(data.value) {
            Some(attributes) => Ok(attributes),
            None => any(text, data),
        },
        (Some(data), None) if !data.value.starts_with('"') => {
            Err(wrong_type(text, data, "a text, which all data is that is no JSON by its datacontenttype"))
        }
        (Some(data), None) => any(text, data),
        (None, Some(data)) => unwrapped(text, data, declared.unwrap_or(Content::Opaque)),
        (None, None) => Ok(Attributes::new()),
    }
}

fn content(text: &str, field: &Field<'_>) -> Result<Content, LineError> {
    match MediaType::parse(&text_of(text, field)?) {
        None => Err(wrong_type(text, field, "a media type such as application/json")),
        Some(media) if media.is_json() => Ok(Content::Json),
        Some(media) if media.is_text() => Ok(Content::Text),
        Some(_) => Ok(Content::Opaque),
    }
}

/// What is in Base64.
fn unwrapped(text: &str, field: &Field<'_>, content: Content) -> Result<Attributes, LineError> {
    let unusable = |problem: String| {
        let problem = LineProblem::Unusable { what: format!("`{}`", field.name), problem };
        LineError::at(text, field.value_at(text), problem)
    };
    let wrapped: String =
        serde_json::from_str(field.value).map_err(|error| unusable(json_error(field.value, &error).0))?;
    let bytes = BASE64_STANDARD.decode(wrapped).map_err(|error| unusable(format!("it is not Base64: {error}")))?;
    match content {
        Content::Json => {
            let tree: Json = serde_json::from_slice(&bytes).map_err(|error| {
                unusable(format!("what it wraps is not the JSON that datacontenttype says: {error}"))
            })?;
            Ok(of_tree(tree))
        }
        // A text in another encoding has no attributes.
        Content::Text => {
            let text = String::from_utf8(bytes).ok().map(|text| (DATA.to_owned(), Value::Text(text)));
            Ok(text.into_iter().collect())
        }
        Content::Opaque => Ok(Attributes::new()),
    }
}

/// Leaves out what does not fit into the space that an event has.
pub(crate) fn bound(attributes: &mut Attributes) {
    fn size((name, value): (&String, &Value)) -> usize {
        name.len() + if let Value::Text(text) = value { text.len() } else { 0 }
    }
    if attributes.iter().map(size).sum::<usize>() <= MAX_ATTRIBUTE_BYTES {
        return;
    }
    let mut left = MAX_ATTRIBUTE_BYTES;
    let mut fitting = |one: &(&String, &Value)| {
        let rest = left.checked_sub(size(*one));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    *attributes = attributes.iter().filter(&mut fitting).map(|(name, value)| (name.clone(), value.clone())).collect();
}

/// The scalar that `field` is, however it is written.
pub(crate) fn scalar_of(text: &str, field: &Field<'_>) -> Result<Option<Value>, LineError> {
    Ok(scalar(&tree(text, field)?))
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
    tree(text, data).map(of_tree)
}

fn of_tree(data: Json) -> Attributes {
    match data {
        Json::Object(data) => flattened(data),
        data => scalar(&data).map(|value| (DATA.to_owned(), value)).into_iter().collect(),
    }
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
