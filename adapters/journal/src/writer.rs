//! The one thread that writes: whatever waits becomes one block, one write and one sync.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    JournalError, Options,
    frame::{self, MAX_APPEND_BYTES, long},
    hash::Hash,
    opening::Opening,
    queue::{Batch, Queue},
    segment,
    witness::{Mark, Witness},
};

/// Where a segment's bytes go.
pub(crate) trait Store: Send {
    /// Adds `bytes` at the end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything that was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Store for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The writer's state.
pub(crate) struct Writer {
    pub(crate) folder: PathBuf,
    pub(crate) options: Options,
    pub(crate) store: Box<dyn Store>,
    /// The number of the segment that is written.
    pub(crate) segment: u32,
    /// Bytes of it.
    pub(crate) bytes: u64,
    /// The number of the next record.
    pub(crate) next: u64,
    /// The hash of the last one.
    pub(crate) hash: Hash,
    pub(crate) witness: Witness,
}

impl Writer {
    /// Writes until the queue is closed and empty, or something fails: after that nothing is written any more, since a second sync
    /// may succeed without what the first one could not write.
    pub(crate) fn run(mut self, queue: &Arc<Queue>) {
        while let Some(batch) = queue.take() {
            let (outcome, promises) = match batch {
                Batch::Block(lines, promises) => (self.block(&lines), promises),
                Batch::Roll { ledger, snapshot, promise } => (self.roll(&ledger, &snapshot), vec![promise]),
            };
            if let Err(error) = &outcome {
                queue.fail(error.to_string());
            }
            promises.iter().for_each(|promise| promise.answer(outcome.clone()));
            if outcome.is_err() {
                return;
            }
        }
    }

    fn block(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        let path = segment::path(&self.folder, self.segment);
        let too_large = |bytes| JournalError::TooLarge { what: "a block".into(), bytes, limit: MAX_APPEND_BYTES };
        let (head, count) = frame::head(self.next, self.hash, lines).map_err(too_large)?;
        let block = [head.line().as_bytes(), lines].concat();
        self.store.write(&block).map_err(|source| JournalError::io("write", &path, source))?;
        self.store.sync().map_err(|source| JournalError::io("sync", &path, source))?;
        self.bytes = self.bytes.saturating_add(long(block.len()));
        self.next = self.next.saturating_add(count);
        self.hash = head.hash;
        self.acknowledge()
    }

    fn roll(&mut self, ledger: &[u8], snapshot: &[u8]) -> Result<(), JournalError> {
        let number = self.segment.saturating_add(1);
        let opening = Opening::write(number, self.next, self.hash, ledger, snapshot)?;
        self.store = Box::new(segment::begin(&self.folder, number, &opening)?);
        (self.segment, self.bytes) = (number, long(opening.len()));
        self.acknowledge()?;
        // The new segment is to grow; there has to be room for that, too.
        segment::prune(&self.folder, self.options.max_bytes.saturating_sub(self.options.segment_bytes))
    }

    /// Leaves a witness of what is on the disk.
    fn acknowledge(&self) -> Result<(), JournalError> {
        let said = self.witness.says(Mark { segment: self.segment, offset: self.bytes });
        said.map_err(|source| JournalError::io("write the witness in", &self.folder, source))
    }
}
