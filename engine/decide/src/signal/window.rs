//! One function over one span, kept up as samples come and go.
//!
//! A sample enters after it was put into its place and leaves while it is still there, so that functions of neighbours can look
//! at both sides. `settle` comes after each batch of changes: sums that have lost digits are made anew then.

use homeostat_model::{Duration, Timestamp};
use homeostat_policy::Function;

use super::{
    counter,
    decay::Decaying,
    extremes::Extremes,
    samples::{Sample, Samples, View, number},
    sorted::Sorted,
    spread::{Line, Spread},
    total::Sum,
};

/// What is known of the samples from `start` on.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// The index of the oldest sample inside.
    start: usize,
    state: State,
}

/// What a function has to remember. Few are boxed: the small ones keep a series small, the others are rare.
#[derive(Debug, Clone)]
enum State {
    /// The samples say it all.
    Nothing,
    /// From when on it was looked for samples.
    Absent {
        since: Timestamp,
    },
    /// Of the values.
    Sum(Sum),
    /// Of what restarts have hidden, each counted where the counter began again.
    Restarts(Sum),
    /// How many samples differ from the one before.
    Changes(usize),
    Decaying(Decaying),
    Extremes(Extremes),
    Spread(Box<Spread>),
    Line(Box<Line>),
    Sorted(Box<Sorted>),
}

impl Window {
    /// Over nothing yet.
    pub(super) fn new(function: Function, since: Timestamp) -> Self {
        let state = match function {
            Function::Last | Function::Count | Function::Delta => State::Nothing,
            Function::Absent => State::Absent { since },
            Function::Avg | Function::Sum => State::Sum(Sum::new(0)),
            Function::Rate | Function::Increase => State::Restarts(Sum::new(0)),
            Function::Changes => State::Changes(0),
            Function::Ewma => State::Decaying(Decaying::new()),
            Function::Min => State::Extremes(Extremes::new(false)),
            Function::Max => State::Extremes(Extremes::new(true)),
            Function::Stddev => State::Spread(Box::new(Spread::new())),
            Function::Slope | Function::Predict(_) => State::Line(Box::new(Line::new())),
            Function::Quantile(_) => State::Sorted(Box::default()),
        };
        Self { start: 0, state }
    }

    /// From when on absence can be known, of an `absent`.
    pub(super) fn looks_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Absent { since } => Some(since),
            _ => None,
        }
    }

    /// Over what is kept, as of `now`; from `since` on, absence can be known.
    pub(super) fn filled(
        function: Function,
        span: Duration,
        samples: &Samples,
        now: Timestamp,
        since: Timestamp,
    ) -> Self {
        let mut window = Self::new(function, since);
        let outside = samples.from(0).take_while(|sample| samples.time(*sample) <= now - span);
        window.start = outside.count();
        if let State::Decaying(decaying) = &mut window.state {
            for sample in samples.from(0) {
                decaying.enter(samples.time(sample), sample.value(), span);
            }
        }
        window.rebuild(samples);
        window
    }

    /// A sample was put at `index`.
    pub(super) fn enter(&mut self, samples: &Samples, index: usize, span: Duration, now: Timestamp) {
        let Some(sample) = samples.get(index) else { return };
        if let State::Decaying(decaying) = &mut self.state {
            decaying.enter(samples.time(sample), sample.value(), span);
        }
        if index < self.start || samples.time(sample) <= now - span {
            self.start += 1;
            return;
        }
        self.add(samples, index, sample);
        self.settle(samples);
    }

    /// The sample at `index` gets another value; `replace` makes the change.
    pub(super) fn leave_for_another(&mut self, samples: &Samples, index: usize, span: Duration) {
        let Some(sample) = samples.get(index) else { return };
        if let State::Decaying(decaying) = &mut self.state {
            decaying.take_back(samples.time(sample), sample.value(), span);
        }
        if index >= self.start {
            self.subtract(samples, index, sample);
        }
    }

    /// The other half: the sample at `index` has its new value.
    pub(super) fn enter_instead(&mut self, samples: &Samples, index: usize, span: Duration) {
        let Some(sample) = samples.get(index) else { return };
        if let State::Decaying(decaying) = &mut self.state {
            decaying.enter(samples.time(sample), sample.value(), span);
        }
        if index < self.start {
            return;
        }
        match &mut self.state {
            // What the old value has beaten may be among the best again.
            State::Extremes(extremes) if extremes.holds(sample.offset) => {
                extremes.rebuild(View { samples, start: self.start });
            }
            _ => self.add(samples, index, sample),
        }
        self.settle(samples);
    }

    /// Lets go of what is no longer inside.
    #[inline]
    pub(super) fn expire(&mut self, samples: &Samples, span: Duration, now: Timestamp) {
        if self.is_due(samples, span, now) {
            self.expire_due(samples, now - span);
        }
    }

    fn expire_due(&mut self, samples: &Samples, edge: Timestamp) {
        while let Some(sample) = samples.get(self.start).filter(|sample| samples.time(*sample) <= edge) {
            self.leave_first(samples, sample);
        }
        self.settle(samples);
    }

    /// Whether something will leave as of `now`.
    #[inline]
    pub(super) fn is_due(&self, samples: &Samples, span: Duration, now: Timestamp) -> bool {
        samples.get(self.start).is_some_and(|sample| samples.time(sample) <= now - span)
    }

    /// The oldest sample kept is about to be forgotten.
    pub(super) fn forget_oldest(&mut self, samples: &Samples) {
        if self.start > 0 {
            self.start -= 1;
        } else if let Some(sample) = samples.get(0) {
            self.leave_first(samples, sample);
            self.settle(samples);
            self.start = 0;
        }
    }

    /// Computes everything anew from the samples that are inside.
    pub(super) fn rebuild(&mut self, samples: &Samples) {
        let view = View { samples, start: self.start };
        match &mut self.state {
            State::Nothing | State::Absent { .. } | State::Decaying(_) => {}
            State::Extremes(extremes) => extremes.rebuild(view),
            State::Spread(spread) => spread.rebuild(view),
            State::Line(line) => line.rebuild(view),
            State::Sorted(sorted) => sorted.rebuild(view),
            State::Sum(sum) => {
                *sum = Sum::new(view.count());
                for sample in view.iter() {
                    sum.add(sample.offset, sample.value());
                }
            }
            State::Restarts(sum) => {
                *sum = Sum::new(view.count());
                for (before, after) in view.iter().zip(view.iter().skip(1)) {
                    if let Some(hidden) = counter::hidden(before, after) {
                        sum.add(after.offset, hidden);
                    }
                }
            }
            State::Changes(changes) => {
                let pairs = view.iter().zip(view.iter().skip(1));
                *changes = pairs.filter(|(before, after)| differ(*before, *after)).count();
            }
        }
    }

    /// The function's value over what is inside; `None` when that is not enough, or no number.
    pub(super) fn value(&self, samples: &Samples, function: Function, span: Duration, now: Timestamp) -> Option<f64> {
        let view = View { samples, start: self.start };
        let count = view.count();
        let value = match (&self.state, function) {
            (State::Nothing, Function::Last) => samples.last().map(Sample::value),
            (State::Decaying(decaying), _) => decaying.value(),
            _ if count == 0 => None,
            (State::Nothing, Function::Count) => Some(number(count)),
            (State::Nothing, Function::Delta) => counter::delta(view, span, now),
            (State::Sum(sum), Function::Avg) => Some(sum.mean(count)),
            (State::Sum(sum), _) => Some(sum.value()),
            (State::Restarts(sum), Function::Rate) => {
                counter::increase(view, sum, span, now).map(|increase| increase / span.as_secs_f64())
            }
            (State::Restarts(sum), _) => counter::increase(view, sum, span, now),
            (State::Changes(changes), _) => Some(number(*changes)),
            (State::Extremes(extremes), _) => extremes.value(),
            (State::Spread(spread), _) => Some(spread.deviation(count)),
            (State::Line(line), Function::Predict(ahead)) => {
                let offset = (now + ahead).since(samples.base()).as_secs_f64() * 1e3;
                line.at(count, offset)
            }
            (State::Line(line), _) => line.slope(count).map(|slope| slope * 1e3),
            (State::Sorted(sorted), Function::Quantile(share)) => sorted.quantile(share),
            (State::Nothing | State::Absent { .. } | State::Sorted(_), _) => None,
        };
        value.filter(|value| !value.is_nan())
    }

    fn leave_first(&mut self, samples: &Samples, sample: Sample) {
        self.subtract(samples, self.start, sample);
        if let State::Extremes(extremes) = &mut self.state {
            extremes.leave(sample.offset);
        }
        self.start += 1;
    }

    fn add(&mut self, samples: &Samples, index: usize, sample: Sample) {
        match &mut self.state {
            State::Nothing | State::Absent { .. } | State::Decaying(_) => {}
            State::Sum(sum) => sum.add(sample.offset, sample.value()),
            State::Extremes(extremes) => extremes.enter(sample),
            State::Spread(spread) => spread.add(sample),
            State::Line(line) => line.add(sample),
            State::Sorted(sorted) => sorted.enter(sample.value()),
            State::Restarts(_) | State::Changes(_) => self.join(samples, index, sample, true),
        }
    }

    /// All but extremes, which depend on whether another takes its place.
    fn subtract(&mut self, samples: &Samples, index: usize, sample: Sample) {
        match &mut self.state {
            State::Nothing | State::Absent { .. } | State::Decaying(_) | State::Extremes(_) => {}
            State::Sum(sum) => sum.subtract(sample.offset, sample.value()),
            State::Spread(spread) => spread.subtract(sample),
            State::Line(line) => line.subtract(sample),
            State::Sorted(sorted) => sorted.leave(sample.value()),
            State::Restarts(_) | State::Changes(_) => self.join(samples, index, sample, false),
        }
    }

    /// The sample comes between its neighbours, or goes from between them.
    fn join(&mut self, samples: &Samples, index: usize, sample: Sample, comes: bool) {
        let (before, after) = View { samples, start: self.start }.neighbours(index);
        if let Some((before, after)) = before.zip(after) {
            self.pair(before, after, !comes);
        }
        if let Some(before) = before {
            self.pair(before, sample, comes);
        }
        if let Some(after) = after {
            self.pair(sample, after, comes);
        }
    }

    /// Two samples become neighbours, or are no longer.
    fn pair(&mut self, before: Sample, after: Sample, comes: bool) {
        match (&mut self.state, counter::hidden(before, after)) {
            (State::Restarts(sum), Some(hidden)) if comes => sum.add(after.offset, hidden),
            (State::Restarts(sum), Some(hidden)) => sum.subtract(after.offset, hidden),
            (State::Changes(changes), _) if differ(before, after) => {
                *changes = if comes { *changes + 1 } else { changes.saturating_sub(1) };
            }
            _ => {}
        }
    }

    fn settle(&mut self, samples: &Samples) {
        let count = View { samples, start: self.start }.count();
        let is_spent = match &self.state {
            State::Sum(sum) | State::Restarts(sum) => sum.is_spent(),
            State::Spread(spread) => spread.is_spent(count),
            State::Line(line) => line.is_spent(count),
            State::Nothing
            | State::Absent { .. }
            | State::Changes(_)
            | State::Decaying(_)
            | State::Extremes(_)
            | State::Sorted(_) => false,
        };
        if is_spent {
            self.rebuild(samples);
        }
    }
}

/// Whether the value changed; zero is zero whatever its sign.
fn differ(before: Sample, after: Sample) -> bool {
    before.value() < after.value() || before.value() > after.value()
}
