//! Takes a policy on a resource one phase further, and says what has changed.

use homeostat_model::{Clause, Event, Evidence, FindingRef, PolicyName, Timestamp, Truth, Value};
use homeostat_policy::{On, OnUnknown, Policy};

use crate::{
    Change, Decider, Rule,
    instance::{Instance, MAX_QUEUE},
    pattern::Pattern,
    phase::{EVENT_PATIENCE, Phase, Times, Transition},
    predicate::Predicate,
    reading::{Reader, Until},
    scripts::{Scripts, Trouble},
    shape::Slot,
};

/// What an evaluation finds.
struct Found {
    truth: Truth,
    clear: Truth,
    /// When the first of what it was made of changes by time alone.
    until: Option<Timestamp>,
    trouble: Trouble,
}

impl Decider {
    pub(crate) fn scripts<'a>(&'a self, rule: &'a Rule) -> Scripts<'a> {
        Scripts::new(&self.sandbox, rule.quarantined.as_deref())
    }

    /// Somebody who reads for the cell `cell` of the resource `number`.
    pub(crate) fn reader<'a>(
        &'a self,
        at: Timestamp,
        number: usize,
        cell: usize,
        event: Option<&'a Event>,
        asking: bool,
    ) -> Option<Reader<'a>> {
        let one = self.tracked.get(number)?;
        let cell = one.shape.cells.get(cell)?;
        let rule = self.rules.get(cell.rule)?;
        let (scripts, until) = (self.scripts(rule), Until::default());
        let (slots, measured_after) = (cell.slots.as_slice(), None);
        Some(Reader { decider: self, one, rule, slots, event, now: at, asking, measured_after, scripts, until })
    }

    /// Brings everything that a cell reads to the moment `at`.
    pub(crate) fn prepare(&mut self, at: Timestamp, number: usize, cell: usize) {
        let Some(one) = self.tracked.get(number) else { return };
        let shape = one.shape.clone();
        let Some(cell) = shape.cells.get(cell) else { return };
        for slot in &cell.slots {
            match slot {
                Slot::Window { series, .. } => self.advance_place(at, number, *series),
                Slot::WindowAbove { kind, metric, .. } => {
                    let above = self.tracked.get(number).and_then(|one| self.above(one, kind.as_str()));
                    if let Some(above) = above {
                        self.advance_series(at, above, *metric);
                    }
                }
                Slot::Aggregate(aggregate) => {
                    let anchor = self.tracked.get(number).and_then(|one| self.anchor(one, *aggregate));
                    if let Some(anchor) = anchor
                        && !self.relatives.folded.contains_key(&(*aggregate, anchor))
                    {
                        self.refresh(at, *aggregate, anchor);
                    }
                }
                Slot::Attribute(_) | Slot::AttributeAbove { .. } | Slot::Event(_) | Slot::Clock(_) => {}
            }
        }
    }

    pub(crate) fn advance_series(&mut self, at: Timestamp, number: usize, metric: usize) {
        let place = self.tracked.get(number).and_then(|one| one.shape.series_of(metric));
        if let Some(place) = place {
            self.advance_place(at, number, place);
        }
    }

    fn advance_place(&mut self, at: Timestamp, number: usize, place: usize) {
        let Some(one) = self.tracked.get_mut(number) else { return };
        if let Some((series, layout, windows)) = one.series_mut(place) {
            series.advance(layout, windows, at);
        }
    }

    /// The instance of a cell, as far as anything is remembered of it.
    pub(crate) fn instance(&self, number: usize, cell: usize) -> Option<&Instance> {
        let one = self.tracked.get(number)?;
        if !one.is_marked(cell) {
            return None;
        }
        self.instances.get(&(number, *one.shape.rules.get(cell)?))
    }

    fn take_instance(&mut self, at: Timestamp, number: usize, cell: usize) -> Option<(usize, Instance)> {
        let one = self.tracked.get(number)?;
        let rule = *one.shape.rules.get(cell)?;
        let known = if one.is_marked(cell) { self.instances.remove(&(number, rule)) } else { None };
        let known =
            known.unwrap_or_else(|| Instance { phase: self.begins_with(at, number, rule), ..Instance::default() });
        Some((rule, known))
    }

    pub(crate) fn keep_instance(&mut self, number: usize, cell: usize, rule: usize, instance: Instance) {
        let kept = !instance.is_blank();
        if kept {
            self.instances.insert((number, rule), instance);
        }
        if let Some(one) = self.tracked.get_mut(number) {
            one.mark(cell, kept);
        }
    }

    pub(crate) fn finding(&self, number: usize, rule: usize) -> Option<FindingRef> {
        let policy = self.rules.get(rule)?.policy.name.clone();
        Some(FindingRef { policy, resource: self.tracked.get(number)?.id.clone() })
    }

    /// Reads everything anew, takes the next phase and says what has changed.
    pub(crate) fn evaluate(&mut self, at: Timestamp, number: usize, cell: usize, out: &mut Vec<Change>) {
        self.prepare(at, number, cell);
        let Some((key, mut instance)) = self.take_instance(at, number, cell) else { return };
        let Some(found) = self.find_out(at, number, cell, &mut instance) else { return };
        let Some((rule, finding)) = self.rules.get(key).zip(self.finding(number, key)) else { return };
        let policy = rule.policy.clone();
        let (truth, before) = (found.truth, instance.phase);
        let times = Times { hold_for: policy.hold_for, keep_firing_for: policy.keep_firing_for };
        let (phase, transition) = if policy.answers_events() {
            before.of_event(truth, at)
        } else {
            before.of_condition(truth, found.clear, at, times)
        };
        if phase != before && matches!(phase, Phase::Pending(_)) {
            self.stirred.insert((number, key));
        }
        instance.phase = phase;
        let settles = transition == Transition::Opened || (phase == Phase::Idle && truth == Truth::False);
        let resumed = !self.reopening.is_empty() && settles && self.reopening.remove(&finding);
        let known_again = instance.truth != Truth::True && truth == Truth::True && before.is_open();
        instance.truth = truth;
        let blind = told_of_unknown(at, &policy, &mut instance);
        let changes = rule_changes(rule, phase).then_some(found.until).flatten();
        let telling = instance.unknown_since.filter(|_| !instance.told).map(|since| since + policy.stale_after);
        instance.wake = [changes, phase.deadline(times), telling].into_iter().flatten().filter(|wake| *wake > at).min();
        if let Some(wake) = instance.wake
            && instance.armed.is_none_or(|armed| wake < armed || armed <= at)
        {
            instance.armed = Some(wake);
            self.timers.set(wake, (number, key));
        }
        let event = instance.event.clone().filter(|_| transition != Transition::None || truth == Truth::Unknown);
        if phase == Phase::Idle {
            instance.event = None;
        }
        self.keep_instance(number, cell, key, instance);
        self.take_trouble(key, found.trouble, out);
        let evidence = |decider: &Self| decider.evidence_of(at, number, cell, event.as_deref(), false);
        match transition {
            Transition::Opened => {
                let evidence = evidence(self);
                out.push(Change::Opened { finding, policy, evidence, resumed });
            }
            // It was open when homeostat last ended, and is seen to hold no longer.
            Transition::None if resumed => out.push(Change::Closed { reason: evidence(self).to_string(), finding }),
            Transition::Closed => out.push(Change::Closed { reason: evidence(self).to_string(), finding }),
            Transition::None if known_again => out.push(Change::Known { finding }),
            Transition::None if matches!(before, Phase::Waiting { .. }) && phase == Phase::Idle => {
                if truth == Truth::Unknown {
                    let evidence = evidence(self);
                    let reason = format!("its condition did not become known within {EVENT_PATIENCE}: {evidence}");
                    out.push(Change::Lost { finding, reason });
                }
                self.next_event(at, number, cell, out);
            }
            Transition::None if blind => out.push(Change::Blind { evidence: evidence(self), finding }),
            Transition::None => {}
        }
    }

    /// Whether the condition holds, and whether what closes a finding is the case.
    fn find_out(&mut self, at: Timestamp, number: usize, cell: usize, instance: &mut Instance) -> Option<Found> {
        let key = *self.tracked.get(number)?.shape.rules.get(cell)?;
        let policy = self.rules.get(key)?.policy.clone();
        if let Some(on @ On::Absence { .. }) = &policy.on {
            instance.pattern.get_or_insert_with(|| Pattern::new(on, at).into());
        }
        let reader = self.reader(at, number, cell, instance.event.as_deref(), false)?;
        let truth = reader.truth(instance.pattern.as_deref());
        let clear = match &reader.rule.clear {
            _ if !instance.phase.is_open() => Truth::False,
            Some(clear) => clear.truth(&reader),
            None => !truth,
        };
        let close = policy.on_unknown == OnUnknown::Close;
        let known = |truth, otherwise| if truth == Truth::Unknown && close { otherwise } else { truth };
        let (truth, clear) = (known(truth, Truth::False), known(clear, Truth::True));
        let until = reader.until.get();
        let seen = self.coverage.is_some().then(|| seen_clauses(&reader));
        let trouble = reader.scripts.into_trouble();
        if let (Some(coverage), Some(seen)) = (&mut self.coverage, seen) {
            coverage.saw(&policy.name, seen);
        }
        Some(Found { truth, clear, until, trouble })
    }

    /// Runs no script of the policy called `name` any more, until it is replaced.
    pub fn quarantine_policy(&mut self, name: &PolicyName, reason: String, out: &mut Vec<Change>) {
        if let Some(rule) = self.by_name.get(name).copied() {
            self.quarantine(rule, reason, out);
        }
    }

    pub(crate) fn take_trouble(&mut self, rule: usize, trouble: Trouble, out: &mut Vec<Change>) {
        if let Some(reason) = trouble.cut_off {
            self.quarantine(rule, reason, out);
        }
        if let (Some(took), Some(rule)) = (trouble.overran, self.rules.get(rule)) {
            out.push(Change::Overran { policy: rule.policy.name.clone(), took });
        }
    }

    fn quarantine(&mut self, rule: usize, reason: String, out: &mut Vec<Change>) {
        let Some(rule) = self.rules.get_mut(rule).filter(|rule| rule.quarantined.is_none()) else { return };
        rule.quarantined = Some(reason.clone());
        out.push(Change::Quarantined { policy: rule.policy.name.clone(), reason });
    }

    /// The truth of the condition and of each of its clauses.
    pub(crate) fn evidence_of(
        &self,
        at: Timestamp,
        number: usize,
        cell: usize,
        event: Option<&Event>,
        asking: bool,
    ) -> Evidence {
        let nothing = Evidence { truth: Truth::Unknown, clauses: Vec::new() };
        let Some(reader) = self.reader(at, number, cell, event, asking) else { return nothing };
        let mut evidence = Evidence { truth: Truth::True, clauses: Vec::new() };
        if let Some(event) = event {
            let values = event.attributes.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
            let text = format!("event {}", event.event_type);
            evidence.clauses.push(Clause { text, truth: Truth::True, values, could_hold_at: None });
        }
        if let Some(On::Absence { of, window }) = &reader.rule.policy.on {
            let pattern = self.instance(number, cell).and_then(|instance| instance.pattern.as_deref());
            let (truth, until) = pattern.map_or((Truth::Unknown, None), |pattern| pattern.absent(*window, at));
            let types: Vec<&str> = of.types.iter().map(homeostat_model::EventType::as_str).collect();
            let seen = pattern.and_then(Pattern::seen);
            let ago = seen.map(|seen| Value::Text(format!("{} ago", at.since(seen))));
            let text = format!("no event {} for {window}", types.join(" or "));
            evidence.clauses.push(Clause {
                text,
                truth,
                values: vec![("the last one".into(), ago)],
                could_hold_at: until.filter(|_| asking),
            });
            evidence.truth = truth;
        }
        if let Some(condition) = &reader.rule.condition {
            evidence.truth = evidence.truth.and(condition.truth(&reader));
            condition.clauses(&reader.rule.inputs, &reader, &mut evidence.clauses);
        }
        evidence.clauses.shrink_to_fit();
        evidence
    }
}

/// Keeps count of how long the condition is unknown; gives whether people have to be told of it now.
fn told_of_unknown(at: Timestamp, policy: &Policy, instance: &mut Instance) -> bool {
    // Of an event nothing can be unknown before it comes.
    let asked = !policy.answers_events() || matches!(instance.phase, Phase::Waiting { .. });
    if policy.on_unknown != OnUnknown::Notify || instance.truth != Truth::Unknown || !asked {
        (instance.unknown_since, instance.told) = (None, false);
        return false;
    }
    let since = *instance.unknown_since.get_or_insert(at);
    let now = !instance.told && since + policy.stale_after <= at;
    instance.told |= now;
    now
}

/// Whether an instance in this phase has to be looked at when what it reads changes by time alone.
fn rule_changes(rule: &Rule, phase: Phase) -> bool {
    rule.time_driven || phase != Phase::Idle
}

/// The text and the truth of each clause of the condition, and of what closes a finding.
fn seen_clauses(reader: &Reader<'_>) -> Vec<(String, Truth)> {
    let mut seen = Vec::new();
    let mut see = |predicate: &Predicate| {
        predicate.each_leaf(&mut |leaf| seen.push((leaf.text().to_owned(), leaf.truth(reader))));
    };
    reader.rule.condition.iter().for_each(&mut see);
    reader.rule.clear.iter().for_each(&mut see);
    seen
}

/// Events.
impl Decider {
    /// An event has come that completes what the policy waits for.
    pub(crate) fn take_event(
        &mut self,
        at: Timestamp,
        number: usize,
        cell: usize,
        event: Event,
        out: &mut Vec<Change>,
    ) {
        let Some((rule, mut instance)) = self.take_instance(at, number, cell) else { return };
        if instance.phase == Phase::Idle {
            instance.phase = Phase::Waiting { until: at + EVENT_PATIENCE };
            instance.event = Some(event.into());
            self.keep_instance(number, cell, rule, instance);
            return self.evaluate(at, number, cell, out);
        }
        let queue = instance.queue.get_or_insert_default();
        queue.push_back(event);
        if queue.len() > MAX_QUEUE
            && let Some(oldest) = queue.pop_front()
            && let Some(finding) = self.finding(number, rule)
        {
            let reason =
                format!("event {}: more than {MAX_QUEUE} came while one was being answered", oldest.event_type);
            out.push(Change::Lost { finding, reason });
        }
        self.keep_instance(number, cell, rule, instance);
    }

    /// Looks at the events that came meanwhile, until one of them is taken up. Those that are too old are given up, and said.
    pub(crate) fn next_event(&mut self, at: Timestamp, number: usize, cell: usize, out: &mut Vec<Change>) {
        while let Some((rule, mut instance)) = self.take_instance(at, number, cell) {
            let next =
                instance.queue.as_mut().filter(|_| instance.phase == Phase::Idle).and_then(|queue| queue.pop_front());
            self.keep_instance(number, cell, rule, instance);
            let Some(event) = next else { return };
            if event.time + EVENT_PATIENCE > at {
                self.take_event(at, number, cell, event, out);
            } else {
                self.too_old(number, rule, &event, out);
            }
        }
    }

    fn too_old(&self, number: usize, rule: usize, event: &Event, out: &mut Vec<Change>) {
        let Some(finding) = self.finding(number, rule) else { return };
        let reason = format!("event {}: it is over {EVENT_PATIENCE} old by now", event.event_type);
        out.push(Change::Lost { finding, reason });
    }

    /// An event has come that one of the entries of the policy's pattern may match.
    pub(crate) fn match_event(
        &mut self,
        at: Timestamp,
        number: usize,
        cell: usize,
        event: &Event,
        out: &mut Vec<Change>,
    ) {
        self.prepare(at, number, cell);
        let Some(reader) = self.reader(at, number, cell, Some(event), false) else { return };
        let policy = reader.rule.policy.clone();
        let Some(on) = &policy.on else { return };
        let fits = |(one, filter): (&homeostat_policy::EventMatch, &Option<Predicate>)| {
            one.types.contains(&event.event_type)
                && filter.as_ref().is_none_or(|filter| filter.truth(&reader) == Truth::True)
        };
        let matches: Vec<bool> = on.matches().zip(&reader.rule.filters).map(fits).collect();
        let trouble = reader.scripts.into_trouble();
        let Some((rule, mut instance)) = self.take_instance(at, number, cell) else { return };
        self.take_trouble(rule, trouble, out);
        let complete =
            instance.pattern.get_or_insert_with(|| Pattern::new(on, at).into()).take(on, event.time, &matches);
        if instance.pattern.as_deref().is_some_and(Pattern::is_blank) {
            instance.pattern = None;
        }
        self.keep_instance(number, cell, rule, instance);
        if complete && event.time + EVENT_PATIENCE <= at {
            self.too_old(number, rule, event, out);
        } else if complete {
            self.take_event(at, number, cell, event.clone(), out);
        } else if matches!(on, On::Absence { .. }) {
            self.evaluate(at, number, cell, out);
        }
    }
}
