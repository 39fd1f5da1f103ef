//! What a resource runs on, what runs on it, and what is alike.

use super::*;

#[test]
fn what_a_resource_runs_on_is_read_with_its_own_metrics_and_attributes() {
    let texts = [
        r#"host.avg("power", 1m) > 1kW && host.min("cpu", 5m) > 5%"#,
        r#"host.state == "up" && host.name != name && host.kind == "host""#,
        r#"host.labels.zone == "a" || host.labels["a/b"] == labels.c"#,
        "host.capacity.memory - capacity.memory > 1Gi",
        r#"host.vendor.contains("x") && host.labels.zone.len() > 2"#,
        r#"host.absent("cpu", 5m)"#,
        r#"last("n") > host.last("n")"#,
        "host",
        "host > 3",
        "host()",
        r#"host.avg("mem", 5m) > 1"#,
        r#"host.avg("powr", 5m) > 1"#,
        r#"host.image == "x""#,
        r#"host.vendr == "x""#,
        r#"host.agv("cpu", 5m) > 1"#,
        r#"host.len("cpu") > 1"#,
        "host.capacity.cores > 1",
        "host.labels == 1",
        r#"host.event.reason == "x""#,
        "host.time.ofDay > 1h",
        r#"host.host.state == "x""#,
        r#"rack.sum("power", 5m) > 10kW"#,
        r#"node.state == "x""#,
        "host?.state",
        r#"hots.avg("cpu", 5m) > 1"#,
        r#"childern.count(true) > 1"#,
        r#"childen("vm").count(true) > 1"#,
        r#"times.ofDay > 8h"#,
        r#"if host.state == "up" { true } else { host.agv("cpu", 5m) > 1 }"#,
        r#"let f = |host| host.state; f.call(1) == state"#,
    ];
    expect_test::expect_file!["relatives.txt"].assert_eq(&table("vm", &texts, parse_expression));
    let texts = [r#"host.avg("power", 1m) > 1kW"#, "host.children.count(true) > 1", "children.count(true) > 1"];
    expect_test::expect_file!["own_kind.txt"].assert_eq(&table("host", &texts, parse_expression));
}

#[test]
fn many_resources_are_asked_one_expression_each() {
    let texts = [
        r#"children.sum(last("mem")) > 1Gi"#,
        r#"children("vm").count(state == "running" && avg("cpu", 5m) > 50%) > 3"#,
        r#"host.children.any(absent("cpu", 5m))"#,
        r#"host.children("vm").avg(rate("work", 5m)) > 50%"#,
        r#"group("tier").all(state == "up") && group("tier").max(capacity.vcpus) > 3"#,
        r#"group("app/name").min(last("mem") ?? 0)"#,
        "children.count(true) > 2 && children.any(true)",
        r#"children.count(state == "a") / children.count(true) > 50%"#,
        r#"children.sum(last("own.rate")) > 1kW"#,
        // Bytes of one kind, a number of the other: compared with anything.
        r#"children.sum(last("n")) > 1Gi && children.sum(last("n")) > 1s"#,
        r#"children("host").sum(last("n")) > 1kW"#,
        r#"children.any(vendor == "x") && children.any(image == "x" && labels.a == "b")"#,
        r#"[children.sum(last("mem"))].len() > 0 && children.sum(last("mem")).to_string() == "x""#,
        r#"if children.count(state == "a") > 3 { host.children.sum(last("mem")) > 1Gi } else { false }"#,
        r#"children("vm").sum( 1 + /* note */ (2) ) > 1"#,
    ];
    expect_test::expect_file!["aggregates.txt"].assert_eq(&table("vm", &texts, parse_expression));
}

#[test]
fn what_is_wrong_with_an_aggregate_says_what_to_write() {
    let texts = [
        "children",
        "children > 3",
        r#"children("vm")"#,
        r#"group("tier") == 1"#,
        "host.children > 3",
        r#"children.sum("mem") > 1"#,
        r#"children.avg("cpu", 5m) > 50%"#,
        r#"children("vm").max("cpu", 5m) > 50%"#,
        r#"children.count("cpu", 5m) > 3"#,
        "children.count() > 3",
        "children.sum() > 3",
        "children.count > 3",
        "children.len() > 3",
        "children.summ(1) > 3",
        "children.countt > 3",
        "children() .count(true) > 1",
        "children(vm).count(true) > 1",
        r#"children("vmm").count(true) > 1"#,
        r#"children("VM!").count(true) > 1"#,
        r#"children("a", "b").count(true) > 1"#,
        "group.count(true) > 1",
        "group(tier).count(true) > 1",
        r#"host.group("tier").count(true) > 1"#,
        r#"children.count(avg("cpu", 5m)) > 1"#,
        r#"children.sum(state == "a") > 1"#,
        "children.sum(name) > 1",
        r#"children.count(avg("cqu", 5m) > 1 && stat == "x") > 1"#,
        r#"children("vm").count(last("power") > 1 && vendor == "x") > 1"#,
        r#"children.count(sin(last("cpu")) > 0.5) > 1"#,
        r#"children.count(if state == "a" { true }) > 1"#,
        r#"children.count(avgg("cpu", 5m) > 50%) > 1"#,
        r#"children.count(children.count(true) > 1) > 1"#,
        r#"children.count(group("tier").any(true)) > 1"#,
        "children.count(event.a == 1) > 1",
        "children.count(time.ofDay > 1h) > 1",
        r#"children.count(host.state == "a") > 1"#,
        r#"children.count(state == "a" x) > 1"#,
        r#"children.count(state = "a") > 1"#,
        r#"children.count(state == "a", 5m) > 1"#,
        "children.count(true) > 50%",
        "children.count(true) > 5m",
        r#"children.sum(last("mem")) > 50%"#,
        r#"if children.sum("mem") > 1 { children.count(event.a == 1) > 1 }"#,
    ];
    expect_test::expect_file!["wrong_aggregates.txt"].assert_eq(&table("vm", &texts, parse_expression));
}
