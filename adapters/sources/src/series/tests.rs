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
        reader.begin(minute(*at));
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
    check(
        yaml,
        &told,
        &expect![[r#"
        node_load1{instance=h1:9100}: Taken
            host/h1 load = 2
        node_load15{instance=h1:9100}: Unmapped
        ipmi_temp{instance=h1:9100,sensor=CPU1}: Taken
            sensor/h1/CPU1 on host/h1
            sensor/h1/CPU1 temperature = 60
        ipmi_temp{instance=h1:9100,sensor=FAN}: Taken
            host/h1 ipmi.FAN = 61
        ipmi_temp{instance=h1:9100}: Unmapped
        virt_cpu_percent{instance=h1:9100,domain=v1}: Taken
            vm/v1 on host/h1
            vm/v1 cpu.utilization = 0.5
        virt_memory_percent{instance=h1:9100}: Unplaced("it names no resource: `labels.resource`, `labels.domain` are missing; the series has `labels.__name__`, `labels.instance`; add one that is missing, or a template over what there is to mapping.resource")
        go_threads{instance=h1:9100}: Unmapped
        node_load1: Unplaced("it names no resource: `labels.resource`, `labels.instance` are missing; the series has `labels.__name__`; add one that is missing, or a template over what there is to mapping.resource")
        {instance=h1:9100}: Unmapped
        ipmi_temp{instance=h1,sensor=a b}: Unplaced("`ipmi.a b` is not a metric name: the character ' ' is not allowed; letters, digits and `._:-/` are")
    "#]],
    );
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
    check(
        yaml,
        &told,
        &expect![[r#"
        anything{vm=v1}: Taken
            vm/v1 anything = 1
        go_threads{vm=v1}: Unmapped
        anything{instance=h1:80,zone=north}: Taken
            host/h1 {"zone": "north"}
            host/h1 anything = 3
        anything: Unplaced("it names no resource: `labels.resource`, `labels.container`, `labels.vm`, `labels.pod`, `labels.host`, `labels.instance` are missing; the series has `labels.__name__`; add one that is missing, or a template over what there is to mapping.resource")
        größe{vm=v1}: Unplaced("`größe` is not a metric name: the character 'ö' is not allowed; letters, digits and `._:-/` are")
    "#]],
    );
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
    check(
        "series: [{match: load}]",
        &told,
        &expect![[r#"
        load{vm=v1,cpu=0}: Taken
            vm/v1 load = 1
        load{vm=v1,cpu=1}: Ambiguous("load{cpu=\"1\", vm=\"v1\"} is mapped to load of vm/v1, and so is load{cpu=\"0\", vm=\"v1\"}; put a label by which they differ into the `when`, the `part` or the `metric` of their rule")
        load{cpu=0,vm=v1}: TakenLate
            vm/v1 load = 3
        load{vm=v1,cpu=0}: Taken
            vm/v1 load = 4
        load{vm=v1,cpu=1}: Ambiguous("load{cpu=\"1\", vm=\"v1\"} is mapped to load of vm/v1, and so is load{cpu=\"0\", vm=\"v1\"}; put a label by which they differ into the `when`, the `part` or the `metric` of their rule")
        load{vm=v1,cpu=1}: Taken
            vm/v1 load = 6
        load{vm=v1,cpu=0}: Ambiguous("load{cpu=\"0\", vm=\"v1\"} is mapped to load of vm/v1, and so is load{cpu=\"1\", vm=\"v1\"}; put a label by which they differ into the `when`, the `part` or the `metric` of their rule")
        load{vm=v1,cpu=0}: Stale
        load{vm=v1,cpu=1}: Stale
        load{vm=v1,cpu=0}: Taken
            vm/v1 load = 9
        load{vm=v1,cpu=0}: TakenLate
            vm/v1 load = 8
        load{vm=v1,cpu=0}: NotFinite
        load{vm=v1,cpu=0}: NotFinite
    "#]],
    );
}

#[test]
fn a_part_is_placed_again_now_and_then() {
    let told = [0, 1, 4, 5, 6].map(|at| (at, "cpu{instance=h1,cpu=0,zone=a}", 1.0));
    let yaml = "{labels: [zone], series: [{match: cpu, part: 'cpu/${labels.cpu}'}]}";
    check(
        yaml,
        &told,
        &expect![[r#"
        cpu{instance=h1,cpu=0,zone=a}: Taken
            cpu/h1/0 on host/h1
            cpu/h1/0 {"zone": "a"}
            cpu/h1/0 cpu = 1
        cpu{instance=h1,cpu=0,zone=a}: Taken
            cpu/h1/0 cpu = 1
        cpu{instance=h1,cpu=0,zone=a}: Taken
            cpu/h1/0 cpu = 1
        cpu{instance=h1,cpu=0,zone=a}: Taken
            cpu/h1/0 on host/h1
            cpu/h1/0 {"zone": "a"}
            cpu/h1/0 cpu = 1
        cpu{instance=h1,cpu=0,zone=a}: Taken
            cpu/h1/0 cpu = 1
    "#]],
    );
}

#[test]
fn who_is_heard_depends_on_when_samples_arrive() {
    let mut reader = SeriesReader::new(mapping("{labels: [zone], series: [{match: load}]}"));
    let mut read = |arrives: u64, cpu: &str, time: Timestamp| {
        reader.begin(minute(arrives));
        let mut out = Vec::new();
        let labels = [(NAME, "load"), ("cpu", cpu), ("vm", "v1"), ("zone", "a")];
        (word(&reader.series(&labels).observe(time, 1.0, &mut out)), out.len())
    };
    let ahead = |minutes| minute(minutes) + MAX_AHEAD;
    assert_eq!(read(100, "1", ahead(100) + Duration::from_millis(1)), ("ahead", 0));
    assert_eq!(read(100, "0", ahead(100)), ("written", 2));
    // A backlog: old times, and it arrives all at once.
    assert_eq!(read(101, "0", minute(10)), ("repeated", 1));
    assert_eq!(read(101, "1", minute(101)), ("ambiguous", 0));
    // The first is silent now, whatever the times of its samples were.
    assert_eq!(read(106, "1", minute(11)), ("written", 2));
    assert_eq!(read(106, "0", minute(106)), ("ambiguous", 0));
    // What is told of the resource is told again by the clock, too.
    assert_eq!(read(111, "1", minute(12)), ("written", 2));
}

#[test]
fn when_more_was_lost_than_is_remembered_all_is_told_again() {
    let mut reader = SeriesReader::new(mapping("{labels: [zone], series: [{match: m}]}"));
    let told = |reader: &mut SeriesReader, vm: &str| {
        let mut out = Vec::new();
        let delivery = reader.begin(minute(0));
        reader.series(&[(NAME, "m"), ("vm", vm), ("zone", "a")]).observe(minute(0), 1.0, &mut out);
        (delivery, out.len() == 2)
    };
    assert!(told(&mut reader, "a").1 && !told(&mut reader, "a").1);
    for number in 0..=UNDELIVERED {
        let (delivery, first) = told(&mut reader, &format!("v{number}"));
        reader.undelivered(delivery);
        assert!(first, "{number}");
        assert_eq!(told(&mut reader, "a").1, number == UNDELIVERED, "{number}");
    }
    assert!(reader.deliveries.undelivered.is_empty());
    assert!(told(&mut reader, "v0").1 && !told(&mut reader, "v0").1);
}

#[test]
fn what_is_forgotten_is_read_again() {
    let mut reader = SeriesReader::new(mapping("series: [{match: m}]"));
    for (round, count) in [(0, 2 * REMEMBERED + 5), (1, 5)] {
        reader.begin(minute(round));
        for number in 0..count {
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
    expect![[r#"
        {match: a, scale: 0}: error: line 1 column 10: the scale is 0; it is a number other than 0, such as 0.01 for a percentage that becomes a ratio
        {match: a, scale: .nan}: error: line 1 column 10: the scale is NaN; it is a number other than 0, such as 0.01 for a percentage that becomes a ratio
        {match: a, part: cpu/0, on: host/a}: error: line 1 column 10: `part` already says what it runs on: the resource; leave `on` out
        {match: a, part: '${labels.cpu}'}: error: line 1 column 10: the part `${labels.cpu}` has no kind before a `/`; write kind/name, such as cpu/${labels.cpu}
        {match: a, drop: true, metric: b}: error: line 1 column 10: `drop` drops the series; leave `metric` out
        {match: 'a('}: error: line 1 column 18: `a(` is not a regular expression: unclosed group
        {match: a, metric: b@c}: error: line 1 column 10: `b@c` is not a metric name: the character '@' is not allowed; letters, digits and `._:-/` are
        {match: a, unit: percent}: error: line 1 column 27: unknown variant `percent`, expected one of none, ratio, bytes, seconds, watts
        {metric: a}: error: line 1 column 11: missing field `match`
        {match: a, name: b}: error: line 1 column 21: unknown field `name`, expected one of match, when, metric, resource, part, on, scale, unit, drop
    "#]].assert_eq(&told);
}

#[test]
fn the_node_exporters_series_become_metrics_of_the_host_and_its_parts() {
    let mapping = mapping("presets: [node-exporter]");
    let metrics = mapping.metrics().into_iter().map(|(name, described)| format!("{name} {}\n", described.unit));
    let kinds: Vec<String> = mapping.kinds().iter().map(ToString::to_string).collect();
    expect![[r#"
        cpu disk filesystem host interface sensor
        boot.time seconds
        clock.offset seconds
        clock.synchronized number
        connections.limit number
        connections.tracked number
        cpu.frequency number
        cpu.seconds.idle seconds
        cpu.seconds.iowait seconds
        cpu.seconds.irq seconds
        cpu.seconds.nice seconds
        cpu.seconds.softirq seconds
        cpu.seconds.steal seconds
        cpu.seconds.system seconds
        cpu.seconds.user seconds
        disk.busy.seconds seconds
        disk.read.bytes bytes
        disk.read.seconds seconds
        disk.reads number
        disk.write.seconds seconds
        disk.writes number
        disk.written.bytes bytes
        files.limit number
        files.open number
        filesystem.available bytes
        filesystem.free bytes
        filesystem.inodes.free number
        filesystem.inodes.total number
        filesystem.readonly number
        filesystem.size bytes
        load.15m number
        load.1m number
        load.5m number
        memory.available bytes
        memory.cached bytes
        memory.dirty bytes
        memory.free bytes
        memory.oomKills number
        memory.total bytes
        network.received.bytes bytes
        network.received.dropped number
        network.received.errors number
        network.received.packets number
        network.sent.bytes bytes
        network.sent.dropped number
        network.sent.errors number
        network.sent.packets number
        network.up number
        power.watts watts
        pressure.cpu.waiting.seconds seconds
        pressure.io.stalled.seconds seconds
        pressure.io.waiting.seconds seconds
        pressure.memory.stalled.seconds seconds
        pressure.memory.waiting.seconds seconds
        processes.blocked number
        processes.running number
        swap.free bytes
        swap.total bytes
        temperature number
        up number
    "#]]
    .assert_eq(&format!("{}\n{}", kinds.join(" "), metrics.collect::<String>()));
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
    check(
        "presets: [node-exporter]",
        &told,
        &expect![[r#"
        node_load1{instance=h1:9100,job=node}: Taken
            host/h1 load.1m = 1
        node_cpu_seconds_total{instance=h1:9100,job=node,cpu=0,mode=idle}: Taken
            cpu/h1/0 on host/h1
            cpu/h1/0 cpu.seconds.idle = 2
        node_filesystem_avail_bytes{instance=h1:9100,device=/dev/sda1,fstype=ext4,mountpoint=/}: Taken
            filesystem/h1/root on host/h1
            filesystem/h1/root filesystem.available = 3
        node_filesystem_avail_bytes{instance=h1:9100,device=/dev/sda2,fstype=ext4,mountpoint=/var/lib}: Taken
            filesystem/h1/var/lib on host/h1
            filesystem/h1/var/lib filesystem.available = 4
        node_filesystem_avail_bytes{instance=h1:9100,device=tmpfs,fstype=tmpfs,mountpoint=/run}: Unmapped
        node_network_receive_bytes_total{instance=h1:9100,device=eth0}: Taken
            interface/h1/eth0 on host/h1
            interface/h1/eth0 network.received.bytes = 6
        node_network_receive_bytes_total{instance=h1:9100,device=lo}: Unmapped
        node_scrape_collector_success{instance=h1:9100,collector=cpu}: Unmapped
        up{instance=h1:9100,job=node}: Taken
            host/h1 up = 1
        up{instance=h1:9100,job=app}: Unmapped
    "#]],
    );
    check(
        "{presets: [node-exporter], resource: ['host/${labels.node}']}",
        &[(0, "node_load1{node=n1}", 1.0)],
        &expect![[r#"
            node_load1{node=n1}: Taken
                host/n1 load.1m = 1
        "#]],
    );
}

fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Taken => "written",
        Fate::TakenLate => "repeated",
        Fate::Ahead => "ahead",
        Fate::Ambiguous(_) => "ambiguous",
        _ => "passed over",
    }
}
