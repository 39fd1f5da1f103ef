//! Looks over JSON of the plain sort in one pass: texts without escapes, not deeply nested.
//!
//! Nearly all lines are of that sort. What is not, or is no JSON at all, is left to serde_json, which reads everything and can
//! say what is wrong; so nothing is refused here, and nothing is taken that serde_json would refuse.

use homeostat_model::Value;

/// Levels of nesting that are looked into; below the limit of serde_json, and deeper than what is sent.
const MAX_DEPTH: usize = 16;

/// Gives the members of the object that `text` is to `found`: their names without quotes, and their values as they are written.
/// `None` when it is no object, or not plain; some may have been found before that.
pub(crate) fn members<'a>(text: &'a str, mut found: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    scanner.object(0, &mut found)?;
    scanner.space();
    (scanner.at == text.len()).then_some(())
}

/// The text that `raw`, a JSON value, is; `None` when it is something else, or has escapes.
pub(crate) fn text(raw: &str) -> Option<&str> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

/// The number that `raw`, a JSON value, is; `None` when it is something else, or too large. Read exactly, as serde_json does.
pub(crate) fn number(raw: &str) -> Option<f64> {
    if !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    raw.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The scalar that `raw`, a JSON value, is; `None` inside when it is null. `None` when it is something else, or not plain.
pub(crate) fn scalar(raw: &str) -> Option<Option<Value>> {
    Some(Some(match raw {
        "null" => return Some(None),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text(raw) {
            Some(text) => Value::Text(text.to_owned()),
            None => Value::Number(number(raw)?),
        },
    }))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes over bytes as long as they are such; at least `least` of them.
    fn pass(&mut self, least: usize, such: impl Fn(u8) -> bool) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let found = rest.iter().position(|byte| !such(*byte)).unwrap_or(rest.len());
        self.at += found;
        (found >= least).then_some(())
    }

    /// A text, without its quotes.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let begin = self.at;
        self.pass(0, |byte| byte != b'"' && byte != b'\\' && byte >= b' ')?;
        let inner = self.text.get(begin..self.at);
        self.take(b'"')?;
        inner
    }

    /// A value, as it is written.
    fn value(&mut self, depth: usize) -> Option<&'a str> {
        let begin = self.at;
        match self.peek()? {
            b'{' | b'[' if depth >= MAX_DEPTH => return None,
            b'"' => self.string().map(|_| ())?,
            b'{' => self.object(depth + 1, &mut |_, _| ())?,
            b'[' => self.list(depth + 1)?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number()?,
        }
        self.text.get(begin..self.at)
    }

    fn object<F: FnMut(&'a str, &'a str)>(&mut self, depth: usize, found: &mut F) -> Option<()> {
        self.take(b'{')?;
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let name = self.string()?;
            self.space();
            self.take(b':')?;
            self.space();
            found(name, self.value(depth)?);
            self.space();
            if self.take(b'}').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.space();
        }
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            self.space();
            if self.take(b']').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.space();
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        let digits = |byte: u8| byte.is_ascii_digit();
        let _ = self.take(b'-');
        // A leading zero stands alone.
        if self.take(b'0').is_none() {
            self.pass(1, digits)?;
        }
        if self.take(b'.').is_some() {
            self.pass(1, digits)?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.pass(1, digits)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::Value as Json;

    use super::*;
    use crate::object::Object;

    /// Pieces of JSON, so that what is generated is nearly right more often than noise is.
    fn nearly_json() -> impl Strategy<Value = String> {
        let pieces = vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\"a\"",
            "\"b\":",
            "\"\"",
            "\"\\n\"",
            "\\u12",
            "\"ü\"",
            "\u{1f}",
            "\t",
            " ",
            "\n",
            "-",
            "0",
            "7",
            "01",
            "1.5",
            ".",
            "e",
            "E+2",
            "1e400",
            "true",
            "false",
            "null",
            "nul",
            "\u{0}",
            "{\"a\":1}",
            "[1,2]",
        ];
        let pieces = prop::sample::select(pieces);
        prop_oneof![
            vec(pieces.clone(), 0..12).prop_map(|pieces| pieces.concat()),
            vec(pieces, 0..8).prop_map(|pieces| format!("{{\"x\":{}}}", pieces.concat())),
        ]
    }

    /// Objects that are right.
    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            ".{0,8}".prop_map(Json::from),
        ];
        let tree = leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Json::from),
                vec(("[a-zü\"]{0,6}", inner), 0..6).prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        });
        vec(("[a-zü]{0,6}", tree), 0..6).prop_map(|members| Json::Object(members.into_iter().collect()))
    }

    fn found(text: &str) -> Option<Vec<(String, &str)>> {
        let mut all = Vec::new();
        members(text, |name, value| all.push((name.to_owned(), value)))?;
        Some(all)
    }

    /// What serde_json makes of the same text.
    fn by_serde(text: &str) -> Option<Vec<(String, &str)>> {
        let object: Object<'_> = serde_json::from_str(text).ok()?;
        Some(object.0.into_iter().map(|field| (field.name.into_owned(), field.value)).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_found_is_what_serde_json_finds(text in prop_oneof![any::<String>(), nearly_json(), json().prop_map(|json| json.to_string())]) {
            if let Some(found) = found(&text) {
                prop_assert_eq!(Some(found), by_serde(&text), "{}", text);
            }
        }

        #[test]
        fn what_has_no_escapes_is_found(json in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&json).unwrap() } else { json.to_string() };
            prop_assert_eq!(found(&text).is_some(), !text.contains('\\'), "{}", text);
        }

        #[test]
        fn scalars_are_those_of_serde_json(raw in prop_oneof![
            any::<f64>().prop_map(|number| Json::from(number).to_string()),
            "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
            ".{0,8}".prop_map(|text| Json::from(text).to_string()),
            Just("true".to_owned()), Just("false".to_owned()), Just("null".to_owned()), Just("[1]".to_owned()), Just("{}".to_owned()),
        ]) {
            if let Some(found) = scalar(&raw) {
                let expected = match serde_json::from_str(&raw).unwrap() {
                    Json::Null => None,
                    Json::Bool(value) => Some(Value::Bool(value)),
                    Json::Number(value) => value.as_f64().map(Value::Number),
                    Json::String(value) => Some(Value::Text(value)),
                    other => panic!("{other} is no scalar"),
                };
                prop_assert_eq!(found, expected, "{}", raw);
            } else {
                let odd = raw.contains('\\') || raw.starts_with(['[', '{']) || serde_json::from_str::<f64>(&raw).is_err();
                prop_assert!(odd, "{} is plain", raw);
            }
        }
    }
}
