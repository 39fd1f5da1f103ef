//! Every window function agrees with a naive computation over all samples that were ever taken.

use proptest::prelude::*;

use super::*;

const FUNCTIONS: [Function; 6] = Function::ALL;
const SPAN: Duration = Duration::from_secs(60);

/// The function over the samples in (now - span, now], computed from scratch.
fn naive(function: Function, taken: &[(Timestamp, f64)], now: Timestamp, stale_after: Duration) -> Option<Value> {
    let mut all = taken.to_vec();
    all.sort_by_key(|(time, _)| *time);
    let inside: Vec<(Timestamp, f64)> = all.iter().copied().filter(|(time, _)| *time + SPAN > now).collect();
    if function == Function::Absent {
        return Some(Value::Bool(inside.is_empty()));
    }
    if all.last().is_none_or(|(newest, _)| *newest + stale_after <= now) {
        return None;
    }
    let values = || inside.iter().map(|(_, value)| *value);
    let number = match function {
        Function::Last => all.last().map(|(_, value)| *value),
        Function::Avg => (!inside.is_empty()).then(|| values().sum::<f64>() / values().map(|_| 1.0).sum::<f64>()),
        Function::Min => values().reduce(f64::min),
        Function::Max => values().reduce(f64::max),
        Function::Rate => (inside.len() > 1).then(|| {
            let gained: f64 = inside
                .windows(2)
                .map(|pair| if pair[1].1 < pair[0].1 { pair[1].1 } else { pair[1].1 - pair[0].1 })
                .sum();
            gained / inside[inside.len() - 1].0.since(inside[0].0).as_secs_f64()
        }),
        Function::Absent => None,
    };
    number.map(Value::Number)
}

/// Equal but for rounding, which is relative to the greatest value inside the window.
fn same(a: &Option<Value>, b: &Option<Value>, greatest: f64) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => (a - b).abs() <= 1e-9 * greatest.max(1.0),
        _ => a == b,
    }
}

proptest! {
    /// Samples come with gaps, late and twice at one time; the windows are read at any moment.
    #[test]
    fn windows_agree_with_a_naive_computation(
        steps in prop::collection::vec((0_u64..40_000, 0_u64..90_000, -1000_i32..1000, any::<bool>()), 1..200),
        stale_after in 1_u64..200_000,
    ) {
        let stale_after = Duration::from_millis(stale_after);
        let mut series = Series::default();
        let windows: Vec<usize> = FUNCTIONS.iter().map(|function| {
            series.window(*function, if function.has_window() { SPAN } else { Duration::ZERO }, Timestamp::MIN)
        }).collect();
        let mut now = Timestamp::from_millis(1_000_000);
        let mut taken: Vec<(Timestamp, f64)> = Vec::new();
        for (passed, lateness, value, late) in steps {
            now = now + Duration::from_millis(passed);
            let time = if late { now - Duration::from_millis(lateness) } else { now };
            // Now and then something far greater than the rest, which must not leave a trace in later sums.
            let value = f64::from(value) / 8.0 * if value % 40 == 0 { 1e14 } else { 1.0 };
            if series.push(time, value) == Pushed::Taken {
                taken.retain(|(other, _)| *other != time);
                taken.push((time, value));
            }
            for (function, window) in FUNCTIONS.iter().zip(&windows) {
                let (got, _) = series.value(*window, now, stale_after);
                let expected = naive(*function, &taken, now, stale_after);
                let inside = taken.iter().filter(|(time, _)| *time + SPAN > now);
                let greatest = inside.map(|(_, value)| value.abs()).fold(0.0, f64::max);
                prop_assert!(same(&got, &expected, greatest), "{function:?} at {now:?}: {got:?}, expected {expected:?}");
            }
        }
    }

    /// The next change by time alone is announced: until then the value stays, without it coming to be stale unseen.
    #[test]
    fn staleness_is_announced(age in 0_u64..100_000, stale_after in 1_u64..100_000) {
        let stale_after = Duration::from_millis(stale_after);
        let mut series = Series::default();
        let last = series.window(Function::Last, Duration::ZERO, Timestamp::MIN);
        let taken = Timestamp::from_millis(0);
        series.push(taken, 1.0);
        let now = taken + Duration::from_millis(age);
        let (value, until) = series.value(last, now, stale_after);
        prop_assert_eq!(value.is_some(), until.is_some());
        if let Some(until) = until {
            prop_assert_eq!(until, taken + stale_after);
            prop_assert_eq!(series.value(last, until, stale_after).0, None);
        }
    }
}

#[test]
fn a_released_window_makes_room_and_keeps_the_others() {
    let mut series = Series::default();
    let avg = series.window(Function::Avg, SPAN, Timestamp::MIN);
    let max = series.window(Function::Max, SPAN, Timestamp::MIN);
    series.push(Timestamp::from_millis(0), 3.0);
    series.release(avg);
    let min = series.window(Function::Min, SPAN, Timestamp::MIN);
    assert_eq!(min, avg, "the place is used again");
    series.push(Timestamp::from_millis(1), 1.0);
    let at = |series: &mut Series, window| series.value(window, Timestamp::from_millis(2), SPAN).0;
    assert_eq!((at(&mut series, min), at(&mut series, max)), (Some(Value::Number(1.0)), Some(Value::Number(3.0))));
}

#[test]
fn absence_is_known_only_once_it_was_looked_for_long_enough() {
    let mut series = Series::default();
    let start = Timestamp::from_millis(0);
    let absent = series.window(Function::Absent, SPAN, start);
    let before = start + Duration::from_millis(SPAN.as_millis() - 1);
    assert_eq!(series.value(absent, before, SPAN), (None, Some(start + SPAN)));
    assert_eq!(series.value(absent, start + SPAN, SPAN), (Some(Value::Bool(true)), None));
}

#[test]
fn a_series_is_bounded() {
    let mut series = Series::default();
    let avg = series.window(Function::Avg, Duration::from_secs(1_000_000), Timestamp::MIN);
    for number in 0..i64::try_from(MAX_SAMPLES).unwrap() + 100 {
        series.push(Timestamp::from_millis(number), 1.0);
    }
    assert!(series.samples.len() <= MAX_SAMPLES);
    assert_eq!(series.value(avg, Timestamp::from_millis(70_000), SPAN).0, Some(Value::Number(1.0)));
}
