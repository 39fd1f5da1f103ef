//! Doing a step: whether it can be done, doing it once, and finding out at the engine what became of it.
//!
//! | verb | done means | after this process was restarted |
//! | --- | --- | --- |
//! | start | the container runs | the same: it is asked of the engine |
//! | stop | it does not run, or is gone | the same |
//! | resize | its limits are those asked for | the same |
//! | restart | it runs, and was started after the step began | the engine's history of events is asked for a restart |
//!
//! The history of an engine is short (Docker keeps 256 events, in memory; [`HISTORY`] is how far back we look), and does not
//! say who asked: a restart by somebody else within that time is taken for ours, which the container had all the same; one
//! that fell out of the history is taken for not done.

use std::{sync::Arc, time::Duration};

use homeostat_model::{Action, Amount, Capabilities, StepCommand};
use homeostat_port::{AdapterError, Probe, Refusal};
use jiff::SignedDuration;

use crate::{
    adapter::Shared,
    connection::Facts,
    inventory::Container,
    ledger::{Deed, Progress},
    number::{float, integer},
};

/// How long engines give a container to end by itself, unless it was made with another time.
const DEFAULT_GRACE_SECONDS: u64 = 10;

/// How far back a restart is looked for in the engine's history: a step is probed within seconds after a crash, and the
/// longest restart takes minutes.
const HISTORY: SignedDuration = SignedDuration::from_mins(15);

/// The least memory that Docker accepts as a limit.
const LEAST_MEMORY: u64 = 6 << 20;

/// The least processor time that Docker accepts as a limit, in cores.
const LEAST_VCPUS: f64 = 0.01;

impl Shared {
    /// The container of a step, as it is now.
    async fn target(&self, command: &StepCommand) -> Result<Option<(Arc<Facts>, Container)>, AdapterError> {
        let facts = self.connection.facts().await?;
        let Some(name) = self.naming.container_of(&command.resource) else { return Ok(None) };
        let inspected = self.connection.inspect(name).await?;
        let container = inspected.and_then(|inspected| self.naming.container(&facts, inspected));
        // Engines also find a container by the beginning of its id: only the name counts here.
        Ok(container.filter(|container| container.resource.id == command.resource).map(|found| (facts, found)))
    }

    /// How long the container of a step is given to end by itself.
    pub(crate) async fn grace(&self, command: &StepCommand) -> Duration {
        let seconds = match self.target(command).await {
            Ok(Some((_, container))) => container.stop_seconds,
            _ => None,
        };
        Duration::from_secs(seconds.unwrap_or(DEFAULT_GRACE_SECONDS))
    }

    /// Whether the step can be done.
    pub(crate) async fn check(&self, command: &StepCommand, offered: &Capabilities) -> Result<(), Refusal> {
        let (resource, verb) = (&command.resource, command.action.verb());
        if !offered.can(resource.kind(), verb) {
            return refuse(format!("{} does not offer {verb} of a {}", self.config.name, resource.kind()));
        }
        let found = self.target(command).await.map_err(|error| Refusal { reason: error.to_string() })?;
        let Some((facts, container)) = found else {
            return refuse(format!("there is no {resource} at {}", self.config.name));
        };
        match (&command.action, container.state()) {
            (_, "dead") => refuse(format!("{resource} is being removed")),
            (Action::Start, "paused") => {
                refuse(format!("{resource} is paused, and has to be unpaused by whoever did that"))
            }
            (Action::Restart { on: Some(host) }, _) if Some(host) != container.resource.on.as_ref() => {
                refuse(format!("a container cannot be restarted on another host, such as {host}"))
            }
            (Action::Resize(amount), _) => self.check_resize(*amount, &facts, &container).await,
            _ => Ok(()),
        }
    }

    async fn check_resize(&self, amount: Amount, facts: &Facts, container: &Container) -> Result<(), Refusal> {
        if amount == Amount::default() {
            return refuse("neither vcpus nor memory is given".into());
        }
        if let Some(vcpus) = amount.vcpus {
            let most = facts.cores.map_or(f64::MAX, float);
            if !(LEAST_VCPUS..=most).contains(&vcpus) {
                return refuse(format!("{vcpus} vcpus are not between {LEAST_VCPUS} and the host's {most}"));
            }
        }
        let Some(memory) = amount.memory_bytes else { return Ok(()) };
        let most = facts.memory.unwrap_or(u64::MAX);
        if !(LEAST_MEMORY..=most).contains(&memory) {
            return refuse(format!("{memory} bytes of memory are not between {LEAST_MEMORY} and the host's {most}"));
        }
        if container.runs && container.limits.memory.is_none_or(|before| memory < before) {
            self.check_shrink(memory, container).await?;
        }
        Ok(())
    }

    /// A limit below what is in use kills something inside the container, or is refused by the kernel.
    async fn check_shrink(&self, memory: u64, container: &Container) -> Result<(), Refusal> {
        let reading = self.connection.reading(&container.id).await;
        let reading = reading.map_err(|error| Refusal { reason: error.to_string() })?;
        let used = reading.and_then(|stats| crate::usage::memory_used(stats.memory_stats.as_ref()?));
        match used {
            Some(used) if used >= memory => refuse(format!("it uses {used} bytes of memory, {memory} are not enough")),
            _ => Ok(()),
        }
    }

    /// Does the step at the engine, and writes into the ledger how far it came. `earlier` is how far it was.
    pub(crate) async fn perform(
        &self,
        command: &StepCommand,
        earlier: &Progress,
        deed: &Deed,
    ) -> Result<(), AdapterError> {
        let (progress, outcome) = match self.attempt(command, earlier).await {
            Ok(before) => (Progress::Told { before, problem: None }, Ok(())),
            Err((Some(before), error)) => (Progress::Told { before, problem: Some(error.to_string()) }, Err(error)),
            // The engine was told nothing.
            Err((None, error)) => (earlier.clone(), Err(error)),
        };
        deed.set(progress);
        outcome
    }

    /// Gives when the container had been started before that; with an error, only if the engine was told.
    async fn attempt(
        &self,
        command: &StepCommand,
        earlier: &Progress,
    ) -> Result<String, (Option<String>, AdapterError)> {
        if let Progress::Told { before, problem } = earlier {
            // It went wrong before, or seemed to: it may have been done all the same.
            let became = self.became(command, before).await.map_err(|error| (None, error))?;
            if problem.is_none() || matches!(became, Probe::Done(_)) {
                return Ok(before.clone());
            }
        }
        let Some((facts, container)) = self.target(command).await.map_err(|error| (None, error))? else {
            return Err((None, failed(command, "there is no such container")));
        };
        match self.tell(command, &facts, &container).await {
            Ok(()) => Ok(container.started_at),
            Err(error) => Err((Some(container.started_at), error)),
        }
    }

    async fn tell(&self, command: &StepCommand, facts: &Facts, container: &Container) -> Result<(), AdapterError> {
        let grace = Duration::from_secs(container.stop_seconds.unwrap_or(DEFAULT_GRACE_SECONDS));
        let id = container.id.as_str();
        match &command.action {
            Action::Restart { .. } => {
                if container.runs {
                    self.requests.note(id);
                }
                self.connection.restart(id, grace).await
            }
            Action::Start => self.connection.start(id).await,
            Action::Stop => {
                if container.runs {
                    self.requests.note(id);
                }
                self.connection.stop(id, grace).await
            }
            Action::Resize(amount) if container.limits.satisfy(*amount) => Ok(()),
            Action::Resize(amount) => {
                self.connection.update(id, container.limits.update(*amount, facts.limits_swap)).await
            }
            _ => Err(failed(command, "containers cannot do that")),
        }
    }

    /// What the engine says about the step.
    pub(crate) async fn probe(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        match self.ledger.find(&command.key).map(|deed| deed.progress()) {
            Some(Progress::Running) => Ok(Probe::Running),
            Some(Progress::Told { before, .. }) => self.became(command, &before).await,
            Some(Progress::NotBegun) if matches!(command.action, Action::Restart { .. }) => {
                let seen =
                    self.target(command).await?.map_or("no such container".into(), |(_, found)| in_words(&found));
                Ok(Probe::NotDone(format!("not begun; {seen}")))
            }
            None if matches!(command.action, Action::Restart { .. }) => self.in_history(command).await,
            Some(Progress::NotBegun) | None => self.became(command, "").await,
        }
    }

    /// Compares the container with what was asked for. `before` is when it had been started before that.
    async fn became(&self, command: &StepCommand, before: &str) -> Result<Probe, AdapterError> {
        let Some((_, container)) = self.target(command).await? else {
            let seen = "there is no such container any more".to_owned();
            return Ok(if command.action == Action::Stop { Probe::Done(seen) } else { Probe::NotDone(seen) });
        };
        let works = container.state() == "running";
        let (done, seen) = match &command.action {
            Action::Restart { .. } => (works && container.started_at != before, in_words(&container)),
            Action::Start => (works, in_words(&container)),
            Action::Stop => (!container.runs && container.state() != "restarting", in_words(&container)),
            Action::Resize(amount) => (container.limits.satisfy(*amount), container.limits.in_words()),
            _ => (false, "containers cannot do that".into()),
        };
        Ok(if done { Probe::Done(seen) } else { Probe::NotDone(seen) })
    }

    /// Looks for a restart in the engine's history: for a step that another process has begun.
    async fn in_history(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        let Some((facts, container)) = self.target(command).await? else {
            return Ok(Probe::NotDone("there is no such container".into()));
        };
        let now = self.connection.time().await?;
        let since = now.checked_sub(HISTORY).unwrap_or(now);
        let seen = in_words(&container);
        let Some(restarted) = self.connection.last_restart(&container.id, since).await? else {
            return Ok(Probe::NotDone(format!("{seen}; the engine knows of no restart in the last 15 minutes")));
        };
        let started: Option<jiff::Timestamp> = container.started_at.parse().ok();
        // Podman tells of a restart when it begins.
        if facts.engine == "podman" && started.is_none_or(|started| started.as_second() < restarted) {
            return Ok(if now.as_second() - restarted < integer(self.grace(command).await.as_secs_f64()) {
                Probe::Running
            } else {
                Probe::NotDone(format!("{seen}; a restart was begun and did not succeed"))
            });
        }
        if container.state() == "running" {
            Ok(Probe::Done(format!("{seen}; restarted through the engine")))
        } else {
            Ok(Probe::NotDone(format!("{seen}, after a restart through the engine")))
        }
    }
}

fn in_words(container: &Container) -> String {
    match container.state() {
        "running" => format!("running since {}", container.started_at),
        state => match container.attribute("exitCode") {
            Some(code) => format!("{state} with code {code}"),
            None => state.to_owned(),
        },
    }
}

fn refuse(reason: String) -> Result<(), Refusal> {
    Err(Refusal { reason })
}

fn failed(command: &StepCommand, reason: &str) -> AdapterError {
    AdapterError::Failed { operation: format!("{} of {}", command.action, command.resource), reason: reason.into() }
}
