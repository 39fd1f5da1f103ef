//! What happens to the world at its time: incidents, samples, lists, clocks, people.

use homeostat_engine::{Input, OperatorCommand};
use homeostat_model::*;
use homeostat_simulator::Incident;

use super::{Due, EVERY, Told, World};
use crate::fate::Happening;

impl World {
    fn any(&mut self, kind: &str) -> Option<ResourceId> {
        let all: Vec<&ResourceId> = self.real.keys().filter(|id| id.kind() == kind).collect();
        (!all.is_empty()).then(|| (*self.draw.pick(&all)).clone())
    }

    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Crash => self.inject("vm", Incident::Crash),
            Happening::Kill => self.inject("host", Incident::Kill),
            Happening::Isolate => self.inject("host", Incident::Isolate),
            Happening::Revive => {
                let hosts: Vec<ResourceId> = self.real.keys().filter(|id| id.kind() == "host").cloned().collect();
                hosts.into_iter().for_each(|id| self.centre.inject(&Incident::Revive(id)));
            }
            Happening::Load => self.load(),
            Happening::Sample => self.sample(),
            Happening::Stale => {
                if !self.before.is_empty() {
                    let old = self.draw.pick(&self.before).clone();
                    self.tell(Input::Observed(Observation::Inventory(InventoryChange::Upsert(old))));
                }
            }
            Happening::Partial => self.list(true),
            Happening::Snapshot => self.list(false),
            Happening::OldEvent => {
                let time = self.clock() - self.draw.seconds(301, 3_000);
                self.event("vm.crashed", time);
            }
            Happening::Forward => self.ahead = self.ahead.plus(self.draw.seconds(1, 900)),
            Happening::Back => {
                let mut out = Vec::new();
                self.pass_time();
                if !self.dead {
                    self.engine.advance(self.scene.now - Duration::from_mins(7), &mut out);
                    self.carry_out(out);
                }
            }
            Happening::Person => self.person(),
            Happening::Pause => {
                self.paused = !self.paused;
                let by = "an operator".to_owned();
                let command = if self.paused { OperatorCommand::Pause { by } } else { OperatorCommand::Resume { by } };
                self.tell(Input::Operator(command));
            }
            Happening::Reload => self.call(Told::Policies),
            Happening::Die => self.dies_in = Some(self.draw.between(1, 12)),
            Happening::Disk => self.journal.broken = true,
            Happening::Ask => self.ask(),
        }
    }

    fn inject(&mut self, kind: &str, incident: impl Fn(ResourceId) -> Incident) {
        if let Some(id) = self.any(kind) {
            self.centre.inject(&incident(id));
        }
    }

    fn event(&mut self, what: &str, time: Timestamp) {
        let Some(resource) = self.any("vm") else { return };
        self.events += 1;
        let (event_type, id) = (EventType::new(what).unwrap(), format!("drawn-{}", self.events));
        let event = Event { resource, event_type, time, id, attributes: Attributes::default() };
        self.tell(Input::Observed(Observation::Event(event)));
    }

    fn list(&mut self, partial: bool) {
        let mut resources = self.centre.snapshot();
        let missing = if partial { self.draw.between(1, 3) } else { 0 };
        for _ in 0..missing.min(resources.len() as u64) {
            let place = self.draw.below(resources.len() as u64) as usize;
            resources.remove(place);
        }
        let adapter = self.centre.adapter().clone();
        self.tell(Input::Observed(Observation::Inventory(InventoryChange::Snapshot { adapter, resources })));
    }

    fn load(&mut self) {
        let level = *self.draw.pick(&[0.05, 0.5, 0.85, 0.85, 0.98]);
        if self.draw.chance(12)
            && let Some(host) = self.any("host")
        {
            let drained = self.loads.get(&host).is_some_and(|drain| *drain > 0.5);
            self.loads.insert(host, if drained { 0.0 } else { 1.0 });
            return;
        }
        let measured: Vec<ResourceId> = self.loads.keys().filter(|id| id.kind() == "vm").cloned().collect();
        if !measured.is_empty() {
            let one = self.draw.pick(&measured).clone();
            self.loads.insert(one, level);
        }
    }

    /// Measures what is up: machines by their load; hosts too, where anybody asks for them.
    fn sample(&mut self) {
        let at = self.tick + EVERY;
        self.enter(at, Due::Happening(Happening::Sample));
        let listens = self.scene.guards.iter().any(|guard| guard.silent_hosts.is_some());
        let hosts = self.real.values().filter(|one| one.id.kind() == "host" && one.state() == Some("up"));
        let mut measured: Vec<(ResourceId, f64)> = hosts
            .filter(|host| listens || self.loads.contains_key(&host.id))
            .map(|host| (host.id.clone(), self.loads.get(&host.id).copied().unwrap_or_default()))
            .collect();
        let running = |id: &&ResourceId| self.real.get(*id).is_some_and(|one| one.state() == Some("running"));
        measured.extend(
            self.loads.keys().filter(|id| id.kind() == "vm").filter(running).map(|id| (id.clone(), self.loads[id])),
        );
        for (resource, value) in measured {
            let metric = MetricName::new(if resource.kind() == "host" { "drain" } else { "load" }).unwrap();
            let sample = Sample { resource, metric, time: self.clock(), value };
            let input = Input::Observed(Observation::Sample(sample));
            match self.draw.below(if self.calm { 1 } else { 100 }) {
                94..97 => {}
                97 => [input.clone(), input].into_iter().for_each(|input| self.tell(input)),
                98 | 99 => {
                    let at = self.tick + self.draw.seconds(1, 90);
                    self.enter(at, Due::Tell(Box::new(input)));
                }
                _ => self.tell(input),
            }
        }
    }

    /// A person says something about a plan, if there is one of which something can be said.
    fn person(&mut self) {
        let here = |plan: &PlanId| plan.generation == Generation(self.scene.life);
        let flights = self.scene.flights.iter();
        let waits: Vec<PlanId> = flights
            .clone()
            .filter(|(id, one)| {
                one.plan.mode == Mode::Approve && one.begun.is_none() && one.ended.is_none() && here(id)
            })
            .map(|(id, _)| *id)
            .collect();
        let doubtful = |id: &PlanId| {
            let one = &self.scene.flights[id];
            one.ended.is_some() && !self.scene.looked_at.contains(id) && !one.doubtful().is_empty()
        };
        let others: Vec<PlanId> =
            flights.filter(|(id, one)| one.is_in_flight() || doubtful(id)).map(|(id, _)| *id).collect();
        let command = if !waits.is_empty() && self.draw.chance(80) {
            let plan = *self.draw.pick(&waits);
            match self.draw.below(8) {
                0 => OperatorCommand::Approve(plan),
                1 => OperatorCommand::Reject(plan),
                2 => OperatorCommand::Cancel { plan, by: "an operator".into() },
                _ => {
                    let by = (*self.draw.pick(&["ann", "bob", "eve"])).to_owned();
                    OperatorCommand::Vote { plan, by, approve: !self.draw.chance(10), hash: None }
                }
            }
        } else if !others.is_empty() && self.draw.chance(60) {
            OperatorCommand::Cancel { plan: *self.draw.pick(&others), by: "an operator".into() }
        } else {
            return;
        };
        self.tell(Input::Operator(command));
    }
}
