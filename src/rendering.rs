//! Results as programs read them; what people read is each command's own.
//!
//! ```text
//!   one result ----> rendered, laid_out --> a JSON document, or a YAML document
//!   one by one ----> Stream --------------> a JSON object a line, or YAML documents with `---` between
//! ```

use std::fmt::Display;

use serde::Serialize;

use crate::{cli::Rendering, report::Failure};

/// What stands between two YAML documents.
const NEXT_DOCUMENT: &str = "---\n";

/// A result for programs, JSON on one line; `None` when it is for people.
///
/// # Errors
/// [`Failure`] when it cannot be written, which does not happen to what can be JSON.
pub(crate) fn rendered(value: &impl Serialize, rendering: Rendering) -> Result<Option<String>, Failure> {
    match rendering {
        Rendering::Table => Ok(None),
        Rendering::Json => Ok(Some(serde_json::to_string(value).map_err(cannot)? + "\n")),
        Rendering::Yaml => yaml(value).map(Some),
    }
}

/// The same, JSON on several lines.
///
/// # Errors
/// As of [`rendered`].
pub(crate) fn laid_out(value: &impl Serialize, rendering: Rendering) -> Result<Option<String>, Failure> {
    match rendering {
        Rendering::Json => Ok(Some(serde_json::to_string_pretty(value).map_err(cannot)? + "\n")),
        other => rendered(value, other),
    }
}

/// Results that are written one after the other.
#[derive(Debug)]
pub(crate) struct Stream {
    rendering: Rendering,
    begun: bool,
}

impl Stream {
    /// One that nothing was written to yet.
    pub(crate) fn new(rendering: Rendering) -> Self {
        Self { rendering, begun: false }
    }

    /// The next one, with what parts it from the one before; `None` when it is for people.
    ///
    /// # Errors
    /// As of [`rendered`].
    pub(crate) fn next(&mut self, value: &impl Serialize) -> Result<Option<String>, Failure> {
        let text = rendered(value, self.rendering)?;
        let parted = std::mem::replace(&mut self.begun, true) && self.rendering == Rendering::Yaml;
        Ok(text.map(|text| if parted { format!("{NEXT_DOCUMENT}{text}") } else { text }))
    }
}

fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    // Whatever can be JSON: YAML then says the same, with the same names.
    let value = serde_json::to_value(value).map_err(cannot)?;
    serde_saphyr::to_string(&value).map_err(cannot)
}

fn cannot(error: impl Display) -> Failure {
    Failure::new(format!("the result cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What a stream says, read again.
    fn read(documents: &[Value]) -> Vec<Value> {
        let mut stream = Stream::new(Rendering::Yaml);
        let text: String = documents.iter().map(|one| stream.next(one).unwrap().unwrap()).collect();
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_stream_of_yaml_says_what_json_says_however_odd_its_texts_are() {
        let odd = [
            "",
            " ",
            "a",
            "1",
            "0x10",
            "1e3",
            "012",
            "00000e12",
            "true",
            "no",
            "null",
            "~",
            "---",
            "...",
            "- a",
            "a: b",
            "#",
            "a #b",
            "a\nb",
            "a\n---\nb\n",
            "---\na: b",
            "\n",
            " a",
            "a ",
            "\ta",
            "a\r\nb",
            "\u{0}",
            "\u{feff}",
            "\u{85}",
            "\u{2028}",
            "'\"\\",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{}",
            "[]",
            "?",
            "2026-01-31",
            "12:30:45",
            ".inf",
            "<<",
            "=",
            "a\n\n  b\n\n",
            "\n  a\n",
        ];
        let documents: Vec<Value> = odd.iter().map(|text| json!({"text": text, "in": [{*text: [text, {}]}]})).collect();
        for (read, written) in read(&documents).iter().zip(&documents) {
            assert_eq!(read, written);
        }
        assert_eq!(read(&documents), documents);
        let long = "words that go on and on ".repeat(20);
        let figures = [
            json!([1, -1, 1.5, 1e300, 1e-7, u64::MAX, i64::MIN, null, true]),
            json!({"a": long, "b": format!("{long}\n{long}")}),
        ];
        assert_eq!(read(&figures), figures);
    }

    #[test]
    fn only_documents_are_parted() {
        let all = |rendering| {
            let mut stream = Stream::new(rendering);
            [1, 2].map(|number| stream.next(&json!({ "number": number })).unwrap())
        };
        assert_eq!(all(Rendering::Yaml), [Some("number: 1\n".into()), Some("---\nnumber: 2\n".into())]);
        assert_eq!(all(Rendering::Json), [Some("{\"number\":1}\n".into()), Some("{\"number\":2}\n".into())]);
        assert_eq!(all(Rendering::Table), [None, None]);
    }
}
