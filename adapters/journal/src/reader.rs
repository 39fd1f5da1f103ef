//! Reads a journal from its beginning, an append at a time, and checks everything on the way.

use std::{
    collections::VecDeque,
    io::{self, Read},
    path::{Path, PathBuf},
};

use homeostat_model::Record;

use crate::{
    JournalError,
    frame::{HEAD_BYTES, Head, MAGIC, MAX_APPEND_BYTES, VERSION},
    tail::{self, Tail},
};

/// Longest first line that is looked at: the magic and a version of any sensible length.
const FIRST_LINE_BYTES: u64 = 64;

/// The records of a journal, in order. Ends after the last whole append, or after the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    /// Where the next append begins.
    offset: u64,
    /// How many records there were so far, those waiting included.
    count: u64,
    waiting: VecDeque<Record>,
    torn: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the first line of `input`. `path` is what errors call it. Give it a buffered input.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read, is no journal, or one of another format.
    pub fn new(mut input: R, path: &Path) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { doing: "read", path: path.into(), source };
        let mut first = Vec::new();
        while !first.ends_with(b"\n") && first.len() < usize::try_from(FIRST_LINE_BYTES).unwrap_or(usize::MAX) {
            if (&mut input).take(1).read_to_end(&mut first).map_err(io)? == 0 {
                break;
            }
        }
        let text = String::from_utf8_lossy(&first);
        let Some(version) = text.strip_prefix(MAGIC).and_then(|rest| rest.strip_suffix('\n')) else {
            return Err(JournalError::NotAJournal { path: path.into(), found: text.chars().take(40).collect() });
        };
        if version != VERSION.to_string() {
            return Err(JournalError::Version { path: path.into(), found: version.into(), supported: VERSION });
        }
        let offset = u64::try_from(first.len()).unwrap_or(u64::MAX);
        Ok(Self { input, path: path.into(), offset, count: 0, waiting: VecDeque::new(), torn: 0, ended: false })
    }

    /// Where the last whole append ends, in bytes from the beginning. Meaningful once the iterator has ended.
    #[must_use]
    pub fn whole_bytes(&self) -> u64 {
        self.offset
    }

    /// How many bytes of a torn append follow the last whole one. Meaningful once the iterator has ended.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// Reads the next append; `false` at the end, whether torn or not.
    fn advance(&mut self) -> Result<bool, JournalError> {
        let mut head = self.read_up_to(HEAD_BYTES)?;
        if head.is_empty() {
            return Ok(false);
        }
        let Some(parsed) = Head::parse(&head) else { return self.end_with(head) };
        let bytes = usize::try_from(parsed.bytes).unwrap_or(usize::MAX);
        if bytes > MAX_APPEND_BYTES {
            return Err(self.corrupt(format!("an append of {bytes} bytes, and none has more than {MAX_APPEND_BYTES}")));
        }
        if parsed.first != self.count + 1 {
            return Err(self.corrupt(format!("record {} follows record {}", parsed.first, self.count)));
        }
        let body = self.read_up_to(bytes)?;
        if body.len() < bytes || crc32fast::hash(&body) != parsed.crc {
            head.extend(body);
            return self.end_with(head);
        }
        self.take(&body)?;
        self.offset += u64::try_from(HEAD_BYTES + bytes).unwrap_or(u64::MAX);
        Ok(true)
    }

    /// Takes the records of a whole append.
    fn take(&mut self, body: &[u8]) -> Result<(), JournalError> {
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            let record = serde_json::from_slice(line).map_err(|error| JournalError::NotUnderstood {
                path: self.path.clone(),
                offset: self.offset,
                number: self.count + 1,
                problem: error.to_string(),
            })?;
            self.waiting.push_back(record);
            self.count += 1;
        }
        Ok(())
    }

    /// Judges what follows the last whole append; `seen` of it was read already.
    fn end_with(&mut self, mut seen: Vec<u8>) -> Result<bool, JournalError> {
        let limit = HEAD_BYTES + MAX_APPEND_BYTES;
        let rest = self.read_up_to((limit + 1).saturating_sub(seen.len()))?;
        seen.extend(rest);
        if seen.len() > limit {
            return Err(self.corrupt("an append is not whole, and more follows than one append can hold".into()));
        }
        match tail::judge(&seen) {
            Tail::Damaged(problem) => Err(self.corrupt(problem)),
            Tail::Torn => {
                self.torn = u64::try_from(seen.len()).unwrap_or(u64::MAX);
                Ok(false)
            }
        }
    }

    fn read_up_to(&mut self, bytes: usize) -> Result<Vec<u8>, JournalError> {
        let mut buffer = Vec::new();
        let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
        let read: io::Result<usize> = (&mut self.input).take(limit).read_to_end(&mut buffer);
        read.map_err(|source| JournalError::Io { doing: "read", path: self.path.clone(), source })?;
        Ok(buffer)
    }

    fn corrupt(&self, problem: String) -> JournalError {
        JournalError::Corrupt { path: self.path.clone(), offset: self.offset, problem }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended && self.waiting.is_empty() {
            match self.advance() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    // Of an append that is not understood, nothing is given out.
                    self.waiting.clear();
                    return Some(Err(error));
                }
            }
        }
        self.waiting.pop_front().map(Ok)
    }
}
