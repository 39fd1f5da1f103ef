//! How values are spread, and the straight line through them: sums of first and second powers about an origin near their mean.
//!
//! Second powers lose digits when the mean is far from the origin compared with the deviation, so the origin moves after the
//! values: the sums are made anew about the present mean when it is [`OFF_CENTRE`] deviations away. That needs more than one
//! value to come or go, so it is rare.

use super::{
    samples::{Sample, View, number},
    total::{Guard, Total},
};

/// The square of 100 deviations: it costs four of sixteen digits.
const OFF_CENTRE: f64 = 1e4;

/// The first two moments about an origin.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    origin: f64,
    first: Total,
    second: Total,
}

impl Moments {
    fn about(origin: f64) -> Self {
        Self { origin: if origin.is_finite() { origin } else { 0.0 }, ..Self::default() }
    }

    fn add(&mut self, value: f64) {
        let from_origin = value - self.origin;
        self.first.add(from_origin);
        self.second.add(from_origin * from_origin);
    }

    fn subtract(&mut self, value: f64) {
        let from_origin = value - self.origin;
        self.first.add(-from_origin);
        self.second.add(-(from_origin * from_origin));
    }

    fn is_off_centre(&self, count: usize) -> bool {
        let first = self.first.value();
        number(count) * self.second.value() < first * first * (1.0 + 1.0 / OFF_CENTRE)
    }

    /// The sum of squares about the mean.
    fn squares(&self, count: usize) -> f64 {
        let first = self.first.value();
        (self.second.value() - first * first / number(count)).max(0.0)
    }

    /// The mean less the origin.
    fn mean(&self, count: usize) -> f64 {
        self.first.value() / number(count)
    }
}

/// The mean of `values`, or exactly their common value.
fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut count) = (Total::default(), 0);
    let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        total.add(value);
        count += 1;
        (least, greatest) = (least.min(value), greatest.max(value));
    }
    if least < greatest { total.value() / number(count) } else { least }
}

/// The standard deviation of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    values: Moments,
    guard: Guard,
}

impl Spread {
    pub(super) fn new() -> Self {
        Self { values: Moments::default(), guard: Guard::new(0) }
    }

    pub(super) fn add(&mut self, sample: Sample) {
        self.values.add(sample.value());
        self.guard.enter(sample.offset, (sample.value() - self.values.origin).abs());
    }

    pub(super) fn subtract(&mut self, sample: Sample) {
        self.values.subtract(sample.value());
        self.guard.leave(sample.offset);
    }

    pub(super) fn is_spent(&self, count: usize) -> bool {
        self.guard.is_spent() || self.values.is_off_centre(count)
    }

    pub(super) fn rebuild(&mut self, view: View<'_>) {
        let values = Moments::about(middle(view.iter().map(Sample::value)));
        *self = Self { values, guard: Guard::new(view.count()) };
        for sample in view.iter() {
            self.add(sample);
        }
    }

    /// Of the population, as Prometheus' `stddev_over_time`.
    pub(super) fn deviation(&self, count: usize) -> f64 {
        (self.values.squares(count) / number(count)).sqrt()
    }
}

/// The line through a window that leaves the least squares, as Prometheus' `deriv` and `predict_linear`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Of the offsets, in milliseconds.
    times: Moments,
    values: Moments,
    cross: Total,
    guard: Guard,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { times: Moments::default(), values: Moments::default(), cross: Total::default(), guard: Guard::new(0) }
    }

    pub(super) fn add(&mut self, sample: Sample) {
        let (time, value) = (f64::from(sample.offset), sample.value());
        self.times.add(time);
        self.values.add(value);
        self.cross.add((time - self.times.origin) * (value - self.values.origin));
        self.guard.enter(sample.offset, (value - self.values.origin).abs());
    }

    pub(super) fn subtract(&mut self, sample: Sample) {
        let (time, value) = (f64::from(sample.offset), sample.value());
        self.times.subtract(time);
        self.values.subtract(value);
        self.cross.add(-((time - self.times.origin) * (value - self.values.origin)));
        self.guard.leave(sample.offset);
    }

    pub(super) fn is_spent(&self, count: usize) -> bool {
        self.guard.is_spent() || self.values.is_off_centre(count) || self.times.is_off_centre(count)
    }

    pub(super) fn rebuild(&mut self, view: View<'_>) {
        let times = Moments::about(middle(view.iter().map(|sample| f64::from(sample.offset))));
        let values = Moments::about(middle(view.iter().map(Sample::value)));
        *self = Self { times, values, cross: Total::default(), guard: Guard::new(view.count()) };
        for sample in view.iter() {
            self.add(sample);
        }
    }

    /// Per millisecond; `None` for less than two samples.
    pub(super) fn slope(&self, count: usize) -> Option<f64> {
        let squares = self.times.squares(count);
        let together = self.cross.value() - self.times.first.value() * self.values.mean(count);
        (count > 1 && squares > 0.0).then(|| together / squares)
    }

    /// The line's value at `offset`, which may lie in the future.
    pub(super) fn at(&self, count: usize, offset: f64) -> Option<f64> {
        let from_mean = offset - self.times.origin - self.times.mean(count);
        Some(self.values.origin + (self.values.mean(count) + self.slope(count)? * from_mean))
    }
}
