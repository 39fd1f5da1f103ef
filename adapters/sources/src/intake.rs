//! What became of what came in: counted for each source, for `/metrics`.
//!
//! An item is an alert, an event, a line or a sample, or a request that was refused before its items were looked at.
//! received = taken + repeated + the refused of all reasons: each item is counted when it is known what became of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It cannot be read, or says something that cannot be.
    Malformed,
    /// It is of a form that is not read: another media type, another method.
    Unsupported,
    /// It does not say which resource it is about, or names one that cannot be.
    Unplaced,
    /// It is larger than allowed.
    TooLarge,
    /// It did not arrive in time.
    Late,
    /// It may have been answered before the program started.
    Stale,
    /// Its sender did not show the token.
    Unauthorized,
    /// There was no room; the sender is asked to come again.
    Busy,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Unsupported,
        Self::Unplaced,
        Self::TooLarge,
        Self::Late,
        Self::Stale,
        Self::Unauthorized,
        Self::Busy,
    ];

    /// The word for it in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Unplaced => "unplaced",
            Self::TooLarge => "too_large",
            Self::Late => "late",
            Self::Stale => "stale",
            Self::Unauthorized => "unauthorized",
            Self::Busy => "busy",
        }
    }
}

/// The counts of one source.
#[derive(Debug, Default)]
pub struct Intake {
    taken: AtomicU64,
    repeated: AtomicU64,
    forgotten: AtomicU64,
    malformed: AtomicU64,
    unsupported: AtomicU64,
    unplaced: AtomicU64,
    too_large: AtomicU64,
    late: AtomicU64,
    stale: AtomicU64,
    unauthorized: AtomicU64,
    busy: AtomicU64,
}

impl Intake {
    /// Items that came in.
    #[must_use]
    pub fn received(&self) -> u64 {
        let refused = Reason::ALL.into_iter().map(|reason| self.refused(reason));
        refused.fold(self.taken().wrapping_add(self.repeated()), u64::wrapping_add)
    }

    /// Items that were sent on.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Items that had been taken before.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Items that were taken and are no longer remembered, for want of space: if they come again, they are taken again.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Items that were refused for `reason`.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.of(reason).load(Ordering::Relaxed)
    }

    pub(crate) fn took(&self, items: u64) {
        self.taken.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn repeat(&self, items: u64) {
        self.repeated.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn forget(&self, items: u64) {
        self.forgotten.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, reason: Reason, items: u64) {
        self.of(reason).fetch_add(items, Ordering::Relaxed);
    }

    fn of(&self, reason: Reason) -> &AtomicU64 {
        match reason {
            Reason::Malformed => &self.malformed,
            Reason::Unsupported => &self.unsupported,
            Reason::Unplaced => &self.unplaced,
            Reason::TooLarge => &self.too_large,
            Reason::Late => &self.late,
            Reason::Stale => &self.stale,
            Reason::Unauthorized => &self.unauthorized,
            Reason::Busy => &self.busy,
        }
    }
}
