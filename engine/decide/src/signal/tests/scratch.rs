//! Random streams against the naive model.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::{
    naive::{Model, agrees},
    *,
};

/// The moment at which the streams begin; a multiple of nothing.
const SINCE: i64 = 1_700_000_000_123;

/// A second or two in all, unoptimised; many more have passed once.
const CASES: u32 = 60;

/// What kind of numbers a stream has.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Small,
    /// Small differences of great numbers.
    Bytes,
    Counter,
    /// Far apart in size, now and then.
    Outliers,
    Constant,
    Steps,
}

#[derive(Debug, Clone)]
struct Move {
    what: u8,
    by: i64,
    raw: u16,
}

/// Feeds a series and the model alike.
struct Stream {
    /// From when on absence over a span can be known, where that is not from the beginning.
    looked_since: BTreeMap<Duration, Timestamp>,
    layout: Layout,
    series: Series,
    model: Model,
    shape: Shape,
    now: i64,
    level: f64,
}

impl Stream {
    fn new(layout: Layout, shape: Shape) -> Self {
        let series = Series::new(&layout, at(SINCE));
        Self {
            looked_since: BTreeMap::new(),
            layout,
            series,
            model: Model::new(at(SINCE)),
            shape,
            now: SINCE,
            level: 0.0,
        }
    }

    fn value(&mut self, raw: u16) -> f64 {
        let number = f64::from(raw);
        match self.shape {
            Shape::Small => f64::from(raw % 200) - 100.0,
            Shape::Bytes => 1e12 + f64::from(raw % 100) / 8.0,
            Shape::Counter if raw.is_multiple_of(17) => 0.0,
            Shape::Counter => f64::from(raw % 50),
            Shape::Outliers => match raw % 16 {
                0 => 1e20 * (number - 30_000.0),
                1 => number * 1e-9,
                2 => -1e9 * number,
                _ => f64::from(raw % 10),
            },
            Shape::Constant => 42.1,
            Shape::Steps => {
                if raw.is_multiple_of(32) {
                    self.level = number * 1e6;
                }
                self.level + f64::from(raw % 3)
            }
        }
    }

    fn push(&mut self, time: i64, raw: u16) {
        let mut value = self.value(raw);
        if matches!(self.shape, Shape::Counter) {
            self.level = if value == 0.0 { 0.0 } else { self.level + value };
            value = self.level;
        }
        let expected = self.model.push(&self.layout, at(time), value);
        assert_eq!(self.series.push(&self.layout, at(time), value), expected, "push of {value} at {time}");
        assert_eq!(self.series.newest(), self.model.newest());
    }

    fn step(&mut self, step: &Move) {
        let newest = self.model.newest().map_or(self.now, Timestamp::as_millis);
        // Whole seconds half of the time, so that samples lie on the edges of windows.
        let by = if step.raw.is_multiple_of(2) { step.by / 1000 * 1000 } else { step.by };
        match step.what {
            0..=9 => {
                // Now and then a bundle of samples that arrive almost together.
                self.now += if step.raw % 16 == 5 { step.by % 3 } else { by % 30_000 };
                self.push(self.now, step.raw);
            }
            10 => self.push(newest, step.raw),
            11 => self.push(newest - by % 20_000, step.raw),
            12 => self.push(newest - by % 2_000_000, step.raw),
            13 => self.push(self.now + by % 60_001, step.raw),
            14 => self.now += by % 1_500_000,
            15 => {
                let count = i64::try_from(self.model.seen.len()).unwrap().max(1);
                let again = self.model.seen.keys().nth(usize::try_from(by % count).unwrap()).copied();
                self.push(again.map_or(self.now, Timestamp::as_millis), step.raw);
            }
            16 => self.ask(self.now + by % 600_000),
            _ => self.read(),
        }
        if step.raw.is_multiple_of(4) {
            self.read();
        }
    }

    /// As of later, without going there.
    fn ask(&self, later: i64) {
        for (place, (function, span)) in self.layout.windows().iter().enumerate() {
            self.agree(self.series.peek(&self.layout, place, at(later)), *function, *span, later);
        }
    }

    fn read(&mut self) {
        let peeked: Vec<_> = (0..self.layout.windows().len())
            .map(|place| self.series.peek(&self.layout, place, at(self.now)).map(f64::to_bits))
            .collect();
        self.series.advance(&self.layout, at(self.now));
        self.model.now = self.model.now.max(at(self.now));
        for (place, (function, span)) in self.layout.windows().iter().enumerate() {
            let value = self.series.value(&self.layout, place, at(self.now));
            assert_eq!(peeked[place], value.map(f64::to_bits), "peek at {function:?} {span}");
            self.agree(value, *function, *span, self.now);
            if *function == Function::Absent {
                self.agree_on_absence(place, *span);
            }
        }
    }

    fn agree_on_absence(&self, place: usize, span: Duration) {
        let since = self.looked_since.get(&span).copied().unwrap_or(at(SINCE));
        let (absent, until) = self.series.absent(&self.layout, place, at(self.now));
        assert_eq!(absent, self.model.absent(span, since, at(self.now)), "absent {span}");
        if let Some(until) = until {
            let before = at(until.as_millis() - 1);
            assert!(until > at(self.now));
            assert_eq!(self.model.absent(span, since, before), absent, "just before {until:?}");
            assert_ne!(self.model.absent(span, since, until), absent, "at {until:?}");
        } else {
            assert_eq!(absent, Some(true));
        }
    }

    fn agree(&self, value: Option<f64>, function: Function, span: Duration, now: i64) {
        let expected = self.model.value(function, span, at(now));
        assert!(agrees(value, expected), "{function:?} over {span} at {now}: {value:?}, not {expected:?}");
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    use Shape::*;
    prop_oneof![Just(Small), Just(Bytes), Just(Counter), Just(Outliers), Just(Constant), Just(Steps)]
}

fn moves(most: usize) -> impl Strategy<Value = Vec<Move>> {
    vec((0..20_u8, 0..i64::from(u32::MAX), any::<u16>()).prop_map(|(what, by, raw)| Move { what, by, raw }), 1..most)
}

fn spans() -> impl Strategy<Value = Vec<Duration>> {
    let span = prop_oneof![(1..40_u64).prop_map(|n| n * 15_000), 1..900_000_u64];
    // Each once: a layout has no window twice.
    vec(span.prop_map(Duration::from_millis), 1..4).prop_map(|mut spans| {
        spans.sort_unstable();
        spans.dedup();
        spans
    })
}

/// Some of the windows of a full layout.
fn some(spans: &[Duration], mask: u64) -> Layout {
    let all = all_over(spans);
    let mut place = 0;
    Layout::new(
        all.windows()
            .iter()
            .copied()
            .filter(|_| {
                place += 1;
                mask >> (place % 64) & 1 == 1
            })
            .collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn every_function_agrees_with_a_computation_from_scratch(
        shape in shape(), spans in spans(), moves in moves(150),
    ) {
        let mut stream = Stream::new(all_over(&spans), shape);
        for step in &moves {
            stream.step(step);
        }
        stream.read();
    }

    #[test]
    fn few_windows_are_enough_for_themselves(
        shape in shape(), spans in spans(), mask in any::<u64>(), moves in moves(100),
    ) {
        let mut stream = Stream::new(some(&spans, mask), shape);
        for step in &moves {
            stream.step(step);
        }
        stream.read();
    }

    #[test]
    fn another_layout_keeps_what_is_equal_and_fills_the_rest_from_what_is_kept(
        shape in shape(), spans in spans(), masks in any::<(u64, u64)>(), before in moves(60), after in moves(60),
    ) {
        let (old, new) = (some(&spans, masks.0), some(&spans, masks.1));
        let mut stream = Stream::new(old.clone(), shape);
        for step in &before {
            stream.step(step);
        }
        stream.read();
        let now = stream.now;
        let bits = |stream: &Stream, place| stream.series.value(&stream.layout, place, at(now)).map(f64::to_bits);
        let kept_values: Vec<_> = (0..old.windows().len()).map(|place| bits(&stream, place)).collect();
        let newest = stream.model.newest();
        let is_kept = |time: &Timestamp| Some(*time) == newest || *time > at(now) - old.keep();
        let half_lives = |layout: &Layout| -> Vec<Duration> {
            layout.windows().iter().filter(|window| window.0 == Function::Ewma).map(|window| window.1).collect()
        };
        let carried = half_lives(&old).into_iter().filter(|span| half_lives(&new).contains(span)).collect();
        let gone = stream.model.seen.iter().filter(|(time, _)| !is_kept(time)).map(|(time, value)| (*time, *value));
        stream.model.carried = (carried, gone.collect());
        stream.model.seen.retain(|time, _| is_kept(time));
        stream.series = stream.series.relayout(&old, &new, at(now));
        stream.layout = new.clone();
        let absent = |layout: &Layout, span| layout.position(Function::Absent, span).is_some();
        for (_, span) in new.windows() {
            if absent(&new, *span) && !absent(&old, *span) {
                stream.looked_since.insert(*span, at(now));
            }
        }
        for (place, (function, span)) in new.windows().iter().enumerate() {
            let value = stream.series.value(&new, place, at(now));
            if let Some(same) = old.position(*function, *span) {
                let (before, after) = (kept_values[same].map(f64::from_bits), value);
                // Samples that nobody needs any more are forgotten with a layout: that may cost the last digits.
                let near = |before: f64, after: f64| (before - after).abs() <= 1e-9 * before.abs().max(1e-9);
                let same = match (before, after) {
                    (Some(before), Some(after)) => near(before, after),
                    (before, after) => before == after,
                };
                prop_assert!(same, "{:?} over {}: {:?}, then {:?}", function, span, before, after);
            } else {
                stream.agree(value, *function, *span, now);
            }
        }
        for step in &after {
            stream.step(step);
        }
        stream.read();
    }
}
