//! The program is killed at every record of a run, once right before and once right after that record is durable, and goes on from
//! the records with another generation: in the end everything is as if it had not been killed, and nothing was done twice.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use homeostat_engine::{Engine, Generation, Input, OperatorCommand, Output, PlanState};
use homeostat_model::*;
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics, load};
use homeostat_simulator::{Crash, DataCentre, Scenario, VirtualDriver, World};
use proptest::prelude::*;

const SCENARIO: &str = "
description: A host dies, a VM is too small, another wants a machine of its own.
start: 2026-03-02T09:00:00Z
duration: 10m
seed: 7
sampleEvery: 1m
migration: {bandwidth: 1G, pause: 200ms}
racks: [{name: r1}]
hosts:
  - {name: a, rack: r1, power: {idle: 100W, busy: 200W}, labels: {pool: general}, cores: 16, memory: 64Gi}
  - {name: b, rack: r1, power: {idle: 100W, busy: 200W}, labels: {pool: other}, cores: 16, memory: 64Gi}
  - {name: c, rack: r1, power: {idle: 100W, busy: 200W}, labels: {pool: general}, cores: 16, memory: 64Gi}
  - {name: m, rack: r1, power: {idle: 100W, busy: 200W}, labels: {pool: micro}, cores: 4, memory: 16Gi, state: off, bootTime: 40s}
vms:
  - {name: one, on: a, vcpus: 2, memory: 4Gi, load: {base: 1}}
  - {name: two, on: a, vcpus: 4, memory: 8Gi, load: {base: 1}}
  - {name: small, on: b, labels: {tier: small}, vcpus: 1, memory: 4Gi, load: {base: 0.5}}
  - {name: solo, on: b, labels: {tier: solo}, vcpus: 2, memory: 8Gi, load: {base: 1}}
timeline:
  - {at: 1m, kill: host/a}
";

const POLICIES: &str = "
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: host-down}
spec:
  select: {kind: host}
  when: state == \"down\"
  cooldown: 1m
  then: [evacuate]
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: too-small}
spec:
  select: {kind: vm, matchLabels: {tier: small}}
  when: capacity.vcpus < 3
  cooldown: 1m
  then:
    - resize: {vcpus: 3}
      verify: {that: state == \"running\", within: 1m, stableFor: 10s}
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: alone}
spec:
  select: {kind: vm, matchLabels: {tier: solo}}
  when: host.labels.pool != \"micro\"
  cooldown: 1m
  then: [{fisicalize: {pool: micro}}]
";

fn policies() -> Vec<Arc<Policy>> {
    let source = SourceText { name: "policies.yaml".into(), text: POLICIES.into() };
    let loaded = load(&[source], &Catalogue::new(UnknownMetrics::Allow));
    assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
    loaded.policies.into_iter().map(Arc::new).collect()
}

fn centre() -> DataCentre {
    let scenario = Scenario::parse("recovery.yaml", SCENARIO).unwrap_or_else(|flaws| panic!("{flaws:?}"));
    DataCentre::new(&scenario, AdapterName::new("sim").unwrap(), scenario.start, scenario.seed)
}

/// Everything of the scenario is done by then. Where reports are lost: the timeouts of three of the slowest steps are over, one after
/// the other, after which an outcome is given up.
fn long(ways: &[Way]) -> Duration {
    Duration::from_mins(if ways.is_empty() { 10 } else { 200 })
}

/// What becomes of a report on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Arrives,
    IsLost,
    ArrivesTwice,
    ArrivesLate,
}

/// A data centre whose reports take these ways, in turn.
#[derive(Debug, Clone)]
struct Faulty {
    centre: DataCentre,
    ways: Vec<Way>,
    reported: usize,
    late: Vec<(Timestamp, Input)>,
    probed: Vec<StepCommand>,
}

impl Faulty {
    fn new(ways: &[Way]) -> Self {
        Self { centre: centre(), ways: ways.to_vec(), reported: 0, late: Vec::new(), probed: Vec::new() }
    }

    fn next_way(&mut self) -> Way {
        self.reported += 1;
        self.ways.get(self.reported % self.ways.len().max(1)).copied().unwrap_or(Way::Arrives)
    }
}

impl World for Faulty {
    fn next_due(&self) -> Option<Timestamp> {
        let late = self.late.iter().map(|(at, _)| *at).min();
        [late, World::next_due(&self.centre)].into_iter().flatten().min()
    }

    fn advance(&mut self, to: Timestamp) -> Vec<(Timestamp, Input)> {
        let mut inputs = Vec::new();
        for (at, input) in World::advance(&mut self.centre, to) {
            let way = if matches!(input, Input::Report(_)) { self.next_way() } else { Way::Arrives };
            match way {
                Way::Arrives => inputs.push((at, input)),
                Way::IsLost => {}
                Way::ArrivesTwice => inputs.extend([(at, input.clone()), (at, input)]),
                // After everybody has given it up.
                Way::ArrivesLate => self.late.push((at + Duration::from_mins(7), input)),
            }
        }
        let due = self.late.extract_if(.., |(at, _)| *at <= to);
        inputs.extend(due);
        inputs
    }

    fn dispatch(&mut self, at: Timestamp, command: &StepCommand) {
        self.centre.dispatch(at, command);
    }

    fn probe(&mut self, at: Timestamp, command: &StepCommand) {
        self.probed.push(command.clone());
        World::probe(&mut self.centre, at, command);
    }

    fn cancel(&mut self, at: Timestamp, key: &IdempotencyKey) {
        World::cancel(&mut self.centre, at, key);
    }
}

/// Begins with what is open, in the order of the driver's contract.
fn begin(driver: &mut VirtualDriver<Faulty>, open: Vec<OpenPlan>) {
    let at = driver.now();
    let announcements = driver.world().centre.announcements();
    driver.replace_policies(at, &policies()).unwrap();
    for plan in open {
        driver.handle(at, Input::Recovered(Box::new(plan)));
    }
    announcements.into_iter().for_each(|input| driver.handle(at, input));
}

/// A run that crashes, if it does; what is left is run to the end by the next generation, after it was down for a while.
fn run(crash: Option<Crash>, down_for: Duration, ways: &[Way]) -> (Vec<Record>, DataCentre) {
    let mut first = VirtualDriver::new(Generation(1), Faulty::new(ways), centre().now());
    if let Some(crash) = crash {
        first = first.with_crash(crash);
    }
    begin(&mut first, Vec::new());
    first.run_until(centre().now() + long(ways));
    let (records, world) = (first.records().to_vec(), first.world().centre.clone());
    let Some((mut world, crashed_at, durable)) = first.into_ruins() else { return (records, world) };
    let mut open = OpenPlans::default();
    durable.iter().for_each(|record| open.apply(record));
    let back = crashed_at + down_for;
    // Nobody hears what happens meanwhile.
    world.advance(back);
    let mut second = VirtualDriver::new(Generation(2), world, back);
    begin(&mut second, open.into_plans());
    second.run_until(back + long(ways));
    assert_eq!(second.engine().in_flight().count(), 0, "{crash:?}: {:#?}", second.records());
    let records = [durable, second.records().to_vec()].concat();
    (records, second.world().centre.clone())
}

/// How often each thing was really done.
fn deeds(centre: &DataCentre) -> Vec<(String, u64)> {
    let all = centre.snapshot();
    let pairs = all.iter().flat_map(|one| Verb::ALL.map(|verb| (one.id.clone(), verb)));
    pairs
        .map(|(id, verb)| (format!("{verb} {id}"), centre.effects().count(&id, verb)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[test]
fn a_run_that_is_killed_at_any_record_ends_as_if_it_was_not_and_does_nothing_twice() {
    let (records, whole) = run(None, Duration::ZERO, &[]);
    let done = deeds(&whole);
    let wanted =
        ["fence host/a", "cordon host/m", "power host/m", "restart vm/one", "resize vm/small", "migrate vm/solo"];
    assert!(wanted.iter().all(|deed| done.contains(&((*deed).to_owned(), 1))), "{done:?}");
    assert!(records.len() > 25, "{records:#?}");
    for number in 1..=records.len() {
        for crash in [Crash::Before(number), Crash::After(number)] {
            // Back at once, in the middle of what is being done, and when all of it has long ended.
            for down_for in [0, 3, 90] {
                let (told, world) = run(Some(crash), Duration::from_secs(down_for), &[]);
                assert_eq!(deeds(&world), done, "{crash:?}, down for {down_for}s: {told:#?}");
                assert_eq!(world.snapshot(), whole.snapshot(), "{crash:?}, down for {down_for}s");
                assert_eq!(world.effects().ran_twice(), [], "{crash:?}, down for {down_for}s");
            }
        }
    }
}

#[test]
fn what_is_probed_after_a_crash_says_when_it_was_begun() {
    let start = centre().now();
    let mut first = VirtualDriver::new(Generation(1), Faulty::new(&[]), start);
    begin(&mut first, Vec::new());
    // While a machine boots; its step was begun at the start.
    first.run_until(start + Duration::from_secs(20));
    let (world, durable) = (first.world().clone(), first.records().to_vec());
    let mut open = OpenPlans::default();
    durable.iter().for_each(|record| open.apply(record));
    let mut second = VirtualDriver::new(Generation(2), world, start + Duration::from_secs(30));
    begin(&mut second, open.into_plans());
    let dispatched = |command: &StepCommand| {
        let of = |entry: &Entry| matches!(entry, Entry::StepDispatched { key, .. } if *key == command.key);
        durable.iter().find(|record| of(&record.entry)).map(|record| record.at)
    };
    let probed = &second.world().probed;
    assert!(!probed.is_empty(), "{durable:#?}");
    for command in probed {
        assert_eq!(Some(command.begun), dispatched(command), "{command:?}");
        assert!(command.begun < second.now(), "{command:?}");
    }
}

#[test]
fn what_a_person_called_off_stays_called_off_after_a_crash() {
    let start = centre().now();
    let mut first = VirtualDriver::new(Generation(1), Faulty::new(&[]), start);
    begin(&mut first, Vec::new());
    // While the machine boots.
    let alone = first.engine().in_flight().find(|plan| plan.policy.as_str() == "alone").unwrap().id;
    first.handle(
        start + Duration::from_secs(10),
        Input::Operator(OperatorCommand::Cancel { plan: alone, by: "an operator".into() }),
    );
    let (mut world, durable) = (first.world().clone(), first.records().to_vec());
    let mut open = OpenPlans::default();
    durable.iter().for_each(|record| open.apply(record));
    let back = start + Duration::from_secs(20);
    world.advance(back);
    let mut second = VirtualDriver::new(Generation(2), world, back);
    let plans: Vec<OpenPlan> = open.into_plans().into_iter().filter(|open| open.made.id == alone).collect();
    assert_eq!(plans.len(), 1);
    // Without policies: nobody wants anything anew.
    second.handle(back, Input::Recovered(Box::new(plans.first().unwrap().clone())));
    second.world().centre.announcements().into_iter().for_each(|input| second.handle(back, input));
    second.run_until(back + long(&[]));
    assert_eq!(second.world().centre.effects().count(&"vm/solo".parse().unwrap(), Verb::Migrate), 0);
    let ended = |record: &Record| matches!(&record.entry, Entry::PlanFinished { plan, result: PlanResult::Cancelled { .. } } if *plan == alone);
    assert!(second.records().iter().any(ended), "{:#?}", second.records());
}

#[test]
fn a_plan_whose_records_contradict_each_other_waits_for_a_person() {
    let start = centre().now();
    let mut first = VirtualDriver::new(Generation(1), Faulty::new(&[]), start);
    begin(&mut first, Vec::new());
    let made = first.records().iter().find_map(|record| match &record.entry {
        Entry::PlanMade(plan) if plan.policy.as_str() == "alone" => Some(plan.clone()),
        _ => None,
    });
    let made = made.unwrap();
    let (id, step) = (made.id, made.steps.first().unwrap().id);
    let result = StepResult::Done { observed: "on".into() };
    let record = |entry| Record { at: start, entry };
    let history = vec![record(Entry::PlanBegun { plan: id }), record(Entry::StepFinished { plan: id, step, result })];
    let mut engine = Engine::new(Generation(2));
    let (mut out, at) = (Vec::new(), start + Duration::from_secs(1));
    engine.handle(at, Input::Recovered(Box::new(OpenPlan { made, history })), &mut out);
    let refused = |one: &Output| matches!(one, Output::Record(Record { entry: Entry::InputRefused { reason, .. }, .. }) if reason.contains("contradict"));
    assert!(out.iter().any(refused), "{out:#?}");
    assert_eq!(engine.overview().in_doubt, [id]);
    assert_eq!(engine.plan(id).map(|plan| plan.state), Some(PlanState::InDoubt));
    engine.operate(at, OperatorCommand::Cancel { plan: id, by: "somebody".into() }, &mut out).unwrap();
    assert_eq!(engine.overview().in_doubt, []);
    assert_eq!(engine.plan(id).map(|plan| plan.state), Some(PlanState::Cancelled));
    assert!(engine.operate(at, OperatorCommand::Cancel { plan: id, by: "somebody".into() }, &mut out).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever becomes of reports, and whenever it crashes: nothing is done twice, and nothing that is in doubt is touched by a plan
    /// that was made after the doubt.
    #[test]
    fn lost_and_repeated_reports_make_nothing_happen_twice(
        ways in prop::collection::vec(
            prop_oneof![3 => Just(Way::Arrives), 1 => Just(Way::IsLost), 1 => Just(Way::ArrivesTwice), 1 => Just(Way::ArrivesLate)],
            1..6,
        ),
        number in 1..60_usize,
        before in any::<bool>(),
        down_for in 0..200_u64,
    ) {
        let crash = if before { Crash::Before(number) } else { Crash::After(number) };
        let (records, world) = run(Some(crash), Duration::from_secs(down_for), &ways);
        let twice: Vec<_> = deeds(&world).into_iter().filter(|(_, count)| *count > 1).collect();
        prop_assert_eq!(twice, [], "{:#?}", records);
        prop_assert_eq!(world.effects().ran_twice(), []);
        let mut plans: std::collections::BTreeMap<PlanId, Arc<Plan>> = Default::default();
        let mut doubtful = std::collections::BTreeSet::new();
        for record in &records {
            match &record.entry {
                Entry::PlanMade(plan) => {
                    let touched = plan.touches();
                    let wrong: Vec<_> = doubtful.intersection(&touched).collect();
                    prop_assert!(wrong.is_empty(), "{wrong:?} is touched by {}: {records:#?}", plan.id);
                    plans.insert(plan.id, plan.clone());
                }
                Entry::StepFinished { plan, step, result: StepResult::Unknown { .. } } => {
                    doubtful.insert(plans.get(plan).unwrap().step(*step).unwrap().resource.clone());
                }
                _ => {}
            }
        }
    }
}
