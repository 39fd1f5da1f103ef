//! Values of many resources: whose they are, when they are brought up to date, who is told.

use homeostat_model::{MAX_DEPTH, Timestamp, Truth, Value};
use homeostat_policy::{Fold, Members, Of};

use crate::{
    Change, Decider,
    operand::Reading,
    reading::{MemberReader, Moment, Until},
    relatives::{Anchor, Compiled, Each, FOLD_EVERY_MS, Folded},
    scripts::Scripts,
    tracked::Tracked,
};

impl Decider {
    /// The nearest resource of `kind` that `one` runs on.
    pub(crate) fn above(&self, one: &Tracked, kind: &str) -> Option<usize> {
        let mut next = one.parent();
        for _ in 0..MAX_DEPTH {
            let number = next?;
            let above = self.tracked.get(number)?;
            if above.id.kind() == kind {
                return Some(number);
            }
            next = above.parent();
        }
        None
    }

    /// Everything that runs on the resource `number`, directly or not.
    pub(crate) fn below(&self, number: usize) -> Vec<usize> {
        let mut below = Vec::new();
        self.collect_below(number, MAX_DEPTH, &mut below);
        below
    }

    fn collect_below(&self, number: usize, depth: usize, below: &mut Vec<usize>) {
        let Some(one) = self.tracked.get(number).filter(|_| depth > 0) else { return };
        for child in one.children() {
            below.push(*child);
            self.collect_below(*child, depth - 1, below);
        }
    }

    /// Over whom an aggregate goes, for somebody who reads it.
    pub(crate) fn anchor(&self, one: &Tracked, aggregate: usize) -> Option<Anchor> {
        match &self.relatives.aggregates.get(aggregate)?.members {
            Members::Children { of: Of::Itself, .. } => {
                self.numbers.get(&one.id).map(|number| Anchor::Resource(*number))
            }
            Members::Children { of: Of::Ancestor(kind), .. } => self.above(one, kind.as_str()).map(Anchor::Resource),
            Members::Group { label } => self.group_of(one, label).map(Anchor::Group),
        }
    }

    /// The group that `one` is in by `label`.
    fn group_of(&self, one: &Tracked, label: &str) -> Option<usize> {
        one.groups()
            .iter()
            .copied()
            .find(|group| self.relatives.groups.get(*group).is_some_and(|group| group.name.label == label))
    }

    /// Over whom an aggregate goes of which `one` is a member.
    fn anchor_of_member(&self, one: &Tracked, aggregate: usize) -> Option<Anchor> {
        match &self.relatives.aggregates.get(aggregate)?.members {
            Members::Children { kind, .. } => {
                let meant = kind.as_ref().is_none_or(|kind| kind.as_str() == one.id.kind());
                one.parent().filter(|_| meant).map(Anchor::Resource)
            }
            Members::Group { label } => self.group_of(one, label).map(Anchor::Group),
        }
    }

    /// Sees to it that the aggregates of which a resource is a member are brought up to date soon: those that read `metric`, or all.
    pub(crate) fn stir(&mut self, at: Timestamp, number: usize, metric: Option<usize>) {
        let aggregates: Vec<usize> = match metric {
            Some(metric) => self.relatives.by_metric.get(&metric).cloned().unwrap_or_default(),
            None => self.relatives.aggregates.iter().map(|(aggregate, _)| aggregate).collect(),
        };
        let Some(one) = self.tracked.get(number) else { return };
        let anchors: Vec<(usize, Anchor)> =
            aggregates.into_iter().filter_map(|one_of| Some((one_of, self.anchor_of_member(one, one_of)?))).collect();
        for (aggregate, anchor) in anchors {
            if let Some(folded) = self.relatives.folded.get_mut(&(aggregate, anchor)) {
                folded.stirred = true;
            }
            self.fold_at(next_tick(at), aggregate, anchor);
        }
    }

    /// Sees to it that an aggregate that somebody reads is brought up to date at `due`, if it is not before.
    fn fold_at(&mut self, due: Timestamp, aggregate: usize, anchor: Anchor) {
        let Some(folded) = self.relatives.folded.get_mut(&(aggregate, anchor)) else { return };
        if folded.due.is_none_or(|known| due < known) {
            folded.due = Some(due);
            self.folds.set(due, (aggregate, anchor));
        }
    }

    /// Brings an aggregate up to date, and sees to it that it is again when it changes, and that its readers are told.
    pub(crate) fn refresh(&mut self, at: Timestamp, aggregate: usize, anchor: Anchor) {
        self.refold(at, aggregate, anchor);
        let Some(folded) = self.relatives.folded.get(&(aggregate, anchor)) else { return };
        let tell = (folded.told != folded.value).then(|| next_tick(at));
        let change = folded.until.map(next_tick);
        if let Some(due) = [tell, change].into_iter().flatten().min() {
            self.fold_at(due, aggregate, anchor);
        }
    }

    /// Brings an aggregate up to date, unless it is.
    fn refold(&mut self, at: Timestamp, aggregate: usize, anchor: Anchor) {
        let known = self.relatives.folded.get(&(aggregate, anchor));
        if known.is_some_and(|folded| !folded.stirred && folded.until.is_none_or(|until| until > at)) {
            return;
        }
        let first = known.is_none();
        self.advance_members(at, aggregate, anchor);
        let (value, until) = self.fold(aggregate, anchor, at, None, false);
        let folded = self.relatives.folded.entry((aggregate, anchor)).or_default();
        if first {
            // Whoever has asked for it first is told by that.
            folded.told = value.clone();
        }
        *folded = Folded { value, stirred: false, until, ..std::mem::take(folded) };
    }

    /// An aggregate has come due: those who read it are told when its value has changed.
    pub(crate) fn fold_due(
        &mut self,
        at: Timestamp,
        due: Timestamp,
        aggregate: usize,
        anchor: Anchor,
        out: &mut Vec<Change>,
    ) {
        let Some(folded) = self.relatives.folded.get_mut(&(aggregate, anchor)) else { return };
        if folded.due != Some(due) {
            return;
        }
        folded.due = None;
        self.refold(at, aggregate, anchor);
        let Some(folded) = self.relatives.folded.get_mut(&(aggregate, anchor)) else { return };
        let changed = folded.told != folded.value;
        folded.told = folded.value.clone();
        self.refresh(at, aggregate, anchor);
        if !changed {
            return;
        }
        let Some(compiled) = self.relatives.aggregates.get(aggregate) else { return };
        let readers = match (anchor, &compiled.members) {
            (Anchor::Resource(number), Members::Children { of: Of::Ancestor(_), .. }) => self.below(number),
            (Anchor::Resource(number), _) => vec![number],
            (Anchor::Group(group), _) => self.group_members(group),
        };
        for number in readers {
            let Some(shape) = self.tracked.get(number).map(|one| one.shape.clone()) else { continue };
            for (_, cell) in shape.aggregates.iter().filter(|(read, _)| *read == aggregate) {
                self.evaluate(at, number, *cell, out);
            }
        }
    }

    fn members(&self, compiled: &Compiled, anchor: Anchor) -> Vec<usize> {
        match (anchor, &compiled.members) {
            (Anchor::Resource(number), Members::Children { kind, .. }) => {
                let children = self.tracked.get(number).map(Tracked::children).unwrap_or_default();
                let meant = |number: &usize| {
                    let kind_of = self.tracked.get(*number).map(|one| one.id.kind());
                    kind.as_ref().is_none_or(|kind| kind_of == Some(kind.as_str()))
                };
                children.iter().copied().filter(meant).collect()
            }
            (Anchor::Group(group), _) => self.group_members(group),
            (Anchor::Resource(_), Members::Group { .. }) => Vec::new(),
        }
    }

    fn group_members(&self, group: usize) -> Vec<usize> {
        self.relatives.groups.get(group).map(|group| group.members.clone()).unwrap_or_default()
    }

    fn advance_members(&mut self, at: Timestamp, aggregate: usize, anchor: Anchor) {
        let Some(compiled) = self.relatives.aggregates.get(aggregate) else { return };
        let members = self.members(compiled, anchor);
        let metrics: Vec<usize> = compiled
            .inputs
            .iter()
            .filter_map(|input| match input {
                homeostat_policy::Input::Signal(_, signal) => self.metrics.get(&signal.metric),
                _ => None,
            })
            .collect();
        for number in members {
            for metric in &metrics {
                self.advance_series(at, number, *metric);
            }
        }
    }

    /// The value of an aggregate at `now`, and when it changes by time alone.
    pub(crate) fn fold(
        &self,
        aggregate: usize,
        anchor: Anchor,
        now: Timestamp,
        measured_after: Option<Timestamp>,
        asking: bool,
    ) -> (Reading, Option<Timestamp>) {
        let Some(compiled) = self.relatives.aggregates.get(aggregate) else { return (None, None) };
        let until = Until::default();
        let moment = Moment { now, stale_after: compiled.stale_after, asking, measured_after, until: &until };
        let members = self.members(compiled, anchor);
        let readers = members.into_iter().filter_map(|number| self.tracked.get(number)).map(|one| MemberReader {
            decider: self,
            one,
            inputs: &compiled.inputs,
            moment,
            scripts: Scripts::new(&self.sandbox, None),
        });
        let value = match &compiled.each {
            Each::Truth(predicate) => of_truths(compiled.fold, readers.map(|reader| predicate.truth(&reader))),
            Each::Number(term) => of_numbers(compiled.fold, readers.map(|reader| term.value(&reader).number())),
        };
        (value, until.get())
    }
}

/// The first full second after `at`.
fn next_tick(at: Timestamp) -> Timestamp {
    Timestamp::from_millis((at.as_millis().div_euclid(FOLD_EVERY_MS) + 1).saturating_mul(FOLD_EVERY_MS))
}

fn of_truths(fold: Fold, mut truths: impl Iterator<Item = Truth>) -> Reading {
    let truth = match fold {
        Fold::Any => truths.fold(Truth::False, Truth::or),
        Fold::All => truths.fold(Truth::True, Truth::and),
        Fold::Count | Fold::Sum | Fold::Avg | Fold::Min | Fold::Max => {
            let count = truths.try_fold(0_u32, |count, truth| match truth {
                Truth::True => Some(count + 1),
                Truth::False => Some(count),
                Truth::Unknown => None,
            });
            return count.map(|count| Value::Number(f64::from(count)));
        }
    };
    match truth {
        Truth::True => Some(Value::Bool(true)),
        Truth::False => Some(Value::Bool(false)),
        Truth::Unknown => None,
    }
}

fn of_numbers(fold: Fold, numbers: impl Iterator<Item = Option<f64>>) -> Reading {
    // One that is not known makes all of it unknown.
    let numbers: Vec<f64> = numbers.collect::<Option<_>>()?;
    // From plus zero: of no numbers at all, Rust gives minus zero.
    let sum = || numbers.iter().fold(0.0, |sum, number| sum + number);
    let number = match fold {
        Fold::Min => numbers.iter().copied().reduce(f64::min)?,
        Fold::Max => numbers.iter().copied().reduce(f64::max)?,
        Fold::Avg if numbers.is_empty() => return None,
        Fold::Avg => sum() / f64::from(u32::try_from(numbers.len()).ok()?),
        Fold::Sum | Fold::Count | Fold::Any | Fold::All => sum(),
    };
    number.is_finite().then_some(Value::Number(number))
}
