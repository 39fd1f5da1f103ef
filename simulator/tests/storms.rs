//! What stops everything: breakers, storms, maintenance, marks, and a program that has just begun.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, at, centre, guard, host, id, policy, slow, vm};
use expect_test::expect;
use homeostat_model::*;
use homeostat_simulator::Assumption;

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
            1s told: a person has to go on with vm/a0: the ladder is at its end: restart
            1s quarantine of vm/a0 by crash on vm/a0, 10m
            1s closed crash on vm/a0: everything was tried
            2s opened crash on vm/a1: event vm.crashed is true
            2s plan p1-2 restart for crash: vm/a1 restart
            2s begins p1-2/1
            2s ended p1-2/1: Failed { reason: "no" }
            2s plan p1-2: Failed { step: StepId(1), reason: "no" }
            2s breaker of site is open: plan p1-2 failed: no
            2s handed over crash on vm/a1: the ladder is at its end: restart
            2s told: a person has to go on with vm/a1: the ladder is at its end: restart
            2s quarantine of vm/a1 by crash on vm/a1, 10m
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
            122s told: a person has to go on with vm/b0: the ladder is at its end: restart
            122s quarantine of vm/b0 by crash on vm/b0, 10m
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
            30s opened hot on vm/a1: last("cpu") > 80% is true (last(cpu) = 0.9)
            30s opened hot on vm/a2: last("cpu") > 80% is true (last(cpu) = 0.9)
            30s opened hot on vm/b0: last("cpu") > 80% is true (last(cpu) = 0.9)
            30s opened hot on vm/b1: last("cpu") > 80% is true (last(cpu) = 0.9)
            30s held hot on vm/a0: maxUnhealthy of policy hot: 5 of 6 have a finding, and 2 may
            30s held hot on vm/a1: maxUnhealthy of policy hot: 5 of 6 have a finding, and 2 may
            30s held hot on vm/a2: maxUnhealthy of policy hot: 5 of 6 have a finding, and 2 may
            30s held hot on vm/b0: maxUnhealthy of policy hot: 5 of 6 have a finding, and 2 may
            30s held hot on vm/b1: maxUnhealthy of policy hot: 5 of 6 have a finding, and 2 may
        "#]],
    );
    for name in ["vm/a1", "vm/a2", "vm/b0"] {
        bench.sample(50, name, "cpu", 0.5);
    }
    bench.until(
        60,
        expect![[r#"
            50s closed hot on vm/a1: last("cpu") > 80% is false (last(cpu) = 0.5)
            50s closed hot on vm/a2: last("cpu") > 80% is false (last(cpu) = 0.5)
            50s closed hot on vm/b0: last("cpu") > 80% is false (last(cpu) = 0.5)
            50s plan p1-1 restart for hot: vm/a0 restart
            50s begins p1-1/1
            50s plan p1-2 restart for hot: vm/b1 restart
            50s begins p1-2/1
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
        180s opened down on host/b: absent("load", 2m) is true (absent(load, 2m) = true)
        180s opened down on host/c: absent("load", 2m) is true (absent(load, 2m) = true)
        180s breaker of site is open: silentHosts of guard site: nothing was heard of 3 of 3 hosts for 1m, and 1 may be silent
        180s held down on host/a: silentHosts of guard site: nothing was heard of 3 of 3 hosts for 1m, and 1 may be silent
        180s skipped evacuate of down on host/b: nothing on host/b can be moved
        180s handed over down on host/b: the ladder is at its end: evacuate
        180s told: a person has to go on with host/b: the ladder is at its end: evacuate
        180s skipped evacuate of down on host/c: nothing on host/c can be moved
        180s handed over down on host/c: the ladder is at its end: evacuate
        180s told: a person has to go on with host/c: the ladder is at its end: evacuate
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

/// For five minutes from half past two by the clock of Berlin, which is an hour before UTC in winter, and two in summer.
#[test]
fn a_maintenance_that_comes_again_begins_and_ends_by_the_clock_of_its_zone() {
    let hall = guard(
        "hall",
        "select: {kind: host}\nmaintenance: [{schedule: \"30 2 * * *\", duration: 5m, timezone: Europe/Berlin}]",
    );
    let stopped = policy("stopped", "select: {kind: vm}\non: vm.stopped\nthen: [start]");
    // Midnight in UTC on the second of January 1970, and on the first of July 2026.
    for (midnight, begins) in [(86_400, (1, 30)), (1_782_864_000, (0, 30))] {
        let second = |(hour, minute): (u64, u64)| midnight + hour * 3_600 + minute * 60;
        let (begins, ends) = (second(begins), second(begins) + 300);
        let mut bench = Bench::new(&[hall.clone(), stopped.clone()].concat(), centre(2), vec![]);
        let stops = [("vm/a0", begins - 1), ("vm/a1", begins), ("vm/b0", ends - 1), ("vm/b1", ends)];
        for (name, second) in stops {
            bench.event(second, name, "vm.stopped", &[]);
        }
        bench.driver.run_until(at(ends + 10));
        let when = |name: &str| {
            let plan_of = |record: &&Record| matches!(&record.entry, Entry::PlanMade(plan) if plan.subject == id(name));
            bench.driver.records().iter().find(plan_of).map(|record| record.at)
        };
        let wanted = [begins - 1, ends, ends, ends].map(|second| Some(at(second)));
        assert_eq!(stops.map(|(name, _)| when(name)), wanted, "from {begins}");
    }
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

const HOT: &str =
    "select: {kind: vm}\nwhen: last(\"load\") > 80%\nstaleAfter: 1d\nthen: [{resize: {vcpus: +1, maxVcpus: 2}}]";

fn owned(resource: Resource) -> Resource {
    Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource }
}

fn gone(bench: &mut Bench, seconds: u64, resource: &str) {
    let adapter = AdapterName::new("assumed").unwrap();
    let gone = InventoryChange::Gone { adapter, resource: id(resource) };
    bench.driver.handle(at(seconds), homeostat_engine::Input::Observed(Observation::Inventory(gone)));
}

/// The mark stays where it is: it is the machine that goes.
#[test]
fn what_leaves_a_marked_host_is_marked_no_longer() {
    let marked = ("homeostat.dev/paused", Value::Bool(true));
    let resources = vec![host("host/a", 8.0, &[marked]), host("host/b", 8.0, &[]), vm("vm/one", "host/a", 1.0)];
    let mut bench = Bench::new(&policy("hot", HOT), resources, vec![]);
    bench.sample(1, "vm/one", "load", 0.9).describe(60, owned(vm("vm/one", "host/b", 1.0))).until(
        100,
        expect![[r#"
        1s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        1s held hot on vm/one: host/a is marked `homeostat.dev/paused`
        60s plan p1-1 resize for hot: vm/one resize to 2 vcpus
        60s begins p1-1/1
        60s ended p1-1/1: Done { observed: "assumed" }
        60s plan p1-1: Succeeded
        60s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

/// Of hosts that are no more nothing will ever be heard; and hosts that fell silent later count as well when they are heard of.
#[test]
fn silence_ends_with_the_hosts_that_were_silent_or_when_any_is_heard() {
    let site = guard("site", "select: {kind: vm}\nsilentHosts: {max: 1, after: 1m}");
    let hosts = ["a", "b", "c", "d"].map(|name| host(&format!("host/{name}"), 8.0, &[]));
    let resources: Vec<Resource> = hosts
        .into_iter()
        .chain(["a", "b", "c", "d"].map(|name| vm(&format!("vm/{name}"), &format!("host/{name}"), 1.0)))
        .collect();
    let beats = |bench: &mut Bench, until: u64| {
        for second in (10..until).step_by(10) {
            bench.sample(second, "host/a", "beat", 1.0).sample(second, "host/b", "beat", 1.0);
        }
    };
    let site = [site, policy("hot", HOT)].concat();
    let mut bench = Bench::new(&site, resources.clone(), vec![]);
    beats(&mut bench, 100);
    bench.sample(100, "vm/a", "load", 0.9);
    gone(&mut bench, 110, "vm/d");
    gone(&mut bench, 111, "host/d");
    bench.until(
        120,
        expect![[r#"
        100s opened hot on vm/a: last("load") > 80% is true (last(load) = 0.9)
        100s held hot on vm/a: silentHosts of guard site: nothing was heard of 2 of 4 hosts for 1m, and 1 may be silent
        110s plan p1-1 resize for hot: vm/a resize to 2 vcpus
        110s begins p1-1/1
        110s ended p1-1/1: Done { observed: "assumed" }
        110s plan p1-1: Succeeded
        110s held hot on vm/a: cooldown: the policy acted here not long ago
    "#]],
    );

    let mut bench = Bench::new(&site, resources, vec![]);
    beats(&mut bench, 100);
    bench.sample(100, "vm/a", "load", 0.9);
    // The two that were heard of fall silent as well, and one of them is heard of again.
    bench.sample(200, "host/c", "beat", 1.0).sample(201, "host/d", "beat", 1.0).sample(202, "host/a", "beat", 1.0);
    bench.until(
        210,
        expect![[r#"
        100s opened hot on vm/a: last("load") > 80% is true (last(load) = 0.9)
        100s held hot on vm/a: silentHosts of guard site: nothing was heard of 2 of 4 hosts for 1m, and 1 may be silent
        202s plan p1-1 resize for hot: vm/a resize to 2 vcpus
        202s begins p1-1/1
        202s ended p1-1/1: Done { observed: "assumed" }
        202s plan p1-1: Succeeded
        202s held hot on vm/a: cooldown: the policy acted here not long ago
    "#]],
    );
}

/// Fewer have a finding than may: because there are more of them, or because one of those that have one counts no longer.
#[test]
fn what_too_many_findings_hold_back_goes_on_when_there_are_more_resources_or_others() {
    let calm = policy("hot", &format!("maxUnhealthy: 50%\n{HOT}"));
    let resources = vec![
        host("host/a", 20.0, &[]),
        vm("vm/one", "host/a", 1.0),
        vm("vm/two", "host/a", 1.0),
        vm("vm/three", "host/a", 1.0),
    ];
    let mut bench = Bench::new(&calm, resources.clone(), vec![]);
    bench.sample(1, "vm/one", "load", 0.9).sample(1, "vm/two", "load", 0.9);
    bench.driver.run_until(at(50));
    bench.describe(60, owned(vm("vm/four", "host/a", 1.0))).until(
        70,
        expect![[r#"
        1s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        1s plan p1-1 resize for hot: vm/one resize to 2 vcpus
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s held hot on vm/one: cooldown: the policy acted here not long ago
        1s opened hot on vm/two: last("load") > 80% is true (last(load) = 0.9)
        1s held hot on vm/two: maxUnhealthy of policy hot: 2 of 3 have a finding, and 1 may
        60s plan p1-2 resize for hot: vm/two resize to 2 vcpus
        60s begins p1-2/1
        60s ended p1-2/1: Done { observed: "assumed" }
        60s plan p1-2: Succeeded
        60s held hot on vm/two: cooldown: the policy acted here not long ago
    "#]],
    );

    let site = guard("site", "select: {kind: vm, matchLabels: {tier: web}}\nmaxUnhealthy: 1");
    let web = |name: &str, tier: &str| {
        let mut one = vm(name, "host/a", 1.0);
        one.labels.insert("tier".into(), tier.into());
        one
    };
    let resources = vec![host("host/a", 20.0, &[]), web("vm/one", "web"), web("vm/two", "web")];
    let mut bench = Bench::new(&[site, policy("hot", HOT)].concat(), resources, vec![]);
    bench.sample(1, "vm/one", "load", 0.9).sample(1, "vm/two", "load", 0.9);
    bench.describe(60, owned(web("vm/two", "db"))).until(
        70,
        expect![[r#"
        1s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        1s plan p1-1 resize for hot: vm/one resize to 2 vcpus
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s held hot on vm/one: cooldown: the policy acted here not long ago
        1s opened hot on vm/two: last("load") > 80% is true (last(load) = 0.9)
        1s held hot on vm/two: maxUnhealthy of guard site: 2 of 2 have a finding, and 1 may
        60s plan p1-2 resize for hot: vm/two resize to 2 vcpus
        60s begins p1-2/1
        60s ended p1-2/1: Done { observed: "assumed" }
        60s plan p1-2: Succeeded
        60s held hot on vm/two: cooldown: the policy acted here not long ago
    "#]],
    );
}

/// Maintenance begins, or a mark is set, while a plan is in flight: what is being done ends, nothing more is begun until it is over, and
/// whoever asks is told. A restart changes nothing of that.
#[test]
fn a_plan_in_flight_stands_still_where_people_begin_to_work() {
    let empty = policy("empty", "select: {kind: host}\non: host.empty\nthen: [evacuate]");
    // From the first minute of 1970 to the tenth.
    let site = guard(
        "site",
        "select: {kind: host}\nmaintenance: [{from: 1970-01-01T00:01, to: 1970-01-01T00:10, timezone: UTC}]",
    );
    let yaml = [empty.clone(), site].concat();
    let crowded = || centre(6).into_iter().filter(|one| !one.id.as_str().starts_with("vm/b"));
    let moves = |bench: &Bench| {
        let begun = |record: &Record| match &record.entry {
            Entry::StepDispatched { step, .. } if step.0 > 1 => Some(record.at.as_millis() / 1000),
            _ => None,
        };
        bench.driver.records().iter().filter_map(begun).collect::<Vec<_>>()
    };
    let mut bench = Bench::new(&yaml, crowded().collect(), slow(30));
    bench.event(20, "host/a", "host.empty", &[]);
    bench.driver.run_until(at(200));
    assert_eq!(moves(&bench), [50, 50, 50, 50], "the other two wait");
    let told = &bench.driver.engine().explain(&id("host/a"))[0].because;
    assert!(told.contains("is in flight; it waits: maintenance, says guard site"), "{told}");
    let plan = bench.driver.engine().plan(PlanId { generation: Generation(1), number: 1 }).unwrap();
    let held = plan.steps.iter().filter(|step| step.reason.as_ref().is_some_and(|why| why.contains("maintenance")));
    assert_eq!(held.count(), 2, "{:?}", plan.steps);
    let mut killed = bench.killed_until(210, &yaml);
    bench.driver.run_until(at(900));
    assert_eq!(moves(&bench)[4..], [600, 600]);
    killed.driver.run_until(at(900));
    assert_eq!(moves(&killed), [600, 600]);
    assert_eq!(killed.driver.engine().in_flight().count(), 0);

    // A mark on the host, and then its end.
    let mut bench = Bench::new(&empty, crowded().collect(), slow(30));
    let marked = |mark: &str| {
        let mut marked = host("host/a", 64.0, &[("homeostat.dev/paused", mark.into())]);
        marked.adapter = Some(AdapterName::new("assumed").unwrap());
        marked
    };
    bench.event(20, "host/a", "host.empty", &[]);
    bench.driver.run_until(at(55));
    bench.describe(60, marked("true"));
    bench.driver.run_until(at(300));
    assert_eq!(moves(&bench), [50, 50, 50, 50]);
    bench.describe(300, marked("false"));
    bench.driver.run_until(at(400));
    assert_eq!(moves(&bench)[4..], [300, 300]);
}
