//! What is done and who takes over: the ladder under doubt, pauses, guards and edits.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, fails, host, hot, id, on_vms, plan, policies, small, tell, vm};
use expect_test::expect;
use homeostat_engine::{Generation, Input, OperatorCommand};
use homeostat_model::*;
use homeostat_simulator::{AssumedWorld, Assumption, VirtualDriver};

/// A crash of vm/one at `time`, that is heard of at `seconds`.
fn crash(bench: &mut Bench, seconds: u64, time: u64) {
    let event_type = EventType::new("vm.crashed").unwrap();
    let event =
        Event { resource: id("vm/one"), event_type, time: at(time), id: String::new(), attributes: Default::default() };
    bench.driver.handle(at(seconds), Input::Observed(Observation::Event(event)));
}

#[test]
fn a_condition_that_is_known_now_and_then_climbs_on_when_it_is_known() {
    let lines = "when: avg(\"cpu\", 1m) > 80%\nstaleAfter: 5m\ncooldown: 90s\nthen: [restart, {notify: {message: \"still hot\"}}]";
    let mut bench = Bench::new(&on_vms("hot", lines), small(), vec![]);
    for second in (0..3600).step_by(120) {
        bench.sample(second, "vm/one", "cpu", 0.95);
    }
    bench.until(
        3600,
        expect![[r#"
        0s opened hot on vm/one: avg("cpu", 1m) > 80% is true (avg(cpu, 1m) = 0.95)
        0s plan p1-1 restart for hot: vm/one restart
        0s begins p1-1/1
        0s ended p1-1/1: Done { observed: "assumed" }
        0s plan p1-1: Succeeded
        0s held hot on vm/one: cooldown: the policy acted here not long ago
        90s held hot on vm/one: the condition is no longer known to hold
        120s told: still hot
    "#]],
    );
}

#[test]
fn explain_names_no_time_that_has_passed() {
    let lines = "when: last(\"cpu\") > 80%\nclear: last(\"cpu\") < 20%\ncooldown: 1m\nthen: [restart, restart]";
    let mut bench = Bench::new(&on_vms("hot", lines), small(), vec![]);
    for (second, cpu) in [(10, 0.95), (20, 0.1), (25, 0.95), (30, 0.95)] {
        bench.sample(second, "vm/one", "cpu", cpu);
    }
    bench.until(
        30,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s held hot on vm/one: cooldown: the policy acted here not long ago
        20s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
        25s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        25s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
    let explained = bench.driver.engine().explain(&id("vm/one"));
    assert_eq!(explained[0].acts_at, Some(at(70)));
    // The finding stays open, but there is nothing to act upon when the cooldown ends.
    bench.samples(40..=500, "vm/one", "cpu", 0.5).until(500, expect![[r#""#]]);
    let explained = bench.driver.engine().explain(&id("vm/one"));
    assert_eq!(explained[0].acts_at, None);
    expect![[r#"open until what closes it is the case long enough; last("cpu") > 80% is false (last(cpu) = 0.5)"#]]
        .assert_eq(&explained[0].because);
}

#[test]
fn a_ladder_of_one_rung_ends_a_crash_loop_with_a_hand_over() {
    let mut bench =
        Bench::new(&on_vms("crash", "on: {event: vm.crashed}\ncooldown: 1m\nthen: [restart]"), small(), vec![]);
    for second in (30..=150).step_by(30) {
        bench.event(second, "vm/one", "vm.crashed", &[]);
    }
    bench.until(
        1000,
        expect![[r#"
            30s opened crash on vm/one: event vm.crashed is true
            30s plan p1-1 restart for crash: vm/one restart
            30s begins p1-1/1
            30s ended p1-1/1: Done { observed: "assumed" }
            30s plan p1-1: Succeeded
            30s closed crash on vm/one: the plan succeeded
            60s opened crash on vm/one: event vm.crashed is true
            60s held crash on vm/one: cooldown: the policy acted here not long ago
            90s handed over crash on vm/one: the ladder is at its end: restart
            90s told: a person has to go on with vm/one: the ladder is at its end: restart
            90s quarantine of vm/one by crash on vm/one, 10m
            90s closed crash on vm/one: everything was tried
            90s opened crash on vm/one: event vm.crashed is true
            90s closed crash on vm/one: everything was tried
            120s opened crash on vm/one: event vm.crashed is true
            120s closed crash on vm/one: everything was tried
            150s opened crash on vm/one: event vm.crashed is true
            150s closed crash on vm/one: everything was tried
            750s released vm/one: its finding has been closed for 10m
        "#]],
    );
    // After a quiet time a crash is an ordinary one again.
    bench.event(2000, "vm/one", "vm.crashed", &[]).until(
        2000,
        expect![[r#"
        2000s opened crash on vm/one: event vm.crashed is true
        2000s plan p1-2 restart for crash: vm/one restart
        2000s begins p1-2/1
        2000s ended p1-2/1: Done { observed: "assumed" }
        2000s plan p1-2: Succeeded
        2000s closed crash on vm/one: the plan succeeded
    "#]],
    );
}

#[test]
fn an_event_that_arrives_long_after_it_happened_is_not_acted_on() {
    let yaml = on_vms("crash", "on: {event: vm.crashed}\ncooldown: 0s\nthen: [restart]");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    crash(&mut bench, 200, 10);
    bench.until(
        300,
        expect![[r#"
        200s opened crash on vm/one: event vm.crashed is true
        200s plan p1-1 restart for crash: vm/one restart
        200s begins p1-1/1
        200s ended p1-1/1: Done { observed: "assumed" }
        200s plan p1-1: Succeeded
        200s closed crash on vm/one: the plan succeeded
    "#]],
    );
    crash(&mut bench, 20_000, 10);
    bench.until(
        20_100,
        expect![[r#"
        20000s refused event for crash on vm/one: event vm.crashed: it is over 5m old by now
    "#]],
    );
}

#[test]
fn an_edit_keeps_the_cooldown_and_begins_the_ladder_anew() {
    let hot = |limit: &str| on_vms("hot", &format!("when: last(\"cpu\") > {limit}\ncooldown: 10m\nthen: [restart]"));
    let mut bench = Bench::new(&hot("50%"), small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).replace(20, &hot("60%"));
    bench.samples(30..=1300, "vm/one", "cpu", 0.9).until(
        1300,
        expect![[r#"
            10s opened hot on vm/one: last("cpu") > 50% is true (last(cpu) = 0.9)
            10s plan p1-1 restart for hot: vm/one restart
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s plan p1-1: Succeeded
            10s held hot on vm/one: cooldown: the policy acted here not long ago
            20s loaded ["hot"]
            20s closed hot on vm/one: the policy was changed or removed
            20s opened hot on vm/one: last("cpu") > 60% is true (last(cpu) = 0.9)
            20s held hot on vm/one: cooldown: the policy acted here not long ago
            610s plan p1-2 restart for hot: vm/one restart
            610s begins p1-2/1
            610s ended p1-2/1: Done { observed: "assumed" }
            610s plan p1-2: Succeeded
            610s held hot on vm/one: cooldown: the policy acted here not long ago
            1210s handed over hot on vm/one: the ladder is at its end: restart
            1210s told: a person has to go on with vm/one: the ladder is at its end: restart
            1210s quarantine of vm/one by hot on vm/one, 10m
        "#]],
    );
}

#[test]
fn a_proposal_is_called_off_when_unknown_closes_its_finding() {
    let lines = "when: last(\"cpu\") > 50%\nonUnknown: close\nstaleAfter: 1m\nmode: approve\nthen: [restart]";
    let mut bench = Bench::new(&on_vms("hot", lines), small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        100,
        expect![[r#"
            10s opened hot on vm/one: last("cpu") > 50% is true (last(cpu) = 0.9)
            10s plan p1-1 restart for hot: vm/one restart
            10s held hot on vm/one: mode approve: the plan waits for a person
            10s told: plan p1-1 waits for approval: restart vm/one, 1 step; then vm/one runs again; its hash is e69b1dc403c47aba
            70s closed hot on vm/one: last("cpu") > 50% is unknown (last(cpu) is not known)
            70s plan p1-1: Cancelled { reason: "the finding has closed" }
        "#]],
    );
    let plan = plan(1);
    bench.operator(110, OperatorCommand::Approve(plan)).until(
        200,
        expect![[r#"
            110s refused an operator's word about plan p1-1: plan p1-1 does not wait for approval: it is cancelled
        "#]],
    );
}

#[test]
fn a_ladder_whose_guards_are_false_waits_for_them_instead_of_ending() {
    let lines = "when: last(\"cpu\") > 50%\nthen: [{if: last(\"mem\") > 50%, restart: {}}]";
    let mut bench = Bench::new(&on_vms("hot", lines), small(), vec![]);
    bench.sample(10, "vm/one", "mem", 0.1).sample(10, "vm/one", "cpu", 0.9).until(
        15,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 50% is true (last(cpu) = 0.9)
        10s skipped restart of hot on vm/one: `if: last("mem") > 50%` is false
        10s held hot on vm/one: what to do is not known: no response of the ladder is meant now
    "#]],
    );
    bench.sample(20, "vm/one", "mem", 0.1).sample(20, "vm/one", "cpu", 0.9).until(25, expect![[r#""#]]);
    bench.sample(30, "vm/one", "mem", 0.9).sample(30, "vm/one", "cpu", 0.9).until(
        45,
        expect![[r#"
        40s plan p1-1 restart for hot: vm/one restart
        40s begins p1-1/1
        40s ended p1-1/1: Done { observed: "assumed" }
        40s plan p1-1: Succeeded
        40s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

#[test]
fn what_a_sample_opens_is_acted_on_once_an_adapter_brings_the_resource() {
    let adapter = AdapterName::new("assumed").unwrap();
    let world = AssumedWorld::new(adapter, small(), vec![]);
    let announcements = world.announcements();
    let mut driver = VirtualDriver::new(Generation(1), world, at(0));
    let yaml = on_vms("hot", "when: last(\"cpu\") > 50%\ncooldown: 10m\nthen: [restart]");
    driver.replace_policies(at(0), &policies(&yaml)).unwrap();
    let metric = MetricName::new("cpu").unwrap();
    let sample = Sample { resource: id("vm/one"), metric, time: at(1), value: 0.9 };
    driver.handle(at(1), Input::Observed(Observation::Sample(sample)));
    for announcement in announcements {
        driver.handle(at(20), announcement);
    }
    driver.run_until(at(60));
    let mut text = String::new();
    driver.records().iter().for_each(|record| tell(&mut text, record));
    expect![[r#"
        0s loaded ["hot"]
        1s opened hot on vm/one: last("cpu") > 50% is true (last(cpu) = 0.9)
        1s held hot on vm/one: what to do is not known: no adapter drives the resource yet
        21s plan p1-1 restart for hot: vm/one restart
        21s begins p1-1/1
        21s ended p1-1/1: Done { observed: "assumed" }
        21s plan p1-1: Succeeded
        21s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]]
    .assert_eq(&text);
}

#[test]
fn an_event_that_is_held_back_by_a_pause_is_given_up_when_it_is_too_old() {
    let yaml = on_vms("crash", "on: {event: vm.crashed}\nthen: [restart]");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.operator(5, OperatorCommand::Pause { by: "an operator".into() });
    bench.event(10, "vm/one", "vm.crashed", &[]).event(20, "vm/one", "vm.crashed", &[]).until(
        35_000,
        expect![[r#"
            5s paused by an operator
            10s opened crash on vm/one: event vm.crashed is true
            10s held crash on vm/one: paused by an operator
            310s closed crash on vm/one: it was held back until it was too old to be answered: paused by an operator
            310s opened crash on vm/one: event vm.crashed is true
            310s held crash on vm/one: paused by an operator
            320s closed crash on vm/one: it was held back until it was too old to be answered: paused by an operator
        "#]],
    );
    bench.operator(36_000, OperatorCommand::Resume { by: "an operator".into() }).until(
        40_000,
        expect![[r#"
        36000s resumed by an operator
    "#]],
    );
}

#[test]
fn each_response_has_the_pause_that_is_written_beside_it() {
    let lines = "on: vm.crashed\ncooldown: 4m\nthen:\n  - restart: {}\n    cooldown: 30s\n  - restart: {}\n    cooldown: 2m\n  \
                 - notify: {message: \"it crashes again and again\"}";
    let mut bench = Bench::new(&on_vms("crash", lines), small(), vec![]);
    // The second comes while the first answer rests, the third after a while that is longer than the first pause twice, and the
    // last when the crash loop is long over.
    for second in [10, 20, 400, 3000] {
        crash(&mut bench, second, second);
    }
    bench.until(
        3600,
        expect![[r#"
        10s opened crash on vm/one: event vm.crashed is true
        10s plan p1-1 restart for crash: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s closed crash on vm/one: the plan succeeded
        20s opened crash on vm/one: event vm.crashed is true
        20s held crash on vm/one: cooldown: the policy acted here not long ago
        40s plan p1-2 restart for crash: vm/one restart
        40s begins p1-2/1
        40s ended p1-2/1: Done { observed: "assumed" }
        40s plan p1-2: Succeeded
        40s closed crash on vm/one: the plan succeeded
        400s opened crash on vm/one: event vm.crashed is true
        400s told: it crashes again and again
        400s closed crash on vm/one: everything was tried
        3000s opened crash on vm/one: event vm.crashed is true
        3000s plan p1-3 restart for crash: vm/one restart
        3000s begins p1-3/1
        3000s ended p1-3/1: Done { observed: "assumed" }
        3000s plan p1-3: Succeeded
        3000s closed crash on vm/one: the plan succeeded
    "#]],
    );
}

#[test]
fn a_response_with_a_pause_of_its_own_backs_off_when_it_fails() {
    let lines = "when: last(\"cpu\") > 80%\nstaleAfter: 1h\nthen:\n  - restart: {}\n    attempts: 2\n    cooldown: 3m\n  \
                 - notify: {message: \"it cannot be restarted\"}";
    let ends = Some(StepResult::Failed { reason: "no disk".into() });
    let fails = Assumption { ends, ..Assumption::default() };
    let mut bench = Bench::new(&on_vms("hot", lines), small(), vec![fails]);
    bench.sample(10, "vm/one", "cpu", 0.95);
    bench.until(
        3600,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Failed { reason: "no disk" }
        10s plan p1-1: Failed { step: StepId(1), reason: "no disk" }
        10s held hot on vm/one: cooldown: the policy acted here not long ago
        190s plan p1-2 restart for hot: vm/one restart
        190s begins p1-2/1
        190s ended p1-2/1: Failed { reason: "no disk" }
        190s plan p1-2: Failed { step: StepId(1), reason: "no disk" }
        190s held hot on vm/one: cooldown: the policy acted here not long ago
        370s told: it cannot be restarted
    "#]],
    );
}

/// It comes and goes, and what is tried against it always fails: closed for a moment, it begins no new ladder, so that people hear of it.
#[test]
fn a_ladder_whose_last_plan_was_in_vain_goes_on_when_its_condition_comes_back() {
    let resources = vec![host("host/a", 4.0, &[]), host("host/b", 16.0, &[]), vm("vm/one", "host/a", 2.0)];
    let failing = fails(Verb::Migrate, "the API hiccuped", 0, None);
    let yaml = hot("cooldown: 0s\nthen: [{migrate: {}, attempts: 2, retry: {attempts: 1}}]");
    let mut bench = Bench::new(&yaml, resources, failing);
    for (second, load) in [(10, 0.9), (14, 0.1), (30, 0.9), (34, 0.1), (50, 0.9)] {
        bench.sample(second, "vm/one", "cpu", load);
    }
    bench.until(
        60,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 migrate for hot: vm/one migrate to host/b
        10s begins p1-1/1
        10s ended p1-1/1: Failed { reason: "the API hiccuped" }
        10s plan p1-1: Failed { step: StepId(1), reason: "the API hiccuped" }
        14s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
        30s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        30s plan p1-2 migrate for hot: vm/one migrate to host/b
        30s begins p1-2/1
        30s ended p1-2/1: Failed { reason: "the API hiccuped" }
        30s plan p1-2: Failed { step: StepId(1), reason: "the API hiccuped" }
        30s handed over hot on vm/one: the ladder is at its end: migrate
        30s told: a person has to go on with vm/one: the ladder is at its end: migrate
        34s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
        50s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
    "#]],
    );
    // Where it was quiet for long enough, the ladder begins anew.
    bench.sample(70, "vm/one", "cpu", 0.1).sample(900, "vm/one", "cpu", 0.9).until(
        901,
        expect![[r#"
        70s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
        900s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        900s plan p1-3 migrate for hot: vm/one migrate to host/b
        900s begins p1-3/1
        900s ended p1-3/1: Failed { reason: "the API hiccuped" }
        900s plan p1-3: Failed { step: StepId(1), reason: "the API hiccuped" }
    "#]],
    );
}
