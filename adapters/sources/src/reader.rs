//! Lines of bounded length out of any reader, and a whole recording of them.

use std::io::{self, BufRead, ErrorKind};

use homeostat_model::{Observation, Timestamp};

use crate::{
    LineError, LineProblem, Mapping,
    labels::SentLabels,
    line::{self, Line},
    names::Names,
    seen::Seen,
};

/// Longest line: a sample of a thousand metrics has 50 kB, and a reader's memory has to stay small.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

/// What stands at the begin of files from some systems.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Cuts what is read into lines. A line that is not complete yet is kept until it is.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    too_long: bool,
    number: usize,
    names: Names,
}

impl Default for Lines {
    fn default() -> Self {
        Self { bytes: Vec::new(), too_long: false, number: 0, names: Names::remembered() }
    }
}

impl Lines {
    /// Reads until a line is complete; `false` at the end of what there is.
    pub(crate) fn fill(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        loop {
            let available = match reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(false);
            }
            let end = memchr::memchr(b'\n', available);
            let (complete, part) = (end.is_some(), available.get(..end.unwrap_or(available.len())).unwrap_or_default());
            if self.bytes.len() + part.len() > MAX_LINE_BYTES {
                self.too_long = true;
                self.bytes.clear();
            }
            if !self.too_long {
                self.bytes.extend_from_slice(part);
            }
            let used = part.len() + usize::from(complete);
            reader.consume(used);
            if complete {
                return Ok(true);
            }
        }
    }

    /// Whether something was read that is not complete.
    pub(crate) fn is_partial(&self) -> bool {
        self.too_long || !self.bytes.is_empty()
    }

    /// Takes what was read as a line; `None` when it is empty.
    pub(crate) fn take(&mut self, mapping: &Mapping) -> Option<Result<Line, LineError>> {
        self.number += 1;
        let result = if std::mem::take(&mut self.too_long) {
            Err(LineError::whole(LineProblem::TooLong))
        } else {
            match std::str::from_utf8(&self.bytes) {
                Ok(text) if self.number == 1 => {
                    line::read(text.trim_start_matches(BYTE_ORDER_MARK), mapping, &mut self.names)
                }
                Ok(text) => line::read(text, mapping, &mut self.names),
                Err(_) => Err(LineError::whole(LineProblem::NotText)),
            }
        };
        self.bytes.clear();
        result.map_err(|error| error.numbered(self.number)).transpose()
    }

    /// The number of the line taken last.
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

/// A line of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its own time, if it gives one.
    pub time: Option<Timestamp>,
    /// What it says. What gives no time of its own has that of the newest line before, or 0.
    pub observations: Vec<Observation>,
}

/// Reads all lines, in their order; empty ones are passed over. Labels are given when they say something new, and an event that
/// comes again is nothing new, as it is live. Ends after an error of the reader, and goes on after any other.
pub fn read_all<R: BufRead>(reader: R, mapping: &Mapping) -> impl Iterator<Item = Result<TimedLine, LineError>> {
    let mut lines = Lines::default();
    let mut labels = SentLabels::default();
    let mut seen = Seen::default();
    let mut reader = Some(reader);
    let mut newest = None;
    std::iter::from_fn(move || {
        loop {
            match lines.fill(reader.as_mut()?) {
                Ok(true) => {}
                Ok(false) if lines.is_partial() => reader = None,
                Ok(false) => return None,
                Err(error) => {
                    reader = None;
                    let problem = LineProblem::Unreadable(error.to_string());
                    return Some(Err(LineError::whole(problem).numbered(lines.number() + 1)));
                }
            }
            match lines.take(mapping) {
                None => {}
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(line)) => {
                    let time = line.time;
                    newest = newest.max(time);
                    let now = newest.unwrap_or_default();
                    let key = line.key();
                    let is_new = key.is_none_or(|key| !seen.contains(key));
                    let mut observations = if is_new { line.observations(now) } else { Vec::new() };
                    key.filter(|_| is_new).map(|key| seen.insert(key));
                    observations.retain(|observation| labels.is_new(observation, now));
                    return Some(Ok(TimedLine { number: lines.number(), time, observations }));
                }
            }
        }
    })
}
