//! How much may be acted on: by host, policy, kind and guard, by the calendar, and in which order plans wait.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, at, centre, guard, host, id, plan, policy, slow};
use expect_test::expect;
use homeostat_model::Resource;

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
    let plan = plan(1);
    bench.operator(3, homeostat_engine::OperatorCommand::Approve(plan)).until(
        4,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 8c45a39b22687ae1
            2s loaded ["crash"]
            3s an operator approves of plan p1-1
            3s held crash on vm/a0: budget of guard freeze: none may begin for all that it guards now
        "#]],
    );
    bench.replace(5, &crash).operator(6, homeostat_engine::OperatorCommand::Approve(plan)).until(
        7,
        expect![[r#"
            5s loaded ["crash"]
            5s begins plan p1-1
            5s begins p1-1/1
            5s ended p1-1/1: Done { observed: "assumed" }
            5s plan p1-1: Succeeded
            5s closed crash on vm/a0: the plan succeeded
            6s refused an operator's word about plan p1-1: plan p1-1 does not wait for approval: it is succeeded
        "#]],
    );
}

/// Hosts are emptied on demand; then people are told.
fn drain() -> String {
    let evacuate = "cooldown: 0s\nthen:\n  - evacuate: {}\n  - notify: {message: too much at once}";
    policy("drain", &format!("select: {{kind: host}}\non: host.leaving\n{evacuate}"))
}

/// As `centre`, and an empty third.
fn three_hosts(count: usize) -> Vec<Resource> {
    centre(count).into_iter().chain([host("host/c", 64.0, &[])]).collect()
}

#[test]
fn a_plan_that_acts_on_more_than_a_budget_ever_allows_makes_way_for_the_next_in_the_ladder() {
    let web = guard("web", "select: {kind: vm}\nbudgets: [{max: 3, per: 1h}]");
    let mut bench = Bench::new(&[web, drain()].concat(), three_hosts(5), vec![]);
    bench.event(1, "host/a", "host.leaving", &[]).until(10, expect![[r#"
        1s opened drain on host/a: event host.leaving is true
        1s skipped evacuate of drain on host/a: the linter refuses the plan: budget: it acts on 5 for all that it guards, and the budget of guard web allows 3 within 1h
        1s told: too much at once
        1s closed drain on host/a: everything was tried
    "#]]);
}

#[test]
fn a_plan_uses_a_budget_up_by_all_that_it_acts_on() {
    let web = guard("web", "select: {kind: vm}\nbudgets: [{max: 3, per: 1h}]");
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let mut bench = Bench::new(&[web, drain(), crash].concat(), centre(3), vec![]);
    bench.event(1, "host/a", "host.leaving", &[]).event(3590, "vm/b0", "vm.crashed", &[]);
    bench.until(3700, expect![[r#"
        1s opened drain on host/a: event host.leaving is true
        1s plan p1-1 evacuate for drain: host/a cordon on, vm/a0 after [1] migrate to host/b, vm/a1 after [1] migrate to host/b, vm/a2 after [1] migrate to host/b
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s begins p1-1/2
        1s begins p1-1/3
        1s begins p1-1/4
        1s ended p1-1/2: Done { observed: "assumed" }
        1s ended p1-1/3: Done { observed: "assumed" }
        1s ended p1-1/4: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s closed drain on host/a: the plan succeeded
        3590s opened crash on vm/b0: event vm.crashed is true
        3590s held crash on vm/b0: budget of guard web: 3 of 3 for all that it guards within 1h
        3601s plan p1-2 restart for crash: vm/b0 restart
        3601s begins p1-2/1
        3601s ended p1-2/1: Done { observed: "assumed" }
        3601s plan p1-2: Succeeded
        3601s closed crash on vm/b0: the plan succeeded
    "#]]);
}

#[test]
fn two_plans_that_exceed_a_budget_together_are_as_far_apart_as_it_says() {
    let web = guard("web", "select: {kind: vm}\nbudgets: [{max: 3, per: 4m}]");
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let mut bench = Bench::new(&[web, drain(), crash].concat(), three_hosts(2), vec![]);
    bench.event(10, "vm/b0", "vm.crashed", &[]).event(20, "host/a", "host.leaving", &[]);
    // Two more do not fit beside three. When the first of them has left there is room for one only, when the next two have, for both.
    bench.event(30, "host/b", "host.leaving", &[]);
    let explained = bench.driver.engine().explain(&id("host/b")).remove(0);
    assert!(explained.because.starts_with("budget of guard web: 3 of 3"), "{}", explained.because);
    assert_eq!(explained.acts_at, Some(at(260)));
    bench.until(300, expect![[r#"
        10s opened crash on vm/b0: event vm.crashed is true
        10s plan p1-1 restart for crash: vm/b0 restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s closed crash on vm/b0: the plan succeeded
        20s opened drain on host/a: event host.leaving is true
        20s plan p1-2 evacuate for drain: host/a cordon on, vm/a0 after [1] migrate to host/c, vm/a1 after [1] migrate to host/c
        20s begins p1-2/1
        20s ended p1-2/1: Done { observed: "assumed" }
        20s begins p1-2/2
        20s begins p1-2/3
        20s ended p1-2/2: Done { observed: "assumed" }
        20s ended p1-2/3: Done { observed: "assumed" }
        20s plan p1-2: Succeeded
        20s closed drain on host/a: the plan succeeded
        30s opened drain on host/b: event host.leaving is true
        30s held drain on host/b: budget of guard web: 3 of 3 for all that it guards within 4m, and this acts on 2
        260s plan p1-3 evacuate for drain: host/b cordon on, vm/b0 after [1] migrate to host/c, vm/b1 after [1] migrate to host/c
        260s begins p1-3/1
        260s ended p1-3/1: Done { observed: "assumed" }
        260s begins p1-3/2
        260s begins p1-3/3
        260s ended p1-3/2: Done { observed: "assumed" }
        260s ended p1-3/3: Done { observed: "assumed" }
        260s plan p1-3: Succeeded
        260s closed drain on host/b: the plan succeeded
    "#]]);
}

#[test]
fn what_is_in_flight_is_counted_by_what_the_owner_selects_there() {
    // The policy's own budget is about hosts: an evacuation is one of them. For the other's it is as many machines as it moves.
    let lone = drain().replace("cooldown: 0s", "cooldown: 0s\n  budgets: [{max: 1, inFlight: true}]");
    let crash = policy("crash", &format!("{CRASH}budgets: [{{scope: kind, max: 5}}]\nthen: [restart]"));
    let mut bench = Bench::new(&[lone, crash].concat(), three_hosts(4), slow(20));
    bench.event(1, "host/a", "host.leaving", &[]).event(2, "host/b", "host.leaving", &[]);
    bench.event(3, "vm/b0", "vm.crashed", &[]).event(4, "vm/b1", "vm.crashed", &[]);
    bench.until(5, expect![[r#"
        1s opened drain on host/a: event host.leaving is true
        1s plan p1-1 evacuate for drain: host/a cordon on, vm/a0 after [1] migrate to host/c, vm/a1 after [1] migrate to host/c, vm/a2 after [1] migrate to host/c, vm/a3 after [1] migrate to host/c
        1s begins p1-1/1
        2s opened drain on host/b: event host.leaving is true
        2s held drain on host/b: budget of policy drain: 1 of 1 for policy drain in flight, such as plan p1-1
        3s opened crash on vm/b0: event vm.crashed is true
        3s plan p1-2 restart for crash: vm/b0 restart
        3s begins p1-2/1
        4s opened crash on vm/b1: event vm.crashed is true
        4s held crash on vm/b1: budget of policy crash: 5 of 5 for kind vm in flight, such as plan p1-1
    "#]]);
}

#[test]
fn a_freeze_holds_also_a_plan_of_many() {
    let freeze = guard("freeze", "select: {kind: vm}\nbudgets: [{max: 0, schedule: \"0 0 * * thu\", duration: 4m}]");
    let mut bench = Bench::new(&[freeze, drain()].concat(), centre(2), vec![]);
    bench.event(1, "host/a", "host.leaving", &[]).until(250, expect![[r#"
        1s opened drain on host/a: event host.leaving is true
        1s held drain on host/a: budget of guard freeze: none may begin for all that it guards now
        240s plan p1-1 evacuate for drain: host/a cordon on, vm/a0 after [1] migrate to host/b, vm/a1 after [1] migrate to host/b
        240s begins p1-1/1
        240s ended p1-1/1: Done { observed: "assumed" }
        240s begins p1-1/2
        240s begins p1-1/3
        240s ended p1-1/2: Done { observed: "assumed" }
        240s ended p1-1/3: Done { observed: "assumed" }
        240s plan p1-1: Succeeded
        240s closed drain on host/a: the plan succeeded
    "#]]);
}

#[test]
fn a_plan_that_waits_is_made_anew_when_a_budget_has_no_room_for_it_any_more() {
    let drain = drain().replace("cooldown: 0s", "cooldown: 0s\n  mode: approve");
    let web = |max| guard("web", &format!("select: {{kind: vm}}\nbudgets: [{{max: {max}, per: 1h}}]"));
    let mut bench = Bench::new(&[web(3), drain.clone()].concat(), centre(3), vec![]);
    bench.event(1, "host/a", "host.leaving", &[]).replace(2, &[web(2), drain].concat());
    let plan = plan(1);
    bench.operator(3, homeostat_engine::OperatorCommand::Approve(plan)).until(4, expect![[r#"
        1s opened drain on host/a: event host.leaving is true
        1s plan p1-1 evacuate for drain: host/a cordon on, vm/a0 after [1] migrate to host/b, vm/a1 after [1] migrate to host/b, vm/a2 after [1] migrate to host/b
        1s held drain on host/a: mode approve: the plan waits for a person
        1s told: plan p1-1 waits for approval: evacuate host/a, 4 steps; then 3 of 3 workloads run elsewhere; its hash is 79e7698593159099
        2s loaded ["drain"]
        3s an operator approves of plan p1-1
        3s refused approval of plan p1-1: the situation has changed since it was made
        3s plan p1-1: Cancelled { reason: "the situation has changed since it was made" }
        3s skipped evacuate of drain on host/a: the linter refuses the plan: budget: it acts on 3 for all that it guards, and the budget of guard web allows 2 within 1h
        3s told: too much at once
        3s closed drain on host/a: everything was tried
    "#]]);
}

#[test]
fn a_share_of_an_empty_host_has_room_for_one() {
    let slowly = "budgets: [{scope: host, max: 10%, per: 1m}]";
    let hot = policy("hot", &format!("select: {{kind: vm}}\non: vm.hot\ncooldown: 0s\n{slowly}\nthen: [migrate]"));
    let mut bench = Bench::new(&hot, three_hosts(2), vec![]);
    bench.event(1, "vm/a0", "vm.hot", &[]).until(
        2,
        expect![[r#"
        1s opened hot on vm/a0: event vm.hot is true
        1s plan p1-1 migrate for hot: vm/a0 migrate to host/c
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s closed hot on vm/a0: the plan succeeded
    "#]],
    );
}

#[test]
fn a_plan_counts_for_each_value_of_a_label_as_many_as_have_it() {
    let tiers = guard("tiers", "select: {kind: vm}\nbudgets: [{scope: \"label:tier\", max: 2, per: 1h}]");
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let tier = |mut one: Resource| {
        let tier = if one.id.name().ends_with('0') { "db" } else { "web" };
        one.labels.insert("tier".into(), tier.into());
        one
    };
    let mut bench =
        Bench::new(&[tiers, drain(), crash].concat(), three_hosts(3).into_iter().map(tier).collect(), slow(20));
    bench.event(1, "host/a", "host.leaving", &[]);
    bench.event(2, "vm/b0", "vm.crashed", &[]).event(3, "vm/b1", "vm.crashed", &[]);
    bench.until(4, expect![[r#"
        1s opened drain on host/a: event host.leaving is true
        1s plan p1-1 evacuate for drain: host/a cordon on, vm/a0 after [1] migrate to host/c, vm/a1 after [1] migrate to host/c, vm/a2 after [1] migrate to host/c
        1s begins p1-1/1
        2s opened crash on vm/b0: event vm.crashed is true
        2s plan p1-2 restart for crash: vm/b0 restart
        2s begins p1-2/1
        3s opened crash on vm/b1: event vm.crashed is true
        3s held crash on vm/b1: budget of guard tiers: 2 of 2 for label tier=web within 1h
    "#]]);
}
