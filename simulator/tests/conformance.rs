//! The suite that every adapter has to pass, on the embedded data centre; and proof that the suite notices what is wrong.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use homeostat_model::{
    Action, AdapterName, Amount, Attempt, Capabilities, EventType, IdempotencyKey, Kind, Resource, ResourceId,
    StepCommand, Verb,
};
use homeostat_port::{
    Adapter, AdapterError, ApplyError, Clock, ObservationSink, Probe, ProgressSink, Refusal,
    conformance::{Harness, Outcome, Report, Subject, run},
};
use homeostat_simulator::{CentreAddress, DataCentre, Incident, RemoteCentre, Scenario, SimAdapter, serve};
use tokio_util::sync::CancellationToken;

/// Enough of everything that no two promises share a resource.
const SCENARIO: &str = "
start: 2026-03-02T09:00:00Z
duration: 1h
sampleEvery: 60s
racks: [{name: r1}]
hosts:
  - {name: h1, rack: r1, cores: 512, memory: 1Ti, power: {idle: 100W, busy: 300W}}
  - {name: h2, rack: r1, cores: 512, memory: 2Ti, power: {idle: 100W, busy: 300W}}
  - {name: 'spare-{1..40}', rack: r1, cores: 4, memory: 8Gi, power: {idle: 15W, busy: 29W}}
  - {name: 'dark-{1..40}', rack: r1, cores: 4, memory: 8Gi, power: {idle: 15W, busy: 29W}, state: off, bootTime: 10s}
vms:
  - {name: 'run-{1..150}', on: h1, vcpus: 1, memory: 1Gi, load: {base: 0.5, noise: 0.2}}
  - {name: 'rest-{1..40}', on: h1, vcpus: 1, memory: 1Gi, state: stopped}
  - {name: 'big-{1..8}', on: h1, vcpus: 4, memory: 64Gi}
containers:
  - {name: 'run-{1..150}', on: h1, vcpus: 0.5, memory: 256Mi, load: {base: 0.2}}
  - {name: 'rest-{1..40}', on: h1, vcpus: 0.5, memory: 256Mi, state: stopped}
";

struct DataCentreHarness {
    sim: SimAdapter,
    adapter: Arc<dyn Adapter>,
    /// What an adapter is after the program was started anew.
    reconnected: Arc<dyn Adapter>,
    taken: [AtomicU64; 6],
}

impl DataCentreHarness {
    /// A data centre, driven through whatever `wrap` makes of its adapter.
    fn new(wrap: impl FnOnce(SimAdapter) -> Arc<dyn Adapter>) -> Self {
        let scenario = Scenario::parse("conformance.yaml", SCENARIO).unwrap();
        let centre = DataCentre::new(&scenario, AdapterName::new("sim").unwrap(), scenario.start, scenario.seed);
        let sim = SimAdapter::new(centre, Clock::starting(scenario.start, 300));
        Self { adapter: wrap(sim.clone()), reconnected: Arc::new(sim.reconnected()), sim, taken: Default::default() }
    }

    /// The next one of a row of resources: `vm/run-1`, `vm/run-2`, ...
    fn next(&self, row: usize, prefix: &str) -> ResourceId {
        let number = self.taken[row].fetch_add(1, Ordering::SeqCst) + 1;
        format!("{prefix}-{number}").parse().unwrap()
    }
}

#[async_trait]
impl Harness for DataCentreHarness {
    fn adapter(&self) -> Arc<dyn Adapter> {
        self.adapter.clone()
    }

    async fn reconnected(&self) -> Option<Arc<dyn Adapter>> {
        Some(self.reconnected.clone())
    }

    async fn subject(&self, kind: &Kind, verb: Verb) -> Option<Subject> {
        let rows = match kind.as_str() {
            "vm" => (0, 1),
            "container" => (2, 3),
            _ => (4, 5),
        };
        let (resource, action) = match verb {
            Verb::Restart => (self.next(rows.0, &format!("{kind}/run")), Action::Restart { on: None }),
            Verb::Start => (self.next(rows.1, &format!("{kind}/rest")), Action::Start),
            Verb::Stop => (self.next(rows.0, &format!("{kind}/run")), Action::Stop),
            Verb::Resize => {
                let amount = Amount { vcpus: Some(2.0), memory_bytes: Some(2 << 30), ..Amount::default() };
                (self.next(rows.0, &format!("{kind}/run")), Action::Resize(amount.into()))
            }
            Verb::Pause => (self.next(rows.0, &format!("{kind}/run")), Action::Pause { on: true }),
            Verb::Kill => (self.next(rows.0, &format!("{kind}/run")), Action::Kill),
            Verb::Recreate => (self.next(rows.0, &format!("{kind}/run")), Action::Recreate { image: None }),
            Verb::Migrate => {
                let to = "host/h2".parse().unwrap();
                (self.next(rows.0, &format!("{kind}/run")), Action::Migrate { to, live: true })
            }
            Verb::Fence => (self.next(rows.0, "host/spare"), Action::Fence),
            Verb::Power => (self.next(rows.1, "host/dark"), Action::Power { on: true }),
            Verb::Cordon => (self.next(rows.0, "host/spare"), Action::Cordon { on: true }),
        };
        self.sim.with(|centre| centre.snapshot().iter().any(|found| found.id == resource)).then_some(())?;
        Some(Subject { resource, action })
    }

    async fn slow_subject(&self) -> Option<Subject> {
        static BIG: AtomicU64 = AtomicU64::new(0);
        let number = BIG.fetch_add(1, Ordering::SeqCst) % 8 + 1;
        let resource: ResourceId = format!("vm/big-{number}").parse().unwrap();
        // Sixty-nine seconds over the link, which are 230 ms at this speed.
        Some(Subject { resource, action: Action::Migrate { to: "host/h2".parse().unwrap(), live: true } })
    }

    async fn impossible_subject(&self) -> Option<Subject> {
        let amount = Amount { vcpus: None, memory_bytes: Some(4 << 40), ..Amount::default() };
        Some(Subject { resource: self.next(0, "vm/run"), action: Action::Resize(amount.into()) })
    }

    async fn effects(&self, subject: &Subject) -> u64 {
        self.sim.with(|centre| centre.effects().count(&subject.resource, subject.action.verb()))
    }

    async fn workload(&self) -> ResourceId {
        self.next(0, "vm/run")
    }

    async fn fail(&self, workload: &ResourceId) {
        self.sim.with(|centre| centre.inject(&Incident::Crash(workload.clone())));
    }

    fn failure_event(&self) -> EventType {
        "vm.crashed".parse().unwrap()
    }

    fn half_way(&self) -> Duration {
        Duration::from_millis(40)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_centre_keeps_every_promise() {
    let harness = DataCentreHarness::new(|sim| Arc::new(sim));
    let report = run(&harness).await;
    println!("{report}");
    assert!(report.is_kept(), "\n{report}");
    assert_eq!(report.skipped(), Vec::<&str>::new(), "\n{report}");
    assert_eq!(harness.sim.with(|centre| centre.effects().ran_twice().to_vec()), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_in_a_process_of_its_own_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let address: CentreAddress = format!("unix:{}/centre.sock", folder.path().display()).parse().unwrap();
    let client = || Arc::new(RemoteCentre::new(AdapterName::new("sim").unwrap(), address.clone()));
    let harness = DataCentreHarness { reconnected: client(), ..DataCentreHarness::new(|_| client()) };
    let stop = CancellationToken::new();
    let server = tokio::spawn({
        let (sim, address, stop) = (harness.sim.clone(), address.clone(), stop.clone());
        async move { serve(sim, &address, &stop).await }
    });
    while !address.path().exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let report = run(&harness).await;
    println!("{report}");
    assert!(report.is_kept(), "\n{report}");
    assert_eq!(report.skipped(), Vec::<&str>::new(), "\n{report}");
    // It says itself what was really done to it: nothing twice, and every effect under one of the keys.
    let stated = client().ledger().await.unwrap();
    let applied: u64 = stated.keys.values().map(|account| account.applied).sum();
    let effects: u64 = stated.effects.values().flat_map(|verbs| verbs.values()).sum();
    assert!(applied > 10 && applied == effects, "{stated:?}");
    assert!(stated.keys.values().all(|account| account.applied <= 1), "{stated:?}");
    assert_eq!((stated.forgotten, stated.ran_twice), (0, vec![]));
    stop.cancel();
    server.await.unwrap().unwrap();
    assert!(!address.path().exists(), "the next one may listen there");
    let gone = client().capabilities().await.unwrap_err().to_string();
    assert!(gone.contains("cannot reach unix:") && gone.contains("datacentre serve"), "{gone}");
}

/// An adapter that breaks one promise.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    Lies,
    ForgetsKeys,
    ProbesBlindly,
    IgnoresCancel,
    AllowsAnything,
    HidesEvents,
    BeginsWithoutSnapshot,
    ForgetsToStop,
    ObeysTheOld,
}

struct Flawed {
    sim: SimAdapter,
    flaw: Flaw,
    calls: AtomicU64,
}

#[async_trait]
impl Adapter for Flawed {
    fn name(&self) -> &AdapterName {
        self.sim.name()
    }

    async fn capabilities(&self) -> Result<Capabilities, AdapterError> {
        self.sim.capabilities().await
    }

    async fn discover(&self) -> Result<Vec<Resource>, AdapterError> {
        self.sim.discover().await
    }

    async fn observe(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), AdapterError> {
        use homeostat_model::Observation;
        let (inner, mut received) = ObservationSink::bounded(16);
        let end = CancellationToken::new();
        let stop = if matches!(self.flaw, Flaw::ForgetsToStop) { &end } else { stop };
        let mut skip = matches!(self.flaw, Flaw::BeginsWithoutSnapshot);
        let forward = async {
            while let Some(observation) = received.recv().await {
                let hidden = matches!((self.flaw, &observation), (Flaw::HidesEvents, Observation::Event(_)));
                if !std::mem::take(&mut skip) && !hidden && sink.send(observation).await.is_err() {
                    end.cancel();
                }
            }
        };
        let observe = async move { self.sim.observe(&inner, stop).await };
        tokio::join!(observe, forward).0
    }

    async fn check(&self, command: &StepCommand) -> Result<(), Refusal> {
        if matches!(self.flaw, Flaw::AllowsAnything) { Ok(()) } else { self.sim.check(command).await }
    }

    async fn apply(
        &self,
        command: &StepCommand,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), ApplyError> {
        let never = CancellationToken::new();
        let mut command = command.clone();
        match self.flaw {
            Flaw::Lies => return Ok(()),
            Flaw::ForgetsKeys => {
                let call = self.calls.fetch_add(1, Ordering::SeqCst);
                let number = u16::try_from(call).unwrap() + 1000;
                command.key = IdempotencyKey::of(command.plan, command.step, Attempt { undo: false, number });
            }
            Flaw::ObeysTheOld => command.generation.0 += 1_000,
            _ => {}
        }
        if matches!(self.flaw, Flaw::IgnoresCancel) {
            let (silent, _watched) = ProgressSink::new();
            return self.sim.apply(&command, &silent, &never).await;
        }
        self.sim.apply(&command, progress, cancel).await
    }

    async fn probe(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        match self.flaw {
            Flaw::ProbesBlindly => Ok(Probe::Done("trust me".into())),
            _ => self.sim.probe(command).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_notices_each_flaw() {
    let flaws: &[(Flaw, &[&str])] = &[
        (Flaw::Lies, &["apply under one key has one effect", "a lasting deed is recognised"]),
        (
            Flaw::ForgetsKeys,
            &[
                "apply under one key has one effect",
                "concurrent applies of one key",
                "cut off half-way and applied again",
            ],
        ),
        (Flaw::ProbesBlindly, &["probe says not done before", "called off half-way", "called off before it began"]),
        (Flaw::IgnoresCancel, &["a slow step tells how far it is"]),
        (Flaw::AllowsAnything, &["an unknown resource", "a verb that is not declared", "what is impossible"]),
        (Flaw::HidesEvents, &["a failure from outside is seen"]),
        (Flaw::BeginsWithoutSnapshot, &["observe begins with a snapshot", "observe begins anew"]),
        (Flaw::ForgetsToStop, &["observe stops promptly"]),
        (Flaw::ObeysTheOld, &["a stale generation is refused"]),
    ];
    // Most of it is waiting in vain: all at the same time.
    let runs: Vec<_> = flaws.iter().map(|(flaw, _)| tokio::spawn(flawed(*flaw))).collect();
    for ((flaw, promises), run) in flaws.iter().zip(runs) {
        let report = run.await.unwrap();
        for promise in *promises {
            let broken =
                |(text, outcome): &(&str, Outcome)| text.contains(promise) && matches!(outcome, Outcome::Broken(_));
            assert!(report.outcomes().iter().any(broken), "{flaw:?} was not noticed by `{promise}`:\n{report}");
        }
    }
}

async fn flawed(flaw: Flaw) -> Report {
    run(&Impatient(DataCentreHarness::new(|sim| Arc::new(Flawed { sim, flaw, calls: AtomicU64::new(0) })))).await
}

/// A broken adapter lets the suite wait in vain: not for long.
struct Impatient(DataCentreHarness);

#[async_trait]
impl Harness for Impatient {
    fn adapter(&self) -> Arc<dyn Adapter> {
        self.0.adapter()
    }
    async fn reconnected(&self) -> Option<Arc<dyn Adapter>> {
        self.0.reconnected().await
    }
    async fn subject(&self, kind: &Kind, verb: Verb) -> Option<Subject> {
        self.0.subject(kind, verb).await
    }
    async fn slow_subject(&self) -> Option<Subject> {
        self.0.slow_subject().await
    }
    async fn impossible_subject(&self) -> Option<Subject> {
        self.0.impossible_subject().await
    }
    async fn effects(&self, subject: &Subject) -> u64 {
        self.0.effects(subject).await
    }
    async fn workload(&self) -> ResourceId {
        self.0.workload().await
    }
    async fn fail(&self, workload: &ResourceId) {
        self.0.fail(workload).await;
    }
    fn failure_event(&self) -> EventType {
        self.0.failure_event()
    }
    fn half_way(&self) -> Duration {
        self.0.half_way()
    }
    fn patience(&self) -> Duration {
        Duration::from_secs(4)
    }
}
