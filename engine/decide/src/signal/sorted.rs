//! The values of a window in ascending order, for quantiles.

use homeostat_policy::Millionths;

use super::samples::View;

/// Found by bisection, put in by moving the rest: for the sizes of real windows faster than any tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Sorted {
    values: Vec<f64>,
}

impl Sorted {
    pub(super) fn enter(&mut self, value: f64) {
        if self.values.len() == self.values.capacity() {
            self.values.reserve_exact((self.values.len() / 4).max(4));
        }
        self.values.insert(self.place(value), value);
    }

    pub(super) fn leave(&mut self, value: f64) {
        let place = self.place(value);
        if self.values.get(place).is_some_and(|found| found.to_bits() == value.to_bits()) {
            self.values.remove(place);
        }
    }

    pub(super) fn rebuild(&mut self, view: View<'_>) {
        self.values = view.iter().map(|sample| sample.value()).collect();
        self.values.sort_unstable_by(f64::total_cmp);
    }

    /// The value at rank `share * (n - 1)`, interpolated between its neighbours: the definition of Prometheus'
    /// `quantile_over_time`, which is type 7 of Hyndman and Fan (1996).
    pub(super) fn quantile(&self, share: Millionths) -> Option<f64> {
        let steps = u64::try_from(self.values.len()).ok()?.checked_sub(1)? * u64::from(share.0);
        let (rank, rest) = (usize::try_from(steps / 1_000_000).ok()?, u32::try_from(steps % 1_000_000).ok()?);
        let below = *self.values.get(rank)?;
        if rest == 0 {
            return Some(below);
        }
        let above = *self.values.get(rank + 1)?;
        let weight = f64::from(rest) / 1e6;
        Some(below * (1.0 - weight) + above * weight)
    }

    fn place(&self, value: f64) -> usize {
        self.values.partition_point(|other| other.total_cmp(&value).is_lt())
    }
}
