//! Reads a whole journal from its oldest segment, for audits: also while it is written, without a lock, and changing nothing.

use std::{
    fs::File,
    io::{BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use homeostat_model::Plan;

use crate::{JournalError, Kept, Reader, hash::Hash, ledger::Ledger, reader::Position, recovery, segment, witness};

/// The records of a journal from the oldest that is kept.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
    reader: Reader<BufReader<File>>,
    segment: u32,
    /// Plans that were in flight when the oldest segment began.
    plans: Vec<Plan>,
    damaged_snapshots: Vec<String>,
    failed: bool,
}

/// Where a journal's chain stands, to be noted elsewhere: whoever rewrote all of it could not meet this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// The number of the last record; 0 when there is none.
    pub record: u64,
    /// Its hash.
    pub hash: Hash,
}

impl History {
    /// Begins at the oldest segment in `folder`.
    ///
    /// # Errors
    /// [`JournalError`] when there is no journal, or its oldest segment is damaged at its beginning.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let numbers = segment::list(folder)?;
        let Some(oldest) = numbers.first().copied() else {
            let problem = "there is no journal in this folder".into();
            return Err(JournalError::Missing { path: segment::path(folder, 1), problem });
        };
        Self::open_at(folder, oldest)
    }

    fn open_at(folder: &Path, segment: u32) -> Result<Self, JournalError> {
        let reader = reader(folder, segment)?;
        let ledger = reader.carried().as_ref().ok().and_then(|(ledger, _)| Ledger::from_json(ledger).ok());
        let plans = ledger.unwrap_or_default().plans().cloned().collect();
        let mut history =
            Self { folder: folder.into(), reader, segment, plans, damaged_snapshots: Vec::new(), failed: false };
        history.look_at_snapshot();
        Ok(history)
    }

    /// Snapshots that a replay could not begin with, among the segments that were read; what is wrong with each.
    #[must_use]
    pub fn damaged_snapshots(&self) -> &[String] {
        &self.damaged_snapshots
    }

    fn look_at_snapshot(&mut self) {
        if let Err(problem) = self.reader.carried() {
            let path = segment::path(&self.folder, self.segment);
            self.damaged_snapshots.push(format!("{}: {problem}", path.display()));
        }
    }

    /// The number of the first record.
    #[must_use]
    pub fn first_record(&self) -> u64 {
        self.reader.opening().first
    }

    /// How many bytes of a block follow the last whole one: it is being written now, or a crash has torn it and the next start cuts it off.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.reader.torn_bytes()
    }

    /// The number of the segment that is read.
    #[must_use]
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// Plans that were in flight before the first record.
    #[must_use]
    pub fn plans_before(&self) -> &[Plan] {
        &self.plans
    }

    /// Where the chain stands after what was read so far.
    #[must_use]
    pub fn chain_end(&self) -> ChainEnd {
        let Position { next, hash, .. } = self.reader.position();
        ChainEnd { record: next.saturating_sub(1), hash }
    }

    /// The next record. `None` at the end: of what there is now, there may be more later.
    ///
    /// # Errors
    /// What is wrong and where. Nothing after it is trusted: the end follows.
    pub fn next_record(&mut self) -> Result<Option<Kept>, JournalError> {
        if self.failed {
            return Ok(None);
        }
        let found = self.find();
        self.failed = found.is_err();
        found
    }

    fn find(&mut self) -> Result<Option<Kept>, JournalError> {
        loop {
            if let Some(kept) = self.reader.next() {
                return kept.map(Some);
            }
            // Before the file is looked at again: a segment that has a successor does not grow any more.
            let newest = segment::list(&self.folder)?.last().copied().unwrap_or_default();
            if let Some(kept) = self.again()? {
                return Ok(Some(kept));
            }
            if newest <= self.segment {
                return Ok(None);
            }
            self.go_on()?;
        }
    }

    /// Looks whether the segment has grown since its end was met.
    fn again(&mut self) -> Result<Option<Kept>, JournalError> {
        let path = segment::path(&self.folder, self.segment);
        let position = self.reader.position();
        let io = |source| JournalError::io("read", &path, source);
        let mut file = match File::open(&path) {
            // It was the oldest and had to go, after it was read to its end.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io)?,
        };
        file.seek(SeekFrom::Start(position.offset)).map_err(io)?;
        self.reader.resume(BufReader::new(file), position);
        self.reader.next().transpose()
    }

    /// Goes on with the next segment.
    fn go_on(&mut self) -> Result<(), JournalError> {
        let path = segment::path(&self.folder, self.segment);
        if self.reader.torn_bytes() > 0 {
            let problem = "its end is torn, although another segment follows".into();
            return Err(JournalError::Corrupt { path, offset: self.reader.whole_bytes(), problem });
        }
        let next = self.segment.saturating_add(1);
        let oldest = segment::list(&self.folder)?.first().copied().unwrap_or_default();
        if oldest > next {
            // Whoever reads this slowly has missed what was removed meanwhile.
            let damaged = std::mem::take(&mut self.damaged_snapshots);
            *self = Self::open_at(&self.folder, oldest)?;
            self.damaged_snapshots.splice(0..0, damaged);
            return Ok(());
        }
        let reader = reader(&self.folder, next)?;
        recovery::follows(&self.folder, self.segment, &self.reader.position(), reader.opening())?;
        (self.reader, self.segment) = (reader, next);
        self.look_at_snapshot();
        Ok(())
    }
}

/// A reader of a segment as far as it is known to be durable.
fn reader(folder: &Path, number: u32) -> Result<Reader<BufReader<File>>, JournalError> {
    // In this order: what the witness says now is in the file then.
    let mark = witness::read(folder);
    let newest = segment::list(folder)?.last().copied().unwrap_or(number);
    let durable = recovery::durable(&segment::path(folder, number), number, newest, mark)?;
    Ok(recovery::open(folder, number)?.known_durable(durable))
}
