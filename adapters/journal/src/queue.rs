//! What waits for the writer: appends and rolls, in the order in which they were given.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use homeostat_model::Record;

use crate::{
    JournalError,
    durable::{Durable, Promise},
    frame::{MAX_APPEND_BYTES, long},
    ledger::Ledger,
};

/// Appends that wait; who gives one more waits as well. As many as a loop gives that takes a thousand turns while a slow disk syncs, and
/// four of those.
const MAX_WAITING: usize = 4096;
/// Bytes that wait, beyond which nobody adds to them: one of the longest appends.
const MAX_WAITING_BYTES: usize = MAX_APPEND_BYTES;
/// Bytes after which a block is long enough: a sync costs as much as writing about a megabyte, so more gains nothing.
const BLOCK_BYTES: usize = 4 << 20;

/// The queue between those who append and the one who writes.
#[derive(Debug)]
pub(crate) struct Queue {
    path: PathBuf,
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<(Work, Promise)>,
    bytes: usize,
    /// As it is when everything that waits has been written.
    ledger: Ledger,
    /// The number of the last record, counted likewise.
    count: u64,
    /// Bytes of the segment that will be the last one then.
    segment_bytes: u64,
    closed: bool,
    /// Why it takes no more.
    failed: Option<String>,
}

#[derive(Debug)]
enum Work {
    Append(Vec<u8>),
    Roll { ledger: Vec<u8>, snapshot: Vec<u8> },
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum Batch {
    /// Lines that become one block, and who waits for it.
    Block(Vec<u8>, Vec<Promise>),
    /// A new segment, and who waits for it.
    Roll { ledger: Vec<u8>, snapshot: Vec<u8>, promise: Promise },
}

impl Queue {
    /// An empty queue before a writer. `path` is what errors call the journal.
    pub(crate) fn new(path: PathBuf, ledger: Ledger, count: u64, segment_bytes: u64) -> Self {
        let waiting = VecDeque::new();
        let state = State { waiting, bytes: 0, ledger, count, segment_bytes, closed: false, failed: None };
        Self { path, state: Mutex::new(state), work: Condvar::new(), room: Condvar::new() }
    }

    /// Queues `records`, which are written as `lines`. Blocks while there is no room.
    pub(crate) fn append(&self, records: &[Record], lines: Vec<u8>) -> Result<Durable, JournalError> {
        let mut state = self.with_room(lines.len())?;
        records.iter().for_each(|record| state.ledger.apply(record));
        state.count = state.count.saturating_add(long(records.len()));
        state.segment_bytes = state.segment_bytes.saturating_add(long(lines.len()));
        Ok(self.add(state, Work::Append(lines)))
    }

    /// Queues the beginning of a new segment after everything that waits.
    pub(crate) fn roll(&self, snapshot: Vec<u8>) -> Result<Durable, JournalError> {
        let mut state = self.with_room(snapshot.len())?;
        let ledger = state.ledger.to_json().map_err(|error| JournalError::Poisoned {
            path: self.path.clone(),
            why: format!("the state of plans cannot be written: {error}"),
        })?;
        state.segment_bytes = 0;
        Ok(self.add(state, Work::Roll { ledger, snapshot }))
    }

    /// The number of the last record, those that wait included.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Bytes of the last segment, those that wait included.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.lock().segment_bytes
    }

    /// Nothing more will be given; the writer ends when nothing waits.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    /// The next thing to do; blocks until there is one. `None` after [`Queue::close`].
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.closed {
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut block = Vec::new();
        let mut promises = Vec::new();
        while let Some((work, promise)) = state.waiting.pop_front() {
            match work {
                Work::Roll { ledger, snapshot } if promises.is_empty() => {
                    state.bytes = state.bytes.saturating_sub(snapshot.len());
                    self.room.notify_all();
                    return Some(Batch::Roll { ledger, snapshot, promise });
                }
                Work::Append(lines) if block.len() + lines.len() <= BLOCK_BYTES || promises.is_empty() => {
                    state.bytes = state.bytes.saturating_sub(lines.len());
                    if block.is_empty() {
                        block = lines
                    } else {
                        block.extend(lines)
                    }
                    promises.push(promise);
                }
                work => {
                    state.waiting.push_front((work, promise));
                    break;
                }
            }
        }
        self.room.notify_all();
        (!promises.is_empty()).then_some(Batch::Block(block, promises))
    }

    /// Takes no more, and tells those who wait.
    pub(crate) fn fail(&self, why: String) {
        let waiting = {
            let mut state = self.lock();
            state.failed = Some(why);
            std::mem::take(&mut state.waiting)
        };
        self.room.notify_all();
        for (_, promise) in waiting {
            promise.answer(Err(self.poisoned()));
        }
    }

    /// That it takes no more.
    fn poisoned(&self) -> JournalError {
        let why = self.lock().failed.clone().unwrap_or_else(|| "it was closed".into());
        JournalError::Poisoned { path: self.path.clone(), why }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_room(&self, bytes: usize) -> Result<MutexGuard<'_, State>, JournalError> {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() || state.closed {
                drop(state);
                return Err(self.poisoned());
            }
            let fits = state.waiting.len() < MAX_WAITING && state.bytes.saturating_add(bytes) <= MAX_WAITING_BYTES;
            if fits || state.waiting.is_empty() {
                return Ok(state);
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn add(&self, mut state: MutexGuard<'_, State>, work: Work) -> Durable {
        let (durable, promise) = Durable::promised();
        state.bytes = state.bytes.saturating_add(match &work {
            Work::Append(lines) => lines.len(),
            Work::Roll { snapshot, .. } => snapshot.len(),
        });
        state.waiting.push_back((work, promise));
        drop(state);
        self.work.notify_one();
        durable
    }
}
