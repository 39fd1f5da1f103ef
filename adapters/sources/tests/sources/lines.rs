//! Lines that are read and lines that are refused.

use expect_test::{Expect, expect};
use homeostat_model::Timestamp;
use homeostat_sources::{Mapping, parse_line};

use super::told::{mapping, told};

fn check(mapping: &Mapping, lines: &[&str], expected: &Expect) {
    let mut seen = String::new();
    for line in lines {
        seen += &format!("{line}\n");
        match parse_line(line, mapping, Timestamp::from_millis(42)) {
            Ok(observations) if observations.is_empty() => seen += "    nothing\n",
            Ok(observations) => observations.iter().for_each(|one| seen += &format!("    {}\n", told(one))),
            Err(error) => seen += &format!("    ! {error}\n"),
        }
    }
    expected.assert_eq(&seen);
}

#[test]
fn sample_lines() {
    check(
        &Mapping::default(),
        &[
            r#"{"resource":"vm/v1","time":1700000000000,"metrics":{"cpu":0.91},"labels":{"tier":"web","rack":4,"old":null}}"#,
            r#"{"resource":"vm/v1","time":"2023-11-14T22:13:20.5Z","metrics":{"cpu":1,"mem":2e9,"gap":null}}"#,
            r#"{"resource":"vm/v1","metrics":{"cpu":0.5}}"#,
            r#"{"resource":"vm/v1","labels":{"tier":"web"}}"#,
            r#"{"resource":"vm/v1","time":null,"metrics":null,"labels":null}"#,
            r#"{"labels":{"container":"web"},"metrics":{"cpu":0.5}}"#,
            r#"{"labels":{"instance":"h1:9100"},"metrics":{"load":3}}"#,
            "",
        ],
        &expect![[r#"
            {"resource":"vm/v1","time":1700000000000,"metrics":{"cpu":0.91},"labels":{"tier":"web","rack":4,"old":null}}
                vm/v1 labels {"rack": "4", "tier": "web"}
                vm/v1 cpu = 0.91 at 1700000000000
            {"resource":"vm/v1","time":"2023-11-14T22:13:20.5Z","metrics":{"cpu":1,"mem":2e9,"gap":null}}
                vm/v1 cpu = 1 at 1700000000500
                vm/v1 mem = 2000000000 at 1700000000500
            {"resource":"vm/v1","metrics":{"cpu":0.5}}
                vm/v1 cpu = 0.5 at 42
            {"resource":"vm/v1","labels":{"tier":"web"}}
                vm/v1 labels {"tier": "web"}
            {"resource":"vm/v1","time":null,"metrics":null,"labels":null}
                vm/v1 labels {}
            {"labels":{"container":"web"},"metrics":{"cpu":0.5}}
                container/web labels {"container": "web"}
                container/web cpu = 0.5 at 42
            {"labels":{"instance":"h1:9100"},"metrics":{"load":3}}
                host/h1 labels {"instance": "h1:9100"}
                host/h1 load = 3 at 42
   
                nothing
        "#]],
    );
}

#[test]
fn bad_sample_lines() {
    check(
        &Mapping::default(),
        &[
            r#"{"resource":"vm/v1","metric":{"cpu":0.91}}"#,
            r#"{"resource":"vm/v1","Metrics":{"cpu":0.91}}"#,
            r#"{"resource":"vm/v1","hostname":"h1"}"#,
            r#"{"resource":"vm/v1","metrics":{"cpu":"0.91"}}"#,
            r#"{"resource":"vm/v1","metrics":{"cpu":true}}"#,
            r#"{"resource":"vm/v1","metrics":{"cpu":1e999}}"#,
            r#"{"resource":"vm/v1","metrics":{"cpu load":1}}"#,
            r#"{"resource":"vm/v1","metrics":{"cpu":1,"cpu":2}}"#,
            r#"{"resource":"vm/v1","metrics":[1]}"#,
            r#"{"resource":"vm/v1","labels":{"a":{"b":"c"}}}"#,
            r#"{"resource":"vm/v1","labels":"web"}"#,
            r#"{"resource":"vm/v1","time":"yesterday"}"#,
            r#"{"resource":"vm/v1","time":1700000000000000}"#,
            r#"{"resource":"vm/v1","resource":"vm/v2"}"#,
            r#"{"resource":"web-1","metrics":{"cpu":1}}"#,
            r#"{"resource":"vm/web 1","metrics":{"cpu":1}}"#,
            r#"{"resource":7}"#,
            r#"{"labels":{"tier":"web"},"metrics":{"cpu":1}}"#,
            r#"{"metrics":{"cpu":1}}"#,
            r#"{"resource":"vm/v1","metrics":{"cpu":0.91}"#,
            r#"{"resource":"vm/v1",}"#,
            r#"{"resource":"vm/ü", nonsense}"#,
            r#"{"ü":"ü","resource":"vm/v1","metrics":{"cpu":"x"}}"#,
            r#"{"resource":"vm/v1"} {"resource":"vm/v2"}"#,
            "[1, 2]",
            "cpu 0.91",
        ],
        &expect![[r#"
            {"resource":"vm/v1","metric":{"cpu":0.91}}
                ! column 21: the key `metric` is not known; did you mean `metrics`?
            {"resource":"vm/v1","Metrics":{"cpu":0.91}}
                ! column 21: the key `Metrics` is not known; did you mean `metrics`?
            {"resource":"vm/v1","hostname":"h1"}
                ! column 21: the key `hostname` is not known; name it in the mapping, under `metrics` or under `ignore`, or leave it out
            {"resource":"vm/v1","metrics":{"cpu":"0.91"}}
                ! column 38: metric `cpu` is a text, not a number such as 0.91; leave out what was not measured
            {"resource":"vm/v1","metrics":{"cpu":true}}
                ! column 38: metric `cpu` is a truth, not a number such as 0.91; leave out what was not measured
            {"resource":"vm/v1","metrics":{"cpu":1e999}}
                ! column 38: metric `cpu` is a number out of range, not a number such as 0.91; leave out what was not measured
            {"resource":"vm/v1","metrics":{"cpu load":1}}
                ! column 32: `cpu load` is not a metric name: the character ' ' is not allowed; letters, digits and `._:-/` are
            {"resource":"vm/v1","metrics":{"cpu":1,"cpu":2}}
                ! column 40: metric `cpu` is given twice; leave one of them out
            {"resource":"vm/v1","metrics":[1]}
                ! column 31: `metrics` is a list, not an object of numbers, such as {"cpu":0.91}
            {"resource":"vm/v1","labels":{"a":{"b":"c"}}}
                ! column 35: label `a` is an object, not a text such as "web"
            {"resource":"vm/v1","labels":"web"}
                ! column 30: `labels` is a text, not an object of texts, such as {"tier":"web"}
            {"resource":"vm/v1","time":"yesterday"}
                ! column 28: `time`: `yesterday` is not a time; write milliseconds since the epoch (1700000000000) or RFC 3339 ("2023-11-14T22:13:20Z")
            {"resource":"vm/v1","time":1700000000000000}
                ! column 28: `time`: 1700000000000000 is beyond the year 9999 when it counts milliseconds; write milliseconds since the epoch (1700000000000) or RFC 3339 ("2023-11-14T22:13:20Z")
            {"resource":"vm/v1","resource":"vm/v2"}
                ! column 21: `resource` is given twice; leave one of them out
            {"resource":"web-1","metrics":{"cpu":1}}
                ! column 13: `web-1` is not a resource id: it has no `/`; write kind/name, such as vm/web-1; it was made by `${resource}`: correct what it is made of, or add a template to mapping.resource
            {"resource":"vm/web 1","metrics":{"cpu":1}}
                ! column 13: `web 1` is not a resource id: the character ' ' is not allowed; letters, digits and `-._:/@+` are; it was made by `${resource}`: correct what it is made of, or add a template to mapping.resource
            {"resource":7}
                ! column 13: `7` is not a resource id: it has no `/`; write kind/name, such as vm/web-1; it was made by `${resource}`: correct what it is made of, or add a template to mapping.resource
            {"labels":{"tier":"web"},"metrics":{"cpu":1}}
                ! it names no resource: `resource`, `labels.container`, `labels.vm`, `labels.pod`, `labels.host`, `labels.instance` are missing; the line has `labels.tier`; add one that is missing, or a template over what there is to mapping.resource
            {"metrics":{"cpu":1}}
                ! it names no resource: `resource`, `labels.container`, `labels.vm`, `labels.pod`, `labels.host`, `labels.instance` are missing; the line has nothing; add one that is missing, or a template over what there is to mapping.resource
            {"resource":"vm/v1","metrics":{"cpu":0.91}
                ! column 42: it is not JSON: EOF while parsing an object; write one JSON object a line
            {"resource":"vm/v1",}
                ! column 21: it is not JSON: key must be a string; write one JSON object a line
            {"resource":"vm/ü", nonsense}
                ! column 21: it is not JSON: key must be a string; write one JSON object a line
            {"ü":"ü","resource":"vm/v1","metrics":{"cpu":"x"}}
                ! column 2: the key `ü` is not known; name it in the mapping, under `metrics` or under `ignore`, or leave it out
            {"resource":"vm/v1"} {"resource":"vm/v2"}
                ! column 22: it is not JSON: trailing characters; write one JSON object a line
            [1, 2]
                ! column 1: the line is a list, not an object such as {"resource":"vm/v1","metrics":{"cpu":0.91}}
            cpu 0.91
                ! column 1: it is not JSON: expected value; write one JSON object a line
        "#]],
    );
}

#[test]
fn cloud_events() {
    check(
        &Mapping::default(),
        &[
            r#"{"specversion":"1.0","id":"1","source":"/hv/1","type":"vm.crashed","subject":"vm/v1","time":"2023-11-14T22:13:20Z","data":{"exitCode":137,"oom":true,"by":{"name":"kernel","pid":1},"list":[1],"none":null}}"#,
            r#"{"specversion":"1.0","id":"2","source":"a","type":"x","subject":"vm/v1","traceid":"7","datacontenttype":"text/plain","data":"gone"}"#,
            r#"{"specversion":"1.0","id":"3","source":"a","type":"x","subject":"vm/v1","data":{"source":"disk","a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":1}}}}}}}}}}"#,
            r#"{"specversion":"1.0","id":"4","source":"a","type":"x","subject":"vm/v1","data_base64":"AA=="}"#,
        ],
        &expect![[r#"
            {"specversion":"1.0","id":"1","source":"/hv/1","type":"vm.crashed","subject":"vm/v1","time":"2023-11-14T22:13:20Z","data":{"exitCode":137,"oom":true,"by":{"name":"kernel","pid":1},"list":[1],"none":null}}
                vm/v1 vm.crashed at 1700000000000, id /hv/1#1, {"by.name": Text("kernel"), "by.pid": Number(1.0), "exitCode": Number(137.0), "oom": Bool(true), "source": Text("/hv/1"), "subject": Text("vm/v1")}
            {"specversion":"1.0","id":"2","source":"a","type":"x","subject":"vm/v1","traceid":"7","datacontenttype":"text/plain","data":"gone"}
                vm/v1 x at 42, id a#2, {"data": Text("gone"), "source": Text("a"), "subject": Text("vm/v1"), "traceid": Text("7")}
            {"specversion":"1.0","id":"3","source":"a","type":"x","subject":"vm/v1","data":{"source":"disk","a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":1}}}}}}}}}}
                vm/v1 x at 42, id a#3, {"source": Text("disk"), "subject": Text("vm/v1")}
            {"specversion":"1.0","id":"4","source":"a","type":"x","subject":"vm/v1","data_base64":"AA=="}
                vm/v1 x at 42, id a#4, {"source": Text("a"), "subject": Text("vm/v1")}
        "#]],
    );
}

#[test]
fn bad_cloud_events() {
    check(
        &Mapping::default(),
        &[
            r#"{"specversion":"0.3","id":"1","source":"a","type":"x","subject":"vm/v1"}"#,
            r#"{"specversion":1.0,"id":"1","source":"a","type":"x","subject":"vm/v1"}"#,
            r#"{"specversion":"1.0","source":"a","type":"x","subject":"vm/v1"}"#,
            r#"{"specversion":"1.0","id":"","source":"a","type":"x","subject":"vm/v1"}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","subject":"vm/v1"}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"vm crashed","subject":"vm/v1"}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"x","Subject":"vm/v1"}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"x","exit_code":1}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"x","subject":"vm/v1","time":"now"}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"x","subject":"web-1"}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"x","data":{"vm":"web-1"}}"#,
        ],
        &expect![[r#"
            {"specversion":"0.3","id":"1","source":"a","type":"x","subject":"vm/v1"}
                ! column 16: CloudEvents version 0.3 is not known; `specversion` has to be "1.0"
            {"specversion":1.0,"id":"1","source":"a","type":"x","subject":"vm/v1"}
                ! column 16: `specversion` is a number, not a text with something in it
            {"specversion":"1.0","source":"a","type":"x","subject":"vm/v1"}
                ! the event has no `id`; CloudEvents have specversion, id, source and type
            {"specversion":"1.0","id":"","source":"a","type":"x","subject":"vm/v1"}
                ! column 27: `id` is empty, not a text with something in it
            {"specversion":"1.0","id":"1","source":"a","subject":"vm/v1"}
                ! the event has no `type`; CloudEvents have specversion, id, source and type
            {"specversion":"1.0","id":"1","source":"a","type":"vm crashed","subject":"vm/v1"}
                ! column 51: `vm crashed` is not a event type: the character ' ' is not allowed; letters, digits and `-._/:` are
            {"specversion":"1.0","id":"1","source":"a","type":"x","Subject":"vm/v1"}
                ! column 55: the key `Subject` is not known; did you mean `subject`?
            {"specversion":"1.0","id":"1","source":"a","type":"x","exit_code":1}
                ! column 55: the key `exit_code` is not known; extension attributes have lower-case letters and digits only; other details belong into `data`
            {"specversion":"1.0","id":"1","source":"a","type":"x","subject":"vm/v1","time":"now"}
                ! column 80: `time`: `now` is not a time; write milliseconds since the epoch (1700000000000) or RFC 3339 ("2023-11-14T22:13:20Z")
            {"specversion":"1.0","id":"1","source":"a","type":"x","subject":"web-1"}
                ! column 65: `web-1` is not a resource id: it has no `/`; write kind/name, such as vm/web-1; it was made by `${subject}`: correct what it is made of, or add a template to mapping.resource
            {"specversion":"1.0","id":"1","source":"a","type":"x","data":{"vm":"web-1"}}
                ! it names no resource: `subject` is missing; the event has `specversion`, `id`, `source`, `type`, `data.vm`; add one that is missing, or a template over what there is to mapping.resource
        "#]],
    );
}

#[test]
fn foreign_lines() {
    check(
        &mapping(
            r#"{"resource": ["vm/${tags.vm}", "host/${node.address|host}", "vm/${data.vm}"], "time": "ts|seconds", "labels": "tags",
                "metrics": {"cpu": "cpu.utilization", "mem": "memory.used"}, "ignore": ["version", "time"]}"#,
        ),
        &[
            r#"{"ts":1700000000.5,"tags":{"vm":"v1"},"cpu":0.9,"mem":null,"version":"x","time":"of day"}"#,
            r#"{"node":{"address":"https://h1:8006"},"metrics":{"cpu":0.9,"load":2}}"#,
            r#"{"resource":"vm/v1","cpu":0.9}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"x","subject":"web","data":{"vm":"v1"}}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"x","subject":"vm/v2"}"#,
            r#"{"tags":{"vm":"v1"},"cpu":"0.9"}"#,
            r#"{"tags":{"vm":"v1"},"cpu":0.9,"metrics":{"cpu":0.9}}"#,
            r#"{"tags":{"vm":"v 1"},"cpu":0.9}"#,
            r#"{"tags":{"pod":"p1"},"cpu":0.9}"#,
            r#"{"tags":{"vm":"v1"},"labels":{}}"#,
            r#"{"tags":{"vm":"v1"},"tsx":1}"#,
        ],
        &expect![[r#"
            {"ts":1700000000.5,"tags":{"vm":"v1"},"cpu":0.9,"mem":null,"version":"x","time":"of day"}
                vm/v1 labels {"vm": "v1"}
                vm/v1 cpu.utilization = 0.9 at 1700000000500
            {"node":{"address":"https://h1:8006"},"metrics":{"cpu":0.9,"load":2}}
                host/h1 cpu.utilization = 0.9 at 42
                host/h1 load = 2 at 42
            {"resource":"vm/v1","cpu":0.9}
                vm/v1 cpu.utilization = 0.9 at 42
            {"specversion":"1.0","id":"1","source":"a","type":"x","subject":"web","data":{"vm":"v1"}}
                vm/v1 x at 42, id a#1, {"source": Text("a"), "subject": Text("web"), "vm": Text("v1")}
            {"specversion":"1.0","id":"1","source":"a","type":"x","subject":"vm/v2"}
                vm/v2 x at 42, id a#1, {"source": Text("a"), "subject": Text("vm/v2")}
            {"tags":{"vm":"v1"},"cpu":"0.9"}
                ! column 27: metric `cpu.utilization` is a text, not a number such as 0.91; leave out what was not measured
            {"tags":{"vm":"v1"},"cpu":0.9,"metrics":{"cpu":0.9}}
                ! column 42: metric `cpu.utilization` is given twice; leave one of them out
            {"tags":{"vm":"v 1"},"cpu":0.9}
                ! `v 1` is not a resource id: the character ' ' is not allowed; letters, digits and `-._:/@+` are; it was made by `vm/${tags.vm}`: correct what it is made of, or add a template to mapping.resource
            {"tags":{"pod":"p1"},"cpu":0.9}
                ! it names no resource: `resource`, `tags.vm`, `node.address`, `data.vm` are missing; the line has `labels.pod`, `cpu`; add one that is missing, or a template over what there is to mapping.resource
            {"tags":{"vm":"v1"},"labels":{}}
                ! column 21: the key `labels` is not known; name it in the mapping, under `metrics` or under `ignore`, or leave it out
            {"tags":{"vm":"v1"},"tsx":1}
                ! column 21: the key `tsx` is not known; did you mean `ts`?
        "#]],
    );
    check(
        &mapping(r#"{"resource": ["${kind}/${id}"], "ignore": ["*"]}"#),
        &[r#"{"kind":"host","id":"h1","whatever":[1],"metrics":{"x":1}}"#],
        &expect![[r#"
            {"kind":"host","id":"h1","whatever":[1],"metrics":{"x":1}}
                host/h1 x = 1 at 42
        "#]],
    );
}

#[test]
fn labels_of_dotted_names_are_found() {
    check(
        &mapping(r#"{"resource": ["pod/${labels.app.kubernetes.io/name}", "vm/${a.b.c}"], "ignore": ["*"]}"#),
        &[r#"{"labels":{"app.kubernetes.io/name":"web"}}"#, r#"{"a.b":{"c":"v1"}}"#, r#"{"a":{"b":7,"b.c":"v2"}}"#],
        &expect![[r#"
            {"labels":{"app.kubernetes.io/name":"web"}}
                pod/web labels {"app.kubernetes.io/name": "web"}
            {"a.b":{"c":"v1"}}
                vm/v1 labels {}
            {"a":{"b":7,"b.c":"v2"}}
                vm/v2 labels {}
        "#]],
    );
}

#[test]
fn a_mapping_that_cannot_work_says_why() {
    let mut seen = String::new();
    for json in [
        r#"{"resource": ["vm/${labels.vm"]}"#,
        r#"{"resource": "vm/${labels.vm}"}"#,
        r#"{"resource": ["vm/${labels.vm|port}"]}"#,
        r#"{"time": "ts|hours"}"#,
        r#"{"metrics": {"cpu": "cpu load"}}"#,
        r#"{"metric": {}}"#,
    ] {
        let error = serde_json::from_str::<Mapping>(json).unwrap_err();
        seen += &format!("{json}\n    {error}\n");
    }
    expect![[r#"
        {"resource": ["vm/${labels.vm"]}
            `vm/${labels.vm`, column 4: the variable has no end; write ${labels.vm} at line 1 column 31
        {"resource": "vm/${labels.vm}"}
            invalid type: string "vm/${labels.vm}", expected a sequence at line 1 column 30
        {"resource": ["vm/${labels.vm|port}"]}
            `vm/${labels.vm|port}`, column 4: the filter `port` is not known; there are `host`, which strips a port, and `path`, which strips the first slash at line 1 column 37
        {"time": "ts|hours"}
            `ts|hours` names no field with a time; write the name of the field, and `|seconds` behind it when it counts seconds at line 1 column 20
        {"metrics": {"cpu": "cpu load"}}
            `cpu load` is not a metric name: the character ' ' is not allowed; letters, digits and `._:-/` are at line 1 column 31
        {"metric": {}}
            unknown field `metric`, expected one of `resource`, `time`, `labels`, `metrics`, `ignore` at line 1 column 9
    "#]].assert_eq(&seen);
}

#[test]
fn what_json_cannot_say_is_refused_and_not_dropped() {
    let deep = format!(
        r#"{{"specversion":"1.0","id":"1","source":"a","type":"x","subject":"vm/v1","data":{}1{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let mut seen = String::new();
    for line in [
        r#"{"resource":"vm/v1","labels":{"a":"\ud800"}}"#,
        r#"{"resource":"vm/v1","labels":{"\ud800":"a"}}"#,
        r#"{"\ud800":"vm/v1"}"#,
        r#"{"specversion":"1.0","id":"\ud800","source":"a","type":"x","subject":"vm/v1"}"#,
        r#"{"specversion":"1.0","id":"1","source":"a","type":"x","subject":"vm/v1","data":{"n":1e999}}"#,
        r#"{"specversion":"1.0","id":"1","source":"a","type":"x","subject":"vm/v1","size":1e999}"#,
        &deep,
    ] {
        seen += &format!("{}\n", parse_line(line, &Mapping::default(), Timestamp::default()).unwrap_err());
    }
    expect![[r#"
        column 35: label `a` is a text with a broken escape, not a text such as "web"
        column 30: `labels` is an object with a broken escape in a name, not an object of texts, such as {"tier":"web"}
        column 1: the line is an object with a broken escape in a name, not an object such as {"resource":"vm/v1","metrics":{"cpu":0.91}}
        column 27: `id` is a text with a broken escape, not a text with something in it
        column 89: `data` cannot be read: number out of range; leave it out, or make it simpler
        column 84: `size` cannot be read: number out of range; leave it out, or make it simpler
        column 207: `data` cannot be read: recursion limit exceeded; leave it out, or make it simpler
    "#]].assert_eq(&seen);
}

#[test]
fn attributes_are_bounded_and_the_least_nested_come_first() {
    let mut data: serde_json::Map<String, serde_json::Value> =
        (0..300).map(|number| (format!("deep{number}"), serde_json::json!({"x": number}))).collect();
    data.insert("zero".into(), 0.into());
    let line = serde_json::json!({"specversion": "1.0", "id": "1", "source": "a", "type": "x", "subject": "vm/v1", "data": data});
    let read = parse_line(&line.to_string(), &Mapping::default(), Timestamp::default()).unwrap();
    let [homeostat_model::Observation::Event(event)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(event.attributes.len(), 256);
    assert!(event.attributes.contains_key("zero") && event.attributes.contains_key("deep0.x"));
}

#[test]
fn a_mapping_is_written_in_yaml() {
    let yaml = r#"
        resource: ["container/${labels.container}", "host/${labels.instance|host}"]
        time: ts
        labels: tags
        metrics: {cpu: cpu.utilization}
        ignore: [version]
    "#;
    let json = r#"{"resource": ["container/${labels.container}", "host/${labels.instance|host}"], "time": "ts", "labels": "tags",
        "metrics": {"cpu": "cpu.utilization"}, "ignore": ["version"]}"#;
    assert_eq!(serde_saphyr::from_str::<Mapping>(yaml).unwrap(), mapping(json));
}
