//! What became of the notifications of a channel, counted.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use homeostat_model::Timestamp;

/// The counts of a channel. They outlive it when it is started again with another configuration.
#[derive(Debug, Default)]
pub struct Tally {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    waiting: Mutex<(u64, Option<Timestamp>)>,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Notifications that have arrived.
    pub delivered: u64,
    /// Tries that have failed; each was or will be tried again.
    pub failed: u64,
    /// Notifications that were given up.
    pub given_up: u64,
    /// Notifications that wait.
    pub waiting: u64,
    /// When the oldest of those was decided.
    pub oldest: Option<Timestamp>,
}

impl Tally {
    /// The counts as they are now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let (waiting, oldest) = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        Figures {
            delivered: count(&self.delivered),
            failed: count(&self.failed),
            given_up: count(&self.given_up),
            waiting,
            oldest,
        }
    }

    pub(crate) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a notification that is not delivered any more.
    pub fn given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn waiting(&self, count: usize, oldest: Option<Timestamp>) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = (count, oldest);
    }
}
