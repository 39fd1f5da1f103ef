//! What goes wrong by itself, and the figures that tell how much: memory that runs out, disks that fill, engines that restart.

#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "a test that cannot go on fails; what is compared is exact")]

use homeostat_model::{AdapterName, Observation, Value};
use homeostat_simulator::{DataCentre, Figures, Scenario, Seen};

/// A host with 4 cores, in which `workloads` live for ten minutes, and what happened to them.
fn play(workloads: &str, timeline: &str) -> (Figures, Vec<String>) {
    let text = format!(
        "{{start: 2026-03-02T09:00:00Z, duration: 10m, sampleEvery: 10s, racks: [{{name: r1}}],
        hosts: [{{name: 'h{{1..2}}', rack: r1, cores: 4, memory: 16Gi, overcommit: 4, power: {{idle: 90W, busy: 90W}}}}],
        {workloads}, timeline: [{timeline}]}}"
    );
    let scenario = Scenario::parse("figures.yaml", &text).unwrap();
    let start = scenario.start;
    let mut centre = DataCentre::new(&scenario, AdapterName::new("sim").unwrap(), start, 1);
    let mut told = Vec::new();
    for seen in centre.advance(scenario.end()) {
        let Seen::Observed { at, observation } = seen else { continue };
        match observation {
            Observation::Event(event) => {
                let of = |name: &str| event.attributes.get(name).map(Value::to_string).unwrap_or_default();
                told.push(format!(
                    "{} {} {} {}",
                    at.since(start),
                    event.event_type,
                    of("reason").trim_matches('"'),
                    of("exitCode")
                ));
            }
            Observation::Sample(sample)
                if sample.metric.as_str() == "disk.used" && at.since(start).as_millis() % 120_000 == 0 =>
            {
                told.push(format!("{} disk.used {:.1}", at.since(start), sample.value / 1_073_741_824.0));
            }
            _ => {}
        }
    }
    (centre.figures().clone(), told.iter().map(|line| line.trim().to_owned()).collect())
}

#[test]
fn what_wants_more_memory_than_it_has_is_killed_only_where_that_is_said() {
    let grows = "memoryUse: {base: 512Mi, steps: [{at: 2m, to: 2Gi}]}";
    for (more, crashes, down, events) in
        [("", 0, 0.0, &[][..]), (", outOfMemory: crashes", 1, 490.0, &["2m vm.crashed out of memory"][..])]
    {
        let vms = format!("vms: [{{name: v, on: h1, vcpus: 1, memory: 1Gi, {grows}{more}}}]");
        let (figures, told) = play(&vms, "");
        assert_eq!((figures.crashes, figures.down_seconds), (crashes, down), "{more}");
        assert_eq!(told, events, "{more}");
    }
}

#[test]
fn an_engine_starts_again_what_crashed_and_tells_of_both() {
    let containers = "containers: [{name: c, on: h1, vcpus: 1, memory: 1Gi, restarts: 25s}]";
    let (figures, told) = play(containers, "{at: 1m, crash: container/c}, {at: 3m5s, crash: container/c}");
    assert_eq!(
        told,
        ["1m container.died  1", "1m25s container.started", "3m5s container.died  1", "3m30s container.started"]
    );
    // At 1m, 1m10s, 1m20s, and at 3m10s, 3m20s: what starts at the time of a sample is seen by it.
    assert_eq!((figures.crashes, figures.down_seconds), (2, 50.0));
}

#[test]
fn a_disk_fills_and_stays_full() {
    let disk = "disk: {size: 10Gi, use: {base: 4Gi, steps: [{at: 0s, to: 16Gi, over: 10m}]}}";
    let vms = format!(
        "vms: [{{name: v, on: h1, vcpus: 1, memory: 1Gi, {disk}}}, {{name: w, on: h2, vcpus: 1, memory: 1Gi}}]"
    );
    let (figures, told) = play(&vms, "");
    let expected = [
        "0s disk.used 4.0",
        "2m disk.used 6.4",
        "4m disk.used 8.8",
        "6m disk.used 10.0",
        "8m disk.used 10.0",
        "10m disk.used 10.0",
    ];
    assert_eq!(told, expected);
    // From 5m on, as it is seen every ten seconds until the end.
    assert_eq!(figures.full_disk_seconds, 310.0);
}

#[test]
fn processor_time_is_missed_by_who_wanted_it_and_empty_hosts_are_counted() {
    let vms = "vms: [{name: a, on: h1, vcpus: 3, memory: 1Gi, load: {base: 3}}, {name: b, on: h1, vcpus: 3, memory: 1Gi, load: {base: 5}}, \
               {name: c, on: h1, vcpus: 1, memory: 1Gi, state: stopped, load: {base: 1}}]";
    let (figures, _) = play(vms, "");
    // Each gets 2 cores, in 61 samples of ten seconds.
    let missing: Vec<(&str, f64)> =
        figures.missing_core_seconds.iter().map(|(id, time)| (id.as_str(), *time)).collect();
    assert_eq!(missing, [("vm/a", 610.0), ("vm/b", 1830.0)]);
    assert_eq!(figures.all_missing_core_seconds(), 2440.0);
    assert_eq!(
        (figures.down_seconds, figures.empty_host_seconds),
        (0.0, 610.0),
        "what was stopped on purpose is not down"
    );
    assert_eq!(figures.energy_joules, 2.0 * 90.0 * 610.0);
}
