//! One engine and the host it runs on.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use homeostat_model::{AdapterName, Resource, ResourceId};
use homeostat_port::{AdapterError, Clock};

use crate::{
    config::{ContainerConfig, HostConfig, Statistics},
    connection::{Connection, Facts},
    directory::{Directory, HostNumber},
    happening::Requests,
    inventory::{Container, Naming},
    memory::Memory,
};

/// An engine's host, with what is remembered of it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) number: HostNumber,
    pub(crate) adapter: AdapterName,
    pub(crate) naming: Naming,
    pub(crate) directory: Arc<Directory>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) clock: Clock,
    pub(crate) sample_every: Duration,
    pub(crate) statistics: Statistics,
    pub(crate) requests: Requests,
    memory: Mutex<Memory>,
    /// The engine's time of the newest event that came, in seconds; 0 when none has.
    heard: AtomicI64,
}

impl Host {
    pub(crate) fn new(
        number: HostNumber,
        config: &ContainerConfig,
        host: &HostConfig,
        directory: &Arc<Directory>,
        several: bool,
    ) -> Self {
        Self {
            number,
            adapter: config.name.clone(),
            naming: Naming::new(number, host, directory, several),
            directory: Arc::clone(directory),
            connection: Arc::new(Connection::new(host)),
            clock: Clock::system(),
            sample_every: Duration::from_millis(config.sample_every.as_millis()),
            statistics: config.statistics,
            requests: Requests::default(),
            memory: Mutex::default(),
            heard: AtomicI64::default(),
        }
    }

    /// What was last seen of it.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event of that time has come, by the engine's clock in seconds.
    pub(crate) fn heard(&self, time: Option<i64>) {
        self.heard.fetch_max(time.unwrap_or_default(), Ordering::Relaxed);
    }

    /// When the newest event that came was, by the engine's clock.
    pub(crate) fn heard_last(&self) -> Option<jiff::Timestamp> {
        let seconds = self.heard.load(Ordering::Relaxed);
        jiff::Timestamp::from_second(seconds).ok().filter(|_| seconds > 0)
    }

    /// The container that the engine calls `name`, and that is called `id` unless it has been given another id.
    pub(crate) async fn container(
        &self,
        name: &str,
        id: &ResourceId,
    ) -> Result<Option<(Arc<Facts>, Container)>, AdapterError> {
        let facts = self.connection.facts().await?;
        let inspected = self.connection.inspect(name).await?;
        // Engines also find a container by the beginning of its id: only the name counts here.
        let inspected =
            inspected.filter(|found| found.name.as_deref().is_some_and(|own| own.trim_start_matches('/') == name));
        if inspected.is_some() {
            self.directory.assign(self.number, name, id.clone(), None);
        }
        let container = inspected.and_then(|inspected| self.naming.container(&facts, inspected));
        Ok(container.map(|container| (facts, container)))
    }

    /// The host and its containers as resources.
    pub(crate) fn resources(&self, facts: &Facts, containers: &[Container]) -> Vec<Resource> {
        let containers = containers.iter().map(|container| container.resource.clone());
        self.naming.host(facts).into_iter().chain(containers).collect()
    }

    /// What was last known of the host and its containers, now that it cannot be asked.
    pub(crate) fn last_known(&self) -> Vec<Resource> {
        let memory = self.memory();
        self.naming.lost_host(memory.facts()).into_iter().chain(memory.resources()).collect()
    }
}
