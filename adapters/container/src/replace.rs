//! Replacing a container by a new one that is like it: here, from another image, or on another host.
//!
//! ```text
//!   make the new one under a name of its own    nothing has happened yet
//!   checkpoint, or stop, the old one            from here on it does not run, and the engine does not start it by itself
//!   copy its memory and files (checkpoint only)
//!   rename the old one                          it is kept
//!   start the new one, see that it runs         from here on it goes forward, before it goes back
//!   rename the new one, remove the old one
//! ```
//!
//! The two never run at once. Whatever goes wrong, and wherever a crash cuts it off, [`crate::settle`] brings it to one of
//! the two ends by what it finds at the engines.

use std::{sync::Arc, time::Duration};

use homeostat_model::{Action, StepCommand};
use homeostat_port::{AdapterError, Refusal};

use crate::{
    adapter::Shared,
    blueprint::Blueprint,
    calls::Change,
    connection::{Connection, Facts},
    deed::failed,
    host::Host,
    locate::Place,
    parts::{Part, own_name},
};

/// How long a new container has to run to count as running: one that cannot even begin its work ends within this.
const PROVEN: Duration = Duration::from_secs(1);

/// By how much the clocks of two engines' machines, and ours, may differ while a step is done, also where one of them is set: what is taken for
/// older than its step is made a second time, while what bears its key and is older than this is of another life of homeostat.
const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Files that are copied one by one at most. What changes more of them keeps its data outside of a volume.
const MAX_CHANGES: usize = 1000;

/// What every engine puts into a container by itself.
const ENGINES_OWN: [&str; 7] =
    ["/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/.dockerenv"];

/// Where the window's folder is, inside.
const WINDOW: &str = "/homeostat-checkpoints";

/// One replacement.
#[derive(Debug)]
pub(crate) struct Replacement<'a> {
    command: &'a StepCommand,
    source: Place,
    target: Arc<Host>,
    target_facts: Arc<Facts>,
    blueprint: Blueprint,
    /// Its image is another one than it was.
    image: Option<String>,
    /// It is moved with what it has in memory.
    live: bool,
}

impl<'a> Replacement<'a> {
    /// What `command` asks for, and whether it can be done.
    pub(crate) async fn plan(shared: &Shared, command: &'a StepCommand, source: Place) -> Result<Self, Refusal> {
        let refusal = |error: AdapterError| Refusal { reason: error.to_string() };
        let (target, live, image) = match &command.action {
            Action::Migrate { to, live } => (Some(to), *live, None),
            Action::Recreate { image } => (None, false, image.clone()),
            other => return Err(Refusal { reason: format!("{other} replaces nothing") }),
        };
        let (target, target_facts) = match target {
            None => (Arc::clone(&source.host), Arc::clone(&source.facts)),
            Some(id) => shared
                .host(id)
                .await
                .map_err(refusal)?
                .ok_or_else(|| Refusal { reason: format!("{id} is not a host of {}", command.adapter) })?,
        };
        let inspected = source.host.connection.inspect(&source.container.id).await.map_err(refusal)?;
        let inspected = inspected.ok_or_else(|| Refusal { reason: format!("there is no {}", command.resource) })?;
        let blueprint = Blueprint::of(&inspected)
            .ok_or_else(|| Refusal { reason: format!("the engine does not say how {} was made", command.resource) })?;
        if blueprint.goes_when_it_ends() {
            let reason =
                format!("the engine removes {} when it ends (--rm), so there is no way back", command.resource);
            return Err(Refusal { reason });
        }
        // Of an image that is gone nobody knows what it said.
        let said = source.host.connection.image_config(&blueprint.image_id).await.map_err(refusal)?;
        let blueprint = blueprint.without(said.unwrap_or_default());
        let plan = Self { command, source, target, target_facts, blueprint, image, live };
        if plan.is_elsewhere()
            && let Some(reason) = plan.blueprint.bound_to_host(&inspected)
        {
            return Err(Refusal { reason });
        }
        plan.check().await?;
        Ok(plan)
    }

    /// Whether the new one is made on another host.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.source.host.number != self.target.number
    }

    async fn check(&self) -> Result<(), Refusal> {
        let no = |reason: String| Err(Refusal { reason });
        let failed = |error: AdapterError| Refusal { reason: error.to_string() };
        let (resource, state) = (&self.command.resource, self.source.container.state());
        if matches!(state, "paused" | "restarting") {
            return no(format!("{resource} is {state}"));
        }
        for network in self.blueprint.needs_networks() {
            if self.is_elsewhere() && !self.target.connection.has_network(network).await.map_err(failed)? {
                return no(format!("there is no network {network} on that host"));
            }
        }
        if !self.is_elsewhere() {
            let image = self.image.as_ref().unwrap_or(&self.blueprint.image);
            if self.target.connection.image(image).await.map_err(failed)?.is_none() {
                return no(format!("{} does not have the image {image}; pull it first", self.command.adapter));
            }
        } else if self.is_taken().await.map_err(failed)? {
            return no("there is a container of this name on that host already".into());
        }
        if !self.live {
            return Ok(());
        }
        if state != "running" {
            return no(format!("{resource} is {state}; only what runs can be moved live"));
        }
        if !(self.source.facts.checkpoints && self.target_facts.checkpoints) {
            return no("not both engines can write a running container to files and bring it to life again; \
                       it can be moved with an interruption"
                .into());
        }
        let changes = self.source.host.connection.changes(&self.source.container.id).await.map_err(failed)?;
        files(changes).map(drop).map_err(|reason| Refusal { reason })
    }

    /// Whether somebody else has the name on the target.
    async fn is_taken(&self) -> Result<bool, AdapterError> {
        let name = own_name(&self.source.container.name);
        let found = self.target.connection.inspect(name).await?;
        Ok(found.and_then(|found| found.name).is_some_and(|found| found.trim_start_matches('/') == name))
    }

    /// Does it. After an error it is open how far it came.
    pub(crate) async fn run(&self) -> Result<(), AdapterError> {
        let Self { command, source, target, .. } = self;
        let (from, old, ran) = (&source.host.connection, source.container.id.as_str(), source.container.runs);
        let name = own_name(&source.container.name);
        target.directory.moving(old);
        let incoming = Part::In.name(name, &command.key);
        let image = self.image_there().await?;
        let blueprint = self.blueprint.clone().under(&command.key, old, ran).with_image(&image);
        let new = target.connection.create(&incoming, blueprint.body).await?;
        target.directory.moving(&new);
        let checkpoint = checkpoint_name(command);
        if ran {
            // Else an engine starts what has ended by a checkpoint again, by itself. Podman cannot change it, and leaves
            // alone what was stopped by a call.
            if source.facts.resizes {
                from.never_restart(old).await?;
            }
            source.host.requests.note(old);
            if self.live {
                from.checkpoint(old, &checkpoint).await?;
            } else {
                from.stop(old, source.grace()).await?;
            }
        }
        if self.live {
            self.copy(&new, &checkpoint).await?;
        }
        target.directory.hand_over(&command.resource, target.number, name);
        source.host.memory().forget(old);
        from.rename(old, &Part::Out.name(name, &command.key)).await?;
        if ran {
            if self.live {
                target.connection.restore(&new, &checkpoint).await?;
            } else {
                target.connection.start(&new).await?;
            }
            tokio::time::sleep(PROVEN).await;
            let seen = target.connection.inspect(&new).await?;
            if !seen.and_then(|seen| seen.state?.running).unwrap_or(false) {
                return Err(failed(command, "the new container did not stay up"));
            }
        }
        target.connection.rename(&new, name).await?;
        from.remove(old).await
    }

    /// The image that the new container is made from, which is brought to the target if it is not there.
    async fn image_there(&self) -> Result<String, AdapterError> {
        let (name, id) = (&self.blueprint.image, &self.blueprint.image_id);
        if let Some(image) = &self.image {
            return Ok(image.clone());
        }
        if !self.is_elsewhere() {
            return Ok(name.clone());
        }
        let there = &self.target.connection;
        match there.image(name).await? {
            Some(found) if found == *id => Ok(name.clone()),
            // Another image bears this name there: that is not to be changed for those who use it.
            Some(_) => {
                if there.image(id).await?.is_none() {
                    self.source.host.connection.give_image(id, there).await?;
                }
                Ok(id.clone())
            }
            None => {
                // What was given by its name bears it there.
                let is_still = self.source.host.connection.image(name).await?.as_ref() == Some(id);
                let given = if is_still { name } else { id };
                self.source.host.connection.give_image(given, there).await?;
                Ok(given.clone())
            }
        }
    }

    /// Copies the checkpoint, and the files that are not as in the image.
    async fn copy(&self, new: &str, checkpoint: &str) -> Result<(), AdapterError> {
        let (from, there) = (&self.source.host.connection, &self.target.connection);
        let old = self.source.container.id.as_str();
        let changes = from.changes(old).await?;
        let files = files(changes).map_err(|reason| failed(self.command, &reason))?;
        for path in files {
            let folder = path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
            from.copy((old, &path), there, (new, folder)).await?;
        }
        let here = self.window(&self.source.host, &self.source.facts, old).await?;
        let beyond = self.window(&self.target, &self.target_facts, new).await?;
        from.copy((&here, &format!("{WINDOW}/{checkpoint}")), there, (&beyond, WINDOW)).await?;
        from.remove(&here).await?;
        there.remove(&beyond).await
    }

    /// A container that is never started, through which the engine reads and writes its own folder of checkpoints of
    /// `container`: there is no other way to it over the network.
    async fn window(&self, host: &Host, facts: &Facts, container: &str) -> Result<String, AdapterError> {
        let inspected = host.connection.inspect(container).await?;
        let image = inspected.and_then(|inspected| inspected.image);
        let name = Part::Window.name(own_name(&self.source.container.name), &self.command.key);
        let body = bollard::models::ContainerCreateBody {
            image,
            cmd: Some(vec!["true".into()]),
            host_config: Some(bollard::models::HostConfig {
                binds: Some(vec![format!("{}/containers/{container}/checkpoints:{WINDOW}", facts.folder)]),
                network_mode: Some("none".into()),
                ..bollard::models::HostConfig::default()
            }),
            ..bollard::models::ContainerCreateBody::default()
        };
        host.connection.create(&name, body).await
    }
}

/// The name of the checkpoint that is made for `command`.
pub(crate) fn checkpoint_name(command: &StepCommand) -> String {
    format!("homeostat-{}", command.key.to_string().replace('/', "."))
}

/// The files and folders to copy: the uppermost of what was added, and each file that was changed.
fn files(changes: Vec<Change>) -> Result<Vec<String>, String> {
    let is_above = |one: &str, other: &str| other.strip_prefix(one).is_some_and(|rest| rest.starts_with('/'));
    let own = |path: &str| ENGINES_OWN.iter().any(|own| path == *own || is_above(own, path));
    if let Some(gone) = changes.iter().find(|change| matches!(change, Change::Deleted(path) if !own(path))) {
        return Err(format!("{} of its image was deleted in it, which cannot be carried over", gone.path()));
    }
    let is_copied = |change: &&Change| match change {
        Change::Added(path) => {
            !changes.iter().any(|other| matches!(other, Change::Added(above) if is_above(above, path)))
        }
        // A folder counts as changed when something in it has.
        Change::Modified(path) => !changes.iter().any(|other| is_above(path, other.path())),
        Change::Deleted(_) => false,
    };
    let copied = changes.iter().filter(is_copied).map(Change::path).filter(|path| !own(path));
    let files: Vec<String> = copied.map(str::to_owned).collect();
    if files.len() > MAX_CHANGES {
        return Err(format!(
            "{} files in it are not as in its image; at most {MAX_CHANGES} are carried over",
            files.len()
        ));
    }
    Ok(files)
}

/// Whether the container of `command` is on the host that it moves it to, or was made anew by it.
pub(crate) async fn is_done(command: &StepCommand, place: &Place) -> Result<bool, AdapterError> {
    let Place { host, container, .. } = place;
    if Part::of(&container.name).is_some() {
        return Ok(false);
    }
    if let Action::Migrate { to, .. } = &command.action {
        return Ok(container.resource.on.as_ref() == Some(to));
    }
    let label = container.resource.labels.get(crate::parts::STEP_LABEL);
    is_made_by(command, &host.connection, label, &container.created).await
}

/// Whether a container that bears this label and was `created` then, as its engine writes it, was made by `command`. The label alone
/// may be of an earlier step: it goes on to what is made anew by hand, and keys come again where a journal began anew.
pub(crate) async fn is_made_by(
    command: &StepCommand,
    engine: &Connection,
    label: Option<&String>,
    created: &str,
) -> Result<bool, AdapterError> {
    if label.is_none_or(|label| *label != command.key.to_string()) {
        return Ok(false);
    }
    let begun = engine.by_its_clock(command.begun).await?;
    Ok(begun.zip(created.parse().ok()).is_none_or(|(begun, created)| is_since(begun, created)))
}

/// Whether what was `created` then may have been created since `begun`, by clocks that agree within [`SKEW`].
fn is_since(begun: jiff::Timestamp, created: jiff::Timestamp) -> bool {
    created.duration_since(begun) >= -SKEW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_long_before_a_step_was_not_made_by_it_whatever_its_label() {
        let begun: jiff::Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (created, wanted) in [
            ("2026-01-01T12:00:01.5Z", true),
            ("2026-01-01T13:00:01.5+01:00", true),
            // Its engine's clock is behind, or was set back.
            ("2025-12-31T12:00:00Z", true),
            ("2025-12-31T11:59:59.999999999Z", false),
            ("2025-06-01T12:00:01Z", false),
        ] {
            assert_eq!(is_since(begun, created.parse().unwrap()), wanted, "{created}");
        }
    }

    #[test]
    fn only_what_differs_is_copied_and_each_once() {
        let changes = |text: &str| {
            let one = |word: &str| match word.split_at(1) {
                ("C", path) => Change::Modified(path.into()),
                ("A", path) => Change::Added(path.into()),
                (_, path) => Change::Deleted(path.into()),
            };
            text.split_whitespace().map(one).collect::<Vec<_>>()
        };
        for (seen, wanted) in [
            ("", Ok("")),
            ("A/count", Ok("/count")),
            ("C/etc C/etc/app A/etc/app/a C/etc/app/b A/etcetera", Ok("/etc/app/a /etc/app/b /etcetera")),
            ("A/data A/data/sub A/data/sub/f", Ok("/data")),
            ("C/dev A/dev/console C/etc A/etc/hosts A/proc A/.dockerenv A/device", Ok("/device")),
            ("C/bin D/bin/ls", Err("/bin/ls of its image was deleted")),
            ("C/dev D/dev/shm", Ok("")),
        ] {
            match (files(changes(seen)), wanted) {
                (Ok(found), Ok(wanted)) => assert_eq!(found.join(" "), wanted, "{seen}"),
                (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{found}"),
                (found, wanted) => panic!("{seen}: {found:?}, wanted {wanted:?}"),
            }
        }
        let many = (0..=MAX_CHANGES).map(|number| format!("A/data-{number}")).collect::<Vec<_>>().join(" ");
        assert!(files(changes(&many)).unwrap_err().contains("1001 files"));
    }
}
