//! Window functions, kept up as samples come and go: the half-open window (now - span, now].

use std::collections::VecDeque;

use homeostat_model::{Duration, Timestamp};
use homeostat_policy::Function;

type Samples = VecDeque<(Timestamp, f64)>;

/// Sums are made anew when a value leaves that was this much greater than what stays: it has taken digits with it.
const DOMINATES: f64 = 1e3;
/// Sums are made anew after this many subtractions beyond the window's own length, so that rounding cannot add up.
const RESUM_AFTER: usize = 64;

/// One function over one span of one series. Samples are named by their number in the series; `base` is that of the first kept.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// How many conditions read it.
    pub(crate) users: u32,
    /// Since when it is kept up: from before that, nobody can say that there was nothing.
    since: Timestamp,
    function: Function,
    span: Duration,
    /// Number of the oldest sample inside.
    start: usize,
    /// One past the number of the newest sample inside.
    end: usize,
    /// Avg: the sum of the values. Rate: the sum of the increases between neighbours.
    sum: f64,
    subtractions: usize,
    /// Min and max: numbers of samples that are not beaten by a later one, best first.
    best: VecDeque<usize>,
}

fn at(samples: &Samples, base: usize, number: usize) -> Option<(Timestamp, f64)> {
    samples.get(number.checked_sub(base)?).copied()
}

/// What a counter gained from one sample to the next; a drop means that it began again from zero.
fn increase(before: f64, after: f64) -> f64 {
    if after < before { after } else { after - before }
}

#[expect(clippy::as_conversions, reason = "a window holds far fewer than 2^53 samples")]
fn float(count: usize) -> f64 {
    count as f64
}

impl Window {
    pub(crate) fn new(function: Function, span: Duration, since: Timestamp) -> Self {
        Self { users: 0, since, function, span, start: 0, end: 0, sum: 0.0, subtractions: 0, best: VecDeque::new() }
    }

    pub(crate) fn is(&self, function: Function, span: Duration) -> bool {
        self.function == function && self.span == span
    }

    pub(crate) fn function(&self) -> Function {
        self.function
    }

    /// From when on the absence of samples means that there were none.
    pub(crate) fn knows_absence_from(&self) -> Timestamp {
        self.since + self.span
    }

    pub(crate) fn span(&self) -> Duration {
        self.span
    }

    /// Computes everything anew from the samples that are kept.
    pub(crate) fn rebuild(&mut self, samples: &Samples, base: usize) {
        self.start = base;
        self.resum(samples, base, base + samples.len());
    }

    fn resum(&mut self, samples: &Samples, base: usize, end: usize) {
        self.end = self.start;
        self.sum = 0.0;
        self.subtractions = 0;
        self.best.clear();
        while self.end < end {
            self.append(samples, base, self.end);
        }
    }

    /// Takes in the sample `number`, the next one.
    pub(crate) fn append(&mut self, samples: &Samples, base: usize, number: usize) {
        let Some((_, value)) = at(samples, base, number) else { return };
        if self.start == self.end {
            self.start = number;
        }
        match self.function {
            Function::Avg => self.sum += value,
            Function::Rate if number > self.start => {
                if let Some((_, before)) = at(samples, base, number - 1) {
                    self.sum += increase(before, value);
                }
            }
            Function::Min | Function::Max => {
                let beaten = |other: f64| if self.function == Function::Min { other >= value } else { other <= value };
                while self.best.back().and_then(|n| at(samples, base, *n)).is_some_and(|(_, other)| beaten(other)) {
                    self.best.pop_back();
                }
                self.best.push_back(number);
            }
            _ => {}
        }
        self.end = number + 1;
    }

    /// Lets go of what is no longer inside at `now`.
    pub(crate) fn expire(&mut self, samples: &Samples, base: usize, now: Timestamp) {
        if !self.function.has_window() {
            return;
        }
        while self.start < self.end {
            match at(samples, base, self.start) {
                Some((time, _)) if time + self.span <= now => self.drop_first(samples, base),
                _ => break,
            }
        }
        if self.subtractions > RESUM_AFTER + (self.end - self.start) {
            self.resum(samples, base, self.end);
        }
    }

    /// Lets go of the samples up to `number`, which are about to be forgotten.
    pub(crate) fn drop_through(&mut self, samples: &Samples, base: usize, number: usize) {
        while self.start <= number && self.start < self.end {
            self.drop_first(samples, base);
        }
    }

    fn drop_first(&mut self, samples: &Samples, base: usize) {
        let first = at(samples, base, self.start).map(|(_, value)| value);
        match (self.function, first) {
            (Function::Avg, Some(value)) => self.subtract(value),
            (Function::Rate, Some(value)) if self.start + 1 < self.end => {
                if let Some((_, after)) = at(samples, base, self.start + 1) {
                    self.subtract(increase(value, after));
                }
            }
            (Function::Min | Function::Max, _) if self.best.front() == Some(&self.start) => {
                self.best.pop_front();
            }
            _ => {}
        }
        self.subtractions += 1;
        self.start += 1;
        if self.start == self.end {
            self.sum = 0.0;
            self.subtractions = 0;
        }
    }

    fn subtract(&mut self, value: f64) {
        self.sum -= value;
        if value.abs() > DOMINATES * self.sum.abs() {
            self.subtractions = usize::MAX / 2;
        }
    }

    /// The function's value over what is inside; `None` when that is not enough.
    pub(crate) fn value(&self, samples: &Samples, base: usize) -> Option<f64> {
        let count = self.end - self.start;
        match self.function {
            Function::Last => samples.back().map(|(_, value)| *value),
            Function::Avg if count > 0 => Some(self.sum / float(count)),
            Function::Min | Function::Max => {
                self.best.front().and_then(|n| at(samples, base, *n)).map(|(_, value)| value)
            }
            Function::Rate if count > 1 => {
                let (begin, _) = at(samples, base, self.start)?;
                let (end, _) = at(samples, base, self.end - 1)?;
                Some(self.sum / end.since(begin).as_secs_f64())
            }
            _ => None,
        }
    }
}
