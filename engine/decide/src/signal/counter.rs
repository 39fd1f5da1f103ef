//! What grew: differences between the ends of a window, extrapolated to its edges.
//!
//! ```text
//!   now - span                                   now
//!      |....o------o------o--x---o------o.........|      o sample   x restart of the counter from zero
//!      <-a->                             <---b---->      a, b: to the edge when that is near, else half an interval
//! ```
//!
//! The method, its threshold included, is that of Prometheus: `extrapolatedRate` in its `promql/functions.go`, as of version
//! 2.53 and later. Versions before that let a counter's zero point decide before the threshold does.

use homeostat_model::{Duration, Timestamp};

use super::{
    samples::{Sample, View, millis, number},
    total::Sum,
};

/// The edge of the window is near when it is at most this many mean intervals away: a sample may be a little late.
const NEAR: f64 = 1.1;

/// What a drop from `before` to `after` hides: the counter had come to `before`, and began again.
pub(super) fn hidden(before: Sample, after: Sample) -> Option<f64> {
    (after.value() < before.value()).then(|| before.value())
}

/// What a counter gained over the window (`now - span`, `now`]; `None` for less than two samples.
pub(super) fn increase(view: View<'_>, restarts: &Sum, span: Duration, now: Timestamp) -> Option<f64> {
    let (first, last, between) = extent(view)?;
    let gained = last.value() - first.value() + restarts.value();
    let (before, after) = to_the_edges(view, span, now)?;
    // A counter was never below zero: where it would have been zero, it began.
    let since_zero = between * (first.value() / gained);
    let before = if gained > 0.0 && first.value() >= 0.0 { before.min(since_zero) } else { before };
    Some(gained * ((between + before + after) / between))
}

/// What a gauge gained over the window (`now - span`, `now`]; `None` for less than two samples.
pub(super) fn delta(view: View<'_>, span: Duration, now: Timestamp) -> Option<f64> {
    let (first, last, between) = extent(view)?;
    let (before, after) = to_the_edges(view, span, now)?;
    Some((last.value() - first.value()) * ((between + before + after) / between))
}

/// How far to extrapolate before the first sample and after the last, in seconds. The window reaches as far as its newest
/// sample, even if that is ahead of `now`.
fn to_the_edges(view: View<'_>, span: Duration, now: Timestamp) -> Option<(f64, f64)> {
    let (first, last, between) = extent(view)?;
    let interval = between / number(view.count().checked_sub(1)?);
    let reach = |distance: Duration| {
        let distance = seconds(distance);
        if distance < interval * NEAR { distance } else { interval / 2.0 }
    };
    let before = reach(view.samples.time(first).since(now - span));
    Some((before, reach(now.since(view.samples.time(last)))))
}

/// The first and the last sample, and the seconds between them; `None` for less than two.
fn extent(view: View<'_>) -> Option<(Sample, Sample, f64)> {
    let (first, last) = (view.first()?, view.last()?);
    let between = millis(first.offset, last.offset) / 1e3;
    (between > 0.0).then_some((first, last, between))
}

/// Rounded once only, as Prometheus does, so that what lies on the threshold is on the same side of it.
fn seconds(duration: Duration) -> f64 {
    u32::try_from(duration.as_millis()).map_or_else(|_| duration.as_secs_f64(), |millis| f64::from(millis) / 1e3)
}
