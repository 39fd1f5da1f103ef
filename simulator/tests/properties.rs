//! Whatever is asked of a data centre and whatever happens to it, its invariants hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use homeostat_model::{
    Action, AdapterName, Amount, Duration, Generation, IdempotencyKey, InventoryChange, Observation, PlanId, Resource,
    ResourceId, StepCommand, StepId, StepResult,
};
use homeostat_simulator::{DataCentre, Incident, Scenario, Seen};
use proptest::prelude::*;

const SCENARIO: &str = "
start: 2026-03-02T09:00:00Z
duration: 1h
sampleEvery: 10s
overcommit: 1.5
migration: {bandwidth: 200M, pause: 100ms}
racks: [{name: r1}, {name: r2}]
hosts:
  - {name: 'h{1..3}', rack: r1, cores: 8, memory: 16Gi, power: {idle: 100W, busy: 300W}, bootTime: 30s}
  - {name: h4, rack: r2, cores: 4, memory: 8Gi, power: {idle: 15W, busy: 29W}, state: off, bootTime: 20s}
vms:
  - {name: 'v{1..6}', on: 'h{1..3}', vcpus: 4, memory: 4Gi, load: {base: 3, noise: 2}}
containers:
  - {name: 'c{1..3}', on: 'h{1..3}', vcpus: 1.5, memory: 1Gi, load: {base: 1, sine: {amplitude: 1, period: 1m}}}
timeline:
  - {at: 1m, load: {resource: vm/v1, cores: 9, ramp: 30s}}
  - {at: 2m, memory: {resource: vm/v2, bytes: 9Gi, ramp: 1m}}
";

/// What is done or happens, and how long after the one before.
#[derive(Debug, Clone)]
enum Deed {
    Step { key: u64, generation: u32, resource: String, action: Action },
    Cancel { key: u64 },
    Incident(Incident),
}

fn host() -> impl Strategy<Value = String> {
    (1..=4).prop_map(|number| format!("host/h{number}"))
}

fn workload() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..=6).prop_map(|number| format!("vm/v{number}")),
        (1..=3).prop_map(|number| format!("container/c{number}"))
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let id = |host: String| -> ResourceId { host.parse().unwrap() };
    let amount = (prop::option::of(0.0..14.0_f64), prop::option::of(0_u64..20));
    prop_oneof![
        Just(Action::Restart { on: None }),
        host().prop_map(move |on| Action::Restart { on: Some(id(on)) }),
        Just(Action::Start),
        Just(Action::Stop),
        any::<bool>().prop_map(|on| Action::Pause { on }),
        Just(Action::Kill),
        Just(Action::Recreate { image: None }),
        amount.prop_map(|(vcpus, gib)| {
            Action::Resize(
                Amount { vcpus: vcpus.map(f64::round), memory_bytes: gib.map(|gib| gib << 30), ..Amount::default() }
                    .into(),
            )
        }),
        (host(), any::<bool>()).prop_map(move |(to, live)| Action::Migrate { to: id(to), live }),
        Just(Action::Fence),
        any::<bool>().prop_map(|on| Action::Power { on }),
        prop_oneof![3 => Just(false), 1 => Just(true)].prop_map(|on| Action::Cordon { on }),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    // Few keys, so that they are repeated; mostly the newest generation.
    let step =
        (0_u64..30, prop_oneof![1 => Just(1_u32), 9 => Just(2)], prop_oneof![2 => workload(), 1 => host()], action());
    prop_oneof![
        8 => step.prop_map(|(key, generation, resource, action)| Deed::Step { key, generation, resource, action }),
        1 => (0_u64..30).prop_map(|key| Deed::Cancel { key }),
        1 => workload().prop_map(|id| Deed::Incident(Incident::Crash(id.parse().unwrap()))),
        1 => host().prop_map(|id| Deed::Incident(Incident::Kill(id.parse().unwrap()))),
        1 => host().prop_map(|id| Deed::Incident(Incident::Isolate(id.parse().unwrap()))),
        2 => host().prop_map(|id| Deed::Incident(Incident::Revive(id.parse().unwrap()))),
    ]
}

fn deeds() -> impl Strategy<Value = Vec<(u64, Deed)>> {
    prop::collection::vec((0_u64..40_000, deed()), 1..60)
}

fn data_centre(seed: u64) -> (DataCentre, Scenario) {
    let scenario = Scenario::parse("properties.yaml", SCENARIO).unwrap();
    (DataCentre::new(&scenario, AdapterName::new("sim").unwrap(), scenario.start, seed), scenario)
}

fn key(number: u64) -> (PlanId, IdempotencyKey) {
    let plan = PlanId { generation: Generation(1), number };
    (plan, IdempotencyKey::new(plan, StepId(1)))
}

fn command(number: u64, generation: u32, resource: &str, action: &Action) -> StepCommand {
    let (plan, key) = key(number);
    StepCommand {
        plan,
        step: StepId(1),
        key,
        generation: Generation(generation),
        adapter: AdapterName::new("sim").unwrap(),
        resource: resource.parse().unwrap(),
        action: action.clone(),
        timeout: Duration::from_mins(10),
        begun: homeostat_model::Timestamp::default(),
    }
}

/// Plays everything, in leaps of at most `leap` milliseconds, and looks after each.
fn play(seed: u64, deeds: &[(u64, Deed)], leap: u64, mut look: impl FnMut(&DataCentre, &[Seen])) -> Vec<Seen> {
    let (mut centre, _) = data_centre(seed);
    let mut all = Vec::new();
    let mut advance = |centre: &mut DataCentre, millis: u64| {
        let mut left = millis;
        loop {
            let step = left.min(leap);
            left -= step;
            let seen = centre.advance(centre.now() + Duration::from_millis(step));
            look(centre, &seen);
            all.extend(seen);
            if left == 0 {
                return;
            }
        }
    };
    for (after, deed) in deeds {
        advance(&mut centre, *after);
        match deed {
            Deed::Step { key, generation, resource, action } => {
                centre.begin(&command(*key, *generation, resource, action))
            }
            Deed::Cancel { key: number } => {
                centre.cancel(&key(*number).1);
            }
            Deed::Incident(incident) => centre.inject(incident),
        }
    }
    advance(&mut centre, 120_000);
    all
}

/// No host has given out more memory or processors than it may, counting everything that is placed on it.
fn room_is_kept(resources: &[Resource]) {
    for host in resources.iter().filter(|resource| resource.id.kind() == "host") {
        let placed = || resources.iter().filter(|resource| resource.on.as_ref() == Some(&host.id));
        let memory: u64 = placed().filter_map(|resource| resource.capacity.memory_bytes).sum();
        let vcpus: f64 = placed().filter_map(|resource| resource.capacity.vcpus).sum();
        assert!(memory <= host.capacity.memory_bytes.unwrap(), "{} has given out {memory} bytes", host.id);
        assert!(vcpus <= host.capacity.vcpus.unwrap() * 1.5 + 1e-9, "{} has given out {vcpus} vcpus", host.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold(seed: u64, deeds in deeds()) {
        let mut joules = 0.0;
        let mut before = data_centre(seed).1.start;
        let mut finished = std::collections::BTreeMap::new();
        play(seed, &deeds, u64::MAX, |centre, seen| {
            room_is_kept(&centre.snapshot());
            assert_eq!(centre.effects().ran_twice(), []);
            for resource in centre.snapshot() {
                let hosts = centre.effects().running_on(&resource.id);
                let expected = match resource.state() {
                    // One that is paused is there all the same: it must run nowhere else.
                    Some("running" | "migrating" | "paused") => vec![resource.on.clone().unwrap()],
                    // A dead host runs nothing, one that is out of reach goes on; nobody outside knows which.
                    Some("unknown") => continue,
                    _ => vec![],
                };
                assert_eq!(hosts.into_iter().collect::<Vec<_>>(), expected, "{}", resource.id);
            }
            assert!(centre.energy_joules() >= joules);
            joules = centre.energy_joules();
            for seen in seen {
                assert!(seen.at() >= before, "time went backwards");
                before = seen.at();
                match seen {
                    Seen::Observed { observation: Observation::Sample(sample), .. } => {
                        let name = sample.metric.as_str();
                        let ratio = name.ends_with("utilization") || name == "cpu.steal" || name == "up";
                        assert!(sample.value >= 0.0 && (!ratio || sample.value <= 1.0), "{sample:?}");
                    }
                    Seen::Observed { observation: Observation::Inventory(InventoryChange::Upsert(resource)), .. } => {
                        assert!(resource.adapter.is_some());
                    }
                    Seen::Observed { .. } => {}
                    Seen::Finished { report, .. } => {
                        let done = matches!(report.result, StepResult::Done { .. });
                        *finished.entry(report.key.clone()).or_insert(0) += u32::from(done);
                    }
                }
            }
        });
    }

    #[test]
    fn a_leap_equals_many_small_steps(seed: u64, deeds in deeds(), leap in 1_u64..5_000) {
        let in_leaps = play(seed, &deeds, u64::MAX, |_, _| {});
        let in_steps = play(seed, &deeds, leap.max(50), |_, _| {});
        prop_assert_eq!(in_leaps, in_steps);
    }

    #[test]
    fn equal_seeds_give_equal_bytes_and_others_do_not(seed: u64, deeds in deeds()) {
        let bytes = |seed| -> Vec<String> {
            let observed = |seen: &Seen| match seen {
                Seen::Observed { at, observation } => serde_json::to_string(&(at, observation)).unwrap(),
                Seen::Finished { at, report } => serde_json::to_string(&(at, report)).unwrap(),
            };
            play(seed, &deeds, u64::MAX, |_, _| {}).iter().map(observed).collect()
        };
        let once = bytes(seed);
        prop_assert_eq!(&once, &bytes(seed));
        prop_assert_ne!(&once, &bytes(seed.wrapping_add(1)));
    }

    /// A step that is repeated under its key counts once, whatever happened between.
    #[test]
    fn one_key_has_at_most_one_effect(repeats in prop::collection::vec(0_u64..20_000, 1..8), action in action()) {
        let (mut centre, _) = data_centre(1);
        let target = if matches!(action, Action::Fence | Action::Power { .. } | Action::Cordon { .. }) { "host/h4" } else { "vm/v1" };
        let command = command(1, 1, target, &action);
        for after in repeats {
            centre.begin(&command);
            centre.advance(centre.now() + Duration::from_millis(after));
        }
        centre.advance(centre.now() + Duration::from_mins(5));
        prop_assert!(centre.effects().count(&command.resource, action.verb()) <= 1);
    }
}
