//! What policies read of other resources than the one that they watch.

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

fn labelled(mut resource: Resource, label: &str, value: &str) -> Resource {
    resource.labels.insert(label.into(), value.into());
    // Owned by the adapter of the bench, as it is when the bench describes it.
    resource.adapter = Some(AdapterName::new("assumed").unwrap());
    resource
}

fn on(mut resource: Resource, parent: &str) -> Resource {
    resource.on = Some(id(parent));
    labelled(resource, "bench", "yes")
}

const NEIGHBOUR: &str = "
select: {kind: vm}
when: last(\"cpu\") > 50% && host.avg(\"cpu\", 1m) > 80% && host.state == \"up\"
mode: observe
then: [migrate]
";

#[test]
fn a_vm_reads_its_host() {
    let resources = vec![host("host/a", 8.0, &[]), host("host/b", 8.0, &[]), vm("vm/one", "host/a", 2.0)];
    let mut bench = Bench::new(&policy("neighbour", NEIGHBOUR), resources, vec![]);
    bench.sample(10, "vm/one", "cpu", 0.6).sample(20, "host/b", "cpu", 0.9).until(30, expect![[r#""#]]);
    bench.sample(40, "host/a", "cpu", 0.9).until(40, expect![[r#"
        40s opened neighbour on vm/one: last("cpu") > 50% is true (last(cpu) = 0.6); host.avg("cpu", 1m) > 80% is true (host.avg(cpu, 1m) = 0.9); host.state == "up" is true (host.state = "up")
        40s held neighbour on vm/one: mode observe: findings only
    "#]]);
    bench.describe(50, on(vm("vm/one", "host/b", 2.0), "host/b")).sample(55, "host/b", "cpu", 0.3).until(60, expect![[r#"
        55s closed neighbour on vm/one: last("cpu") > 50% is true (last(cpu) = 0.6); host.avg("cpu", 1m) > 80% is false (host.avg(cpu, 1m) = 0.6); host.state == "up" is true (host.state = "up")
    "#]]);
    bench.sample(70, "host/b", "cpu", 1.0).sample(80, "host/b", "cpu", 1.0).sample(90, "host/b", "cpu", 1.0).until(90, expect![[r#"
        90s opened neighbour on vm/one: last("cpu") > 50% is true (last(cpu) = 0.6); host.avg("cpu", 1m) > 80% is true (host.avg(cpu, 1m) = 0.825); host.state == "up" is true (host.state = "up")
        90s held neighbour on vm/one: mode observe: findings only
    "#]]);
    let mut down = host("host/b", 8.0, &[("state", "down".into())]);
    down.adapter = Some(AdapterName::new("assumed").unwrap());
    bench.describe(95, down).until(95, expect![[r#"
        95s closed neighbour on vm/one: last("cpu") > 50% is true (last(cpu) = 0.6); host.avg("cpu", 1m) > 80% is true (host.avg(cpu, 1m) = 0.825); host.state == "up" is false (host.state = "down")
    "#]]);
}

const CROWDED: &str = "
select: {kind: host}
when: children(\"vm\").sum(last(\"mem\") ?? 0) > 10 && children.count(state == \"running\") >= 2
mode: observe
then: [evacuate]
";

#[test]
fn a_host_reads_what_runs_on_it() {
    let resources = vec![
        host("host/a", 8.0, &[]),
        vm("vm/one", "host/a", 2.0),
        vm("vm/two", "host/a", 2.0),
        vm("vm/far", "host/b", 2.0),
    ];
    let mut bench = Bench::new(&policy("crowded", CROWDED), resources, vec![]);
    bench.sample(10, "vm/one", "mem", 8.0).sample(10, "vm/far", "mem", 80.0).until(12, expect![[r#""#]]);
    // At the next full second.
    bench.sample(20, "vm/two", "mem", 3.0).until(20, expect![[r#""#]]);
    bench.until(21, expect![[r#"
        21s opened crowded on host/a: children("vm").sum(last("mem") ?? 0) > 10 is true (children("vm").sum(last("mem") ?? 0) = 11); children.count(state == "running") >= 2 is true (children.count(state == "running") = 2)
        21s held crowded on host/a: mode observe: findings only
    "#]]);
    bench.sample(30, "vm/two", "mem", 1.0).until(32, expect![[r#"
        31s closed crowded on host/a: children("vm").sum(last("mem") ?? 0) > 10 is false (children("vm").sum(last("mem") ?? 0) = 9); children.count(state == "running") >= 2 is true (children.count(state == "running") = 2)
    "#]]);
    bench.sample(40, "vm/two", "mem", 5.0).until(42, expect![[r#"
        41s opened crowded on host/a: children("vm").sum(last("mem") ?? 0) > 10 is true (children("vm").sum(last("mem") ?? 0) = 13); children.count(state == "running") >= 2 is true (children.count(state == "running") = 2)
        41s held crowded on host/a: mode observe: findings only
    "#]]);
    bench.describe(50, on(vm("vm/two", "host/a", 2.0), "host/b")).until(52, expect![[r#"
        51s closed crowded on host/a: children("vm").sum(last("mem") ?? 0) > 10 is false (children("vm").sum(last("mem") ?? 0) = 8); children.count(state == "running") >= 2 is true (children.count(state == "running") = 2)
    "#]]);
    // Stale after two minutes: what is not known counts as the policy says.
    bench.describe(60, on(vm("vm/far", "host/a", 2.0), "host/a")).until(62, expect![[r#"
        61s opened crowded on host/a: children("vm").sum(last("mem") ?? 0) > 10 is true (children("vm").sum(last("mem") ?? 0) = 88); children.count(state == "running") >= 2 is true (children.count(state == "running") = 2)
        61s held crowded on host/a: mode observe: findings only
    "#]]);
    bench.until(400, expect![[r#"
        131s closed crowded on host/a: children("vm").sum(last("mem") ?? 0) > 10 is false (children("vm").sum(last("mem") ?? 0) = 0); children.count(state == "running") >= 2 is true (children.count(state == "running") = 2)
    "#]]);
}

#[test]
fn one_member_that_is_not_known_makes_a_sum_unknown_and_any_may_still_be_true() {
    let sum = "select: {kind: host}\nwhen: children.sum(last(\"mem\")) > 10\nmode: observe\nthen: [evacuate]\n";
    let any = "select: {kind: host}\nwhen: children.any(last(\"mem\") > 10)\nmode: observe\nthen: [evacuate]\n";
    let resources = vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0), vm("vm/two", "host/a", 2.0)];
    let mut bench = Bench::new(&[policy("sum", sum), policy("any", any)].concat(), resources, vec![]);
    bench.sample(10, "vm/one", "mem", 80.0).until(
        20,
        expect![[r#"
        11s opened any on host/a: children.any(last("mem") > 10) is true (children.any(last("mem") > 10) = true)
        11s held any on host/a: mode observe: findings only
    "#]],
    );
    bench.sample(30, "vm/two", "mem", 1.0).until(
        40,
        expect![[r#"
        31s opened sum on host/a: children.sum(last("mem")) > 10 is true (children.sum(last("mem")) = 81)
        31s held sum on host/a: mode observe: findings only
    "#]],
    );
}

const ALONE: &str = "
select: {kind: vm, matchLabels: {role: primary}}
when: group(\"db\").count(state == \"running\") < 2
mode: observe
then: [restart]
";

#[test]
fn a_group_is_what_carries_the_same_label() {
    let db = |name: &str, db: &str, role: &str| labelled(labelled(vm(name, "host/a", 1.0), "db", db), "role", role);
    let resources = vec![
        host("host/a", 8.0, &[]),
        db("vm/one", "orders", "primary"),
        db("vm/two", "orders", "replica"),
        db("vm/three", "users", "primary"),
    ];
    let mut bench = Bench::new(&policy("alone", ALONE), resources, vec![]);
    bench.until(5, expect![[r#""#]]);
    let mut stopped = db("vm/two", "orders", "replica");
    stopped.attributes.insert("state".into(), "stopped".into());
    bench.describe(10, stopped).until(12, expect![[r#"
        11s opened alone on vm/one: group("db").count(state == "running") < 2 is true (group("db").count(state == "running") = 1)
        11s held alone on vm/one: mode observe: findings only
    "#]]);
    bench.describe(20, db("vm/four", "orders", "replica")).until(22, expect![[r#"
        21s closed alone on vm/one: group("db").count(state == "running") < 2 is false (group("db").count(state == "running") = 2)
    "#]]);
    bench.describe(30, db("vm/four", "users", "replica")).until(32, expect![[r#"
        31s closed alone on vm/three: group("db").count(state == "running") < 2 is false (group("db").count(state == "running") = 2)
        31s opened alone on vm/one: group("db").count(state == "running") < 2 is true (group("db").count(state == "running") = 1)
        31s held alone on vm/one: mode observe: findings only
    "#]]);
}

const RACK: &str = "
select: {kind: vm, matchExpressions: [{key: tier, operator: NotIn, values: [web]}], within: {kind: rack, name: r1}}
when: last(\"cpu\") > 50%
mode: observe
then: [migrate]
";

#[test]
fn a_policy_may_select_by_what_something_runs_on() {
    let rack = |name: &str| labelled(Resource::named(id(name)), "site", "x");
    let mut placed = host("host/a", 8.0, &[]);
    placed.on = Some(id("rack/r1"));
    let web = labelled(vm("vm/web", "host/a", 2.0), "tier", "web");
    let resources = vec![rack("rack/r1"), rack("rack/r2"), placed.clone(), vm("vm/one", "host/a", 2.0), web];
    let mut bench = Bench::new(&policy("rack", RACK), resources, vec![]);
    bench.sample(10, "vm/one", "cpu", 0.6).sample(10, "vm/web", "cpu", 0.6).until(
        10,
        expect![[r#"
        10s opened rack on vm/one: last("cpu") > 50% is true (last(cpu) = 0.6)
        10s held rack on vm/one: mode observe: findings only
    "#]],
    );
    // The host is carried to another rack, and back.
    bench.describe(20, on(placed.clone(), "rack/r2")).until(
        20,
        expect![[r#"
        20s closed rack on vm/one: the policy no longer selects the resource
    "#]],
    );
    bench.describe(30, on(placed, "rack/r1")).sample(31, "vm/one", "cpu", 0.7).until(
        31,
        expect![[r#"
        31s opened rack on vm/one: last("cpu") > 50% is true (last(cpu) = 0.7)
        31s held rack on vm/one: mode observe: findings only
    "#]],
    );
}

#[test]
fn what_runs_on_a_host_that_goes_does_not_see_it_any_more() {
    let resources = vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)];
    let mut bench = Bench::new(&policy("neighbour", NEIGHBOUR), resources, vec![]);
    bench.sample(10, "vm/one", "cpu", 0.6).sample(10, "host/a", "cpu", 0.9).until(10, expect![[r#"
        10s opened neighbour on vm/one: last("cpu") > 50% is true (last(cpu) = 0.6); host.avg("cpu", 1m) > 80% is true (host.avg(cpu, 1m) = 0.9); host.state == "up" is true (host.state = "up")
        10s held neighbour on vm/one: mode observe: findings only
    "#]]);
    let adapter = AdapterName::new("assumed").unwrap();
    let gone = InventoryChange::Gone { adapter, resource: id("host/a") };
    bench.driver.handle(at(20), homeostat_engine::Input::Observed(Observation::Inventory(gone)));
    bench.sample(30, "vm/one", "cpu", 0.7).until(30, expect![[r#""#]]);
    let explained = bench.driver.engine().explain(&id("vm/one"));
    assert_eq!(explained[0].evidence.truth, Truth::Unknown);
}
