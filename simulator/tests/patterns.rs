//! When a policy's finding opens and closes: events in patterns, hysteresis, what is not known, the time of day.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, host, id, policy, vm};
use expect_test::expect;
use homeostat_model::*;

fn small() -> Vec<Resource> {
    vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)]
}

/// A policy on VMs that only observes, under these lines.
fn observing(name: &str, lines: &str) -> String {
    policy(name, &format!("select: {{kind: vm}}\n{lines}\nmode: observe\nthen: [restart]"))
}

#[test]
fn so_many_events_within_a_time() {
    let yaml = observing("flapping", "on: {event: vm.restarted, where: event.by != \"person\", count: 3, within: 1m}");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    for (second, by) in [(0, "ha"), (10, "person"), (50, "ha"), (70, "ha"), (80, "ha"), (200, "ha")] {
        bench.event(second, "vm/one", "vm.restarted", &[("by", by.into())]);
    }
    bench.event(210, "vm/one", "vm.restarted", &[]).until(
        300,
        expect![[r#"
        80s opened flapping on vm/one: event vm.restarted is true (by = "ha")
        80s held flapping on vm/one: mode observe: findings only
        80s closed flapping on vm/one: it was observed
    "#]],
    );
}

#[test]
fn one_event_after_the_other_and_one_of_each() {
    let yaml = [
        observing("sequence", "on: {sequence: [disk.warning, {event: disk.failed, where: event.hard}], within: 1m}"),
        observing("all", "on: {all: [disk.warning, disk.failed], within: 1m}"),
    ]
    .concat();
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.event(10, "vm/one", "disk.failed", &[("hard", true.into())]);
    bench.event(20, "vm/one", "disk.warning", &[]).until(
        20,
        expect![[r#"
        20s opened all on vm/one: event disk.warning is true
        20s held all on vm/one: mode observe: findings only
        20s closed all on vm/one: it was observed
    "#]],
    );
    bench.event(30, "vm/one", "disk.failed", &[("hard", false.into())]).until(30, expect![[r#""#]]);
    bench.event(40, "vm/one", "disk.failed", &[("hard", true.into())]).until(
        40,
        expect![[r#"
        40s opened sequence on vm/one: event disk.failed is true (hard = true)
        40s held sequence on vm/one: mode observe: findings only
        40s closed sequence on vm/one: it was observed
    "#]],
    );
}

#[test]
fn no_heartbeat_for_a_while() {
    let yaml = observing("silent", "on: {absent: heartbeat, for: 2m}\nwhen: state == \"running\"\nfor: 30s");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.event(60, "vm/one", "heartbeat", &[]).event(100, "vm/one", "heartbeat", &[]).until(249, expect![[r#""#]]);
    bench.until(250, expect![[r#"
        250s opened silent on vm/one: no event heartbeat for 2m is true (the last one = "2m30s ago"); state == "running" is true (state = "running")
        250s held silent on vm/one: mode observe: findings only
    "#]]);
    bench.event(300, "vm/one", "heartbeat", &[]).until(300, expect![[r#"
        300s closed silent on vm/one: no event heartbeat for 2m is false (the last one = "0s ago"); state == "running" is true (state = "running")
    "#]]);
}

#[test]
fn a_start_is_no_absence() {
    let yaml = observing("silent", "on: {absent: heartbeat, for: 2m}");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.until(119, expect![[r#""#]]);
    let explained = bench.driver.engine().explain(&id("vm/one"));
    assert_eq!(explained[0].evidence.truth, Truth::Unknown);
    assert_eq!(explained[0].evidence.clauses[0].could_hold_at, Some(at(120)));
    bench.until(
        121,
        expect![[r#"
        120s opened silent on vm/one: no event heartbeat for 2m is true (the last one is not known)
        120s held silent on vm/one: mode observe: findings only
    "#]],
    );
}

#[test]
fn clear_and_keep_firing_for_keep_a_finding_open() {
    let yaml = observing("hot", "when: last(\"cpu\") > 80%\nclear: last(\"cpu\") < 60%\nkeepFiringFor: 30s");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).sample(20, "vm/one", "cpu", 0.7).sample(30, "vm/one", "cpu", 0.5);
    bench.until(
        59,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s held hot on vm/one: mode observe: findings only
    "#]],
    );
    bench.until(
        60,
        expect![[r#"
        60s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.5)
    "#]],
    );
    // A relapse begins the time anew.
    bench.sample(70, "vm/one", "cpu", 0.9).sample(80, "vm/one", "cpu", 0.5).sample(100, "vm/one", "cpu", 0.7);
    bench.sample(105, "vm/one", "cpu", 0.5).until(
        134,
        expect![[r#"
        70s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        70s held hot on vm/one: mode observe: findings only
    "#]],
    );
    bench.until(
        135,
        expect![[r#"
        135s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.5)
    "#]],
    );
}

#[test]
fn a_finding_that_stays_open_acts_only_while_its_condition_holds() {
    let lines = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nclear: last(\"cpu\") < 60%\ncooldown: 1m\nthen: [{resize: {vcpus: +1}, attempts: 9}]";
    let mut bench = Bench::new(&policy("hot", lines), small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        15,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 resize for hot: vm/one resize to 3 vcpus
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
    bench.sample(20, "vm/one", "cpu", 0.7).sample(60, "vm/one", "cpu", 0.7).until(100, expect![[r#""#]]);
    bench.sample(110, "vm/one", "cpu", 0.9).until(
        110,
        expect![[r#"
        110s plan p1-2 resize for hot: vm/one resize to 4 vcpus
        110s begins p1-2/1
        110s ended p1-2/1: Done { observed: "assumed" }
        110s plan p1-2: Succeeded
        110s held hot on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

#[test]
fn what_is_not_known_is_held_closed_or_told() {
    let lines = |on_unknown: &str| format!("when: last(\"cpu\") > 80%\nstaleAfter: 1m\nonUnknown: {on_unknown}");
    let yaml = [
        observing("a-hold", &lines("hold")),
        observing("b-close", &lines("close")),
        observing("c-notify", &lines("notify")),
    ]
    .concat();
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        69,
        expect![[r#"
            10s opened a-hold on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s opened b-close on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s opened c-notify on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s held a-hold on vm/one: mode observe: findings only
            10s held b-close on vm/one: mode observe: findings only
            10s held c-notify on vm/one: mode observe: findings only
        "#]],
    );
    bench.until(
        129,
        expect![[r#"
        70s closed b-close on vm/one: last("cpu") > 80% is unknown (last(cpu) is not known)
    "#]],
    );
    bench.until(
        1000,
        expect![[r#"
        130s told: policy c-notify cannot see vm/one: last("cpu") > 80% is unknown (last(cpu) is not known)
    "#]],
    );
    bench.sample(1010, "vm/one", "cpu", 0.9).until(
        1020,
        expect![[r#"
        1010s opened b-close on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        1010s held b-close on vm/one: mode observe: findings only
    "#]],
    );
    bench.sample(1020, "vm/one", "cpu", 0.2).until(
        1020,
        expect![[r#"
        1020s closed a-hold on vm/one: last("cpu") > 80% is false (last(cpu) = 0.2)
        1020s closed b-close on vm/one: last("cpu") > 80% is false (last(cpu) = 0.2)
        1020s closed c-notify on vm/one: last("cpu") > 80% is false (last(cpu) = 0.2)
    "#]],
    );
}

#[test]
fn a_clock_on_the_wall_opens_and_closes() {
    // Second 0 is midnight in Greenwich, and one in the morning in Berlin.
    let yaml = observing(
        "night",
        "when: time.ofDay < 2h && time.weekday == \"thursday\" && state == \"running\"\ntimezone: Europe/Berlin",
    );
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.until(3700, expect![[r#"
        3600s closed night on vm/one: time.ofDay < 2h is false (time.ofDay = 7200); time.weekday == "thursday" is true (time.weekday = "thursday"); state == "running" is true (state = "running")
    "#]]);
    let explained = bench.driver.engine().explain(&id("vm/one"));
    let could: Vec<_> = explained[0].evidence.clauses.iter().map(|clause| clause.could_hold_at).collect();
    assert_eq!(could, [Some(at(23 * 3600)), None, None], "the next midnight in Berlin");
}

#[test]
fn a_value_instead_of_an_unknown_one_comes_with_time() {
    let yaml = observing("idle", "when: (last(\"load\") ?? 0) < 1\nstaleAfter: 1m");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.until(1, expect![[r#""#]]);
    bench.sample(10, "vm/one", "load", 5.0).until(
        69,
        expect![[r#"
        10s closed idle on vm/one: (last("load") ?? 0) < 1 is false (last(load) = 5)
    "#]],
    );
    bench.until(
        70,
        expect![[r#"
        70s opened idle on vm/one: (last("load") ?? 0) < 1 is true (last(load) is not known)
        70s held idle on vm/one: mode observe: findings only
    "#]],
    );
}
