//! Every window function agrees with a computation from scratch over all samples that were ever taken, however they came.

mod bounds;
mod naive;
mod promtool;
mod scratch;

use homeostat_model::{Duration, Timestamp};
use homeostat_policy::{Function, Millionths};

use super::{LEAD, Layout, Pushed, Window};

/// A series with its windows.
#[derive(Debug)]
struct Series {
    samples: super::Series,
    windows: Vec<Window>,
}

impl Series {
    fn new(layout: &Layout, since: Timestamp) -> Self {
        Self { samples: super::Series::new(since), windows: layout.begin(since).collect() }
    }

    fn push(&mut self, layout: &Layout, time: Timestamp, value: f64) -> Pushed {
        self.samples.push(layout, &mut self.windows, time, value)
    }

    fn advance(&mut self, layout: &Layout, now: Timestamp) {
        self.samples.advance(layout, &mut self.windows, now);
    }

    fn newest(&self) -> Option<Timestamp> {
        self.samples.newest()
    }

    fn value(&self, layout: &Layout, window: usize, now: Timestamp) -> Option<f64> {
        self.samples.value(layout, &self.windows, window, now)
    }

    fn peek(&self, layout: &Layout, window: usize, now: Timestamp) -> Option<f64> {
        self.samples.peek(layout, &self.windows, window, now)
    }

    fn absent(&self, layout: &Layout, window: usize, now: Timestamp) -> (Option<bool>, Option<Timestamp>) {
        self.samples.absent(layout, &self.windows, window, now)
    }

    fn relayout(self, old: &Layout, new: &Layout, at: Timestamp) -> Self {
        let (samples, windows) = self.samples.relayout((old, &self.windows), new, at);
        Self { samples, windows }
    }

    /// Samples that are kept, and that there is room for.
    fn kept(&self) -> (usize, usize) {
        (self.samples.samples.len(), self.samples.samples.capacity())
    }
}

/// All functions but `last` and `absent`; more than one of those with an argument.
const WINDOWED: [Function; 17] = [
    Function::Avg,
    Function::Min,
    Function::Max,
    Function::Sum,
    Function::Count,
    Function::Rate,
    Function::Increase,
    Function::Delta,
    Function::Stddev,
    Function::Quantile(Millionths(0)),
    Function::Quantile(Millionths(500_000)),
    Function::Quantile(Millionths(987_654)),
    Function::Ewma,
    Function::Slope,
    Function::Predict(Duration::ZERO),
    Function::Predict(Duration::from_mins(10)),
    Function::Changes,
];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Every function over each of the spans.
fn all_over(spans: &[Duration]) -> Layout {
    let mut windows = vec![(Function::Last, Duration::ZERO)];
    for span in spans {
        windows.push((Function::Absent, *span));
        windows.extend(WINDOWED.map(|function| (function, *span)));
    }
    Layout::new(windows)
}
