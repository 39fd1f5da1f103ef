//! Observing one engine: a snapshot, what was missed, and then what happens, until the connection is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt};
use homeostat_model::{Attributes, Event, EventType, InventoryChange, Observation, Resource, ResourceId};
use homeostat_port::{AdapterError, Closed, ObservationSink};

use crate::{
    adapter::Shared,
    connection::Facts,
    happening::{Happening, Told},
    inventory::Container,
    memory::Missed,
    number::float,
    stream::{Source, Streams},
};

/// Containers that are inspected at a time: enough to keep an engine busy, few enough to leave room for others' calls.
const INSPECTIONS: usize = 8;

/// How often an engine that says nothing is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Why observing ended.
pub(crate) enum End {
    /// Nobody listens any more.
    Closed,
    /// The engine cannot be asked.
    Lost(AdapterError),
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<AdapterError> for End {
    fn from(error: AdapterError) -> Self {
        Self::Lost(error)
    }
}

/// Everything there is, in the order of names.
pub(crate) async fn take_stock(shared: &Shared, facts: &Facts) -> Result<Vec<Container>, AdapterError> {
    let ids = shared.connection.list().await?;
    let inspected = futures_util::stream::iter(ids)
        .map(|id| async move { shared.connection.inspect(&id).await })
        .buffer_unordered(INSPECTIONS);
    let found: Vec<_> = inspected.try_collect().await?;
    let containers = found.into_iter().flatten().filter_map(|found| shared.naming.container(facts, found));
    let by_name: BTreeMap<ResourceId, Container> =
        containers.map(|container| (container.resource.id.clone(), container)).collect();
    Ok(by_name.into_values().collect())
}

/// The host and its containers as resources.
pub(crate) fn resources(shared: &Shared, facts: &Facts, containers: &[Container]) -> Vec<Resource> {
    shared.naming.host(facts).into_iter().chain(containers.iter().map(|container| container.resource.clone())).collect()
}

/// Observes until the connection is lost or nobody listens.
pub(crate) async fn run(shared: &Arc<Shared>, sink: &ObservationSink) -> Result<(), End> {
    let facts = shared.connection.facts().await?;
    // Events are asked for from before the snapshot, by the engine's own clock: nothing falls between the two.
    let since = shared.connection.time().await?;
    let containers = take_stock(shared, &facts).await?;
    let mut observer = Observer {
        streams: Streams::new(Source {
            connection: Arc::clone(&shared.connection),
            sink: sink.clone(),
            clock: shared.clock,
            every: Duration::from_millis(shared.config.sample_every.as_millis()),
            host_cores: facts.cores.map(float),
        }),
        shared,
        facts: &facts,
        sink,
        told: BTreeSet::new(),
    };
    observer.snapshot(&containers).await?;
    let mut events = shared.connection.events(since).await?;
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    if let Some(told) = Told::of(&event, facts.engine == "podman") {
                        observer.handle(told).await?;
                    }
                }
                // One event that is not understood does not end the stream: what it changed is seen with the next one.
                Some(Err(error @ bollard::errors::Error::JsonDataError { .. })) => {
                    tracing::warn!(adapter = %shared.config.name, %error, "an event is not understood");
                }
                Some(Err(error)) => return Err(shared.connection.explain("follow the events", &error).into()),
                None => return Err(shared.connection.unreachable("the engine closed the stream of events").into()),
            },
            _ = ping.tick() => shared.connection.ping().await?,
        }
    }
}

struct Observer<'a> {
    shared: &'a Shared,
    facts: &'a Facts,
    sink: &'a ObservationSink,
    streams: Streams,
    /// Containers whose end was told as missed: the engine may tell of it too, from its history.
    told: BTreeSet<String>,
}

impl Observer<'_> {
    async fn snapshot(&mut self, containers: &[Container]) -> Result<(), End> {
        let resources = resources(self.shared, self.facts, containers);
        let adapter = self.shared.config.name.clone();
        self.sink.send(Observation::Inventory(InventoryChange::Snapshot { adapter, resources })).await?;
        let missed = lock(&self.shared.memory).replace(containers);
        for (name, id, missed) in missed {
            let container = containers.iter().find(|container| container.resource.id == name);
            let happening = match missed {
                Missed::Created => Happening::Created,
                Missed::Started => Happening::Started,
                Missed::Removed => Happening::Removed,
                Missed::Died => {
                    self.told.insert(id.clone());
                    Happening::Died { exit_code: None }
                }
            };
            let asked = match missed {
                Missed::Died => self.asked_unseen(container, &id).await,
                Missed::Created | Missed::Started | Missed::Removed => None,
            };
            let mut attributes = self.attributes(&happening, container, &id, asked);
            attributes.insert("missed".into(), true.into());
            self.event(&name, &happening, String::new(), attributes).await?;
        }
        containers.iter().for_each(|container| self.streams.follow(container));
        Ok(())
    }

    /// Takes in one event: the container as it is now first, then what happened to it.
    async fn handle(&mut self, told: Told) -> Result<(), End> {
        let Told { id, name, happening, event_id } = told;
        if happening == Happening::EndRequested {
            self.shared.requests.note(&id);
            return Ok(());
        }
        // An end that was told as missed is not told again; that of the next life is another one.
        let told = matches!(happening, Happening::Died { .. } | Happening::Started) && self.told.remove(&id);
        if told && happening != Happening::Started {
            return Ok(());
        }
        let (inspected, readable) = match self.shared.connection.inspect(&id).await {
            Ok(inspected) => (inspected, true),
            // One container that cannot be read does not stop the others. What happened to it is told nevertheless.
            Err(error @ AdapterError::Failed { .. }) => {
                tracing::warn!(adapter = %self.shared.config.name, container = %id, %error, "cannot be read");
                (None, false)
            }
            Err(error) => return Err(error.into()),
        };
        let container = inspected.and_then(|inspected| self.shared.naming.container(self.facts, inspected));
        // An inspection by id finds also what has a name that begins like that; and the name may have been given away.
        let container = container.filter(|container| container.id == id);
        let name = match &container {
            Some(container) => Some(container.resource.id.clone()),
            None => lock(&self.shared.memory).name_of(&id).or_else(|| self.shared.naming.id_of(name.as_deref()?)),
        };
        if let Some(container) = &container {
            self.upsert(container).await?;
        }
        let Some(name) = name else { return Ok(()) };
        let mut attributes = self.attributes(&happening, container.as_ref(), &id, self.always_tells().then_some(false));
        attributes.insert("missed".into(), false.into());
        self.event(&name, &happening, event_id, attributes).await?;
        if container.is_none() && readable {
            self.gone(&id).await?;
        }
        Ok(())
    }

    async fn upsert(&mut self, container: &Container) -> Result<(), End> {
        self.streams.follow(container);
        let renamed = lock(&self.shared.memory).update(container);
        if let Some(old) = renamed {
            // Its samples go on under the new name.
            self.streams.leave(&container.id);
            self.streams.follow(container);
            self.sink.send(Observation::Inventory(self.gone_from(old))).await?;
        }
        let mut resource = container.resource.clone();
        resource.adapter = Some(self.shared.config.name.clone());
        Ok(self.sink.send(Observation::Inventory(InventoryChange::Upsert(resource))).await?)
    }

    async fn gone(&mut self, id: &str) -> Result<(), End> {
        self.streams.leave(id);
        self.told.remove(id);
        let name = {
            let mut memory = lock(&self.shared.memory);
            let name = memory.name_of(id);
            name.iter().for_each(|name| memory.remove(name));
            name
        };
        if let Some(name) = name {
            self.sink.send(Observation::Inventory(self.gone_from(name))).await?;
        }
        Ok(())
    }

    fn gone_from(&self, resource: ResourceId) -> InventoryChange {
        InventoryChange::Gone { adapter: self.shared.config.name.clone(), resource }
    }

    fn attributes(
        &self,
        happening: &Happening,
        container: Option<&Container>,
        id: &str,
        asked: Option<bool>,
    ) -> Attributes {
        let mut attributes = Attributes::new();
        let mut copy = |name: &str| {
            if let Some(value) = container.and_then(|container| container.attribute(name)) {
                attributes.insert(name.to_owned(), value.clone());
            }
        };
        match happening {
            Happening::Died { exit_code } => {
                copy("exitCode");
                copy("oomKilled");
                if let Some(code) = exit_code {
                    attributes.insert("exitCode".into(), f64::from(*code).into());
                }
                let noted = self.shared.requests.take(id).then_some(true);
                if let Some(requested) = noted.or(asked) {
                    attributes.insert("requested".into(), requested.into());
                }
            }
            Happening::Health(health) => {
                attributes.insert("health".into(), health.as_str().into());
            }
            Happening::Started => {
                // A new life: what was asked of the one before is settled.
                self.shared.requests.take(id);
            }
            _ => {}
        }
        attributes
    }

    /// Whether this engine tells of everybody who asks it to end a container. Docker does; Podman tells of a kill and a
    /// restart, but not of every stop. Then only a yes is known.
    fn always_tells(&self) -> bool {
        self.facts.engine == "docker"
    }

    /// Whether an end that nobody saw was asked for, by the engine's own history of the container's last life. An engine that
    /// was started anew has no history, but while it was away nobody could ask it either.
    async fn asked_unseen(&self, container: Option<&Container>, id: &str) -> Option<bool> {
        let began = container?.started_at.parse().ok()?;
        match self.shared.connection.end_was_asked_for(id, began).await {
            Ok(asked) => (asked || self.always_tells()).then_some(asked),
            Err(error) => {
                tracing::warn!(adapter = %self.shared.config.name, container = %id, %error, "its history cannot be read");
                None
            }
        }
    }

    async fn event(
        &self,
        name: &ResourceId,
        happening: &Happening,
        id: String,
        attributes: Attributes,
    ) -> Result<(), End> {
        let Some(event_type) = happening.event_type().and_then(|name| EventType::new(name).ok()) else { return Ok(()) };
        let event = Event { resource: name.clone(), event_type, time: self.shared.clock.now(), id, attributes };
        Ok(self.sink.send(Observation::Event(event)).await?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
