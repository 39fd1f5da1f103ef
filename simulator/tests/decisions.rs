//! What the engine decides in the ordinary course of things.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, host, id, policy, vm};
use expect_test::expect;
use homeostat_engine::{Generation, OperatorCommand};
use homeostat_model::*;
use homeostat_simulator::Assumption;

const CRASH: &str = "
select: {kind: vm}
on: vm.crashed
cooldown: 1m
then:
  - restart: {}
    attempts: 2
";

const HOT: &str = "
select: {kind: vm}
when: avg(\"cpu\", 1m) > 80%
for: 30s
cooldown: 2m
then:
  - resize: {vcpus: +2, maxVcpus: 8}
  - migrate
";

#[test]
fn a_crash_is_answered_once_and_again_after_the_cooldown() {
    let mut bench =
        Bench::new(&policy("crash", CRASH), vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![]);
    bench.event(10, "vm/one", "vm.crashed", &[("reason", "panic".into())]).until(
        10,
        expect![[r#"
        10s opened crash on vm/one: event vm.crashed is true (reason = "panic")
        10s plan p1-1 restart for crash: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s closed crash on vm/one: the plan succeeded
    "#]],
    );
    bench.event(20, "vm/one", "vm.crashed", &[]).until(
        60,
        expect![[r#"
        20s opened crash on vm/one: event vm.crashed is true
        20s held crash on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
    bench.until(
        200,
        expect![[r#"
        70s plan p1-2 restart for crash: vm/one restart
        70s begins p1-2/1
        70s ended p1-2/1: Done { observed: "assumed" }
        70s plan p1-2: Succeeded
        70s closed crash on vm/one: the plan succeeded
    "#]],
    );
}

#[test]
fn a_hot_vm_grows_and_then_moves() {
    let resources = vec![host("host/a", 4.0, &[]), host("host/b", 16.0, &[]), vm("vm/hot", "host/a", 2.0)];
    let mut bench = Bench::new(&policy("hot", HOT), resources, vec![]);
    bench.samples(0..=40, "vm/hot", "cpu", 0.95).until(
        40,
        expect![[r#"
        30s opened hot on vm/hot: avg("cpu", 1m) > 80% is true (avg(cpu, 1m) = 0.95)
        30s plan p1-1 resize for hot: vm/hot resize to 4 vcpus
        30s begins p1-1/1
        30s ended p1-1/1: Done { observed: "assumed" }
        30s plan p1-1: Succeeded
        30s held hot on vm/hot: cooldown: the policy acted here not long ago
    "#]],
    );
    bench.samples(50..=300, "vm/hot", "cpu", 0.95).until(
        300,
        expect![[r#"
            150s plan p1-2 migrate for hot: vm/hot migrate to host/b
            150s begins p1-2/1
            150s ended p1-2/1: Done { observed: "assumed" }
            150s plan p1-2: Succeeded
            150s held hot on vm/hot: cooldown: the policy acted here not long ago
            270s handed over hot on vm/hot: the ladder is at its end: resize, migrate
            270s told: a person has to go on with vm/hot: the ladder is at its end: resize, migrate
        "#]],
    );
    bench.samples(310..=400, "vm/hot", "cpu", 0.1).until(
        400,
        expect![[r#"
        320s closed hot on vm/hot: avg("cpu", 1m) > 80% is false (avg(cpu, 1m) = 0.6667)
    "#]],
    );
}

#[test]
fn a_gap_neither_acts_nor_resolves() {
    let resources = vec![host("host/a", 8.0, &[]), vm("vm/hot", "host/a", 2.0)];
    let spec = HOT.replace("for: 30s", "for: 1m\nstaleAfter: 15s\nmode: observe");
    let mut bench = Bench::new(&policy("hot", &spec), resources, vec![]);
    // Hot for 20 s, known to be so for 35 s, then silence: the minute of `for` never passes.
    bench.samples(0..=20, "vm/hot", "cpu", 0.95).until(1000, expect![]);
    // Hot again: what was known counts, the silence does not; 25 s are left.
    bench.samples(1000..=1030, "vm/hot", "cpu", 0.95).until(
        1030,
        expect![[r#"
        1025s opened hot on vm/hot: avg("cpu", 1m) > 80% is true (avg(cpu, 1m) = 0.95)
        1025s held hot on vm/hot: mode observe: findings only
    "#]],
    );
    // Silence again: the finding stays open.
    bench.until(3000, expect![]);
    bench.samples(3000..=3030, "vm/hot", "cpu", 0.1).until(
        3030,
        expect![[r#"
        3000s closed hot on vm/hot: avg("cpu", 1m) > 80% is false (avg(cpu, 1m) = 0.1)
    "#]],
    );
}

#[test]
fn the_higher_priority_owns_a_contested_resource() {
    let alarm = "select: {kind: vm}\non: alarm\ncooldown: 1m\n";
    let yaml = policy("a-low", &format!("{alarm}then: [pause]"))
        + policy("b-high", &format!("{alarm}priority: 10\nthen: [restart]")).as_str();
    let slow = Assumption { takes: Duration::from_secs(5), ..Assumption::default() };
    let mut bench = Bench::new(&yaml, vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![slow]);
    bench.event(1, "vm/one", "alarm", &[]).until(
        20,
        expect![[r#"
            1s opened b-high on vm/one: event alarm is true
            1s opened a-low on vm/one: event alarm is true
            1s plan p1-1 restart for b-high: vm/one restart
            1s begins p1-1/1
            1s held a-low on vm/one: plan p1-1 has vm/one in hand
            6s ended p1-1/1: Done { observed: "assumed" }
            6s plan p1-1: Succeeded
            6s closed b-high on vm/one: the plan succeeded
            6s plan p1-2 pause for a-low: vm/one pause
            6s begins p1-2/1
            11s ended p1-2/1: Done { observed: "assumed" }
            11s plan p1-2: Succeeded
            11s closed a-low on vm/one: the plan succeeded
        "#]],
    );
}

#[test]
fn a_dead_host_is_fenced_before_anything_starts_elsewhere() {
    let down = "select: {kind: host}\non: host.down\nthen: [evacuate]\n";
    let dead = host("host/a", 16.0, &[("state", "down".into())]);
    let resources = vec![
        dead,
        host("host/b", 16.0, &[]),
        host("host/c", 16.0, &[]),
        host("host/full", 2.0, &[]),
        vm("vm/one", "host/a", 4.0),
        vm("vm/two", "host/a", 4.0),
        vm("vm/three", "host/a", 2.0),
    ];
    let mut bench = Bench::new(&policy("down", down), resources, vec![]);
    bench.event(1, "host/a", "host.down", &[]).until(2, expect![[r#"
        1s opened down on host/a: event host.down is true
        1s plan p1-1 evacuate for down: host/a fence, vm/one after [1] restart on host/b, vm/three after [1] restart on host/c, vm/two after [1] restart on host/c
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s begins p1-1/2
        1s begins p1-1/3
        1s begins p1-1/4
        1s ended p1-1/2: Done { observed: "assumed" }
        1s ended p1-1/3: Done { observed: "assumed" }
        1s ended p1-1/4: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s closed down on host/a: the plan succeeded
    "#]]);
}

#[test]
fn what_cannot_be_fenced_is_not_started_elsewhere() {
    let down = "select: {kind: host}\non: host.down\nthen: [evacuate]\n";
    let dead = host("host/a", 16.0, &[("state", "down".into())]);
    let resources = vec![dead, host("host/b", 16.0, &[]), vm("vm/one", "host/a", 4.0)];
    let failing = Assumption {
        resource: Some(id("host/a")),
        verb: Some(Verb::Fence),
        ends: Some(StepResult::Failed { reason: "no answer from the power switch".into() }),
        ..Assumption::default()
    };
    let mut bench = Bench::new(&policy("down", down), resources, vec![failing]);
    bench.event(1, "host/a", "host.down", &[]).until(
        100,
        expect![[r#"
            1s opened down on host/a: event host.down is true
            1s plan p1-1 evacuate for down: host/a fence, vm/one after [1] restart on host/b
            1s begins p1-1/1
            1s ended p1-1/1: Failed { reason: "no answer from the power switch" }
            4.36s begins p1-1/1.2
            4.36s ended p1-1/1: Failed { reason: "no answer from the power switch" }
            9.725s begins p1-1/1.3
            9.725s ended p1-1/1: Failed { reason: "no answer from the power switch" }
            9.725s plan p1-1: Failed { step: StepId(1), reason: "no answer from the power switch" }
            9.725s handed over down on host/a: the ladder is at its end: evacuate
            9.725s told: a person has to go on with host/a: the ladder is at its end: evacuate
            9.725s quarantine of host/a by down on host/a, 10m
            9.725s closed down on host/a: everything was tried
        "#]],
    );
}

#[test]
fn a_noisy_workload_gets_a_machine_of_its_own() {
    let noisy = "select: {kind: vm}\non: noisy\nthen: [{fisicalize: {pool: micro}}]\n";
    let pooled = |name: &str, cores: f64, state: &str| {
        let mut host = host(name, cores, &[("state", state.into())]);
        host.labels.insert("pool".into(), "micro".into());
        host
    };
    let resources = vec![
        host("host/a", 16.0, &[]),
        pooled("host/m1", 2.0, "off"),
        pooled("host/m2", 8.0, "off"),
        pooled("host/m3", 4.0, "off"),
        vm("vm/noisy", "host/a", 4.0),
    ];
    let mut bench = Bench::new(&policy("noisy", noisy), resources, vec![]);
    bench.event(1, "vm/noisy", "noisy", &[]).until(2, expect![[r#"
        1s opened noisy on vm/noisy: event noisy is true
        1s plan p1-1 fisicalize for noisy: host/m3 power on, vm/noisy after [1] migrate to host/m3, host/m3 after [2] cordon on
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s begins p1-1/2
        1s ended p1-1/2: Done { observed: "assumed" }
        1s begins p1-1/3
        1s ended p1-1/3: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s closed noisy on vm/noisy: the plan succeeded
    "#]]);
}

#[test]
fn a_failed_response_is_retried_then_passed_by_then_handed_over() {
    let crash = "select: {kind: vm}\non: vm.crashed\nthen:\n  - restart\n    # twice\n";
    let crash = crash.replace("  - restart\n    # twice\n", "  - restart: {}\n    attempts: 2\n  - migrate\n");
    let failing = Assumption {
        verb: Some(Verb::Restart),
        takes: Duration::from_secs(1),
        ends: Some(StepResult::Failed { reason: "no disk".into() }),
        ..Assumption::default()
    };
    let mut bench = Bench::new(
        &policy("crash", &crash),
        vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)],
        vec![failing],
    );
    bench.event(1, "vm/one", "vm.crashed", &[]).until(
        100,
        expect![[r#"
            1s opened crash on vm/one: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/one restart
            1s begins p1-1/1
            2s ended p1-1/1: Failed { reason: "no disk" }
            2s plan p1-1: Failed { step: StepId(1), reason: "no disk" }
            12s plan p1-2 restart for crash: vm/one restart
            12s begins p1-2/1
            13s ended p1-2/1: Failed { reason: "no disk" }
            13s plan p1-2: Failed { step: StepId(1), reason: "no disk" }
            13s skipped migrate of crash on vm/one: no other host that is up takes workloads of host/a
            13s handed over crash on vm/one: the ladder is at its end: restart, migrate
            13s told: a person has to go on with vm/one: the ladder is at its end: restart, migrate
            13s quarantine of vm/one by crash on vm/one, 10m
            13s closed crash on vm/one: everything was tried
        "#]],
    );
}

#[test]
fn recommend_and_approve_do_not_act_by_themselves() {
    let crash = |mode: &str| policy(mode, &format!("{CRASH}mode: {mode}\n"));
    let yaml = [crash("recommend"), crash("approve"), crash("observe")].concat();
    let mut bench = Bench::new(&yaml, vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![]);
    bench.event(1, "vm/one", "vm.crashed", &[]).until(
        100,
        expect![[r#"
            1s opened approve on vm/one: event vm.crashed is true
            1s opened observe on vm/one: event vm.crashed is true
            1s opened recommend on vm/one: event vm.crashed is true
            1s plan p1-1 restart for approve: vm/one restart
            1s held approve on vm/one: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: restart vm/one, 1 step; then vm/one runs again; its hash is 9a7cc6b190bc76ed
            1s held observe on vm/one: mode observe: findings only
            1s plan p1-2 restart for recommend: vm/one restart
            1s held recommend on vm/one: mode recommend: the plan is shown, not run
            1s closed recommend on vm/one: a plan was recommended
            1s closed observe on vm/one: it was observed
        "#]],
    );
    let plan = PlanId { generation: Generation(1), number: 1 };
    bench.operator(101, OperatorCommand::Approve(plan)).until(
        102,
        expect![[r#"
            101s an operator approves of plan p1-1
            101s begins plan p1-1
            101s begins p1-1/1
            101s ended p1-1/1: Done { observed: "assumed" }
            101s plan p1-1: Succeeded
            101s closed approve on vm/one: the plan succeeded
        "#]],
    );
    bench.operator(103, OperatorCommand::Approve(plan)).until(
        104,
        expect![[r#"
            103s refused an operator's word about plan p1-1: plan p1-1 does not wait for approval: it is succeeded
        "#]],
    );
}

#[test]
fn a_missing_field_stops_no_other_policy() {
    for others in [0, 8, 499] {
        let mut yaml =
            policy("picky", "select: {kind: vm}\non: alarm\nwhen: event.missing > 3\nmode: observe\nthen: [restart]\n");
        for number in 0..others {
            let when = if number % 2 == 0 { "event.level >= 3" } else { "event.missing == \"x\" || event.level >= 3" };
            yaml += &policy(
                &format!("other-{number}"),
                &format!("select: {{kind: vm}}\non: alarm\nwhen: {when}\nmode: observe\nthen: [restart]\n"),
            );
        }
        let mut bench = Bench::new(&yaml, vec![vm("vm/one", "host/a", 2.0)], vec![]);
        bench.event(1, "vm/one", "alarm", &[("level", 5.0.into())]);
        let opened = bench.driver.records().iter().filter(|r| matches!(r.entry, Entry::FindingOpened { .. })).count();
        assert_eq!(opened, others, "of {others} other policies");
    }
}

#[test]
fn the_pattern_of_ticks_does_not_matter() {
    let run = |tick: Option<u64>| {
        let resources = vec![host("host/a", 4.0, &[]), host("host/b", 16.0, &[]), vm("vm/hot", "host/a", 2.0)];
        let mut bench = Bench::new(&policy("hot", HOT), resources, vec![]);
        for second in 0..600 {
            if tick.is_some_and(|tick| second % tick == 0) {
                bench.driver.run_until(at(second));
            }
            if second % 17 == 0 {
                bench.sample(second, "vm/hot", "cpu", if second < 300 { 0.9 } else { 0.2 });
            }
        }
        bench.driver.records().iter().map(|record| serde_json::to_string(record).unwrap()).collect::<Vec<_>>()
    };
    let coarse = run(None);
    assert!(coarse.len() > 8, "{coarse:#?}");
    assert_eq!(coarse, run(Some(1)));
    assert_eq!(coarse, run(Some(7)));
}
