//! Reads a segment from its beginning, a block at a time, and checks everything on the way.

use std::{
    collections::VecDeque,
    io::Read,
    path::{Path, PathBuf},
};

use homeostat_model::Record;

use crate::{
    JournalError,
    frame::{self, HEAD_BYTES, Head, MAX_APPEND_BYTES, long},
    hash::Hash,
    opening::{MAGIC, MAX_SNAPSHOT_BYTES, OPENING_BYTES, Opening, VERSION},
    tail::{self, Tail},
};

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its number, from 1.
    pub number: u64,
    /// The chain's hash up to it.
    pub hash: Hash,
    /// The record.
    pub record: Record,
}

/// The records of a segment, in order. Ends after the last whole block, or after the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    opening: Opening,
    /// What the segment carries over: the state of plans and the driver's snapshot; or what is wrong with them.
    carried: Result<(Vec<u8>, Vec<u8>), &'static str>,
    position: Position,
    /// Up to where it is known to have been acknowledged.
    durable: u64,
    waiting: VecDeque<Kept>,
    torn: u64,
    ended: bool,
}

/// A place between two blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Where the first block begins: after what the segment carries over.
    pub(crate) first: u64,
    /// Where the next block begins.
    pub(crate) offset: u64,
    /// Where the last one began; the same when there is none.
    pub(crate) last: u64,
    /// The number of the next record.
    pub(crate) next: u64,
    /// The hash of the last one.
    pub(crate) hash: Hash,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of `input`. `path` is what errors call it. Give it a buffered input.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read, is no journal, one of another format, or damaged at its beginning.
    pub fn new(mut input: R, path: &Path) -> Result<Self, JournalError> {
        let first = read_up_to(&mut input, OPENING_BYTES, path)?;
        let line = first.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        let Some(rest) = text.strip_prefix(MAGIC) else {
            return Err(JournalError::NotAJournal { path: path.into(), found: text.chars().take(40).collect() });
        };
        let version = rest.split([' ', '\n']).next().unwrap_or_default();
        if !version.is_empty() && version != VERSION.to_string() {
            let found = version.chars().take(20).collect();
            return Err(JournalError::Version { path: path.into(), found, supported: VERSION });
        }
        let corrupt = |problem: &str| JournalError::Corrupt { path: path.into(), offset: 0, problem: problem.into() };
        let opening = Opening::parse(&first).ok_or_else(|| corrupt("its first line is wrong"))?;
        let carried_bytes = usize::try_from(opening.carried_bytes()).unwrap_or(usize::MAX);
        if carried_bytes > 2 * MAX_SNAPSHOT_BYTES + 2 {
            return Err(corrupt("it says that it carries over more than any segment does"));
        }
        let carried = read_up_to(&mut input, carried_bytes, path)?;
        if carried.len() < carried_bytes {
            // It was synced before it got its name: no crash leaves that.
            return Err(corrupt("what it carries over is cut off"));
        }
        let carried = opening.split(&carried);
        let offset = long(OPENING_BYTES).saturating_add(opening.carried_bytes());
        let position = Position { first: offset, offset, last: offset, next: opening.first, hash: opening.before };
        let (waiting, path) = (VecDeque::new(), path.into());
        Ok(Self { input, path, opening, carried, position, durable: 0, waiting, torn: 0, ended: false })
    }

    /// The same segment, everything before byte `durable` of which was acknowledged: that is never torn.
    #[must_use]
    pub(crate) fn known_durable(mut self, durable: u64) -> Self {
        self.durable = durable;
        self
    }

    /// Goes on at `position`, where `input` stands: the segment may have grown.
    pub(crate) fn resume(&mut self, input: R, position: Position) {
        (self.input, self.position, self.torn, self.ended) = (input, position, 0, false);
        self.waiting.clear();
    }

    /// What its first line says.
    pub(crate) fn opening(&self) -> &Opening {
        &self.opening
    }

    /// What it carries over from the segments before.
    pub(crate) fn carried(&self) -> &Result<(Vec<u8>, Vec<u8>), &'static str> {
        &self.carried
    }

    /// Where it has come to.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Where the last whole block ends, in bytes from the beginning. Meaningful once the iterator has ended.
    #[must_use]
    pub fn whole_bytes(&self) -> u64 {
        self.position.offset
    }

    /// How many bytes of a torn block follow the last whole one. Meaningful once the iterator has ended.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// Reads the next block; `false` at the end, whether torn or not.
    fn advance(&mut self) -> Result<bool, JournalError> {
        let mut head = read_up_to(&mut self.input, HEAD_BYTES, &self.path)?;
        if head.is_empty() {
            if self.position.offset < self.durable {
                return Err(self.corrupt(format!("it ends here, but had been on the disk up to byte {}", self.durable)));
            }
            return Ok(false);
        }
        let Some(parsed) = Head::parse(&head) else { return self.end_with(head) };
        let bytes = usize::try_from(parsed.bytes).unwrap_or(usize::MAX);
        if bytes > MAX_APPEND_BYTES {
            return Err(self.corrupt(format!("a block of {bytes} bytes, and none has more than {MAX_APPEND_BYTES}")));
        }
        if parsed.first != self.position.next {
            let before = self.position.next.saturating_sub(1);
            return Err(self.corrupt(format!("record {} follows record {before}", parsed.first)));
        }
        let body = read_up_to(&mut self.input, bytes, &self.path)?;
        let jsons: Option<Vec<&[u8]>> =
            (body.len() == bytes).then(|| frame::split(&body).map(frame::json).collect()).flatten();
        let Some(jsons) = jsons else {
            head.extend(body);
            return self.end_with(head);
        };
        self.take(&jsons, parsed)?;
        self.position.last = self.position.offset;
        self.position.offset = self.position.offset.saturating_add(long(HEAD_BYTES + bytes));
        Ok(true)
    }

    /// Takes the records of a whole block.
    fn take(&mut self, jsons: &[&[u8]], head: Head) -> Result<(), JournalError> {
        let Position { offset, next: first, hash: before, .. } = self.position;
        let mut hash = before;
        let hashes: Vec<Hash> = jsons
            .iter()
            .map(|json| {
                hash = hash.then(json);
                hash
            })
            .collect();
        if hash != head.hash {
            let last = first.saturating_add(long(jsons.len())).saturating_sub(1);
            let records =
                if last == first { format!("at record {first}") } else { format!("in records {first} to {last}") };
            return Err(
                self.corrupt(format!("the hash chain breaks {records}: something was changed or removed there"))
            );
        }
        let mut next = first;
        for (json, hash) in jsons.iter().zip(hashes) {
            let record = serde_json::from_slice(json).map_err(|error| JournalError::NotUnderstood {
                path: self.path.clone(),
                offset,
                number: next,
                problem: error.to_string(),
            })?;
            self.waiting.push_back(Kept { number: next, hash, record });
            next = next.saturating_add(1);
        }
        (self.position.next, self.position.hash) = (next, head.hash);
        Ok(())
    }

    /// Judges what follows the last whole block; `seen` of it was read already.
    fn end_with(&mut self, mut seen: Vec<u8>) -> Result<bool, JournalError> {
        if self.position.offset < self.durable {
            let problem = match tail::judge(&seen) {
                Tail::Damaged(problem) => problem,
                Tail::Torn => "a block is not whole".into(),
            };
            return Err(self.corrupt(format!("{problem}, and it had been on the disk up to byte {}", self.durable)));
        }
        let limit = HEAD_BYTES + MAX_APPEND_BYTES;
        let rest = read_up_to(&mut self.input, (limit + 1).saturating_sub(seen.len()), &self.path)?;
        seen.extend(rest);
        if seen.len() > limit {
            return Err(self.corrupt("a block is not whole, and more follows than one block can hold".into()));
        }
        match tail::judge(&seen) {
            Tail::Damaged(problem) => Err(self.corrupt(problem)),
            Tail::Torn => {
                self.torn = long(seen.len());
                Ok(false)
            }
        }
    }

    fn corrupt(&self, problem: String) -> JournalError {
        JournalError::Corrupt { path: self.path.clone(), offset: self.position.offset, problem }
    }
}

fn read_up_to(input: &mut impl Read, bytes: usize, path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut buffer = Vec::new();
    let read = input.take(long(bytes)).read_to_end(&mut buffer);
    read.map_err(|source| JournalError::io("read", path, source))?;
    Ok(buffer)
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Kept, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended && self.waiting.is_empty() {
            match self.advance() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    // Of a block that is not understood, nothing is given out.
                    self.waiting.clear();
                    return Some(Err(error));
                }
            }
        }
        self.waiting.pop_front().map(Ok)
    }
}
