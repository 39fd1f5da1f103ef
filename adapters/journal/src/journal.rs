//! The journal: opening, appending, rolling.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use homeostat_model::Record;

use crate::{
    Durable, JournalError, Recovered, Replayed, frame, lock,
    opening::MAX_SNAPSHOT_BYTES,
    queue::Queue,
    recovery::{self, Found},
    writer::{Store, Writer},
};

/// How large a journal may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes after which the driver is asked for a snapshot, to begin a new segment with: what a start has to replay at most.
    pub segment_bytes: u64,
    /// Bytes of all segments together, beyond which the oldest are removed. Two segments stay in any case.
    pub max_bytes: u64,
}

impl Options {
    /// Bytes of a journal that is not given a size: weeks of decisions of a busy site, and little for any disk.
    pub const MAX_BYTES: u64 = 1 << 30;
    /// Least size that can be given: of two segments with room for some plans.
    pub const LEAST_BYTES: u64 = 1 << 20;
    /// Most bytes of a segment: a hundred thousand decisions, which are replayed in a fifth of a second.
    const SEGMENT_BYTES: u64 = 16 << 20;

    /// Options for a journal of at most `max_bytes`; a segment is an eighth of it, or 16 MiB when that is less.
    #[must_use]
    pub fn of_size(max_bytes: u64) -> Self {
        Self { segment_bytes: (max_bytes / 8).min(Self::SEGMENT_BYTES), max_bytes }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::of_size(Self::MAX_BYTES)
    }
}

/// An open journal. Its folder belongs to this process until it is dropped, which waits until what was appended is written.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    options: Options,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    _lock: File,
}

impl Journal {
    /// Opens the journal in `folder`, or begins one there. Gives `replay` the newest snapshot and every record since, in order, checks
    /// them, and repairs a torn tail. When it fails, what was replayed until then is to be forgotten.
    ///
    /// # Errors
    /// [`JournalError`] when the folder is in use by another process, when what is there is no journal of this format or is
    /// damaged, and when the operating system says no.
    pub fn open(
        folder: &Path,
        options: Options,
        replay: impl FnMut(Replayed),
    ) -> Result<(Self, Recovered), JournalError> {
        Self::open_on(folder, options, replay, |file| Box::new(file))
    }

    /// The same; the segment that is open goes through `store`.
    pub(crate) fn open_on(
        folder: &Path,
        options: Options,
        replay: impl FnMut(Replayed),
        store: impl FnOnce(File) -> Box<dyn Store>,
    ) -> Result<(Self, Recovered), JournalError> {
        fs::create_dir_all(folder).map_err(|source| JournalError::io("create", folder, source))?;
        let lock = lock::take(folder)?;
        let Found { recovered, ledger, file, segment, position, witness } = recovery::recover(folder, replay)?;
        let (bytes, count) = (position.offset, position.next.saturating_sub(1));
        // What is carried over does not count: else a segment that begins with much would be long enough from the start.
        let queue = Arc::new(Queue::new(folder.into(), ledger, count, bytes.saturating_sub(position.first)));
        let (next, hash, store) = (position.next, position.hash, store(file));
        let writer = Writer { folder: folder.into(), options, store, segment, bytes, next, hash, witness };
        let works = queue.clone();
        let writer = thread::Builder::new().name("journal".into()).spawn(move || writer.run(&works));
        let writer = writer.map_err(|source| JournalError::io("start the writer of", folder, source))?;
        Ok((Self { folder: folder.into(), options, queue, writer: Some(writer), _lock: lock }, recovered))
    }

    /// Appends `records`, all or none, after those of every append before. Returns when they wait for the writer; they are on the
    /// disk when the [`Durable`] says so. Those of several appends are written and synced together. Blocks while a great deal waits.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`] and [`JournalError::Unfaithful`] for records that cannot be kept; the journal goes on.
    /// [`JournalError::Poisoned`] after a write or sync has failed: what is on the disk is known when it is opened again.
    pub fn append(&self, records: &[Record]) -> Result<Durable, JournalError> {
        if records.is_empty() {
            return Ok(Durable::at_once());
        }
        self.queue.append(records, frame::lines(records)?)
    }

    /// Whether the last segment is long enough: time for [`Journal::roll`].
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        self.queue.segment_bytes() >= self.options.segment_bytes
    }

    /// Begins a new segment with `snapshot`: the driver's state after everything that it has appended, in bytes that only the driver
    /// understands; none when it has no state. The next start gets these bytes, and the records that come after. Then segments beyond the
    /// journal's size are removed.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`]; the journal goes on. [`JournalError::Poisoned`] as for an append.
    pub fn roll(&self, snapshot: Vec<u8>) -> Result<Durable, JournalError> {
        let (bytes, limit) = (snapshot.len(), MAX_SNAPSHOT_BYTES);
        if bytes > limit {
            return Err(JournalError::TooLarge { what: "the snapshot".into(), bytes, limit });
        }
        self.queue.roll(snapshot)
    }

    /// The number of the last record, those included that wait for the writer.
    #[must_use]
    pub fn last_record(&self) -> u64 {
        self.queue.count()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has told those who waited.
            let _ = writer.join();
        }
    }
}
