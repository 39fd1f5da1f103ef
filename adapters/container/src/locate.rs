//! Finding a container, on whichever host it is.

use std::sync::Arc;

use homeostat_model::ResourceId;
use homeostat_port::AdapterError;

use crate::{adapter::Shared, connection::Facts, host::Host, inventory::Container};

/// A container, its host, and what is known of the engine there.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) host: Arc<Host>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) container: Container,
}

impl Shared {
    /// What is known of the engines that can be asked.
    ///
    /// # Errors
    /// When none can be asked.
    pub(crate) async fn facts(&self) -> Result<Vec<Arc<Facts>>, AdapterError> {
        let asked = futures_util::future::join_all(self.hosts.iter().map(|host| host.connection.facts())).await;
        let (known, mut lost): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
        match lost.pop() {
            Some(Err(error)) if known.is_empty() => Err(error),
            _ => Ok(known.into_iter().flatten().collect()),
        }
    }

    /// The container of this id, as it is now. `None` when there is none on any host.
    ///
    /// # Errors
    /// When it may be on a host that cannot be asked.
    pub(crate) async fn locate(&self, id: &ResourceId) -> Result<Option<Place>, AdapterError> {
        let mut lost = None;
        // The first host that has it, as ids are given out.
        for host in &self.hosts {
            let Some(name) = host.naming.container_of(id) else { continue };
            match host.container(&name, id).await {
                Ok(Some((facts, container))) if container.resource.id == *id => {
                    return Ok(Some(Place { host: Arc::clone(host), facts, container }));
                }
                Ok(_) => {}
                Err(error) => {
                    if matches!(error, AdapterError::Unreachable { .. }) {
                        host.connection.forget().await;
                    }
                    lost = lost.or(Some(error));
                }
            }
        }
        lost.map_or(Ok(None), Err)
    }

    /// The host of this id. `None` when it is not one of this adapter's.
    ///
    /// # Errors
    /// When the name of a host is not known because it cannot be asked.
    pub(crate) async fn host(&self, id: &ResourceId) -> Result<Option<(Arc<Host>, Arc<Facts>)>, AdapterError> {
        for host in &self.hosts {
            if host.naming.is_named(id) == Some(false) {
                continue;
            }
            let facts = host.connection.facts().await?;
            if host.naming.host_of(&facts).as_ref() == Some(id) {
                return Ok(Some((Arc::clone(host), facts)));
            }
        }
        Ok(None)
    }
}
