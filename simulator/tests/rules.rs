//! What can be done when, and what comes out of it, as a table of small plays.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use homeostat_model::{
    Action, AdapterName, Amount, Duration, Generation, IdempotencyKey, InventoryChange, Observation, PlanId,
    StepCommand, StepId, StepResult,
};
use homeostat_port::Probe;
use homeostat_simulator::{DataCentre, Incident, Scenario, Seen};

const SCENARIO: &str = "
start: 2026-03-02T09:00:00Z
duration: 1h
sampleEvery: 10m
racks: [{name: r1}]
hosts:
  - {name: h1, rack: r1, cores: 8, memory: 16Gi, overcommit: 1, power: {idle: 100W, busy: 300W}}
  - {name: h2, rack: r1, cores: 4, memory: 8Gi, overcommit: 2, power: {idle: 100W, busy: 300W}, bootTime: 30s}
  - {name: dark, rack: r1, cores: 4, memory: 4Gi, power: {idle: 15W, busy: 29W}, state: off, bootTime: 30s}
vms:
  - {name: a, on: h1, vcpus: 4, memory: 4Gi, memoryUse: {base: 3Gi}}
  - {name: b, on: h1, vcpus: 2, memory: 4Gi}
  - {name: wide, on: h1, vcpus: 2, memory: 7Gi, state: stopped}
containers:
  - {name: c, on: h2, vcpus: 0.5, memory: 1Gi}
";

struct Play {
    centre: DataCentre,
    seen: Vec<Seen>,
    steps: u64,
}

impl Play {
    fn begin() -> Self {
        let scenario = Scenario::parse("rules.yaml", SCENARIO).unwrap();
        let centre = DataCentre::new(&scenario, AdapterName::new("sim").unwrap(), scenario.start, 1);
        Self { centre, seen: Vec::new(), steps: 0 }
    }

    fn advance(&mut self, duration: &str) {
        let duration: Duration = duration.parse().unwrap();
        self.seen.extend(self.centre.advance(self.centre.now() + duration));
    }

    /// One line of a play: `fence host/h1`, `crash vm/a`, `wait 5s`, `begin migrate vm/a to host/h2`. Steps are done to
    /// their end, except after `begin`. Gives how the step ended, or how it was refused.
    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let incident = |id: &str| id.parse().unwrap();
        match words.as_slice() {
            ["wait", duration] => self.advance(duration),
            ["crash", id] => self.centre.inject(&Incident::Crash(incident(id))),
            ["kill", id] => self.centre.inject(&Incident::Kill(incident(id))),
            ["isolate", id] => self.centre.inject(&Incident::Isolate(incident(id))),
            ["revive", id] => self.centre.inject(&Incident::Revive(incident(id))),
            ["cancel"] => {
                let cancelled = self.centre.cancel(&self.command("restart vm/a").key);
                self.advance("0");
                return format!("cancelled: {cancelled}");
            }
            ["begin", rest @ ..] => {
                self.steps += 1;
                let command = self.command(&rest.join(" "));
                self.centre.begin(&command);
            }
            _ => {
                self.steps += 1;
                return self.done(&self.command(line));
            }
        }
        self.advance("0");
        String::new()
    }

    fn done(&mut self, command: &StepCommand) -> String {
        let checked = self.centre.check(command);
        let from = self.seen.len();
        self.centre.begin(command);
        let end = self.centre.ends(&command.key).unwrap_or(self.centre.now());
        self.seen.extend(self.centre.advance(end));
        let report = self.seen[from..].iter().find_map(|seen| match seen {
            Seen::Finished { report, .. } if report.key == command.key => Some(report.result.clone()),
            _ => None,
        });
        match (checked, report.unwrap()) {
            (Err(refusal), StepResult::Refused { reason }) => {
                assert_eq!(refusal.reason, reason, "check and begin disagree");
                format!("refused: {reason}")
            }
            (Ok(()), StepResult::Done { observed }) => {
                assert_eq!(self.centre.probe(command), Probe::Done(observed.clone()));
                format!("done: {observed}")
            }
            (Ok(()), StepResult::Failed { reason }) => format!("failed: {reason}"),
            (checked, report) => panic!("check said {checked:?}, and then {report:?}"),
        }
    }

    fn command(&self, line: &str) -> StepCommand {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |text: &str| text.parse().unwrap();
        let (resource, action) = match words.as_slice() {
            ["restart", id] => (id, Action::Restart { on: None }),
            ["restart", id, "on", host] => (id, Action::Restart { on: Some(host.parse().unwrap()) }),
            ["start", id] => (id, Action::Start),
            ["stop", id] => (id, Action::Stop),
            ["pause", id] => (id, Action::Pause { on: true }),
            ["unpause", id] => (id, Action::Pause { on: false }),
            ["end", id] => (id, Action::Kill),
            ["recreate", id] => (id, Action::Recreate { image: None }),
            ["resize", id, vcpus] => (
                id,
                Action::Resize(Amount { vcpus: Some(number(vcpus)), memory_bytes: None, ..Amount::default() }.into()),
            ),
            ["resize", id, "memory", gib] => {
                let bytes = gib.parse::<u64>().unwrap() << 30;
                (id, Action::Resize(Amount { vcpus: None, memory_bytes: Some(bytes), ..Amount::default() }.into()))
            }
            ["migrate", id, "to", host] => (id, Action::Migrate { to: host.parse().unwrap(), live: true }),
            ["move", id, "to", host] => (id, Action::Migrate { to: host.parse().unwrap(), live: false }),
            ["fence", id] => (id, Action::Fence),
            ["power", "on", id] => (id, Action::Power { on: true }),
            ["power", "off", id] => (id, Action::Power { on: false }),
            ["cordon", id] => (id, Action::Cordon { on: true }),
            ["uncordon", id] => (id, Action::Cordon { on: false }),
            other => panic!("{other:?} is no step"),
        };
        let (plan, step) = (PlanId { generation: Generation(1), number: self.steps }, StepId(1));
        StepCommand {
            plan,
            step,
            key: IdempotencyKey::new(plan, step),
            generation: Generation(1),
            adapter: self.centre.adapter().clone(),
            resource: resource.parse().unwrap(),
            action,
            timeout: Duration::from_mins(10),
            begun: homeostat_model::Timestamp::default(),
        }
    }

    fn events(&self) -> Vec<String> {
        let line = |seen: &Seen| match seen {
            Seen::Observed { observation: Observation::Event(event), .. } => {
                Some(format!("{} {}", event.event_type, event.resource))
            }
            _ => None,
        };
        self.seen.iter().filter_map(line).collect()
    }
}

/// Plays all lines, and looks at what the last one gave.
fn check(play: &str, expected: &str) {
    let mut data_centre = Play::begin();
    let last = play.split(';').map(|line| data_centre.line(line.trim())).last().unwrap();
    assert!(last.contains(expected), "{play}\n  gave      {last}\n  expected  {expected}");
    assert_eq!(data_centre.centre.effects().ran_twice(), [], "{play}");
}

#[test]
fn workloads_are_started_and_stopped() {
    for (play, expected) in [
        ("restart vm/a", "done: running on host/h1"),
        ("stop vm/a", "done: stopped on host/h1"),
        ("stop vm/a; stop vm/a", "done: stopped"),
        ("stop vm/a; start vm/a", "done: running"),
        ("start vm/a", "done: running"),
        ("crash vm/a; start vm/a", "done: running"),
        ("crash vm/a; restart vm/a", "done: running"),
        ("crash vm/a; stop vm/a", "done: stopped"),
        ("begin restart vm/a; restart vm/a", "refused: vm/a is busy with step p1-1/1"),
        ("begin restart vm/a; crash vm/a; restart vm/a", "done: running"),
        ("restart vm/none", "refused: there is no vm/none here"),
        ("restart host/h1", "refused: restart cannot be done to a host"),
        ("kill host/h1; restart vm/a", "refused: host/h1 is down"),
        ("kill host/h1; start vm/a", "refused: nobody knows what vm/a does"),
        ("begin restart vm/a; cancel", "cancelled: false"),
    ] {
        check(play, expected);
    }
}

#[test]
fn workloads_stand_still_end_at_once_and_are_made_anew() {
    for (play, expected) in [
        ("pause vm/a", "done: paused on host/h1"),
        ("pause vm/a; pause vm/a", "done: paused"),
        ("pause vm/a; unpause vm/a", "done: running"),
        ("unpause vm/a", "done: running"),
        ("pause vm/a; start vm/a", "refused: vm/a is paused, and has to be unpaused"),
        ("pause vm/a; restart vm/a", "done: running"),
        ("pause vm/a; migrate vm/a to host/h2", "refused: vm/a is paused; only what runs can be moved live"),
        ("pause vm/a; kill host/h1; fence host/h1; restart vm/a on host/h2", "done: running on host/h2"),
        ("stop vm/a; pause vm/a", "refused: vm/a is stopped, and cannot be paused"),
        ("stop vm/a; unpause vm/a", "refused: vm/a is stopped, and cannot be unpaused"),
        ("begin pause vm/a; crash vm/a; start vm/a", "done: running"),
        ("end vm/a", "done: stopped on host/h1"),
        ("pause vm/a; end vm/a", "done: stopped"),
        ("end vm/a; end vm/a", "done: stopped"),
        ("recreate container/c", "done: running on host/h2"),
        ("stop container/c; recreate container/c", "done: stopped on host/h2"),
        ("recreate vm/a", "refused: recreate cannot be done to a vm"),
        ("kill host/h1; end vm/a", "refused: nobody knows what vm/a does"),
    ] {
        check(play, expected);
    }
}

#[test]
fn nothing_is_started_where_it_could_run_twice() {
    for (play, expected) in [
        ("restart vm/a on host/h2", "refused: vm/a could still run on host/h1; that has to be fenced first"),
        ("kill host/h1; restart vm/a on host/h2", "fenced first"),
        ("isolate host/h1; restart vm/a on host/h2", "fenced first"),
        ("kill host/h1; revive host/h1; restart vm/a on host/h2", "fenced first"),
        ("kill host/h1; fence host/h1; restart vm/a on host/h2", "done: running on host/h2"),
        ("isolate host/h1; fence host/h1; restart vm/a on host/h2", "done: running on host/h2"),
        ("fence host/h1; restart vm/b on host/h2", "done: running on host/h2"),
        ("crash vm/a; restart vm/a on host/h2", "done: running on host/h2"),
        ("stop vm/a; restart vm/a on host/h2", "done: running on host/h2"),
        ("fence host/h1; restart vm/a on host/dark", "refused: host/dark is off"),
        ("fence host/h1; cordon host/h2; restart vm/a on host/h2", "refused: host/h2 is cordoned"),
        ("fence host/h1; restart vm/wide on host/h2; restart vm/a on host/h2", "refused: host/h2 has no room"),
        // Repaired and switched on again, it knows that what was on it has ended.
        ("kill host/h1; fence host/h1; revive host/h1; power on host/h1; start vm/a", "done: running on host/h1"),
    ] {
        check(play, expected);
    }
}

#[test]
fn amounts_are_given_while_there_is_room() {
    for (play, expected) in [
        ("resize vm/a 3", "done: running on host/h1 with 3 vcpus and 4096 MiB"),
        ("resize vm/a memory 5", "done: running on host/h1 with 4 vcpus and 5120 MiB"),
        ("resize vm/a 5", "refused: host/h1 has no room: 4 vcpus left to give out, 5 needed"),
        ("resize vm/b 1; resize vm/a 5", "done: running on host/h1 with 5 vcpus"),
        ("begin resize vm/b 1; resize vm/a 5", "refused: host/h1 has no room"),
        ("resize vm/a 3; begin resize vm/b 3; resize vm/wide 3", "refused: host/h1 has no room"),
        ("resize vm/a memory 6", "refused: host/h1 has no room: 5120 MiB of memory left, 6144 MiB needed"),
        ("resize vm/a memory 2", "refused: vm/a uses 3072 MiB at this moment"),
        ("stop vm/a; resize vm/a memory 2", "done: stopped"),
        ("resize vm/a 2.5", "refused: a vm has whole vcpus, not 2.5"),
        ("resize container/c 0.25", "done: running on host/h2 with 0.25 vcpus"),
        ("resize container/c 5", "refused: host/h2 has no more than 4 cores"),
        ("resize vm/a 0", "refused: 0 vcpus is not an amount"),
        ("resize vm/a -1", "is not an amount"),
        ("resize vm/a NaN", "is not an amount"),
        ("resize vm/a memory 0", "is not an amount"),
        ("begin resize vm/a 3; cancel", "cancelled: true"),
        ("begin resize vm/a 3; cancel; resize vm/a 4", "done: running on host/h1 with 4 vcpus"),
    ] {
        check(play, expected);
    }
}

#[test]
fn workloads_move_to_where_there_is_room() {
    for (play, expected) in [
        ("migrate vm/a to host/h2", "done: running on host/h2"),
        ("move vm/wide to host/h2", "done: stopped on host/h2"),
        ("move vm/a to host/h2", "done: running on host/h2"),
        ("migrate vm/wide to host/h2", "refused: vm/wide is stopped; only what runs can be moved live"),
        ("migrate vm/a to host/h1", "done: running on host/h1"),
        ("migrate vm/a to host/dark", "refused: host/dark is off"),
        ("migrate vm/a to host/none", "refused: there is no host host/none"),
        ("migrate vm/a to vm/b", "refused: there is no host vm/b"),
        ("cordon host/h2; migrate vm/a to host/h2", "refused: host/h2 is cordoned"),
        ("cordon host/h2; uncordon host/h2; migrate vm/a to host/h2", "done"),
        ("migrate vm/a to host/h2; migrate vm/b to host/h2", "refused: host/h2 has no room"),
        ("begin migrate vm/a to host/h2; migrate vm/b to host/h2", "refused: host/h2 has no room"),
        ("begin migrate vm/a to host/h2; cancel", "cancelled: true"),
        ("begin migrate vm/a to host/h2; cancel; start vm/a", "done: running on host/h1"),
        ("begin migrate vm/a to host/h2; kill host/h2; start vm/a", "done: running on host/h1"),
        ("begin migrate vm/a to host/h2; isolate host/h2; start vm/a", "done: running on host/h1"),
        (
            "begin migrate vm/a to host/h2; kill host/h1; fence host/h1; restart vm/a on host/h2",
            "done: running on host/h2",
        ),
        ("begin move vm/a to host/h2; cancel", "cancelled: false"),
    ] {
        check(play, expected);
    }
}

#[test]
fn hosts_are_switched_fenced_and_cordoned() {
    for (play, expected) in [
        ("power on host/dark", "done: up"),
        ("power off host/dark", "done: off"),
        ("power off host/h2", "refused: 1 workloads run on host/h2 or are on their way there"),
        ("stop container/c; power off host/h2", "done: off"),
        ("stop container/c; begin power off host/h2; start container/c", "refused: host/h2 is being switched off"),
        (
            "stop container/c; begin power off host/h2; migrate vm/a to host/h2",
            "refused: host/h2 is being switched off",
        ),
        ("stop container/c; begin migrate vm/a to host/h2; power off host/h2", "refused: 1 workloads"),
        ("fence host/h2", "done: off, fenced"),
        ("fence host/h2; fence host/h2", "done: off, fenced"),
        ("fence host/h2; power on host/h2", "done: up"),
        ("kill host/h2; power on host/h2", "refused: host/h2 does not answer; fence it first"),
        ("kill host/h2; fence host/h2; power on host/h2", "failed: host/h2 did not come up"),
        ("kill host/h2; fence host/h2; revive host/h2; power on host/h2", "done: up"),
        ("kill host/h2; revive host/h2; wait 30s; start container/c", "done: running"),
        ("kill host/dark; power on host/dark", "failed: host/dark did not come up"),
        ("begin power on host/dark; kill host/dark; cordon host/h1; power on host/h2", "done: up"),
        ("isolate host/h2; revive host/h2; start container/c", "done: running"),
        ("isolate host/h2; cordon host/h2", "refused: host/h2 does not answer"),
        ("cordon host/h2", "done: up, cordoned"),
    ] {
        check(play, expected);
    }
}

#[test]
fn what_happens_is_told_in_order() {
    for (play, expected) in [
        ("crash vm/a; wait 1s; restart vm/a", "vm.crashed vm/a, vm.started vm/a"),
        ("crash container/c", "container.died container/c"),
        ("stop vm/a; start vm/a", "vm.stopped vm/a, vm.started vm/a"),
        ("resize vm/a 3; migrate vm/a to host/h2", "vm.resized vm/a, vm.migrated vm/a"),
        ("crash vm/wide", ""),
        ("kill host/h2; kill host/h2; isolate host/h2", "host.down host/h2"),
        ("isolate host/h2; crash container/c; revive host/h2", "host.down host/h2, host.up host/h2"),
        ("kill host/h2; fence host/h2", "host.down host/h2, container.stopped container/c, host.fenced host/h2"),
        ("kill host/h2; revive host/h2; wait 30s", "host.down host/h2, container.stopped container/c, host.up host/h2"),
        ("power on host/dark; power off host/dark", "host.up host/dark, host.off host/dark"),
    ] {
        let mut data_centre = Play::begin();
        play.split(';').for_each(|line| drop(data_centre.line(line.trim())));
        assert_eq!(data_centre.events().join(", "), expected, "{play}");
    }
}

#[test]
fn the_snapshot_is_what_the_changes_add_up_to() {
    for play in [
        "crash vm/a; restart vm/a; resize vm/a 3; migrate vm/a to host/h2",
        "begin migrate vm/a to host/h2; kill host/h1; fence host/h1; restart vm/b on host/h2",
        "isolate host/h1; crash vm/a; revive host/h1; power on host/dark; cordon host/dark",
        "kill host/h1; revive host/h1; wait 2m; start vm/a; begin stop vm/a; fence host/h1",
        "kill host/h1; revive host/h1; wait 1s",
        "begin power on host/dark; kill host/dark; wait 2m; stop vm/b; move vm/wide to host/h2",
    ] {
        let mut data_centre = Play::begin();
        let mut known: std::collections::BTreeMap<_, _> =
            data_centre.centre.snapshot().into_iter().map(|resource| (resource.id.clone(), resource)).collect();
        play.split(';').for_each(|line| drop(data_centre.line(line.trim())));
        for seen in &data_centre.seen {
            if let Seen::Observed { observation: Observation::Inventory(InventoryChange::Upsert(resource)), .. } = seen
            {
                known.insert(resource.id.clone(), resource.clone());
            }
        }
        assert_eq!(known.into_values().collect::<Vec<_>>(), data_centre.centre.snapshot(), "{play}");
    }
}

#[test]
fn what_is_on_a_silent_host_has_ended_or_goes_on_and_nobody_can_tell() {
    let (h2, c) = ("host/h2".parse().unwrap(), "container/c".parse().unwrap());
    for (play, really_on) in [("kill host/h2", None), ("isolate host/h2", Some(&h2)), ("fence host/h2", None)] {
        let mut data_centre = Play::begin();
        data_centre.line(play);
        assert_eq!(data_centre.centre.effects().running_on(&c).first(), really_on, "{play}");
        if play != "fence host/h2" {
            let probed = data_centre.centre.probe(&data_centre.command("migrate container/c to host/h2"));
            assert_eq!(probed, Probe::NotDone("unknown on host/h2 with 0.5 vcpus and 1024 MiB".into()), "{play}");
        }
    }
}

#[test]
fn what_cannot_be_reached_is_silent_and_what_is_dead_draws_nothing() {
    // h1 and h2 are idle at 100 W, what runs on them wants nothing; an isolated host goes on drawing its power.
    for (play, watts, silent) in [
        ("wait 1s", 200.0, &[][..]),
        ("kill host/h2", 100.0, &["container/c", "host/h2"]),
        ("isolate host/h2", 200.0, &["container/c", "host/h2"]),
        ("stop container/c; power off host/h2", 100.0, &["container/c", "host/h2"]),
        ("crash vm/a", 200.0, &["vm/a"]),
    ] {
        let mut data_centre = Play::begin();
        play.split(';').for_each(|line| drop(data_centre.line(line.trim())));
        let from = data_centre.seen.len();
        data_centre.advance("10m");
        let mut rack = None;
        for seen in &data_centre.seen[from..] {
            let Seen::Observed { observation: Observation::Sample(sample), .. } = seen else { continue };
            assert!(!silent.contains(&sample.resource.as_str()), "{play}: {sample:?}");
            if sample.resource.kind() == "rack" {
                rack = Some(sample.value);
            }
        }
        assert_eq!(rack, Some(watts), "{play}");
    }
}

#[test]
fn an_older_generation_is_refused() {
    let mut play = Play::begin();
    let (mut newer, older) = (play.command("stop vm/a"), play.command("stop vm/b"));
    newer.generation = Generation(2);
    play.centre.begin(&newer);
    assert_eq!(play.centre.check(&older).unwrap_err().reason, "generation 1 is older than 2");
}
