//! Takes samples, events and time in, and says what that changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_model::{
    Duration, Event, Evidence, FindingRef, MetricName, PolicyName, ResourceId, Sample, Timestamp, Truth, Value,
};
use homeostat_policy::Policy;
use homeostat_script::{Sandbox, Stopwatch};
use rustc_hash::FxHashMap;
use slab::Slab;
use thiserror::Error;

use crate::{
    ClauseCoverage, Explained, Rule,
    coverage::Coverage,
    instance::Instance,
    intern::Interner,
    matching::ShapeKey,
    phase::{EVENT_PATIENCE, Phase},
    relatives::{Anchor, Relatives},
    shape::{EventReaders, Shape},
    signal::Pushed,
    threshold::Given,
    timers::{Timers, earliest},
    tracked::Tracked,
};

/// How far ahead of the engine's time a sample may be: clocks of other machines differ by seconds, not by minutes.
const MAX_AHEAD: Duration = Duration::from_mins(1);
/// The greatest magnitude of a sample: no measurement comes near it, and sums over full windows stay finite.
const MAX_MAGNITUDE: f64 = 1e100;

/// A change of a finding.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A condition has come to hold long enough, or an event matched.
    Opened {
        /// Which.
        finding: FindingRef,
        /// Its policy.
        policy: Arc<Policy>,
        /// The values that made it.
        evidence: Evidence,
        /// It was open when homeostat last ended: that is no new opening.
        resumed: bool,
    },
    /// The condition of an open finding is known to hold again, after it was unknown, or false without closing the finding.
    Known {
        /// Which.
        finding: FindingRef,
    },
    /// An event was not looked at: its condition did not become known in time, or too many came at once.
    Lost {
        /// Whose event it was.
        finding: FindingRef,
        /// Which event, and why.
        reason: String,
    },
    /// It holds no longer.
    Closed {
        /// Which.
        finding: FindingRef,
        /// Why.
        reason: String,
    },
    /// A condition is not known for so long that people are to be told.
    Blind {
        /// Whose condition, on which resource.
        finding: FindingRef,
        /// What is missing.
        evidence: Evidence,
    },
    /// A script of a policy has exceeded its budget: no script of that policy is run any more until it is replaced.
    Quarantined {
        /// Which policy.
        policy: PolicyName,
        /// Which budget.
        reason: String,
    },
    /// A script of a policy has taken longer than [`MAX_WALL_TIME`](homeostat_script::MAX_WALL_TIME) by the driver's clock. No
    /// decision depends on it: the driver may have the policy quarantined.
    Overran {
        /// Which policy.
        policy: PolicyName,
        /// How long it took.
        took: std::time::Duration,
    },
}

/// A sample was not taken. Nothing else is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SampleRefused {
    /// The value is NaN, infinite, or too great to be a measurement.
    #[error("its value is not a finite number of a magnitude up to 1e100")]
    NotANumber,
    /// Its time lies too far ahead.
    #[error("its time is more than {MAX_AHEAD} ahead of the engine's; check the clock of the machine that sent it")]
    Ahead,
    /// Its time lies before everything that is looked at.
    #[error("it is older than the longest window over its metric")]
    TooLate,
    /// The resource does not exist. It is announced with [`Decider::resource_changed`], then the sample is sent again.
    #[error("its resource is not known")]
    UnknownResource,
}

/// Decides what is the case. See the head of the crate.
#[derive(Debug, Default)]
pub struct Decider {
    pub(crate) sandbox: Sandbox,
    pub(crate) rules: Slab<Rule>,
    pub(crate) by_name: BTreeMap<PolicyName, usize>,
    pub(crate) metrics: Interner<MetricName>,
    pub(crate) numbers: FxHashMap<ResourceId, usize>,
    pub(crate) tracked: Slab<Tracked>,
    pub(crate) shapes: BTreeMap<ShapeKey, Arc<Shape>>,
    /// By resource and rule: what is remembered.
    pub(crate) instances: FxHashMap<(usize, usize), Instance>,
    pub(crate) relatives: Relatives,
    pub(crate) timers: Timers<(usize, usize)>,
    pub(crate) folds: Timers<(usize, Anchor)>,
    pub(crate) coverage: Option<Coverage>,
    /// What began to count towards its `for`, or does so in another way, since it was last told.
    pub(crate) stirred: BTreeSet<(usize, usize)>,
    /// What was told to count.
    pub(crate) told: BTreeSet<FindingRef>,
    /// What an earlier engine had counted, and until when that is of use.
    pub(crate) resumed: Option<(BTreeMap<FindingRef, Duration>, Timestamp)>,
    /// What was open for an earlier engine, and of which it is not known yet whether it still is.
    pub(crate) reopening: BTreeSet<FindingRef>,
    /// The cells that a sample or event concerns, and whether the condition of each certainly holds; kept, so that nothing is
    /// allocated for each.
    touched: Vec<(usize, bool)>,
}

impl Decider {
    /// One that lets `stopwatch` measure how long scripts take.
    #[must_use]
    pub fn with_stopwatch(stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { sandbox: Sandbox::with_stopwatch(stopwatch), ..Self::default() }
    }

    /// The loaded policies, in the order of their names.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.by_name.values().filter_map(|rule| self.rules.get(*rule)).map(|rule| &rule.policy)
    }

    /// Takes in a sample.
    ///
    /// # Errors
    /// [`SampleRefused`], and then nothing has changed.
    pub fn sample(&mut self, at: Timestamp, sample: &Sample, out: &mut Vec<Change>) -> Result<(), SampleRefused> {
        if !sample.value.is_finite() || sample.value.abs() > MAX_MAGNITUDE {
            return Err(SampleRefused::NotANumber);
        }
        if sample.time > at + MAX_AHEAD {
            return Err(SampleRefused::Ahead);
        }
        let number = *self.numbers.get(&sample.resource).ok_or(SampleRefused::UnknownResource)?;
        let Some(metric) = self.metrics.get(&sample.metric) else {
            if let Some(one) = self.tracked.get_mut(number) {
                one.heard = one.heard.max(at);
            }
            return Ok(());
        };
        let mut touched = std::mem::take(&mut self.touched);
        let everything = self.coverage.is_some();
        let taken = match self.tracked.get_mut(number) {
            Some(one) => push(one, metric, at, sample, everything, &mut touched),
            None => Ok(()),
        };
        for (cell, holds) in touched.drain(..) {
            // One that holds on changes nothing: what time does to it is on its timer.
            if !(holds && self.instance(number, cell).is_some_and(Instance::is_steady)) {
                self.evaluate(at, number, cell, out);
            }
        }
        self.touched = touched;
        taken?;
        if self.relatives.above.contains_key(&metric) {
            self.tell_below(at, number, metric, out);
        }
        if self.relatives.by_metric.contains_key(&metric) {
            self.stir(at, number, Some(metric));
        }
        Ok(())
    }

    /// Those who read a metric of what they run on.
    fn tell_below(&mut self, at: Timestamp, number: usize, metric: usize, out: &mut Vec<Change>) {
        let kind = self.tracked.get(number).map(|one| one.id.kind().to_owned()).unwrap_or_default();
        let read = self.relatives.above.get(&metric);
        if !read.is_some_and(|kinds| kinds.iter().any(|read| read.as_str() == kind)) {
            return;
        }
        for below in self.below(number) {
            let Some(shape) = self.tracked.get(below).map(|one| one.shape.clone()) else { continue };
            let concerned =
                |(read, of, _): &&(homeostat_model::Kind, usize, usize)| read.as_str() == kind && *of == metric;
            for (_, _, cell) in shape.above.iter().filter(concerned) {
                self.evaluate(at, below, *cell, out);
            }
        }
    }

    /// Takes in an event.
    pub fn event(&mut self, at: Timestamp, event: &Event, out: &mut Vec<Change>) {
        let Some(number) = self.numbers.get(&event.resource).copied() else { return };
        let Some(one) = self.tracked.get_mut(number) else { return };
        one.heard = one.heard.max(at);
        let shape = one.shape.clone();
        let Some(readers) = shape.events.get(&event.event_type) else { return };
        let mut touched = std::mem::take(&mut self.touched);
        if let Some(one) = self.tracked.get(number) {
            concerned(one, readers, event, self.coverage.is_some(), &mut touched);
        }
        for (cell, _) in touched.drain(..) {
            self.match_event(at, number, cell, event, out);
        }
        self.touched = touched;
    }

    /// An event's finding has been answered (or given up): it closes, and the next event can open it again.
    pub fn answered(&mut self, at: Timestamp, finding: &FindingRef, reason: &str, out: &mut Vec<Change>) {
        let Some((number, cell)) = self.find(finding) else { return };
        let Some(rule) = self.tracked.get(number).and_then(|one| one.shape.rules.get(cell)).copied() else { return };
        let Some(instance) = self.instances.get_mut(&(number, rule)) else { return };
        if !instance.phase.is_open() || instance.event.is_none() {
            return;
        }
        instance.phase = Phase::Idle;
        instance.event = None;
        out.push(Change::Closed { finding: finding.clone(), reason: reason.to_owned() });
        self.next_event(at, number, cell, out);
    }

    /// Until when the event of an open finding deserves an answer; `None` of a finding that is about a condition.
    #[must_use]
    pub fn expires(&self, finding: &FindingRef) -> Option<Timestamp> {
        let (number, cell) = self.find(finding)?;
        let event = self.instance(number, cell)?.event.as_deref()?;
        Some(event.time + EVENT_PATIENCE)
    }

    /// Evaluates the condition of an open finding anew, before something is done about it; it may close by that.
    pub fn recheck(&mut self, at: Timestamp, finding: &FindingRef, out: &mut Vec<Change>) {
        if let Some((number, cell)) = self.find(finding) {
            self.freshen(at, number, cell);
            self.evaluate(at, number, cell, out);
        }
    }

    /// Whether the condition of `finding` holds at `at`, asked anew. True for an event policy without a condition. An open finding
    /// may stay open though its condition is false: because of `clear`, or `keepFiringFor`.
    pub fn holds(&mut self, at: Timestamp, finding: &FindingRef) -> Truth {
        let Some((number, cell)) = self.find(finding) else { return Truth::False };
        self.freshen(at, number, cell);
        let instance = self.instance(number, cell);
        let event = instance.and_then(|instance| instance.event.as_deref());
        let Some(reader) = self.reader(at, number, cell, event, false) else { return Truth::False };
        reader.truth(instance.and_then(|instance| instance.pattern.as_deref()))
    }

    /// The values behind the condition of `finding` at `at`.
    pub fn evidence(&mut self, at: Timestamp, finding: &FindingRef) -> Option<Evidence> {
        let (number, cell) = self.find(finding)?;
        self.freshen(at, number, cell);
        let event = self.instance(number, cell).and_then(|instance| instance.event.as_deref());
        Some(self.evidence_of(at, number, cell, event, false))
    }

    /// What every policy that watches `resource` thinks of it at `at`, in the order of their names.
    pub fn explain(&self, at: Timestamp, resource: &ResourceId) -> Vec<Explained> {
        let Some(number) = self.numbers.get(resource).copied() else { return Vec::new() };
        let Some(one) = self.tracked.get(number) else { return Vec::new() };
        let mut explained: Vec<Explained> =
            (0..one.shape.cells.len()).filter_map(|cell| self.explain_one(at, number, cell)).collect();
        explained.sort_by(|a, b| a.policy.name.cmp(&b.policy.name));
        explained
    }

    /// The policies whose scripts are run no more, and why.
    pub fn quarantined(&self) -> impl Iterator<Item = (&Arc<Policy>, &str)> {
        let rules = self.by_name.values().filter_map(|rule| self.rules.get(*rule));
        rules.filter_map(|rule| Some((&rule.policy, rule.quarantined.as_deref()?)))
    }

    /// The policies that watch `resource`, in no particular order.
    pub fn watching(&self, resource: &ResourceId) -> impl Iterator<Item = &Arc<Policy>> {
        let one = self.numbers.get(resource).and_then(|number| self.tracked.get(*number));
        let rules = one.into_iter().flat_map(|one| one.shape.rules.iter());
        rules.filter_map(|rule| self.rules.get(*rule)).map(|rule| &rule.policy)
    }

    /// Whether `resource` exists.
    #[must_use]
    pub fn knows(&self, resource: &ResourceId) -> bool {
        self.numbers.contains_key(resource)
    }

    /// When something was last heard of `resource`.
    #[must_use]
    pub fn heard(&self, resource: &ResourceId) -> Option<Timestamp> {
        self.numbers.get(resource).and_then(|number| self.tracked.get(*number)).map(|one| one.heard)
    }

    /// Notes from now on what each clause of each policy has been.
    pub fn watch_coverage(&mut self) {
        self.coverage.get_or_insert_default();
    }

    /// What the clauses of `policy` have been since [`Decider::watch_coverage`], in the order of the policy.
    #[must_use]
    pub fn coverage(&self, policy: &PolicyName) -> &[ClauseCoverage] {
        self.coverage.as_ref().map(|coverage| coverage.of(policy)).unwrap_or_default()
    }

    /// The next moment at which time alone may change something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        earliest(self.timers.next(), self.folds.next())
    }

    /// Lets time alone do its work at `at`: everything that falls due at that moment, and before.
    pub fn fire(&mut self, at: Timestamp, out: &mut Vec<Change>) {
        // Values of many resources first: others read them at the same moment.
        while let Some((due, (aggregate, anchor))) = self.folds.pop_due(at) {
            self.fold_due(at, due, aggregate, anchor, out);
        }
        while let Some((due, (number, rule))) = self.timers.pop_due(at) {
            let Some(instance) = self.instances.get_mut(&(number, rule)) else { continue };
            if instance.armed == Some(due) {
                instance.armed = None;
            }
            match instance.wake {
                Some(wake) if wake <= at => {
                    let cell = self.tracked.get(number).and_then(|one| one.shape.cell_of(rule));
                    if let Some(cell) = cell {
                        self.evaluate(at, number, cell, out);
                    }
                }
                Some(wake) if instance.armed.is_none_or(|armed| wake < armed) => {
                    instance.armed = Some(wake);
                    self.timers.set(wake, (number, rule));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn find(&self, finding: &FindingRef) -> Option<(usize, usize)> {
        let number = *self.numbers.get(&finding.resource)?;
        let rule = *self.by_name.get(&finding.policy)?;
        Some((number, self.tracked.get(number)?.shape.cell_of(rule)?))
    }

    /// Brings all that a cell reads to the moment, also what is brought up to date only now and then.
    pub(crate) fn freshen(&mut self, at: Timestamp, number: usize, cell: usize) {
        self.prepare(at, number, cell);
        let Some(one) = self.tracked.get(number) else { return };
        let read = one.shape.aggregates.iter().filter(|(_, reader)| *reader == cell);
        let due: Vec<(usize, Anchor)> =
            read.filter_map(|(aggregate, _)| Some((*aggregate, self.anchor(one, *aggregate)?))).collect();
        for (aggregate, anchor) in due {
            // Others who read it are told at the next full second.
            self.refresh(at, aggregate, anchor);
        }
    }
}

/// Takes a sample into its series, and finds the cells that it concerns: those of which something is remembered, and those
/// whose condition may hold.
fn push(
    one: &mut Tracked,
    metric: usize,
    at: Timestamp,
    sample: &Sample,
    everything: bool,
    touched: &mut Vec<(usize, bool)>,
) -> Result<(), SampleRefused> {
    one.heard = one.heard.max(at);
    let Tracked { shape, series, windows, marks, .. } = one;
    let Some(place) = shape.series_of(metric) else { return Ok(()) };
    let windows = shape.windows_of(place).and_then(|range| windows.get_mut(range));
    let parts = (shape.layout(place), shape.readers.get(place), series.get_mut(place), windows);
    let (Some(layout), Some(readers), Some(series), Some(windows)) = parts else { return Ok(()) };
    // What has left the windows goes first: its place is taken by what comes.
    series.advance(layout, windows, at);
    if series.push(layout, windows, sample.time, sample.value) == Pushed::TooLate {
        return Err(SampleRefused::TooLate);
    }
    let fresh = series.newest().is_some_and(|newest| newest + readers.fresh_for > at);
    if everything || !fresh {
        touched.extend(readers.thresholds.cells().map(|cell| (cell, false)));
    } else {
        let given = |window: &usize| series.value(layout, windows, *window, at).map_or(Given::Nothing, Given::Number);
        readers.thresholds.meet(given, marks.any(), |cell, holds| touched.push((cell, holds)));
    }
    touched.extend(readers.others.iter().map(|cell| (*cell, false)));
    Ok(())
}

/// Finds the cells that an event concerns.
fn concerned(one: &Tracked, readers: &EventReaders, event: &Event, everything: bool, touched: &mut Vec<(usize, bool)>) {
    if everything {
        touched.extend(readers.thresholds.cells().map(|cell| (cell, false)));
    } else {
        let given = |name: &String| match event.attributes.get(name) {
            Some(Value::Number(value)) => Given::Number(*value),
            // Not known: that is said when it does not become known in time.
            _ => Given::Unclear,
        };
        readers.thresholds.meet(given, one.marks.any(), |cell, _| touched.push((cell, false)));
    }
    touched.extend(readers.others.iter().map(|cell| (*cell, false)));
}
