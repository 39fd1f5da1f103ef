//! What a rung of a policy's ladder comes to: its guards asked, its parameters computed.

use homeostat_model::{Change as Sizes, FindingRef, Resizing, Response, Timestamp, Truth};
use homeostat_policy::{Figure, Part, Policy, Prescription, Sizing, SizingChange, prescribe};

use crate::{Change, Decider, predicate::Term, reading::Reader, rule::RungProgram};

/// What a rung comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Prescribed {
    /// This is to be done.
    Do(Response),
    /// This rung is not meant now; why.
    Pass(String),
    /// Whether it is meant, or how much, is not known; what is missing.
    Unknown(String),
}

impl Decider {
    /// What the rung of this index of the policy of `finding` comes to at `at`.
    pub fn prescribe(
        &mut self,
        at: Timestamp,
        finding: &FindingRef,
        rung: usize,
        out: &mut Vec<Change>,
    ) -> Option<Prescribed> {
        let (number, cell) = self.find(finding)?;
        self.freshen(at, number, cell);
        let event = self.instance(number, cell).and_then(|instance| instance.event.clone());
        let reader = self.reader(at, number, cell, event.as_deref(), false)?;
        let prescribed = reader.prescribed(finding, rung)?;
        let key = *reader.one.shape.rules.get(cell)?;
        let trouble = reader.scripts.into_trouble();
        self.take_trouble(key, trouble, out);
        Some(prescribed)
    }

    /// Whether what the rung of this index of the policy of `finding` is to bring about, written `that`, is so at `at`, by what
    /// was measured after it was `done`: a metric of which nothing was is unknown. `None` when the policy, or that rung of it, is another one by now.
    pub fn verified(
        &mut self,
        at: Timestamp,
        finding: &FindingRef,
        rung: usize,
        that: &str,
        done: Timestamp,
    ) -> Option<Truth> {
        if !self.knows(&finding.resource) {
            // It has not been described yet, or has gone.
            return Some(Truth::Unknown);
        }
        let Some((number, cell)) = self.find(finding) else {
            // Known by its name only, as when a list lacked it: that says nothing of its policy.
            let rule = self.by_name.get(&finding.policy).and_then(|rule| self.rules.get(*rule))?;
            let written = rule.policy.then.get(rung)?.verify.as_ref()?;
            return (written.that.text.trim() == that).then_some(Truth::Unknown);
        };
        self.freshen(at, number, cell);
        let event = self.instance(number, cell).and_then(|instance| instance.event.clone());
        let mut reader = self.reader(at, number, cell, event.as_deref(), false)?;
        reader.measured_after = Some(done);
        let written = reader.rule.policy.then.get(rung)?.verify.as_ref()?;
        let program = reader.rule.rungs.get(rung)?.verify.as_ref()?;
        (written.that.text.trim() == that).then(|| program.truth(&reader))
    }
}

impl Reader<'_> {
    fn prescribed(&self, finding: &FindingRef, rung: usize) -> Option<Prescribed> {
        let policy: &Policy = &self.rule.policy;
        let (written, program) = (policy.then.get(rung)?, self.rule.rungs.get(rung)?);
        for (guard, predicate) in written.guards.iter().zip(&program.guards) {
            let text = guard.condition.text.trim();
            match (predicate.truth(self), guard.wanted) {
                (Truth::Unknown, _) => return Some(Prescribed::Unknown(format!("`if: {text}` is unknown"))),
                (Truth::True, true) | (Truth::False, false) => {}
                (truth, _) => return Some(Prescribed::Pass(format!("`if: {text}` is {truth}"))),
            }
        }
        Some(self.response(finding, &written.response, program))
    }

    fn response(&self, finding: &FindingRef, written: &Prescription, program: &RungProgram) -> Prescribed {
        let mut terms = program.terms.iter();
        match written {
            Prescription::Fixed(response) => Prescribed::Do(response.clone()),
            Prescription::Resize { vcpus, memory } => {
                let mut sizes =
                    |sizing: &Option<Sizing>| sizing.as_ref().map(|sizing| self.sizing(sizing, &mut terms)).transpose();
                match (sizes(vcpus), sizes(memory)) {
                    (Ok(vcpus), Ok(memory)) => Prescribed::Do(Response::Resize { vcpus, memory }),
                    (Err(missing), _) | (_, Err(missing)) => Prescribed::Unknown(missing),
                }
            }
            Prescription::Notify { severity, message, to } => {
                let text = |part: &Part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Resource => finding.resource.to_string(),
                    Part::Policy => finding.policy.to_string(),
                    Part::Formula(_) => terms.next().map_or_else(String::new, |term| term.shown(self).into_owned()),
                };
                let message = message.iter().map(text).collect();
                Prescribed::Do(Response::Notify { severity: *severity, message, to: to.clone() })
            }
            Prescription::Script(_) => match terms.next() {
                Some(term) => self.scripted(finding, term),
                None => Prescribed::Pass("there is no script".into()),
            },
        }
    }

    fn sizing<'t>(&self, sizing: &Sizing, terms: &mut impl Iterator<Item = &'t Term>) -> Result<Resizing, String> {
        let mut figure = |figure: &Figure| match figure {
            Figure::Number(number) => Ok(*number),
            Figure::Formula(formula) => {
                let number = terms.next().and_then(|term| term.value(self).number());
                number.ok_or_else(|| format!("`{}` is unknown", formula.text.trim()))
            }
        };
        let change = match &sizing.change {
            SizingChange::To(to) => Sizes::To(figure(to)?),
            SizingChange::By(by, sign) => Sizes::By(figure(by)? * sign),
            SizingChange::ByShare(by, sign) => Sizes::ByShare(figure(by)? * sign),
        };
        let min = sizing.min.as_ref().map(&mut figure).transpose()?;
        let max = sizing.max.as_ref().map(&mut figure).transpose()?;
        Ok(Resizing { change, min, max })
    }

    fn scripted(&self, finding: &FindingRef, term: &Term) -> Prescribed {
        let data = match term.data(self) {
            Some(Ok(data)) => data,
            Some(Err(error)) => return Prescribed::Pass(format!("its script failed: {error}")),
            None => return Prescribed::Unknown("something that its script reads is unknown".into()),
        };
        match prescribe(&data, finding.resource.kind()) {
            Ok(Some(response)) => Prescribed::Do(response),
            Ok(None) => Prescribed::Pass("its script asks for nothing".into()),
            Err(error) => Prescribed::Pass(format!("its script gave {data}: {error}")),
        }
    }
}
