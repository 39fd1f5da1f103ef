//! What guards let pass and what they hold back, with its numbers and its end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, host, id, policy, vm};
use expect_test::expect;
use homeostat_engine::OperatorCommand;
use homeostat_model::*;
use homeostat_simulator::Assumption;

/// A guard in short: its name and what stands under `spec`.
fn guard(name: &str, spec: &str) -> String {
    policy(name, spec).replace("kind: Policy", "kind: Guard")
}

const CRASH: &str = "select: {kind: vm}\non: vm.crashed\ncooldown: 0s\n";

/// Two hosts with `count` machines each: vm/a0, vm/a1, .. and vm/b0, ..
fn centre(count: usize) -> Vec<Resource> {
    let hosts = ["a", "b"].map(|name| host(&format!("host/{name}"), 64.0, &[]));
    let vms = ["a", "b"]
        .into_iter()
        .flat_map(|on| (0..count).map(move |i| vm(&format!("vm/{on}{i}"), &format!("host/{on}"), 1.0)));
    hosts.into_iter().chain(vms).collect()
}

fn slow(seconds: u64) -> Vec<Assumption> {
    vec![Assumption { takes: Duration::from_secs(seconds), ..Assumption::default() }]
}

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
fn a_breaker_stops_what_disrupts_tries_again_and_lets_restore() {
    let site = guard("site", "select: {kind: vm}\nbreaker: {failures: 2, within: 1m, pause: 2m}");
    let crash = policy("crash", &format!("{CRASH}then:\n  - restart: {{}}\n    attempts: 1\n"));
    let stopped = policy("stopped", "select: {kind: vm}\non: vm.stopped\nthen: [start]");
    let fails = Assumption {
        verb: Some(Verb::Restart),
        ends: Some(StepResult::Failed { reason: "no".into() }),
        times: Some(3),
        ..Assumption::default()
    };
    let mut bench = Bench::new(&[site, crash, stopped].concat(), centre(3), vec![fails]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).event(2, "vm/a1", "vm.crashed", &[]);
    bench.event(3, "vm/b0", "vm.crashed", &[]).event(4, "vm/a2", "vm.stopped", &[]);
    bench.until(
        100,
        expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s begins p1-1/1
        1s ended p1-1/1: Failed { reason: "no" }
        1s plan p1-1: Failed { step: StepId(1), reason: "no" }
        1s handed over crash on vm/a0: the ladder is at its end: restart
        1s closed crash on vm/a0: everything was tried
        2s opened crash on vm/a1: event vm.crashed is true
        2s plan p1-2 restart for crash: vm/a1 restart
        2s begins p1-2/1
        2s ended p1-2/1: Failed { reason: "no" }
        2s plan p1-2: Failed { step: StepId(1), reason: "no" }
        2s breaker of site is open: plan p1-2 failed: no
        2s handed over crash on vm/a1: the ladder is at its end: restart
        2s closed crash on vm/a1: everything was tried
        3s opened crash on vm/b0: event vm.crashed is true
        3s held crash on vm/b0: the breaker of guard site is open
        4s opened stopped on vm/a2: event vm.stopped is true
        4s plan p1-3 start for stopped: vm/a2 start
        4s begins p1-3/1
        4s ended p1-3/1: Done { observed: "assumed" }
        4s plan p1-3: Succeeded
        4s closed stopped on vm/a2: the plan succeeded
    "#]],
    );
    bench.event(110, "vm/b1", "vm.crashed", &[]).until(
        230,
        expect![[r#"
            110s opened crash on vm/b1: event vm.crashed is true
            110s held crash on vm/b1: the breaker of guard site is open
            122s breaker of site is half open: it was open for as long as it is to be
            122s plan p1-4 restart for crash: vm/b0 restart
            122s breaker of site is half open, trying plan p1-4: plan p1-4 is tried
            122s begins p1-4/1
            122s ended p1-4/1: Failed { reason: "no" }
            122s plan p1-4: Failed { step: StepId(1), reason: "no" }
            122s breaker of site is open: plan p1-4 failed: no
            122s handed over crash on vm/b0: the ladder is at its end: restart
            122s closed crash on vm/b0: everything was tried
        "#]],
    );
    bench.event(231, "vm/b2", "vm.crashed", &[]).until(
        400,
        expect![[r#"
            231s opened crash on vm/b2: event vm.crashed is true
            231s held crash on vm/b2: the breaker of guard site is open
            242s breaker of site is half open: it was open for as long as it is to be
            242s plan p1-5 restart for crash: vm/b1 restart
            242s breaker of site is half open, trying plan p1-5: plan p1-5 is tried
            242s begins p1-5/1
            242s ended p1-5/1: Done { observed: "assumed" }
            242s plan p1-5: Succeeded
            242s breaker of site is closed: plan p1-5 succeeded
            242s plan p1-6 restart for crash: vm/b2 restart
            242s begins p1-6/1
            242s closed crash on vm/b1: the plan succeeded
            242s ended p1-6/1: Done { observed: "assumed" }
            242s plan p1-6: Succeeded
            242s closed crash on vm/b2: the plan succeeded
        "#]],
    );
}

#[test]
fn nothing_is_disrupted_while_too_many_have_a_finding() {
    let hot =
        "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nfor: 30s\nstaleAfter: 1h\nmaxUnhealthy: 40%\nthen: [restart]";
    let mut bench = Bench::new(&policy("hot", hot), centre(3), slow(20));
    // All at once, and then three are well again.
    for name in ["vm/a0", "vm/a1", "vm/a2", "vm/b0", "vm/b1"] {
        bench.sample(0, name, "cpu", 0.9);
    }
    bench.until(
        40,
        expect![[r#"
        30s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        30s plan p1-1 restart for hot: vm/a0 restart
        30s begins p1-1/1
        30s opened hot on vm/a1: last("cpu") > 80% is true (last(cpu) = 0.9)
        30s plan p1-2 restart for hot: vm/a1 restart
        30s begins p1-2/1
        30s opened hot on vm/a2: last("cpu") > 80% is true (last(cpu) = 0.9)
        30s held hot on vm/a2: maxUnhealthy of policy hot: 3 of 6 have a finding, and 2 may
        30s opened hot on vm/b0: last("cpu") > 80% is true (last(cpu) = 0.9)
        30s held hot on vm/b0: maxUnhealthy of policy hot: 4 of 6 have a finding, and 2 may
        30s opened hot on vm/b1: last("cpu") > 80% is true (last(cpu) = 0.9)
        30s held hot on vm/b1: maxUnhealthy of policy hot: 5 of 6 have a finding, and 2 may
    "#]],
    );
    for name in ["vm/a1", "vm/a2", "vm/b0"] {
        bench.sample(50, name, "cpu", 0.5);
    }
    bench.until(
        60,
        expect![[r#"
            50s ended p1-1/1: Done { observed: "assumed" }
            50s plan p1-1: Succeeded
            50s held hot on vm/a0: cooldown: the policy acted here not long ago
            50s ended p1-2/1: Done { observed: "assumed" }
            50s plan p1-2: Succeeded
            50s held hot on vm/a1: cooldown: the policy acted here not long ago
            50s closed hot on vm/a1: last("cpu") > 80% is false (last(cpu) = 0.5)
            50s closed hot on vm/a2: last("cpu") > 80% is false (last(cpu) = 0.5)
            50s closed hot on vm/b0: last("cpu") > 80% is false (last(cpu) = 0.5)
            50s plan p1-3 restart for hot: vm/b1 restart
            50s begins p1-3/1
        "#]],
    );
}

#[test]
fn nothing_is_disrupted_while_nothing_is_heard_of_too_many_hosts() {
    let site = guard(
        "site",
        "select: {kind: host}\nsilentHosts: {max: 50%, after: 1m}\nbreaker: {failures: 9, within: 1m, pause: 3m}",
    );
    let down = policy("down", "select: {kind: host}\nwhen: absent(\"load\", 2m)\nthen: [evacuate]");
    let resources = ["a", "b", "c"].map(|name| host(&format!("host/{name}"), 8.0, &[]));
    let mut bench = Bench::new(
        &[site, down].concat(),
        resources.into_iter().chain([vm("vm/one", "host/a", 1.0)]).collect(),
        vec![],
    );
    for name in ["host/a", "host/b", "host/c"] {
        bench.samples(0..=60, name, "load", 1.0);
    }
    bench.until(190, expect![[r#"
        180s opened down on host/a: absent("load", 2m) is true (absent(load, 2m) = true)
        180s breaker of site is open: silentHosts of guard site: nothing was heard of 3 of 3 hosts for 1m, and 1 may be silent
        180s held down on host/a: silentHosts of guard site: nothing was heard of 3 of 3 hosts for 1m, and 1 may be silent
        180s opened down on host/b: absent("load", 2m) is true (absent(load, 2m) = true)
        180s skipped evacuate of down on host/b: nothing on host/b can be moved
        180s handed over down on host/b: the ladder is at its end: evacuate
        180s opened down on host/c: absent("load", 2m) is true (absent(load, 2m) = true)
        180s skipped evacuate of down on host/c: nothing on host/c can be moved
        180s handed over down on host/c: the ladder is at its end: evacuate
    "#]]);
    bench.sample(200, "host/b", "load", 1.0);
    bench.sample(201, "host/c", "load", 1.0).until(
        201,
        expect![[r#"
        200s closed down on host/b: absent("load", 2m) is false (absent(load, 2m) = false)
        201s closed down on host/c: absent("load", 2m) is false (absent(load, 2m) = false)
        201s held down on host/a: the breaker of guard site is open
    "#]],
    );
    bench.samples(210..=400, "host/b", "load", 1.0);
    bench.until(400, expect![[r#"
        321s opened down on host/c: absent("load", 2m) is true (absent(load, 2m) = true)
        321s skipped evacuate of down on host/c: nothing on host/c can be moved
        321s handed over down on host/c: the ladder is at its end: evacuate
        360s breaker of site is half open: it was open for as long as it is to be
        360s breaker of site is open: silentHosts of guard site: nothing was heard of 2 of 3 hosts for 1m, and 1 may be silent
        360s held down on host/a: silentHosts of guard site: nothing was heard of 2 of 3 hosts for 1m, and 1 may be silent
    "#]]);
}

#[test]
fn where_people_work_nothing_is_done_and_elsewhere_only_at_its_times() {
    let hall =
        guard("hall", "select: {kind: host, name: a}\nmaintenance: [{from: 1970-01-01T00:01, to: 1970-01-01T00:03}]");
    let hours = guard("hours", "select: {kind: vm}\nonlyWithin: [{schedule: \"*/4 * * * *\", duration: 1m}]");
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let started = policy("stopped", "select: {kind: vm}\non: vm.stopped\nthen: [start]");
    let mut bench = Bench::new(&[hall, hours, crash, started].concat(), centre(3), vec![]);
    bench.event(70, "vm/a0", "vm.stopped", &[]).event(80, "vm/b0", "vm.crashed", &[]).event(
        90,
        "vm/b1",
        "vm.stopped",
        &[],
    );
    bench.until(
        300,
        expect![[r#"
        70s opened stopped on vm/a0: event vm.stopped is true
        70s held stopped on vm/a0: maintenance, says guard hall
        80s opened crash on vm/b0: event vm.crashed is true
        80s held crash on vm/b0: outside of the times in which guard hours lets anything be disrupted
        90s opened stopped on vm/b1: event vm.stopped is true
        90s plan p1-1 start for stopped: vm/b1 start
        90s begins p1-1/1
        90s ended p1-1/1: Done { observed: "assumed" }
        90s plan p1-1: Succeeded
        90s closed stopped on vm/b1: the plan succeeded
        180s plan p1-2 start for stopped: vm/a0 start
        180s begins p1-2/1
        180s ended p1-2/1: Done { observed: "assumed" }
        180s plan p1-2: Succeeded
        180s closed stopped on vm/a0: the plan succeeded
        240s plan p1-3 restart for crash: vm/b0 restart
        240s begins p1-3/1
        240s ended p1-3/1: Done { observed: "assumed" }
        240s plan p1-3: Succeeded
        240s closed crash on vm/b0: the plan succeeded
    "#]],
    );
}

#[test]
fn what_is_marked_is_left_alone_with_all_that_runs_on_it() {
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let mut bench = Bench::new(&crash, centre(1), vec![]);
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    let mut marked = owned(host("host/a", 64.0, &[]));
    marked.labels.insert("cluster.x-k8s.io/paused".into(), String::new());
    bench.describe(1, marked).event(2, "vm/a0", "vm.crashed", &[]);
    let mut of_vm = owned(vm("vm/b0", "host/b", 1.0));
    of_vm.attributes.insert("homeostat.dev/paused".into(), true.into());
    bench.describe(3, of_vm).event(4, "vm/b0", "vm.crashed", &[]);
    bench.until(
        5,
        expect![[r#"
            2s opened crash on vm/a0: event vm.crashed is true
            2s held crash on vm/a0: host/a is marked `cluster.x-k8s.io/paused`
            4s opened crash on vm/b0: event vm.crashed is true
            4s held crash on vm/b0: vm/b0 is marked `homeostat.dev/paused`
        "#]],
    );
    let mut excluded = owned(host("host/b", 64.0, &[]));
    excluded.labels.insert("remediation.medik8s.io/exclude-from-remediation".into(), "false".into());
    bench.describe(10, excluded).describe(11, owned(host("host/a", 64.0, &[])));
    bench.describe(12, owned(vm("vm/b0", "host/b", 1.0)));
    bench.until(
        20,
        expect![[r#"
            11s plan p1-1 restart for crash: vm/a0 restart
            11s begins p1-1/1
            11s ended p1-1/1: Done { observed: "assumed" }
            11s plan p1-1: Succeeded
            11s closed crash on vm/a0: the plan succeeded
            12s plan p1-2 restart for crash: vm/b0 restart
            12s begins p1-2/1
            12s ended p1-2/1: Done { observed: "assumed" }
            12s plan p1-2: Succeeded
            12s closed crash on vm/b0: the plan succeeded
        "#]],
    );
}

#[test]
fn after_a_start_nothing_is_disrupted_until_everything_was_seen() {
    let site = guard("site", "select: {kind: vm}\nsettle: 1m");
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let mut bench = Bench::new(&[site.as_str(), &crash].concat(), centre(2), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).until(
        70,
        expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s held crash on vm/a0: settling, says guard site: the program began not long ago
        60s plan p1-1 restart for crash: vm/a0 restart
        60s begins p1-1/1
        60s ended p1-1/1: Done { observed: "assumed" }
        60s plan p1-1: Succeeded
        60s closed crash on vm/a0: the plan succeeded
    "#]],
    );
    // Not before the adapter has listed what there is.
    let mut engine = homeostat_engine::Engine::new(homeostat_engine::Generation(1));
    let mut out = Vec::new();
    engine.replace_policies(at(0), &bench::policies(&[site, crash].concat()), &mut out).unwrap();
    let adapter = AdapterName::new("assumed").unwrap();
    let world = homeostat_simulator::AssumedWorld::new(adapter.clone(), centre(1), vec![]);
    let (snapshots, others): (Vec<_>, Vec<_>) = world.announcements().into_iter().partition(|input| {
        matches!(input, homeostat_engine::Input::Observed(Observation::Inventory(InventoryChange::Snapshot { .. })))
    });
    for input in others {
        engine.handle(at(0), input, &mut out);
    }
    for resource in centre(1) {
        let change = InventoryChange::Upsert(Resource { adapter: Some(adapter.clone()), ..resource });
        engine.handle(at(1), homeostat_engine::Input::Observed(Observation::Inventory(change)), &mut out);
    }
    let event = Event {
        resource: id("vm/a0"),
        event_type: EventType::new("vm.crashed").unwrap(),
        time: at(100),
        id: String::new(),
        attributes: std::collections::BTreeMap::new().into_iter().collect(),
    };
    engine.handle(at(100), homeostat_engine::Input::Observed(Observation::Event(event)), &mut out);
    let why = engine.explain(&id("vm/a0")).remove(0).because;
    assert!(why.starts_with("settling, says guard site: adapter assumed has not listed yet what there is"), "{why}");
    snapshots.into_iter().for_each(|input| engine.handle(at(110), input, &mut out));
    assert_eq!(engine.in_flight().count(), 1);
}

#[test]
fn a_ladder_does_not_go_above_its_ceiling() {
    let hot = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\nceiling: live\ncooldown: 10s\nthen:\n  - resize: {vcpus: +1, maxVcpus: 2}\n  - restart\n  - notify: {message: \"somebody has to look at ${resource}\"}\n";
    let calm = guard("calm", "select: {kind: vm, name: b0}\nceiling: none");
    let mut bench = Bench::new(&[policy("hot", hot), calm].concat(), centre(1), vec![]);
    bench.sample(1, "vm/a0", "cpu", 0.9).sample(1, "vm/b0", "cpu", 0.9);
    bench.until(
        20,
        expect![[r#"
        1s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        1s plan p1-1 resize for hot: vm/a0 resize to 2 vcpus
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s held hot on vm/a0: cooldown: the policy acted here not long ago
        1s opened hot on vm/b0: last("cpu") > 80% is true (last(cpu) = 0.9)
        1s skipped resize of hot on vm/b0: it changes what runs, and the ceiling of guard calm is none
        1s skipped restart of hot on vm/b0: it interrupts what runs, and the ceiling of policy hot is live
        1s told: somebody has to look at vm/b0
        11s skipped restart of hot on vm/a0: it interrupts what runs, and the ceiling of policy hot is live
        11s told: somebody has to look at vm/a0
    "#]],
    );
}

#[test]
fn what_flaps_is_left_alone_until_it_is_quiet() {
    let hot = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\ncooldown: 0s\nflap: {changes: 3, within: 1m}\nthen: [restart]";
    let mut bench = Bench::new(&policy("hot", hot), centre(1), vec![]);
    for second in (0..50).step_by(20) {
        bench.sample(second, "vm/a0", "cpu", 0.9).sample(second + 10, "vm/a0", "cpu", 0.1);
    }
    bench.sample(55, "vm/a0", "cpu", 0.9).until(
        100,
        expect![[r#"
        0s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        0s plan p1-1 restart for hot: vm/a0 restart
        0s begins p1-1/1
        0s ended p1-1/1: Done { observed: "assumed" }
        0s plan p1-1: Succeeded
        0s handed over hot on vm/a0: the ladder is at its end: restart
        10s closed hot on vm/a0: last("cpu") > 80% is false (last(cpu) = 0.1)
        20s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        20s plan p1-2 restart for hot: vm/a0 restart
        20s begins p1-2/1
        20s ended p1-2/1: Done { observed: "assumed" }
        20s plan p1-2: Succeeded
        20s handed over hot on vm/a0: the ladder is at its end: restart
        30s closed hot on vm/a0: last("cpu") > 80% is false (last(cpu) = 0.1)
        40s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        40s held hot on vm/a0: flapping: it has opened 3 times within 1m
        50s closed hot on vm/a0: last("cpu") > 80% is false (last(cpu) = 0.1)
        55s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        55s held hot on vm/a0: flapping: it has opened 3 times within 1m
        80s plan p1-3 restart for hot: vm/a0 restart
        80s begins p1-3/1
        80s ended p1-3/1: Done { observed: "assumed" }
        80s plan p1-3: Succeeded
        80s handed over hot on vm/a0: the ladder is at its end: restart
    "#]],
    );
}

#[test]
fn nothing_is_sent_back_where_it_came_from_nor_moved_for_little() {
    let spec = "select: {kind: vm}\non: vm.move\ncooldown: 0s\nreturnAfter: 3m\nminGain: 20%\nthen: [{migrate: , attempts: 5}]";
    let resources = vec![
        host("host/a", 10.0, &[]),
        host("host/b", 10.0, &[]),
        vm("vm/one", "host/a", 2.0),
        vm("vm/two", "host/a", 4.0),
        vm("vm/three", "host/b", 1.0),
    ];
    let mut bench = Bench::new(&policy("move", spec), resources, vec![]);
    bench.event(1, "vm/one", "vm.move", &[]).until(
        10,
        expect![[r#"
        1s opened move on vm/one: event vm.move is true
        1s plan p1-1 migrate for move: vm/one migrate to host/b
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s closed move on vm/one: the plan succeeded
    "#]],
    );
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    // Now it is crowded there; back where it came from is more room, but not yet.
    bench.describe(20, owned(vm("vm/three", "host/b", 8.0))).event(30, "vm/one", "vm.move", &[]);
    bench.until(
        200,
        expect![[r#"
        30s opened move on vm/one: event vm.move is true
        30s held move on vm/one: returnAfter: vm/one left host/a not long ago
        181s plan p1-2 migrate for move: vm/one migrate to host/a
        181s begins p1-2/1
        181s ended p1-2/1: Done { observed: "assumed" }
        181s plan p1-2: Succeeded
        181s closed move on vm/one: the plan succeeded
    "#]],
    );
    bench.describe(210, owned(vm("vm/three", "host/b", 1.0))).event(220, "vm/two", "vm.move", &[]);
    bench.until(
        221,
        expect![[r#"
        220s opened move on vm/two: event vm.move is true
        220s skipped migrate of move on vm/two: it would gain 10% of room on host/b, and minGain is 20%
        220s handed over move on vm/two: the ladder is at its end: migrate
        220s closed move on vm/two: everything was tried
    "#]],
    );
}

fn vote(number: u64, by: &str, approve: bool, hash: Option<&str>) -> OperatorCommand {
    let plan = PlanId { generation: homeostat_engine::Generation(1), number };
    OperatorCommand::Vote { plan, by: by.into(), approve, hash: hash.map(str::to_owned) }
}

#[test]
fn several_people_approve_of_what_they_have_seen() {
    let spec = format!("{CRASH}mode: approve\napproval: {{quorum: 2, within: 1h}}\nthen: [restart]");
    let mut bench = Bench::new(&policy("crash", &spec), centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).until(
        1,
        expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s held crash on vm/a0: approval of 8c45a39b22687ae1: 0 of 2 people; when the time is over: reject
    "#]],
    );
    bench.operator(10, vote(1, "ann", true, Some("0123456789abcdef")));
    bench.operator(11, vote(1, "ann", true, None)).operator(12, vote(1, "ann", true, None));
    let why = bench.driver.engine().explain(&id("vm/a0")).remove(0);
    assert!(why.because.contains(": 1 of 2 people; when the time is over: reject"), "{}", why.because);
    bench.operator(13, vote(1, "bob", true, None)).until(
        20,
        expect![[r#"
        10s refused ann's word about plan p1-1: the hash of that plan is 8c45a39b22687ae1
        11s ann approves of plan p1-1
        12s ann approves of plan p1-1
        13s bob approves of plan p1-1
        13s begins p1-1/1
        13s ended p1-1/1: Done { observed: "assumed" }
        13s plan p1-1: Succeeded
        13s closed crash on vm/a0: the plan succeeded
    "#]],
    );
    // Nobody says anything, and then somebody rejects.
    bench.event(100, "vm/b0", "vm.crashed", &[]).until(
        4000,
        expect![[r#"
        100s opened crash on vm/b0: event vm.crashed is true
        100s plan p1-2 restart for crash: vm/b0 restart
        100s held crash on vm/b0: approval of 82c9d7e103103203: 0 of 2 people; when the time is over: reject
        3700s plan p1-2: Cancelled { reason: "too few people approved of it in time" }
        3700s closed crash on vm/b0: the plan was called off
    "#]],
    );
    bench.event(5000, "vm/a0", "vm.crashed", &[]).operator(5001, vote(3, "eve", false, None)).until(
        5002,
        expect![[r#"
            5000s opened crash on vm/a0: event vm.crashed is true
            5000s plan p1-3 restart for crash: vm/a0 restart
            5000s held crash on vm/a0: approval of 912e47a910e3c510: 0 of 2 people; when the time is over: reject
            5001s eve rejects plan p1-3
            5001s plan p1-3: Cancelled { reason: "rejected by eve" }
            5001s closed crash on vm/a0: the plan was called off
        "#]],
    );
}

#[test]
fn when_nobody_says_anything_it_is_as_was_declared() {
    let spec = format!("{CRASH}mode: approve\napproval: {{within: 1m, otherwise: approve}}\nthen: [restart]");
    let mut bench = Bench::new(&policy("crash", &spec), centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).until(
        100,
        expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s held crash on vm/a0: approval of 8c45a39b22687ae1: 0 of 1 person; when the time is over: approve
        61s the time limit approves of plan p1-1
        61s begins p1-1/1
        61s ended p1-1/1: Done { observed: "assumed" }
        61s plan p1-1: Succeeded
        61s closed crash on vm/a0: the plan succeeded
    "#]],
    );
}

#[test]
fn a_policy_is_promoted_by_agreement_and_falls_back_when_it_fails() {
    let spec = format!("{CRASH}mode: recommend\npromote: {{after: 2, to: auto}}\nthen: [restart]");
    let fails = Assumption {
        resource: Some(id("vm/b1")),
        ends: Some(StepResult::Failed { reason: "no".into() }),
        ..Assumption::default()
    };
    let mut bench = Bench::new(&policy("crash", &spec), centre(2), vec![fails]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).operator(2, vote(1, "ann", true, None));
    bench.event(3, "vm/a1", "vm.crashed", &[]).operator(4, vote(2, "bob", false, None));
    bench.event(5, "vm/b0", "vm.crashed", &[]).operator(6, vote(3, "ann", true, None));
    bench.operator(7, vote(3, "bob", true, None)).event(8, "vm/a0", "vm.crashed", &[]);
    bench.operator(9, vote(4, "bob", true, None)).until(
        10,
        expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s held crash on vm/a0: mode recommend: the plan is shown, not run
        1s closed crash on vm/a0: a plan was recommended
        2s ann approves of plan p1-1
        3s opened crash on vm/a1: event vm.crashed is true
        3s plan p1-2 restart for crash: vm/a1 restart
        3s held crash on vm/a1: mode recommend: the plan is shown, not run
        3s closed crash on vm/a1: a plan was recommended
        4s bob rejects plan p1-2
        5s opened crash on vm/b0: event vm.crashed is true
        5s plan p1-3 restart for crash: vm/b0 restart
        5s held crash on vm/b0: mode recommend: the plan is shown, not run
        5s closed crash on vm/b0: a plan was recommended
        6s ann approves of plan p1-3
        7s refused bob's word about plan p1-3: no such plan waits for approval, or was recommended lately
        8s opened crash on vm/a0: event vm.crashed is true
        8s plan p1-4 restart for crash: vm/a0 restart
        8s held crash on vm/a0: mode recommend: the plan is shown, not run
        8s closed crash on vm/a0: a plan was recommended
        9s bob approves of plan p1-4
        9s crash may auto: people agreed with 2 of its plans, one after the other
    "#]],
    );
    bench.event(11, "vm/a1", "vm.crashed", &[]).event(12, "vm/b1", "vm.crashed", &[]);
    bench.event(13, "vm/b0", "vm.crashed", &[]).until(
        20,
        expect![[r#"
        11s opened crash on vm/a1: event vm.crashed is true
        11s plan p1-5 restart for crash: vm/a1 restart
        11s begins p1-5/1
        11s ended p1-5/1: Done { observed: "assumed" }
        11s plan p1-5: Succeeded
        11s closed crash on vm/a1: the plan succeeded
        12s opened crash on vm/b1: event vm.crashed is true
        12s plan p1-6 restart for crash: vm/b1 restart
        12s begins p1-6/1
        12s ended p1-6/1: Failed { reason: "no" }
        12s plan p1-6: Failed { step: StepId(1), reason: "no" }
        12s crash may recommend: plan p1-6 did not succeed
        12s handed over crash on vm/b1: the ladder is at its end: restart
        12s closed crash on vm/b1: everything was tried
        13s opened crash on vm/b0: event vm.crashed is true
        13s plan p1-7 restart for crash: vm/b0 restart
        13s held crash on vm/b0: mode recommend: the plan is shown, not run
        13s closed crash on vm/b0: a plan was recommended
    "#]],
    );
}
