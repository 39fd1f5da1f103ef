//! Who is told of what, and when: relatives, snapshots, events at odd times, policies that change.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, host, id, policy, vm};
use expect_test::expect;
use homeostat_engine::{Input, OperatorCommand};
use homeostat_model::*;

fn adapter() -> AdapterName {
    AdapterName::new("assumed").unwrap()
}

/// Owned by the adapter of the bench, as it is when the bench describes it.
fn owned(mut resource: Resource) -> Resource {
    resource.adapter = Some(adapter());
    resource
}

fn small() -> Vec<Resource> {
    vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 1.0)]
}

fn observing(name: &str, lines: &str) -> String {
    policy(name, &format!("{lines}\nmode: observe\nthen: [{{notify: {{message: \"seen\"}}}}]"))
}

fn inventory(bench: &mut Bench, seconds: u64, change: InventoryChange) {
    bench.driver.handle(at(seconds), Input::Observed(Observation::Inventory(change)));
}

fn snapshot(bench: &mut Bench, seconds: u64, resources: Vec<Resource>) {
    inventory(bench, seconds, InventoryChange::Snapshot { adapter: adapter(), resources });
}

fn gone(bench: &mut Bench, seconds: u64, resource: &str) {
    inventory(bench, seconds, InventoryChange::Gone { adapter: adapter(), resource: id(resource) });
}

fn truth(bench: &mut Bench, resource: &str) -> Truth {
    bench.driver.engine().explain(&id(resource))[0].evidence.truth
}

#[test]
fn all_who_read_a_group_hear_of_each_change_of_it() {
    let below = |name, count| {
        observing(name, &format!("select: {{kind: vm}}\nwhen: group(\"db\").count(state == \"running\") < {count}"))
    };
    let db = |name: &str, state: &str| {
        let mut member = owned(vm(name, "host/a", 1.0));
        member.labels.insert("db".into(), "x".into());
        member.attributes.insert("state".into(), state.into());
        member
    };
    let resources = vec![host("host/a", 8.0, &[]), db("vm/one", "running"), db("vm/two", "running")];
    let mut bench = Bench::new(&[below("degraded", 2), below("down", 1)].concat(), resources, vec![]);
    bench.describe(10, db("vm/two", "stopped")).until(15, expect![[r#"
        11s opened degraded on vm/one: group("db").count(state == "running") < 2 is true (group("db").count(state == "running") = 1)
        11s opened degraded on vm/two: group("db").count(state == "running") < 2 is true (group("db").count(state == "running") = 1)
        11s held degraded on vm/one: mode observe: findings only
        11s held degraded on vm/two: mode observe: findings only
    "#]]);
    // What looks at everything in between must not take the change away from those who have yet to hear of it.
    bench.describe(20, db("vm/one", "stopped")).operator(20, OperatorCommand::Resume { by: "an operator".into() }).until(4000, expect![[r#"
        21s opened down on vm/one: group("db").count(state == "running") < 1 is true (group("db").count(state == "running") = 0)
        21s opened down on vm/two: group("db").count(state == "running") < 1 is true (group("db").count(state == "running") = 0)
        21s held down on vm/one: mode observe: findings only
        21s held down on vm/two: mode observe: findings only
    "#]]);
}

#[test]
fn what_is_the_case_only_within_a_snapshot_opens_nothing() {
    let yaml = observing("stranded", "select: {kind: vm}\nwhen: host.state == \"down\"");
    let down = || host("host/a", 8.0, &[("state", "down".into())]);
    let other = || host("host/b", 8.0, &[]);
    let mut bench = Bench::new(&yaml, [small(), vec![other()]].concat(), vec![]);
    // The host goes down, and its VM is elsewhere by then.
    snapshot(&mut bench, 10, vec![down(), other(), vm("vm/one", "host/b", 1.0)]);
    bench.until(20, expect![[r#""#]]);
    assert_eq!(truth(&mut bench, "vm/one"), Truth::False);
    // The host goes down, and its VM is gone by then.
    snapshot(&mut bench, 30, [small(), vec![other()]].concat());
    snapshot(&mut bench, 40, vec![down(), other()]);
    bench.until(45, expect![[r#""#]]);
    // What is the case at the end of a snapshot does open, and is forgotten together with its host.
    snapshot(&mut bench, 50, vec![down(), other(), vm("vm/one", "host/a", 1.0)]);
    bench.until(
        55,
        expect![[r#"
        50s opened stranded on vm/one: host.state == "down" is true (host.state = "down")
        50s held stranded on vm/one: mode observe: findings only
    "#]],
    );
    snapshot(&mut bench, 60, vec![other()]);
    bench.until(
        4000,
        expect![[r#"
        60s closed stranded on vm/one: the resource is gone
    "#]],
    );
    assert_eq!(bench.driver.engine().findings().count(), 0);
}

const CROWD: &str = "select: {kind: vm}\nwhen: host.children(\"vm\").count(state == \"running\") >= 2";

#[test]
fn who_reads_what_else_is_on_its_host_hears_that_the_host_goes_and_comes_back() {
    let resources = [small(), vec![vm("vm/two", "host/a", 1.0)]].concat();
    let mut bench = Bench::new(&observing("crowd", CROWD), resources, vec![]);
    bench.driver.run_until(at(10));
    assert_eq!(bench.driver.engine().findings().count(), 2);
    gone(&mut bench, 20, "host/a");
    bench.until(30, expect![[r#""#]]);
    assert_eq!(truth(&mut bench, "vm/one"), Truth::Unknown);
    bench.describe(40, owned(host("host/a", 8.0, &[]))).until(45, expect![[r#""#]]);
    assert_eq!(truth(&mut bench, "vm/one"), Truth::True);
    bench.describe(50, owned(vm("vm/two", "host/b", 1.0))).until(4000, expect![[r#"
        51s closed crowd on vm/one: host.children("vm").count(state == "running") >= 2 is false (host.children("vm").count(state == "running") = 1)
    "#]]);
}

#[test]
fn what_is_carried_along_when_its_parent_moves_reads_the_new_host() {
    let yaml = observing("crowd", &CROWD.replace("kind: vm", "kind: container"));
    let mut inside = Resource::named(id("container/x"));
    inside.on = Some(id("vm/one"));
    let others = vec![host("host/b", 8.0, &[]), vm("vm/two", "host/a", 1.0), vm("vm/three", "host/a", 1.0), inside];
    let mut bench = Bench::new(&yaml, [small(), others].concat(), vec![]);
    bench.driver.run_until(at(10));
    assert_eq!(bench.driver.engine().findings().count(), 1);
    bench.describe(20, owned(vm("vm/one", "host/b", 1.0))).until(4000, expect![[r#"
        20s closed crowd on container/x: host.children("vm").count(state == "running") >= 2 is false (host.children("vm").count(state == "running") = 1)
    "#]]);
    bench.describe(4010, owned(vm("vm/four", "host/b", 1.0))).until(4020, expect![[r#"
        4011s opened crowd on container/x: host.children("vm").count(state == "running") >= 2 is true (host.children("vm").count(state == "running") = 2)
        4011s held crowd on container/x: mode observe: findings only
    "#]]);
}

#[test]
fn nothing_is_within_a_host_that_is_gone() {
    let yaml = observing("inside", "select: {kind: vm, within: host/a}\nwhen: last(\"cpu\") > 50%");
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        15,
        expect![[r#"
        10s opened inside on vm/one: last("cpu") > 50% is true (last(cpu) = 0.9)
        10s held inside on vm/one: mode observe: findings only
    "#]],
    );
    gone(&mut bench, 20, "host/a");
    bench.sample(30, "vm/one", "cpu", 0.9).until(
        35,
        expect![[r#"
        20s closed inside on vm/one: the policy no longer selects the resource
    "#]],
    );
    // Nobody listened in between: what was measured then is not known.
    bench.describe(40, owned(host("host/a", 8.0, &[])));
    assert_eq!(truth(&mut bench, "vm/one"), Truth::Unknown);
    bench.sample(50, "vm/one", "cpu", 0.9).until(
        50,
        expect![[r#"
        50s opened inside on vm/one: last("cpu") > 50% is true (last(cpu) = 0.9)
        50s held inside on vm/one: mode observe: findings only
    "#]],
    );
}

#[test]
fn a_host_hears_of_its_children_in_whatever_order_they_and_the_policy_come() {
    let other = observing("racks", "select: {kind: rack}\nwhen: last(\"cpu\") > 50%");
    let kids = observing("kids", "select: {kind: host}\nwhen: children(\"vm\").any(last(\"cpu\") > 50%)");
    let mut bench = Bench::new(&other, small(), vec![]);
    gone(&mut bench, 2, "vm/one");
    gone(&mut bench, 2, "host/a");
    bench.replace(5, &kids);
    bench.describe(10, owned(vm("vm/one", "host/a", 1.0))).describe(11, owned(host("host/a", 8.0, &[])));
    bench.sample(20, "vm/one", "cpu", 0.9).until(30, expect![[r#"
        5s loaded ["kids"]
        21s opened kids on host/a: children("vm").any(last("cpu") > 50%) is true (children("vm").any(last("cpu") > 50%) = true)
        21s held kids on host/a: mode observe: findings only
    "#]]);
    bench.sample(40, "vm/one", "cpu", 0.1).until(50, expect![[r#"
        41s closed kids on host/a: children("vm").any(last("cpu") > 50%) is false (children("vm").any(last("cpu") > 50%) = false)
    "#]]);
}

#[test]
fn an_event_dated_in_the_future_does_not_hide_those_that_follow() {
    let flap = observing("flap", "select: {kind: vm}\non: {event: vm.restarted, count: 3, within: 1m}");
    let silent = observing("silent", "select: {kind: vm}\non: {absent: heartbeat, for: 2m}");
    let mut bench = Bench::new(&[flap, silent].concat(), small(), vec![]);
    for event_type in ["vm.restarted", "heartbeat"] {
        let event = Event {
            resource: id("vm/one"),
            event_type: EventType::new(event_type).unwrap(),
            time: at(365 * 86_400),
            id: String::new(),
            attributes: Default::default(),
        };
        bench.driver.handle(at(10), Input::Observed(Observation::Event(event)));
    }
    // The one from the future is the first of the minute in which it came, and of no other.
    bench.event(80, "vm/one", "vm.restarted", &[]).event(90, "vm/one", "vm.restarted", &[]).until(99, expect![[r#""#]]);
    bench.event(100, "vm/one", "vm.restarted", &[]).until(
        86_400,
        expect![[r#"
        100s opened flap on vm/one: event vm.restarted is true
        100s held flap on vm/one: mode observe: findings only
        100s closed flap on vm/one: it was observed
        130s opened silent on vm/one: no event heartbeat for 2m is true (the last one = "2m ago")
        130s held silent on vm/one: mode observe: findings only
    "#]],
    );
}

#[test]
fn an_event_that_waits_when_its_policy_is_edited_is_given_up_and_that_is_said() {
    let crash = |more: &str| {
        let lines = "select: {kind: vm}\non: {event: vm.crashed}\nwhen: last(\"cpu\") > 50%";
        policy("crash", &format!("{lines}\ncooldown: {more}\nthen: [restart]"))
    };
    let mut bench = Bench::new(&crash("1m"), small(), vec![]);
    bench.event(10, "vm/one", "vm.crashed", &[]).replace(20, &crash("2m"));
    bench.sample(30, "vm/one", "cpu", 0.9).until(
        4000,
        expect![[r#"
        20s loaded ["crash"]
        20s refused event for crash on vm/one: event vm.crashed: the policy was changed or removed
    "#]],
    );
}

#[test]
fn people_are_told_of_an_event_whose_condition_nobody_can_see() {
    let lines = "select: {kind: vm}\non: {event: vm.crashed}\nwhen: event.code > 5\nonUnknown: notify\nthen: [restart]";
    let mut bench = Bench::new(&policy("crash", lines), small(), vec![]);
    // Without an event there is nothing to see.
    bench.until(1000, expect![[r#""#]]);
    bench.event(1010, "vm/one", "vm.crashed", &[]).until(5000, expect![[r#"
        1130s told: policy crash cannot see vm/one: event vm.crashed is true; event.code > 5 is unknown (event.code is not known)
        1310s refused event for crash on vm/one: its condition did not become known within 5m: event vm.crashed is true; event.code > 5 is unknown (event.code is not known)
    "#]]);
}
