//! Following one host: what was missed, and then what happens, until the connection is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use homeostat_model::{Attributes, Event, EventType, InventoryChange, Observation, ResourceId};
use homeostat_port::{AdapterError, ObservationSink};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    connection::Facts,
    happening::{Happening, Told},
    host::Host,
    inventory::Container,
    measurement::Measurement,
    memory::Missed,
    number::float,
    observe::{End, Stock},
    parts::Part,
};

/// How often an engine that says nothing is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Events that wait while what was missed is told: four times as many as Docker remembers. Beyond that, the engine waits.
const WAITING: usize = 1024;

/// Takes events from the engine as they come, until nobody listens.
async fn hear(mut events: impl Stream<Item = Heard> + Unpin, waiting: mpsc::Sender<Heard>) {
    while let Some(event) = events.next().await {
        if waiting.send(event).await.is_err() {
            return;
        }
    }
}

/// An event, or why there is none.
type Heard = Result<bollard::models::EventMessage, bollard::errors::Error>;

/// Follows one host from the moment at which its stock was taken.
pub(crate) struct Follower<'a> {
    host: &'a Host,
    facts: Arc<Facts>,
    sink: &'a ObservationSink,
    measurement: Measurement,
    /// Containers whose end was told as missed: the engine may tell of it too, from its history.
    told: BTreeSet<String>,
    /// When containers were started whose life before that was told to have ended: the end of it is not told again.
    lives: BTreeMap<String, jiff::Timestamp>,
}

impl Follower<'_> {
    /// Follows `host` until the connection is lost or nobody listens. What is in `stock` has been told already.
    pub(crate) async fn run(host: &Host, sink: &ObservationSink, stock: Stock) -> Result<(), End> {
        let Stock { facts, since, containers, .. } = stock;
        let measurement = Measurement::new(host, sink, facts.cores.map(float));
        let mut follower = Follower { host, facts, sink, measurement, told: BTreeSet::new(), lives: BTreeMap::new() };
        // Heard from now on, while what was missed is told: an engine remembers the last few only, and a full host has more.
        let events = host.connection.events(since).await?;
        let (waiting, mut heard) = mpsc::channel(WAITING);
        let mut hearing = JoinSet::new();
        hearing.spawn(hear(events, waiting));
        follower.catch_up(&containers).await?;
        let mut ping = tokio::time::interval(PING_EVERY);
        loop {
            tokio::select! {
                // What happened goes before what was measured.
                biased;
                event = heard.recv() => match event {
                    Some(Ok(event)) => {
                        host.heard(event.time);
                        if let Some(told) = Told::of(&event, follower.facts.engine == "podman") {
                            follower.handle(told).await?;
                        }
                    }
                    // One event that is not understood does not end the stream: what it changed is seen with the next one.
                    Some(Err(error @ bollard::errors::Error::JsonDataError { .. })) => {
                        tracing::warn!(adapter = %host.adapter, %error, "an event is not understood");
                    }
                    Some(Err(error)) => return Err(host.connection.explain("follow the events", &error).into()),
                    None => return Err(host.connection.unreachable("the engine closed the stream of events").into()),
                },
                samples = follower.measurement.next() => sink.send_all(samples).await?,
                _ = ping.tick() => host.connection.ping().await?,
            }
        }
    }

    /// Tells what was missed.
    async fn catch_up(&mut self, containers: &[Container]) -> Result<(), End> {
        // What took another's place before, and has its name: what happens to it from now on is news.
        containers.iter().for_each(|container| self.host.directory.moved(&container.id));
        let missed = self.host.memory().replace(containers);
        for (name, id, missed) in missed {
            let container = containers.iter().find(|container| container.resource.id == name);
            let ended = Happening::Died { exit_code: None };
            let happenings = match missed {
                Missed::Created => vec![Happening::Created],
                Missed::Started => vec![Happening::Started],
                Missed::Removed => vec![Happening::Removed],
                Missed::Died => {
                    self.told.insert(id.clone());
                    vec![ended]
                }
                Missed::Restarted => {
                    let began = container.and_then(|container| container.started_at.parse().ok());
                    self.lives.extend(began.map(|began| (id.clone(), began)));
                    vec![ended, Happening::Started]
                }
            };
            let asked = match missed {
                Missed::Died => self.asked_unseen(container, &id).await,
                // What the engine remembers of a request may be of either life.
                Missed::Restarted | Missed::Created | Missed::Started | Missed::Removed => None,
            };
            for happening in happenings {
                let mut attributes = self.attributes(&happening, container, &id, asked);
                attributes.insert("missed".into(), true.into());
                self.event(&name, &happening, String::new(), attributes).await?;
            }
            if missed == Missed::Removed {
                self.tell_gone(name).await?;
            }
        }
        containers.iter().for_each(|container| self.measurement.follow(container));
        Ok(())
    }

    /// Takes in one event: the container as it is now first, then what happened to it.
    async fn handle(&mut self, told: Told) -> Result<(), End> {
        let Told { id, name, happening, event_id, nanos } = told;
        let ends = match happening {
            Happening::EndRequested => Some(true),
            Happening::Poked(signal) => Some(self.host.connection.stops_by(&id, signal).await?),
            _ => None,
        };
        if let Some(ends) = ends {
            if ends {
                self.host.requests.note(&id);
            }
            return Ok(());
        }
        // What is being moved ends and begins as the move has it: nothing of that is news.
        let has_own_name = || name.as_deref().is_some_and(|name| Part::of(name).is_none());
        if happening == Happening::Renamed && has_own_name() {
            self.host.directory.moved(&id);
        }
        if self.host.directory.is_moving(&id) {
            if matches!(happening, Happening::Died { .. } | Happening::Removed) {
                self.measurement.leave(&id);
            }
            return Ok(());
        }
        // An end that was told as missed is not told again; that of the next life is another one.
        let told = matches!(happening, Happening::Died { .. } | Happening::Started) && self.told.remove(&id);
        let before = |began: &jiff::Timestamp| nanos.is_some_and(|nanos| i128::from(nanos) < began.as_nanosecond());
        let other_life = matches!(happening, Happening::Died { .. }) && self.lives.get(&id).is_some_and(before);
        if (told && happening != Happening::Started) || other_life {
            return Ok(());
        }
        // A lack of memory is told before the container is asked for: its engine is busy with its end, and what happened does not
        // depend on how it is now.
        let early = if happening == Happening::Oom { self.host.memory().name_of(&id) } else { None };
        if let Some(name) = &early {
            self.told_of(name, &happening, event_id.clone(), None, &id).await?;
        }
        let (inspected, readable) = match self.host.connection.inspect(&id).await {
            Ok(inspected) => (inspected, true),
            // One container that cannot be read does not stop the others. What happened to it is told nevertheless.
            Err(error @ AdapterError::Failed { .. }) => {
                tracing::warn!(adapter = %self.host.adapter, container = %id, %error, "cannot be read");
                (None, false)
            }
            Err(error) => return Err(error.into()),
        };
        let container = inspected.and_then(|inspected| self.host.naming.container(&self.facts, inspected));
        // An inspection by id finds also what has a name that begins like that; and the name may have been given away.
        let container = container.filter(|container| container.id == id);
        let name = match &container {
            Some(container) => Some(container.resource.id.clone()),
            None => self.host.memory().name_of(&id).or_else(|| self.host.naming.id_of(name.as_deref()?)),
        };
        if let Some(container) = &container {
            self.upsert(container).await?;
        }
        let Some(name) = name else { return Ok(()) };
        if early.is_none() {
            self.told_of(&name, &happening, event_id, container.as_ref(), &id).await?;
        }
        if container.is_none() && readable {
            self.gone(&id).await?;
        }
        Ok(())
    }

    /// Sends the event of what an engine told as it happened.
    async fn told_of(
        &self,
        name: &ResourceId,
        happening: &Happening,
        event_id: String,
        container: Option<&Container>,
        id: &str,
    ) -> Result<(), End> {
        let mut attributes = self.attributes(happening, container, id, self.always_tells().then_some(false));
        attributes.insert("missed".into(), false.into());
        self.event(name, happening, event_id, attributes).await
    }

    async fn upsert(&mut self, container: &Container) -> Result<(), End> {
        self.measurement.follow(container);
        let renamed = self.host.memory().update(container);
        if let Some(old) = renamed {
            // Its samples go on under the new name.
            self.measurement.leave(&container.id);
            self.measurement.follow(container);
            self.tell_gone(old).await?;
        }
        let mut resource = container.resource.clone();
        resource.adapter = Some(self.host.adapter.clone());
        Ok(self.sink.send(Observation::Inventory(InventoryChange::Upsert(resource))).await?)
    }

    async fn gone(&mut self, id: &str) -> Result<(), End> {
        self.measurement.leave(id);
        self.told.remove(id);
        self.lives.remove(id);
        let name = {
            let mut memory = self.host.memory();
            let name = memory.name_of(id);
            name.iter().for_each(|name| memory.remove(name));
            name
        };
        match name {
            Some(name) => self.tell_gone(name).await,
            None => Ok(()),
        }
    }

    /// A container that has been moved is gone from here, and not gone.
    async fn tell_gone(&self, resource: ResourceId) -> Result<(), End> {
        if self.host.directory.release(self.host.number, &resource) {
            let adapter = self.host.adapter.clone();
            self.sink.send(Observation::Inventory(InventoryChange::Gone { adapter, resource })).await?;
        }
        Ok(())
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
                let noted = self.host.requests.take(id).then_some(true);
                if let Some(requested) = noted.or(asked) {
                    attributes.insert("requested".into(), requested.into());
                }
            }
            Happening::Health(health) => {
                attributes.insert("health".into(), health.as_str().into());
            }
            Happening::Started => {
                // A new life: what was asked of the one before is settled.
                self.host.requests.take(id);
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

    /// Whether an end that nobody saw was asked for, by the engine's own history of the container's last life, or since it was
    /// listened to last. An engine that was started anew has no history, but while it was away nobody could ask it either.
    async fn asked_unseen(&self, container: Option<&Container>, id: &str) -> Option<bool> {
        let began: jiff::Timestamp = container?.started_at.parse().ok()?;
        let unheard = self.host.heard_last().map_or(began, |heard| heard.max(began));
        match self.host.connection.end_was_asked_for(id, unheard).await {
            Ok(asked) => asked,
            Err(error) => {
                tracing::warn!(adapter = %self.host.adapter, container = %id, %error, "its history cannot be read");
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
        let event = Event { resource: name.clone(), event_type, time: self.host.clock.now(), id, attributes };
        Ok(self.sink.send(Observation::Event(event)).await?)
    }
}
