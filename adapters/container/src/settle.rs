//! Bringing a replacement that was cut off to one of its two ends, by what is found at the engines.
//!
//! | found | what that means | what is done |
//! | --- | --- | --- |
//! | the new one has the name | it was seen to run | the old one is removed |
//! | the new one runs | the old one does not, and has given its name away | the new one takes the name, the old one is removed |
//! | the new one does not run | nothing is lost | the new one is removed, the old one gets its name back and runs as before |
//! | only an old one | as above, and nobody knows whether it ran | it gets its name back |
//!
//! Nothing is done while a host cannot be asked that may have one of the two.

use std::sync::Arc;

use bollard::models::{ContainerInspectResponse, RestartPolicy};
use homeostat_model::StepCommand;
use homeostat_port::AdapterError;

use crate::{
    adapter::Shared,
    deed::failed,
    host::Host,
    parts::{FROM_LABEL, Part, RAN_LABEL, STEP_LABEL, own_name},
    replace::{checkpoint_name, is_made_by},
};

/// A container, as its engine describes it, and the host it is on.
type Found = (Arc<Host>, ContainerInspectResponse);

/// What there is of a replacement.
#[derive(Debug, Default)]
struct Remains {
    /// The new one, which has the name.
    named: Option<Found>,
    /// The new one, which has not.
    incoming: Option<Found>,
    /// The old one, which has given its name away.
    out: Option<Found>,
    windows: Vec<Found>,
}

impl Shared {
    /// Settles what there is of the replacement of `command`. What is not cut off but is being done must not be settled.
    pub(crate) async fn settle(&self, command: &StepCommand) -> Result<(), AdapterError> {
        let Some(name) = self.base_name(command) else { return Ok(()) };
        let mut remains = Remains::default();
        for host in &self.hosts {
            remains.look(host, &name, command).await?;
        }
        for (host, window) in remains.windows.drain(..) {
            host.connection.remove(id_of(&window)).await?;
        }
        match (remains.named, remains.incoming) {
            (Some(_), _) => remove(remains.out).await,
            (None, Some(incoming)) if is_running(&incoming.1) => {
                let (host, new) = incoming;
                self.directory.hand_over(&command.resource, host.number, &name);
                host.connection.rename(id_of(&new), &name).await?;
                remove(remains.out).await
            }
            (None, Some(incoming)) => self.back(command, &name, incoming).await,
            (None, None) => match remains.out {
                Some((host, old)) => self.put_back(command, &name, &host, id_of(&old)).await,
                None => Ok(()),
            },
        }
    }

    /// Back to what was before: the new one has not run.
    async fn back(&self, command: &StepCommand, name: &str, (there, new): Found) -> Result<(), AdapterError> {
        let labelled = |label: &str| new.config.as_ref()?.labels.as_ref()?.get(label).map(String::as_str);
        let old = labelled(FROM_LABEL).unwrap_or_default();
        let mut source = None;
        for host in &self.hosts {
            let found = host.connection.inspect(old).await?.filter(|found| id_of(found) == old);
            source = source.or(found.map(|found| (host, found)));
        }
        let Some((host, found)) = source else {
            return Err(failed(command, "the container that was to be replaced is gone, and the new one does not run"));
        };
        self.put_back(command, name, host, old).await?;
        // Not by force: should it have come to run after all, nothing more is done.
        there.connection.remove(id_of(&new)).await?;
        if labelled(RAN_LABEL) == Some("true") {
            let policy = new.host_config.as_ref().and_then(|host| host.restart_policy.clone());
            let facts = host.connection.facts().await?;
            if facts.resizes {
                host.connection.restart_policy(old, policy.unwrap_or(RestartPolicy::default())).await?;
            }
            if !is_running(&found) {
                revive(host, old, &checkpoint_name(command)).await?;
            }
        }
        self.directory.moved(old);
        Ok(())
    }

    /// Gives the old one its name.
    async fn put_back(&self, command: &StepCommand, name: &str, host: &Host, old: &str) -> Result<(), AdapterError> {
        self.directory.hand_over(&command.resource, host.number, name);
        let found = host.connection.inspect(old).await?;
        let is_named = found.and_then(|found| found.name).is_some_and(|own| own.trim_start_matches('/') == name);
        if is_named { Ok(()) } else { host.connection.rename(old, name).await }
    }

    /// The engine's name of the container that is replaced.
    fn base_name(&self, command: &StepCommand) -> Option<String> {
        let holder = self.directory.holder(&command.resource).map(|(_, name)| own_name(&name).to_owned());
        holder.or_else(|| self.hosts.iter().find_map(|host| host.naming.container_of(&command.resource)))
    }
}

impl Remains {
    async fn look(&mut self, host: &Arc<Host>, name: &str, command: &StepCommand) -> Result<(), AdapterError> {
        let key = &command.key;
        let find = async |name: String| {
            let found = host.connection.inspect(&name).await?;
            Ok::<_, AdapterError>(
                found.filter(|found| found.name.as_deref().map(|own| own.trim_start_matches('/')) == Some(&*name)),
            )
        };
        if let Some(found) = find(name.to_owned()).await? {
            let label = found.config.as_ref().and_then(|config| config.labels.as_ref()?.get(STEP_LABEL));
            let created = found.created.as_deref().unwrap_or_default();
            if is_made_by(command, &host.connection, label, created).await? {
                self.named = Some((Arc::clone(host), found));
            }
        }
        if let Some(found) = find(Part::In.name(name, key)).await? {
            self.incoming = Some((Arc::clone(host), found));
        }
        if let Some(found) = find(Part::Out.name(name, key)).await? {
            self.out = Some((Arc::clone(host), found));
        }
        if let Some(found) = find(Part::Window.name(name, key)).await? {
            self.windows.push((Arc::clone(host), found));
        }
        Ok(())
    }
}

/// Lets a container run again: from its checkpoint, with what it had in memory, if it has one.
async fn revive(host: &Host, container: &str, checkpoint: &str) -> Result<(), AdapterError> {
    let saved = host.connection.has_checkpoint(container, checkpoint).await?;
    if saved && host.connection.restore(container, checkpoint).await.is_ok() {
        return Ok(());
    }
    host.connection.start(container).await
}

async fn remove(found: Option<Found>) -> Result<(), AdapterError> {
    match found {
        Some((host, container)) => host.connection.remove(id_of(&container)).await,
        None => Ok(()),
    }
}

fn id_of(found: &ContainerInspectResponse) -> &str {
    found.id.as_deref().unwrap_or_default()
}

fn is_running(found: &ContainerInspectResponse) -> bool {
    found.state.as_ref().and_then(|state| state.running).unwrap_or(false)
}
