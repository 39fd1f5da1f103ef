//! `homeostat run`: watches, decides and acts until it is stopped.

mod generation;

use std::{
    fs::File,
    io::BufWriter,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::Router;
use homeostat_container::ContainerAdapter;
use homeostat_engine::{Engine, Generation, Past};
use homeostat_journal::{Journal, Options, Replayed};
use homeostat_model::{Notification, OpenPlan};
use homeostat_policy::UnknownMetrics;
use homeostat_port::{Adapter, Clock, ObservationSink, Source};
use homeostat_simulator::{DataCentre, RemoteCentre, Scenario, SimAdapter};
use homeostat_sources::{JsonLines, Promql, Scrape};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{self, Access, Api, Door, Place, READERS, Socket, server_config},
    cli::RunArgs,
    command::{check, demonstration},
    config::{AdapterConfig, Bearings, Configuration, Loaded, SourceConfig},
    live::{
        Channels, Dispatcher, Feed, Live, Memories, Message, Monotonic, Narrator, Outlets, People, PolicyFiles, QUEUE,
        Reader, Sources, observe, reload,
    },
    metrics::Metrics,
    recording::Recorder,
    report::Failure,
    story::Story,
    traces::Traces,
};

/// Observations that wait for the engine; sources wait when it is full.
const OBSERVATIONS: usize = 8192;

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let loaded = Loaded::find(args.configuration.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(serve(loaded, args));
    // Reading standard input cannot be interrupted; the program ends without it.
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn serve(loaded: Loaded, args: &RunArgs) -> Result<(), Failure> {
    let configuration = &loaded.configuration;
    let metrics = Arc::new(Metrics::new());
    let policies = policy_files(&loaded);
    // Everything that can be wrong is found before anything is touched.
    let (first, texts) = policies.load()?;
    let unreadable = loaded.unreadable_inputs();
    if !unreadable.is_empty() {
        return Err(Failure::of("the configuration", &unreadable));
    }
    let scenario = loaded.scenario().map_err(|flaws| Failure::of("the scenario", &flaws))?;
    let scenario = scenario.map(|(_, scenario)| scenario);
    let only_virtual = scenario.is_some() && configuration.adapters.len() == 1 && configuration.sources.is_empty();
    let clock = match &scenario {
        // A scenario alone tells the same story at the same times whenever it is run.
        Some(scenario) if only_virtual => Clock::starting(scenario.start, configuration.speed),
        _ => Clock::system(),
    };
    let adapters = adapters(&loaded, scenario, clock)?;
    let listener = TcpListener::bind(configuration.listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on {}: {error}", configuration.listen))
            .help("set spec.listen in the configuration to a free address, such as 127.0.0.1:9400")
    })?;
    let certificate = loaded.certificate().map_err(|flaw| Failure::of("the configuration", &[*flaw]))?.map(Arc::new);
    let tls = certificate.clone().map(server_config).transpose();
    let tls = tls.map_err(|error| Failure::new(format!("TLS is not possible: {error}")))?;
    let (messages, inbox) = mpsc::channel(QUEUE);
    let (questions, asked) = mpsc::channel(QUEUE);
    let channels = Arc::new(Channels::new(clock, metrics.clone(), messages.clone()));
    let Opened { outlets, generation, recalled, open, undelivered, temporary } =
        outlets(&loaded, args, metrics.clone(), channels.clone(), |last| {
            generation::generation(last, clock.now(), only_virtual)
        })?;
    let socket = socket(&loaded).await?;

    let stop = CancellationToken::new();
    let (sink, observations) = ObservationSink::bounded(OBSERVATIONS);
    // In this order, and before anything is observed: what is in flight belongs to its plan from the first moment.
    let told = Message::Input(Box::new(channels.replace(&loaded)));
    for message in [told, first, recalled, Message::Recovered(open), Message::Undelivered(undelivered)] {
        messages.send(message).await.map_err(|_| Failure::new("the engine is gone"))?;
    }
    let awaited = Arc::new(AtomicUsize::new(adapters.len()));
    let mut tasks = JoinSet::new();
    for adapter in &adapters {
        let (adapter, sink, messages) = (adapter.clone(), sink.clone(), messages.clone());
        let (metrics, stop, awaited) = (metrics.clone(), stop.clone(), awaited.clone());
        let connected = move || {
            awaited.fetch_sub(1, Ordering::Relaxed);
        };
        tasks.spawn(async move {
            observe(adapter, sink, messages, metrics, stop, connected).await;
            Ok(())
        });
    }
    let access = Arc::new(Access::new(configuration.api.as_ref()));
    let journal = configuration.journal.as_ref().map(|journal| loaded.resolve(&journal.path));
    let api = Api {
        messages: messages.clone(),
        questions,
        metrics: metrics.clone(),
        awaited,
        access: access.clone(),
        journal: journal.or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned())).unwrap_or_default(),
        readers: Arc::new(Semaphore::new(READERS)),
    };
    let feed = Feed { sink, clock, metrics: metrics.clone(), memories: Memories::default() };
    let mut sources = Sources::new(start_source, feed, api.router());
    sources.replace(&loaded)?;
    warn_of_clear_tokens(configuration);
    let network = Door::Network(listener, tls.map(|tls| TlsAcceptor::from(Arc::new(tls))));
    for door in [Some(network), socket.map(Door::Socket)].into_iter().flatten() {
        tasks.spawn(api::serve(door, sources.routes(), stop.clone()));
    }
    let people = People { access, certificate };
    metrics.configured();
    let (listen, until) = (configuration.listen, configuration.until);
    let reader = Reader::new(loaded, only_virtual, policies, texts);
    tasks.spawn(reload(reader, sources, people, channels.clone(), messages.clone(), metrics, stop.clone()));
    tasks.spawn(signals(stop.clone(), until.map(|until| (clock, clock.now() + until))));
    let dispatcher = Dispatcher::new(adapters, clock, messages);
    let live =
        Live::new(Engine::with_stopwatch(generation, Arc::new(Monotonic::default())), clock, outlets, dispatcher);
    tracing::info!(%listen, "homeostat runs");
    let engine = tokio::spawn(live.run(inbox, observations, asked, stop.clone()));
    let outcome = supervise(engine, &mut tasks, &stop).await;
    stop.cancel();
    channels.end().await;
    // What has not ended a moment after it was told to stop does not keep the program.
    let _ =
        tokio::time::timeout(std::time::Duration::from_secs(2), async { while tasks.join_next().await.is_some() {} })
            .await;
    outcome
}

/// Waits for the engine's end; a part that fails brings everything to a clean stop.
async fn supervise(
    mut engine: tokio::task::JoinHandle<Result<(), Failure>>,
    tasks: &mut JoinSet<Result<(), Failure>>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut failed = Ok(());
    loop {
        tokio::select! {
            ended = &mut engine => {
                let outcome = ended.unwrap_or_else(|error| Err(Failure::new(format!("the engine ended unexpectedly: {error}"))));
                return outcome.and(failed);
            }
            Some(ended) = tasks.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => {
                    failed = Err(failure);
                    stop.cancel();
                }
                Err(error) => {
                    failed = Err(Failure::new(format!("a part of homeostat ended unexpectedly: {error}")));
                    stop.cancel();
                }
            },
        }
    }
}

/// The policies of a configuration, and what they are checked against.
pub(crate) fn policy_files(loaded: &Loaded) -> PolicyFiles {
    let built_in = if loaded.file.is_none() { demonstration::policies() } else { Vec::new() };
    let paths = if loaded.file.is_none() { Vec::new() } else { loaded.policy_paths() };
    let catalogue = Arc::new(check::catalogue(&loaded.configuration, UnknownMetrics::Refuse));
    PolicyFiles { paths, built_in, catalogue }
}

fn adapters(loaded: &Loaded, scenario: Option<Scenario>, clock: Clock) -> Result<Vec<Arc<dyn Adapter>>, Failure> {
    let mut adapters: Vec<Arc<dyn Adapter>> = Vec::new();
    for adapter in &loaded.configuration.adapters {
        match adapter {
            AdapterConfig::Datacentre(config) => {
                if let Some(at) = &config.at {
                    let at = at.seen_from(&loaded.resolve(Path::new("")));
                    adapters.push(Arc::new(RemoteCentre::new(config.name.clone(), at)));
                } else if let Some(scenario) = &scenario {
                    let centre = DataCentre::new(scenario, config.name.clone(), clock.now(), scenario.seed);
                    adapters.push(Arc::new(SimAdapter::new(centre, clock)));
                }
            }
            AdapterConfig::Container(config) => {
                let mut config = config.clone();
                config.resolve(|path| loaded.resolve(path));
                let adapter = ContainerAdapter::connect(config.clone())
                    .map_err(|error| Failure::new(format!("adapter {}: {error}", config.name)))?;
                adapters.push(Arc::new(adapter));
            }
        }
    }
    Ok(adapters)
}

/// Starts the source of that number; one that listens gives its routes.
fn start_source(
    loaded: &Loaded,
    number: usize,
    feed: &Feed,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), Failure>>,
) -> Result<Router, Failure> {
    let Feed { sink, clock, metrics, memories } = feed;
    let mut running = |source| start(source, sink, stop, tasks);
    Ok(match loaded.configuration.sources.get(number) {
        None => Router::new(),
        Some(SourceConfig::Alertmanager(config)) => {
            homeostat_sources::alertmanager(config.clone(), feed.inlet(&config.name, config.token.as_ref())?)
        }
        Some(SourceConfig::CloudEvents(config)) => {
            homeostat_sources::cloud_events(config.clone(), feed.inlet(&config.name, config.token.as_ref())?)
        }
        Some(SourceConfig::RemoteWrite(config)) => {
            let intake = metrics.intake(&config.name);
            homeostat_sources::remote_write(config.clone(), sink.clone(), *clock, intake)
        }
        Some(SourceConfig::JsonLines(config)) => {
            let mut config = config.clone();
            if config.path != Path::new("-") {
                config.path = loaded.resolve(&config.path);
            }
            let (intake, memory) = (metrics.intake(&config.name), memories.of(&config.name));
            running(Box::new(JsonLines::new(config, *clock, intake, memory)))
        }
        Some(SourceConfig::Scrape(config)) => {
            let mut config = config.clone();
            config.resolve(|path| loaded.resolve(path));
            let intake = metrics.intake(config.name());
            running(Box::new(Scrape::new(config, *clock, intake)))
        }
        Some(SourceConfig::Promql(config)) => {
            let intake = metrics.intake(config.name());
            running(Box::new(Promql::new(config.clone(), *clock, intake)))
        }
    })
}

/// Lets a source run until it ends or is told to stop. It listens nowhere.
fn start(
    source: Box<dyn Source>,
    sink: &ObservationSink,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), Failure>>,
) -> Router {
    let (sink, stop) = (sink.clone(), stop.clone());
    tasks.spawn(async move { source.run(&sink, &stop).await.map_err(|error| Failure::new(error.to_string())) });
    Router::new()
}

/// The socket for people on this machine. Where nobody asked for it in particular, homeostat also runs without.
async fn socket(loaded: &Loaded) -> Result<Option<Socket>, Failure> {
    let place = Place::of(&Bearings::of(loaded));
    match Socket::open(&place).await {
        Ok(socket) => {
            tracing::info!(socket = %socket.path.display(), "people on this machine are heard");
            Ok(Some(socket))
        }
        Err(failure) if matches!(place, Place::User(_)) => {
            tracing::warn!("there is no socket for people on this machine: {failure}");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn warn_of_clear_tokens(configuration: &Configuration) {
    let Some(api) = configuration.api.as_ref().filter(|api| !api.tokens.is_empty() && api.tls.is_none()) else {
        return;
    };
    if !configuration.listen.ip().is_loopback() {
        let tokens = api.tokens.len();
        tracing::warn!(listen = %configuration.listen, tokens, "tokens come over the network in clear: set spec.api.tls, or put something that speaks TLS before it");
    }
}

/// What decisions go to, and what those before have left.
struct Opened {
    outlets: Outlets,
    generation: Generation,
    recalled: Message,
    open: Vec<OpenPlan>,
    undelivered: Vec<Notification>,
    /// The journal's folder when it ends with the program.
    temporary: Option<tempfile::TempDir>,
}

/// Opens the journal and the files that decisions and inputs go to. `follows` gives the generation by the last one in the journal.
fn outlets(
    loaded: &Loaded,
    args: &RunArgs,
    metrics: Arc<Metrics>,
    channels: Arc<Channels>,
    follows: impl Fn(Option<Generation>) -> Generation,
) -> Result<Opened, Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::new(format!("the journal cannot be used: {error}"));
    let (folder, options, temporary) = match &loaded.configuration.journal {
        Some(journal) => (loaded.resolve(&journal.path), journal.options, None),
        None => {
            let temporary = tempfile::tempdir().map_err(|error| unusable(&error))?;
            (temporary.path().to_owned(), Options::default(), Some(temporary))
        }
    };
    let (mut past, mut since) = (Ok(Past::default()), Vec::new());
    let replay = |replayed| match replayed {
        Replayed::Snapshot(bytes) => past = serde_json::from_slice(&bytes),
        Replayed::Record(record) if Past::concerns(&record.entry) => since.push(record),
        Replayed::Record(_) => {}
    };
    let (journal, recovered) = Journal::open(&folder, options, replay).map_err(|error| unusable(&error))?;
    let past = past.map_err(|error| {
        unusable(&format!("its newest snapshot in {} is not understood: {error}", folder.display()))
            .help("it was written by another version of homeostat: run that one, or set spec.journal.path to a new folder; cooldowns and budgets then begin anew")
    })?;
    for snapshot in &recovered.passed_over {
        tracing::warn!(snapshot, "a snapshot is damaged; replay began at an older one");
    }
    if let Some(cut) = &recovered.cut {
        tracing::warn!(?cut, "the journal's torn end was cut off");
    }
    for plan in recovered.open.iter() {
        tracing::warn!(plan = %plan.made.id, policy = %plan.made.policy, "this plan was in flight when homeostat last ended; it goes on");
    }
    let generation = follows(recovered.last_generation);
    let create = |path: &Path| {
        let file =
            File::create(path).map_err(|error| Failure::new(format!("cannot create {}: {error}", path.display())))?;
        Ok(BufWriter::new(file))
    };
    let outlets = Outlets {
        journal,
        decisions: args.decisions.as_deref().map(create).transpose()?,
        recorder: args.record.as_deref().map(|path| Recorder::create(path, generation)).transpose()?,
        story: Story::new(),
        narrator: Narrator::start(std::io::stdout())?,
        channels,
        traces: Traces::start(loaded.configuration.traces.as_ref())?,
        metrics,
    };
    let recalled = Message::Recalled(Box::new(past), since);
    let (open, undelivered) = (recovered.open.into_plans(), recovered.notices.into());
    Ok(Opened { outlets, generation, recalled, open, undelivered, temporary })
}

/// Ends the program at a signal, or at the configured time.
async fn signals(stop: CancellationToken, until: Option<(Clock, homeostat_model::Timestamp)>) -> Result<(), Failure> {
    let unusable = |error| Failure::new(format!("cannot listen for signals: {error}"));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(unusable)?;
    let end = async {
        match until {
            Some((clock, until)) => clock.sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => tracing::info!("interrupted; ending"),
        _ = terminate.recv() => tracing::info!("asked to end; ending"),
        () = end => tracing::info!("the configured time is over; ending"),
        () = stop.cancelled() => {}
    }
    stop.cancel();
    Ok(())
}
