//! The baseline: the same windows and thresholds as a programmer writes them who needs exactly these, without any policy.

use std::collections::VecDeque;

use homeostat_model::{Duration, MetricName, ResourceId, Sample};
use rustc_hash::FxHashMap;

use super::fleet::{Condition, Fleet, Window};

const LONG: Duration = Duration::from_mins(5);
const SHORT: Duration = Duration::from_mins(1);

/// Windows over every series, and what each condition said last.
#[derive(Debug)]
pub(super) struct ByHand {
    resources: FxHashMap<ResourceId, usize>,
    metrics: FxHashMap<MetricName, usize>,
    series: Vec<Series>,
    conditions: Vec<Condition>,
    /// What was decided, as somebody would have to read it: series, condition, and whether it holds now.
    decided: Vec<(usize, usize, bool)>,
}

#[derive(Debug)]
struct Series {
    long: Average,
    short: Average,
    /// Those that no later sample exceeds, the greatest first.
    maxima: VecDeque<(i64, f64)>,
    open: Vec<bool>,
}

/// A sum that is kept up, of the samples that are still in the window.
#[derive(Debug, Default)]
struct Average {
    samples: VecDeque<(i64, f64)>,
    sum: f64,
}

impl ByHand {
    /// Nothing is known of any series yet.
    pub(super) fn new(fleet: Fleet, names: &(Vec<ResourceId>, Vec<MetricName>)) -> Self {
        let conditions = fleet.conditions();
        let series = || Series {
            long: Average::default(),
            short: Average::default(),
            maxima: VecDeque::new(),
            open: vec![false; conditions.len()],
        };
        Self {
            resources: names.0.iter().cloned().zip(0..).collect(),
            metrics: names.1.iter().cloned().zip(0..).collect(),
            series: (0..fleet.samples()).map(|_| series()).collect(),
            conditions,
            decided: Vec::new(),
        }
    }

    /// Takes in samples. Gives how many conditions begin or cease to hold.
    pub(super) fn take_in(&mut self, samples: Vec<Sample>) -> u64 {
        let mut changes = 0;
        for sample in samples {
            self.take_one(&sample);
            changes += self.decided.drain(..).map(|_| 1).sum::<u64>();
        }
        changes
    }

    /// Takes in one sample.
    pub(super) fn take_one(&mut self, sample: &Sample) {
        let (Some(resource), Some(metric)) = (self.resources.get(&sample.resource), self.metrics.get(&sample.metric))
        else {
            return;
        };
        let index = resource * self.metrics.len() + metric;
        let Some(series) = self.series.get_mut(index) else { return };
        let (time, value) = (sample.time.as_millis(), sample.value);
        let long = series.long.push(time, value, LONG);
        let short = series.short.push(time, value, SHORT);
        let maximum = push_maximum(&mut series.maxima, time, value);
        for (number, (condition, open)) in self.conditions.iter().zip(&mut series.open).enumerate() {
            let now = match condition.window {
                Window::Last => value,
                Window::Average5m => long,
                Window::Maximum5m => maximum,
                Window::Average1m => short,
            } > condition.above;
            if now != *open {
                *open = now;
                self.decided.push((index, number, now));
            }
        }
    }
}

impl Average {
    fn push(&mut self, time: i64, value: f64, window: Duration) -> f64 {
        self.samples.push_back((time, value));
        self.sum += value;
        let begin = time.saturating_sub_unsigned(window.as_millis());
        while let Some((_, old)) = self.samples.pop_front_if(|(at, _)| *at <= begin) {
            self.sum -= old;
        }
        self.sum / f64::from(u32::try_from(self.samples.len()).unwrap_or(u32::MAX))
    }
}

fn push_maximum(maxima: &mut VecDeque<(i64, f64)>, time: i64, value: f64) -> f64 {
    while maxima.pop_back_if(|(_, smaller)| *smaller <= value).is_some() {}
    maxima.push_back((time, value));
    let begin = time.saturating_sub_unsigned(LONG.as_millis());
    while maxima.pop_front_if(|(at, _)| *at <= begin).is_some() {}
    maxima.front().map_or(value, |(_, greatest)| *greatest)
}
