//! The YAML file as a tree in which everything knows its place, so that every problem of a file is found at once: a typed
//! deserializer ends at its first.

use std::{fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::{MAX_FILE_BYTES, problem::Problems};

/// Deepest nesting; the deepest there is to write has 6 levels.
const MAX_DEPTH: usize = 32;

/// Most values, aliases expanded: a file of the greatest size that consists of values of eight bytes.
const MAX_NODES: usize = MAX_FILE_BYTES / 8;

/// A value and its bytes in the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) tree: Tree,
    pub(super) at: Range<usize>,
}

#[derive(Debug)]
pub(super) enum Tree {
    Empty,
    Plain(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Tree {
    /// What it is, for messages.
    pub(super) fn form(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Plain(_) => "a plain value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// The tree of a file; `None` when it is too large or not YAML, and then that is a problem.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > MAX_FILE_BYTES {
        problems.add(&(0..0), format!("the file has {} bytes, at most {MAX_FILE_BYTES} are read", text.len()));
        return None;
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Some(node(text, raw)),
        Err(error) => {
            let start = error.location().map_or(0, |place| byte_at(text, place.line(), place.column()));
            let message = error.without_snippet().to_string();
            // The place is shown beside it, and its options are not the reader's.
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
            let message = message.split_once(", set ").map_or(message, |(what, _)| what);
            let help = message.contains("flow").then(|| "inside of { }, put names with braces in quotes".to_owned());
            problems.add_with_help(&(start..start), format!("this is not YAML: {message}"), help);
            None
        }
    }
}

/// The byte at a line and column, both from 1 and in characters: errors of the parser know no more.
fn byte_at(text: &str, line: u64, column: u64) -> usize {
    let before = |number: u64| usize::try_from(number).unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(before(line)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.chars().take(before(column)).map(char::len_utf8).sum::<usize>()
}

fn within(text: &str) -> impl Fn(u64) -> usize {
    |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(text.len())
}

fn node(text: &str, raw: Spanned<Raw>) -> Node {
    let span = raw.defined.span();
    let start = span.byte_offset().map_or(0, within(text));
    let end = start.saturating_add(span.byte_len().map_or(0, within(text))).min(text.len());
    let mut at = start..end;
    let tree = match raw.value {
        Raw::Empty => Tree::Empty,
        // A number keeps the text it was written as: `007` may be a name.
        Raw::Typed => Tree::Plain(text.get(at.clone()).unwrap_or_default().trim().to_owned()),
        Raw::Text(text) => Tree::Plain(text),
        Raw::List(items) => Tree::List(items.into_iter().map(|item| node(text, item)).collect()),
        Raw::Map(entries) => {
            Tree::Map(entries.into_iter().map(|(key, value)| (node(text, key), node(text, value))).collect())
        }
    };
    // A block has no bytes of its own: its first key stands for it.
    if let (true, Tree::Map(entries)) = (at.is_empty(), &tree) {
        at = entries.first().map_or(at, |(key, _)| key.at.clone());
    }
    Node { tree, at }
}

/// What serde can be told about a value without knowing its type.
enum Raw {
    Empty,
    /// A number or a truth; its text is taken from the file.
    Typed,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
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
