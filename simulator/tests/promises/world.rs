//! One run of a seed: the engine, a data centre, a journal, and everything that goes wrong between them.

mod happening;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_engine::{Engine, Input, Output};
use homeostat_model::*;
use homeostat_policy::Policy;
use homeostat_simulator::{DataCentre, Seen, capabilities};

use crate::{
    charter::charter,
    draw::Draw,
    fate::{Fate, Happening},
    journal::Journal,
    scene::Scene,
    site::{START, site},
    watch::{Broken, Fact, Watch},
};

/// From one sample of a metric to the next.
const EVERY: Duration = Duration::from_secs(30);
/// Machines that are measured: enough to be in each other's way.
const MEASURED: usize = 5;
/// Old descriptions that may come again.
const REMEMBERED: usize = 64;
/// How often it is kept what counts towards its `for`, as the live driver does.
const KEEP_COUNTED: Duration = Duration::from_secs(10);
/// After the last fault: the longest step times out, is given up, and what came of it is undone.
const CALM: Duration = Duration::from_mins(200);

/// What an engine was told, to tell it to another one.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Policies,
    Input(Box<Input>),
}

#[derive(Debug)]
enum Due {
    Happening(Happening),
    Tell(Box<Input>),
}

impl Due {
    fn is_failure_of(&self, command: &StepCommand) -> bool {
        let Self::Tell(input) = self else { return false };
        let Input::Report(StepReport { key, generation, result, .. }) = &**input else { return false };
        (key, *generation) == (&command.key, command.generation) && matches!(result, StepResult::Failed { .. })
    }
}

pub(crate) struct World {
    seed: u64,
    draw: Draw,
    /// Draws the moments of which it is kept what was known.
    moments: Draw,
    /// When it was last kept what counts towards its `for`.
    counted: Timestamp,
    pub(crate) policies: &'static [Arc<Policy>],
    engine: Engine,
    scene: Scene,
    watchers: Vec<Box<dyn Watch>>,
    pub(crate) broken: Vec<Broken>,
    pub(crate) story: Option<Vec<String>>,
    centre: DataCentre,
    offered: Capabilities,
    tick: Timestamp,
    /// How far the engine's clock is ahead of the data centre's.
    ahead: Duration,
    /// How late the driver wakes up.
    late: Duration,
    agenda: BTreeMap<(Timestamp, u64), Due>,
    entered: u64,
    fates: BTreeMap<IdempotencyKey, Fate>,
    done: BTreeSet<IdempotencyKey>,
    trouble: u64,
    journal: Journal,
    pub(crate) heard: Vec<(Timestamp, Told)>,
    pub(crate) said: Vec<Output>,
    /// Everything there is, as it really is.
    real: BTreeMap<ResourceId, Resource>,
    before: Vec<Resource>,
    loads: BTreeMap<ResourceId, f64>,
    events: u64,
    calm: bool,
    paused: bool,
    dead: bool,
    dies_in: Option<u64>,
}

impl World {
    pub(crate) fn new(seed: u64, watchers: Vec<Box<dyn Watch>>) -> Self {
        let mut draw = Draw::new(seed, 1);
        let scenario = site(&mut draw);
        let centre = DataCentre::new(&scenario, AdapterName::new("sim").unwrap(), START, scenario.seed);
        let policies: &'static [Arc<Policy>] = &charter(seed).1;
        let measured = centre.snapshot().into_iter().map(|one| one.id).filter(|id| id.kind() == "vm");
        let loads = measured.take(MEASURED).map(|id| (id, 0.5)).collect();
        let lies = draw.chance(25);
        let offered = offered(&mut draw, centre.adapter());
        Self {
            seed,
            moments: Draw::new(seed, 3),
            counted: START,
            policies,
            engine: Engine::new(Generation(1)),
            scene: Scene::new(policies, START, lies),
            watchers,
            broken: Vec::new(),
            story: None,
            real: centre.snapshot().into_iter().map(|one| (one.id.clone(), one)).collect(),
            centre,
            offered,
            tick: START,
            ahead: Duration::ZERO,
            late: Duration::from_millis(*draw.pick(&[0, 0, 0, 700, 2_000])),
            agenda: BTreeMap::new(),
            entered: 0,
            fates: BTreeMap::new(),
            done: BTreeSet::new(),
            trouble: *draw.pick(&[0, 10, 30, 60]),
            journal: Journal::default(),
            heard: Vec::new(),
            said: Vec::new(),
            before: Vec::new(),
            loads,
            events: 0,
            calm: false,
            paused: false,
            dead: false,
            dies_in: None,
            draw,
        }
    }

    /// Runs the seed to its end.
    pub(crate) fn run(&mut self) {
        self.begin(Vec::new());
        let chaos = self.draw.seconds(300, 900);
        for _ in 0..self.draw.between(20, 60) {
            let at = START + self.draw.seconds(0, chaos.as_millis() / 1000);
            let happening = Happening::draw(&mut self.draw);
            self.enter(at, Due::Happening(happening));
        }
        self.enter(START + Duration::from_secs(5), Due::Happening(Happening::Sample));
        self.run_until(START + chaos);
        self.calm_down();
        let end = self.tick + CALM;
        self.run_until(end);
        self.ask();
        for what in self.twice() {
            self.fact(&Fact::Twice(&what));
        }
        self.fact(&Fact::Quiet);
        self.repeat();
    }

    /// Nothing goes wrong any more, and for a while everything is measured as it should be.
    fn calm_down(&mut self) {
        (self.calm, self.journal.broken, self.dies_in) = (true, false, None);
        self.happen(Happening::Revive);
        self.loads.values_mut().for_each(|load| *load = 0.5);
        if self.paused {
            self.happen(Happening::Pause);
        }
        self.happen(Happening::Snapshot);
        let until = self.tick + Duration::from_mins(10);
        self.run_until(until);
        self.happen(Happening::Ask);
        self.agenda.retain(|_, due| !matches!(due, Due::Happening(_)));
    }

    fn begin(&mut self, open: Vec<OpenPlan>) {
        self.call(Told::Policies);
        if self.scene.life > 1 {
            let (past, since) = self.journal.recalled(&mut self.moments);
            self.tell(Input::Recalled { past: Box::new(past), since });
        }
        for plan in open {
            self.tell(Input::Recovered(Box::new(plan)));
        }
        self.tell(Input::Capabilities(self.offered.clone()));
        self.fact(&Fact::Recovered);
        if self.draw.chance(70) {
            self.happen(Happening::Snapshot);
        } else {
            let at = self.tick + self.draw.seconds(1, 40);
            self.enter(at, Due::Happening(Happening::Snapshot));
        }
    }

    fn run_until(&mut self, end: Timestamp) {
        loop {
            if self.dead {
                self.come_back();
            }
            let wake = self.engine.next_deadline().map(|at| (at - self.ahead + self.late).max(self.tick));
            let happening = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let due = [wake, happening, self.centre.next_due()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.tick = self.tick.max(due);
            for seen in self.centre.advance(self.tick) {
                self.seen(seen);
            }
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.tick && !self.dead) {
                match entry.remove() {
                    Due::Happening(happening) => self.happen(happening),
                    Due::Tell(input) => self.tell(*input),
                }
            }
            self.pass_time();
            self.keep_past();
        }
        self.tick = self.tick.max(end);
        self.pass_time();
    }

    /// Keeps what counts towards its `for`, every now and then, and what is known, at moments that are drawn.
    fn keep_past(&mut self) {
        if self.dead {
            return;
        }
        if self.tick.since(self.counted) >= KEEP_COUNTED {
            self.counted = self.tick;
            self.engine.counted().into_iter().for_each(|record| self.journal.append(record));
        }
        if self.moments.chance(2) {
            self.journal.keep(self.engine.past(), &mut self.moments);
        }
    }

    fn enter(&mut self, at: Timestamp, due: Due) {
        self.entered += 1;
        self.agenda.insert((at, self.entered), due);
    }

    fn clock(&self) -> Timestamp {
        (self.tick + self.ahead).max(self.scene.now)
    }

    fn pass_time(&mut self) {
        if self.dead {
            return;
        }
        let at = self.clock();
        let mut out = Vec::new();
        self.engine.advance(at, &mut out);
        self.scene.now = at;
        self.carry_out(out);
    }

    fn tell(&mut self, input: Input) {
        self.call(Told::Input(Box::new(input)));
    }

    /// Tells the engine something; what had fallen due before comes first.
    fn call(&mut self, told: Told) {
        self.pass_time();
        if self.dead {
            return;
        }
        let at = self.clock();
        self.heard.push((at, told.clone()));
        let mut out = Vec::new();
        match told {
            Told::Policies => self.engine.replace_policies(at, self.policies, &mut out).unwrap(),
            Told::Input(input) => {
                self.scene.tell(&input);
                self.fact(&Fact::Told(&input));
                self.engine.handle(at, *input, &mut out);
            }
        }
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        self.said.extend(out.iter().cloned());
        for output in out {
            if self.dead {
                return;
            }
            match output {
                Output::Record(record) => self.keep(record),
                Output::Dispatch(command) => {
                    if self.synced() {
                        let durable = std::mem::take(&mut self.journal);
                        self.fact(&Fact::Dispatched(&command, durable.durable()));
                        self.journal = durable;
                        self.dispatch(&command);
                    }
                }
                Output::Probe(command) => {
                    if self.synced() {
                        self.fact(&Fact::Probed(&command));
                        // A driver asks nobody about what it still carries out: it is about to say that it failed.
                        if !self.agenda.values().any(|due| due.is_failure_of(&command)) {
                            let fate = self.fate();
                            self.fates.insert(command.key.clone(), fate);
                            self.centre.tell(&command);
                        }
                    }
                }
                Output::Cancel(key) => drop(self.centre.cancel(&key)),
                Output::Notify(_)
                | Output::Stands(_)
                | Output::Resolved(_)
                | Output::SampleRefused { .. }
                | Output::Overran { .. } => {}
            }
        }
        if !self.dead && self.draw.chance(70) {
            self.synced();
        }
        self.fact(&Fact::Settled);
    }

    fn keep(&mut self, record: Record) {
        if let Some(story) = &mut self.story {
            let mut line = String::new();
            crate::bench::tell(&mut line, &record);
            story.push(format!("{}: {}", record.at.since(START), line.trim_end().split_once(' ').unwrap().1));
        }
        self.scene.record(&record);
        self.fact(&Fact::Recorded(&record));
        self.journal.append(record);
        self.dies_in = self.dies_in.map(|left| left.saturating_sub(1));
        self.dead |= self.dies_in == Some(0);
    }

    fn synced(&mut self) -> bool {
        let synced = self.journal.sync(&mut self.draw);
        self.dead |= !synced;
        synced
    }

    fn fact(&mut self, fact: &Fact<'_>) {
        if let (Some(story), Fact::Told(input)) = (&mut self.story, fact)
            && !matches!(input, Input::Capabilities(_) | Input::Observed(Observation::Inventory(_)))
        {
            story.push(format!("{}:   <- {input:?}", self.scene.now.since(START)));
        }
        for watcher in &mut self.watchers {
            let promise = watcher.promise();
            if let Err(what) = watcher.see(&self.scene, fact)
                && !self.broken.iter().any(|one| one.promise == promise)
            {
                let what = format!("{} after {}: {what}", self.scene.life, self.scene.now.since(START));
                if let Some(story) = &mut self.story {
                    story.push(format!("!!! promise {promise}, life {what}"));
                }
                self.broken.push(Broken { promise, seed: self.seed, what: format!("life {what}") });
            }
        }
    }

    fn fate(&mut self) -> Fate {
        if self.calm { Fate::Honest } else { Fate::draw(&mut self.draw, self.trouble, self.scene.lies) }
    }

    fn dispatch(&mut self, command: &StepCommand) {
        let fate = self.fate();
        let report = |result| {
            let StepCommand { plan, step, key, generation, .. } = command.clone();
            Due::Tell(Box::new(Input::Report(StepReport { plan, step, key, generation, result })))
        };
        let (after, result) = match fate {
            Fate::Hangs => return,
            Fate::Refused => (Duration::ZERO, StepResult::Refused { reason: "drawn".into() }),
            Fate::Fails(after) => (after, StepResult::Failed { reason: "drawn".into() }),
            Fate::LiesDone => (Duration::from_secs(1), StepResult::Done { observed: "a lie".into() }),
            _ => {
                self.fates.insert(command.key.clone(), fate);
                return self.centre.begin(command);
            }
        };
        let at = self.tick + after;
        self.enter(at, report(result));
    }

    fn seen(&mut self, seen: Seen) {
        match seen {
            Seen::Observed { observation: Observation::Sample(_), .. } => {}
            Seen::Observed { observation, .. } => self.observed(observation),
            Seen::Finished { report, .. } => {
                if matches!(report.result, StepResult::Done { .. }) && self.done.insert(report.key.clone()) {
                    self.fact(&Fact::Done(&report.key));
                }
                self.reported(report);
            }
        }
    }

    /// Something that happens in the data centre gets to the engine: mostly.
    fn observed(&mut self, mut observation: Observation) {
        if let Observation::Inventory(InventoryChange::Upsert(resource)) = &observation
            && let Some(old) = self.real.insert(resource.id.clone(), resource.clone())
            && self.before.len() < REMEMBERED
        {
            self.before.push(old);
        }
        if let Observation::Event(event) = &mut observation {
            event.time = event.time + self.ahead;
        }
        let input = Input::Observed(observation);
        match self.draw.below(if self.calm { 1 } else { 100 }) {
            96 => {}
            97 => [input.clone(), input].into_iter().for_each(|input| self.tell(input)),
            98 | 99 => {
                let at = self.tick + self.draw.seconds(1, 30);
                self.enter(at, Due::Tell(Box::new(input)));
            }
            _ => self.tell(input),
        }
    }

    fn reported(&mut self, report: StepReport) {
        let fate = self.fates.get(&report.key).copied().unwrap_or(Fate::Honest);
        let input = Input::Report(report.clone());
        match fate {
            Fate::Late(after) => {
                let at = self.tick + after;
                self.enter(at, Due::Tell(Box::new(input)));
            }
            Fate::Twice(after) => {
                let at = self.tick + after;
                self.enter(at, Due::Tell(Box::new(input.clone())));
                [input.clone(), input].into_iter().for_each(|input| self.tell(input));
            }
            Fate::Unheard => {}
            Fate::LiesFailed => {
                let result = StepResult::Failed { reason: "a lie".into() };
                self.tell(Input::Report(StepReport { result, ..report }));
            }
            Fate::Foreign => {
                for foreign in foreign(&report) {
                    self.tell(Input::Report(foreign));
                }
                self.tell(input);
            }
            _ => self.tell(input),
        }
    }

    /// The program has ended, and starts again after a while in which the world goes on.
    fn come_back(&mut self) {
        self.journal.tear(&mut self.draw);
        let records = self.journal.durable().to_vec();
        self.fact(&Fact::Crashed(&records));
        self.repeat();
        (self.dead, self.dies_in, self.paused) = (false, None, false);
        self.tick = self.tick + self.draw.seconds(0, 180);
        for seen in self.centre.advance(self.tick) {
            match seen {
                Seen::Finished { report, .. }
                    if matches!(report.result, StepResult::Done { .. }) && self.done.insert(report.key.clone()) =>
                {
                    self.fact(&Fact::Done(&report.key));
                }
                Seen::Observed { observation: Observation::Inventory(InventoryChange::Upsert(resource)), .. } => {
                    self.real.insert(resource.id.clone(), resource);
                }
                _ => {}
            }
        }
        let at = self.clock();
        self.scene.restart(&records, at);
        if let Some(story) = &mut self.story {
            story.push(format!("{}: === life {} ===", at.since(START), self.scene.life));
        }
        self.engine = Engine::new(Generation(self.scene.life));
        self.begin(self.journal.open_plans());
    }

    /// Tells all that this life was told to another engine, and compares what that says.
    fn repeat(&mut self) {
        let (heard, said) = (std::mem::take(&mut self.heard), std::mem::take(&mut self.said));
        if let Err(what) = crate::p13_equal::repeat(self.seed, &self.scene, self.policies, &heard, &said)
            && !self.broken.iter().any(|one| one.promise == 13)
        {
            self.broken.push(Broken { promise: 13, seed: self.seed, what });
        }
    }

    /// What the data centre's own account says was done twice under one key, or ran in two places.
    fn twice(&self) -> Vec<String> {
        let again = self.centre.ledger().accounts().iter().filter(|(_, account)| account.applied > 1);
        let again = again.map(|(key, account)| format!("{key} was done {} times", account.applied));
        let ran = self.centre.effects().ran_twice().iter();
        let ran = ran.map(|one| format!("{} ran on {:?} after {}", one.workload, one.hosts, one.at.since(START)));
        again.chain(ran).collect()
    }

    fn ask(&mut self) {
        let open: Vec<FindingRef> = self.scene.open.keys().cloned().collect();
        for finding in open {
            let explained = self.engine.explain(&finding.resource);
            let one = explained.iter().find(|one| one.policy == finding.policy);
            self.fact(&Fact::Asked(&finding, one));
        }
    }
}

/// What the adapter says that it can do: often not all that the policies of this seed would like.
fn offered(draw: &mut Draw, adapter: &AdapterName) -> Capabilities {
    let mut offered = capabilities(adapter);
    for kind in offered.kinds.values_mut() {
        kind.verbs.retain(|_| !draw.chance(8));
    }
    offered
}

/// Reports that nobody waits for.
fn foreign(report: &StepReport) -> [StepReport; 3] {
    let result = StepResult::Done { observed: "something else".into() };
    let elsewhere = PlanId { number: report.plan.number + 1_000, ..report.plan };
    let older = Generation(report.generation.0.saturating_sub(1));
    let other = IdempotencyKey::of(report.plan, report.step, Attempt { undo: true, number: 7 });
    [
        StepReport { plan: elsewhere, result: result.clone(), ..report.clone() },
        StepReport { generation: older, result: result.clone(), ..report.clone() },
        StepReport { key: other, result, ..report.clone() },
    ]
}
