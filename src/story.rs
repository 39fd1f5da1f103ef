//! Decisions as lines for people: one for each, whatever the texts in it are.

use std::{collections::BTreeMap, fmt::Write as _, io::IsTerminal, sync::Arc};

use homeostat_model::{
    Delivery, Entry, Hold, Mode, Notification, Plan, PlanId, PlanResult, Record, StepResult, Timestamp,
};

use crate::printable::printable;

/// Turns records into lines. Remembers the plans in flight, to name the steps in words.
#[derive(Debug)]
pub(crate) struct Story {
    plans: BTreeMap<PlanId, Arc<Plan>>,
    colour: bool,
}

impl Story {
    /// A story for standard output.
    pub(crate) fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { plans: BTreeMap::new(), colour }
    }

    /// A story for whoever reads it elsewhere: without colours.
    pub(crate) fn plain() -> Self {
        Self { plans: BTreeMap::new(), colour: false }
    }

    /// A plan that was made and has not finished.
    pub(crate) fn plan(&self, id: PlanId) -> Option<&Plan> {
        self.plans.get(&id).map(AsRef::as_ref)
    }

    /// A plan that was made before the program began, and goes on.
    pub(crate) fn remember(&mut self, plan: &Arc<Plan>) {
        self.plans.insert(plan.id, plan.clone());
    }

    /// The lines that tell `record`; none for what people need not be told.
    pub(crate) fn tell(&mut self, record: &Record) -> String {
        let mut lines = String::new();
        let mut line = |colour: &str, word: &str, text: &str| {
            let word = if self.colour { format!("\x1b[{colour}m{word:<9}\x1b[0m") } else { format!("{word:<9}") };
            // Writing to a String does not fail.
            let _ = writeln!(lines, "{}  {word} {}", clock(record.at), printable(text));
        };
        match &record.entry {
            Entry::PoliciesLoaded { generation, policies, .. } => {
                let names: Vec<&str> = policies.iter().map(|name| name.as_str()).collect();
                line(
                    "2",
                    "policies",
                    &format!("{} loaded (generation {}): {}", names.len(), generation.0, names.join(", ")),
                );
            }
            Entry::FindingOpened { finding, evidence } => {
                line("33", "finding", &format!("{} {}: {evidence}", finding.resource, finding.policy));
            }
            Entry::FindingClosed { finding, reason } => {
                line("32", "closed", &format!("{} {}: {reason}", finding.resource, finding.policy));
            }
            Entry::Skipped { finding, response, reason, .. } => {
                line(
                    "35",
                    "skipped",
                    &format!("{} {}: {response} cannot be done: {reason}", finding.resource, finding.policy),
                );
            }
            // A pause after one's own act is what everybody expects; `explain` tells it to whoever asks.
            Entry::Held { hold: Hold::Cooldown { .. }, .. } => {}
            Entry::Held { finding, hold } => {
                line("35", "held back", &format!("{} {}: {hold}", finding.resource, finding.policy));
            }
            Entry::PlanMade(plan) => {
                let Plan { id, response, subject, policy, steps, effect, .. } = plan.as_ref();
                let steps = if steps.len() == 1 { "1 step".into() } else { format!("{} steps", steps.len()) };
                line("36", "plan", &format!("{id} {response} {subject} for {policy}, {steps}; then {effect}"));
                // One that is only shown has no steps to be told about, and never finishes.
                if plan.mode >= Mode::Approve {
                    self.plans.insert(*id, plan.clone());
                }
            }
            Entry::Joined { finding, plan, .. } => {
                line("36", "plan", &format!("{plan} does what {} wants for {} too", finding.policy, finding.resource));
            }
            Entry::PlanBegun { plan } => line("36", "plan", &format!("{plan} begins")),
            Entry::StepDispatched { plan, step, key } => {
                if let Some(step) = self.plans.get(plan).and_then(|plan| plan.step(*step)) {
                    let undone = step.compensation.as_deref().filter(|_| key.attempt().undo);
                    let (action, reason) = match undone {
                        Some(compensation) => (compensation, "so that it is as it was"),
                        None => (&step.action, step.reason.as_str()),
                    };
                    line("36", "  step", &format!("{key} {} {action}: {reason}", step.resource));
                }
            }
            Entry::StepFinished { plan, step, result } => {
                let (colour, text) = match result {
                    StepResult::Done { observed } => ("32", format!("done: {observed}")),
                    StepResult::Refused { reason } => ("31", format!("refused: {reason}")),
                    StepResult::Failed { reason } => ("31", format!("failed: {reason}")),
                    StepResult::Cancelled => ("31", "called off".into()),
                    StepResult::Unknown { reason } => ("31", format!("outcome not known: {reason}")),
                };
                line(colour, "  step", &format!("{plan}/{step} {text}"));
            }
            Entry::PlanCalledOff { plan, reason, out_of_time: true } => {
                line("35", "plan", &format!("{plan} begins nothing more, and what was done is undone: {reason}"));
            }
            Entry::PlanCalledOff { plan, reason, .. } => {
                line("35", "plan", &format!("{plan} is called off: {reason}"));
            }
            Entry::Verifying { plan, that, until } => {
                line("36", "  verify", &format!("{plan} `{that}`, by {}", clock(*until)));
            }
            Entry::PlanFinished { plan, result } => {
                let made = self.plans.remove(plan);
                let what = made.map_or_else(String::new, |plan| format!(" {} {}", plan.response, plan.subject));
                match result {
                    PlanResult::Succeeded => line("32", "plan", &format!("{plan}{what} succeeded")),
                    PlanResult::Failed { step, reason } => {
                        line("31", "plan", &format!("{plan}{what} failed at step {step}: {reason}"));
                    }
                    PlanResult::Unverified { reason } => {
                        line("31", "plan", &format!("{plan}{what} did not help: {reason}"));
                    }
                    PlanResult::Cancelled { reason } => {
                        line("31", "plan", &format!("{plan}{what} called off: {reason}"))
                    }
                    PlanResult::Expired { reason } => {
                        line("31", "plan", &format!("{plan}{what} expired: {reason}"));
                    }
                }
            }
            Entry::Notified(notification) => {
                let Notification { finding, severity, message, .. } = notification.as_ref();
                line("33", "notice", &format!("{} ({severity}): {message}", finding.resource));
            }
            // What arrives as it should is no part of the story.
            Entry::Delivered(Delivery { given_up: None, .. }) => {}
            Entry::Delivered(Delivery { notification, channel, given_up: Some(reason) }) => {
                line("31", "undelivered", &format!("{notification} by {channel}: {reason}"));
            }
            Entry::HandedOver { finding, reason } => {
                line(
                    "31",
                    "handover",
                    &format!("{} {}: a person has to go on; {reason}", finding.resource, finding.policy),
                );
            }
            Entry::Voted { plan, by, approve } => {
                let word = if *approve { "approves of" } else { "rejects" };
                line("36", "vote", &format!("{by} {word} plan {plan}"));
            }
            Entry::Paused { by } => line("35", "paused", &format!("by {by}: no plan begins until it is resumed")),
            Entry::Resumed { by } => line("36", "resumed", &format!("by {by}")),
            Entry::AutonomyChanged { policy, mode, reason } => {
                line("36", "autonomy", &format!("{policy} is now in mode {mode}: {reason}"));
            }
            Entry::BreakerChanged { guard, state, reason } => {
                line("35", "breaker", &format!("{guard} is {state}: {reason}"));
            }
            Entry::ResourceQuarantined { finding, lasts } => line(
                "31",
                "quarantine",
                &format!("{}: left alone until {} has been closed for {lasts}", finding.resource, finding.policy),
            ),
            Entry::ResourceReleased { resource, reason } => line("32", "released", &format!("{resource}: {reason}")),
            Entry::PolicyQuarantined { policy, reason } => line("31", "quarantine", &format!("{policy}: {reason}")),
            Entry::Counted { .. } => {}
            Entry::InputRefused { input, reason } => line("31", "refused", &format!("{input}: {reason}")),
        }
        lines
    }
}

/// The time of day in UTC, to the second.
pub(crate) fn clock(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(time) => time.strftime("%H:%M:%S").to_string(),
        Err(_) => "--:--:--".into(),
    }
}

#[cfg(test)]
mod tests {
    use homeostat_model::{
        Entry, Evidence, Generation, Mode, Plan, PlanId, PlanResult, PolicyName, Record, Timestamp, Truth,
    };

    use super::Story;

    fn plan(id: PlanId, mode: Mode) -> Plan {
        Plan {
            id,
            created: Timestamp::from_millis(0),
            policy: PolicyName::new("hot").unwrap(),
            subject: "vm/one".parse().unwrap(),
            findings: Vec::new(),
            response: "restart".into(),
            rung: 1,
            evidence: Evidence { truth: Truth::True, clauses: Vec::new() },
            mode,
            priority: 0,
            effect: "it runs".into(),
            reach: Default::default(),
            steps: Vec::new(),
            cost: Default::default(),
            verification: None,
        }
    }

    #[test]
    fn a_record_is_one_line_whatever_its_texts_are() {
        let reason = "it broke\n12:00:00  paused    by mallory\u{1b}[1A".to_owned();
        let entries = [
            Entry::InputRefused { input: "a\nb".into(), reason: reason.clone() },
            Entry::PlanFinished {
                plan: PlanId { generation: Generation(1), number: 1 },
                result: PlanResult::Cancelled { reason },
            },
        ];
        for entry in entries {
            let told = Story::plain().tell(&Record { at: Timestamp::from_millis(0), entry });
            assert!(told.lines().count() == 1 && !told.contains('\u{1b}') && told.contains("\\n"), "{told}");
        }
    }

    #[test]
    fn plans_are_remembered_while_they_can_still_finish() {
        let mut story = Story::new();
        let mut tell = |entry, id: &PlanId| {
            let told = story.tell(&Record { at: Timestamp::from_millis(0), entry });
            (told, story.plan(*id).is_some())
        };
        for (number, mode, finishes) in [(1, Mode::Recommend, false), (2, Mode::Approve, true), (3, Mode::Auto, true)] {
            let id = PlanId { generation: Generation(1), number };
            let (told, remembered) = tell(Entry::PlanMade(plan(id, mode).into()), &id);
            assert!(told.contains("restart vm/one for hot"), "{mode}: {told}");
            assert_eq!(remembered, finishes, "{mode}");
            let (_, remembered) = tell(Entry::PlanFinished { plan: id, result: PlanResult::Succeeded }, &id);
            assert!(!remembered, "{mode}");
        }
    }
}
