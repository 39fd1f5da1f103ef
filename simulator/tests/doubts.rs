//! What the engine decides when things are in doubt: unknown outcomes, loops, changes on the way, odd inventories.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, fails, host, hot, id, plan, policies, policy, vm};
use expect_test::expect;
use homeostat_engine::{Generation, Input, OperatorCommand, Output};
use homeostat_model::*;
use homeostat_simulator::Assumption;

#[test]
fn an_unknown_outcome_is_neither_repeated_nor_passed_by() {
    let down = "select: {kind: host}\non: host.down\nthen:\n  - evacuate: {}\n    attempts: 3\n";
    let restart = "select: {kind: vm}\non: vm.crashed\nthen: [restart]\n";
    let yaml = [policy("down", down), policy("crash", restart)].concat();
    let dead = host("host/a", 16.0, &[("state", "down".into())]);
    let resources = vec![dead, host("host/b", 16.0, &[]), host("host/c", 16.0, &[]), vm("vm/one", "host/a", 4.0)];
    // Longer than the step's timeout and its grace, and as long again: no report comes in time.
    let lost = Assumption { resource: Some(id("vm/one")), takes: Duration::from_mins(60), ..Assumption::default() };
    let mut bench = Bench::new(&yaml, resources, vec![lost]);
    bench.event(1, "host/a", "host.down", &[]);
    bench.sample(400, "vm/one", "cpu", 0.5).until(1000, expect![[r#"
        1s opened down on host/a: event host.down is true
        1s plan p1-1 evacuate for down: host/a fence, vm/one after [1] restart on host/b
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s begins p1-1/2
        790s ended p1-1/2: Unknown { reason: "no report came" }
        790s plan p1-1: Failed { step: StepId(2), reason: "outcome not known: no report came" }
        790s handed over down on host/a: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
        790s told: a person has to go on with host/a: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
        790s closed down on host/a: a person has to look
    "#]]);
    // Nobody else touches it either, until a person has looked.
    bench.event(1001, "vm/one", "vm.crashed", &[]).until(
        1001,
        expect![[r#"
        1001s opened crash on vm/one: event vm.crashed is true
        1001s held crash on vm/one: plan p1-1 has vm/one in hand
    "#]],
    );
    let plan = PlanId { generation: Generation(1), number: 1 };
    bench.operator(1002, OperatorCommand::Cancel { plan, by: "an operator".into() }).until(
        1002,
        expect![[r#"
        1002s plan p1-1: Cancelled { reason: "cancelled by an operator" }
        1002s plan p1-2 restart for crash: vm/one restart
        1002s begins p1-2/1
    "#]],
    );
}

/// The host is switched on, moved to and cordoned by one plan: whatever of that is in doubt, once a person has looked nothing of it is owned.
#[test]
fn what_a_person_has_looked_at_is_owned_by_nobody() {
    let yaml = [
        hot("cooldown: 1h\nthen: [{fisicalize: {pool: micro}}]"),
        policy("empty", "select: {kind: host}\non: host.empty\ncooldown: 0s\nthen: [evacuate]"),
    ]
    .concat();
    for verb in [Verb::Migrate, Verb::Power, Verb::Cordon] {
        let micro = |mut host: Resource| {
            host.labels.insert("pool".into(), "micro".into());
            host
        };
        let [small, used] = [("host/small", "off"), ("host/used", "up")]
            .map(|(name, state)| micro(host(name, 4.0, &[("state", state.into())])));
        let placed = [("vm/one", "host/a"), ("vm/three", "host/used")].map(|(name, on)| vm(name, on, 2.0));
        let resources = [vec![host("host/a", 16.0, &[]), small, used], placed.to_vec()].concat();
        let unknown = StepResult::Unknown { reason: "it does not answer".into() };
        let lost = Assumption { verb: Some(verb), ends: Some(unknown), times: Some(1), ..Assumption::default() };
        let mut bench = Bench::new(&yaml, resources, vec![lost]);
        bench.sample(10, "vm/one", "cpu", 0.9);
        bench.operator(60, OperatorCommand::Cancel { plan: plan(1), by: "an operator".into() });
        // As a person finds it.
        let found = |resource| Resource { adapter: AdapterName::new("assumed").ok(), ..resource };
        let small = micro(host("host/small", 4.0, &[("state", "up".into())]));
        bench.describe(60, found(small)).describe(60, found(vm("vm/two", "host/small", 1.0)));
        bench.event(61, "host/small", "host.empty", &[]);
        let told = bench.told(62);
        let mut after = told.lines().skip_while(|line| !line.contains("plan p1-1: Cancelled"));
        assert!(after.any(|line| line.contains("begins p1-2/1")), "{verb}:\n{told}");
    }
}

/// A host that was fenced comes back and goes down again before what it ran was begun elsewhere: it may run there by now.
#[test]
fn a_fence_proves_nothing_once_its_host_was_seen_to_run_again() {
    let yaml = policy("down", "select: {kind: host}\non: host.down\ncooldown: 0s\nthen: [evacuate]");
    let state = |state: &str| {
        let host = host("host/a", 16.0, &[("state", state.into())]);
        Resource { adapter: AdapterName::new("assumed").ok(), ..host }
    };
    let resources = vec![state("down"), host("host/b", 16.0, &[]), vm("vm/one", "host/a", 4.0)];
    let told = |returns: bool| {
        let mut bench = Bench::new(&yaml, resources.clone(), fails(Verb::Restart, "no answer", 0, Some(1)));
        bench.event(1, "host/a", "host.down", &[]);
        if returns {
            bench.describe(2, state("up")).describe(3, state("down"));
        }
        bench.told(20)
    };
    expect![[r#"
        1s opened down on host/a: event host.down is true
        1s plan p1-1 evacuate for down: host/a fence, vm/one after [1] restart on host/b
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s begins p1-1/2
        1s ended p1-1/2: Failed { reason: "no answer" }
        4.665s ended p1-1/2: Refused { reason: "host/a may have run again since it was fenced" }
        4.665s plan p1-1: Failed { step: StepId(2), reason: "refused: host/a may have run again since it was fenced" }
        4.665s handed over down on host/a: the ladder is at its end: evacuate
        4.665s told: a person has to go on with host/a: the ladder is at its end: evacuate
        4.665s quarantine of host/a by down on host/a, 10m
        4.665s closed down on host/a: everything was tried
    "#]]
    .assert_eq(&told(true));
    let once = told(false);
    assert!(once.contains("begins p1-1/2.2") && once.contains("plan p1-1: Succeeded"), "{once}");
}

/// The clock is set a day forward, or the machine was suspended, while a step is under way.
#[test]
fn a_step_that_is_overdue_is_asked_about_and_has_its_time_from_when_something_is_heard() {
    let yaml = policy("crash", "select: {kind: vm}\non: vm.crashed\nthen: [restart]\n");
    let leap = |heard: fn(&StepCommand) -> Input| {
        let resources = vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)];
        let mut bench = Bench::new(&yaml, resources, bench::slow(10));
        bench.event(1, "vm/one", "vm.crashed", &[]);
        let (engine, mut out) = (bench.driver.engine(), Vec::new());
        engine.advance(at(86_400), &mut out);
        let [Output::Probe(asked)] = &out[..] else { unreachable!("it is asked about, and nothing else: {out:?}") };
        assert_eq!((asked.key.to_string().as_str(), asked.begun), ("p1-1/1", at(1)));
        let (asked, mut out) = (asked.clone(), Vec::new());
        engine.handle(at(86_401), heard(&asked), &mut out);
        let end = at(86_401) + asked.timeout.plus(REPORT_GRACE);
        engine.advance(end - Duration::from_millis(1), &mut out);
        let before = ends(&out);
        engine.advance(end, &mut out);
        (before, ends(&out))
    };
    let report = |asked: &StepCommand| {
        let StepCommand { plan, step, key, generation, .. } = asked.clone();
        Input::Report(StepReport { plan, step, key, generation, result: StepResult::Done { observed: "runs".into() } })
    };
    let done = vec![StepResult::Done { observed: "runs".into() }];
    assert_eq!(leap(report), (done.clone(), done));
    let other = |_: &StepCommand| Input::Channels(Vec::new());
    assert_eq!(leap(other), (vec![], vec![StepResult::Unknown { reason: "no report came".into() }]));
}

fn ends(out: &[Output]) -> Vec<StepResult> {
    let ended = |output: &Output| match output {
        Output::Record(Record { entry: Entry::StepFinished { result, .. }, .. }) => Some(result.clone()),
        _ => None,
    };
    out.iter().filter_map(ended).collect()
}

#[test]
fn a_crash_loop_climbs_the_ladder_and_ends_with_a_person() {
    let crash = "select: {kind: vm}\non: vm.crashed\ncooldown: 30s\nthen:\n  - restart: {}\n    attempts: 2\n  \
                 - notify: {message: \"${resource} crashes again and again\"}\n";
    let mut bench =
        Bench::new(&policy("crash", crash), vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![]);
    for second in (0..300).step_by(20) {
        bench.event(second, "vm/one", "vm.crashed", &[]);
    }
    let plans = |bench: &Bench| bench.driver.records().iter().filter(|r| matches!(r.entry, Entry::PlanMade(_))).count();
    bench.driver.run_until(at(300));
    assert_eq!((plans(&bench), bench.driver.notifications().len()), (2, 1));
    // After a quiet time a crash is an ordinary one again.
    bench.event(2000, "vm/one", "vm.crashed", &[]);
    assert_eq!(plans(&bench), 3);
}

#[test]
fn every_event_that_comes_during_an_answer_is_looked_at() {
    let crash =
        "select: {kind: vm}\non: died\nwhen: event.code != 0\ncooldown: 0s\nthen:\n  - restart: {}\n    attempts: 5\n";
    let slow = Assumption { takes: Duration::from_secs(10), ..Assumption::default() };
    let mut bench =
        Bench::new(&policy("crash", crash), vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![slow]);
    bench.event(1, "vm/one", "died", &[("code", 1.0.into())]);
    bench.event(2, "vm/one", "died", &[("code", 2.0.into())]);
    bench.event(3, "vm/one", "died", &[("code", 0.0.into())]).until(
        30,
        expect![[r#"
        1s opened crash on vm/one: event died is true (code = 1); event.code != 0 is true (event.code = 1)
        1s plan p1-1 restart for crash: vm/one restart
        1s begins p1-1/1
        11s ended p1-1/1: Done { observed: "assumed" }
        11s plan p1-1: Succeeded
        11s closed crash on vm/one: the plan succeeded
        11s opened crash on vm/one: event died is true (code = 2); event.code != 0 is true (event.code = 2)
        11s plan p1-2 restart for crash: vm/one restart
        11s begins p1-2/1
        21s ended p1-2/1: Done { observed: "assumed" }
        21s plan p1-2: Succeeded
        21s closed crash on vm/one: the plan succeeded
    "#]],
    );
    // One whose condition stays unknown is given up in the end, and that is said.
    bench.event(100, "vm/one", "died", &[]).until(1000, expect![[r#"
        400s refused event for crash on vm/one: its condition did not become known within 5m: event died is true; event.code != 0 is unknown (event.code is not known)
    "#]]);
}

#[test]
fn a_changed_policy_applies_though_a_plan_is_in_flight_and_keeps_its_windows() {
    let hot = |more: &str| {
        policy(
            "hot",
            &format!("select: {{kind: vm}}\nwhen: avg(\"cpu\", 10m) > 80%\ncooldown: 0s\n{more}\nthen: [restart]\n"),
        )
    };
    let slow = Assumption { takes: Duration::from_secs(100), ..Assumption::default() };
    let mut bench = Bench::new(&hot(""), vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![slow]);
    bench.samples(0..=100, "vm/one", "cpu", 0.1);
    bench.driver.replace_policies(at(105), &policies(&hot("description: edited"))).unwrap();
    // One high sample among eleven low ones: the average is still low.
    bench.sample(110, "vm/one", "cpu", 0.99).until(
        110,
        expect![[r#"
        105s loaded ["hot"]
    "#]],
    );
    // It has acted, and is acting, when it is changed: once that plan has ended, it acts no more.
    bench.samples(700..=740, "vm/one", "cpu", 0.95);
    bench.driver.replace_policies(at(745), &policies(&hot("mode: observe"))).unwrap();
    bench.samples(750..=1500, "vm/one", "cpu", 0.95).until(
        1500,
        expect![[r#"
            700s opened hot on vm/one: avg("cpu", 10m) > 80% is true (avg(cpu, 10m) = 0.97)
            700s plan p1-1 restart for hot: vm/one restart
            700s begins p1-1/1
            745s loaded ["hot"]
            745s closed hot on vm/one: the policy was changed or removed
            745s opened hot on vm/one: avg("cpu", 10m) > 80% is true (avg(cpu, 10m) = 0.95)
            800s ended p1-1/1: Done { observed: "assumed" }
            800s plan p1-1: Succeeded
            800s held hot on vm/one: mode observe: findings only
        "#]],
    );
}

#[test]
fn of_findings_that_open_at_one_deadline_the_higher_priority_acts() {
    let hot = |name: &str, priority: u32, then: &str| {
        policy(
            name,
            &format!(
                "select: {{kind: vm}}\nwhen: last(\"cpu\") > 80%\nfor: 30s\npriority: {priority}\nthen: [{then}]\n"
            ),
        )
    };
    let yaml = [hot("a-low", 1, "pause"), hot("b-high", 100, "restart")].concat();
    let slow = Assumption { takes: Duration::from_secs(5), ..Assumption::default() };
    let mut bench = Bench::new(&yaml, vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![slow]);
    bench.sample(0, "vm/one", "cpu", 0.9).until(
        31,
        expect![[r#"
            30s opened b-high on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            30s opened a-low on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            30s plan p1-1 restart for b-high: vm/one restart
            30s begins p1-1/1
            30s held a-low on vm/one: plan p1-1 has vm/one in hand
        "#]],
    );
}

#[test]
fn a_host_of_unknown_state_is_not_fenced_and_what_was_stopped_stays_so() {
    let down = "select: {kind: host}\non: host.down\ncooldown: 0s\nthen: [evacuate]\n";
    let mut odd = host("host/odd", 16.0, &[]);
    odd.attributes.clear();
    let dead = host("host/dead", 16.0, &[("state", "down".into())]);
    let mut stopped = vm("vm/stopped", "host/dead", 2.0);
    stopped.attributes.insert("state".into(), "stopped".into());
    let resources = vec![odd, dead, host("host/b", 16.0, &[]), vm("vm/one", "host/odd", 4.0), stopped];
    let mut bench = Bench::new(&policy("down", down), resources, vec![]);
    bench.event(1, "host/odd", "host.down", &[]);
    bench.event(2, "host/dead", "host.down", &[]).until(
        3,
        expect![[r#"
            1s opened down on host/odd: event host.down is true
            1s skipped evacuate of down on host/odd: it is not known whether host/odd is up
            1s handed over down on host/odd: the ladder is at its end: evacuate
            1s told: a person has to go on with host/odd: the ladder is at its end: evacuate
            1s closed down on host/odd: everything was tried
            2s opened down on host/dead: event host.down is true
            2s skipped evacuate of down on host/dead: nothing on host/dead can be moved
            2s handed over down on host/dead: the ladder is at its end: evacuate
            2s told: a person has to go on with host/dead: the ladder is at its end: evacuate
            2s closed down on host/dead: everything was tried
        "#]],
    );
}

#[test]
fn an_approved_plan_has_to_be_right_still() {
    let alarm = "select: {kind: vm}\non: alarm\nmode: approve\nthen: [migrate]\n";
    let small = |name: &str| host(name, 4.0, &[]);
    let resources = vec![
        host("host/a", 16.0, &[]),
        small("host/b"),
        vm("vm/one", "host/a", 3.0),
        vm("vm/two", "host/a", 3.0),
        vm("vm/three", "host/a", 10.0),
    ];
    let mut bench = Bench::new(&policy("move", alarm), resources, vec![]);
    bench.event(1, "vm/one", "alarm", &[]);
    bench.event(2, "vm/two", "alarm", &[]).until(
        3,
        expect![[r#"
            1s opened move on vm/one: event alarm is true
            1s plan p1-1 migrate for move: vm/one migrate to host/b
            1s held move on vm/one: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: migrate vm/one, 1 step; then vm/one runs on host/b; its hash is 2ab380e31ea043fd
            2s opened move on vm/two: event alarm is true
            2s plan p1-2 migrate for move: vm/two migrate to host/b
            2s held move on vm/two: mode approve: the plan waits for a person
            2s told: plan p1-2 waits for approval: migrate vm/two, 1 step; then vm/two runs on host/b; its hash is 86c73c30ed642a53
        "#]],
    );
    let plan = |number| PlanId { generation: Generation(1), number };
    bench.operator(4, OperatorCommand::Approve(plan(1)));
    // Both were to go to host/b, which has room for one.
    bench.operator(5, OperatorCommand::Approve(plan(2))).until(
        6,
        expect![[r#"
            4s an operator approves of plan p1-1
            4s begins plan p1-1
            4s begins p1-1/1
            4s ended p1-1/1: Done { observed: "assumed" }
            4s plan p1-1: Succeeded
            4s closed move on vm/one: the plan succeeded
            5s an operator approves of plan p1-2
            5s refused approval of plan p1-2: the situation has changed since it was made
            5s plan p1-2: Cancelled { reason: "the situation has changed since it was made" }
            5s skipped migrate of move on vm/two: the only other host has no room for 3 vcpus and 8192 MiB
            5s handed over move on vm/two: the ladder is at its end: migrate
            5s told: a person has to go on with vm/two: the ladder is at its end: migrate
            5s closed move on vm/two: everything was tried
        "#]],
    );
}

#[test]
fn what_is_no_longer_known_is_not_acted_on_until_it_is_known_again() {
    let hot = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 15s\ncooldown: 1m\nthen:\n  - restart: {}\n    attempts: 9\n";
    let mut bench =
        Bench::new(&policy("hot", hot), vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![]);
    bench.samples(0..=40, "vm/one", "cpu", 0.9).until(
        190,
        expect![[r#"
        0s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        0s plan p1-1 restart for hot: vm/one restart
        0s begins p1-1/1
        0s ended p1-1/1: Done { observed: "assumed" }
        0s plan p1-1: Succeeded
        0s held hot on vm/one: cooldown: the policy acted here not long ago
        60s held hot on vm/one: the condition is no longer known to hold
    "#]],
    );
    bench.sample(200, "vm/one", "cpu", 0.9).until(
        200,
        expect![[r#"
        200s plan p1-2 restart for hot: vm/one restart
        200s begins p1-2/1
        200s ended p1-2/1: Done { observed: "assumed" }
        200s plan p1-2: Succeeded
        200s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

#[test]
fn room_is_given_away_once_while_a_plan_is_in_flight() {
    let grow = "select: {kind: vm}\non: alarm\nthen: [{resize: {vcpus: +2}}]\n";
    let slow = Assumption { takes: Duration::from_secs(30), ..Assumption::default() };
    let resources = vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 3.0), vm("vm/two", "host/a", 3.0)];
    let mut bench = Bench::new(&policy("grow", grow), resources, vec![slow]);
    bench.event(1, "vm/one", "alarm", &[]);
    bench.event(2, "vm/two", "alarm", &[]).until(
        3,
        expect![[r#"
            1s opened grow on vm/one: event alarm is true
            1s plan p1-1 resize for grow: vm/one resize to 5 vcpus
            1s begins p1-1/1
            2s opened grow on vm/two: event alarm is true
            2s skipped resize of grow on vm/two: host/a has 3 vcpus left to give out, 5 are needed
            2s handed over grow on vm/two: the ladder is at its end: resize
            2s told: a person has to go on with vm/two: the ladder is at its end: resize
            2s closed grow on vm/two: everything was tried
        "#]],
    );
}
