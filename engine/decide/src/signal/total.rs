//! Sums from which values are taken away again, without what rounding does to them.
//!
//! ```text
//!   +v  --> Total: high + low, about 106 bits       a value that leaves takes away exactly what it brought
//!   -v  -->
//!           Guard: how great were the values? is one of that size still inside? if not: make the sum anew
//! ```
//!
//! Invariant: the error of a guarded sum is below 1e-20 of the greatest value inside (for up to 65,536 of them).
//! Invariant: sums are made anew at most a constant number of times while a whole window of values passes.

use super::samples::number;

/// A value this much smaller than the greatest one since the sum was made still vouches for the sum: of its 32 digits, 6 are
/// taken by that, 5 by the number of values and 1 by rounding; 20 are left.
const VOUCHES: f64 = 1e-6;
/// A sum is made anew after this many values have left, and four more for each value inside. That costs a fraction of an
/// addition per value and bounds what can add up.
const RESUM_AFTER: u32 = 64;

/// A sum in twice the precision: the unevaluated sum of two floats, by the error-free addition of Knuth (The Art of Computer
/// Programming 2, 4.2.2, theorem B).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Total {
    high: f64,
    low: f64,
}

impl Total {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.high + value;
        if !sum.is_finite() {
            *self = Self { high: sum, low: 0.0 };
            return;
        }
        let added = sum - self.high;
        let error = (self.high - (sum - added)) + (value - added);
        let low = self.low + error;
        self.high = sum + low;
        self.low = low - (self.high - sum);
    }

    #[inline]
    pub(super) fn value(&self) -> f64 {
        self.high
    }

    /// Multiplies by a factor of at most one.
    pub(super) fn scale(&mut self, factor: f64) {
        self.high *= factor;
        self.low *= factor;
    }
}

/// Watches over sums: says when they have to be made anew.
///
/// It knows the greatest size since they were made (`peak`) and the newest value that came close to it (the anchor). When the
/// anchor leaves, all that is inside is so much smaller that digits may be missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    peak: f64,
    /// The offset of the anchor.
    anchor: u32,
    /// How many values may still leave.
    budget: u32,
}

impl Guard {
    /// For sums that were just made over `count` values.
    pub(super) fn new(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self { peak: 0.0, anchor: 0, budget: RESUM_AFTER.saturating_add(count.saturating_mul(4)) }
    }

    /// A value of this size was added.
    #[inline]
    pub(super) fn enter(&mut self, offset: u32, size: f64) {
        if size > self.peak {
            self.peak = size;
            self.anchor = offset;
        } else if offset > self.anchor && size >= self.peak * VOUCHES {
            self.anchor = offset;
        }
    }

    /// The value at `offset` was taken away.
    #[inline]
    pub(super) fn leave(&mut self, offset: u32) {
        self.budget = if offset == self.anchor { 0 } else { self.budget.saturating_sub(1) };
    }

    /// Whether the sums have to be made anew before they are read.
    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        self.budget == 0
    }

    /// Whether nothing infinite is inside.
    pub(super) fn is_finite(&self) -> bool {
        self.peak.is_finite()
    }
}

/// A guarded sum of one number per sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    total: Total,
    guard: Guard,
}

impl Sum {
    /// Of nothing yet; `count` are about to come.
    pub(super) fn new(count: usize) -> Self {
        Self { total: Total::default(), guard: Guard::new(count) }
    }

    #[inline]
    pub(super) fn add(&mut self, offset: u32, value: f64) {
        self.total.add(value);
        self.guard.enter(offset, value.abs());
    }

    #[inline]
    pub(super) fn subtract(&mut self, offset: u32, value: f64) {
        self.total.add(-value);
        self.guard.leave(offset);
    }

    /// Whether it has to be made anew before it is read: also after an overflow.
    pub(super) fn is_spent(&self) -> bool {
        self.guard.is_spent() || (!self.total.value().is_finite() && self.guard.is_finite())
    }

    pub(super) fn value(&self) -> f64 {
        self.total.value()
    }

    pub(super) fn mean(&self, count: usize) -> f64 {
        self.total.value() / number(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_away_what_it_brought() {
        let mut total = Total::default();
        for value in [0.1, 1e17, 0.2, -3e16, 7.0] {
            total.add(value);
        }
        for value in [1e17, -3e16, 7.0] {
            total.add(-value);
        }
        assert!((total.value() - 0.3).abs() < 1e-15, "{}", total.value());
    }

    #[test]
    fn a_sum_is_made_anew_when_only_much_smaller_values_are_left() {
        let mut sum = Sum::new(0);
        for (offset, value) in [(1, 1e20), (2, 1e3), (3, 2.0)] {
            sum.add(offset, value);
        }
        assert!(!sum.is_spent());
        sum.subtract(1, 1e20);
        assert!(sum.is_spent());
    }

    #[test]
    fn a_sum_is_not_made_anew_as_long_as_one_value_vouches_for_it() {
        let mut sum = Sum::new(0);
        for offset in 0..1000 {
            sum.add(offset, 1e6 / f64::from(offset + 1));
        }
        for offset in 0..60 {
            sum.subtract(offset, 1e6 / f64::from(offset + 1));
            assert!(!sum.is_spent(), "{offset}");
        }
    }

    #[test]
    fn after_many_values_have_left_it_is_made_anew() {
        let mut sum = Sum::new(10);
        for offset in 0..1000 {
            sum.add(offset, 1.0);
        }
        let left = (0..1000).take_while(|offset| {
            sum.subtract(*offset, 1.0);
            !sum.is_spent()
        });
        assert_eq!(left.count(), 103);
    }
}
