//! Reads what a formula asks for, at one moment, for one resource.

use std::cell::Cell;

use homeostat_model::{Duration, Event, Timestamp, Truth};
use homeostat_policy::{Clock, Function, Input, Of, On};

use crate::{
    Decider, Rule,
    clock::Zone,
    operand::Operand,
    pattern::Pattern,
    predicate::{Leaf, Readings},
    relatives::Anchor,
    scripts::Scripts,
    shape::{Shape, Slot},
    tracked::Tracked,
};

/// Reads for a rule on a resource.
pub(crate) struct Reader<'a> {
    pub(crate) decider: &'a Decider,
    pub(crate) one: &'a Tracked,
    pub(crate) rule: &'a Rule,
    pub(crate) slots: &'a [Slot],
    pub(crate) event: Option<&'a Event>,
    pub(crate) now: Timestamp,
    /// A question must change nothing, and so finds windows that nobody has brought up to the moment.
    pub(crate) asking: bool,
    /// What was measured last until then is not known: it says nothing of what was done since.
    pub(crate) measured_after: Option<Timestamp>,
    pub(crate) scripts: Scripts<'a>,
    /// When the first of what was read changes by time alone.
    pub(crate) until: Until,
}

/// The earliest of some moments.
#[derive(Debug, Default)]
pub(crate) struct Until(Cell<Option<Timestamp>>);

impl Until {
    pub(crate) fn note(&self, moment: Option<Timestamp>) {
        if let Some(moment) = moment
            && self.0.get().is_none_or(|known| moment < known)
        {
            self.0.set(Some(moment));
        }
    }

    pub(crate) fn get(&self) -> Option<Timestamp> {
        self.0.get()
    }
}

/// How a window is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) now: Timestamp,
    pub(crate) stale_after: Duration,
    pub(crate) asking: bool,
    pub(crate) measured_after: Option<Timestamp>,
    pub(crate) until: &'a Until,
}

impl Tracked {
    /// The value of a window of one of its series.
    pub(crate) fn window(&self, series: usize, window: usize, moment: Moment<'_>) -> Operand<'static> {
        let Some((series, layout, windows)) = self.series(series) else { return Operand::Unknown };
        if matches!(layout.windows().get(window), Some((Function::Absent, _))) {
            let (absent, until) = series.absent(layout, windows, window, moment.now);
            moment.until.note(until);
            return Truth::from(absent).into();
        }
        let newest = series.newest().filter(|newest| moment.measured_after.is_none_or(|after| *newest > after));
        let fresh_until = newest.map(|newest| newest + moment.stale_after);
        let Some(fresh_until) = fresh_until.filter(|until| *until > moment.now) else { return Operand::Unknown };
        moment.until.note(Some(fresh_until));
        if moment.asking {
            series.peek(layout, windows, window, moment.now).into()
        } else {
            series.value(layout, windows, window, moment.now).into()
        }
    }
}

impl<'a> Reader<'a> {
    /// Whether the policy's condition holds, and nothing has come where it waits for an absence.
    pub(crate) fn truth(&self, pattern: Option<&Pattern>) -> Truth {
        let absence = match &self.rule.policy.on {
            Some(On::Absence { window, .. }) => {
                let (absence, until) =
                    pattern.map_or((Truth::Unknown, None), |pattern| pattern.absent(*window, self.now));
                self.until.note(until);
                absence
            }
            _ => Truth::True,
        };
        // An event, or its absence, alone is reason enough.
        absence.and(self.rule.condition.as_ref().map_or(Truth::True, |condition| condition.truth(self)))
    }

    fn moment(&self) -> Moment<'_> {
        let stale_after = self.rule.policy.stale_after;
        let Self { now, asking, measured_after, .. } = *self;
        Moment { now, stale_after, asking, measured_after, until: &self.until }
    }

    fn above(&self, kind: &str) -> Option<&'a Tracked> {
        self.decider.above(self.one, kind).and_then(|number| self.decider.tracked.get(number))
    }

    fn slot(&self, slot: &'a Slot) -> Operand<'a> {
        match slot {
            Slot::Window { series, window } => self.one.window(*series, *window, self.moment()),
            Slot::Attribute(attribute) => self.one.attributes.get(*attribute).and_then(Option::as_ref).into(),
            Slot::WindowAbove { kind, metric, function, span } => {
                let Some(above) = self.above(kind.as_str()) else { return Operand::Unknown };
                match above.shape.window_of(*metric, *function, *span) {
                    Some((series, window)) => above.window(series, window, self.moment()),
                    None => Operand::Unknown,
                }
            }
            Slot::AttributeAbove { kind, attribute } => {
                let above = self.above(kind.as_str());
                let reading = above.and_then(|above| above.attributes.get(above.shape.attribute(attribute)?));
                reading.and_then(Option::as_ref).into()
            }
            Slot::Event(name) => self.event.and_then(|event| event.attributes.get(name)).into(),
            Slot::Aggregate(aggregate) => {
                let Some(anchor) = self.decider.anchor(self.one, *aggregate) else { return Operand::Unknown };
                self.aggregate(*aggregate, anchor)
            }
            Slot::Clock(clock) => {
                self.until.note(Some(Zone::next_minute(self.now)));
                match clock {
                    Clock::OfDay => self.rule.zone.of_day(self.now).into(),
                    Clock::Weekday => match self.rule.zone.weekday(self.now) {
                        Some(day) => Operand::Text(day.into()),
                        None => Operand::Unknown,
                    },
                }
            }
        }
    }

    fn aggregate(&self, aggregate: usize, anchor: Anchor) -> Operand<'a> {
        if self.asking || self.measured_after.is_some() {
            let (value, _) = self.decider.fold(aggregate, anchor, self.now, self.measured_after, true);
            return value.map_or(Operand::Unknown, Operand::from);
        }
        let folded = self.decider.relatives.folded.get(&(aggregate, anchor));
        folded.and_then(|folded| folded.value.as_ref()).into()
    }

    /// The same at another moment, as a question.
    fn at(&self, now: Timestamp) -> Reader<'a> {
        let scripts = self.decider.scripts(self.rule);
        let Self { decider, one, rule, slots, event, .. } = *self;
        let (until, measured_after) = (Until::default(), self.measured_after);
        Reader { decider, one, rule, slots, event, now, asking: true, measured_after, scripts, until }
    }
}

impl Readings for Reader<'_> {
    fn read(&self, input: usize) -> Operand<'_> {
        self.slots.get(input).map_or(Operand::Unknown, |slot| self.slot(slot))
    }

    fn scripts(&self) -> &Scripts<'_> {
        &self.scripts
    }

    /// Tries the moments at which something that the clause reads changes by time alone.
    fn could_hold(&self, leaf: &Leaf) -> Option<Timestamp> {
        if !self.asking {
            return None;
        }
        let now = self.at(self.now);
        leaf.inputs().iter().for_each(|input| drop(now.read(*input)));
        let mut moments: Vec<Timestamp> = now.until.get().into_iter().collect();
        let clock = |input: &usize| matches!(self.slots.get(*input), Some(Slot::Clock(_)));
        if leaf.inputs().iter().any(clock) {
            moments.extend(self.rule.zone.coming(self.now, &leaf.numbers()));
        }
        moments.sort_unstable();
        moments.into_iter().find(|moment| leaf.truth(&self.at(*moment)) == Truth::True)
    }
}

/// Reads for an aggregate, of one of its members.
pub(crate) struct MemberReader<'a> {
    pub(crate) decider: &'a Decider,
    pub(crate) one: &'a Tracked,
    pub(crate) inputs: &'a [Input],
    pub(crate) moment: Moment<'a>,
    pub(crate) scripts: Scripts<'a>,
}

impl Readings for MemberReader<'_> {
    fn read(&self, input: usize) -> Operand<'_> {
        let shape: &Shape = &self.one.shape;
        match self.inputs.get(input) {
            Some(Input::Signal(Of::Itself, signal)) => {
                let metric = self.decider.metrics.get(&signal.metric);
                match metric.and_then(|metric| shape.window_of(metric, signal.function, signal.window)) {
                    Some((series, window)) => self.one.window(series, window, self.moment),
                    None => Operand::Unknown,
                }
            }
            Some(Input::Attribute(Of::Itself, attribute)) => {
                let reading = shape.attribute(attribute).and_then(|place| self.one.attributes.get(place));
                reading.and_then(Option::as_ref).into()
            }
            _ => Operand::Unknown,
        }
    }

    fn scripts(&self) -> &Scripts<'_> {
        &self.scripts
    }
}
