//! `homeostat datacentre`: the embedded data centre in a process of its own, and what it has to say.

use std::{io::Write, process::ExitCode};

use homeostat_model::AdapterName;
use homeostat_port::{AdapterError, Clock};
use homeostat_simulator::{CentreAddress, DataCentre, Incident, RemoteCentre, Scenario, SimAdapter, serve};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{DatacentreArgs, DatacentreCommand, InjectArgs, ServeArgs},
    files,
    report::{Failure, Flaw},
};

pub(crate) fn run(args: &DatacentreArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        match &args.command {
            DatacentreCommand::Serve(args) => serve_until_stopped(args).await,
            DatacentreCommand::Ledger(args) => ledger(&args.at).await,
            DatacentreCommand::Inject(args) => inject(args).await,
        }
    });
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn serve_until_stopped(args: &ServeArgs) -> Result<(), Failure> {
    let source = files::read(&args.scenario)?;
    let scenario = Scenario::parse(&source.name, &source.text)
        .map_err(|error| Failure::of("the scenario", &Flaw::of_scenario(&source.name, &error)))?;
    let clock = Clock::system();
    let centre = DataCentre::new(&scenario, args.name.clone(), clock.now(), scenario.seed);
    let unusable = |error| Failure::new(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let stop = CancellationToken::new();
    let ended = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        ended.cancel();
    });
    tracing::info!(at = %args.listen, "the data centre is served");
    let served = serve(SimAdapter::new(centre, clock), &args.listen, &stop).await;
    served.map_err(|error| {
        Failure::new(format!("cannot serve at {}: {error}", args.listen))
            .help("give a path in a folder that can be written to, at which nothing else listens")
    })
}

async fn ledger(at: &CentreAddress) -> Result<(), Failure> {
    let statement = client(at).ledger().await.map_err(failure)?;
    let text = serde_json::to_string_pretty(&statement).map_err(|error| Failure::new(error.to_string()))?;
    // A closed standard output means that nobody wants to read it.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(())
}

async fn inject(args: &InjectArgs) -> Result<(), Failure> {
    let incident: Incident = serde_json::from_str(&args.incident).map_err(|error| {
        Failure::new(format!("`{}` is no incident: {error}", args.incident))
            .help("write one such as '{\"crash\": \"vm/a\"}'; --help shows all")
    })?;
    client(&args.at).inject(&incident).await.map_err(failure)
}

/// Somebody who asks, and drives nothing.
fn client(at: &CentreAddress) -> RemoteCentre {
    #[expect(clippy::expect_used, reason = "a constant that is a name")]
    let name = AdapterName::new("datacentre").expect("a name");
    RemoteCentre::new(name, at.clone())
}

fn failure(error: AdapterError) -> Failure {
    Failure::new(error.to_string())
}
