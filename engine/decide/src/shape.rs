//! What all resources that are watched alike share: which policies watch them, which series that needs, who reads which.
//!
//! Ten thousand VMs under the same policies have one shape. A resource itself then has nothing but its samples, its attributes
//! and a mark for each policy.

use std::{collections::BTreeMap, ops::Range};

use homeostat_model::{Duration, EventType, Kind, MetricName};
use homeostat_policy::{Attribute, Clock, Comparison, Function, Input, Of, On, Signal};

use crate::{Rule, intern::Interner, relatives::Demand, signal::Layout, threshold::Thresholds};

/// Where a rule finds one of its inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Slot {
    /// A window of one of the resource's own series.
    Window { series: usize, window: usize },
    /// One of the resource's own attributes.
    Attribute(usize),
    /// A window of a resource that it runs on.
    WindowAbove { kind: Kind, metric: usize, function: Function, span: Duration },
    /// An attribute of a resource that it runs on.
    AttributeAbove { kind: Kind, attribute: Attribute },
    /// A detail of the event.
    Event(String),
    /// A value of many resources.
    Aggregate(usize),
    /// The time of day.
    Clock(Clock),
}

/// A rule on the resources of a shape.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) rule: usize,
    /// One for each of the rule's inputs.
    pub(crate) slots: Vec<Slot>,
}

/// Who reads a series.
#[derive(Debug, Default)]
pub(crate) struct SeriesReaders {
    /// By window.
    pub(crate) thresholds: Thresholds<usize>,
    pub(crate) others: Vec<usize>,
    /// The shortest time after which one of the thresholds' rules takes the series for stale.
    pub(crate) fresh_for: Duration,
}

/// Who reads events of one type.
#[derive(Debug, Default)]
pub(crate) struct EventReaders {
    /// By the detail's name.
    pub(crate) thresholds: Thresholds<String>,
    pub(crate) others: Vec<usize>,
}

/// What resources that are watched alike share.
#[derive(Debug)]
pub(crate) struct Shape {
    /// In ascending order, one for each cell.
    pub(crate) rules: Vec<usize>,
    pub(crate) cells: Vec<Cell>,
    /// By the number of the metric, in ascending order.
    pub(crate) series: Vec<(usize, Layout)>,
    /// For each of the series, where its windows begin among those of the resource, and at last where they end.
    begins: Vec<usize>,
    /// One for each of the series.
    pub(crate) readers: Vec<SeriesReaders>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) events: BTreeMap<EventType, EventReaders>,
    /// Kind, metric and cell: who reads a metric of what it runs on.
    pub(crate) above: Vec<(Kind, usize, usize)>,
    /// Aggregate and cell: who reads it.
    pub(crate) aggregates: Vec<(usize, usize)>,
}

impl Shape {
    /// The shape of resources that `rules` watch, in ascending order of their keys, and of which relatives read what `demand`
    /// says. `aggregate` gives the number of an aggregate that the rule of this key reads.
    pub(crate) fn new(
        rules: &[(usize, &Rule)],
        demand: &Demand,
        metrics: &Interner<MetricName>,
        aggregate: impl Fn(usize, &Input) -> usize,
    ) -> Self {
        let (series, attributes) = kept(rules, demand, metrics);
        let ends = series.iter().scan(0, |end, (_, layout)| {
            *end += layout.windows().len();
            Some(*end)
        });
        let mut shape = Self {
            begins: std::iter::once(0).chain(ends).collect(),
            rules: rules.iter().map(|(key, _)| *key).collect(),
            cells: Vec::new(),
            readers: series.iter().map(|_| SeriesReaders::default()).collect(),
            series,
            attributes,
            events: BTreeMap::new(),
            above: Vec::new(),
            aggregates: Vec::new(),
        };
        for (key, rule) in rules {
            let slots: Vec<Slot> =
                rule.inputs.iter().map(|input| shape.slot(input, *key, metrics, &aggregate)).collect();
            shape.enter(shape.cells.len(), rule, &slots);
            shape.cells.push(Cell { rule: *key, slots });
        }
        shape
    }

    /// The place of the series of `metric`.
    pub(crate) fn series_of(&self, metric: usize) -> Option<usize> {
        self.series.binary_search_by_key(&metric, |(metric, _)| *metric).ok()
    }

    /// The series and window in which `function` of `metric` over `span` is kept.
    pub(crate) fn window_of(&self, metric: usize, function: Function, span: Duration) -> Option<(usize, usize)> {
        let place = self.series_of(metric)?;
        Some((place, self.series.get(place)?.1.position(function, span)?))
    }

    pub(crate) fn attribute(&self, attribute: &Attribute) -> Option<usize> {
        self.attributes.iter().position(|known| known == attribute)
    }

    /// The cell of the rule of this key.
    pub(crate) fn cell_of(&self, rule: usize) -> Option<usize> {
        self.rules.binary_search(&rule).ok()
    }

    pub(crate) fn layout(&self, series: usize) -> Option<&Layout> {
        self.series.get(series).map(|(_, layout)| layout)
    }

    /// Where the windows of a series are among those of a resource.
    #[inline]
    pub(crate) fn windows_of(&self, series: usize) -> Option<Range<usize>> {
        Some(*self.begins.get(series)?..*self.begins.get(series + 1)?)
    }

    /// How many windows a resource has.
    pub(crate) fn windows(&self) -> usize {
        self.begins.last().copied().unwrap_or_default()
    }

    fn slot(
        &self,
        input: &Input,
        rule: usize,
        metrics: &Interner<MetricName>,
        aggregate: &impl Fn(usize, &Input) -> usize,
    ) -> Slot {
        // What is not found is not known; `kept` has entered all of it.
        let nowhere = usize::MAX;
        match input {
            Input::Signal(of, Signal { function, metric, window }) => {
                let metric = metrics.get(metric).unwrap_or(nowhere);
                match of {
                    Of::Itself => {
                        let found = self.window_of(metric, *function, *window);
                        let (series, window) = found.unwrap_or((nowhere, nowhere));
                        Slot::Window { series, window }
                    }
                    Of::Ancestor(kind) => {
                        Slot::WindowAbove { kind: kind.clone(), metric, function: *function, span: *window }
                    }
                }
            }
            Input::Attribute(_, Attribute::Event(name)) => Slot::Event(name.clone()),
            Input::Attribute(Of::Itself, attribute) => Slot::Attribute(self.attribute(attribute).unwrap_or(nowhere)),
            Input::Attribute(Of::Ancestor(kind), attribute) => {
                Slot::AttributeAbove { kind: kind.clone(), attribute: attribute.clone() }
            }
            Input::Aggregate(_) => Slot::Aggregate(aggregate(rule, input)),
            Input::Clock(clock) => Slot::Clock(*clock),
        }
    }

    /// Enters the rule of cell `cell` with those that are told of samples and events.
    fn enter(&mut self, cell: usize, rule: &Rule, slots: &[Slot]) {
        let threshold = rule.condition.as_ref().and_then(|condition| condition.as_threshold());
        let threshold = threshold.filter(|_| rule.clear.is_none() && !rule.time_driven);
        let stale_after = rule.policy.stale_after;
        for (input, slot) in slots.iter().enumerate() {
            match slot {
                Slot::Window { series, window } => {
                    let Some(readers) = self.readers.get_mut(*series) else { continue };
                    match threshold.filter(|(of, ..)| *of == input && rule.policy.on.is_none()) {
                        Some((_, comparison, number)) => {
                            let first = readers.thresholds.is_empty();
                            readers.fresh_for = if first { stale_after } else { readers.fresh_for.min(stale_after) };
                            readers.thresholds.enter(*window, comparison, number, cell);
                        }
                        None if !readers.others.contains(&cell) => readers.others.push(cell),
                        None => {}
                    }
                }
                Slot::WindowAbove { kind, metric, .. } => self.above.push((kind.clone(), *metric, cell)),
                Slot::Aggregate(aggregate) => self.aggregates.push((*aggregate, cell)),
                Slot::Attribute(_) | Slot::AttributeAbove { .. } | Slot::Event(_) | Slot::Clock(_) => {}
            }
        }
        self.enter_events(cell, rule, slots, threshold);
    }

    fn enter_events(&mut self, cell: usize, rule: &Rule, slots: &[Slot], threshold: Option<(usize, Comparison, f64)>) {
        let Some(on) = &rule.policy.on else { return };
        let single = matches!(on, On::Count { of, count: 1, .. } if of.filter.is_none());
        for event in on.matches().flat_map(|one| &one.types) {
            let readers = self.events.entry(event.clone()).or_default();
            match threshold.and_then(|(input, comparison, number)| Some((slots.get(input)?, comparison, number))) {
                Some((Slot::Event(name), comparison, number)) if single => {
                    readers.thresholds.enter(name.clone(), comparison, number, cell);
                }
                _ if !readers.others.contains(&cell) => readers.others.push(cell),
                _ => {}
            }
        }
    }
}

/// The series and attributes that the resources of a shape have to keep.
fn kept(
    rules: &[(usize, &Rule)],
    demand: &Demand,
    metrics: &Interner<MetricName>,
) -> (Vec<(usize, Layout)>, Vec<Attribute>) {
    let mut windows: BTreeMap<usize, Vec<(Function, Duration)>> = BTreeMap::new();
    let mut attributes: Vec<Attribute> = Vec::new();
    let own = rules.iter().flat_map(|(_, rule)| &rule.inputs);
    let signals = own.clone().filter_map(|input| match input {
        Input::Signal(Of::Itself, signal) => Some(signal),
        _ => None,
    });
    for Signal { function, metric, window } in signals.chain(&demand.signals) {
        let Some(metric) = metrics.get(metric) else { continue };
        let known = windows.entry(metric).or_default();
        if !known.contains(&(*function, *window)) {
            known.push((*function, *window));
        }
    }
    let read = own.filter_map(|input| match input {
        Input::Attribute(Of::Itself, attribute) if !matches!(attribute, Attribute::Event(_)) => Some(attribute),
        _ => None,
    });
    for attribute in read.chain(&demand.attributes) {
        if !attributes.contains(attribute) {
            attributes.push(attribute.clone());
        }
    }
    let series = windows.into_iter().map(|(metric, windows)| (metric, Layout::new(windows))).collect();
    (series, attributes)
}
