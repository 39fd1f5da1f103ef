//! Promise 4: when too much fails nothing is disrupted, what restores goes on, it tries again by itself, and nothing stale is done.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_engine::Input;
use homeostat_model::*;
use homeostat_policy::{Prescription, Safeguard};

use crate::{
    scene::{Flight, Scene},
    watch::{Fact, Watch},
};

/// How old an event may be when it is answered.
const PATIENCE: Duration = Duration::from_mins(5);

#[test]
fn the_breaker_stops_what_disrupts_and_nothing_else_and_lets_go_by_itself() {
    crate::sweep::holds(4);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    states: BTreeMap<String, BreakerState>,
    /// When plans failed that concern a guard, since its breaker changed.
    failed: BTreeMap<String, Vec<Timestamp>>,
    /// The events that this life was told, by what they happened to.
    events: BTreeMap<ResourceId, Vec<(EventType, Timestamp)>>,
    /// When something was last heard of each host.
    heard: BTreeMap<ResourceId, Timestamp>,
    /// Findings that were answered since they opened, or wait for another plan or their own cooldown.
    answered: BTreeSet<FindingRef>,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        4
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Told(Input::Observed(observation)) => self.observed(scene, observation),
            Fact::Recorded(record) => return self.recorded(scene, record),
            Fact::Settled => return self.settled(scene),
            Fact::Crashed(records) => {
                *self = Self::default();
                records.iter().for_each(|record| self.count(scene, record));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Watcher {
    fn observed(&mut self, scene: &Scene, observation: &Observation) {
        match observation {
            Observation::Event(Event { resource, event_type, time, .. }) => {
                self.heard.insert(resource.clone(), scene.now);
                let happened = (event_type.clone(), (*time).min(scene.now));
                self.events.entry(resource.clone()).or_default().push(happened);
            }
            Observation::Sample(sample) => {
                self.heard.insert(sample.resource.clone(), scene.now);
            }
            Observation::Inventory(_) => {
                for host in scene.told.of_kind("host") {
                    self.heard.entry(host.id.clone()).or_insert(scene.now);
                }
                self.heard.retain(|id, _| scene.told.get(id).is_some());
            }
            Observation::Labels { .. } => {}
        }
    }

    fn recorded(&mut self, scene: &Scene, record: &Record) -> Result<(), String> {
        self.count(scene, record);
        match &record.entry {
            Entry::FindingOpened { finding, .. } => {
                self.answered.remove(finding);
                // Its plan of an earlier life is at work.
                if scene.in_flight().any(|flight| flight.plan.findings.contains(finding)) {
                    self.answered.insert(finding.clone());
                }
                return self.opened(scene, finding);
            }
            // The plan of another finding that is under way answers it.
            Entry::Joined { finding, plan, .. } if scene.flights.get(plan).is_some_and(Flight::is_in_flight) => {
                self.answered.insert(finding.clone());
            }
            Entry::Held { finding, hold } => {
                // What is in somebody's hand is looked at again when it is free, however long that takes.
                if matches!(hold, Hold::Owned { .. } | Hold::Cooldown { .. }) {
                    self.answered.insert(finding.clone());
                }
                return goes_on(scene, finding, hold);
            }
            _ => {}
        }
        self.begins(scene)
    }

    /// What outlasts the program: the breakers, and what failed.
    fn count(&mut self, scene: &Scene, record: &Record) {
        match &record.entry {
            Entry::BreakerChanged { guard, state, .. } => {
                self.states.insert(guard.clone(), *state);
                self.failed.remove(guard);
            }
            Entry::PlanFinished { plan, result } => self.finished(scene, record.at, &scene.flights[plan], result),
            _ => {}
        }
    }

    /// What an event policy answers happened not long ago.
    fn opened(&self, scene: &Scene, finding: &FindingRef) -> Result<(), String> {
        let policy = scene.policy(&finding.policy);
        if !policy.answers_events() {
            return Ok(());
        }
        let types: Vec<&EventType> = policy.on.iter().flat_map(|on| on.matches()).flat_map(|one| &one.types).collect();
        let fresh = |(what, time): &(EventType, Timestamp)| types.contains(&what) && *time + PATIENCE >= scene.decided;
        match self.events.get(&finding.resource).is_some_and(|events| events.iter().any(fresh)) {
            true => Ok(()),
            false => Err(format!("{finding} opens, and no such event happened within {PATIENCE}")),
        }
    }

    fn finished(&mut self, scene: &Scene, at: Timestamp, flight: &Flight, result: &PlanResult) {
        let failed = !flight.doubtful().is_empty()
            || matches!(result, PlanResult::Failed { .. } | PlanResult::Unverified { .. });
        if !failed || flight.begun.is_none() || !flight.disrupts() || scene.looked_at.contains(&flight.plan.id) {
            return;
        }
        for guard in scene.guards_of(flight) {
            let name = guard.name.as_str();
            if matches!(self.states.get(name), None | Some(BreakerState::Closed)) {
                self.failed.entry(name.to_owned()).or_default().push(at);
            }
        }
    }

    /// Everything is said by now: whatever had to open is open, and whatever was open for long enough is not.
    fn settled(&self, scene: &Scene) -> Result<(), String> {
        // While the engine is told what there was, time does not pass.
        if scene.now == scene.started {
            return Ok(());
        }
        for guard in &scene.guards {
            let (Some(fuse), name) = (guard.breaker, guard.name.as_str()) else { continue };
            if let Some(BreakerState::Open { until }) = self.states.get(name)
                && *until <= scene.now
            {
                return Err(format!("the breaker of {name} is open longer than its pause"));
            }
            let Some(failed) = self.failed.get(name) else { continue };
            let recent = failed.iter().filter(|at| **at + fuse.within > *failed.last().unwrap()).count();
            if recent >= fuse.failures as usize {
                return Err(format!(
                    "{recent} plans of {name} failed within {}, and its breaker is closed",
                    fuse.within
                ));
            }
        }
        Ok(())
    }

    fn begins(&mut self, scene: &Scene) -> Result<(), String> {
        let Some(flight) = scene.beginning() else { return Ok(()) };
        let (id, finding) = (flight.plan.id, flight.plan.finding());
        let first = self.answered.insert(finding.clone());
        // It is the answer to all of them.
        self.answered.extend(flight.plan.findings.iter().cloned());
        if !flight.disrupts() {
            return Ok(());
        }
        let waited = scene.open.get(&finding).map(|opened| scene.decided.since(*opened)).unwrap_or_default();
        let auto = flight.plan.mode == Mode::Auto && scene.policy(&finding.policy).answers_events();
        if first && auto && waited > PATIENCE {
            return Err(format!("plan {id} answers an event {waited} after it opened {finding}"));
        }
        scene.guards_of(flight).try_for_each(|guard| self.lets_pass(scene, guard, id))
    }

    fn lets_pass(&self, scene: &Scene, guard: &Safeguard, id: PlanId) -> Result<(), String> {
        let name = guard.name.as_str();
        match self.states.get(name) {
            Some(BreakerState::Open { .. }) => {
                return Err(format!("plan {id} begins, and the breaker of {name} is open"));
            }
            Some(BreakerState::HalfOpen { trial: Some(trial) }) if *trial != id => {
                return Err(format!("plan {id} begins while the breaker of {name} tries {trial}"));
            }
            _ => {}
        }
        let selected = || scene.told.iter().filter(|one| guard.select.matches(one, &scene.told));
        if let Some(max) = guard.max_unhealthy {
            let ill = |one: &&Resource| scene.open.keys().any(|finding| finding.resource == one.id);
            let (unhealthy, max) = (selected().filter(ill).count(), max.down(selected().count()));
            if unhealthy > max as usize {
                return Err(format!("plan {id} begins with {unhealthy} unhealthy under {name}, and {max} may be"));
            }
        }
        let Some(rule) = guard.silent_hosts else { return Ok(()) };
        let hosts: BTreeSet<ResourceId> = selected()
            .flat_map(|one| std::iter::once(one).chain(scene.told.ancestors(&one.id)))
            .filter(|one| one.id.kind() == "host")
            .map(|one| one.id.clone())
            .collect();
        let silent =
            |host: &&ResourceId| self.heard.get(*host).is_none_or(|heard| *heard + rule.after <= scene.decided);
        let (silent, max) = (hosts.iter().filter(silent).count(), rule.max.down(hosts.len()));
        if silent > max as usize {
            return Err(format!("plan {id} begins with {silent} silent hosts under {name}, and {max} may be"));
        }
        Ok(())
    }
}

/// What only restores waits for no budget, storm or breaker.
fn goes_on(scene: &Scene, finding: &FindingRef, hold: &Hold) -> Result<(), String> {
    let restores = |prescription: &Prescription| {
        matches!(prescription, Prescription::Fixed(Response::Start | Response::Unpause | Response::Release))
    };
    let forbids = matches!(
        hold,
        Hold::Budget { .. }
            | Hold::Unhealthy { .. }
            | Hold::Silent { .. }
            | Hold::Breaker { .. }
            | Hold::Outside { .. }
            | Hold::Settling { .. }
    );
    if forbids && scene.policy(&finding.policy).then.iter().all(|rung| restores(&rung.response)) {
        return Err(format!("{finding} only restores, and is held back: {hold}"));
    }
    Ok(())
}
