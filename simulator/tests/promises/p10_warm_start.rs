//! Promise 10: after a start nothing is disrupted until things have settled; budgets, cooldowns, quarantines and what counts towards a `for`
//! go on over the end of the program.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_engine::{Input, Past};
use homeostat_model::*;
use homeostat_policy::{OnUnknown, Policy};

use crate::{
    scene::Scene,
    watch::{Fact, Watch},
};

#[test]
fn a_start_disrupts_nothing_until_things_have_settled() {
    crate::sweep::holds(10);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// What the records say that goes on.
    memory: Memory,
    /// Since when a condition over `load` has been measured to hold in this life, and the last time.
    holds: BTreeMap<FindingRef, (Timestamp, Timestamp)>,
    /// How long it has held in the lives before, at least: as long as was measured, and as was kept of it.
    before: BTreeMap<FindingRef, Duration>,
    /// When each life ended.
    ends: BTreeMap<Generation, Timestamp>,
}

/// Folded from records: after a crash, from those that were durable.
#[derive(Debug, Default)]
struct Memory {
    life: Generation,
    /// Until when a policy leaves a resource alone, since a plan of it has succeeded.
    rests: BTreeMap<FindingRef, Timestamp>,
    quarantined: BTreeSet<ResourceId>,
    open: BTreeSet<FindingRef>,
    /// What counts towards its `for`, at most.
    counting: BTreeMap<FindingRef, Counting>,
    /// When that was last kept.
    kept: Timestamp,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        10
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Crashed(durable) => {
                self.ends.insert(Generation(scene.life), scene.now);
                self.memory = Memory::default();
                durable.iter().for_each(|record| self.memory.note(scene, record, &self.ends));
                self.remember(scene);
            }
            Fact::Told(Input::Recalled { past, .. }) => {
                let ended = self.ends.get(&self.memory.before_this()).copied().unwrap_or(scene.started);
                self.memory.recalls(past, ended);
            }
            Fact::Told(Input::Observed(Observation::Sample(sample))) => return self.measured(scene, sample),
            Fact::Told(Input::Observed(Observation::Inventory(_))) => {
                let there = |finding: &FindingRef| selects(scene, scene.policy(&finding.policy), &finding.resource);
                let gone: Vec<FindingRef> = self.holds.keys().filter(|finding| !there(finding)).cloned().collect();
                gone.iter().for_each(|finding| self.holds_no_more(finding));
            }
            Fact::Recorded(record) => {
                self.recorded(scene, record)?;
                self.memory.note(scene, record, &self.ends);
                if let Entry::FindingOpened { finding, .. } | Entry::FindingClosed { finding, .. } = &record.entry {
                    self.holds_no_more(finding);
                }
                return begins(scene);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Watcher {
    fn holds_no_more(&mut self, finding: &FindingRef) {
        self.holds.remove(finding);
        self.before.remove(finding);
    }

    /// The program has ended. Where what is not known counts as false, nothing is known at first: such a condition has to hold anew.
    fn remember(&mut self, scene: &Scene) {
        let Self { memory, holds, before, .. } = self;
        let goes_on = |finding: &FindingRef| scene.policy(&finding.policy).on_unknown != OnUnknown::Close;
        let held = std::mem::take(holds).into_iter().filter(|(finding, _)| goes_on(finding));
        let held = held.filter_map(|(finding, (since, last))| {
            let kept = memory.counting.get(&finding)?.held(memory.kept);
            let measured = before.get(&finding).copied().unwrap_or_default().plus(last.since(since));
            Some((finding, kept.min(measured)))
        });
        *before = held.collect();
    }

    /// What goes on is heeded.
    fn recorded(&self, scene: &Scene, record: &Record) -> Result<(), String> {
        let Memory { rests, quarantined, .. } = &self.memory;
        if let Some(flight) = scene.beginning() {
            let (touches, uses) = (flight.plan.touches(), flight.plan.uses());
            if let Some(id) = touches.iter().chain(&uses).find(|id| quarantined.contains(*id)) {
                return Err(format!("plan {} begins, and {id} is in quarantine", flight.plan.id));
            }
        }
        match &record.entry {
            Entry::PlanMade(plan) => {
                let resting = |finding: &&FindingRef| rests.get(*finding).is_some_and(|until| *until > record.at);
                match plan.findings.iter().find(resting) {
                    Some(finding) => Err(format!("plan {} is made, and {finding} rests", plan.id)),
                    None => Ok(()),
                }
            }
            Entry::FindingOpened { finding, .. } => {
                let wanted = scene.policy(&finding.policy).hold_for.minus(self.memory.held(finding));
                if record.at < scene.started + wanted {
                    let after = record.at.since(scene.started);
                    return Err(format!(
                        "{finding} opens {after} after the start, where it has to hold for {wanted} more"
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A condition that was measured to hold, without a gap, for as long as it has to, together with what is known of before, is open.
    fn measured(&mut self, scene: &Scene, sample: &Sample) -> Result<(), String> {
        let Sample { resource, time, value, .. } = sample;
        if sample.metric.as_str() != "load" {
            return Ok(());
        }
        for policy in scene.policies.iter().filter(|policy| !policy.hold_for.is_zero()) {
            let Some(holds) = over_load(policy, *value) else { continue };
            let finding = FindingRef { policy: policy.name.clone(), resource: resource.clone() };
            if *time != scene.now {
                // It comes late; where it is the first after a start, or says that it holds no more, it is what is known until the next one.
                if !holds || !self.holds.contains_key(&finding) {
                    self.holds_no_more(&finding);
                }
                continue;
            }
            if !holds || !selects(scene, policy, resource) || scene.open.contains_key(&finding) {
                self.holds_no_more(&finding);
                continue;
            }
            let stale = self.holds.get(&finding).is_some_and(|(_, last)| *last + policy.stale_after <= *time);
            if stale {
                self.holds_no_more(&finding);
            }
            let (since, last) = self.holds.entry(finding.clone()).or_insert((*time, *time));
            *last = *time;
            let wanted = policy.hold_for.minus(self.before.get(&finding).copied().unwrap_or_default());
            if *since + wanted < *time {
                let for_long = time.since(*since);
                return Err(format!("{finding} has held for {for_long}, {wanted} is enough, and it is not open"));
            }
        }
        Ok(())
    }
}

impl Memory {
    /// How long the condition of `finding` had held when the program last ended, at most.
    fn held(&self, finding: &FindingRef) -> Duration {
        self.counting.get(finding).map_or(Duration::ZERO, |counting| counting.before)
    }

    fn before_this(&self) -> Generation {
        Generation(self.life.0.saturating_sub(1))
    }

    /// What was known at a moment may be more than was kept as a record by then.
    fn recalls(&mut self, past: &Past, ended: Timestamp) {
        let past = serde_json::to_value(past).unwrap();
        let known: Vec<Counting> = serde_json::from_value(past["counting"].clone()).unwrap();
        for mut one in known {
            (one.before, one.since) = (one.held(ended), None);
            if one.before > self.held(&one.finding) {
                self.counting.insert(one.finding.clone(), one);
            }
        }
    }

    fn note(&mut self, scene: &Scene, record: &Record, ends: &BTreeMap<Generation, Timestamp>) {
        match &record.entry {
            Entry::PoliciesLoaded { generation, .. } if *generation != self.life => {
                let ended = ends.get(&self.life).copied().unwrap_or(record.at);
                self.begin(scene, *generation, ended);
            }
            Entry::FindingOpened { finding, .. } => {
                self.counting.remove(finding);
                self.open.insert(finding.clone());
            }
            Entry::FindingClosed { finding, .. } => {
                self.counting.remove(finding);
                self.open.remove(finding);
            }
            Entry::Counted { counting, ended } => {
                self.counting.retain(|finding, _| !ended.contains(finding));
                self.counting.extend(counting.iter().map(|one| (one.finding.clone(), one.clone())));
                self.kept = record.at;
            }
            Entry::PlanFinished { plan, result: PlanResult::Succeeded } => {
                let plan = &scene.flights[plan].plan;
                let policy = scene.policy(&plan.policy);
                let own = policy.then.get(usize::from(plan.rung) - 1).and_then(|rung| rung.cooldown);
                self.rests.insert(plan.finding(), record.at + own.unwrap_or(policy.cooldown));
            }
            Entry::ResourceQuarantined { finding, .. } => drop(self.quarantined.insert(finding.resource.clone())),
            Entry::ResourceReleased { resource, .. } => drop(self.quarantined.remove(resource)),
            _ => {}
        }
    }

    /// A program has ended, and another one begins: what was open may open again at once, and nothing counts meanwhile.
    fn begin(&mut self, scene: &Scene, life: Generation, ended: Timestamp) {
        self.life = life;
        for counting in self.counting.values_mut() {
            (counting.before, counting.since) = (counting.held(ended), None);
        }
        for finding in std::mem::take(&mut self.open) {
            let before = scene.policy(&finding.policy).hold_for;
            self.counting.insert(finding.clone(), Counting { finding, before, since: None });
        }
    }
}

/// Whether the condition of a policy over `load` holds; none of another.
fn over_load(policy: &Policy, load: f64) -> Option<bool> {
    match policy.name.as_str() {
        "hot" => Some(load > 0.8),
        "idle" => Some(load < 0.1),
        "restless" => Some(load > 0.6),
        "sleepless" => Some(load > 0.95),
        _ => None,
    }
}

fn selects(scene: &Scene, policy: &Policy, id: &ResourceId) -> bool {
    scene.told.get(id).is_some_and(|one| policy.select.matches(one, &scene.told))
}

fn begins(scene: &Scene) -> Result<(), String> {
    crate::p03_budgets::kept(scene, |_| true)?;
    let Some(flight) = scene.beginning().filter(|flight| flight.disrupts()) else { return Ok(()) };
    for guard in scene.guards_of(flight) {
        let Some(settle) = guard.settle else { continue };
        let id = flight.plan.id;
        if scene.decided < scene.started + settle {
            return Err(format!("plan {id} begins {} after the start", scene.decided.since(scene.started)));
        }
        if !scene.listed {
            return Err(format!("plan {id} begins before anybody has listed what there is"));
        }
    }
    Ok(())
}
