//! The samples that are kept of one series, packed: twelve bytes each.

use std::collections::VecDeque;

use homeostat_model::Timestamp;

/// Space for this many more samples is made at once when there are few; afterwards for a quarter of those that are there.
/// A series with one short window then wastes at most 48 bytes, and a long one a fifth of its buffer.
const LEAST_GROWTH: usize = 4;

/// One sample: when, in milliseconds after the series' base, and what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Milliseconds after the base. Two samples of a series never have the same.
    pub(super) offset: u32,
    /// The bytes of the value: a whole `f64` would be aligned to eight bytes and waste four.
    value: [u8; 8],
}

impl Sample {
    #[inline]
    pub(super) fn new(offset: u32, value: f64) -> Self {
        Self { offset, value: value.to_le_bytes() }
    }

    #[inline]
    pub(super) fn value(self) -> f64 {
        f64::from_le_bytes(self.value)
    }
}

/// Samples in the order of their time, each time once.
#[derive(Debug)]
pub(super) struct Samples {
    ring: VecDeque<Sample>,
    /// What offsets count from, in milliseconds since the epoch.
    base: i64,
}

impl Samples {
    pub(super) fn new() -> Self {
        Self { ring: VecDeque::new(), base: 0 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Sample> {
        self.ring.get(index).copied()
    }

    /// The samples from `start` on.
    pub(super) fn from(&self, start: usize) -> impl Iterator<Item = Sample> + '_ {
        self.ring.iter().skip(start).copied()
    }

    #[inline]
    pub(super) fn last(&self) -> Option<Sample> {
        self.ring.back().copied()
    }

    #[inline]
    pub(super) fn time(&self, sample: Sample) -> Timestamp {
        Timestamp::from_millis(self.base.saturating_add(i64::from(sample.offset)))
    }

    #[inline]
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.ring.front().map(|sample| self.time(*sample))
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.ring.back().map(|sample| self.time(*sample))
    }

    /// The base, as an instant.
    pub(super) fn base(&self) -> Timestamp {
        Timestamp::from_millis(self.base)
    }

    /// `time` after the base; `None` when that is out of reach: [`Samples::rebase`].
    #[inline]
    pub(super) fn offset(&self, time: Timestamp) -> Option<u32> {
        u32::try_from(time.as_millis().checked_sub(self.base)?).ok()
    }

    /// Where the sample at `offset` is, or where it would have to be put.
    pub(super) fn locate(&self, offset: u32) -> Result<usize, usize> {
        self.ring.binary_search_by_key(&offset, |sample| sample.offset)
    }

    #[inline]
    pub(super) fn insert(&mut self, index: usize, sample: Sample) {
        if self.ring.len() == self.ring.capacity() {
            self.ring.reserve_exact((self.ring.len() / 4).max(LEAST_GROWTH));
        }
        if index >= self.ring.len() {
            self.ring.push_back(sample);
        } else {
            self.ring.insert(index, sample);
        }
    }

    pub(super) fn replace(&mut self, index: usize, value: f64) {
        if let Some(sample) = self.ring.get_mut(index) {
            *sample = Sample::new(sample.offset, value);
        }
    }

    #[inline]
    pub(super) fn pop_oldest(&mut self) {
        self.ring.pop_front();
    }

    /// Gives memory back when more than half of it is unused, keeping room to grow so that it does not come and go.
    pub(super) fn shrink(&mut self) {
        let wanted = self.ring.len() + (self.ring.len() / 4).max(LEAST_GROWTH);
        if self.ring.capacity() / 2 > wanted {
            self.ring.shrink_to(wanted);
        }
    }

    /// Counts from `base` on instead. The caller has made sure that every sample is still within reach.
    pub(super) fn rebase(&mut self, base: Timestamp) {
        let shift = base.as_millis().saturating_sub(self.base);
        self.base = base.as_millis();
        for sample in &mut self.ring {
            sample.offset = u32::try_from(i64::from(sample.offset).saturating_sub(shift)).unwrap_or_default();
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

/// The samples inside a window: those from `start` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) samples: &'a Samples,
    pub(super) start: usize,
}

impl View<'_> {
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.samples.len().saturating_sub(self.start)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        self.samples.from(self.start)
    }

    #[inline]
    pub(super) fn first(&self) -> Option<Sample> {
        self.samples.get(self.start)
    }

    pub(super) fn last(&self) -> Option<Sample> {
        if self.count() > 0 { self.samples.last() } else { None }
    }

    /// The neighbours of the sample at `index`, as far as they are inside.
    pub(super) fn neighbours(&self, index: usize) -> (Option<Sample>, Option<Sample>) {
        let before = index.checked_sub(1).filter(|before| *before >= self.start);
        (before.and_then(|before| self.samples.get(before)), self.samples.get(index + 1))
    }
}

/// A count as a number to calculate with.
pub(super) fn number(count: usize) -> f64 {
    // No series keeps 2^32 samples.
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// From `earlier` to `later` in milliseconds; exact.
pub(super) fn millis(earlier: u32, later: u32) -> f64 {
    f64::from(later) - f64::from(earlier)
}
