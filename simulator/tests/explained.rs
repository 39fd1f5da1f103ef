//! What `explain` says is the case, and the times that it names come true.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, fails, guard, host, id, policy, vm};
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

/// vm/one is stuck at second 3. If a machine is crashed at second 1, its restart fails, and it is in quarantine for two minutes.
fn stuck(others: &[String], crashed: Option<&str>) -> Bench {
    let held = policy("held", "select: {kind: vm}\non: vm.stuck\nthen: [restart]");
    let crash = policy("crash", "select: {kind: vm}\non: vm.crashed\nhandOver: {quarantine: 2m}\nthen: [restart]");
    let resources = vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 1.0), vm("vm/two", "host/a", 1.0)];
    let mut bench =
        Bench::new(&[&[held, crash], others].concat().concat(), resources, fails(Verb::Restart, "no", 0, Some(1)));
    if let Some(crashed) = crashed {
        bench.event(1, crashed, "vm.crashed", &[]);
    }
    bench.event(3, "vm/one", "vm.stuck", &[]);
    bench
}

/// It flaps from second 40 on: three times within a minute, the first of them at second 20.
fn flapping() -> Bench {
    let lines =
        "cooldown: 10s\nflap: {changes: 3, within: 1m}\nthen: [{resize: {vcpus: +1, maxVcpus: 8}, attempts: 9}]";
    let resources = vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 1.0)];
    let mut bench = Bench::new(&policy("held", &format!("{HOT}staleAfter: 1h\n{lines}")), resources, vec![]);
    for second in [0, 20, 40] {
        bench.sample(second, "vm/one", "cpu", 0.9).sample(second + 5, "vm/one", "cpu", 0.1);
    }
    bench.sample(55, "vm/one", "cpu", 0.9);
    bench
}

/// It was moved at second 1, and would go back from where it is crowded by now.
fn returning() -> Bench {
    let spec = "select: {kind: vm}\non: vm.move\ncooldown: 0s\nreturnAfter: 3m\nthen: [{migrate: , attempts: 5}]";
    let hosts = ["host/a", "host/b"].map(|name| host(name, 8.0, &[]));
    let vms = [vm("vm/one", "host/a", 1.0), vm("vm/two", "host/a", 2.0)];
    let mut bench = Bench::new(&policy("held", spec), hosts.into_iter().chain(vms).collect(), vec![]);
    let crowd = Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..vm("vm/three", "host/b", 6.0) };
    bench.event(1, "vm/one", "vm.move", &[]).describe(20, crowd).event(30, "vm/one", "vm.move", &[]);
    bench
}

/// At the moment that is named it is done, and not before.
#[test]
fn what_is_held_back_for_a_time_is_done_when_explain_says() {
    let guarded = |spec: &str, crashed| stuck(&[guard("site", &format!("select: {{kind: vm}}\n{spec}"))], crashed);
    let breaker = guarded("breaker: {failures: 1, within: 1m, pause: 2m}", Some("vm/two"));
    let maintenance = guarded("maintenance: [{from: 1970-01-01T00:00, to: 1970-01-01T00:03}]", None);
    let hours = guarded("onlyWithin: [{schedule: \"5 0 * * *\", duration: 1m}]", None);
    for (mut bench, ends, because) in [
        (breaker, 121, "the breaker of guard site is open"),
        (maintenance, 180, "maintenance, says guard site"),
        (hours, 300, "outside of the times in which guard site lets anything be disrupted"),
        (guarded("settle: 1m", None), 60, "settling, says guard site: the program began not long ago"),
        (flapping(), 80, "flapping: it has opened 3 times within 1m"),
        (returning(), 181, "returnAfter: vm/one left host/a not long ago"),
        (stuck(&[], Some("vm/one")), 121, "vm/one is in quarantine: the ladder of crash has come to its end"),
    ] {
        let all = bench.driver.engine().explain(&id("vm/one"));
        let one = all.into_iter().find(|one| one.policy.as_str() == "held").unwrap();
        assert_eq!((one.status, one.acts_at), (Status::HeldBack, Some(at(ends))), "{}", one.because);
        assert!(one.because.starts_with(&format!("{because}; ")), "{}", one.because);
        let mut made = |until: Timestamp| {
            bench.driver.run_until(until);
            let of_it = |record: &&Record| matches!(&record.entry, Entry::PlanMade(plan) if plan.policy == one.policy);
            bench.driver.records().iter().filter(of_it).count()
        };
        let before = made(at(ends) - Duration::from_millis(1));
        assert_eq!(made(at(ends)), before + 1, "{because}");
    }
    // What is over only when the event is too old to be answered is not waited for.
    let mut late = guarded("maintenance: [{from: 1970-01-01T00:00, to: 1970-01-01T00:30}]", None);
    let held = late.driver.engine().explain(&id("vm/one")).remove(1);
    assert_eq!((held.status, held.acts_at), (Status::HeldBack, None), "{}", held.because);
}
