//! The recent samples of one metric of one resource, shared by every window over them.
//!
//! Out-of-order rule: a sample older than the newest is put in its place and the windows are recomputed; one at the time
//! of another replaces it; one older than the longest window is refused. Bound: [`MAX_SAMPLES`] a series, the oldest go
//! first.

use std::collections::VecDeque;

use homeostat_model::{Duration, Timestamp, Value};
use homeostat_policy::Function;

use crate::window::Window;

/// Samples kept for one series: a seven-day window at a sample every ten seconds is 60,480.
const MAX_SAMPLES: usize = 65_536;

/// What became of a pushed sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It counts.
    Taken,
    /// It is older than anything a window looks at.
    TooLate,
}

/// Samples in the order of their time. A sample's number is its place since the beginning of the series.
#[derive(Debug, Default)]
pub(crate) struct Series {
    samples: VecDeque<(Timestamp, f64)>,
    /// The number of the first one kept.
    first: usize,
    windows: Vec<Window>,
    longest: Duration,
}

impl Series {
    /// The index of the window of `function` over `span`, made if need be and filled from the samples that are kept.
    /// It is kept up until [`Series::release`] was called as often.
    pub(crate) fn window(&mut self, function: Function, span: Duration, at: Timestamp) -> usize {
        let same = self.windows.iter().position(|window| window.users > 0 && window.is(function, span));
        let index = same.unwrap_or_else(|| {
            let mut fresh = Window::new(function, span, at);
            fresh.rebuild(&self.samples, self.first);
            match self.windows.iter().position(|window| window.users == 0) {
                Some(free) => {
                    self.windows.splice(free..=free, [fresh]);
                    free
                }
                None => {
                    self.windows.push(fresh);
                    self.windows.len() - 1
                }
            }
        });
        if let Some(window) = self.windows.get_mut(index) {
            window.users += 1;
        }
        self.measure();
        index
    }

    /// One reader less for the window `index`; without readers it costs nothing any more.
    pub(crate) fn release(&mut self, index: usize) {
        if let Some(window) = self.windows.get_mut(index) {
            window.users = window.users.saturating_sub(1);
        }
        self.measure();
    }

    fn measure(&mut self) {
        let used = self.windows.iter().filter(|window| window.users > 0);
        self.longest = used.map(Window::span).max().unwrap_or_default();
    }

    pub(crate) fn push(&mut self, time: Timestamp, value: f64) -> Pushed {
        match self.samples.back() {
            Some((newest, _)) if time <= *newest => {
                if newest.since(time) > self.longest {
                    return Pushed::TooLate;
                }
                self.insert(time, value);
            }
            _ => {
                self.samples.push_back((time, value));
                let number = self.first + self.samples.len() - 1;
                for window in self.windows.iter_mut().filter(|window| window.users > 0) {
                    window.append(&self.samples, self.first, number);
                }
            }
        }
        self.forget();
        Pushed::Taken
    }

    /// The value of window `index` as of `now`, and when it goes stale or changes by time alone.
    ///
    /// `None` when there is nothing in the window or the newest sample is older than `stale_after`.
    pub(crate) fn value(
        &mut self,
        index: usize,
        now: Timestamp,
        stale_after: Duration,
    ) -> (Option<Value>, Option<Timestamp>) {
        let Some(window) = self.windows.get_mut(index) else { return (None, None) };
        window.expire(&self.samples, self.first, now);
        read(window, &self.samples, self.first, now, stale_after)
    }

    /// The same as a question: nothing is let go of, so that asking changes no later value, not even in its last bit.
    pub(crate) fn peek(&self, index: usize, now: Timestamp, stale_after: Duration) -> Option<Value> {
        let mut window = self.windows.get(index)?.clone();
        window.expire(&self.samples, self.first, now);
        read(&window, &self.samples, self.first, now, stale_after).0
    }

    fn insert(&mut self, time: Timestamp, value: f64) {
        let at = self.samples.partition_point(|(other, _)| *other < time);
        match self.samples.get_mut(at) {
            Some((same, old)) if *same == time => *old = value,
            _ => self.samples.insert(at, (time, value)),
        }
        for window in self.windows.iter_mut().filter(|window| window.users > 0) {
            window.rebuild(&self.samples, self.first);
        }
    }

    /// Drops what no window holds, but never the newest: `last` needs it.
    fn forget(&mut self) {
        let newest = self.samples.back().map(|(time, _)| *time);
        while self.samples.len() > 1 {
            let oldest_used =
                self.samples.front().zip(newest).is_some_and(|((time, _), newest)| *time + self.longest > newest);
            if oldest_used && self.samples.len() <= MAX_SAMPLES {
                return;
            }
            let number = self.first;
            for window in self.windows.iter_mut().filter(|window| window.users > 0) {
                window.drop_through(&self.samples, self.first, number);
            }
            self.samples.pop_front();
            self.first += 1;
        }
    }
}

/// What a window that was expired at `now` says, and until when.
fn read(
    window: &Window,
    samples: &VecDeque<(Timestamp, f64)>,
    first: usize,
    now: Timestamp,
    stale_after: Duration,
) -> (Option<Value>, Option<Timestamp>) {
    let newest = samples.back().map(|(time, _)| *time);
    if window.function() == Function::Absent {
        return match newest {
            Some(newest) => {
                let until = Some(newest + window.span()).filter(|until| *until > now);
                (Some(Value::Bool(until.is_none())), until)
            }
            // Nothing was ever seen: that says something only once it was looked for long enough.
            None => {
                let until = Some(window.knows_absence_from()).filter(|until| *until > now);
                (until.is_none().then_some(Value::Bool(true)), until)
            }
        };
    }
    let fresh_until = newest.map(|newest| newest + stale_after).filter(|until| *until > now);
    if fresh_until.is_none() {
        return (None, None);
    }
    (window.value(samples, first).map(Value::Number), fresh_until)
}

#[cfg(test)]
mod tests;
