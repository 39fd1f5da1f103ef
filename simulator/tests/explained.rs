//! What `explain` says is the case, and the times that it names come true.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, host, id, policy, vm};
use expect_test::{Expect, expect};
use homeostat_engine::{OperatorCommand, Status};
use homeostat_model::*;
use homeostat_simulator::Assumption;

const HOT: &str = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\n";

/// A policy on a machine that is hot at these seconds.
fn hot_at(lines: &str, assumptions: Vec<Assumption>, seconds: &[u64]) -> Bench {
    let then = if lines.contains("then:") { "" } else { "then: [restart]\n" };
    let resources = vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 1.0)];
    let mut bench = Bench::new(&policy("hot", &format!("{HOT}{lines}{then}")), resources, assumptions);
    for second in 0..=*seconds.last().unwrap() {
        let cpu = if seconds.contains(&second) { 0.95 } else { 0.1 };
        bench.sample(second, "vm/one", "cpu", cpu);
    }
    bench
}

#[track_caller]
fn explains(bench: &mut Bench, status: Status, acts_at: Option<u64>, expected: Expect) {
    let explained = bench.driver.engine().explain(&id("vm/one")).remove(0);
    assert_eq!((explained.status, explained.acts_at), (status, acts_at.map(at)), "{}", explained.because);
    expected.assert_eq(&explained.because);
}

#[test]
fn what_waits_for_its_time_names_the_later_one_of_its_own_and_the_cooldown() {
    let seconds: Vec<u64> = (1..=21).chain([24]).collect();
    let mut bench = hot_at("for: 20s\ncooldown: 1h\n", vec![], &seconds);
    explains(
        &mut bench,
        Status::Waiting,
        Some(3621),
        expect![[
            r#"last("cpu") > 80% is true (last(cpu) = 0.95); it has to hold for 20s; cooldown: the policy acted here not long ago"#
        ]],
    );
    bench.operator(25, OperatorCommand::Pause { by: "ann".into() });
    explains(
        &mut bench,
        Status::Waiting,
        None,
        expect![[r#"last("cpu") > 80% is true (last(cpu) = 0.95); it has to hold for 20s; paused by an operator"#]],
    );
    let mut observing = hot_at("for: 20s\nmode: observe\n", vec![], &[1]);
    explains(
        &mut observing,
        Status::Waiting,
        None,
        expect![[
            r#"last("cpu") > 80% is true (last(cpu) = 0.95); it has to hold for 20s; mode observe: findings only"#
        ]],
    );
}

#[test]
fn what_a_person_has_to_go_on_with_is_said() {
    let lost = Assumption { resource: Some(id("vm/one")), takes: Duration::from_mins(60), ..Assumption::default() };
    let mut bench = hot_at("", vec![lost], &(1..=1000).collect::<Vec<_>>());
    explains(
        &mut bench,
        Status::HandedOver,
        None,
        expect![[
            r#"what became of a step of plan p1-1 is not known; look at its system, then cancel it: homeostat plan cancel p1-1; last("cpu") > 80% is true (last(cpu) = 0.95)"#
        ]],
    );
}

#[test]
fn the_pause_after_a_plan_that_failed_is_named_with_its_end() {
    let failing = Assumption {
        resource: Some(id("vm/one")),
        ends: Some(StepResult::Failed { reason: "no".into() }),
        ..Assumption::default()
    };
    let lines = "then: [{restart: {}, attempts: 3, retry: {attempts: 1}}]\n";
    let mut bench = hot_at(lines, vec![failing], &[1, 2, 3]);
    explains(
        &mut bench,
        Status::HeldBack,
        Some(11),
        expect![[r#"its last plan did not succeed; it is tried again; last("cpu") > 80% is true (last(cpu) = 0.95)"#]],
    );
}

#[test]
fn what_waits_for_a_person_while_all_is_paused_says_both() {
    let mut bench = hot_at("mode: approve\n", vec![], &[1]);
    bench.operator(2, OperatorCommand::Pause { by: "ann".into() });
    explains(
        &mut bench,
        Status::HeldBack,
        None,
        expect![[
            r#"paused by an operator; mode approve: the plan waits for a person; last("cpu") > 80% is true (last(cpu) = 0.95)"#
        ]],
    );
}

#[test]
fn who_has_only_recommended_has_not_acted() {
    let mut bench = hot_at("mode: recommend\ncooldown: 10m\n", vec![], &[1, 3]);
    explains(
        &mut bench,
        Status::HeldBack,
        Some(601),
        expect![[
            r#"cooldown: a plan was recommended here not long ago; last("cpu") > 80% is true (last(cpu) = 0.95)"#
        ]],
    );
}
