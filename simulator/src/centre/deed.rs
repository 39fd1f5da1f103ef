//! Steps that are being done: how long each takes, what it changes when it begins, when it ends and when it is called off.

use std::collections::{BTreeMap, VecDeque};

use homeostat_model::{
    Action, Amount, Duration, Generation, IdempotencyKey, ResourceId, StepCommand, StepReport, StepResult, Timestamp,
    Value, Verb,
};

use homeostat_port::Probe;

use super::{
    DataCentre, Seen,
    admission::Needs,
    agenda::Due,
    effects::Effects,
    host::{Host, Life},
    workload::{Phase, Workload},
};
use crate::number;

/// Ended steps whose outcome is remembered under their key. A driver repeats a key within the timeout of its step; at a
/// step a second this covers almost three hours of them.
const MAX_ENDED: usize = 10_000;

/// A management controller needs seconds, not minutes, to cut the power and to see that it is off.
const FENCE_TIME: Duration = Duration::from_secs(5);

/// A host shuts down in good order in about this time.
const POWER_OFF_TIME: Duration = Duration::from_secs(10);

/// The guest has to bring new processors and memory on line.
const RESIZE_TIME: Duration = Duration::from_secs(2);

/// A signal that cannot be refused, or one flag of the kernel.
const SIGNAL_TIME: Duration = Duration::from_millis(100);

/// A flag in the scheduler.
const CORDON_TIME: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(super) struct Deed {
    pub(super) command: StepCommand,
    pub(super) began: Timestamp,
    pub(super) ends: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Deeds {
    running: BTreeMap<IdempotencyKey, Deed>,
    busy: BTreeMap<ResourceId, IdempotencyKey>,
    ended: BTreeMap<IdempotencyKey, StepResult>,
    order: VecDeque<IdempotencyKey>,
}

impl Deeds {
    pub(super) fn running(&self, key: &IdempotencyKey) -> Option<&Deed> {
        self.running.get(key)
    }

    pub(super) fn ended(&self, key: &IdempotencyKey) -> Option<&StepResult> {
        self.ended.get(key)
    }

    /// The step that is being done to `id`: at most one at a time.
    pub(super) fn on(&self, id: &ResourceId) -> Option<&IdempotencyKey> {
        self.busy.get(id)
    }

    /// What `id` is being resized to.
    pub(super) fn resizing(&self, id: &ResourceId) -> Option<&Amount> {
        match &self.running.get(self.on(id)?)?.command.action {
            Action::Resize(amount) => Some(amount),
            _ => None,
        }
    }

    /// The workloads that are being moved to host `id` and are not placed there yet, in the order of keys.
    pub(super) fn towards(&self, id: &ResourceId) -> Vec<ResourceId> {
        let moving = |deed: &&Deed| matches!(&deed.command.action, Action::Migrate { to, .. } if to == id);
        self.running.values().filter(moving).map(|deed| deed.command.resource.clone()).collect()
    }

    /// Whether host `id` is about to be switched off, in good order or not.
    pub(super) fn is_going_off(&self, id: &ResourceId) -> bool {
        let deed = self.on(id).and_then(|key| self.running.get(key));
        deed.is_some_and(|deed| matches!(deed.command.action, Action::Fence | Action::Power { on: false }))
    }

    fn begin(&mut self, deed: Deed) {
        self.busy.insert(deed.command.resource.clone(), deed.command.key.clone());
        self.running.insert(deed.command.key.clone(), deed);
    }

    /// From now on the deed of this key is that of a newer generation.
    fn adopt(&mut self, command: &StepCommand) {
        if let Some(deed) = self.running.get_mut(&command.key) {
            deed.command.generation = command.generation;
        }
    }

    fn take(&mut self, key: &IdempotencyKey) -> Option<Deed> {
        let deed = self.running.remove(key)?;
        self.busy.remove(&deed.command.resource);
        Some(deed)
    }

    fn end(&mut self, key: &IdempotencyKey, result: StepResult) {
        if self.ended.insert(key.clone(), result).is_none() {
            self.order.push_back(key.clone());
        }
        if self.order.len() > MAX_ENDED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}

impl DataCentre {
    /// Begins a step. How it ends comes out of [`DataCentre::advance`] as [`Seen::Finished`], also when it is refused.
    ///
    /// Once a step was done under a key, that key does nothing any more and is reported as done again. While it is being
    /// done, its one end will be reported once.
    pub fn begin(&mut self, command: &StepCommand) {
        if self.deeds.running(&command.key).is_some() {
            return;
        }
        if let Some(done @ StepResult::Done { .. }) = self.deeds.ended(&command.key).cloned() {
            return self.report(command, done);
        }
        if let Err(refusal) = self.check(command) {
            return self.report(command, StepResult::Refused { reason: refusal.reason });
        }
        self.recognise(command.generation);
        if let Some(observed) = self.already(command) {
            self.ledger.found(command);
            return self.conclude(command, StepResult::Done { observed });
        }
        let ends = self.now + self.takes(command);
        self.deeds.begin(Deed { command: command.clone(), began: self.now, ends });
        self.agenda.add(ends, Due::Deed(command.key.clone()));
        self.ledger.begun(command);
        self.enter(command);
    }

    /// From now on nothing is done for an older generation than this one.
    pub fn recognise(&mut self, generation: Generation) {
        self.newest = self.newest.max(generation);
    }

    /// Says what became of a step, as [`Seen::Finished`], to a driver that begins anew and has no report of it. While it is being
    /// done, its end is told to whoever asked last.
    pub fn tell(&mut self, command: &StepCommand) {
        self.recognise(command.generation);
        match self.probe(command) {
            Probe::Running => self.deeds.adopt(command),
            Probe::Done(observed) => self.report(command, StepResult::Done { observed }),
            Probe::NotDone(seen) => {
                let reason = format!("it is not done; seen: {seen}");
                self.report(command, StepResult::Failed { reason });
            }
        }
    }

    /// Calls a step off and says whether that was possible. Afterwards everything is as it was before the step.
    ///
    /// A live migration and a resize can be called off; anything else has changed something as soon as it began, and is
    /// carried on to its end.
    pub fn cancel(&mut self, key: &IdempotencyKey) -> bool {
        let Some(deed) = self.deeds.running(key) else { return false };
        if !matches!(deed.command.action, Action::Resize(_) | Action::Migrate { live: true, .. }) {
            return false;
        }
        if let Some(deed) = self.deeds.take(key) {
            self.settle(&deed.command.resource);
            self.conclude(&deed.command, StepResult::Cancelled);
        }
        true
    }

    /// How far a step is, from 0 to 1; `None` when it is not being done.
    #[must_use]
    pub fn progress(&self, key: &IdempotencyKey) -> Option<f64> {
        let deed = self.deeds.running(key)?;
        let (gone, all) = (self.now.since(deed.began).as_secs_f64(), deed.ends.since(deed.began).as_secs_f64());
        Some(if all > 0.0 { (gone / all).min(1.0) } else { 1.0 })
    }

    /// When a step that is being done will end, if nothing comes between.
    #[must_use]
    pub fn ends(&self, key: &IdempotencyKey) -> Option<Timestamp> {
        self.deeds.running(key).map(|deed| deed.ends)
    }

    /// How long the step takes from now on.
    fn takes(&self, command: &StepCommand) -> Duration {
        let host = self.hosts.get(&command.resource);
        let Some(workload) = self.workloads.get(&command.resource) else {
            return match command.action {
                Action::Fence => FENCE_TIME,
                Action::Power { on: true } => host.map_or(Duration::ZERO, |host| host.boot_time),
                Action::Power { on: false } => POWER_OFF_TIME,
                _ => CORDON_TIME,
            };
        };
        let (start, stop) = (workload.start_time, workload.stop_time);
        match &command.action {
            Action::Restart { on: None } if workload.is_active() => stop.plus(start),
            Action::Stop => stop,
            Action::Resize(_) => RESIZE_TIME,
            Action::Pause { .. } | Action::Kill => SIGNAL_TIME,
            Action::Recreate { .. } if workload.is_active() => stop.plus(start),
            Action::Recreate { .. } => SIGNAL_TIME,
            Action::Migrate { live: true, .. } => self.copying(workload).plus(self.link.pause),
            Action::Migrate { live: false, .. } if workload.is_active() => {
                stop.plus(self.copying(workload)).plus(start)
            }
            Action::Migrate { live: false, .. } => self.copying(workload),
            _ => start,
        }
    }

    /// How long its memory takes over the link.
    fn copying(&self, workload: &Workload) -> Duration {
        let seconds = number::from_u64(workload.memory_bytes) / self.link.bytes_per_second;
        Duration::from_millis(number::whole((seconds * 1000.0).ceil()).unwrap_or(u64::MAX))
    }

    /// What changes as soon as a step begins.
    fn enter(&mut self, command: &StepCommand) {
        let id = &command.resource;
        match &command.action {
            Action::Restart { on } => {
                self.halt(id, Phase::Starting);
                if let (Some(to), Some(workload)) = (on, self.workloads.get_mut(id)) {
                    workload.host = to.clone();
                }
                self.changed(id);
            }
            Action::Start => self.turn(id, Phase::Starting),
            Action::Migrate { live: true, .. } => self.turn(id, Phase::Migrating),
            Action::Migrate { live: false, .. } | Action::Recreate { .. } => {
                // What runs is to run again; what does not run stays as it is.
                if self.workloads.get(id).is_some_and(Workload::is_active) {
                    self.halt(id, Phase::Starting);
                    self.changed(id);
                }
            }
            Action::Power { on: true } => self.boot(id),
            Action::Stop
            | Action::Resize(_)
            | Action::Pause { .. }
            | Action::Kill
            | Action::Fence
            | Action::Power { on: false }
            | Action::Cordon { .. } => {}
        }
    }

    /// A step has come to its end, unless it was called off or failed before.
    pub(super) fn finish_deed(&mut self, key: &IdempotencyKey) {
        // The same key may have been begun again after it failed: then the entry of the first attempt means nothing.
        if self.deeds.running(key).is_none_or(|deed| deed.ends != self.now) {
            return;
        }
        let Some(Deed { command, .. }) = self.deeds.take(key) else { return };
        let done = |effects: &Effects| effects.count(&command.resource, command.action.verb());
        let before = done(&self.effects);
        let result = self.finish(&command);
        self.ledger.applied(&command, done(&self.effects).saturating_sub(before));
        self.conclude(&command, result);
    }

    /// What changes when a step comes to its end, and how it ended.
    fn finish(&mut self, command: &StepCommand) -> StepResult {
        let id = &command.resource;
        match &command.action {
            Action::Restart { .. } => self.launch(id, Verb::Restart),
            Action::Start => self.launch(id, Verb::Start),
            Action::Stop => self.finish_stop(id, Verb::Stop),
            Action::Kill => self.finish_stop(id, Verb::Kill),
            Action::Pause { on } => self.finish_pause(id, *on),
            Action::Recreate { .. } if self.phase_of(id) == Some(Phase::Starting) => self.launch(id, Verb::Recreate),
            Action::Recreate { .. } => self.effects.done(id, Verb::Recreate),
            Action::Resize(amount) => self.finish_resize(id, amount),
            Action::Migrate { to, live } => self.finish_migration(id, to, *live),
            Action::Fence => self.finish_fence(id),
            Action::Power { on: true } => {
                // A host that stayed dark was either broken before or broke on the way.
                if !self.hosts.get(id).is_some_and(|host| host.is_up() || (host.life == Life::Booting && !host.broken))
                {
                    return StepResult::Failed { reason: format!("{id} did not come up") };
                }
                let boots = self.hosts.get(id).map_or(0, |host| host.boots);
                self.finish_boot(id, boots);
                self.effects.done(id, Verb::Power);
            }
            Action::Power { on: false } => {
                if !self.hosts.get(id).is_some_and(Host::is_up) {
                    return StepResult::Failed { reason: format!("{id} went down before it was switched off") };
                }
                self.turn_host(id, |host| host.life = Life::Off);
                self.effects.done(id, Verb::Power);
                self.announce_host(id, "off");
            }
            Action::Cordon { on } => {
                self.turn_host(id, |host| host.cordoned = *on);
                self.effects.done(id, Verb::Cordon);
                self.changed(id);
            }
        }
        StepResult::Done { observed: self.already(command).unwrap_or_else(|| self.look_at(id)) }
    }

    fn finish_pause(&mut self, id: &ResourceId, on: bool) {
        // Nothing is resumed that is not paused, nor paused that has crashed meanwhile.
        let (from, to) = if on { (Phase::Running, Phase::Paused) } else { (Phase::Paused, Phase::Running) };
        if self.phase_of(id) == Some(from) {
            self.turn(id, to);
            self.effects.done(id, Verb::Pause);
            self.happened(id, if on { "paused" } else { "unpaused" }, &[]);
        }
    }

    fn phase_of(&self, id: &ResourceId) -> Option<Phase> {
        self.workloads.get(id).map(|workload| workload.phase)
    }

    fn finish_stop(&mut self, id: &ResourceId, verb: Verb) {
        let host = self.workloads.get(id).map(|workload| workload.host.clone());
        self.halt(id, Phase::Stopped);
        self.effects.done(id, verb);
        self.changed(id);
        let host = host.map_or(Value::from(""), |host| Value::from(host.as_str()));
        self.happened(id, "stopped", &[("host", host), ("reason", "requested".into())]);
    }

    fn finish_resize(&mut self, id: &ResourceId, amount: &Amount) {
        let Some(workload) = self.workloads.get_mut(id) else { return };
        let given = Needs::given(workload, amount);
        (workload.vcpus, workload.memory_bytes) = (given.vcpus, given.memory_bytes);
        self.effects.done(id, Verb::Resize);
        self.changed(id);
        let memory = Value::from(number::from_u64(given.memory_bytes));
        self.happened(id, "resized", &[("vcpus", given.vcpus.into()), ("memory", memory)]);
    }

    fn finish_migration(&mut self, id: &ResourceId, to: &ResourceId, live: bool) {
        let Some(workload) = self.workloads.get_mut(id) else { return };
        let from = std::mem::replace(&mut workload.host, to.clone());
        let runs = matches!(workload.phase, Phase::Migrating | Phase::Starting);
        self.effects.vanished(id, &from);
        if runs {
            workload.phase = Phase::Running;
            self.effects.appeared(id, to, self.now);
        }
        self.effects.done(id, Verb::Migrate);
        self.changed(id);
        let places = [("from", from.as_str().into()), ("to", to.as_str().into()), ("live", live.into())];
        self.happened(id, "migrated", &places);
    }

    fn finish_fence(&mut self, id: &ResourceId) {
        self.turn_host(id, |host| {
            host.life = Life::Off;
            host.fenced = true;
        });
        self.effects.done(id, Verb::Fence);
        self.lose_guests(id, "its host was fenced");
        self.fail_deeds_towards(id, &format!("{id} was fenced meanwhile"));
        self.announce_host(id, "fenced");
    }

    /// Ends what is being done to `id` without success. What it runs or not is the caller's to set before.
    pub(super) fn fail_deeds_of(&mut self, id: &ResourceId, reason: &str) {
        let Some(key) = self.deeds.on(id).cloned() else { return };
        let Some(deed) = self.deeds.take(&key) else { return };
        self.settle(id);
        self.conclude(&deed.command, StepResult::Failed { reason: reason.into() });
    }

    /// Ends every move to host `id` without success.
    pub(super) fn fail_deeds_towards(&mut self, id: &ResourceId, reason: &str) {
        for workload in self.deeds.towards(id) {
            self.fail_deeds_of(&workload, reason);
        }
    }

    /// Takes a workload out of the states that only a step keeps it in.
    fn settle(&mut self, id: &ResourceId) {
        let Some(workload) = self.workloads.get(id) else { return };
        match workload.phase {
            Phase::Starting => self.turn(id, Phase::Stopped),
            Phase::Migrating => self.turn(id, Phase::Running),
            Phase::Stopped | Phase::Running | Phase::Paused | Phase::Crashed => {}
        }
    }

    fn turn(&mut self, id: &ResourceId, phase: Phase) {
        if let Some(workload) = self.workloads.get_mut(id) {
            workload.phase = phase;
            self.changed(id);
        }
    }

    fn turn_host(&mut self, id: &ResourceId, change: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(id) {
            change(host);
        }
    }

    /// Remembers and reports how a step ended.
    fn conclude(&mut self, command: &StepCommand, result: StepResult) {
        self.ledger.ended(command, &result);
        self.deeds.end(&command.key, result.clone());
        self.report(command, result);
    }

    fn report(&mut self, command: &StepCommand, result: StepResult) {
        let report = StepReport {
            plan: command.plan,
            step: command.step,
            key: command.key.clone(),
            generation: command.generation,
            result,
        };
        self.seen.push(Seen::Finished { at: self.now, report });
    }
}
