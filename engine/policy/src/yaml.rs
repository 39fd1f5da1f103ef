//! YAML as a tree in which everything knows its place in the file.
//!
//! A typed deserializer stops at its first error and resolves scalars before anybody can ask how they were written
//! (`on:` becomes `true`). Policies want all problems at once and the text itself, so serde-saphyr builds this tree, and
//! [`crate::fields`] reads it.

use std::{fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Spanned};

use crate::{Problem, SourceText, mistake::Mistake, report::Report, source::documents};

/// Deepest nesting of a document. The deepest there is to write has 13 levels, and a level takes up to 64 KiB of stack in a
/// build without optimisation, of which a thread has 2 MiB.
const MAX_DEPTH: usize = 16;

/// Most values in a document, aliases expanded: a test with two thousand resources has that many, a policy some dozens.
const MAX_NODES: usize = 50_000;

/// A value and its bytes in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Yaml,
    /// Where it stands; of an alias, where the value is defined.
    pub at: Range<usize>,
}

/// The forms of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// Nothing.
    Null,
    /// A plain value.
    Scalar {
        /// As it is written, without quotes.
        text: String,
        /// YAML takes it for a number or a truth, as it is not quoted.
        typed: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file; a key may be there twice.
    Map(Vec<(Key, Node)>),
}

/// A key and its bytes in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub at: Range<usize>,
}

impl Yaml {
    /// What it is, for messages.
    #[must_use]
    pub fn form(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Scalar { .. } => "a plain value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// The documents of a file of any kind as trees, and what is wrong with its YAML. Empty documents are left out.
#[must_use]
pub fn trees(source: &SourceText) -> (Vec<Node>, Vec<Problem>) {
    let mut report = Report::new(source);
    let ranges = documents(&source.text, &mut report);
    let trees = ranges.into_iter().filter_map(|range| parse(range, &mut report)).collect();
    (trees, report.into_problems())
}

/// The tree of the document at `range` of the file; `None` when it is empty or broken, and then that was reported.
pub(crate) fn parse(range: Range<usize>, report: &mut Report) -> Option<Node> {
    let text = report.text().get(range.clone())?.to_owned();
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
        // Both places are shown, which takes seeing both.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        // `when: !absent(..)` is a tag to YAML: without this, the negation would vanish silently.
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(&text, options) {
        Ok(raw) => {
            let node = Builder { text: &text, base: range.start, report }.node(raw);
            (node.value != Yaml::Null).then_some(node)
        }
        Err(error) => {
            let at = error.location().map_or(0, |location| byte_at(&text, location.line(), location.column()));
            let start = range.start + at;
            report.add(start..start + text.get(at..).map_or(0, first_char_bytes), syntax(&error));
            None
        }
    }
}

/// The byte at a line and column, both from 1 and in characters.
fn byte_at(text: &str, line: u64, column: u64) -> usize {
    let (line, column) = (usize::try_from(line).unwrap_or(1), usize::try_from(column).unwrap_or(1));
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let skipped: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    start + skipped
}

fn first_char_bytes(text: &str) -> usize {
    text.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8)
}

fn syntax(error: &Error) -> Mistake {
    let error = error.without_snippet();
    if let Error::AliasError { error, .. } = error {
        return syntax(error);
    }
    // The place is shown with the source; the parser's own words end in it.
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned();
    let quote = || Some("check the indentation, or put the value in quotes: '...'".to_owned());
    match error {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => Mistake::YamlLimit { depth: MAX_DEPTH, nodes: MAX_NODES },
        Error::UnsupportedTag { tag, .. } => Mistake::YamlSyntax {
            reason: format!("`{tag}` at the start of a value is a tag"),
            help: Some("put an expression that begins with `!` in quotes: '!absent(..)'".into()),
        },
        _ if reason.contains("tag") => Mistake::YamlSyntax {
            reason,
            help: Some("put an expression that begins with `!` in quotes: '!absent(..)'".into()),
        },
        _ if reason.contains("mapping values are not allowed") || reason.contains("trailing content") => {
            Mistake::YamlSyntax { reason, help: quote() }
        }
        _ if reason.contains("unexpected character") => Mistake::YamlSyntax { reason, help: quote() },
        _ => Mistake::YamlSyntax { reason, help: None },
    }
}

/// Turns what serde saw into the tree: spans become bytes of the file, scalars get back the text they were written as.
struct Builder<'a> {
    text: &'a str,
    base: usize,
    report: &'a mut Report,
}

impl Builder<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let written = self.bytes(&raw);
        let mut at = self.base + written.start..self.base + written.end;
        let value = match raw.value {
            Raw::Null => Yaml::Null,
            Raw::Typed => {
                Yaml::Scalar { text: self.text.get(written).unwrap_or_default().trim().to_owned(), typed: true }
            }
            Raw::Text(text) => Yaml::Scalar { text, typed: false },
            Raw::List(items) => Yaml::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => {
                Yaml::Map(entries.into_iter().filter_map(|(key, value)| self.entry(key, value)).collect())
            }
        };
        // A block has no bytes of its own: its first key, or the dash, stands for it.
        if let (true, Yaml::Map(entries)) = (at.is_empty(), &value) {
            at = entries.first().map_or(at, |(key, _)| key.at.clone());
        } else if let (true, Yaml::List(_)) = (at.is_empty(), &value) {
            at.end += 1;
        }
        Node { value, at }
    }

    fn entry(&mut self, key: Spanned<Raw>, value: Spanned<Raw>) -> Option<(Key, Node)> {
        let (key, value) = (self.node(key), self.node(value));
        match key.value {
            Yaml::Scalar { text, .. } => Some((Key { text, at: key.at }, value)),
            other => {
                let (what, expected) = ("a key".to_owned(), "a plain value");
                self.report.add(key.at, Mistake::WrongType { what, expected, found: other.form() });
                None
            }
        }
    }

    /// The bytes of the document; of an aliased value, those where it is defined.
    fn bytes(&self, raw: &Spanned<Raw>) -> Range<usize> {
        let span = raw.defined.span();
        let byte = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(self.text.len());
        let start = byte(span.byte_offset());
        start..start.saturating_add(byte(span.byte_len())).min(self.text.len())
    }
}

/// What serde can be told about a value without knowing its type.
enum Raw {
    Null,
    /// A number or a truth; its text is taken from the source.
    Typed,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
