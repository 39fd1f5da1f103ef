//! The functions as their definitions say, from a list of samples.

use std::collections::BTreeMap;

use super::*;

/// A value, and how far another may be from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub(super) value: f64,
    pub(super) tolerance: f64,
}

/// Whether `value` is what was expected; with nothing expected, whether there is none.
pub(super) fn agrees(value: Option<f64>, expected: Option<Near>) -> bool {
    match (value, expected) {
        (Some(value), Some(near)) => (value - near.value).abs() <= near.tolerance,
        (None, None) => true,
        _ => false,
    }
}

/// All that was taken, and as of when.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) seen: BTreeMap<Timestamp, f64>,
    pub(super) now: Timestamp,
    /// The greatest value ever.
    pub(super) greatest: f64,
    /// What only the averages over these half-lives remember, since another layout came.
    pub(super) carried: (Vec<Duration>, Vec<(Timestamp, f64)>),
}

impl Model {
    pub(super) fn new(since: Timestamp) -> Self {
        Self { seen: BTreeMap::new(), now: since, greatest: 0.0, carried: Default::default() }
    }

    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.seen.keys().next_back().copied()
    }

    pub(super) fn push(&mut self, layout: &Layout, time: Timestamp, value: f64) -> Pushed {
        let longest = |wanted: fn(&Function) -> bool| {
            let spans = layout.windows().iter().filter(|(function, _)| wanted(function)).map(|(_, span)| *span);
            spans.max().unwrap_or_default()
        };
        let keep = longest(|function| !matches!(function, Function::Last | Function::Absent));
        match self.newest() {
            Some(newest) if time < newest => {
                let longest = longest(|_| true);
                if longest.is_zero() || time + longest <= self.now {
                    return Pushed::TooLate;
                }
                if keep.is_zero() || time + keep <= self.now {
                    return Pushed::Taken;
                }
            }
            _ => self.now = self.now.max(time - LEAD),
        }
        self.seen.insert(time, value);
        self.greatest = self.greatest.max(value.abs());
        Pushed::Taken
    }

    pub(super) fn absent(&self, span: Duration, since: Timestamp, now: Timestamp) -> Option<bool> {
        let is_there = self.newest().is_some_and(|newest| newest > now - span);
        if is_there { Some(false) } else { (since + span <= now).then_some(true) }
    }

    pub(super) fn value(&self, function: Function, span: Duration, now: Timestamp) -> Option<Near> {
        let inside: Vec<(Timestamp, f64)> =
            self.seen.iter().map(|(time, value)| (*time, *value)).filter(|(time, _)| *time > now - span).collect();
        match function {
            Function::Last => {
                return self.seen.values().next_back().map(|value| Near { value: *value, tolerance: 0.0 });
            }
            Function::Ewma => return self.ewma(span),
            _ if inside.is_empty() => return None,
            _ => {}
        }
        let scale = inside.iter().fold(0.0_f64, |most, (_, value)| most.max(value.abs()));
        let near = |value: f64| Some(Near { value, tolerance: 1e-9 * scale });
        let exact = |value: f64| Some(Near { value, tolerance: 0.0 });
        let values = || inside.iter().map(|(_, value)| *value);
        let count = values().map(|_| 1.0).sum::<f64>();
        let mean = values().sum::<f64>() / count;
        match function {
            Function::Avg => near(mean),
            Function::Sum => Some(Near { value: mean * count, tolerance: 1e-9 * scale * count }),
            Function::Min => exact(values().fold(f64::INFINITY, f64::min)),
            Function::Max => exact(values().fold(f64::NEG_INFINITY, f64::max)),
            Function::Count => exact(count),
            Function::Changes => exact(inside.windows(2).map(|w| f64::from(u8::from(w[0].1 != w[1].1))).sum()),
            Function::Stddev => {
                let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
                Some(Near { value: variance.sqrt(), tolerance: spread_tolerance(&inside) })
            }
            Function::Quantile(share) => {
                let mut sorted: Vec<f64> = values().collect();
                sorted.sort_by(f64::total_cmp);
                near(quantile(&sorted, share.as_ratio()))
            }
            Function::Rate => increase(&inside, span, now, Gain::Counter).map(|increase| Near {
                value: increase.value / span.as_secs_f64(),
                tolerance: increase.tolerance / span.as_secs_f64(),
            }),
            Function::Increase => increase(&inside, span, now, Gain::Counter),
            Function::Delta => increase(&inside, span, now, Gain::Gauge),
            Function::Slope => line(&inside, now).map(|(_, slope)| slope),
            Function::Predict(ahead) => line(&inside, now).map(|(here, slope)| Near {
                value: here.value + slope.value * ahead.as_secs_f64(),
                tolerance: here.tolerance + slope.tolerance * ahead.as_secs_f64(),
            }),
            Function::Last | Function::Ewma | Function::Absent => None,
        }
    }

    /// Whether the increase over the window was another one before Prometheus 2.53.
    pub(super) fn was_extrapolated_otherwise(&self, span: Duration, now: Timestamp) -> bool {
        let inside: Vec<(Timestamp, f64)> =
            self.seen.iter().map(|(time, value)| (*time, *value)).filter(|(time, _)| *time > now - span).collect();
        let [present, before] =
            [Gain::Counter, Gain::CounterBefore].map(|gain| increase(&inside, span, now, gain).map(|near| near.value));
        present != before
    }

    fn ewma(&self, half_life: Duration) -> Option<Near> {
        let newest = self.newest()?;
        let (mut weighted, mut weights) = (0.0, 0.0);
        let (half_lives, samples) = &self.carried;
        let carried = samples.iter().filter(|_| half_lives.contains(&half_life)).map(|(time, value)| (time, value));
        for (time, value) in self.seen.iter().chain(carried) {
            let weight = (-newest.since(*time).as_secs_f64() / half_life.as_secs_f64()).exp2();
            weighted += weight * value;
            weights += weight;
        }
        Some(Near { value: weighted / weights, tolerance: 1e-9 * self.greatest })
    }
}

/// Of the mean square deviation and of all that is made of it: small against what the values differ by.
fn spread_tolerance(inside: &[(Timestamp, f64)]) -> f64 {
    let values = || inside.iter().map(|(_, value)| *value);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    1e-9 * (most - least) + 1e-13 * least.abs().max(most.abs())
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let mut rank = share;
    rank *= sorted[1..].iter().map(|_| 1.0).sum::<f64>();
    let mut below = 0;
    while rank >= 1.0 {
        rank -= 1.0;
        below += 1;
    }
    let above = sorted[(below + 1).min(sorted.len() - 1)];
    sorted[below] * (1.0 - rank) + above * rank
}

/// What grows, and how it is extrapolated.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gain {
    Gauge,
    Counter,
    /// As Prometheus did it before 2.53.
    CounterBefore,
}

fn increase(inside: &[(Timestamp, f64)], span: Duration, now: Timestamp, gain: Gain) -> Option<Near> {
    let ((begin, first), (end, last)) = (*inside.first()?, *inside.last()?);
    if inside.len() < 2 {
        return None;
    }
    let mut gained = last - first;
    let mut size = first.abs() + last.abs();
    for pair in inside.windows(2) {
        if gain != Gain::Gauge && pair[1].1 < pair[0].1 {
            gained += pair[0].1;
            size += pair[0].1.abs();
        }
    }
    let seconds = |from: Timestamp, to: Timestamp| to.since(from).as_secs_f64();
    let sampled = seconds(begin, end);
    let interval = sampled / inside[1..].iter().map(|_| 1.0).sum::<f64>();
    let (mut to_start, mut to_end) = (seconds(now - span, begin), seconds(end, now));
    let since_zero = if gained > 0.0 && first >= 0.0 { sampled * (first / gained) } else { f64::INFINITY };
    if gain == Gain::CounterBefore {
        to_start = to_start.min(since_zero);
    }
    if to_start >= interval * 1.1 {
        to_start = interval / 2.0;
    }
    if gain == Gain::Counter {
        to_start = to_start.min(since_zero);
    }
    if to_end >= interval * 1.1 {
        to_end = interval / 2.0;
    }
    let factor = (sampled + to_start + to_end) / sampled;
    Some(Near { value: gained * factor, tolerance: 1e-9 * size * factor })
}

/// The line's value now, and its slope per second.
fn line(inside: &[(Timestamp, f64)], now: Timestamp) -> Option<(Near, Near)> {
    if inside.len() < 2 {
        return None;
    }
    let first = inside[0].0;
    let points: Vec<(f64, f64)> =
        inside.iter().map(|(time, value)| (time.since(first).as_secs_f64(), *value)).collect();
    let count: f64 = points.iter().map(|_| 1.0).sum();
    let mean_time = points.iter().map(|(time, _)| time).sum::<f64>() / count;
    let mean = points.iter().map(|(_, value)| value).sum::<f64>() / count;
    let squares: f64 = points.iter().map(|(time, _)| (time - mean_time).powi(2)).sum();
    let slope = points.iter().map(|(time, value)| (time - mean_time) * (value - mean)).sum::<f64>() / squares;
    let tolerance = spread_tolerance(inside);
    let slope = Near { value: slope, tolerance: tolerance / (squares / count).sqrt() };
    let ahead = if now > first { now.since(first).as_secs_f64() } else { -first.since(now).as_secs_f64() } - mean_time;
    let here = Near { value: mean + slope.value * ahead, tolerance: tolerance + slope.tolerance * ahead.abs() };
    Some((here, slope))
}
