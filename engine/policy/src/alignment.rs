//! Finds the place in the file of a place in a scalar's text, however the scalar was written.

use std::ops::Range;

/// The bytes of the file that the bytes `part` of `text` were written as, where `text` was read from the bytes `at`.
///
/// Plain, quoted and block scalars differ from their text by white space, quotes and escapes. All else stands in the same
/// order in both, so that walking through both at once finds the place.
pub(crate) fn locate(file: &str, at: &Range<usize>, text: &str, part: &Range<usize>) -> Range<usize> {
    let written = file.get(at.clone()).unwrap_or_default();
    let escapes = if solid(written).eq(solid(text)) { None } else { written.chars().next() };
    let mut walk = Walk { written, position: usize::from(escapes.is_some()), escapes };
    let (mut start, mut end) = (None, None);
    for (offset, c) in text.char_indices() {
        if offset >= part.end && end.is_some() {
            break;
        }
        let found = walk.next(c);
        if offset >= part.start && start.is_none() && (!c.is_whitespace() || offset + c.len_utf8() >= part.end) {
            start = Some(found.start);
        }
        if offset < part.end {
            end = Some(found.end);
        }
    }
    // A place at the end of the text is just behind its last character.
    let end = end.unwrap_or(walk.position);
    let start = start.unwrap_or(end);
    at.start + start..at.start + end.max(start)
}

fn solid(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_whitespace())
}

/// A walk through the text as it was written.
struct Walk<'a> {
    written: &'a str,
    position: usize,
    /// The kind of quotes, if it was quoted.
    escapes: Option<char>,
}

impl Walk<'_> {
    /// Goes on to where `c` was written and gives its bytes.
    fn next(&mut self, c: char) -> Range<usize> {
        if !c.is_whitespace() {
            self.skip_white_space();
        }
        let start = self.position;
        let rest = self.written.get(start..).unwrap_or_default();
        let mut chars = rest.chars();
        let bytes = match (chars.next(), chars.next(), self.escapes) {
            (Some('\\'), Some(escaped), Some('"')) => 1 + escaped.len_utf8() + hex_digits(escaped).min(rest.len()),
            (Some('\''), Some('\''), Some('\'')) => 2,
            // A line break of the source becomes a blank, or nothing; it is passed over with the next solid character.
            (Some(written), ..) if c.is_whitespace() && written != c => 0,
            (Some(written), ..) => written.len_utf8(),
            (None, ..) => 0,
        };
        self.position = start + bytes;
        start..self.position
    }

    fn skip_white_space(&mut self) {
        let rest = self.written.get(self.position..).unwrap_or_default();
        let mut skipped = rest.len() - rest.trim_start().len();
        // A backslash at the end of a line of a double-quoted scalar joins it with the next.
        if self.escapes == Some('"') {
            while let Some(joined) = rest.get(skipped..).and_then(|rest| rest.strip_prefix("\\\n")) {
                skipped = rest.len() - joined.trim_start().len();
            }
        }
        self.position += skipped;
    }
}

/// How many digits follow an escape of YAML's.
fn hex_digits(escaped: char) -> usize {
    match escaped {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SourceText,
        report::Report,
        yaml::{self, Yaml},
    };

    /// Finds `wanted` in the text of the value of the only key of `file`, and says where in the file it is.
    fn check(file: &str, wanted: &str, expected_line: usize, expected: &str) {
        let mut report = Report::new(&SourceText { name: "f".into(), text: file.into() });
        let node = yaml::parse(0..file.len(), &mut report).unwrap();
        let Yaml::Map(entries) = node.value else { panic!("no map") };
        let value = &entries[0].1;
        let Yaml::Scalar { text, .. } = &value.value else { panic!("no scalar") };
        let start = text.find(wanted).unwrap_or_else(|| panic!("{wanted:?} is not in {text:?}"));
        let found = locate(file, &value.at, text, &(start..start + wanted.len()));
        assert_eq!(&file[found.clone()], expected, "{file:?}");
        assert_eq!(file[..found.start].matches('\n').count() + 1, expected_line, "{file:?}");
    }

    #[test]
    fn every_way_to_write_a_scalar_is_followed() {
        check("k: a b cc", "cc", 1, "cc");
        check("k: é a b", "b", 1, "b");
        check("k: a\n  b\n  cc d\n", "cc", 3, "cc");
        check("k: 'it''s cc'", "cc", 1, "cc");
        check("k: 'it''s cc'", "'s", 1, "''s");
        check("k: \"a \\\"b\\\" cc\"", "cc", 1, "cc");
        check("k: \"a \\\"b\\\" cc\"", "\"b\"", 1, "\\\"b\\\"");
        check("k: \"\\u00e9 \\x41 cc\"", "cc", 1, "cc");
        check("k: \"a \\\n   cc\"", "cc", 2, "cc");
        check("k: \"a\n  cc\"", "cc", 2, "cc");
        check("k: >-  # note\n  a\n  b\n\n  cc\n", "cc", 5, "cc");
        check("k: |\n\n   a\n     b\n   cc\n", "cc", 5, "cc");
        check("k: |\n  \"a\" == b\n", "== b", 2, "== b");
        check("k: |-\n  \"a\" == \"b\"", "\"b\"", 2, "\"b\"");
        check("k: >\r\n  a\r\n  cc\r\n", "cc", 3, "cc");
        check("k: !!str 55", "55", 1, "55");
    }

    #[test]
    fn a_place_behind_the_text_is_behind_what_was_written() {
        assert_eq!(locate("k: ab", &(3..5), "ab", &(2..2)), 5..5);
        assert_eq!(locate("k: 'ab'", &(3..7), "ab", &(2..2)), 6..6);
    }
}
