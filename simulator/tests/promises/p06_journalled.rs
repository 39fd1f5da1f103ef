//! Promise 6: durable before it is dispatched, a key of its own, done once, probed after a crash before anything else; no plan is lost.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::*;

use crate::{
    scene::{Flight, Scene},
    watch::{Fact, Watch},
};

#[test]
fn every_step_is_durable_before_it_is_dispatched_done_once_and_probed_after_a_crash() {
    crate::sweep::holds(6);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    dispatched: BTreeSet<IdempotencyKey>,
    /// What was in the air when the program ended, and has not been asked about yet.
    to_probe: BTreeSet<IdempotencyKey>,
    /// How often what a step is for was really done, whatever the try.
    done: BTreeMap<(PlanId, StepId, bool), usize>,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        6
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Dispatched(command, durable) => self.dispatched(scene, command, durable),
            Fact::Probed(command) => {
                self.to_probe.remove(&command.key);
                Ok(())
            }
            Fact::Done(key) => self.done(scene, key),
            Fact::Crashed(durable) => {
                self.to_probe = in_the_air(durable);
                Ok(())
            }
            Fact::Recovered => match self.to_probe.pop_first() {
                Some(key) => Err(format!("{key} was in the air, and is not probed")),
                None => Ok(()),
            },
            Fact::Quiet => lost(scene),
            _ => Ok(()),
        }
    }
}

impl Watcher {
    fn dispatched(&mut self, scene: &Scene, command: &StepCommand, durable: &[Record]) -> Result<(), String> {
        let key = &command.key;
        let says = |entry: &Entry| matches!(entry, Entry::StepDispatched { plan, step, key } if (*plan, *step, key) == (command.plan, command.step, &command.key));
        if !durable.iter().rev().any(|record| says(&record.entry)) {
            return Err(format!("{key} is dispatched, and no durable record says so"));
        }
        if command.generation != Generation(scene.life) {
            return Err(format!("{key} is dispatched by generation {:?}", command.generation));
        }
        if !self.dispatched.insert(key.clone()) {
            return Err(format!("{key} is dispatched twice"));
        }
        let running = |one: &&crate::scene::Try| one.step == command.step && one.key != *key && one.result.is_none();
        if let Some(other) = scene.flights[&command.plan].tries.iter().find(running) {
            return Err(format!("{key} is dispatched while nobody knows what became of {}", other.key));
        }
        Ok(())
    }

    /// Without lies, what is done is known to be done, or in doubt: it is not done again.
    fn done(&mut self, scene: &Scene, key: &IdempotencyKey) -> Result<(), String> {
        let (plan, step) = key.step();
        let times = self.done.entry((plan, step, key.attempt().undo)).or_default();
        *times += 1;
        if *times > 1 && !scene.lies { Err(format!("{key} is done for the second time")) } else { Ok(()) }
    }
}

fn in_the_air(durable: &[Record]) -> BTreeSet<IdempotencyKey> {
    let mut running: BTreeMap<(PlanId, StepId), IdempotencyKey> = BTreeMap::new();
    for record in durable {
        match &record.entry {
            Entry::StepDispatched { plan, step, key } => drop(running.insert((*plan, *step), key.clone())),
            Entry::StepFinished { plan, step, .. } => drop(running.remove(&(*plan, *step))),
            _ => {}
        }
    }
    running.into_values().collect()
}

/// As long as the longest step, what undoes it, and looking whether it helped may take.
const LONGEST: Duration = Duration::from_mins(150);

fn lost(scene: &Scene) -> Result<(), String> {
    // What people are to leave alone stands still until they let it go.
    let stands = |flight: &Flight| {
        let (touches, uses) = (flight.plan.touches(), flight.plan.uses());
        touches.iter().chain(&uses).any(|id| scene.quarantined.contains(id))
    };
    let overdue = |flight: &&Flight| flight.begun.is_some_and(|begun| begun + LONGEST < scene.now) && !stands(flight);
    match scene.in_flight().find(overdue) {
        Some(Flight { plan, .. }) => Err(format!("plan {} began and never ended", plan.id)),
        None => Ok(()),
    }
}
