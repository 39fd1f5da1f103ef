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
