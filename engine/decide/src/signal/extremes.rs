//! The smallest or the greatest value of a window: the samples that none later beats, in order, so the first is the answer.

use std::collections::VecDeque;

use super::samples::{Sample, View};

/// Ascending minima, or descending maxima; amortised constant work for each sample that comes in order.
#[derive(Debug, Clone)]
pub(super) struct Extremes {
    greatest: bool,
    best: VecDeque<Sample>,
}

impl Extremes {
    pub(super) fn new(greatest: bool) -> Self {
        Self { greatest, best: VecDeque::new() }
    }

    /// Whether `one` is at least as good.
    fn beats(&self, one: f64, other: f64) -> bool {
        if self.greatest { one >= other } else { one <= other }
    }

    pub(super) fn enter(&mut self, sample: Sample) {
        if self.best.back().is_some_and(|newest| newest.offset >= sample.offset) {
            return self.enter_late(sample);
        }
        while self.best.back().is_some_and(|other| self.beats(sample.value(), other.value())) {
            self.best.pop_back();
        }
        self.make_room();
        self.best.push_back(sample);
    }

    fn enter_late(&mut self, sample: Sample) {
        let mut at = self.best.partition_point(|other| other.offset < sample.offset);
        if self.best.get(at).is_some_and(|later| self.beats(later.value(), sample.value())) {
            return;
        }
        while let Some(before) = at.checked_sub(1) {
            if !self.best.get(before).is_some_and(|other| self.beats(sample.value(), other.value())) {
                break;
            }
            self.best.remove(before);
            at = before;
        }
        self.make_room();
        self.best.insert(at, sample);
    }

    fn make_room(&mut self) {
        if self.best.len() == self.best.capacity() {
            self.best.reserve_exact((self.best.len() / 4).max(4));
        }
    }

    /// The oldest sample left.
    pub(super) fn leave(&mut self, offset: u32) {
        if self.best.front().is_some_and(|first| first.offset == offset) {
            self.best.pop_front();
        }
    }

    /// Whether the sample at `offset` has a part in the answer, now or later.
    pub(super) fn holds(&self, offset: u32) -> bool {
        self.best.binary_search_by_key(&offset, |sample| sample.offset).is_ok()
    }

    pub(super) fn rebuild(&mut self, view: View<'_>) {
        self.best.clear();
        for sample in view.iter() {
            self.enter(sample);
        }
    }

    pub(super) fn value(&self) -> Option<f64> {
        self.best.front().map(|first| first.value())
    }
}
