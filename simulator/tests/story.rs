//! The example's story: what its policies wait for comes when its head says, and what they will want can be done.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use homeostat_model::{
    Action, AdapterName, Amount, Duration, Generation, IdempotencyKey, Observation, PlanId, StepCommand, StepId,
    StepResult, Timestamp,
};
use homeostat_simulator::{DataCentre, Scenario, Seen};

struct Play {
    centre: DataCentre,
    start: Timestamp,
    seen: Vec<Seen>,
    plans: u64,
}

impl Play {
    fn begin() -> Self {
        let text = include_str!("../../examples/datacenter/datacenter.yaml");
        let scenario = Scenario::parse("datacenter.yaml", text).unwrap();
        let centre = DataCentre::new(&scenario, AdapterName::new("datacentre").unwrap(), scenario.start, scenario.seed);
        Self { centre, start: scenario.start, seen: Vec::new(), plans: 0 }
    }

    fn until(&mut self, time: &str) {
        let time: Duration = time.parse().unwrap();
        self.seen.extend(self.centre.advance(self.start + time));
    }

    /// The newest sample.
    fn last(&self, resource: &str, metric: &str) -> Option<f64> {
        self.seen.iter().rev().find_map(|seen| match seen {
            Seen::Observed { observation: Observation::Sample(sample), .. }
                if sample.resource.as_str() == resource && sample.metric.as_str() == metric =>
            {
                Some(sample.value)
            }
            _ => None,
        })
    }

    fn command(&mut self, resource: &str, action: Action) -> StepCommand {
        self.plans += 1;
        let (plan, step) = (PlanId { generation: Generation(1), number: self.plans }, StepId(1));
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

    /// Does a step to its end and says when that was, since the start.
    fn act(&mut self, resource: &str, action: Action) -> String {
        let command = self.command(resource, action);
        self.centre.begin(&command);
        let end = self.centre.ends(&command.key).unwrap_or(self.centre.now());
        self.seen.extend(self.centre.advance(end));
        match self.centre.outcome(&command.key) {
            Some(StepResult::Done { .. }) => end.since(self.start).to_string(),
            _ => panic!("{} of {resource}: {:?}", command.action, self.seen.last()),
        }
    }

    fn refused(&mut self, resource: &str, action: Action) -> String {
        let command = self.command(resource, action);
        self.centre.check(&command).unwrap_err().reason
    }

    fn state(&self, id: &str) -> (String, String) {
        let found = self.centre.snapshot().into_iter().find(|resource| resource.id.as_str() == id).unwrap();
        (found.state().unwrap().to_owned(), found.on.unwrap().to_string())
    }

    fn events(&self) -> Vec<String> {
        let line = |seen: &Seen| match seen {
            Seen::Observed { at, observation: Observation::Event(event) } => {
                Some(format!("{} {} {}", at.since(self.start), event.event_type, event.resource))
            }
            _ => None,
        };
        self.seen.iter().filter_map(line).collect()
    }
}

fn vcpus(count: f64) -> Action {
    Action::Resize(Amount { vcpus: Some(count), memory_bytes: None, ..Amount::default() }.into())
}

fn to(host: &str) -> Action {
    Action::Migrate { to: host.parse().unwrap(), live: true }
}

fn on(host: &str) -> Action {
    Action::Restart { on: Some(host.parse().unwrap()) }
}

#[test]
fn the_story_can_be_played_to_a_good_end() {
    let mut play = Play::begin();
    play.until("2m");
    assert_eq!(play.state("vm/web-1").0, "crashed");
    assert_eq!(play.act("vm/web-1", Action::Restart { on: None }), "2m20s");

    play.until("4m45s");
    assert!(play.last("vm/api-1", "cpu.utilization").unwrap() < 0.5);
    play.until("6m");
    assert_eq!(play.last("vm/api-1", "cpu.utilization"), Some(1.0));
    play.act("vm/api-1", vcpus(4.0));
    play.until("9m45s");
    let utilization = play.last("vm/api-1", "cpu.utilization").unwrap();
    assert!((0.7..0.8).contains(&utilization), "{utilization}");

    play.until("11m");
    assert_eq!(play.last("vm/api-1", "cpu.utilization"), Some(1.0));
    let reason = play.refused("vm/api-1", vcpus(6.0));
    assert_eq!(reason, "host/h1 has no room: 4 vcpus left to give out, 6 needed");
    play.act("vm/api-1", to("host/h5"));
    play.act("vm/api-1", vcpus(6.0));
    play.until("13m45s");
    let utilization = play.last("vm/api-1", "cpu.utilization").unwrap();
    assert!((0.7..0.8).contains(&utilization), "{utilization}");

    play.until("14m");
    assert_eq!(play.state("host/h3").0, "down");
    assert_eq!(play.state("vm/app-3"), ("unknown".into(), "host/h3".into()));
    assert!(play.refused("vm/app-3", on("host/h4")).contains("fenced first"));
    assert_eq!(play.act("host/h3", Action::Fence), "14m5s");
    for (lost, target) in [
        ("vm/web-3", "host/h4"),
        ("vm/app-3", "host/h5"),
        ("vm/cache-2", "host/h4"),
        ("vm/ci-1", "host/h5"),
        ("container/proxy-1", "host/h4"),
    ] {
        play.act(lost, on(target));
        assert_eq!(play.state(lost), ("running".into(), target.into()));
    }

    play.until("17m45s");
    assert_eq!(play.last("vm/crunch-1", "cpu.steal"), Some(0.0));
    play.until("19m");
    let (thief, victim) = (play.last("vm/crunch-1", "cpu.steal"), play.last("vm/db-2", "cpu.steal"));
    assert!(thief > Some(0.3) && victim > Some(0.1), "{thief:?} {victim:?}");
    assert!(play.refused("vm/crunch-1", to("host/micro-1")).contains("off"));
    assert_eq!(play.act("host/micro-1", Action::Power { on: true }), "19m40s");
    play.act("vm/crunch-1", to("host/micro-1"));
    play.until("20m45s");
    for vm in ["vm/crunch-1", "vm/db-2"] {
        assert_eq!(play.last(vm, "cpu.steal"), Some(0.0), "{vm}");
    }
    assert_eq!(play.last("host/micro-1", "power.watts"), Some(29.0));
    assert_eq!(play.centre.effects().ran_twice(), []);
    let expected = ["2m vm.crashed vm/web-1", "2m20s vm.started vm/web-1", "14m host.down host/h3"];
    let events = play.events();
    assert!(expected.iter().all(|line| events.iter().any(|event| event == line)), "{events:#?}");
}

#[test]
fn nothing_else_in_the_story_asks_for_attention() {
    let mut play = Play::begin();
    play.until("25m");
    let hot = |seen: &Seen| match seen {
        Seen::Observed { observation: Observation::Sample(sample), .. } => {
            let limit = match sample.metric.as_str() {
                "cpu.utilization" | "memory.utilization" if sample.resource.kind() != "host" => 0.8,
                "cpu.steal" => 0.0,
                _ => return None,
            };
            (sample.value > limit).then(|| sample.resource.to_string())
        }
        _ => None,
    };
    let hot: std::collections::BTreeSet<String> = play.seen.iter().filter_map(hot).collect();
    assert_eq!(hot.iter().map(String::as_str).collect::<Vec<_>>(), ["vm/api-1", "vm/crunch-1", "vm/db-2"]);
}
