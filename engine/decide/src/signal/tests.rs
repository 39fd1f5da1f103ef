//! Every window function agrees with a computation from scratch over all samples that were ever taken, however they came.

mod bounds;
mod naive;
mod promtool;
mod scratch;

use homeostat_model::{Duration, Timestamp};
use homeostat_policy::{Function, Millionths};

use super::{LEAD, Layout, Pushed, Series};

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
