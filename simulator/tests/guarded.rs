//! Whatever happens, and however often policies are loaded anew: budgets are kept, nothing stale is done, and what restores goes on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use std::collections::{BTreeMap, BTreeSet};

use bench::{Bench, at, guard, host, policy, vm};
use homeostat_model::*;
use homeostat_simulator::Assumption;
use proptest::prelude::*;

/// Every restart counts here; what is started counts nowhere.
const RATE: usize = 3;
const PER: Duration = Duration::from_mins(7);
const AT_A_TIME: usize = 2;

fn site() -> String {
    let spec = format!(
        "select: {{kind: vm}}\nbudgets: [{{max: {RATE}, per: {PER}}}, {{scope: host, max: {AT_A_TIME}}}]\n\
         breaker: {{failures: 2, within: 5m, pause: 4m}}\nmaxUnhealthy: 4"
    );
    guard("site", &spec)
}

fn policies(turn: usize) -> String {
    let crash = format!(
        "select: {{kind: vm}}\non: vm.crashed\ncooldown: 0s\ndescription: the {turn}th\nthen: [{{restart: , attempts: 3}}]"
    );
    let stopped = "select: {kind: vm}\non: vm.stopped\ncooldown: 0s\nthen: [start]";
    [site(), policy("crash", &crash), policy("stopped", stopped)].concat()
}

#[derive(Debug, Clone)]
enum Happening {
    Crash(usize),
    Stop(usize),
    Reload,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0_usize..6).prop_map(Happening::Crash),
        2 => (0_usize..3).prop_map(Happening::Stop),
        1 => Just(Happening::Reload),
    ]
}

/// Plays what happens; `step` is how often the driver looks at its clock, which decides nothing.
fn play(happenings: &[(u64, Happening)], failing: usize, step: u64) -> Vec<Record> {
    let vms = (0..6)
        .map(|i| vm(&format!("vm/a{i}"), "host/a", 1.0))
        .chain((0..3).map(|i| vm(&format!("vm/b{i}"), "host/b", 1.0)));
    let hosts = ["host/a", "host/b"].map(|name| host(name, 64.0, &[]));
    let slow = Assumption { verb: Some(Verb::Restart), takes: Duration::from_secs(45), ..Assumption::default() };
    let no = Some(StepResult::Failed { reason: "no".into() });
    let resource = Some(format!("vm/a{failing}").parse().unwrap());
    let fails = Assumption { resource, ends: no, takes: Duration::from_secs(20), ..Assumption::default() };
    let mut bench = Bench::new(&policies(0), hosts.into_iter().chain(vms).collect(), vec![fails, slow]);
    // Not long before a midnight.
    let mut now = 85_800;
    for (turn, (gap, happening)) in happenings.iter().enumerate() {
        for second in (now..now + gap).step_by(usize::try_from(step).unwrap()) {
            bench.driver.run_until(at(second));
        }
        now += gap;
        match happening {
            Happening::Crash(number) => bench.event(now, &format!("vm/a{number}"), "vm.crashed", &[]),
            Happening::Stop(number) => bench.event(now, &format!("vm/b{number}"), "vm.stopped", &[]),
            Happening::Reload => bench.replace(now, &policies(turn)),
        };
    }
    bench.driver.run_until(at(now + 3600));
    bench.driver.records().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn budgets_hold_nothing_stale_is_done_and_what_restores_goes_on(
        happenings in prop::collection::vec((0_u64..150, happening()), 1..60),
        failing in 0_usize..6,
        step in 1_u64..50,
    ) {
        let records = play(&happenings, failing, 1000);
        let mut plans: BTreeMap<PlanId, &Plan> = BTreeMap::new();
        let mut opened: BTreeMap<&FindingRef, Timestamp> = BTreeMap::new();
        let (mut begun, mut in_flight): (Vec<Timestamp>, usize) = (Vec::new(), 0);
        let mut blocked = false;
        let mut answered: BTreeSet<FindingRef> = BTreeSet::new();
        for record in &records {
            match &record.entry {
                Entry::FindingOpened { finding, .. } => {
                    opened.insert(finding, record.at);
                    answered.remove(finding);
                }
                Entry::PlanMade(plan) => { plans.insert(plan.id, plan); }
                Entry::BreakerChanged { state, .. } => blocked = matches!(state, BreakerState::Open { .. }),
                Entry::StepDispatched { plan, .. } => {
                    let plan = plans[plan];
                    let finding = FindingRef { policy: plan.policy.clone(), resource: plan.subject.clone() };
                    let since = opened[&finding];
                    if plan.reach.impact == Impact::Restoring {
                        prop_assert_eq!(since, record.at, "what restores waits for nobody");
                        continue;
                    }
                    prop_assert!(!blocked, "an open breaker lets nothing through");
                    // Five minutes to the moment are not too late, if there is room just then; one more after a failure may be later.
                    let first = answered.insert(finding);
                    prop_assert!(!first || record.at.since(since) <= Duration::from_mins(5), "{} after it opened, at {:?}: {:?}", record.at.since(since), record.at, plan.subject);
                    begun.push(record.at);
                    in_flight += 1;
                    prop_assert!(in_flight <= AT_A_TIME);
                }
                Entry::PlanFinished { plan, .. } if plans[plan].reach.impact != Impact::Restoring => in_flight -= 1,
                _ => {}
            }
        }
        for start in &begun {
            let within = begun.iter().filter(|at| *start <= **at && **at < *start + PER).count();
            prop_assert!(within <= RATE, "{} within {} from {:?}", within, PER, start);
        }
        prop_assert_eq!(play(&happenings, failing, step), records, "when the driver looks at its clock decides nothing");
    }
}
