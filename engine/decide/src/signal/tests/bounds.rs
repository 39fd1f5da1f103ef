//! How large a series gets, how long it takes, and what time and rounding do to it.

use std::mem::size_of;

use super::{
    super::{MAX_SAMPLES, samples::Sample, window::Window},
    naive::{Model, agrees},
    *,
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn one(function: Function, span: Duration) -> Layout {
    Layout::new(vec![(function, span)])
}

#[test]
fn a_series_with_one_window_is_small() {
    assert_eq!(size_of::<Sample>(), 12);
    let (series, window) = (size_of::<crate::signal::Series>(), size_of::<Window>());
    assert!(series + window <= 112, "{series} + {window}");
}

#[test]
fn the_buffer_grows_by_a_quarter_at_most_and_shrinks_again() {
    let layout = one(Function::Avg, Duration::from_mins(60));
    let mut series = Series::new(&layout, at(0));
    for second in 0..3000 {
        series.push(&layout, at(second * 1000), 1.0);
        let (len, capacity) = series.kept();
        assert!(capacity <= (len + len / 4).max(len + 4), "{capacity} for {len}");
    }
    series.advance(&layout, at(3_000_000 + 59 * MINUTE));
    assert_eq!(series.kept().0, 60 - 1);
    assert!(series.kept().1 <= 2 * (60 + 15) + 1, "{}", series.kept().1);
}

#[test]
fn no_more_is_kept_than_the_longest_window_needs() {
    let spans = Duration::from_mins(5);
    for (windows, kept) in [
        (vec![(Function::Last, Duration::ZERO)], 1),
        (vec![(Function::Last, Duration::ZERO), (Function::Absent, Duration::from_mins(30))], 1),
        (vec![(Function::Avg, spans)], 20),
        (vec![(Function::Avg, spans), (Function::Max, Duration::from_mins(1)), (Function::Absent, spans)], 20),
    ] {
        let layout = Layout::new(windows);
        let mut series = Series::new(&layout, at(0));
        for n in 1..200 {
            series.push(&layout, at(n * 15_000), 1.0);
            series.advance(&layout, at(n * 15_000));
        }
        assert_eq!(series.kept().0, kept, "{layout:?}");
    }
}

#[test]
fn without_being_read_a_series_keeps_a_minute_more_and_no_more() {
    let layout = one(Function::Sum, Duration::from_mins(5));
    let mut series = Series::new(&layout, at(0));
    for n in 1..2000 {
        series.push(&layout, at(n * 15_000), 1.0);
    }
    assert_eq!(series.kept().0, 24);
}

#[test]
fn the_oldest_go_first_when_there_are_too_many() {
    let layout = all_over(&[Duration::from_mins(7 * 24 * 60)]);
    let (mut series, mut model) = (Series::new(&layout, at(0)), Model::new(at(0)));
    let count = i64::try_from(MAX_SAMPLES).unwrap();
    for n in 0..count + 1000 {
        let value = f64::from(u32::try_from(n * 7919 % 10_007).unwrap());
        series.push(&layout, at(n * 1000), value);
        model.push(&layout, at(n * 1000), value);
    }
    let now = at((count + 999) * 1000);
    assert_eq!(series.kept().0, MAX_SAMPLES);
    assert_eq!(series.push(&layout, at(500), 1.0), Pushed::TooLate);
    series.push(&layout, now - Duration::from_millis(500), 5.0);
    model.push(&layout, now - Duration::from_millis(500), 5.0);
    assert_eq!(series.kept().0, MAX_SAMPLES);
    series.advance(&layout, now);
    let mut kept = model.clone();
    kept.seen.retain(|time, _| *time > at(1000 * 1000));
    for (place, (function, span)) in layout.windows().iter().enumerate() {
        let remembered = if *function == Function::Ewma { &model } else { &kept };
        let (value, near) = (series.value(&layout, place, now), remembered.value(*function, *span, now));
        assert!(agrees(value, near), "{function:?}: {value:?}, not {near:?}");
    }
}

#[test]
fn years_and_gaps_pass() {
    let spans = [Duration::from_mins(7 * 24 * 60), Duration::from_mins(60)];
    let layout = all_over(&spans);
    let (mut series, mut model) = (Series::new(&layout, at(0)), Model::new(at(0)));
    let mut now = 0;
    for n in 0..1500_u32 {
        now += match n % 100 {
            0 => 120 * DAY,
            1..=4 => 20 * DAY,
            _ => 50 * MINUTE,
        };
        let late = now - i64::from(n % 3) * 30 * MINUTE;
        for time in [now, late] {
            let value = f64::from(n % 13);
            assert_eq!(series.push(&layout, at(time), value), model.push(&layout, at(time), value));
        }
        series.advance(&layout, at(now));
        model.now = at(now);
        for (place, (function, span)) in layout.windows().iter().enumerate() {
            let (value, near) = (series.value(&layout, place, at(now)), model.value(*function, *span, at(now)));
            assert!(agrees(value, near), "{function:?} over {span} after {n}: {value:?}, not {near:?}");
        }
    }
}

#[test]
fn months_pass_without_a_gap() {
    let layout = all_over(&[Duration::from_mins(7 * 24 * 60), Duration::from_mins(60)]);
    let (mut series, mut model) = (Series::new(&layout, at(0)), Model::new(at(0)));
    for n in 1..7_000_u32 {
        let now = at(i64::from(n) * 20 * MINUTE);
        let value = f64::from(n * 31 % 101);
        series.push(&layout, now, value);
        model.push(&layout, now, value);
        series.advance(&layout, now);
        // The offsets run out seven days before the 49.7 of 32 bits, which is at the 3074th sample.
        if n % 500 == 0 || (3065..3085).contains(&n) {
            for (place, (function, span)) in layout.windows().iter().enumerate() {
                let (value, near) = (series.value(&layout, place, now), model.value(*function, *span, now));
                assert!(agrees(value, near), "{function:?} over {span} after {n}: {value:?}, not {near:?}");
            }
        }
    }
}

#[test]
fn what_is_as_old_as_the_longest_window_is_too_late() {
    let layout = one(Function::Avg, Duration::from_mins(5));
    let mut series = Series::new(&layout, at(0));
    series.push(&layout, at(10 * MINUTE), 1.0);
    series.advance(&layout, at(10 * MINUTE));
    assert_eq!(series.push(&layout, at(5 * MINUTE), 1.0), Pushed::TooLate);
    assert_eq!(series.push(&layout, at(5 * MINUTE + 1), 1.0), Pushed::Taken);
}

#[test]
fn rounding_does_not_add_up() {
    let layout = all_over(&[Duration::from_secs(300)]);
    let (mut series, mut model) = (Series::new(&layout, at(0)), Model::new(at(0)));
    for n in 1..100_000_i64 {
        let value = if n % 997 == 0 { 1e15 } else { 0.1 * f64::from(u32::try_from(n * 31 % 101).unwrap()) };
        series.push(&layout, at(n * 15_000), value);
        series.advance(&layout, at(n * 15_000));
        if n > 99_000 {
            model.push(&layout, at(n * 15_000), value);
        }
    }
    let now = at(99_999 * 15_000);
    // What is left of the last 1e15 is still the greatest part of the average.
    model.greatest = 1e9;
    for (place, (function, span)) in layout.windows().iter().enumerate().skip(1) {
        let (value, near) = (series.value(&layout, place, now), model.value(*function, *span, now));
        assert!(agrees(value, near), "{function:?}: {value:?}, not {near:?}");
    }
}

#[test]
fn a_bundle_of_samples_far_from_the_one_before_has_its_line() {
    let span = Duration::from_mins(7 * 24 * 60);
    let layout = Layout::new(vec![(Function::Slope, span), (Function::Predict(Duration::ZERO), span)]);
    let (mut series, mut model) = (Series::new(&layout, at(0)), Model::new(at(0)));
    let bundle = [1.0, 2.0, 0.0, 3.0, 1.0, 2.0].into_iter().zip(0..).map(|(value, n)| (6 * DAY + n, value));
    for (time, value) in std::iter::once((0, 0.0)).chain(bundle) {
        series.push(&layout, at(time), value);
        model.push(&layout, at(time), value);
    }
    for now in [at(6 * DAY + 5), at(7 * DAY), at(8 * DAY)] {
        series.advance(&layout, now);
        for (place, (function, span)) in layout.windows().iter().enumerate() {
            let (value, near) = (series.value(&layout, place, now), model.value(*function, *span, now));
            assert!(agrees(value, near), "{function:?}: {value:?}, not {near:?}");
        }
    }
}

#[test]
fn what_is_infinite_leaves_again() {
    let layout = all_over(&[Duration::from_secs(60)]);
    let mut series = Series::new(&layout, at(0));
    for n in 0..100_i64 {
        let value = if n == 10 { f64::INFINITY } else { 3.0 };
        series.push(&layout, at(n * 10_000), value);
        series.advance(&layout, at(n * 10_000));
    }
    let now = at(99 * 10_000);
    let value =
        |function| series.value(&layout, layout.position(function, Duration::from_secs(60)).unwrap(), now).unwrap();
    assert_eq!(value(Function::Avg), 3.0);
    assert_eq!(value(Function::Sum), 18.0);
    assert_eq!(value(Function::Stddev), 0.0);
    assert_eq!(value(Function::Slope), 0.0);
    assert!((value(Function::Ewma) - 3.0).abs() < 1e-12);
    assert_eq!(value(Function::Rate), 0.0);
}
