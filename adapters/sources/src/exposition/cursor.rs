//! A place within a line, and the words that are read from there.

use std::borrow::Cow;

use homeostat_model::Timestamp;

use super::{ExpositionError, ExpositionFormat, ExpositionProblem, Label, MAX_LABELS, number};
use crate::{mapping::shortened, object::column_of};

/// Something is wrong at a byte of a line.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) at: usize,
    pub(super) problem: ExpositionProblem,
}

impl Flaw {
    /// The error that it is in `line`, the one of this number.
    pub(super) fn of(self, line: &str, number: usize) -> ExpositionError {
        ExpositionError { line: number, column: Some(column_of(line, self.at)), problem: self.problem }
    }
}

/// Reads a line from left to right.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        // Some write the line ends of another system.
        Self { line: line.strip_suffix('\r').unwrap_or(line), at: 0 }
    }

    /// The byte that is read next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    /// Passes over `byte`, if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// What stands before the next blank.
    pub(super) fn token(&mut self) -> &'a str {
        self.word(|byte| !matches!(byte, b' ' | b'\t'))
    }

    /// What is left.
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn word(&mut self, such: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !such(byte)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A problem that begins here.
    pub(super) fn flaw(&self, problem: ExpositionProblem) -> Flaw {
        Flaw { at: self.at, problem }
    }

    /// What is here is not what is wanted.
    pub(super) fn expected(&self, wanted: &'static str) -> Flaw {
        let found = match self.rest().chars().next() {
            None => "the end of the line".into(),
            Some(character) => format!("{character:?}"),
        };
        self.flaw(ExpositionProblem::Expected { wanted, found })
    }

    pub(super) fn need_blank(&self, wanted: &'static str) -> Result<(), Flaw> {
        match self.peek() {
            None | Some(b' ' | b'\t') => Ok(()),
            Some(_) => Err(self.expected(wanted)),
        }
    }

    /// Nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Flaw> {
        self.blanks();
        match self.rest() {
            "" => Ok(()),
            rest => Err(self.flaw(ExpositionProblem::Trailing(shortened(rest)))),
        }
    }

    /// The name of a metric, quoted or not.
    pub(super) fn name(&mut self) -> Result<Cow<'a, str>, Flaw> {
        if self.peek() == Some(b'"') { self.quoted_name() } else { self.bare_name() }
    }

    /// The name of a metric without quotes.
    pub(super) fn bare_name(&mut self) -> Result<Cow<'a, str>, Flaw> {
        self.bare(true, "the name of a metric (letters, digits, _ and :)")
    }

    fn bare(&mut self, colons: bool, wanted: &'static str) -> Result<Cow<'a, str>, Flaw> {
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.expected(wanted));
        }
        let name = self.word(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || colons && byte == b':');
        if name.is_empty() { Err(self.expected(wanted)) } else { Ok(Cow::Borrowed(name)) }
    }

    fn quoted_name(&mut self) -> Result<Cow<'a, str>, Flaw> {
        let at = self.at;
        let name = self.quoted()?;
        if name.is_empty() {
            let (wanted, found) = ("a name that has characters", "an empty text".to_owned());
            return Err(Flaw { at, problem: ExpositionProblem::Expected { wanted, found } });
        }
        Ok(name)
    }

    /// A text in quotes. A backslash in front of anything else than a quote, an `n` or itself is a backslash.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Flaw> {
        let begin = self.at;
        if !self.take(b'"') {
            return Err(self.expected("a text in double quotes"));
        }
        let rest = self.rest();
        let mut from = 0;
        loop {
            let bytes = rest.as_bytes().get(from..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', bytes) {
                None => return Err(Flaw { at: begin, problem: ExpositionProblem::Unterminated }),
                Some(found) if bytes.get(found) == Some(&b'"') => {
                    let end = from + found;
                    self.at += end + 1;
                    let raw = rest.get(..end).unwrap_or_default();
                    return Ok(if from == 0 { Cow::Borrowed(raw) } else { unescaped(raw, true) });
                }
                // The backslash, and the byte that it is about.
                Some(found) => from += found + 2,
            }
        }
    }

    /// A help text: all that is left. Only OpenMetrics has escaped `quotes` in it.
    pub(super) fn help(&mut self, quotes: bool) -> Cow<'a, str> {
        let rest = self.rest();
        self.at = self.line.len();
        if rest.contains('\\') { unescaped(rest, quotes) } else { Cow::Borrowed(rest) }
    }

    /// Labels in braces, added to `labels`; those from `own` on belong together. Gives the name of the series, which may stand
    /// among them when there is none before.
    pub(super) fn labels(
        &mut self,
        name: Option<Cow<'a, str>>,
        labels: &mut Vec<Label<'a>>,
        own: usize,
    ) -> Result<Option<Cow<'a, str>>, Flaw> {
        let mut name = name;
        self.take(b'{');
        loop {
            self.blanks();
            if self.take(b'}') {
                return Ok(name);
            }
            let at = self.at;
            let quoted = self.peek() == Some(b'"');
            let label = if quoted { self.quoted_name()? } else { self.bare(false, "the name of a label, or }")? };
            self.blanks();
            if self.take(b'=') {
                self.blanks();
                self.label(at, label, labels, own)?;
            } else if !quoted {
                return Err(self.expected("= behind the name of a label"));
            } else if name.is_some() {
                return Err(Flaw { at, problem: ExpositionProblem::SecondName(shortened(&label)) });
            } else {
                name = Some(label);
            }
            self.blanks();
            if !self.take(b',') && self.peek() != Some(b'}') {
                return Err(self.expected(", or } behind a label"));
            }
        }
    }

    fn label(&mut self, at: usize, name: Cow<'a, str>, labels: &mut Vec<Label<'a>>, own: usize) -> Result<(), Flaw> {
        let value = self.quoted()?;
        let before = labels.get(own..).unwrap_or_default();
        if before.iter().any(|(other, _)| *other == name) {
            return Err(Flaw { at, problem: ExpositionProblem::Twice(shortened(&name)) });
        }
        if before.len() == MAX_LABELS {
            return Err(Flaw { at, problem: ExpositionProblem::TooManyLabels });
        }
        labels.push((name, value));
        Ok(())
    }

    /// The value of a sample.
    pub(super) fn value(&mut self) -> Result<f64, Flaw> {
        let at = self.at;
        let text = self.token();
        if text.is_empty() {
            return Err(self.expected("a value"));
        }
        number::value(text).ok_or_else(|| Flaw { at, problem: ExpositionProblem::Value(shortened(text)) })
    }

    /// The time of a sample, if there is one.
    pub(super) fn time(&mut self, format: ExpositionFormat) -> Result<Option<Timestamp>, Flaw> {
        self.blanks();
        let open = format == ExpositionFormat::OpenMetrics;
        if self.peek().is_none() || open && self.peek() == Some(b'#') {
            return Ok(None);
        }
        let at = self.at;
        let text = self.token();
        let (time, wanted) = if open {
            (number::seconds(text), "seconds since the epoch (1700000000.123)")
        } else {
            (number::milliseconds(text), "milliseconds since the epoch (1700000000123)")
        };
        let wrong = || Flaw { at, problem: ExpositionProblem::Time { found: shortened(text), wanted } };
        time.map(Some).ok_or_else(wrong)
    }
}

/// The text that `raw` with its escapes, those of `quotes` perhaps among them, stands for.
fn unescaped(raw: &str, quotes: bool) -> Cow<'static, str> {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('\\') => text.push('\\'),
            Some('"') if quotes => text.push('"'),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    Cow::Owned(text)
}
