//! What a plan is expected to cost: figures to weigh one against another, and to show to whoever approves it.

use homeostat_model::{Action, Cost, Duration, Step, Value};

use crate::{Demand, Surroundings};

/// A guest or a service that is started takes about this long until it serves again.
const START: Duration = Duration::from_secs(30);
/// The pause at the end of a live migration.
const SWITCH: Duration = Duration::from_secs(1);
/// What a network card of 10 Gbit/s moves in a second, at best.
const LINK_BYTES_A_SECOND: u64 = 1_250_000_000;

/// What these steps cost together. What an end or a pause interrupts is counted, its time is not: only who asked for it knows when
/// it will end.
pub(crate) fn cost(around: &Surroundings<'_>, steps: &[Step]) -> Cost {
    steps.iter().fold(Cost::default(), |sum, step| {
        let one = of(around, step);
        Cost {
            expected_downtime: sum.expected_downtime.plus(one.expected_downtime),
            interrupted: sum.interrupted.saturating_add(one.interrupted),
            moved_bytes: sum.moved_bytes.saturating_add(one.moved_bytes),
        }
    })
}

fn of(around: &Surroundings<'_>, step: &Step) -> Cost {
    let Some(resource) = around.topology.get(&step.resource) else { return Cost::default() };
    let runs = matches!(resource.state(), Some("running" | "up"));
    let memory = || Demand::of(around, resource).memory_bytes;
    let interruption = |expected_downtime, moved_bytes| {
        let (interrupted, expected_downtime) = if runs { (1, expected_downtime) } else { (0, Duration::ZERO) };
        Cost { expected_downtime, interrupted, moved_bytes }
    };
    match &step.action {
        Action::Migrate { live: true, .. } => Cost { expected_downtime: SWITCH, interrupted: 0, moved_bytes: memory() },
        // A container takes nothing along but its description.
        Action::Migrate { live: false, .. } if resource.attributes.get("image").is_some_and(is_text) => {
            interruption(START, 0)
        }
        Action::Migrate { live: false, .. } => {
            let bytes = memory();
            interruption(START.plus(Duration::from_secs(bytes / LINK_BYTES_A_SECOND)), bytes)
        }
        Action::Restart { .. } | Action::Recreate { .. } => interruption(START, 0),
        Action::Stop | Action::Kill | Action::Pause { on: true } | Action::Power { on: false } | Action::Fence => {
            interruption(Duration::ZERO, 0)
        }
        Action::Start
        | Action::Resize(_)
        | Action::Pause { on: false }
        | Action::Power { on: true }
        | Action::Cordon { .. } => Cost::default(),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use homeostat_model::{
        AdapterName, Amount, Duration, InventoryChange, Resource, ResourceId, Retry, StepId, Topology,
    };

    use super::*;
    use crate::{ALL_WAYS_OPEN, Projection};

    const GI: u64 = 1 << 30;

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    fn resource(name: &str, state: &str, memory_bytes: Option<u64>) -> Resource {
        let mut one = Resource::named(id(name));
        one.attributes.insert("state".into(), state.into());
        one.capacity.memory_bytes = memory_bytes;
        one
    }

    /// What steps cost where there are a machine that runs, one that does not, one of which no size is known, a container, and a host
    /// that is up and one that is down.
    fn of_steps(steps: &[(&str, Action)]) -> Cost {
        let mut container = resource("container/web", "running", Some(GI));
        container.attributes.insert("image".into(), "nginx:1".into());
        let resources = vec![
            resource("host/up", "up", None),
            resource("host/down", "down", None),
            resource("vm/runs", "running", Some(25 * GI)),
            resource("vm/off", "off", Some(25 * GI)),
            resource("vm/plain", "running", None),
            container,
        ];
        let mut topology = Topology::default();
        topology.apply(InventoryChange::Snapshot { adapter: AdapterName::new("a").unwrap(), resources });
        let (capabilities, projection) = (BTreeMap::new(), Projection::default());
        let around = Surroundings {
            topology: &topology,
            capabilities: &capabilities,
            projection: &projection,
            barred: &ALL_WAYS_OPEN,
        };
        let step = |(number, (resource, action)): (u16, &(&str, Action))| Step {
            id: StepId(number),
            after: Vec::new(),
            resource: id(resource),
            adapter: AdapterName::new("a").unwrap(),
            action: action.clone(),
            timeout: Duration::ZERO,
            reason: String::new(),
            preconditions: Vec::new(),
            retry: Retry::ONCE,
            compensation: None,
        };
        cost(&around, &(1..).zip(steps).map(step).collect::<Vec<_>>())
    }

    fn to(live: bool) -> Action {
        Action::Migrate { to: id("host/up"), live }
    }

    /// Seconds of downtime, workloads that are interrupted, bytes that are moved.
    #[test]
    fn what_runs_costs_its_downtime_and_what_moves_its_memory() {
        let (restart, anew) = (Action::Restart { on: None }, Action::Recreate { image: None });
        let elsewhere = Action::Restart { on: Some(id("host/up")) };
        for (resource, action, wanted) in [
            ("vm/runs", to(true), (1, 0, 25 * GI)),
            ("vm/plain", to(true), (1, 0, 0)),
            // 25 GiB go through a link of 1.25 GB a second in 21 seconds, and it starts in 30.
            ("vm/runs", to(false), (51, 1, 25 * GI)),
            ("vm/off", to(false), (0, 0, 25 * GI)),
            ("vm/plain", to(false), (30, 1, 0)),
            ("container/web", to(false), (30, 1, 0)),
            ("container/web", restart.clone(), (30, 1, 0)),
            ("container/web", anew.clone(), (30, 1, 0)),
            ("vm/runs", restart.clone(), (30, 1, 0)),
            ("vm/runs", elsewhere, (30, 1, 0)),
            ("vm/off", restart, (0, 0, 0)),
            ("vm/off", anew, (0, 0, 0)),
            // Until when, only who asked for it knows.
            ("vm/runs", Action::Stop, (0, 1, 0)),
            ("vm/runs", Action::Kill, (0, 1, 0)),
            ("vm/runs", Action::Pause { on: true }, (0, 1, 0)),
            ("host/up", Action::Power { on: false }, (0, 1, 0)),
            ("host/up", Action::Fence, (0, 1, 0)),
            ("host/down", Action::Fence, (0, 0, 0)),
            ("vm/off", Action::Start, (0, 0, 0)),
            ("vm/runs", Action::Pause { on: false }, (0, 0, 0)),
            ("vm/runs", Action::Resize(Amount { vcpus: Some(4.0), ..Amount::default() }.into()), (0, 0, 0)),
            ("host/down", Action::Power { on: true }, (0, 0, 0)),
            ("host/up", Action::Cordon { on: true }, (0, 0, 0)),
            ("vm/gone", to(true), (0, 0, 0)),
        ] {
            let (seconds, interrupted, moved_bytes) = wanted;
            let wanted = Cost { expected_downtime: Duration::from_secs(seconds), interrupted, moved_bytes };
            assert_eq!(of_steps(&[(resource, action.clone())]), wanted, "{action} of {resource}");
        }
    }

    #[test]
    fn steps_cost_what_they_cost_together() {
        let steps = [
            ("host/down", Action::Cordon { on: true }),
            ("vm/runs", to(true)),
            ("vm/runs", to(false)),
            ("container/web", to(false)),
        ];
        let wanted = Cost { expected_downtime: Duration::from_secs(82), interrupted: 2, moved_bytes: 50 * GI };
        assert_eq!(of_steps(&steps), wanted);
        assert_eq!(of_steps(&[]), Cost::default());
    }
}
