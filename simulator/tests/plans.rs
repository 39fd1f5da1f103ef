//! What makes a plan safe while it is carried out: tries, preconditions, verification, undoing, bounds.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, fails, host, hot, id, plan, policy, vm};
use expect_test::expect;
use homeostat_engine::OperatorCommand;
use homeostat_model::*;
use homeostat_simulator::Assumption;

fn two_hosts() -> Vec<Resource> {
    vec![host("host/a", 4.0, &[]), host("host/b", 16.0, &[]), vm("vm/one", "host/a", 2.0)]
}

fn hiccups(verb: Verb, times: Option<u32>) -> Vec<Assumption> {
    fails(verb, "the API hiccuped", 0, times)
}

const GROWS: &str = "cooldown: 10m\nthen:\n  - resize: {vcpus: +2}\n    \
                     verify: {that: 'last(\"cpu\") < 70%', within: 2m, stableFor: 30s}\n  - migrate";

#[test]
fn a_step_that_failed_is_tried_again_under_another_key() {
    let mut bench = Bench::new(&hot("cooldown: 1h\nthen: [migrate]"), two_hosts(), hiccups(Verb::Migrate, Some(2)));
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        60,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 migrate for hot: vm/one migrate to host/b
        10s begins p1-1/1
        10s ended p1-1/1: Failed { reason: "the API hiccuped" }
        13.36s begins p1-1/1.2
        13.36s ended p1-1/1: Failed { reason: "the API hiccuped" }
        18.725s begins p1-1/1.3
        18.725s ended p1-1/1: Done { observed: "assumed" }
        18.725s plan p1-1: Succeeded
        18.725s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

#[test]
fn a_policy_says_how_often_a_step_is_tried_and_how_long_it_may_take() {
    let tried = |response: &str, times| {
        let yaml = hot(&format!("cooldown: 1h\nthen: [{response}]"));
        let verb = if response.contains("migrate") { Verb::Migrate } else { Verb::Restart };
        let mut bench = Bench::new(&yaml, two_hosts(), hiccups(verb, times));
        bench.sample(10, "vm/one", "cpu", 0.9);
        bench
    };
    // What interrupts is tried once unless the policy says otherwise; the pauses double.
    tried("{restart: {}, retry: {attempts: 4, pause: 20s}}", Some(3)).until(
        200,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Failed { reason: "the API hiccuped" }
        20.292s begins p1-1/1.2
        20.292s ended p1-1/1: Failed { reason: "the API hiccuped" }
        52.468s begins p1-1/1.3
        52.468s ended p1-1/1: Failed { reason: "the API hiccuped" }
        129.131s begins p1-1/1.4
        129.131s ended p1-1/1: Done { observed: "assumed" }
        129.131s plan p1-1: Succeeded
        129.131s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
    tried("{migrate: {}, retry: {attempts: 2}}", None).until(
        200,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 migrate for hot: vm/one migrate to host/b
        10s begins p1-1/1
        10s ended p1-1/1: Failed { reason: "the API hiccuped" }
        13.36s begins p1-1/1.2
        13.36s ended p1-1/1: Failed { reason: "the API hiccuped" }
        13.36s plan p1-1: Failed { step: StepId(1), reason: "the API hiccuped" }
        13.36s handed over hot on vm/one: the ladder is at its end: migrate
        13.36s told: a person has to go on with vm/one: the ladder is at its end: migrate
    "#]],
    );
    tried("{migrate: {}, retry: {attempts: 1}}", Some(1)).until(
        200,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 migrate for hot: vm/one migrate to host/b
        10s begins p1-1/1
        10s ended p1-1/1: Failed { reason: "the API hiccuped" }
        10s plan p1-1: Failed { step: StepId(1), reason: "the API hiccuped" }
        10s handed over hot on vm/one: the ladder is at its end: migrate
        10s told: a person has to go on with vm/one: the ladder is at its end: migrate
    "#]],
    );
    // Its driver has a minute and a half to find out what became of it, and as long once more when it is asked.
    let yaml = hot("cooldown: 1h\nthen: [{script: '\"restart\"', timeout: 30s}]");
    let mut bench = Bench::new(&yaml, two_hosts(), bench::slow(1000));
    bench.sample(10, "vm/one", "cpu", 0.9);
    bench.sample(131, "vm/one", "cpu", 0.9).until(300, expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        251s ended p1-1/1: Unknown { reason: "no report came" }
        251s plan p1-1: Failed { step: StepId(1), reason: "outcome not known: no report came" }
        251s handed over hot on vm/one: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
        251s told: a person has to go on with vm/one: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
    "#]]);
}

#[test]
fn an_unknown_outcome_and_a_refusal_are_not_tried_again() {
    for (ends, expected) in [
        (
            StepResult::Unknown { reason: "no answer".into() },
            expect![[r#"
                10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                10s plan p1-1 migrate for hot: vm/one migrate to host/b
                10s begins p1-1/1
                10s ended p1-1/1: Unknown { reason: "no answer" }
                10s plan p1-1: Failed { step: StepId(1), reason: "outcome not known: no answer" }
                10s handed over hot on vm/one: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
                10s told: a person has to go on with vm/one: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
            "#]],
        ),
        (
            StepResult::Refused { reason: "locked".into() },
            expect![[r#"
                10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                10s plan p1-1 migrate for hot: vm/one migrate to host/b
                10s begins p1-1/1
                10s ended p1-1/1: Refused { reason: "locked" }
                10s plan p1-1: Failed { step: StepId(1), reason: "refused: locked" }
                10s handed over hot on vm/one: the ladder is at its end: migrate
                10s told: a person has to go on with vm/one: the ladder is at its end: migrate
            "#]],
        ),
    ] {
        let assumption = Assumption { ends: Some(ends), ..Assumption::default() };
        let yaml = hot("cooldown: 1h\nthen: [migrate]");
        Bench::new(&yaml, two_hosts(), vec![assumption]).sample(10, "vm/one", "cpu", 0.9).until(60, expected);
    }
}

#[test]
fn a_response_has_helped_when_it_held_long_enough() {
    let mut bench = Bench::new(&hot(GROWS), two_hosts(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).sample(20, "vm/one", "cpu", 0.6).sample(40, "vm/one", "cpu", 0.75);
    bench.sample(50, "vm/one", "cpu", 0.6).until(
        100,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 resize for hot: vm/one resize to 4 vcpus
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s verifies p1-1: last("cpu") < 70%, until 130s
        20s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.6)
        81s plan p1-1: Succeeded
    "#]],
    );
}

#[test]
fn a_response_that_did_not_help_is_undone_and_the_next_one_tried() {
    let mut bench = Bench::new(&hot(GROWS), two_hosts(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        200,
        expect![[r#"
            10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for hot: vm/one resize to 4 vcpus
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s verifies p1-1: last("cpu") < 70%, until 130s
            130s begins p1-1/1.undo
            130s ended p1-1/1: Done { observed: "assumed" }
            130s plan p1-1: Unverified { reason: "`last(\"cpu\") < 70%` is not known for 30s within 2m" }
            130s plan p1-2 migrate for hot: vm/one migrate to host/b
            130s begins p1-2/1
            130s ended p1-2/1: Done { observed: "assumed" }
            130s plan p1-2: Succeeded
            130s held hot on vm/one: cooldown: the policy acted here not long ago
        "#]],
    );
    // What it has is what it had, besides where it is.
    let one = bench.driver.engine().topology().get(&id("vm/one")).unwrap();
    assert_eq!((one.capacity.vcpus, one.on.as_ref().unwrap().as_str()), (Some(2.0), "host/b"));
}

#[test]
fn what_is_not_known_has_not_helped_and_what_is_meant_for_good_is_not_undone() {
    let lines = "cooldown: 10m\nthen:\n  - resize: {vcpus: +2}\n    compensate: false\n    \
                 verify: {that: 'last(\"latency\") < 1', within: 10s}";
    let mut bench = Bench::new(&hot(lines), two_hosts(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        60,
        expect![[r#"
            10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for hot: vm/one resize to 4 vcpus
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s verifies p1-1: last("latency") < 1, until 20s
            20s plan p1-1: Unverified { reason: "`last(\"latency\") < 1` is not known within 10s" }
            20s handed over hot on vm/one: the ladder is at its end: resize
            20s told: a person has to go on with vm/one: the ladder is at its end: resize
        "#]],
    );
}

#[test]
fn a_policy_that_is_replaced_while_it_is_verified_ends_its_plan_and_undoes_nothing() {
    let mut bench = Bench::new(&hot(GROWS), two_hosts(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).replace(20, &hot(&GROWS.replace("70%", "60%"))).until(
        60,
        expect![[r#"
            10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for hot: vm/one resize to 4 vcpus
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s verifies p1-1: last("cpu") < 70%, until 130s
            20s loaded ["hot"]
            20s closed hot on vm/one: the policy was changed or removed
            20s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            21s plan p1-1: Unverified { reason: "its policy was changed before it was known whether it helped" }
            21s plan p1-2 migrate for hot: vm/one migrate to host/b
            21s begins p1-2/1
            21s ended p1-2/1: Done { observed: "assumed" }
            21s plan p1-2: Succeeded
            21s held hot on vm/one: cooldown: the policy acted here not long ago
        "#]],
    );
}

#[test]
fn a_plan_that_is_called_off_while_it_is_verified_stays_as_it_is() {
    let mut bench = Bench::new(&hot(GROWS), two_hosts(), vec![]);
    let plan = plan(1);
    bench
        .sample(10, "vm/one", "cpu", 0.9)
        .operator(20, OperatorCommand::Cancel { plan, by: "an operator".into() })
        .until(
            60,
            expect![[r#"
                10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                10s plan p1-1 resize for hot: vm/one resize to 4 vcpus
                10s begins p1-1/1
                10s ended p1-1/1: Done { observed: "assumed" }
                10s verifies p1-1: last("cpu") < 70%, until 130s
                20s plan p1-1: Cancelled { reason: "cancelled by an operator" }
                20s held hot on vm/one: its plan was called off: nothing more is done until the finding closes
            "#]],
        );
}

fn sized(mut one: Resource, gib: u64) -> Resource {
    one.capacity.memory_bytes = Some(gib << 30);
    one
}

/// 32 GiB on either host: 24 and what moves here, 16 and 15 there.
fn crowded() -> Vec<Resource> {
    vec![
        sized(host("host/a", 64.0, &[]), 32),
        sized(host("host/b", 64.0, &[]), 32),
        sized(vm("vm/big", "host/a", 2.0), 24),
        sized(vm("vm/mover", "host/b", 2.0), 16),
        sized(vm("vm/other", "host/b", 2.0), 15),
    ]
}

/// What a plan gives up is free for others when it has helped, and not before: it may take it back.
#[test]
fn what_a_plan_may_take_back_is_given_to_nobody_until_it_has_ended() {
    let shrink = policy(
        "shrink",
        "select: {kind: vm, name: big}\nwhen: last(\"cpu\") < 20%\nstaleAfter: 1h\nthen: [{resize: {memory: 8Gi}, verify: {that: 'last(\"cpu\") > 50%', within: 20m}}]",
    );
    let spread = policy("spread", "select: {kind: vm, name: mover}\non: vm.move\ncooldown: 0s\nthen: [migrate]");
    let site = [shrink, spread].concat();
    let mut bench = Bench::new(&site, crowded(), vec![]);
    bench.sample(10, "vm/big", "cpu", 0.1).event(60, "vm/mover", "vm.move", &[]).until(
        1300,
        expect![[r#"
            10s opened shrink on vm/big: last("cpu") < 20% is true (last(cpu) = 0.1)
            10s plan p1-1 resize for shrink: vm/big resize to 8192 MiB
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s verifies p1-1: last("cpu") > 50%, until 1210s
            60s opened spread on vm/mover: event vm.move is true
            60s skipped migrate of spread on vm/mover: the only other host has no room for 2 vcpus and 16384 MiB
            60s handed over spread on vm/mover: the ladder is at its end: migrate
            60s told: a person has to go on with vm/mover: the ladder is at its end: migrate
            60s closed spread on vm/mover: everything was tried
            1210s begins p1-1/1.undo
            1210s ended p1-1/1: Done { observed: "assumed" }
            1210s plan p1-1: Unverified { reason: "`last(\"cpu\") > 50%` is not known within 20m" }
            1210s handed over shrink on vm/big: the ladder is at its end: resize
            1210s told: a person has to go on with vm/big: the ladder is at its end: resize
        "#]],
    );
    // It has helped.
    let mut bench = Bench::new(&site, crowded(), vec![]);
    bench.sample(10, "vm/big", "cpu", 0.1).sample(50, "vm/big", "cpu", 0.6).event(60, "vm/mover", "vm.move", &[]);
    bench.until(
        70,
        expect![[r#"
        10s opened shrink on vm/big: last("cpu") < 20% is true (last(cpu) = 0.1)
        10s plan p1-1 resize for shrink: vm/big resize to 8192 MiB
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s verifies p1-1: last("cpu") > 50%, until 1210s
        50s closed shrink on vm/big: last("cpu") < 20% is false (last(cpu) = 0.6)
        51s plan p1-1: Succeeded
        60s opened spread on vm/mover: event vm.move is true
        60s plan p1-2 migrate for spread: vm/mover migrate to host/a
        60s begins p1-2/1
        60s ended p1-2/1: Done { observed: "assumed" }
        60s plan p1-2: Succeeded
        60s closed spread on vm/mover: the plan succeeded
    "#]],
    );
}

/// Nor is what something has left that may come back.
#[test]
fn a_workload_that_may_come_back_keeps_its_place() {
    let away = policy(
        "away",
        "select: {kind: vm, name: big}\non: vm.move\ncooldown: 0s\nthen: [{migrate: , verify: {that: 'last(\"cpu\") > 50%', within: 20m}}]",
    );
    let spread = policy("spread", "select: {kind: vm, name: mover}\non: vm.move\ncooldown: 0s\nthen: [migrate]");
    let mut resources = crowded();
    resources.push(sized(host("host/c", 64.0, &[]), 48));
    resources.push(sized(vm("vm/rest", "host/c", 2.0), 10));
    let mut bench = Bench::new(&[away, spread].concat(), resources, vec![]);
    bench.event(10, "vm/big", "vm.move", &[]).event(60, "vm/mover", "vm.move", &[]).until(
        1300,
        expect![[r#"
        10s opened away on vm/big: event vm.move is true
        10s plan p1-1 migrate for away: vm/big migrate to host/c
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s verifies p1-1: last("cpu") > 50%, until 1210s
        60s opened spread on vm/mover: event vm.move is true
        60s skipped migrate of spread on vm/mover: none of 2 other hosts has room for 2 vcpus and 16384 MiB
        60s handed over spread on vm/mover: the ladder is at its end: migrate
        60s told: a person has to go on with vm/mover: the ladder is at its end: migrate
        60s closed spread on vm/mover: everything was tried
        1210s begins p1-1/1.undo
        1210s ended p1-1/1: Done { observed: "assumed" }
        1210s plan p1-1: Unverified { reason: "`last(\"cpu\") > 50%` is not known within 20m" }
        1210s handed over away on vm/big: the ladder is at its end: migrate
        1210s told: a person has to go on with vm/big: the ladder is at its end: migrate
        1210s closed away on vm/big: everything was tried
    "#]],
    );
}

/// Others than homeostat may have taken it: then it is not undone, and that is said.
#[test]
fn nothing_is_undone_into_what_others_have_taken() {
    let shrink = policy(
        "shrink",
        "select: {kind: vm, name: big}\nwhen: last(\"cpu\") < 20%\nstaleAfter: 1h\nthen: [{resize: {memory: 8Gi}, verify: {that: 'last(\"cpu\") > 50%', within: 2m}}]",
    );
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    let mut bench = Bench::new(&shrink, crowded(), vec![]);
    bench.sample(10, "vm/big", "cpu", 0.1).describe(60, owned(sized(vm("vm/new", "host/a", 2.0), 12)));
    bench.until(200, expect![[r#"
        10s opened shrink on vm/big: last("cpu") < 20% is true (last(cpu) = 0.1)
        10s plan p1-1 resize for shrink: vm/big resize to 8192 MiB
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s verifies p1-1: last("cpu") > 50%, until 130s
        130s ended p1-1/1: Refused { reason: "host/a has 20480 MiB of memory left, 24576 MiB are needed" }
        130s plan p1-1: Unverified { reason: "`last(\"cpu\") > 50%` is not known within 2m; step 1 could not be undone: refused: host/a has 20480 MiB of memory left, 24576 MiB are needed" }
        130s handed over shrink on vm/big: the ladder is at its end: resize
        130s told: a person has to go on with vm/big: the ladder is at its end: resize
    "#]]);
}

#[test]
fn a_machine_that_was_switched_on_in_vain_is_switched_off_again() {
    let mut small = host("host/small", 2.0, &[("state", "off".into())]);
    small.labels.insert("pool".into(), "micro".into());
    let resources = [two_hosts(), vec![small]].concat();
    let yaml = hot("cooldown: 1h\nthen: [{fisicalize: {pool: micro}}]");
    let mut bench = Bench::new(&yaml, resources, hiccups(Verb::Migrate, None));
    bench.sample(10, "vm/one", "cpu", 0.9).until(60, expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 fisicalize for hot: host/small power on, vm/one after [1] migrate to host/small, host/small after [2] cordon on
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s begins p1-1/2
        10s ended p1-1/2: Failed { reason: "the API hiccuped" }
        13.665s begins p1-1/2.2
        13.665s ended p1-1/2: Failed { reason: "the API hiccuped" }
        18.761s begins p1-1/2.3
        18.761s ended p1-1/2: Failed { reason: "the API hiccuped" }
        18.761s begins p1-1/1.undo
        18.761s ended p1-1/1: Done { observed: "assumed" }
        18.761s plan p1-1: Failed { step: StepId(2), reason: "the API hiccuped" }
        18.761s handed over hot on vm/one: the ladder is at its end: fisicalize
        18.761s told: a person has to go on with vm/one: the ladder is at its end: fisicalize
    "#]]);
}

#[test]
fn a_step_is_refused_when_its_resource_is_no_longer_where_its_plan_saw_it() {
    let mut resources = two_hosts();
    resources.push(vm("vm/two", "host/a", 1.0));
    let takes = Assumption { verb: Some(Verb::Cordon), takes: Duration::from_secs(30), ..Assumption::default() };
    let yaml = policy("full", "select: {kind: host}\non: alert.firing\ncooldown: 1h\nthen: [evacuate]");
    let mut bench = Bench::new(&yaml, resources, vec![takes]);
    bench.event(10, "host/a", "alert.firing", &[]);
    // Somebody moves it by hand while the host is still being cordoned.
    let mut moved = vm("vm/two", "host/b", 1.0);
    moved.adapter = Some(AdapterName::new("assumed").unwrap());
    bench.describe(20, moved).until(100, expect![[r#"
        10s opened full on host/a: event alert.firing is true
        10s plan p1-1 evacuate for full: host/a cordon on, vm/one after [1] migrate to host/b, vm/two after [1] migrate to host/b
        10s begins p1-1/1
        40s ended p1-1/1: Done { observed: "assumed" }
        40s begins p1-1/2
        40s ended p1-1/3: Refused { reason: "it is on host/b by now, no longer on host/a" }
        40s ended p1-1/2: Done { observed: "assumed" }
        40s plan p1-1: Failed { step: StepId(3), reason: "refused: it is on host/b by now, no longer on host/a" }
        40s handed over full on host/a: the ladder is at its end: evacuate
        40s told: a person has to go on with host/a: the ladder is at its end: evacuate
        40s closed full on host/a: everything was tried
    "#]]);
}

#[test]
fn what_has_no_lane_waits_for_one() {
    let mut resources = vec![host("host/a", 64.0, &[])];
    resources.extend((0..6).map(|number| vm(&format!("vm/v{number}"), "host/a", 1.0)));
    let takes = Assumption { takes: Duration::from_secs(20), ..Assumption::default() };
    let yaml = policy("crash", "select: {kind: vm}\non: vm.crashed\ncooldown: 1h\nthen: [restart]");
    let mut bench = Bench::new(&yaml, resources, vec![takes]);
    for number in 0..6 {
        bench.event(10, &format!("vm/v{number}"), "vm.crashed", &[]);
    }
    bench.driver.run_until(bench::at(100));
    let mut lines = String::new();
    for record in bench.driver.records() {
        if let Entry::StepDispatched { key, .. } = &record.entry {
            lines += &format!("{}s {key}\n", record.at.as_millis() / 1000);
        }
    }
    expect![[r#"
        10s p1-1/1
        10s p1-2/1
        10s p1-3/1
        10s p1-4/1
        30s p1-5/1
        30s p1-6/1
    "#]]
    .assert_eq(&lines);
}

/// What was measured before a step says nothing of whether it has helped: of the machine itself, nor of what runs beside it. Nor does it
/// after a restart.
#[test]
fn a_sample_from_before_a_step_verifies_nothing() {
    for that in ["last(\"latency\") < 100", "host.children.all(last(\"latency\") < 100)"] {
        let slow = policy(
            "slow",
            &format!(
                "select: {{kind: vm}}\non: vm.slow\nthen: [{{resize: {{vcpus: +1}}, verify: {{that: '{that}', within: 1m}}}}]"
            ),
        );
        let ends = |bench: &Bench| {
            bench.driver.records().iter().rev().find_map(|record| match &record.entry {
                Entry::PlanFinished { result, .. } => Some((record.at, result.clone())),
                _ => None,
            })
        };
        let machines = || vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 1.0)];
        let mut bench = Bench::new(&slow, machines(), vec![]);
        bench.sample(30, "vm/one", "latency", 50.0).event(60, "vm/one", "vm.slow", &[]);
        bench.driver.run_until(at(80));
        assert_eq!(ends(&bench), None, "{that}");
        let mut killed = bench.killed_until(85, &slow);
        killed.sample(86, "vm/one", "latency", 50.0);
        killed.driver.run_until(at(90));
        assert_eq!(ends(&killed).map(|(_, result)| result), Some(PlanResult::Succeeded), "{that}");
        bench.sample(90, "vm/one", "latency", 500.0);
        bench.driver.run_until(at(150));
        assert!(matches!(ends(&bench), Some((_, PlanResult::Unverified { .. }))), "{that}: {:?}", ends(&bench));
        assert_eq!(bench.driver.engine().topology().get(&id("vm/one")).unwrap().capacity.vcpus, Some(1.0), "{that}");
    }
}
