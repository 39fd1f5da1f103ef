//! Whether a step can be done, asked of the engines. Nothing is changed by asking.

use homeostat_model::{Action, Amount, Capabilities, StepCommand};
use homeostat_port::Refusal;

use crate::{
    adapter::Shared,
    locate::Place,
    number::float,
    replace::{Replacement, is_done},
};

/// The least memory that Docker accepts as a limit.
const LEAST_MEMORY: u64 = 6 << 20;

/// The least processor time that Docker accepts as a limit, in cores.
const LEAST_VCPUS: f64 = 0.01;

/// The least and the greatest weight that the kernel knows.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

impl Shared {
    /// Whether the step can be done.
    pub(crate) async fn check(&self, command: &StepCommand, offered: &Capabilities) -> Result<(), Refusal> {
        let (resource, verb) = (&command.resource, command.action.verb());
        if !offered.can(resource.kind(), verb) {
            return refuse(format!("{} does not offer {verb} of a {}", self.config.name, resource.kind()));
        }
        let found = self.locate(resource).await.map_err(|error| Refusal { reason: error.to_string() })?;
        let Some(place) = found else {
            return refuse(format!("there is no {resource} at {}", self.config.name));
        };
        match (&command.action, place.container.state()) {
            (_, "dead") => refuse(format!("{resource} is being removed")),
            (Action::Start, "paused") => refuse(format!("{resource} is paused, and has to be unpaused")),
            (Action::Pause { .. }, state) if !matches!(state, "running" | "paused") => {
                refuse(format!("{resource} is {state}; only what runs can be paused"))
            }
            (Action::Restart { on: Some(host) }, _) if Some(host) != place.container.resource.on.as_ref() => {
                refuse(format!("a container cannot be restarted on another host, such as {host}"))
            }
            (Action::Resize(amount), _) => check_resize(amount, &place).await,
            (Action::Migrate { .. } | Action::Recreate { .. }, _) => {
                let done = is_done(command, &place).await.map_err(|error| Refusal { reason: error.to_string() })?;
                if done { Ok(()) } else { Replacement::plan(self, command, place).await.map(drop) }
            }
            _ => Ok(()),
        }
    }
}

async fn check_resize(amount: &Amount, place: &Place) -> Result<(), Refusal> {
    let Place { facts, container, .. } = place;
    if *amount == Amount::default() {
        return refuse("nothing to change is given".into());
    }
    if let Some(vcpus) = amount.vcpus {
        let most = facts.cores.map_or(f64::MAX, float);
        if !(LEAST_VCPUS..=most).contains(&vcpus) {
            return refuse(format!("{vcpus} vcpus are not between {LEAST_VCPUS} and the host's {most}"));
        }
    }
    if let Some(shares) = amount.cpu_shares.filter(|shares| !SHARES.contains(shares)) {
        return refuse(format!("{shares} cpu shares are not between {} and {}", SHARES.start(), SHARES.end()));
    }
    if let Some((last, cores)) = amount.cpus.as_ref().and_then(homeostat_model::CpuSet::last).zip(facts.cores)
        && u64::from(last) >= cores
    {
        return refuse(format!("there is no processor {last}: the host has {cores}, counted from 0"));
    }
    let Some(memory) = amount.memory_bytes else { return Ok(()) };
    let most = facts.memory.unwrap_or(u64::MAX);
    if !(LEAST_MEMORY..=most).contains(&memory) {
        return refuse(format!("{memory} bytes of memory are not between {LEAST_MEMORY} and the host's {most}"));
    }
    if container.runs && container.limits.memory.is_none_or(|before| memory < before) {
        check_shrink(memory, place).await?;
    }
    Ok(())
}

/// A limit below what is in use kills something inside the container, or is refused by the kernel.
async fn check_shrink(memory: u64, place: &Place) -> Result<(), Refusal> {
    let reading = place.host.connection.reading(&place.container.id).await;
    let reading = reading.map_err(|error| Refusal { reason: error.to_string() })?;
    let used = reading.and_then(|stats| crate::statistics::reading(&stats).memory_used());
    match used {
        Some(used) if used >= memory => refuse(format!("it uses {used} bytes of memory, {memory} are not enough")),
        _ => Ok(()),
    }
}

pub(crate) fn refuse(reason: String) -> Result<(), Refusal> {
    Err(Refusal { reason })
}
