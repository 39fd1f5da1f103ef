//! Doing a step: whether it can be done, doing it once, and finding out at the engine what became of it.
//!
//! | verb | done means | after this process was restarted |
//! | --- | --- | --- |
//! | start | the container runs | the same: it is asked of the engine |
//! | stop, kill | it does not run, or is gone | the same |
//! | recreate | there is a container of the name that was made under the key, since the step began | the same |
//! | migrate | it is on the other host | the same |
//! | pause, unpause | it stands still; it runs | the same |
//! | resize | its limits are those asked for | the same |
//! | restart | it runs, and was started after the step began | the same, by when the journal says that it was begun |
//!
//! Who started it, the engine does not say: a start by somebody else since then is taken for ours, which the container had all the
//! same. What a killed process had sent may still be under way: until it cannot be any more, what is not done counts as being done.

use std::time::Duration;

use homeostat_model::{Action, StepCommand};
use homeostat_port::{AdapterError, Probe};

use crate::{
    adapter::Shared,
    inventory::Container,
    ledger::{Deed, Progress},
    locate::Place,
    parts::own_name,
    replace::{Replacement, is_done},
};

/// How long engines give a container to end by itself, unless it was made with another time.
const DEFAULT_GRACE_SECONDS: u64 = 10;

/// How long what a killed process had sent may still be under way, besides the time that a container is given to end: an engine that
/// is busy with hundreds of containers takes seconds to begin with a request and to start a container.
const UNDER_WAY: Duration = Duration::from_secs(5);

impl Shared {
    /// How long the container of a step is given to end by itself.
    pub(crate) async fn grace(&self, command: &StepCommand) -> Duration {
        match self.locate(&command.resource).await {
            Ok(Some(place)) => place.grace(),
            _ => Duration::from_secs(DEFAULT_GRACE_SECONDS),
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
            if replaces(&command.action) {
                self.settle(command).await.map_err(|error| (None, error))?;
            }
            let became = self.became(command, before).await.map_err(|error| (None, error))?;
            if problem.is_none() || matches!(became, Probe::Done(_)) {
                return Ok(before.clone());
            }
        }
        let Some(place) = self.locate(&command.resource).await.map_err(|error| (None, error))? else {
            return Err((None, failed(command, "there is no such container")));
        };
        let told = self.tell(command, &place).await;
        if matches!(told, Err(AdapterError::Unreachable { .. })) {
            place.host.connection.forget().await;
        }
        match told {
            Ok(()) => Ok(place.container.started_at),
            Err(error) => Err((Some(place.container.started_at), error)),
        }
    }

    /// What the engine says about the step.
    pub(crate) async fn probe(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        match self.ledger.find(&command.key).map(|deed| deed.progress()) {
            Some(Progress::Running) => Ok(Probe::Running),
            // Of what was cut off, the engines show how far it came; what nobody does any more is brought to an end first.
            _ if replaces(&command.action) => {
                self.settle(command).await?;
                self.became(command, "").await
            }
            Some(Progress::Told { before, .. }) => self.became(command, &before).await,
            Some(Progress::NotBegun) if matches!(command.action, Action::Restart { .. }) => {
                let seen = self
                    .locate(&command.resource)
                    .await?
                    .map_or("no such container".into(), |found| in_words(&found.container));
                Ok(Probe::NotDone(format!("not begun; {seen}")))
            }
            Some(Progress::NotBegun) => self.became(command, "").await,
            None => self.left_behind(command).await,
        }
    }

    /// Compares the container with what was asked for. `before` is when it had been started before that.
    async fn became(&self, command: &StepCommand, before: &str) -> Result<Probe, AdapterError> {
        let Some(place) = self.locate(&command.resource).await? else {
            let seen = "there is no such container any more".to_owned();
            let ended = matches!(command.action, Action::Stop | Action::Kill);
            return Ok(if ended { Probe::Done(seen) } else { Probe::NotDone(seen) });
        };
        let done = replaces(&command.action) && is_done(command, &place).await?;
        let Place { container, .. } = place;
        let works = container.state() == "running";
        let (done, seen) = match &command.action {
            Action::Restart { .. } => (works && container.started_at != before, in_words(&container)),
            Action::Start => (works, in_words(&container)),
            Action::Stop | Action::Kill => (!container.runs && container.state() != "restarting", in_words(&container)),
            Action::Pause { on: true } => (container.state() == "paused", in_words(&container)),
            Action::Pause { on: false } => (works, in_words(&container)),
            Action::Resize(amount) => (container.limits.satisfy(amount), container.limits.in_words()),
            Action::Migrate { .. } | Action::Recreate { .. } => {
                let on = container.resource.on.as_ref().map_or(String::new(), |host| format!(" on {host}"));
                (done, format!("{}{on}", in_words(&container)))
            }
            _ => (false, "containers cannot do that".into()),
        };
        Ok(if done { Probe::Done(seen) } else { Probe::NotDone(seen) })
    }

    /// What became of a step that another process has handed to the engine, or was about to when it ended. As long as what it sent may
    /// still be under way, what is not done may be done in a moment: who took it for not done would do it again.
    async fn left_behind(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        let place = self.locate(&command.resource).await?;
        let ends = place.as_ref().map_or(Duration::ZERO, Place::grace);
        let (probe, may_take) = match (&command.action, &place) {
            (Action::Restart { .. }, Some(place)) => (restarted(command, place).await?, UNDER_WAY + ends),
            (Action::Stop, _) => (self.became(command, "").await?, UNDER_WAY + ends),
            _ => (self.became(command, "").await?, UNDER_WAY),
        };
        let passed = jiff::Timestamp::now().as_millisecond().saturating_sub(command.begun.as_millis());
        let is_open = u64::try_from(passed).is_ok_and(|passed| Duration::from_millis(passed) < may_take);
        Ok(if is_open && matches!(probe, Probe::NotDone(_)) { Probe::Running } else { probe })
    }
}

/// Whether the container was started since the step was begun: by whomever, it was what the step wants.
async fn restarted(command: &StepCommand, place: &Place) -> Result<Probe, AdapterError> {
    let Place { container, host, .. } = place;
    let seen = in_words(container);
    let begun = host.connection.by_its_clock(command.begun).await?;
    let started: Option<jiff::Timestamp> = container.started_at.parse().ok();
    Ok(match started.zip(begun) {
        Some((started, begun)) if started <= begun => Probe::NotDone(format!("{seen}; it was not started since")),
        Some(_) if container.state() == "running" => Probe::Done(seen),
        _ => Probe::NotDone(seen),
    })
}

impl Place {
    /// How long the container is given to end by itself.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.container.stop_seconds.unwrap_or(DEFAULT_GRACE_SECONDS))
    }

    /// From now on its end counts as asked for.
    fn note_end(&self) {
        if self.container.runs {
            self.host.requests.note(&self.container.id);
        }
    }
}

impl Shared {
    /// Has it done, and waits until it is.
    async fn tell(&self, command: &StepCommand, place: &Place) -> Result<(), AdapterError> {
        if !replaces(&command.action) {
            self.take_name_back(command, place).await?;
            return tell(command, place).await;
        }
        if is_done(command, place).await? {
            return Ok(());
        }
        let planned = Replacement::plan(self, command, place.clone()).await;
        let replacement = planned.map_err(|refusal| failed(command, &refusal.reason))?;
        let Err(error) = replacement.run().await else { return Ok(()) };
        tracing::warn!(adapter = %self.config.name, step = %command.key, %error, "a replacement did not succeed");
        match self.settle(command).await {
            Ok(()) => {
                self.directory.moved(&place.container.id);
                Err(error)
            }
            Err(also) => Err(failed(command, &format!("{error}; and how it is now cannot be seen to: {also}"))),
        }
    }

    /// A container that was being replaced when somebody crashed gets its name back before anything else is done to it.
    async fn take_name_back(&self, command: &StepCommand, place: &Place) -> Result<(), AdapterError> {
        let (name, own) = (&place.container.name, own_name(&place.container.name));
        if name == own {
            return Ok(());
        }
        self.directory.hand_over(&command.resource, place.host.number, own);
        place.host.connection.rename(&place.container.id, own).await
    }
}

/// Whether a container is replaced by another one.
fn replaces(action: &Action) -> bool {
    matches!(action, Action::Migrate { .. } | Action::Recreate { .. })
}

/// Tells the engine to do it, and waits until it says that it did.
async fn tell(command: &StepCommand, place: &Place) -> Result<(), AdapterError> {
    let Place { host, facts, container } = place;
    let (connection, id, state) = (&host.connection, container.id.as_str(), container.state());
    match &command.action {
        Action::Restart { .. } => {
            place.note_end();
            connection.restart(id, place.grace()).await
        }
        Action::Start => connection.start(id).await,
        Action::Stop => {
            place.note_end();
            connection.stop(id, place.grace()).await
        }
        Action::Kill if !container.runs && state != "restarting" => Ok(()),
        Action::Kill => {
            place.note_end();
            connection.kill(id).await
        }
        Action::Pause { on: true } if state == "paused" => Ok(()),
        Action::Pause { on: false } if state == "running" => Ok(()),
        Action::Pause { on: true } => connection.pause(id).await,
        Action::Pause { on: false } => connection.unpause(id).await,
        Action::Resize(amount) if container.limits.satisfy(amount) => Ok(()),
        Action::Resize(amount) => {
            connection.update(id, container.limits.update(amount, facts.limits_swap, facts.cores)).await
        }
        _ => Err(failed(command, "containers cannot do that")),
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

pub(crate) fn failed(command: &StepCommand, reason: &str) -> AdapterError {
    AdapterError::Failed { operation: format!("{} of {}", command.action, command.resource), reason: reason.into() }
}
