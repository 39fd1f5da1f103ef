//! `homeostat check`: every problem of every file, at once.

mod examined;

use std::{io::Write, process::ExitCode, sync::Arc};

use homeostat_decide::{CompileError, Rule};
use homeostat_model::{AdapterName, Capabilities, EventType, KindCapability};
use homeostat_policy::{Catalogue, Policy, Problem, SourceText, UnknownMetrics};
use homeostat_script::Sandbox;
use serde_json::json;

use crate::{
    cli::CheckArgs,
    config::{AdapterConfig, Configuration, SourceConfig},
    rendering::laid_out,
    report::{self, Failure, counted, counted_many},
};
use examined::Examined;

/// Policies after every check there is.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) policies: Vec<Policy>,
    /// How many good guards there are.
    pub(crate) guards: usize,
    pub(crate) problems: Vec<Problem>,
    /// What people should know, and does not keep the policies from being loaded.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads policies that are to be put into force: all of them, or none.
///
/// # Errors
/// [`Failure`] with every problem, as it is shown to people.
pub(crate) fn policies(sources: &[SourceText], catalogue: &Catalogue) -> Result<Vec<Arc<Policy>>, Failure> {
    let Checked { policies, problems, warnings, .. } = load(sources, catalogue);
    if problems.is_empty() {
        for warning in warnings {
            tracing::warn!("{}:{}: {warning}", warning.file(), warning.line());
        }
        Ok(policies.into_iter().map(Arc::new).collect())
    } else {
        Err(Failure::of("the policies", &report::flaws(&problems)))
    }
}

/// Reads policies and compiles their scripts.
pub(crate) fn load(sources: &[SourceText], catalogue: &Catalogue) -> Checked {
    let mut loaded = homeostat_policy::load(sources, catalogue);
    let sandbox = Sandbox::default();
    let refused: Vec<CompileError> =
        loaded.policies.iter().filter_map(|policy| Rule::compile(policy.clone().into(), &sandbox).err()).collect();
    for CompileError { policy, formula, message, offset } in refused {
        loaded.refuse_script(&policy, formula, offset, message);
    }
    let homeostat_policy::Loaded { policies, guards, problems, warnings, .. } = loaded;
    Checked { policies, guards: guards.len(), problems, warnings }
}

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let unknown = if args.allow_unknown_metrics { UnknownMetrics::Allow } else { UnknownMetrics::Refuse };
    let examined = Examined::all(&args.paths, unknown)?;
    let Examined { files, policies, flaws, warnings, .. } = &examined;
    let mut out = std::io::stdout().lock();
    // A closed standard output means that nobody wants to read it.
    let problems = json!({ "problems": flaws.iter().chain(warnings).collect::<Vec<_>>() });
    let _ = match laid_out(&problems, args.output)? {
        Some(text) => out.write_all(text.as_bytes()),
        None => {
            for flaw in flaws.iter().chain(warnings) {
                let _ = writeln!(out, "{flaw}");
            }
            let (policies, files) = (counted_many(policies.len(), "policy", "policies"), counted(files.len(), "file"));
            let warned = match warnings.len() {
                0 => String::new(),
                some => format!(", {}", counted(some, "warning")),
            };
            match flaws.len() {
                0 => writeln!(out, "{policies} in {files}: no problem{warned}"),
                found => writeln!(out, "{} in {files}{warned}; {policies} without one", counted(found, "problem")),
            }
        }
    };
    Ok(ExitCode::from(u8::from(!flaws.is_empty())))
}

/// What all adapters and sources together could provide.
pub(crate) fn everything(unknown: UnknownMetrics) -> Catalogue {
    with_alerts(Catalogue::new(unknown).with(&datacentre()).with(&container()))
}

/// What the adapters and sources of a configuration provide.
pub(crate) fn catalogue(configuration: &Configuration, unknown: UnknownMetrics) -> Catalogue {
    let mut catalogue = Catalogue::new(unknown);
    for adapter in &configuration.adapters {
        catalogue = catalogue.with(&match adapter {
            AdapterConfig::Datacentre(_) => datacentre(),
            AdapterConfig::Container(_) => container(),
        });
    }
    if configuration.sources.iter().any(|source| matches!(source, SourceConfig::Alertmanager(_))) {
        catalogue = with_alerts(catalogue);
    }
    for source in &configuration.sources {
        for (name, description) in source.metrics() {
            catalogue = catalogue.with_metric(name, description);
        }
        if !configuration.adapters.is_empty() {
            // Without an adapter, resources of any kind may come from anywhere.
            catalogue = catalogue.with(&kinds(source));
        }
    }
    for metric in &configuration.metrics {
        let description = homeostat_model::MetricDescription { unit: metric.unit, help: String::new() };
        catalogue = catalogue.with_metric(metric.name.clone(), description);
    }
    let catalogue = catalogue.with_channels(configuration.notifications.iter().map(|channel| channel.name().clone()));
    configuration.events.iter().cloned().fold(catalogue, Catalogue::with_event)
}

/// The events that alerts become may happen to anything.
fn with_alerts(catalogue: Catalogue) -> Catalogue {
    let events = homeostat_sources::ALERT_EVENTS.iter().filter_map(|name| EventType::new(name).ok());
    events.fold(catalogue, Catalogue::with_event)
}

/// That resources of the kinds that a source names exist, with the events that it tells of; nothing can be done to them.
fn kinds(source: &SourceConfig) -> Capabilities {
    let scrape_events = homeostat_sources::SCRAPE_EVENTS.iter().filter_map(|name| EventType::new(name).ok());
    let events: std::collections::BTreeSet<EventType> =
        if matches!(source, SourceConfig::Scrape(_)) { scrape_events.collect() } else { Default::default() };
    let capability = KindCapability { events, ..KindCapability::default() };
    let kinds = source.kinds().into_iter().map(|kind| (kind, capability.clone())).collect();
    Capabilities { adapter: any_name(), kinds }
}

fn datacentre() -> Capabilities {
    homeostat_simulator::capabilities(&any_name())
}

fn container() -> Capabilities {
    homeostat_container::offered(&any_name())
}

#[expect(clippy::expect_used, reason = "a constant that is a name")]
fn any_name() -> AdapterName {
    AdapterName::new("any").expect("a name")
}
