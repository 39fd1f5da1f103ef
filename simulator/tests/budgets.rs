//! How many plans may begin: by host, policy, kind and guard, by the calendar, and in which order they wait.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, at, centre, guard, id, policy, slow};
use expect_test::expect;
use homeostat_model::PlanId;

#[test]
fn one_plan_at_a_time_for_each_host() {
    let yaml = policy("crash", &format!("{CRASH}budgets: [{{scope: host, max: 1, inFlight: true}}]\nthen: [restart]"));
    let mut bench = Bench::new(&yaml, centre(2), slow(20));
    for name in ["vm/a0", "vm/a1", "vm/b0"] {
        bench.event(1, name, "vm.crashed", &[]);
    }
    bench.until(
        60,
        expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s begins p1-1/1
        1s opened crash on vm/a1: event vm.crashed is true
        1s held crash on vm/a1: budget of policy crash: 1 of 1 for host/a in flight, such as plan p1-1
        1s opened crash on vm/b0: event vm.crashed is true
        1s plan p1-2 restart for crash: vm/b0 restart
        1s begins p1-2/1
        21s ended p1-1/1: Done { observed: "assumed" }
        21s plan p1-1: Succeeded
        21s closed crash on vm/a0: the plan succeeded
        21s plan p1-3 restart for crash: vm/a1 restart
        21s begins p1-3/1
        21s ended p1-2/1: Done { observed: "assumed" }
        21s plan p1-2: Succeeded
        21s closed crash on vm/b0: the plan succeeded
        41s ended p1-3/1: Done { observed: "assumed" }
        41s plan p1-3: Succeeded
        41s closed crash on vm/a1: the plan succeeded
    "#]],
    );
}

#[test]
fn a_rate_holds_until_the_oldest_deed_leaves_the_window() {
    let yaml = policy("crash", &format!("{CRASH}budgets: [{{max: 2, per: 1m}}]\nthen: [restart]"));
    let mut bench = Bench::new(&yaml, centre(2), vec![]);
    for (second, name) in [(10, "vm/a0"), (20, "vm/a1"), (30, "vm/b0"), (40, "vm/b1")] {
        bench.event(second, name, "vm.crashed", &[]);
    }
    let explained = bench.driver.engine().explain(&id("vm/b0")).remove(0);
    assert_eq!(
        explained.because,
        "budget of policy crash: 2 of 2 for policy crash within 1m; event vm.crashed is true"
    );
    assert_eq!(explained.acts_at, Some(at(70)));
    bench.until(
        200,
        expect![[r#"
            10s opened crash on vm/a0: event vm.crashed is true
            10s plan p1-1 restart for crash: vm/a0 restart
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s plan p1-1: Succeeded
            10s closed crash on vm/a0: the plan succeeded
            20s opened crash on vm/a1: event vm.crashed is true
            20s plan p1-2 restart for crash: vm/a1 restart
            20s begins p1-2/1
            20s ended p1-2/1: Done { observed: "assumed" }
            20s plan p1-2: Succeeded
            20s closed crash on vm/a1: the plan succeeded
            30s opened crash on vm/b0: event vm.crashed is true
            30s held crash on vm/b0: budget of policy crash: 2 of 2 for policy crash within 1m
            40s opened crash on vm/b1: event vm.crashed is true
            40s held crash on vm/b1: budget of policy crash: 2 of 2 for policy crash within 1m
            70s plan p1-3 restart for crash: vm/b0 restart
            70s begins p1-3/1
            70s ended p1-3/1: Done { observed: "assumed" }
            70s plan p1-3: Succeeded
            70s closed crash on vm/b0: the plan succeeded
            80s plan p1-4 restart for crash: vm/b1 restart
            80s begins p1-4/1
            80s ended p1-4/1: Done { observed: "assumed" }
            80s plan p1-4: Succeeded
            80s closed crash on vm/b1: the plan succeeded
        "#]],
    );
}

#[test]
fn of_those_that_wait_for_the_same_the_most_important_goes_first() {
    let budgets = "budgets: [{scope: kind, max: 1, per: 1m}]\nthen: [restart]";
    let yaml = [
        policy("a-crash", &format!("{CRASH}{budgets}")),
        policy("z-crash", &format!("{}priority: 5\n{budgets}", CRASH.replace("vm.crashed", "vm.burns"))),
    ];
    let mut bench = Bench::new(&yaml.concat(), centre(2), vec![]);
    bench.event(10, "vm/a0", "vm.crashed", &[]).event(20, "vm/a1", "vm.crashed", &[]).event(
        30,
        "vm/b0",
        "vm.burns",
        &[],
    );
    bench.until(
        200,
        expect![[r#"
            10s opened a-crash on vm/a0: event vm.crashed is true
            10s plan p1-1 restart for a-crash: vm/a0 restart
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s plan p1-1: Succeeded
            10s closed a-crash on vm/a0: the plan succeeded
            20s opened a-crash on vm/a1: event vm.crashed is true
            20s held a-crash on vm/a1: budget of policy a-crash: 1 of 1 for kind vm within 1m
            30s opened z-crash on vm/b0: event vm.burns is true
            30s held z-crash on vm/b0: budget of policy z-crash: 1 of 1 for kind vm within 1m
            70s plan p1-2 restart for z-crash: vm/b0 restart
            70s begins p1-2/1
            70s ended p1-2/1: Done { observed: "assumed" }
            70s plan p1-2: Succeeded
            70s closed z-crash on vm/b0: the plan succeeded
            130s plan p1-3 restart for a-crash: vm/a1 restart
            130s begins p1-3/1
            130s ended p1-3/1: Done { observed: "assumed" }
            130s plan p1-3: Succeeded
            130s closed a-crash on vm/a1: the plan succeeded
        "#]],
    );
}

#[test]
fn a_guard_limits_all_policies_also_across_a_reload() {
    let site = guard("site", "select: {kind: vm}\nbudgets: [{max: 25%, per: 2m}]");
    let one = policy("one", &format!("{CRASH}then: [restart]"));
    let two = policy("two", &format!("{}then: [restart]", CRASH.replace("crashed", "hung")));
    let mut bench = Bench::new(&[site.as_str(), &one, &two].concat(), centre(2), vec![]);
    bench.event(10, "vm/a0", "vm.crashed", &[]);
    bench.event(20, "vm/b0", "vm.hung", &[]);
    // What was done before counts also under new policies; a guard that is gone holds nothing back.
    bench.replace(30, &[site.as_str(), &two].concat());
    bench.event(40, "vm/b1", "vm.hung", &[]);
    bench.until(
        60,
        expect![[r#"
            10s opened one on vm/a0: event vm.crashed is true
            10s plan p1-1 restart for one: vm/a0 restart
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s plan p1-1: Succeeded
            10s closed one on vm/a0: the plan succeeded
            20s opened two on vm/b0: event vm.hung is true
            20s held two on vm/b0: budget of guard site: 1 of 1 for all that it guards within 2m
            30s loaded ["two"]
            40s opened two on vm/b1: event vm.hung is true
            40s held two on vm/b1: budget of guard site: 1 of 1 for all that it guards within 2m
        "#]],
    );
    bench.replace(70, &two).until(
        80,
        expect![[r#"
        70s loaded ["two"]
        70s plan p1-2 restart for two: vm/b0 restart
        70s begins p1-2/1
        70s plan p1-3 restart for two: vm/b1 restart
        70s begins p1-3/1
        70s ended p1-2/1: Done { observed: "assumed" }
        70s plan p1-2: Succeeded
        70s closed two on vm/b0: the plan succeeded
        70s ended p1-3/1: Done { observed: "assumed" }
        70s plan p1-3: Succeeded
        70s closed two on vm/b1: the plan succeeded
    "#]],
    );
}

#[test]
fn a_freeze_ends_with_its_window_and_what_is_too_old_by_then_is_not_answered() {
    // The clock of the bench begins on a Thursday, at midnight.
    let budget = r#"budgets: [{max: 0, schedule: "5 0 * * thu", duration: 10m}]"#;
    let condition =
        format!("select: {{kind: vm}}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\n{budget}\nthen: [restart]");
    let yaml = [policy("crash", &format!("{CRASH}{budget}\nthen: [restart]")), policy("hot", &condition)].concat();
    let mut bench = Bench::new(&yaml, centre(2), vec![]);
    bench.event(320, "vm/a0", "vm.crashed", &[]);
    bench.sample(400, "vm/b0", "cpu", 0.9);
    bench.event(800, "vm/a1", "vm.crashed", &[]);
    bench.until(1000, expect![[r#"
        320s opened crash on vm/a0: event vm.crashed is true
        320s held crash on vm/a0: budget of policy crash: none may begin for policy crash now
        400s opened hot on vm/b0: last("cpu") > 80% is true (last(cpu) = 0.9)
        400s held hot on vm/b0: budget of policy hot: none may begin for policy hot now
        620s closed crash on vm/a0: it was held back until it was too old to be answered: budget of policy crash: none may begin for policy crash now
        800s opened crash on vm/a1: event vm.crashed is true
        800s held crash on vm/a1: budget of policy crash: none may begin for policy crash now
        900s plan p1-1 restart for crash: vm/a1 restart
        900s begins p1-1/1
        900s plan p1-2 restart for hot: vm/b0 restart
        900s begins p1-2/1
        900s ended p1-1/1: Done { observed: "assumed" }
        900s plan p1-1: Succeeded
        900s closed crash on vm/a1: the plan succeeded
        900s ended p1-2/1: Done { observed: "assumed" }
        900s plan p1-2: Succeeded
        900s held hot on vm/b0: cooldown: the policy acted here not long ago
    "#]]);
}

#[test]
fn what_restores_goes_on() {
    let budgets = "budgets: [{scope: all, max: 0}]";
    let stopped = "select: {kind: vm}\non: vm.stopped\nthen: [start]";
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let yaml = [guard("site", &format!("select: {{kind: vm}}\n{budgets}")), crash, policy("stopped", stopped)].concat();
    let mut bench = Bench::new(&yaml, centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).event(2, "vm/b0", "vm.stopped", &[]);
    bench.until(
        10,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s held crash on vm/a0: budget of guard site: none may begin for all that it guards now
            2s opened stopped on vm/b0: event vm.stopped is true
            2s plan p1-1 start for stopped: vm/b0 start
            2s begins p1-1/1
            2s ended p1-1/1: Done { observed: "assumed" }
            2s plan p1-1: Succeeded
            2s closed stopped on vm/b0: the plan succeeded
        "#]],
    );
}

#[test]
fn a_freeze_that_comes_after_a_plan_was_shown_holds_its_approval() {
    let crash = policy("crash", &format!("{CRASH}mode: approve\nthen: [restart]"));
    let freeze = guard("freeze", "select: {kind: vm}\nbudgets: [{max: 0}]");
    let mut bench = Bench::new(&crash, centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).replace(2, &[freeze, crash.clone()].concat());
    let plan = PlanId { generation: homeostat_engine::Generation(1), number: 1 };
    bench.operator(3, homeostat_engine::OperatorCommand::Approve(plan)).until(
        4,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: mode approve: the plan waits for a person
            2s loaded ["crash"]
            3s an operator approves of plan p1-1
            3s held crash on vm/a0: budget of guard freeze: none may begin for all that it guards now
        "#]],
    );
    bench.replace(5, &crash).operator(6, homeostat_engine::OperatorCommand::Approve(plan)).until(
        7,
        expect![[r#"
            5s loaded ["crash"]
            5s begins p1-1/1
            5s ended p1-1/1: Done { observed: "assumed" }
            5s plan p1-1: Succeeded
            5s closed crash on vm/a0: the plan succeeded
            6s refused an operator's word about plan p1-1: plan p1-1 does not wait for approval: it is succeeded
        "#]],
    );
}
