//! The shared place: the data centre, the clock that drives it, and what came out of it lately.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use homeostat_model::{AdapterName, Observation, Resource, Timestamp};
use homeostat_port::Clock;
use tokio::sync::watch;

use super::fault::Faults;
use crate::{DataCentre, Seen};

/// Observations kept for those who are behind: one sampling of the largest data centre (five metrics of 10,000
/// resources), and room for the events meanwhile. Beyond it an observer gets a snapshot.
const MAX_KEPT: usize = 65_536;

/// Observations handed over at once, so that the lock is held shortly and a stop is noticed soon.
const BATCH: usize = 1_024;

#[derive(Debug)]
pub(super) struct Site {
    name: AdapterName,
    clock: Clock,
    inner: Mutex<Inner>,
    faults: Mutex<Faults>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    centre: DataCentre,
    kept: VecDeque<Observation>,
    /// The number of the first observation kept.
    first: u64,
    /// Up to where some observer has handed over everything.
    delivered: u64,
}

/// What an observer gets, and when there will be more at the latest.
pub(super) enum Batch {
    /// What came since its last.
    New(Vec<Observation>, Timestamp),
    /// A part is no longer kept: everything as it is now, instead.
    TooFarBehind(Vec<Resource>, Timestamp),
}

impl Site {
    pub(super) fn new(centre: DataCentre, clock: Clock) -> Self {
        let name = centre.adapter().clone();
        let inner = Inner { centre, kept: VecDeque::new(), first: 0, delivered: 0 };
        Self { name, clock, inner: Mutex::new(inner), faults: Mutex::default(), changes: watch::Sender::new(0) }
    }

    pub(super) fn name(&self) -> &AdapterName {
        &self.name
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Tells whenever something came out.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the data centre at the time of the clock, and keeps what came out before and because of it.
    pub(super) fn with<T>(&self, deed: impl FnOnce(&mut DataCentre) -> T) -> T {
        self.locked(|inner| deed(&mut inner.centre))
    }

    /// Everything as it is now; the events that nobody has been told of yet; and the cursor of what comes next.
    pub(super) fn join(&self) -> (Vec<Resource>, Vec<Observation>, u64) {
        self.locked(|inner| {
            let head = inner.head();
            let untold = inner.from(inner.delivered.max(inner.first));
            let missed = untold.filter(|observation| matches!(observation, Observation::Event(_))).cloned().collect();
            (inner.centre.snapshot(), missed, head)
        })
    }

    /// What came since `cursor`, at most a batch of it; moves the cursor on.
    pub(super) fn read(&self, cursor: &mut u64) -> Batch {
        self.locked(|inner| {
            if *cursor < inner.first {
                *cursor = inner.head();
                return Batch::TooFarBehind(inner.centre.snapshot(), inner.due());
            }
            let batch: Vec<Observation> = inner.from(*cursor).take(BATCH).cloned().collect();
            *cursor += length(batch.len());
            Batch::New(batch, inner.due())
        })
    }

    /// An observer has handed over everything before `cursor`.
    pub(super) fn delivered(&self, cursor: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.delivered = inner.delivered.max(cursor);
    }

    fn locked<T>(&self, deed: impl FnOnce(&mut Inner) -> T) -> T {
        // Nothing below panics half-way through a change; after a panic elsewhere the data centre is still consistent.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let before = inner.head();
        inner.catch_up(self.clock.now());
        let result = deed(&mut inner);
        inner.catch_up(self.clock.now());
        let head = inner.head();
        drop(inner);
        if head != before {
            self.changes.send_replace(head);
        }
        result
    }
}

impl Inner {
    fn catch_up(&mut self, now: Timestamp) {
        // Step by step, so that a long silence (a suspended machine) does not fill the memory before it is cut to size.
        loop {
            let next = self.centre.next_due().map_or(now, |due| due.min(now));
            for seen in self.centre.advance(next) {
                if let Seen::Observed { observation, .. } = seen {
                    self.keep(observation);
                }
            }
            if next >= now && self.centre.next_due().is_none_or(|due| due > now) {
                return;
            }
        }
    }

    fn keep(&mut self, observation: Observation) {
        if self.kept.len() == MAX_KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(observation);
    }

    /// The number that the next observation will have.
    fn head(&self) -> u64 {
        self.first + length(self.kept.len())
    }

    fn from(&self, cursor: u64) -> impl Iterator<Item = &Observation> {
        self.kept.iter().skip(usize::try_from(cursor.saturating_sub(self.first)).unwrap_or(usize::MAX))
    }

    fn due(&self) -> Timestamp {
        self.centre.next_due().unwrap_or(Timestamp::MAX)
    }
}

/// The length of something in memory, which always fits.
fn length(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
