//! The JSON Schema of a type, asked of the type itself.
//!
//! A type that derives `Deserialize` says what it takes when it is read: which fields a struct has, which variants an enum, what
//! sort of value a field is. So it is read again and again, each time along another path, with nothing at the end of it:
//! what it asks for there is the schema. It cannot differ from what is read, and nobody has to write it.

mod probe;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use probe::{Shape, Step, is_closed, missing, shape};

/// Deepest value that is looked at: a type that contains itself ends here. A configuration has half as many levels.
const MAX_LEVELS: usize = 12;

/// Texts that are tried where one is needed, to learn what else is: the first that is taken is as good as any.
const SAMPLES: [&str; 7] = ["a", "/a", "1s", "1", "http://127.0.0.1:1", "127.0.0.1:1", "kind/a"];

/// The schema of what a `T` is read from, in JSON Schema 2020-12.
///
/// It is stricter than the reader where a number is in quotes or a value is left empty, and knows of no rules that a type has
/// besides its form.
#[must_use]
pub fn schema<T: DeserializeOwned>() -> Json {
    at::<T>(&mut Vec::new())
}

fn at<T: DeserializeOwned>(path: &mut Vec<Step>) -> Json {
    if path.len() > MAX_LEVELS {
        return json!({});
    }
    match shape::<T>(path) {
        Shape::Any => json!({}),
        Shape::Nothing => json!({"type": "null"}),
        Shape::Truth => json!({"type": "boolean"}),
        Shape::Number => json!({"type": "number"}),
        Shape::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Secret => secret(),
        Shape::List => json!({"type": "array", "items": below::<T>(path, Step::Item)}),
        Shape::Names => json!({"type": "object", "additionalProperties": below::<T>(path, Step::Named)}),
        Shape::Choice(variants) => {
            let choices: Vec<Json> =
                variants.iter().map(|name| choice(name, below::<T>(path, Step::Variant(name)))).collect();
            // Words alone are an enumeration to an editor.
            let words: Option<Vec<&Json>> = choices.iter().map(|choice| choice.get("const")).collect();
            match words {
                Some(words) => json!({"enum": words}),
                None => json!({"oneOf": choices}),
            }
        }
        Shape::Fields(fields) => {
            let properties: Map<String, Json> =
                fields.iter().map(|name| ((*name).to_owned(), below::<T>(path, Step::Field(name)))).collect();
            let mut schema = json!({"type": "object", "properties": properties});
            if let Some(parts) = schema.as_object_mut() {
                let required = required::<T>(path);
                if !required.is_empty() {
                    parts.insert("required".into(), json!(required));
                }
                if is_closed::<T>(path) {
                    parts.insert("additionalProperties".into(), json!(false));
                }
            }
            schema
        }
    }
}

fn below<T: DeserializeOwned>(path: &mut Vec<Step>, step: Step) -> Json {
    path.push(step);
    let schema = at::<T>(path);
    path.pop();
    schema
}

/// A variant: a word when there is nothing to say about it.
fn choice(name: &str, content: Json) -> Json {
    if content == json!({"type": "null"}) {
        return json!({"const": name});
    }
    json!({"type": "object", "properties": {name: content}, "required": [name], "additionalProperties": false})
}

fn secret() -> Json {
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "description": "A secret, by reference: the name of an environment variable, or a file",
        "type": "object",
        "properties": {"env": text, "file": text},
        "additionalProperties": false,
        "minProperties": 1, "maxProperties": 1,
    })
}

/// The fields that the struct at `path` needs. Which one comes next is told only when those before are there, so that it ends
/// early at one for which no sample is good enough.
fn required<T: DeserializeOwned>(path: &[Step]) -> Vec<&'static str> {
    let mut given: Vec<(&'static str, &'static str)> = Vec::new();
    while let Some(field) = missing::<T>(path, &given) {
        let next = SAMPLES.iter().find(|sample| {
            let tried: Vec<_> = given.iter().copied().chain([(field, **sample)]).collect();
            missing::<T>(path, &tried) != Some(field) && !probe::refuses::<T>(path, &tried)
        });
        given.push((field, next.copied().unwrap_or_default()));
        if next.is_none() {
            break;
        }
    }
    given.into_iter().map(|(field, _)| field).collect()
}

#[cfg(test)]
mod tests;
