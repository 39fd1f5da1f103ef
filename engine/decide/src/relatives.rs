//! What policies read of resources other than the one they watch: of what it runs on, and of many at once.
//!
//! An aggregate over many resources is brought up to date at most once a second, after one of them has changed: what it costs
//! does not depend on how many samples come in, and whoever reads it sees one value at a time, in whatever order they came.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Duration, Kind, MetricName, Timestamp};
use homeostat_policy::{Aggregate, Attribute, Fold, Input, Members, Of, Signal};
use homeostat_script::Sandbox;
use rustc_hash::FxHashMap;
use slab::Slab;

use crate::{
    Rule,
    intern::Interner,
    operand::Reading,
    predicate::{Compiler, Predicate, Term},
};

/// How often aggregates are brought up to date, at most. Scrapes are 10 s and more apart, and nothing that is done about many
/// resources is done within a second.
pub(crate) const FOLD_EVERY_MS: i64 = 1000;

/// What relatives read of the resources of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Demand {
    pub(crate) signals: BTreeSet<Signal>,
    pub(crate) attributes: BTreeSet<Attribute>,
}

/// Whose members an aggregate goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Anchor {
    /// What runs on this resource.
    Resource(usize),
    /// The members of this group.
    Group(usize),
}

/// An aggregate made ready to run.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) members: Members,
    pub(crate) fold: Fold,
    pub(crate) each: Each,
    pub(crate) inputs: Vec<Input>,
    pub(crate) stale_after: Duration,
    text: String,
    users: usize,
}

/// What is asked of each member.
#[derive(Debug)]
pub(crate) enum Each {
    Truth(Predicate),
    Number(Term),
}

/// The newest value of an aggregate.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Folded {
    pub(crate) value: Reading,
    /// The value that those who read it were told of.
    pub(crate) told: Reading,
    /// Whether a member has changed since.
    pub(crate) stirred: bool,
    /// When it changes by time alone.
    pub(crate) until: Option<Timestamp>,
    /// When it is brought up to date next.
    pub(crate) due: Option<Timestamp>,
}

/// Resources of one kind that carry the same value of a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupName {
    pub(crate) kind: String,
    pub(crate) label: String,
    pub(crate) value: String,
}

/// A group and who is in it, in the order of ids.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: GroupName,
    pub(crate) members: Vec<usize>,
}

/// Everything about relatives.
#[derive(Debug, Default)]
pub(crate) struct Relatives {
    pub(crate) aggregates: Slab<Compiled>,
    /// The aggregates that read a metric of their members.
    pub(crate) by_metric: FxHashMap<usize, Vec<usize>>,
    /// The kinds of which a metric is read from below.
    pub(crate) above: FxHashMap<usize, Vec<Kind>>,
    demands: BTreeMap<Kind, Demand>,
    /// What is read of members of any kind.
    demand_of_all: Demand,
    /// The labels by which resources are grouped.
    pub(crate) labels: BTreeSet<String>,
    /// Whether a resource matters to those that run on it: for selection, or because they read it.
    pub(crate) matters_below: bool,
    pub(crate) groups: Slab<Group>,
    pub(crate) group_names: BTreeMap<GroupName, usize>,
    pub(crate) folded: BTreeMap<(usize, Anchor), Folded>,
}

impl Relatives {
    /// What is read of resources of `kind`.
    pub(crate) fn demand(&self, kind: &str) -> Demand {
        let mut demand = self.demand_of_all.clone();
        if let Some(own) = self.demands.get(kind) {
            demand.signals.extend(own.signals.iter().cloned());
            demand.attributes.extend(own.attributes.iter().cloned());
        }
        demand
    }

    /// The number of an aggregate that a rule reads.
    pub(crate) fn number(&self, aggregate: &Aggregate, stale_after: Duration) -> Option<usize> {
        let same = |known: &Compiled| {
            known.text == aggregate.text
                && known.members == aggregate.members
                && known.fold == aggregate.fold
                && known.stale_after == stale_after
        };
        self.aggregates.iter().find(|(_, known)| same(known)).map(|(number, _)| number)
    }

    /// Takes in that `rule` reads its aggregates.
    pub(crate) fn enter(&mut self, rule: &Rule, sandbox: &Sandbox) {
        for aggregate in aggregates(rule) {
            let stale_after = rule.policy.stale_after;
            match self.number(aggregate, stale_after).and_then(|number| self.aggregates.get_mut(number)) {
                Some(known) => known.users += 1,
                None => {
                    if let Some(compiled) = compile(aggregate, stale_after, sandbox) {
                        self.aggregates.insert(compiled);
                    }
                }
            }
        }
    }

    /// Takes in that `rule` does so no longer.
    pub(crate) fn leave(&mut self, rule: &Rule) {
        for aggregate in aggregates(rule) {
            let Some(number) = self.number(aggregate, rule.policy.stale_after) else { continue };
            let Some(known) = self.aggregates.get_mut(number) else { continue };
            known.users -= 1;
            if known.users == 0 {
                self.aggregates.remove(number);
                self.folded.retain(|(aggregate, _), _| *aggregate != number);
            }
        }
    }

    /// Finds out anew what is read of whom.
    pub(crate) fn survey<'a>(&mut self, rules: impl Iterator<Item = &'a Rule>, metrics: &Interner<MetricName>) {
        self.demands.clear();
        self.demand_of_all = Demand::default();
        (self.by_metric, self.above) = (FxHashMap::default(), FxHashMap::default());
        self.labels.clear();
        self.matters_below = false;
        for rule in rules {
            self.matters_below |= rule.policy.select.within.is_some();
            for input in &rule.inputs {
                self.survey_input(input, rule, metrics);
            }
        }
    }

    fn survey_input(&mut self, input: &Input, rule: &Rule, metrics: &Interner<MetricName>) {
        match input {
            Input::Signal(Of::Ancestor(kind), signal) => {
                self.matters_below = true;
                self.demands.entry(kind.clone()).or_default().signals.insert(signal.clone());
                if let Some(metric) = metrics.get(&signal.metric) {
                    let kinds = self.above.entry(metric).or_default();
                    if !kinds.contains(kind) {
                        kinds.push(kind.clone());
                    }
                }
            }
            Input::Attribute(Of::Ancestor(kind), attribute) => {
                self.matters_below = true;
                self.demands.entry(kind.clone()).or_default().attributes.insert(attribute.clone());
            }
            Input::Aggregate(aggregate) => {
                self.matters_below |= matches!(aggregate.members, Members::Children { of: Of::Ancestor(_), .. });
                self.survey_aggregate(aggregate, rule, metrics);
            }
            Input::Signal(Of::Itself, _) | Input::Attribute(Of::Itself, _) | Input::Clock(_) => {}
        }
    }

    fn survey_aggregate(&mut self, aggregate: &Aggregate, rule: &Rule, metrics: &Interner<MetricName>) {
        let number = self.number(aggregate, rule.policy.stale_after);
        let Some((number, inputs)) = number.and_then(|n| Some((n, self.aggregates.get(n)?.inputs.clone()))) else {
            return;
        };
        let demand = match &aggregate.members {
            Members::Children { kind: Some(kind), .. } => self.demands.entry(kind.clone()).or_default(),
            Members::Children { kind: None, .. } => &mut self.demand_of_all,
            Members::Group { label } => {
                self.labels.insert(label.clone());
                self.demands.entry(rule.policy.select.kind.clone()).or_default()
            }
        };
        for input in inputs {
            match input {
                Input::Signal(_, signal) => {
                    if let Some(metric) = metrics.get(&signal.metric) {
                        let readers = self.by_metric.entry(metric).or_default();
                        if !readers.contains(&number) {
                            readers.push(number);
                        }
                    }
                    demand.signals.insert(signal);
                }
                Input::Attribute(_, attribute) => {
                    demand.attributes.insert(attribute);
                }
                Input::Aggregate(_) | Input::Clock(_) => {}
            }
        }
    }
}

/// The aggregates that a rule reads, each once.
fn aggregates(rule: &Rule) -> impl Iterator<Item = &Aggregate> {
    rule.inputs.iter().filter_map(|input| match input {
        Input::Aggregate(aggregate) => Some(&**aggregate),
        _ => None,
    })
}

/// The metrics that are read in `inputs`, those of the members of aggregates included.
pub(crate) fn metrics<'a>(inputs: &'a [Input], into: &mut Vec<&'a MetricName>) {
    for input in inputs {
        match input {
            Input::Signal(_, signal) => into.push(&signal.metric),
            Input::Aggregate(aggregate) => {
                aggregate.each.each_input(&mut |input| metrics(std::slice::from_ref(input), into))
            }
            Input::Attribute(..) | Input::Clock(_) => {}
        }
    }
}

fn compile(aggregate: &Aggregate, stale_after: Duration, sandbox: &Sandbox) -> Option<Compiled> {
    let mut compiler = Compiler::new(sandbox);
    // It holds no script, so nothing can be refused.
    let each = if aggregate.fold.of_truths() {
        Each::Truth(compiler.predicate(&aggregate.each, &aggregate.text).ok()?)
    } else {
        Each::Number(compiler.term(&aggregate.each, &aggregate.text).ok()?)
    };
    let (members, fold, text) = (aggregate.members.clone(), aggregate.fold, aggregate.text.clone());
    Some(Compiled { members, fold, each, inputs: compiler.into_inputs(), stale_after, text, users: 1 })
}
