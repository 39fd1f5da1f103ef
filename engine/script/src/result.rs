//! What a script gave, as values of ours.

use homeostat_model::{Data, Value};
use rhai::{Array, Dynamic, Map};

use crate::{ScriptError, budget::MAX_RESULT_DEPTH};

/// A truth, a number or a text.
pub(crate) fn value_of(result: &Dynamic) -> Result<Value, ScriptError> {
    single(result).ok_or_else(|| {
        let found = result.type_name();
        ScriptError::failed(format!("the script gave a {found}; it has to give true, false, a number or a text"))
    })
}

/// Nothing, a value, or lists and maps of them.
pub(crate) fn data_of(result: &Dynamic) -> Result<Data, ScriptError> {
    nested(result, 0)
}

fn nested(result: &Dynamic, depth: usize) -> Result<Data, ScriptError> {
    if result.is_unit() {
        return Ok(Data::Nothing);
    }
    if let Some(value) = single(result) {
        return Ok(Data::Value(value));
    }
    if depth == MAX_RESULT_DEPTH {
        let message =
            format!("the script gave lists and maps that are nested more than {MAX_RESULT_DEPTH} levels deep");
        return Err(ScriptError::failed(message));
    }
    if let Some(list) = result.read_lock::<Array>() {
        return list.iter().map(|element| nested(element, depth + 1)).collect::<Result<_, _>>().map(Data::List);
    }
    if let Some(map) = result.read_lock::<Map>() {
        let entries = map.iter().map(|(key, element)| Ok((key.to_string(), nested(element, depth + 1)?)));
        return entries.collect::<Result<_, _>>().map(Data::Map);
    }
    let found = result.type_name();
    let message = format!(
        "the script gave a {found}; it has to give true, false, a number, a text, (), or arrays and maps of these"
    );
    Err(ScriptError::failed(message))
}

fn single(result: &Dynamic) -> Option<Value> {
    if let Ok(value) = result.as_bool() {
        return Some(Value::Bool(value));
    }
    if let Ok(value) = result.as_float() {
        return Some(Value::Number(value));
    }
    if let Ok(value) = result.as_int() {
        #[expect(
            clippy::as_conversions,
            reason = "an i64 of more than 2^53 loses its last digits, which no metric has"
        )]
        return Some(Value::Number(value as f64));
    }
    result.as_immutable_string_ref().ok().map(|text| Value::Text(text.to_string()))
}
