//! What became of what came in: counted for each source, for `/metrics`, and the same for all of them.
//!
//! An item is an alert, an event, a line or a sample, or a request that was refused before its items were looked at.
//! received = taken + repeated + passed over + refused: each item is counted once, when it is known what became of it.

use std::{
    collections::BTreeMap,
    iter,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::lock::lock;

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
    /// Another series is mapped to the same metric of the same resource, and is heard already.
    Ambiguous,
    /// Its time lies too far ahead of its arrival.
    Ahead,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Unsupported,
        Self::Unplaced,
        Self::TooLarge,
        Self::Late,
        Self::Stale,
        Self::Unauthorized,
        Self::Busy,
        Self::Ambiguous,
        Self::Ahead,
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
            Self::Ambiguous => "ambiguous",
            Self::Ahead => "ahead",
        }
    }
}

/// Why an item is of no use here, though nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PassedOver {
    /// No rule of the mapping applies to it, or one that drops it.
    Unmapped,
    /// It says that its series has ended.
    Ended,
    /// Its value is a NaN or infinite: nothing to decide by.
    NotFinite,
}

impl PassedOver {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unmapped, Self::Ended, Self::NotFinite];

    /// The word for it in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unmapped => "unmapped",
            Self::Ended => "ended",
            Self::NotFinite => "not_finite",
        }
    }
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Became {
    /// It was sent on.
    Taken,
    /// It had been taken before, or is a sample that was sent on and is not newer than one before.
    Repeated,
    /// It is of no use.
    PassedOver(PassedOver),
    /// It was refused.
    Refused(Reason),
}

/// Something that a source counts, and what its label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Items that came in. No label.
    Received,
    /// Items that were sent on. No label.
    Taken,
    /// Items that had been taken before, or are not newer. No label.
    Repeated,
    /// Items that were taken and are no longer remembered. No label.
    Forgotten,
    /// Items that are of no use, by [`PassedOver`].
    PassedOver,
    /// Items that were refused, by [`Reason`].
    Refused,
    /// Requests that were answered, by status; of a source that asks, by whether that worked.
    Requests,
    /// Parts of requests that are not read, by what they are.
    Ignored,
}

/// The counts of one source. They only grow, and their labels are words of the program, so that their number is bounded.
#[derive(Debug, Default)]
pub struct Intake {
    taken: AtomicU64,
    repeated: AtomicU64,
    forgotten: AtomicU64,
    passed_over: [AtomicU64; PassedOver::ALL.len()],
    refused: [AtomicU64; Reason::ALL.len()],
    /// One entry a request: that of items is in the numbers above, which nobody waits for.
    rest: Mutex<BTreeMap<(Counted, &'static str), u64>>,
}

impl Intake {
    /// Items that came in.
    #[must_use]
    pub fn received(&self) -> u64 {
        let all = self.passed_over.iter().chain(&self.refused).chain([&self.taken, &self.repeated]);
        all.map(|count| count.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    /// Items that were sent on.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Items that had been taken before; of samples, those that were sent on and are not newer than one before.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Items that were taken and are no longer remembered, for want of space: if they come again, they are taken again.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Items that are of no use.
    #[must_use]
    pub fn passed_over(&self, why: PassedOver) -> u64 {
        self.of(Became::PassedOver(why)).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Items that were refused for `reason`.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.of(Became::Refused(reason)).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// All counts with their labels; those of requests only where there were some.
    #[must_use]
    pub fn all(&self) -> Vec<(Counted, &'static str, u64)> {
        let whole = [
            (Counted::Received, self.received()),
            (Counted::Taken, self.taken()),
            (Counted::Repeated, self.repeated()),
            (Counted::Forgotten, self.forgotten()),
        ];
        let whole = whole.into_iter().map(|(counted, count)| (counted, "", count));
        let passed = PassedOver::ALL.into_iter().map(|why| (Counted::PassedOver, why.as_str(), self.passed_over(why)));
        let refused = Reason::ALL.into_iter().map(|reason| (Counted::Refused, reason.as_str(), self.refused(reason)));
        let rest = lock(&self.rest).clone().into_iter().map(|((counted, label), count)| (counted, label, count));
        whole.chain(passed).chain(refused).chain(rest).collect()
    }

    /// Counts what became of so many items.
    pub(crate) fn count(&self, became: Became, items: u64) {
        if let Some(count) = self.of(became) {
            count.fetch_add(items, Ordering::Relaxed);
        }
    }

    pub(crate) fn took(&self, items: u64) {
        self.count(Became::Taken, items);
    }

    pub(crate) fn repeat(&self, items: u64) {
        self.count(Became::Repeated, items);
    }

    pub(crate) fn forget(&self, items: u64) {
        self.forgotten.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, reason: Reason, items: u64) {
        self.count(Became::Refused(reason), items);
    }

    /// Counts a request by how it ended.
    pub(crate) fn request(&self, status: &'static str) {
        *lock(&self.rest).entry((Counted::Requests, status)).or_default() += 1;
    }

    /// Counts parts of a request that are not read.
    pub(crate) fn ignore(&self, what: &'static str, parts: u64) {
        *lock(&self.rest).entry((Counted::Ignored, what)).or_default() += parts;
    }

    fn of(&self, became: Became) -> Option<&AtomicU64> {
        match became {
            Became::Taken => Some(&self.taken),
            Became::Repeated => Some(&self.repeated),
            Became::PassedOver(why) => of(&PassedOver::ALL, why, &self.passed_over),
            Became::Refused(reason) => of(&Reason::ALL, reason, &self.refused),
        }
    }
}

/// The count at the place that `one` has among `all`.
fn of<'a, T: PartialEq + Copy>(all: &[T], one: T, counts: &'a [AtomicU64]) -> Option<&'a AtomicU64> {
    iter::zip(all, counts).find(|(listed, _)| **listed == one).map(|(_, count)| count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_is_the_sum_of_what_became_of_it() {
        let intake = Intake::default();
        let all = [Became::Taken, Became::Repeated].into_iter();
        let all = all.chain(PassedOver::ALL.map(Became::PassedOver)).chain(Reason::ALL.map(Became::Refused));
        let mut sum = 0;
        for (became, items) in all.zip(1..) {
            intake.count(became, items);
            sum += items;
            assert_eq!(intake.received(), sum, "{became:?} has a count of its own");
        }
        intake.forget(7);
        intake.request("204");
        intake.ignore("exemplars", 3);
        assert_eq!(intake.received(), sum, "neither a request nor what is forgotten is an item");
        let labelled = |counted| intake.all().into_iter().filter(move |(of, ..)| *of == counted).collect::<Vec<_>>();
        assert_eq!(labelled(Counted::Requests), [(Counted::Requests, "204", 1)]);
        assert_eq!(labelled(Counted::Ignored), [(Counted::Ignored, "exemplars", 3)]);
        assert_eq!(labelled(Counted::Refused).len(), Reason::ALL.len());
    }
}
