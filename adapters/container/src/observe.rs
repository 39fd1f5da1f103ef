//! Observing every host: one snapshot of all, and then each for itself, until none can be asked any more.
//!
//! ```text
//!   take stock of all hosts --> snapshot --+--> host: follow --lost--> unknown --wait, longer each time--> take stock --+
//!   (what cannot be asked: as last known)  |      ^                                                                     |
//!                                          |      +-------------------------- up: what changed meanwhile <--------------+
//!                                          +--> host: ...            no host left --> the connection is lost
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bollard::models::ContainerInspectResponse;
use futures_util::{StreamExt, TryStreamExt, future};
use homeostat_model::{Event, EventType, InventoryChange, Observation, Resource, ResourceId};
use homeostat_port::{AdapterError, Closed, ObservationSink};

use crate::{adapter::Shared, connection::Facts, follow::Follower, host::Host, inventory::Container, parts::Part};

/// Containers that are inspected at a time: enough to keep an engine busy, few enough to leave room for others' calls.
const INSPECTIONS: usize = 8;

/// The pause before a lost host is asked again, at first: a daemon that is started anew is back in a second or two.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause before a lost host is asked again: nobody waits longer than this for a host that has come back.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why observing ended.
#[derive(Debug)]
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

/// An engine's containers at one moment.
#[derive(Debug)]
pub(crate) struct Stock {
    pub(crate) facts: Arc<Facts>,
    /// Before they were looked at, by the engine's own clock: events from then on are not in them.
    pub(crate) since: jiff::Timestamp,
    pub(crate) containers: Vec<Container>,
    /// What is being replaced, or was when somebody crashed.
    replaced: Vec<ContainerInspectResponse>,
}

impl Stock {
    /// Takes in what was being replaced and has no successor, once all that have a name of their own are known.
    fn admit_replaced(&mut self, host: &Host) {
        for replaced in std::mem::take(&mut self.replaced) {
            self.containers.extend(host.naming.container(&self.facts, replaced));
        }
        self.containers.sort_by(|one, other| one.resource.id.cmp(&other.resource.id));
    }
}

fn is_part(found: &ContainerInspectResponse) -> bool {
    found.name.as_deref().is_some_and(|name| Part::of(name.trim_start_matches('/')).is_some())
}

/// Everything there is on `host`, in the order of names.
async fn take_stock(host: &Host) -> Result<Stock, AdapterError> {
    let stock = async {
        let facts = host.connection.facts().await?;
        let since = host.connection.time().await?;
        let ids = host.connection.list().await?;
        let inspected = futures_util::stream::iter(ids)
            .map(|id| async move { host.connection.inspect(&id).await })
            .buffer_unordered(INSPECTIONS);
        let mut found: Vec<_> = inspected.try_collect::<Vec<_>>().await?.into_iter().flatten().collect();
        // In the order of names, whichever answer came first: ids are given out here.
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let names: BTreeSet<String> =
            found.iter().filter_map(|found| Some(found.name.as_deref()?.trim_start_matches('/').to_owned())).collect();
        host.directory.keep_only(host.number, &names);
        let (replaced, found): (Vec<_>, Vec<_>) = found.into_iter().partition(is_part);
        let containers = found.into_iter().filter_map(|found| host.naming.container(&facts, found));
        let by_name: BTreeMap<ResourceId, Container> =
            containers.map(|container| (container.resource.id.clone(), container)).collect();
        host.memory().learn(&facts);
        Ok(Stock { facts, since, containers: by_name.into_values().collect(), replaced })
    };
    let stock = stock.await;
    if matches!(stock, Err(AdapterError::Unreachable { .. })) {
        host.connection.forget().await;
    }
    stock
}

/// The stock of every host, one after the other, since the first host's containers have the first choice of names.
async fn all_stocks(shared: &Shared) -> Result<Vec<Result<Stock, AdapterError>>, AdapterError> {
    // Connecting is what takes time where a host is away.
    future::join_all(shared.hosts.iter().map(|host| host.connection.facts())).await;
    let mut stocks = Vec::new();
    for host in &shared.hosts {
        stocks.push(take_stock(host).await);
    }
    for (host, stock) in shared.hosts.iter().zip(&mut stocks) {
        if let Ok(stock) = stock {
            stock.admit_replaced(host);
        }
    }
    if stocks.iter().any(Result::is_ok) {
        return Ok(stocks);
    }
    let lost = stocks.into_iter().find_map(Result::err);
    Err(lost.unwrap_or_else(|| AdapterError::Failed { operation: "observe".into(), reason: "no hosts".into() }))
}

fn resources(shared: &Shared, stocks: &[Result<Stock, AdapterError>]) -> Vec<Resource> {
    let of_host = |(host, stock): (&Arc<Host>, &Result<Stock, AdapterError>)| match stock {
        Ok(stock) => host.resources(&stock.facts, &stock.containers),
        Err(_) => host.last_known(),
    };
    shared.hosts.iter().zip(stocks).flat_map(of_host).collect()
}

/// The hosts and their containers.
pub(crate) async fn discover(shared: &Shared) -> Result<Vec<Resource>, AdapterError> {
    let stocks = all_stocks(shared).await?;
    Ok(resources(shared, &stocks))
}

/// Observes until no host can be asked any more, or nobody listens.
pub(crate) async fn run(shared: &Arc<Shared>, sink: &ObservationSink) -> Result<(), End> {
    let stocks = all_stocks(shared).await?;
    let resources = resources(shared, &stocks);
    let adapter = shared.config.name.clone();
    sink.send(Observation::Inventory(InventoryChange::Snapshot { adapter, resources })).await?;
    let up = AtomicUsize::new(stocks.iter().filter(|stock| stock.is_ok()).count());
    let observed = shared.hosts.iter().zip(stocks).map(|(host, stock)| Watch { host, sink, up: &up }.run(stock));
    future::try_join_all(observed).await.map(drop)
}

/// One host among others.
struct Watch<'a> {
    host: &'a Arc<Host>,
    sink: &'a ObservationSink,
    /// How many hosts can be asked at this moment.
    up: &'a AtomicUsize,
}

impl Watch<'_> {
    async fn run(self, first: Result<Stock, AdapterError>) -> Result<(), End> {
        let mut stock = match first {
            Ok(stock) => stock,
            Err(error) => {
                tracing::warn!(adapter = %self.host.adapter, %error, "a host cannot be asked; the others can");
                self.back().await?
            }
        };
        loop {
            let Err(end) = Follower::run(self.host, self.sink, stock).await else { return Ok(()) };
            let End::Lost(error) = end else { return Err(end) };
            self.host.connection.forget().await;
            if self.up.fetch_sub(1, Ordering::SeqCst) == 1 {
                return Err(End::Lost(error));
            }
            tracing::warn!(adapter = %self.host.adapter, %error, "a host is lost; the others are not");
            self.tell(self.host.last_known(), "host.unreachable").await?;
            stock = self.back().await?;
        }
    }

    /// Waits until the host can be asked again, and tells how it is.
    async fn back(&self) -> Result<Stock, End> {
        let mut pause = FIRST_PAUSE;
        let stock = loop {
            tokio::time::sleep(pause).await;
            match take_stock(self.host).await {
                Ok(mut stock) => {
                    stock.admit_replaced(self.host);
                    break stock;
                }
                Err(_) => pause = pause.saturating_mul(2).min(LONGEST_PAUSE),
            }
        };
        self.up.fetch_add(1, Ordering::SeqCst);
        self.tell(self.host.resources(&stock.facts, &stock.containers), "host.reachable").await?;
        Ok(stock)
    }

    /// Tells how each resource is, and what happened to the host, which is the first.
    async fn tell(&self, resources: Vec<Resource>, event: &str) -> Result<(), End> {
        let host = resources.first().map(|host| host.id.clone()).filter(|id| id.kind() == "host");
        for mut resource in resources {
            resource.adapter = Some(self.host.adapter.clone());
            self.sink.send(Observation::Inventory(InventoryChange::Upsert(resource))).await?;
        }
        let (Some(resource), Ok(event_type)) = (host, EventType::new(event)) else { return Ok(()) };
        let event = Event {
            resource,
            event_type,
            time: self.host.clock.now(),
            id: String::new(),
            attributes: homeostat_model::Attributes::new(),
        };
        Ok(self.sink.send(Observation::Event(event)).await?)
    }
}
