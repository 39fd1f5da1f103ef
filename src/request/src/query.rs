//! The parameters of a query string.

use std::collections::BTreeMap;

use crate::Mistake;

/// Most bytes of a query: every parameter at its longest, several times over.
pub const MAX_QUERY: usize = 8 * 1024;

/// The values of a query's parameters, by their names among those `known`. One without a value is as if it were not there.
///
/// # Errors
/// [`Mistake`] when it is too long, or there is another parameter, or one twice.
pub(crate) fn parameters(query: &str, known: &[&'static str]) -> Result<BTreeMap<&'static str, String>, Mistake> {
    if query.len() > MAX_QUERY {
        let error = format!("the query has {} bytes, at most {MAX_QUERY} are read", query.len());
        return Err(Mistake::new(error, "ask for less at a time"));
    }
    let mut found = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(known) = known.iter().find(|known| **known == name) else {
            let error = format!("`{}` is no parameter here", name.escape_default());
            return Err(Mistake::new(error, format!("there are: {}", known.join(", "))));
        };
        if value.is_empty() {
            continue;
        }
        if found.insert(*known, value.into_owned()).is_some() {
            return Err(Mistake::new(format!("`{known}` is given twice"), "give it once"));
        }
    }
    Ok(found)
}

/// How many are wanted, of `most`.
///
/// # Errors
/// [`Mistake`] when it is no number.
pub(crate) fn limit(text: Option<&String>, usual: usize, most: usize) -> Result<usize, Mistake> {
    let Some(text) = text else { return Ok(usual) };
    // A number that is too great for anything asks for the most.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<usize>() {
        Ok(limit) => Ok(limit.min(most)),
        Err(_) if digits => Ok(most),
        Err(_) => Err(Mistake::new("`limit` is no number", format!("write a number of up to {most}"))),
    }
}
