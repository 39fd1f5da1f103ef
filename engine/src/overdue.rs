//! Steps of which nothing is heard: their systems are asked, and only when nobody answers is it not known what became of them.
//!
//! ```text
//!   dispatched, or probed after a crash
//!      |  its timeout and a grace have passed: overdue
//!      v
//!   probed; no time counts until something is heard, whatever it is
//!      |  once more its timeout and a grace have passed: unheard
//!      v
//!   in doubt: a person has to look
//! ```
//!
//! When the clock goes forward by an hour, or the program stood still, deadlines pass that nobody had the time to meet. Each is decided as of
//! its own moment, so a second one that was counted from the first would pass with it. The next input shows that the driver is there and
//! what time it is; the driver owes an answer to what it was asked, so that where nothing is heard at all, nothing has to be decided.

use homeostat_model::{IdempotencyKey, REPORT_GRACE, StepCommand, StepReport, StepResult, Timestamp};

use crate::{Engine, Output, engine::Alarm};

impl Engine {
    /// Something is heard at `at`: whatever fell due before comes first.
    pub(crate) fn hear(&mut self, at: Timestamp, out: &mut Vec<Output>) {
        self.advance(at, out);
        self.started.get_or_insert(self.now);
        for (key, timeout) in std::mem::take(&mut self.inquiries) {
            self.alarms.insert((self.now + timeout.plus(REPORT_GRACE), Alarm::Unheard(key)));
        }
    }

    /// The report of what was handed over is awaited from here on.
    pub(crate) fn await_report(&mut self, command: &StepCommand) {
        let StepCommand { key, timeout, begun, .. } = command;
        let overdue = self.now + timeout.plus(REPORT_GRACE);
        self.alarms.insert((overdue, Alarm::Overdue(key.clone(), *begun)));
    }

    /// No report of what was `begun` then came in time.
    pub(crate) fn overdue(&mut self, key: IdempotencyKey, begun: Timestamp, out: &mut Vec<Output>) {
        let (plan, _) = key.step();
        let running = self.runs.get(&plan).into_iter().flat_map(|run| run.running());
        let same = |deed: &homeostat_plan::Deed| IdempotencyKey::of(plan, deed.step.id, deed.attempt) == key;
        let Some(deed) = running.filter(same).last() else { return };
        let command = self.command_of(plan, deed, begun);
        self.inquiries.insert(key, command.timeout);
        out.push(Output::Probe(command));
    }

    /// Nobody has answered what became of it.
    pub(crate) fn unheard(&mut self, key: IdempotencyKey, out: &mut Vec<Output>) {
        let (plan, step) = key.step();
        let running = self.runs.get(&plan).and_then(|run| run.running_key(step));
        if running.as_ref() == Some(&key) {
            out.push(Output::Cancel(key.clone()));
            let result = StepResult::Unknown { reason: "no report came".into() };
            self.reported(&StepReport { plan, step, key, generation: self.generation, result }, out);
        }
    }
}
