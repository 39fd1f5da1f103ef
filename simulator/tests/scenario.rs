//! Scenario files: what is read, and everything that is wrong with a broken one.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use homeostat_model::{Duration, Timestamp};
use homeostat_simulator::{Incident, Scenario};

const GOOD: &str = "
description: Two hosts.
start: 2026-03-02T09:00:00Z
duration: 10m
racks: [{name: r1}]
hosts:
  - name: h{1..2}
    rack: r1
    cores: 8
    memory: 16Gi
    power: {idle: 100W, busy: 300}
    labels: {pool: general}
vms:
  - name: web-{1..3}
    on: h{1..2}
    vcpus: 2
    memory: 2Gi
    load:
      base: 0.5
      noise: 0.1
      sine: {amplitude: 0.2, period: 5m}
      steps:
        - {at: 3m, to: 1.5, over: 30s}
        - {at: 1m, to: 1}
containers:
  - {name: c, on: h2, vcpus: 0.5, memory: 256Mi, state: stopped}
timeline:
  - {at: 5m, kill: host/h2}
  - {at: 1m, crash: vm/web-1}
  - {at: 2m, load: {resource: container/c, cores: 0.4, ramp: 1m}}
";

#[test]
fn a_scenario_is_read_with_its_patterns_and_defaults() {
    let scenario = Scenario::parse("good.yaml", GOOD).unwrap();
    assert_eq!(scenario.start, Timestamp::from_millis(1_772_442_000_000));
    assert_eq!((scenario.seed, scenario.sample_every), (1, Duration::from_secs(15)));
    let placed: Vec<String> =
        scenario.workloads.iter().map(|workload| format!("{} on {}", workload.id, workload.host)).collect();
    assert_eq!(placed, ["vm/web-1 on host/h1", "vm/web-2 on host/h2", "vm/web-3 on host/h1", "container/c on host/h2"]);
    assert_eq!(
        scenario.hosts.iter().map(|host| (host.overcommit, host.busy_watts)).collect::<Vec<_>>(),
        [(2.0, 300.0); 2]
    );
    let load = &scenario.workloads[0].load;
    assert_eq!((load.base, load.noise, load.steps.len()), (0.5, 0.1, 2));
    assert_eq!(load.steps[0].at, Duration::from_mins(1));
    assert_eq!(scenario.workloads[0].memory_use.base, f64::from(1 << 30));
    assert!(!scenario.workloads[3].running);
    assert_eq!(scenario.workloads[3].start_time, Duration::from_secs(3));
    let times: Vec<Duration> = scenario.timeline.iter().map(|happening| happening.at).collect();
    assert_eq!(times, [1, 2, 5].map(Duration::from_mins));
    assert!(matches!(scenario.timeline[2].incident, Incident::Kill(_)));
}

/// Changes one line of the good scenario and looks at what is said about it: the line, and a part of the message or help.
fn check(good: &str, bad: &str, expected: &str) {
    assert!(GOOD.contains(good), "{good:?} is not in the good scenario");
    let text = GOOD.replacen(good, bad, 1);
    let error = Scenario::parse("bad.yaml", &text).map(|_| ()).expect_err(bad);
    let said = error.problems().iter().map(|problem| {
        let help = problem.help().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {problem}{help}", problem.line())
    });
    let said: Vec<String> = said.collect();
    assert!(said.iter().any(|line| line.contains(expected)), "{bad}\n  said      {said:#?}\n  expected  {expected}");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (good, bad, expected) in [
        ("start: 2026-03-02T09:00:00Z", "start: yesterday", "3: `start`: "),
        ("start: 2026-03-02T09:00:00Z\n", "", "the scenario needs `start`"),
        ("duration: 10m", "duration: 10", "4: `duration`: `10` is not a duration"),
        ("duration: 10m", "duration: 100d", "4: `duration` is 100d; it may be from 1s to 31d"),
        ("duration: 10m", "duration: 10m\nspeed: 3", "5: the scenario has no field `speed` (did you mean `seed`?)"),
        ("duration: 10m", "duration: 10m\nduration: 5m", "5: this is not YAML: duplicate mapping key: duration"),
        ("duration: 10m", "duration: 10m\nsampleEvery: 10ms", "5: `sampleEvery` is 10ms; it may be from 1s to 1h"),
        ("    cores: 8", "    core: 8", "9: a host has no field `core` (did you mean `cores`?)"),
        ("    cores: 8", "    core: 8", "a host needs `cores`"),
        ("    cores: 8", "    cores: 0", "9: `cores` is 0; it may be from 0.01"),
        ("    cores: 8", "    cores: 8Gi", "9: `cores` is to be a bare number, not in bytes"),
        ("memory: 16Gi", "memory: 16", "10: `memory` is to be in bytes, not in number"),
        ("memory: 16Gi", "memory: 3Gi", "has 3072 MiB of memory, and 4096 MiB are placed on it"),
        ("    cores: 8", "    cores: 1", "7: host/h1 gives out 2 vcpus, and 4 are placed on it"),
        ("idle: 100W", "idle: 400W", "11: a host draws 300 W busy and 400 W idle"),
        ("labels: {pool: general}", "labels: [general]", "12: labels is a mapping, not a list"),
        ("labels: {pool: general}", "state: dark", "12: `state` is `dark`; it may be on or off"),
        ("labels: {pool: general}", "state: off", "cannot run: host/h1 is off"),
        ("rack: r1\n", "rack: r9\n", "8: there is no rack/r9 (did you mean `rack/r1`?)"),
        ("name: web-{1..3}", "name: web-{3..1}", "14: the range of `web-{3..1}` ends before it begins"),
        ("name: web-{1..3}", "name: web-{1..99999}", "14: `web-{1..99999}` stands for more than 10000 names"),
        ("name: web-{1..3}", "name: web 1", "14: `web 1` is not a resource id"),
        ("on: h{1..2}", "on: h{2..3}", "15: there is no host/h3 (did you mean `host/h1`?)"),
        ("vcpus: 2\n", "vcpus: 1.5\n", "14: a vm has whole vcpus, not 1.5"),
        ("vcpus: 2\n", "vcpus: 2\n    outOfMemory: dies\n", "17: `outOfMemory` is `dies`; it may be waits or crashes"),
        ("vcpus: 2\n", "vcpus: 2\n    disk: {use: {base: 1Gi}}\n", "17: a disk needs `size`"),
        (
            "vcpus: 2\n",
            "vcpus: 2\n    disk: {size: 1Gi, used: 1Gi}\n",
            "17: a disk has no field `used` (did you mean `use`?)",
        ),
        ("vcpus: 2\n", "vcpus: 2\n    restarts: 0s\n", "17: `restarts` is 0s; it may be from 1ms"),
        ("period: 5m", "period: 0s", "21: `period` is 0s; it may be from 1s"),
        (
            "- {name: c, on",
            "- {name: c, on: h1, vcpus: 1, memory: 1Gi}\n  - {name: c, on",
            "27: there is a container/c already",
        ),
        ("kill: host/h2", "kill: vm/web-1", "28: this happens to a host, not to vm/web-1"),
        ("kill: host/h2", "kill: host/h7", "28: there is no host/h7"),
        ("kill: host/h2", "kil: host/h2", "a happening has no field `kil` (did you mean `kill`?)"),
        ("{at: 5m, kill", "{at: 11m, kill", "28: `at` is 11m; it may be from 0s to 10m"),
        (
            "kill: host/h2",
            "kill: host/h2, crash: vm/web-2",
            "28: a happening is one of crash, kill, isolate, revive, load, memory; here are 2",
        ),
        ("cores: 0.4,", "cores: 0.4, bytes: 1,", "30: the change has no field `bytes`"),
        ("{name: c, on", "{name: c{1..2}, on", "inside of { }, put names with braces in quotes"),
        ("racks: [{name: r1}]", "racks: []", "8: there is no rack/r1"),
        (GOOD, "", "the scenario is a mapping, not nothing"),
        (GOOD, "- a\n- b", "the scenario is a mapping, not a list"),
    ] {
        check(good, bad, expected);
    }
}

#[test]
fn all_problems_are_said_at_once_and_in_order() {
    let text = GOOD
        .replace("duration: 10m", "duration: never")
        .replace("memory: 2Gi", "memory: 2")
        .replace("vm/web-1}", "vm/w}");
    let error = Scenario::parse("bad.yaml", &text).unwrap_err();
    let places: Vec<(usize, usize)> =
        error.problems().iter().map(|problem| (problem.line(), problem.column())).collect();
    // The VMs themselves are not complained about where they are mentioned: they exist, however wrong they are.
    assert_eq!(places, [(4, 11), (17, 13), (29, 21)], "{error:?}");
    assert_eq!(error.to_string(), "the scenario bad.yaml has 3 problems");
}

#[test]
fn a_rendered_problem_shows_its_line() {
    let text = GOOD.replace("    cores: 8", "    core: 8");
    let error = Scenario::parse("bad.yaml", &text).unwrap_err();
    let mut rendered = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    miette::GraphicalReportHandler::new_themed(theme).render_report(&mut rendered, &error).unwrap();
    for part in ["bad.yaml:9:5", "    core: 8", "help: did you mean `cores`?", "homeostat::scenario"] {
        assert!(rendered.contains(part), "no {part:?} in\n{rendered}");
    }
}

#[test]
fn too_much_is_refused() {
    let many = "  - {name: 'n{1..9999}', rack: r1, cores: 1, memory: 1Gi, power: {idle: 1, busy: 2}}\n";
    let text = GOOD.replace("hosts:\n", &format!("hosts:\n{many}"));
    let error = Scenario::parse("big.yaml", &text).unwrap_err();
    assert!(error.problems()[0].to_string().contains("at most 10000 are allowed"), "{error:?}");
    let error = Scenario::parse("big.yaml", &"#".repeat(5 << 20)).unwrap_err();
    assert!(error.problems()[0].to_string().contains("the file has 5242880 bytes"), "{error:?}");
    let error = Scenario::parse("deep.yaml", &"[".repeat(100)).unwrap_err();
    assert_eq!(error.problems().len(), 1);
}
