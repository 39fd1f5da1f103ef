//! Reads what an instance's condition depends on, and takes the instance one phase further.

use homeostat_model::{Clause, Duration, Event, Evidence, Resource, Timestamp, Truth, Value};
use homeostat_policy::{Attribute, Input};

use crate::{
    Change, Decider, Explained, Rule, Standing,
    instance::{EVENT_PATIENCE, Instance, MAX_QUEUE, Phase, Slot, Transition},
    predicate::Reading,
};

impl Decider {
    pub(crate) fn take_event(&mut self, at: Timestamp, key: usize, event: Event, out: &mut Vec<Change>) {
        let Some(instance) = self.instance_mut(key) else { return };
        if instance.phase != Phase::Idle {
            instance.queue.push_back(event);
            if instance.queue.len() > MAX_QUEUE
                && let Some(oldest) = instance.queue.pop_front()
            {
                let reason =
                    format!("event {}: more than {MAX_QUEUE} came while one was being answered", oldest.event_type);
                out.push(Change::Lost { finding: instance.finding.clone(), reason });
            }
            return;
        }
        instance.phase = Phase::Waiting { until: at + EVENT_PATIENCE };
        instance.event = Some(event);
        self.read_event(key);
        self.evaluate(at, key, out);
    }

    /// Looks at the events that came meanwhile, until one of them is taken up. Those that are too old are given up, and said.
    pub(crate) fn next_event(&mut self, at: Timestamp, key: usize, out: &mut Vec<Change>) {
        while let Some(instance) = self.instance_mut(key) {
            if instance.phase != Phase::Idle {
                return;
            }
            let Some(event) = instance.queue.pop_front() else { return };
            if event.time + EVENT_PATIENCE > at {
                self.take_event(at, key, event, out);
            } else {
                let reason = format!("event {}: it is over {EVENT_PATIENCE} old by now", event.event_type);
                out.push(Change::Lost { finding: instance.finding.clone(), reason });
            }
        }
    }

    /// Reads everything anew, takes the next phase and says what has changed.
    pub(crate) fn evaluate(&mut self, at: Timestamp, key: usize, out: &mut Vec<Change>) {
        let stale = self.read(at, key);
        let truth = self.truth(key);
        let Some(policy) = self.instance(key).and_then(|i| self.rule(i.rule)).map(|rule| rule.policy.clone()) else {
            return;
        };
        let Some(instance) = self.instance_mut(key) else { return };
        let (phase, transition) = match policy.on {
            Some(_) => instance.phase.of_event(truth, at),
            None => instance.phase.of_condition(truth, at, policy.hold_for),
        };
        let before = std::mem::replace(&mut instance.phase, phase);
        let known_again = std::mem::replace(&mut instance.truth, truth) == Truth::Unknown && truth == Truth::True;
        let wake = [stale, phase.deadline(policy.hold_for)].into_iter().flatten().filter(|wake| *wake > at).min();
        instance.wake = wake;
        let finding = instance.finding.clone();
        if let Some(wake) = wake {
            self.arm(key, wake);
        }
        match transition {
            Transition::None if known_again && matches!(phase, Phase::Open { .. }) => {
                out.push(Change::Known { finding })
            }
            Transition::None if matches!(before, Phase::Waiting { .. }) && phase == Phase::Idle => {
                if truth == Truth::Unknown {
                    let evidence = self.evidence_of(key).map_or_else(String::new, |evidence| evidence.to_string());
                    let reason = format!("its condition did not become known within {EVENT_PATIENCE}: {evidence}");
                    out.push(Change::Lost { finding, reason });
                }
                self.next_event(at, key, out);
            }
            Transition::None => {}
            Transition::Opened => {
                let evidence = self.evidence_of(key).unwrap_or(Evidence { truth, clauses: Vec::new() });
                out.push(Change::Opened { finding, policy, evidence });
            }
            Transition::Closed => {
                let reason = self.evidence_of(key).map_or_else(String::new, |evidence| evidence.to_string());
                out.push(Change::Closed { finding, reason });
            }
        }
    }

    /// Refreshes the readings of the windows; gives the earliest moment at which one of them changes by time alone.
    pub(crate) fn read(&mut self, at: Timestamp, key: usize) -> Option<Timestamp> {
        let Self { instances, rules, series, .. } = self;
        let instance = instances.get_mut(key)?;
        let stale_after = rules.get(instance.rule)?.policy.stale_after;
        let mut earliest: Option<Timestamp> = None;
        for (slot, reading) in instance.slots.iter().zip(&mut instance.readings) {
            let Slot::Window { series: number, window } = slot else { continue };
            let Some(watched) = series.get_mut(*number) else { continue };
            let until;
            (*reading, until) = watched.series.value(*window, at, stale_after);
            earliest = [earliest, until].into_iter().flatten().min();
        }
        earliest
    }

    /// The readings as of `at`, without refreshing those that decisions are made from.
    fn peek(&self, at: Timestamp, instance: &Instance, stale_after: Duration) -> Vec<Reading> {
        let read = |(slot, reading): (&Slot, &Reading)| match slot {
            Slot::Window { series, window } => {
                self.series.get(*series).and_then(|watched| watched.series.peek(*window, at, stale_after))
            }
            Slot::Attribute => reading.clone(),
        };
        instance.slots.iter().zip(&instance.readings).map(read).collect()
    }

    pub(crate) fn truth(&self, key: usize) -> Truth {
        let Some(instance) = self.instance(key) else { return Truth::False };
        match self.rule(instance.rule).map(|rule| &rule.predicate) {
            Some(Some(predicate)) => predicate.truth(&instance.readings, &self.sandbox),
            // An event alone is reason enough.
            Some(None) => Truth::True,
            None => Truth::False,
        }
    }

    pub(crate) fn evidence_of(&self, key: usize) -> Option<Evidence> {
        self.evidence_from(key, &self.instance(key)?.readings)
    }

    fn evidence_from(&self, key: usize, readings: &[Reading]) -> Option<Evidence> {
        let instance = self.instance(key)?;
        let rule = self.rule(instance.rule)?;
        let mut evidence = match &rule.predicate {
            Some(predicate) => predicate.evidence(&rule.inputs, readings, &self.sandbox),
            None => Evidence { truth: Truth::True, clauses: Vec::new() },
        };
        if let Some(event) = &instance.event {
            let values = event.attributes.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
            let text = format!("event {}", event.event_type);
            evidence.clauses.insert(0, Clause { text, truth: Truth::True, values });
        }
        Some(evidence)
    }

    pub(crate) fn read_attributes(&mut self, key: usize, resource: &Resource) {
        self.refresh(key, |attribute, _| match attribute {
            Attribute::Name => Some(Some(resource.id.name().into())),
            Attribute::Kind => Some(Some(resource.id.kind().into())),
            Attribute::Label(name) => Some(resource.labels.get(name).map(|label| label.as_str().into())),
            Attribute::Vcpus => Some(resource.capacity.vcpus.map(Value::Number)),
            Attribute::Memory => Some(resource.capacity.memory_bytes.map(|bytes| Value::Number(float(bytes)))),
            Attribute::Resource(name) => Some(resource.attributes.get(name).cloned()),
            Attribute::Event(_) => None,
        });
    }

    pub(crate) fn read_event(&mut self, key: usize) {
        self.refresh(key, |attribute, event| match attribute {
            Attribute::Event(name) => Some(event.and_then(|event| event.attributes.get(name)).cloned()),
            _ => None,
        });
    }

    /// Sets the readings for which `read` has an answer.
    pub(crate) fn refresh(&mut self, key: usize, read: impl Fn(&Attribute, Option<&Event>) -> Option<Reading>) {
        let Self { instances, rules, .. } = self;
        let Some(Instance { rule, readings, event, .. }) = instances.get_mut(key) else { return };
        let Some(Rule { inputs, .. }) = rules.get(*rule) else { return };
        for (input, reading) in inputs.iter().zip(readings) {
            if let Input::Attribute(_, attribute) = input
                && let Some(value) = read(attribute, event.as_ref())
            {
                *reading = value;
            }
        }
    }

    /// A question: it changes nothing, and so no later decision.
    pub(crate) fn explain_one(&self, at: Timestamp, key: usize) -> Option<Explained> {
        let instance = self.instance(key)?;
        let policy = self.rule(instance.rule)?.policy.clone();
        let evidence = self.evidence_from(key, &self.peek(at, instance, policy.stale_after))?;
        let standing = match instance.phase {
            Phase::Open { since } => Standing::Open { since },
            Phase::Pending { since, .. } => {
                Standing::Waiting { since, opens: instance.phase.deadline(policy.hold_for) }
            }
            Phase::Waiting { .. } => Standing::Unknown,
            Phase::Idle if policy.on.is_some() => Standing::No,
            Phase::Idle if evidence.truth == Truth::Unknown => Standing::Unknown,
            Phase::Idle => Standing::No,
        };
        Some(Explained { policy, standing, evidence })
    }
}

#[expect(clippy::as_conversions, reason = "memory sizes stay far below 2^53 bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}
