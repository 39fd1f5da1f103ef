//! Prometheus's text format and OpenMetrics text: a page of series and their values.
//!
//! ```text
//!   page -> line -> cursor --+--> Point: name, labels, value, time, exemplar
//!                            +--> HELP, TYPE, UNIT
//!                            +--> refused alone: line, column, what is wrong, what to do
//! ```
//!
//! Read are the text format 0.0.4, its version 1.0.0 with quoted UTF-8 names, and OpenMetrics 1.0. Histograms and summaries
//! are the plain series that they are written as. What OpenMetrics forbids though it changes no meaning (blank lines, comments,
//! more than one blank) is read all the same.
//!
//! A page is a slice that stays: names and labels are slices of it, and only texts with escapes are copied.

mod cursor;
mod error;
pub(crate) mod number;

use std::borrow::Cow;

use homeostat_model::Timestamp;

pub use error::{ExpositionError, ExpositionProblem};

use cursor::{Cursor, Flaw};

/// Longest line: that of a series with [`MAX_LABELS`] long labels, and as long a help text.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 16;

/// Labels of a series or an exemplar; exporters with the most have some dozens. Each is compared with those before it.
pub(crate) const MAX_LABELS: usize = 128;

/// Characters in the labels of an exemplar, as OpenMetrics limits them.
pub(crate) const MAX_EXEMPLAR_CHARACTERS: usize = 128;

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// Prometheus's own text format, 0.0.4 or 1.0.0.
    Text,
    /// OpenMetrics 1.0: times are in seconds, and `# EOF` ends a page.
    OpenMetrics,
}

impl ExpositionFormat {
    /// The format that a `Content-Type` says; Prometheus's own when it says nothing else.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Self {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_open = media_type.eq_ignore_ascii_case("application/openmetrics-text");
        if is_open { Self::OpenMetrics } else { Self::Text }
    }
}

/// A label: its name and its value.
pub type Label<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What one line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'p, 'a> {
    /// A series has a value.
    Point(Point<'p, 'a>),
    /// What a metric family is about.
    Help {
        /// The family.
        family: Cow<'a, str>,
        /// For people.
        text: Cow<'a, str>,
    },
    /// How the values of a metric family behave.
    Type {
        /// The family.
        family: Cow<'a, str>,
        /// Its type.
        family_type: FamilyType,
    },
    /// What a metric family is measured in.
    Unit {
        /// The family.
        family: Cow<'a, str>,
        /// Such as `seconds`; may be empty.
        unit: &'a str,
    },
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point<'p, 'a> {
    /// The series' name; never empty.
    pub name: Cow<'a, str>,
    /// Its labels, as they are written; no two have one name.
    pub labels: &'p [Label<'a>],
    /// Any number, NaN and the infinities included.
    pub value: f64,
    /// When it was measured, if the page says so.
    pub time: Option<Timestamp>,
    /// An example of what was counted.
    pub exemplar: Option<Exemplar<'p, 'a>>,
}

/// An example of what was counted in a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar<'p, 'a> {
    /// Such as the id of a trace.
    pub labels: &'p [Label<'a>],
    /// Its value.
    pub value: f64,
    /// When it was seen, if the page says so.
    pub time: Option<Timestamp>,
}

/// How the values of a metric family behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyType {
    /// Not said; `untyped` in Prometheus's own format.
    Unknown,
    /// Goes up and down.
    Gauge,
    /// Goes up.
    Counter,
    /// A set of states that are 0 or 1.
    StateSet,
    /// Labels that do not change.
    Info,
    /// Counts by buckets.
    Histogram,
    /// Counts by buckets that go up and down.
    GaugeHistogram,
    /// Quantiles.
    Summary,
}

/// The family types by their names.
const FAMILY_TYPES: [(&str, FamilyType); 9] = [
    ("gauge", FamilyType::Gauge),
    ("counter", FamilyType::Counter),
    ("histogram", FamilyType::Histogram),
    ("summary", FamilyType::Summary),
    ("untyped", FamilyType::Unknown),
    ("unknown", FamilyType::Unknown),
    ("info", FamilyType::Info),
    ("stateset", FamilyType::StateSet),
    ("gaugehistogram", FamilyType::GaugeHistogram),
];

/// Reads a page line by line.
#[derive(Debug)]
pub struct Exposition<'a> {
    format: ExpositionFormat,
    rest: &'a [u8],
    /// The number of the line read last.
    line: usize,
    ended: bool,
    /// Labels of the line that is read, those of its exemplar behind; kept for their memory.
    labels: Vec<Label<'a>>,
}

impl<'a> Exposition<'a> {
    /// A reader of `page`.
    #[must_use]
    pub fn new(page: &'a [u8], format: ExpositionFormat) -> Self {
        Self { format, rest: page, line: 0, ended: false, labels: Vec::new() }
    }

    /// What the next line says that says something; `None` at the end.
    ///
    /// # Errors
    /// [`ExpositionError`]; reading goes on with the line behind. That the page was cut off is the last of all.
    pub fn next_entry(&mut self) -> Option<Result<Entry<'_, 'a>, ExpositionError>> {
        loop {
            let (bytes, complete) = self.next_line()?;
            let number = self.line;
            let whole = |problem| ExpositionError { line: number, column: None, problem };
            if self.format == ExpositionFormat::OpenMetrics {
                if !self.ended && bytes.trim_ascii_end() == b"# EOF" {
                    self.ended = true;
                    continue;
                }
                if self.ended && !bytes.trim_ascii().is_empty() {
                    self.rest = &[];
                    return Some(Err(whole(ExpositionProblem::AfterEnd)));
                }
                if !self.ended && !complete {
                    // Half a number is a number, too.
                    self.ended = true;
                    return Some(Err(whole(ExpositionProblem::Truncated)));
                }
            }
            if bytes.len() > MAX_LINE_BYTES {
                return Some(Err(whole(ExpositionProblem::TooLong)));
            }
            let Ok(line) = std::str::from_utf8(bytes) else { return Some(Err(whole(ExpositionProblem::NotText))) };
            // Read in two steps: what is returned borrows the labels, which the next round of the loop needs.
            self.labels.clear();
            match read(line, self.format, &mut self.labels) {
                Ok(None) => {}
                Ok(Some(read)) => return Some(Ok(read.with(&self.labels))),
                Err(flaw) => return Some(Err(flaw.of(line, number))),
            }
        }
    }

    /// The next line without its end, and whether it had one.
    fn next_line(&mut self) -> Option<(&'a [u8], bool)> {
        if self.rest.is_empty() {
            return self.missing_end();
        }
        self.line += 1;
        let end = memchr::memchr(b'\n', self.rest);
        let (line, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some((line, end.is_some()))
    }

    /// A last, empty line that has no end where `# EOF` should be.
    fn missing_end(&mut self) -> Option<(&'a [u8], bool)> {
        if self.ended || self.format == ExpositionFormat::Text {
            return None;
        }
        self.line += 1;
        Some((&[], false))
    }
}

/// What a line says, with its labels elsewhere.
enum Read<'a> {
    Metadata(Entry<'a, 'a>),
    Point {
        name: Cow<'a, str>,
        /// How many of the labels are its own.
        labels: usize,
        value: f64,
        time: Option<Timestamp>,
        exemplar: Option<(f64, Option<Timestamp>)>,
    },
}

impl<'a> Read<'a> {
    fn with<'p>(self, all: &'p [Label<'a>]) -> Entry<'p, 'a> {
        match self {
            Self::Metadata(entry) => entry,
            Self::Point { name, labels, value, time, exemplar } => {
                let (own, others) = all.split_at_checked(labels).unwrap_or((all, &[]));
                let exemplar = exemplar.map(|(value, time)| Exemplar { labels: others, value, time });
                Entry::Point(Point { name, labels: own, value, time, exemplar })
            }
        }
    }
}

/// Reads a line; `None` when it says nothing.
fn read<'a>(line: &'a str, format: ExpositionFormat, labels: &mut Vec<Label<'a>>) -> Result<Option<Read<'a>>, Flaw> {
    let mut cursor = Cursor::new(line);
    cursor.blanks();
    match cursor.peek() {
        None => Ok(None),
        Some(b'#') => Ok(metadata(&mut cursor, format)?.map(Read::Metadata)),
        Some(_) => point(&mut cursor, format, labels).map(Some),
    }
}

/// What stands behind `#`; `None` when it is a comment.
fn metadata<'a>(cursor: &mut Cursor<'a>, format: ExpositionFormat) -> Result<Option<Entry<'a, 'a>>, Flaw> {
    cursor.take(b'#');
    cursor.blanks();
    let keyword = cursor.token();
    let open = format == ExpositionFormat::OpenMetrics;
    if !(matches!(keyword, "HELP" | "TYPE") || open && keyword == "UNIT") {
        return Ok(None);
    }
    cursor.blanks();
    let family = cursor.name()?;
    cursor.need_blank("a blank behind the name")?;
    cursor.blanks();
    match keyword {
        "HELP" => Ok(Some(Entry::Help { family, text: cursor.help(open) })),
        "TYPE" => {
            let at = cursor.at();
            let name = cursor.token();
            let known = FAMILY_TYPES.iter().find(|(known, _)| *known == name);
            let Some((_, family_type)) = known else {
                return Err(Flaw { at, problem: ExpositionProblem::FamilyType(name.into()) });
            };
            cursor.end()?;
            Ok(Some(Entry::Type { family, family_type: *family_type }))
        }
        _ => {
            let unit = cursor.token();
            cursor.end()?;
            Ok(Some(Entry::Unit { family, unit }))
        }
    }
}

fn point<'a>(cursor: &mut Cursor<'a>, format: ExpositionFormat, labels: &mut Vec<Label<'a>>) -> Result<Read<'a>, Flaw> {
    let name = if cursor.peek() == Some(b'{') { None } else { Some(cursor.bare_name()?) };
    if cursor.peek() != Some(b'{') {
        cursor.need_blank("a blank or { behind the name")?;
    }
    cursor.blanks();
    let name = if cursor.peek() == Some(b'{') { cursor.labels(name, labels, 0)? } else { name };
    let Some(name) = name else { return Err(cursor.flaw(ExpositionProblem::NoName)) };
    let own = labels.len();
    cursor.blanks();
    let value = cursor.value()?;
    let time = cursor.time(format)?;
    let exemplar = if format == ExpositionFormat::OpenMetrics { exemplar(cursor, labels)? } else { None };
    cursor.end()?;
    Ok(Read::Point { name, labels: own, value, time, exemplar })
}

type ExemplarValue = (f64, Option<Timestamp>);

/// What stands behind the `#` of a sample, if there is one.
fn exemplar<'a>(cursor: &mut Cursor<'a>, labels: &mut Vec<Label<'a>>) -> Result<Option<ExemplarValue>, Flaw> {
    cursor.blanks();
    let at = cursor.at();
    if !cursor.take(b'#') {
        return Ok(None);
    }
    cursor.blanks();
    let own = labels.len();
    if cursor.peek() != Some(b'{') {
        return Err(cursor.expected("the labels of the exemplar, such as {trace_id=\"1f\"}"));
    }
    if cursor.labels(Some(Cow::Borrowed("")), labels, own)?.is_none() {
        return Ok(None);
    }
    let written = labels.iter().skip(own).map(|(name, value)| name.chars().count() + value.chars().count());
    if written.sum::<usize>() > MAX_EXEMPLAR_CHARACTERS {
        return Err(Flaw { at, problem: ExpositionProblem::LongExemplar });
    }
    cursor.blanks();
    let value = cursor.value()?;
    Ok(Some((value, cursor.time(ExpositionFormat::OpenMetrics)?)))
}

#[cfg(test)]
mod tests;
