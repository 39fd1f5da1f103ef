//! Plans through the live loop, from the event to the end that was seen at the system: engine, journal, story, tasks and all. Beside it, in
//! the same run, a store with a transaction for each transition; and what a plan in flight takes in memory.
//!
//! The systems that are driven do at once what they are asked for; for the memory, they never come to an end with it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use homeostat_engine::{Engine, Generation, Input};
use homeostat_journal::{Journal, Options};
use homeostat_model::{
    AdapterName, Capabilities, Event, EventType, InventoryChange, Kind, KindCapability, Observation, Resource,
    ResourceId, StepCommand, Value, Verb,
};
use homeostat_policy::{Policy, SourceText};
use homeostat_port::{Adapter, AdapterError, ApplyError, Clock, ObservationSink, Probe, ProgressSink, Refusal};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Extent,
    figure::{Bound, Figure},
    fleet,
    journal::{transactions, transition},
    memory::{in_a_child, resident},
    stopwatch::rates,
};
use crate::{
    cli::Child,
    live::{Channels, Dispatcher, Live, Message, Narrator, Outlets, QUEUE, Question},
    metrics::Metrics,
    report::Failure,
    story::Story,
};

/// Observations that wait for the engine, as when it runs.
const OBSERVATIONS: usize = 8192;
/// How long a round may take: some hundred times as long as it does.
const PATIENCE: Duration = Duration::from_secs(60);
/// Machines on a host, and hosts of an adapter: as many steps as an adapter is asked for at a time.
const MACHINES: u32 = 4;
const HOSTS: u32 = 8;
/// Events at a time where memory is measured: those that wait to be taken in are no plans yet.
const FEW: u32 = 256;

/// So many adapters, each with its hosts and machines, and how often each machine crashes.
#[derive(Debug, Clone, Copy)]
struct Site {
    adapters: u32,
    crashes: u32,
    /// Whether a step comes to an end.
    ends: bool,
}

/// What plans in flight take.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct InFlight {
    plans: u32,
    /// Bytes that are resident before they begin, and while they are in flight.
    before: u64,
    with: u64,
    /// How long one of them is as its record in the journal.
    written: u64,
}

pub(super) fn measure(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let site = Site { adapters: extent.of(64, 1), crashes: extent.of(5, 2), ends: true };
    let (plans, transitions) = (site.plans(), site.plans() * 2);
    let mut ours = Vec::new();
    for round in 0..extent.rounds() {
        ours.push(carried_out(&folder.path().join(format!("journal-{round}")), site)?);
    }
    let records: Vec<_> = (0..transitions).map(transition).collect();
    let baseline = [transactions(&folder.path().join("redb"), &records)?];
    let ratio: Vec<f64> = ours.iter().map(|ours| seconds(&baseline) / ours.as_secs_f64()).collect();
    let flight: InFlight = in_a_child(Child::Plans, extent)?;
    let each = bytes(flight.with.saturating_sub(flight.before)) / f64::from(flight.plans);
    let about = format!(
        "{plans} restarts of {} machines of {} adapters, each from its event to what was seen; memory of {} in flight",
        site.machines(),
        site.adapters,
        flight.plans
    );
    Ok((
        about,
        vec![
            Figure::of("homeostat, journalled", "steps/s", &rates(transitions, &ours)).target(Bound::AtLeast(20_000.0)),
            Figure::of("redb, a transaction each", "steps/s", &rates(transitions, &baseline)),
            Figure::of("time, redb / homeostat", "x", &ratio),
            Figure::of("a plan in flight, in memory", "bytes", &[each]).target(Bound::AtMost(4096.0)),
            Figure::of("a plan as its record in the journal", "bytes", &[bytes(flight.written)]),
        ],
    ))
}

/// The work of the process whose memory is measured: begins plans that do not end, and prints what they take.
pub(super) fn child(extent: Extent) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let site = Site { adapters: extent.of(320, 2), crashes: 1, ends: false };
    let in_flight = runtime()?.block_on(async {
        let running = Running::start(folder.path(), site).await?;
        let before = resident()?.now;
        running.crash(site, FEW).await?;
        let with = resident()?.now;
        let written = running.written().await?;
        // It is over with the process: what never ends is not waited for.
        Ok::<_, Failure>(InFlight { plans: site.plans(), before, with, written })
    })?;
    println!("{}", serde_json::to_string(&in_flight).unwrap_or_default());
    Ok(())
}

/// How long it takes until all is done and durable.
fn carried_out(folder: &Path, site: Site) -> Result<Duration, Failure> {
    runtime()?.block_on(async {
        let running = Running::start(folder, site).await?;
        let began = Instant::now();
        for _ in 0..site.crashes {
            // What crashes while it is restarted is looked at later; here each crash is to be a plan.
            running.crash(site, site.machines()).await?;
        }
        running.end().await?;
        Ok(began.elapsed())
    })
}

impl Site {
    fn machines(self) -> u32 {
        self.adapters * HOSTS * MACHINES
    }

    fn plans(self) -> u32 {
        self.machines() * self.crashes
    }

    /// The machines, in turn of their adapters.
    fn ids(self) -> impl Iterator<Item = Result<ResourceId, Failure>> {
        (0..HOSTS * MACHINES)
            .flat_map(move |number| (0..self.adapters).map(move |adapter| named(&format!("vm/a{adapter}-v{number}"))))
    }

    /// What an adapter lists.
    fn listed(adapter: u32) -> Result<Vec<Resource>, Failure> {
        let running: Value = "running".into();
        let mut resources = Vec::new();
        for host in 0..HOSTS {
            let mut resource = Resource::named(named(&format!("host/a{adapter}-h{host}"))?);
            resource.attributes.insert("state".into(), "up".into());
            resources.push(resource);
        }
        for number in 0..HOSTS * MACHINES {
            let mut resource = Resource::named(named(&format!("vm/a{adapter}-v{number}"))?);
            resource.on = Some(named(&format!("host/a{adapter}-h{}", number / MACHINES))?);
            resource.attributes.insert("state".into(), running.clone());
            resources.push(resource);
        }
        Ok(resources)
    }

    /// Every crash is answered by a restart, however often it comes.
    fn policies(self) -> Result<Vec<Arc<Policy>>, Failure> {
        let text = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: crash}\nspec:\n  select: {kind: vm}\n  \
                    on: vm.crashed\n  cooldown: 0s\n  then: [{restart: , attempts: 100}]\n";
        fleet::load(&[SourceText { name: "crash.yaml".into(), text: text.into() }])
    }
}

/// The live loop, at work.
struct Running {
    ended: JoinHandle<Result<(), Failure>>,
    messages: mpsc::Sender<Message>,
    questions: mpsc::Sender<Question>,
    sink: ObservationSink,
    stop: CancellationToken,
    reached: Arc<Semaphore>,
}

impl Running {
    /// Starts it, and waits until it knows the site.
    async fn start(journal: &Path, site: Site) -> Result<Self, Failure> {
        let reached = Arc::new(Semaphore::new(0));
        let (clock, stop) = (Clock::system(), CancellationToken::new());
        let (messages, inbox) = mpsc::channel(QUEUE);
        let (questions, asked) = mpsc::channel(QUEUE);
        let (sink, observations) = ObservationSink::bounded(OBSERVATIONS);
        let metrics = Arc::new(Metrics::new());
        let (journal, _) = Journal::open(journal, Options::default(), |_| {}).map_err(|error| failed(&error))?;
        let outlets = Outlets {
            journal,
            decisions: None,
            recorder: None,
            story: Story::new(),
            narrator: Narrator::start(std::io::sink())?,
            channels: Arc::new(Channels::new(clock, metrics.clone(), messages.clone())),
            traces: None,
            metrics,
        };
        let mut adapters: Vec<Arc<dyn Adapter>> = Vec::new();
        for number in 0..site.adapters {
            let name = AdapterName::new(format!("a{number}")).map_err(|error| failed(&error))?;
            adapters.push(Arc::new(Obedient {
                name,
                listed: Site::listed(number)?,
                ends: site.ends,
                reached: reached.clone(),
            }));
        }
        let dispatcher = Dispatcher::new(adapters.clone(), clock, messages.clone());
        let live = Live::new(Engine::new(Generation(1)), clock, outlets, dispatcher);
        let ended = tokio::spawn(live.run(inbox, observations, asked, stop.clone()));
        let running = Self { ended, messages, questions, sink, stop, reached };
        running.tell(Message::Policies(site.policies()?, Vec::new())).await?;
        running.tell(Message::Recovered(Vec::new())).await?;
        for adapter in adapters {
            let capabilities = adapter.capabilities().await.map_err(|error| failed(&error))?;
            running.tell(Message::Input(Box::new(Input::Capabilities(capabilities)))).await?;
            let resources = adapter.discover().await.map_err(|error| failed(&error))?;
            let snapshot = InventoryChange::Snapshot { adapter: adapter.name().clone(), resources };
            running.observed(Observation::Inventory(snapshot)).await?;
        }
        running.idle().await?;
        Ok(running)
    }

    /// Every machine crashes, so many `at_a_time`; waits each time until every step is done, or has begun where none ends.
    async fn crash(&self, site: Site, at_a_time: u32) -> Result<(), Failure> {
        let event_type = EventType::new("vm.crashed").map_err(|error| failed(&error))?;
        let mut waiting = 0;
        for (resource, left) in site.ids().zip((0..site.machines()).rev()) {
            let time = Clock::system().now();
            let (event_type, resource) = (event_type.clone(), resource?);
            let event = Event { resource, event_type, time, id: String::new(), attributes: Default::default() };
            self.observed(Observation::Event(event)).await?;
            waiting += 1;
            if waiting == at_a_time || left == 0 {
                let all = tokio::time::timeout(PATIENCE, self.reached.acquire_many(waiting)).await;
                let late = |_| failed(&format!("{} of {waiting} steps came", self.reached.available_permits()));
                all.map_err(late)?.map_err(|error| failed(&error))?.forget();
                waiting = 0;
            }
        }
        Ok(())
    }

    /// How long the record of the first plan in flight is, in bytes.
    async fn written(&self) -> Result<u64, Failure> {
        let (reply, written) = oneshot::channel();
        let ask = move |engine: &Engine| {
            let json = engine.in_flight().next().map(|plan| serde_json::to_vec(plan).unwrap_or_default());
            let _ = reply.send(json.map_or(0, |json| u64::try_from(json.len()).unwrap_or(u64::MAX)));
        };
        self.questions.send(Question(Box::new(ask))).await.map_err(|_| failed(&"the loop has ended"))?;
        written.await.map_err(|error| failed(&error))
    }

    async fn end(self) -> Result<(), Failure> {
        self.stop.cancel();
        self.ended.await.map_err(|error| failed(&error))?
    }

    /// Waits until the loop has taken in everything.
    async fn idle(&self) -> Result<(), Failure> {
        while self.sink.room() < OBSERVATIONS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (reply, heard) = oneshot::channel();
        self.tell(Message::Ping(reply)).await?;
        heard.await.map_err(|error| failed(&error))
    }

    async fn observed(&self, observation: Observation) -> Result<(), Failure> {
        self.sink.send(observation).await.map_err(|error| failed(&error))
    }

    async fn tell(&self, message: Message) -> Result<(), Failure> {
        self.messages.send(message).await.map_err(|error| failed(&error))
    }
}

/// A system that does at once what it is asked for, or never.
struct Obedient {
    name: AdapterName,
    listed: Vec<Resource>,
    ends: bool,
    reached: Arc<Semaphore>,
}

#[async_trait]
impl Adapter for Obedient {
    fn name(&self) -> &AdapterName {
        &self.name
    }

    async fn capabilities(&self) -> Result<Capabilities, AdapterError> {
        let kind = Kind::new("vm").ok();
        let can = || KindCapability { verbs: [Verb::Restart].into(), ..KindCapability::default() };
        Ok(Capabilities { adapter: self.name.clone(), kinds: kind.into_iter().map(|kind| (kind, can())).collect() })
    }

    async fn discover(&self) -> Result<Vec<Resource>, AdapterError> {
        Ok(self.listed.clone())
    }

    async fn observe(&self, _: &ObservationSink, stop: &CancellationToken) -> Result<(), AdapterError> {
        stop.cancelled().await;
        Ok(())
    }

    async fn check(&self, _: &StepCommand) -> Result<(), Refusal> {
        Ok(())
    }

    async fn apply(&self, _: &StepCommand, _: &ProgressSink, cancel: &CancellationToken) -> Result<(), ApplyError> {
        if !self.ends {
            self.reached.add_permits(1);
            cancel.cancelled().await;
        }
        Ok(())
    }

    async fn probe(&self, _: &StepCommand) -> Result<Probe, AdapterError> {
        self.reached.add_permits(1);
        Ok(Probe::Done("running".into()))
    }
}

fn named(text: &str) -> Result<ResourceId, Failure> {
    text.parse().map_err(|error| failed(&error))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| failed(&error))
}

fn seconds(durations: &[Duration]) -> f64 {
    durations.iter().map(Duration::as_secs_f64).sum()
}

#[expect(clippy::as_conversions, reason = "std has no other conversion; bytes of a machine are far below 2^53")]
fn bytes(count: u64) -> f64 {
    count as f64
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the plans cannot be measured: {error}"))
}
