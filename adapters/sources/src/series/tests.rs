//! What becomes of series: tables of labels and what is made of them.

use expect_test::{Expect, expect};

use super::*;

/// Minutes, labels (`name{label=value,..}`) and a value.
type Told<'a> = (u64, &'a str, f64);

fn mapping(text: &str) -> SeriesMapping {
    serde_saphyr::from_str(text).unwrap()
}

fn labels(series: &str) -> Vec<(&str, &str)> {
    let (name, rest) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    let rest = rest.split(',').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
    let named = Some((NAME, name)).filter(|(_, name)| !name.is_empty());
    named.into_iter().chain(rest).collect()
}

fn minute(minute: u64) -> Timestamp {
    Timestamp::default() + Duration::from_mins(minute)
}

/// Reads samples and writes down what became of each.
fn check(yaml: &str, told: &[Told<'_>], expected: &Expect) {
    let mut reader = SeriesReader::new(mapping(yaml));
    let mut text = String::new();
    for (at, series, value) in told {
        let mut out = Vec::new();
        let fate = reader.series(&labels(series)).observe(minute(*at), *value, &mut out);
        let seen = out.iter().map(|seen| match seen {
            Observation::Sample(sample) => format!("{} {} = {}", sample.resource, sample.metric, sample.value),
            Observation::Inventory(InventoryChange::Upsert(resource)) => {
                format!("{} on {}", resource.id, resource.on.as_ref().unwrap())
            }
            Observation::Labels { resource, labels } => format!("{resource} {labels:?}"),
            other => panic!("{other:?}"),
        });
        text += &format!("{series}: {fate:?}{}\n", seen.map(|seen| format!("\n    {seen}")).collect::<String>());
    }
    expected.assert_eq(&text);
}

#[test]
fn the_first_rule_that_applies_counts() {
    let yaml = r#"
resource: ["host/${labels.instance|host}"]
series:
  - {match: "node_load1", metric: load}
  - {match: "ipmi_.*", when: {sensor: "CPU[12]"}, part: "sensor/${labels.sensor}", metric: temperature}
  - {match: "ipmi_.*", when: {sensor: ".+"}, metric: "ipmi.${labels.sensor}"}
  - {match: "virt_(cpu|memory)_percent", resource: ["vm/${labels.domain}"], on: "host/${labels.instance|host}", metric: "${1}.utilization", scale: 0.01}
  - {match: "go_.*", drop: true}
  - {match: "go_threads", metric: threads}
"#;
    let told = [
        (0, "node_load1{instance=h1:9100}", 2.0),
        (0, "node_load15{instance=h1:9100}", 2.0),
        (0, "ipmi_temp{instance=h1:9100,sensor=CPU1}", 60.0),
        (0, "ipmi_temp{instance=h1:9100,sensor=FAN}", 61.0),
        (0, "ipmi_temp{instance=h1:9100}", 62.0),
        (0, "virt_cpu_percent{instance=h1:9100,domain=v1}", 50.0),
        (0, "virt_memory_percent{instance=h1:9100}", 50.0),
        (0, "go_threads{instance=h1:9100}", 7.0),
        (0, "node_load1", 2.0),
        (0, "{instance=h1:9100}", 2.0),
        (0, "ipmi_temp{instance=h1,sensor=a b}", 2.0),
    ];
    check(yaml, &told, &expect![[r#""#]]);
}

#[test]
fn others_are_kept_if_that_is_wished() {
    let told = [
        (0, "anything{vm=v1}", 1.0),
        (0, "go_threads{vm=v1}", 2.0),
        (0, "anything{instance=h1:80,zone=north}", 3.0),
        (0, "anything", 4.0),
        (0, "größe{vm=v1}", 5.0),
    ];
    let yaml = "{keepOthers: true, labels: [zone], series: [{match: 'go_.*', drop: true}]}";
    check(yaml, &told, &expect![[r#""#]]);
}

#[test]
fn of_two_series_that_are_mapped_to_one_only_one_is_heard() {
    let stale = f64::from_bits(STALE);
    let told = [
        (0, "load{vm=v1,cpu=0}", 1.0),
        (0, "load{vm=v1,cpu=1}", 2.0),
        (0, "load{cpu=0,vm=v1}", 3.0),
        (1, "load{vm=v1,cpu=0}", 4.0),
        (5, "load{vm=v1,cpu=1}", 5.0),
        (6, "load{vm=v1,cpu=1}", 6.0),
        (7, "load{vm=v1,cpu=0}", 7.0),
        (8, "load{vm=v1,cpu=0}", stale),
        (8, "load{vm=v1,cpu=1}", stale),
        (9, "load{vm=v1,cpu=0}", 9.0),
        (8, "load{vm=v1,cpu=0}", 8.0),
        (10, "load{vm=v1,cpu=0}", f64::NAN),
        (10, "load{vm=v1,cpu=0}", f64::INFINITY),
    ];
    check("series: [{match: load}]", &told, &expect![[r#""#]]);
}

#[test]
fn a_part_is_placed_again_now_and_then() {
    let told = [0, 1, 4, 5, 6].map(|at| (at, "cpu{instance=h1,cpu=0,zone=a}", 1.0));
    let yaml = "{labels: [zone], series: [{match: cpu, part: 'cpu/${labels.cpu}'}]}";
    check(yaml, &told, &expect![[r#""#]]);
}

#[test]
fn what_is_forgotten_is_read_again() {
    let mut reader = SeriesReader::new(mapping("series: [{match: m}]"));
    for round in 0..2 {
        for number in 0..200_000 {
            let vm = format!("v{number}");
            let mut out = Vec::new();
            let fate = reader.series(&[(NAME, "m"), ("vm", &vm)]).observe(minute(round), 1.0, &mut out);
            assert_eq!((fate, out.len()), (Fate::Taken, 1));
        }
    }
    assert!(reader.known.len() <= 2 * REMEMBERED && reader.heard.len() <= 2 * REMEMBERED);
}

#[test]
fn a_rule_that_cannot_work_is_refused() {
    let mut told = String::new();
    for rule in [
        "{match: a, scale: 0}",
        "{match: a, scale: .nan}",
        "{match: a, part: cpu/0, on: host/a}",
        "{match: a, part: '${labels.cpu}'}",
        "{match: a, drop: true, metric: b}",
        "{match: 'a('}",
        "{match: a, metric: b@c}",
        "{match: a, unit: percent}",
        "{metric: a}",
        "{match: a, name: b}",
    ] {
        let error = serde_saphyr::from_str::<SeriesMapping>(&format!("series: [{rule}]")).unwrap_err().to_string();
        told += &format!("{rule}: {}\n", error.lines().next().unwrap());
    }
    expect![[r#""#]].assert_eq(&told);
}

#[test]
fn the_node_exporters_series_become_metrics_of_the_host_and_its_parts() {
    let mapping = mapping("presets: [node-exporter]");
    let metrics = mapping.metrics().into_iter().map(|(name, described)| format!("{name} {}\n", described.unit));
    let kinds: Vec<String> = mapping.kinds().iter().map(ToString::to_string).collect();
    expect![[r#""#]].assert_eq(&format!("{}\n{}", kinds.join(" "), metrics.collect::<String>()));
    let told = [
        (0, "node_load1{instance=h1:9100,job=node}", 1.0),
        (0, "node_cpu_seconds_total{instance=h1:9100,job=node,cpu=0,mode=idle}", 2.0),
        (0, "node_filesystem_avail_bytes{instance=h1:9100,device=/dev/sda1,fstype=ext4,mountpoint=/}", 3.0),
        (0, "node_filesystem_avail_bytes{instance=h1:9100,device=/dev/sda2,fstype=ext4,mountpoint=/var/lib}", 4.0),
        (0, "node_filesystem_avail_bytes{instance=h1:9100,device=tmpfs,fstype=tmpfs,mountpoint=/run}", 5.0),
        (0, "node_network_receive_bytes_total{instance=h1:9100,device=eth0}", 6.0),
        (0, "node_network_receive_bytes_total{instance=h1:9100,device=lo}", 7.0),
        (0, "node_scrape_collector_success{instance=h1:9100,collector=cpu}", 8.0),
        (0, "up{instance=h1:9100,job=node}", 1.0),
        (0, "up{instance=h1:9100,job=app}", 1.0),
    ];
    check("presets: [node-exporter]", &told, &expect![[r#""#]]);
    check(
        "{presets: [node-exporter], resource: ['host/${labels.node}']}",
        &[(0, "node_load1{node=n1}", 1.0)],
        &expect![[r#""#]],
    );
}
