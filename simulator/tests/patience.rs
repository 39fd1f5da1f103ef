//! How long a rung and a ladder take outlasts the program: their times run on from when their first plan began.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, failing, hot, policy, slow, small};
use expect_test::expect;
use homeostat_simulator::Assumption;

/// `hot` from second 10 until it is killed at `killed`, and hot again right after it was started anew at `back`.
fn hot_again(lines: &str, world: Vec<Assumption>, killed: u64, back: u64) -> Bench {
    let yaml = hot(lines);
    let mut bench = Bench::new(&yaml, small(), world);
    bench.sample(10, "vm/one", "cpu", 0.95);
    bench.driver.run_until(bench::at(killed));
    let mut bench = bench.killed_until(back, &yaml);
    bench.sample(back + 1, "vm/one", "cpu", 0.95);
    bench
}

const RUNG: &str = "cooldown: 1m\nthen:\n  - {restart: {}, attempts: 100, within: 90s, cooldown: 40s}\n  - {notify: {message: \"next\"}}";

#[test]
fn a_rung_is_left_when_its_time_is_over_though_the_program_was_started_anew() {
    hot_again(RUNG, failing(), 30, 40).until(
        200,
        expect![[r#"
        41s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        41s held hot on vm/one: cooldown: the policy acted here not long ago
        51s plan p2-1 restart for hot: vm/one restart
        51s begins p2-1/1
        52s ended p2-1/1: Failed { reason: "it does not come up" }
        52s plan p2-1: Failed { step: StepId(1), reason: "it does not come up" }
        52s held hot on vm/one: cooldown: the policy acted here not long ago
        92s plan p2-2 restart for hot: vm/one restart
        92s begins p2-2/1
        93s ended p2-2/1: Failed { reason: "it does not come up" }
        93s plan p2-2: Failed { step: StepId(1), reason: "it does not come up" }
        93s held hot on vm/one: cooldown: the policy acted here not long ago
        100s skipped restart of hot on vm/one: it has not helped within 1m30s
        133s told: next
    "#]],
    );
}

#[test]
fn a_rung_whose_time_was_over_before_the_program_is_back_is_left_at_once() {
    hot_again(RUNG, failing(), 30, 120).until(
        200,
        expect![[r#"
        121s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        121s skipped restart of hot on vm/one: it has not helped within 1m30s
        121s told: next
    "#]],
    );
}

#[test]
fn a_plan_whose_rung_is_out_of_time_begins_no_more_steps_and_the_next_rung_follows() {
    // The time is over while it is down; and before, so that the plan was called off already.
    for (killed, back) in [(30, 120), (105, 120)] {
        let told = if back - killed > 20 {
            expect![[r#"
                121s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
                121s skipped restart of hot on vm/one: it has not helped within 1m30s
                121s turns back p1-1: it has not helped within 1m30s
                210s ended p1-1/1: Done { observed: "assumed" }
                210s plan p1-1: Unverified { reason: "it has not helped within 1m30s" }
                210s told: next
            "#]]
        } else {
            expect![[r#"
                121s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
                210s ended p1-1/1: Done { observed: "assumed" }
                210s plan p1-1: Unverified { reason: "it has not helped within 1m30s" }
                210s told: next
            "#]]
        };
        hot_again(RUNG, slow(200), killed, back).until(300, told);
    }
}

#[test]
fn a_ladder_is_at_its_end_when_its_time_is_over_though_the_program_was_started_anew() {
    let lines = "cooldown: 20s\nhandOver: {after: 75s}\nthen: [restart, restart, restart, restart, restart]";
    hot_again(lines, vec![], 35, 50).until(300, expect![[r#"
        51s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        51s plan p2-1 restart for hot: vm/one restart
        51s begins p2-1/1
        51s ended p2-1/1: Done { observed: "assumed" }
        51s plan p2-1: Succeeded
        51s held hot on vm/one: cooldown: the policy acted here not long ago
        71s plan p2-2 restart for hot: vm/one restart
        71s begins p2-2/1
        71s ended p2-2/1: Done { observed: "assumed" }
        71s plan p2-2: Succeeded
        71s held hot on vm/one: cooldown: the policy acted here not long ago
        85s skipped restart of hot on vm/one: it has not helped within 1m15s
        91s handed over hot on vm/one: the ladder is at its end: restart, restart, restart, restart, restart
        91s told: a person has to go on with vm/one: the ladder is at its end: restart, restart, restart, restart, restart
        91s quarantine of vm/one by hot on vm/one, 10m
    "#]]);
    hot_again(lines, vec![], 70, 140).until(300, expect![[r#"
        141s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        141s skipped restart of hot on vm/one: it has not helped within 1m15s
        141s handed over hot on vm/one: the ladder is at its end: restart, restart, restart, restart, restart
        141s told: a person has to go on with vm/one: the ladder is at its end: restart, restart, restart, restart, restart
        141s quarantine of vm/one by hot on vm/one, 10m
    "#]]);
}

#[test]
fn a_ladder_that_goes_on_when_its_event_comes_again_has_no_more_time_than_before() {
    let lines = "handOver: {after: 90s}\nthen: [{restart: {}, attempts: 9, cooldown: 30s}]";
    let mut bench = Bench::new(&policy("crash", &format!("{CRASH}{lines}")), small(), vec![]);
    for second in [10, 60, 110] {
        bench.event(second, "vm/one", "vm.crashed", &[]);
    }
    bench.until(
        200,
        expect![[r#"
        10s opened crash on vm/one: event vm.crashed is true
        10s plan p1-1 restart for crash: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s closed crash on vm/one: the plan succeeded
        60s opened crash on vm/one: event vm.crashed is true
        60s plan p1-2 restart for crash: vm/one restart
        60s begins p1-2/1
        60s ended p1-2/1: Done { observed: "assumed" }
        60s plan p1-2: Succeeded
        60s closed crash on vm/one: the plan succeeded
        110s opened crash on vm/one: event vm.crashed is true
        110s skipped restart of crash on vm/one: it has not helped within 1m30s
        110s handed over crash on vm/one: the ladder is at its end: restart
        110s told: a person has to go on with vm/one: the ladder is at its end: restart
        110s quarantine of vm/one by crash on vm/one, 10m
        110s closed crash on vm/one: everything was tried
    "#]],
    );
}
