//! Complaint 8: locks that leak or do not lock.

use homeostat_engine::{Generation, Input};
use homeostat_model::*;
use homeostat_simulator::{AssumedWorld, Assumption, VirtualDriver};

use crate::{
    bench::{Bench, at, centre, policies, policy, slow},
    holds, made, plans, result,
};

fn two() -> String {
    let hot = "select: {kind: vm}\nwhen: last(\"load\") > 80%\npriority: 5\nthen: [{resize: {vcpus: 2}}]";
    let crash = "select: {kind: vm}\non: vm.crashed\ncooldown: 0s\nthen: [restart]";
    [policy("hot", hot), policy("crash", crash)].concat()
}

/// st2 #4481 #6044 #6011 #5905, kured #137 #847 #792: two hold the same lock, or nobody gives it back: after a failure, or after a crash of
/// who held it.
#[test]
fn complaint_08_locks_that_leak_or_do_not_lock() {
    let fails = Assumption {
        verb: Some(Verb::Resize),
        takes: Duration::from_secs(60),
        ends: Some(StepResult::Refused { reason: "no".into() }),
        ..Assumption::default()
    };
    let mut bench = Bench::new(&two(), centre(1), vec![fails]);
    bench.sample(10, "vm/a0", "load", 0.9).event(20, "vm/a0", "vm.crashed", &[]);
    let plans_made = plans(&mut bench, 200);
    let records = bench.driver.records();
    assert!(matches!(holds(records)[0], (20, Hold::Owned { .. })), "it locks");
    assert!(matches!(result(records, 1), Some(PlanResult::Failed { .. })));
    let restart = plans_made.iter().find(|(_, plan)| plan.policy.as_str() == "crash").unwrap();
    assert_eq!(restart.0, 70, "it is given back at the moment at which its holder fails");
    // On two machines there is nothing to lock.
    let mut bench = Bench::new(&two(), centre(1), slow(60));
    bench.sample(10, "vm/a0", "load", 0.9).event(20, "vm/b0", "vm.crashed", &[]);
    assert_eq!(plans(&mut bench, 25).len(), 2);
    a_lock_outlives_its_program_and_not_its_plan();
}

fn a_lock_outlives_its_program_and_not_its_plan() {
    let begin = |generation, second, open: Vec<OpenPlan>| {
        let world = AssumedWorld::new(AdapterName::new("assumed").unwrap(), centre(1), slow(60));
        let announcements = world.announcements();
        let mut driver = VirtualDriver::new(Generation(generation), world, at(second));
        driver.replace_policies(at(second), &policies(&two())).unwrap();
        let recovered = open.into_iter().map(|plan| Input::Recovered(Box::new(plan)));
        recovered.chain(announcements).for_each(|input| driver.handle(at(second), input));
        driver
    };
    let crash = |driver: &mut VirtualDriver<AssumedWorld>, second| {
        let event_type = EventType::new("vm.crashed").unwrap();
        let event = Event {
            resource: "vm/a0".parse().unwrap(),
            event_type,
            time: at(second),
            id: String::new(),
            attributes: Attributes::default(),
        };
        driver.handle(at(second), Input::Observed(Observation::Event(event)));
    };
    let mut first = begin(1, 0, vec![]);
    crash(&mut first, 10);
    first.run_until(at(15));
    let mut open = OpenPlans::default();
    first.records().iter().for_each(|record| open.apply(record));
    let open = open.into_plans();
    assert_eq!(open.len(), 1);
    // It dies while the machine is being restarted. Another finding of the same machine waits, before anything is known of the first.
    let mut second = begin(2, 20, open);
    let metric = MetricName::new("load").unwrap();
    let sample = Sample { resource: "vm/a0".parse().unwrap(), metric, time: at(20), value: 0.9 };
    second.handle(at(20), Input::Observed(Observation::Sample(sample)));
    second.run_until(at(200));
    let made = made(second.records());
    let resize = made.iter().find(|(_, plan)| plan.policy.as_str() == "hot").unwrap();
    let ended = second
        .records()
        .iter()
        .find(|record| matches!(&record.entry, Entry::PlanFinished { plan, .. } if plan.generation.0 == 1))
        .unwrap();
    assert!(crate::second(ended) <= resize.0, "{:#?}", second.records());
}
