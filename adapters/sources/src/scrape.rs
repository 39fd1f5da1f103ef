//! Scrapes targets that serve Prometheus's text format or OpenMetrics, as a Prometheus does.
//!
//! ```text
//!   targets, file of targets --(looked at again)--> a task each: wait for its place in the interval
//!                                                        |
//!   sink <-- observations <-- SeriesReader <-- page, a few at a time <-- GET, bounded in time, bytes and samples
//! ```
//!
//! A page is taken whole or not at all, but for single bad lines. What a target does not serve any more is not made up: its
//! metrics go stale. `up` and `scrape.duration` are samples of the target's own resource, `source.down` and `source.up` its events.

mod page;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use homeostat_model::{Duration, MetricDescription, MetricName, Unit};
use homeostat_port::{Clock, ObservationSink, Secret, Source, SourceError};
use serde::Deserialize;
use thiserror::Error;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Intake, SeriesMapping,
    access::{Access, BasicAuth, TwoCredentials},
    complaint::Complaints,
    http::Http,
    lock::lock,
    series::SeriesReader,
    target::{Address, InvalidAddress, MAX_TARGETS, Target, TargetGroup, read_groups},
};

/// Pages that are read at a time, or wait for the engine as observations. Targets are asked all at once: one that does not answer keeps
/// no other one waiting. Of the largest pages, as many have space while they arrive.
const AT_ONCE: usize = 16;

/// How often the file of targets is read again. A target that is new waits for its place in the interval anyway.
const REREAD: Duration = Duration::from_secs(5);

/// The shortest interval: nothing is decided on faster, and a target has more to do than to be scraped.
const SHORTEST: Duration = Duration::from_millis(100);

/// Types of events that a scrape tells of: a target that was scraped fails, and one that failed is scraped again.
pub const SCRAPE_EVENTS: [&str; 2] = ["source.down", "source.up"];

/// Whether the last scrape worked, 1 or 0.
pub(crate) const UP: &str = "up";

/// How long a scrape took, in seconds.
pub(crate) const DURATION: &str = "scrape.duration";

/// What to scrape, and how it is read.
///
/// ```yaml
/// name: nodes
/// targets: ["10.0.0.1:9100", "http://10.0.0.2:9100/metrics"]
/// labels: {rack: r1}
/// targetsFile: targets.yaml
/// interval: 15s
/// mapping: {presets: [node-exporter]}
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Document")]
pub struct ScrapeConfig(Document);

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    /// The source's name, for messages, and the label `job` of its series.
    #[serde(default = "default_name")]
    name: String,
    #[serde(default)]
    targets: Vec<Address>,
    /// Labels of those targets.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// More targets, in the form of Prometheus' `file_sd_configs`; read again as it changes.
    targets_file: Option<PathBuf>,
    /// The path of targets that have none.
    #[serde(default = "default_path")]
    path: String,
    #[serde(default = "default_interval")]
    interval: Duration,
    /// Of one scrape; at most the interval. Default: 10 seconds, or the interval.
    timeout: Option<Duration>,
    /// A page with more samples is refused whole.
    #[serde(default = "default_sample_limit")]
    sample_limit: usize,
    /// A page with more bytes is refused whole.
    #[serde(default = "default_body_limit")]
    body_limit_bytes: usize,
    /// Whether a sample keeps the time that the page gives it.
    #[serde(default = "yes")]
    honor_timestamps: bool,
    basic_auth: Option<BasicAuth>,
    bearer_token: Option<Secret>,
    #[serde(skip)]
    access: Access,
    #[serde(default)]
    mapping: SeriesMapping,
}

fn default_name() -> String {
    "scrape".into()
}

fn default_path() -> String {
    "/metrics".into()
}

/// As often as most sites scrape.
fn default_interval() -> Duration {
    Duration::from_secs(15)
}

/// The longest that a scrape takes unless the configuration says another time; Prometheus' default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages with more are those of a whole cluster's state.
fn default_sample_limit() -> usize {
    100_000
}

/// Hundred thousand samples with long labels.
fn default_body_limit() -> usize {
    16 << 20
}

fn yes() -> bool {
    true
}

/// A configuration that cannot work.
#[derive(Debug, Error)]
enum InvalidScrape {
    #[error("there is nothing to scrape; add `targets`, or a `targetsFile`")]
    NoTargets,
    #[error("the interval is {0}; it is at least {SHORTEST}")]
    Interval(Duration),
    #[error("the timeout {0} is longer than the interval {1}, or nothing; leave it out, or make it shorter")]
    Timeout(Duration, Duration),
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error(transparent)]
    Credentials(#[from] TwoCredentials),
}

impl TryFrom<Document> for ScrapeConfig {
    type Error = InvalidScrape;

    fn try_from(mut document: Document) -> Result<Self, InvalidScrape> {
        if document.targets.is_empty() && document.targets_file.is_none() {
            return Err(InvalidScrape::NoTargets);
        }
        if document.interval < SHORTEST {
            return Err(InvalidScrape::Interval(document.interval));
        }
        if let Some(timeout) = document.timeout.filter(|timeout| timeout.is_zero() || *timeout > document.interval) {
            return Err(InvalidScrape::Timeout(timeout, document.interval));
        }
        document.access = Access::new(document.basic_auth.take(), document.bearer_token.take())?;
        // The path as well: an address is only whole with it.
        for address in &document.targets {
            address.with_path(&document.path)?;
        }
        Ok(Self(document))
    }
}

impl ScrapeConfig {
    /// The source's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What is in force where nothing is given, by the names of the fields.
    #[must_use]
    pub fn defaults(&self) -> serde_json::Value {
        let Document { name, path, interval, sample_limit, body_limit_bytes, honor_timestamps, .. } = &self.0;
        serde_json::json!({
            "name": name, "path": path, "interval": interval, "sampleLimit": sample_limit,
            "bodyLimitBytes": body_limit_bytes, "honorTimestamps": honor_timestamps,
        })
    }

    /// How series are read.
    #[must_use]
    pub fn mapping(&self) -> &SeriesMapping {
        &self.0.mapping
    }

    /// The metrics that have a fixed name: those of the mapping, and those of the targets themselves.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<MetricName, MetricDescription> {
        let own = |(name, unit)| Some((MetricName::new(name).ok()?, MetricDescription { unit, help: String::new() }));
        let mut metrics = self.0.mapping.metrics();
        metrics.extend([(UP, Unit::None), (DURATION, Unit::Seconds)].into_iter().filter_map(own));
        metrics
    }

    /// Makes the paths of files absolute.
    pub fn resolve(&mut self, absolute: impl Fn(&Path) -> PathBuf) {
        if let Some(file) = &mut self.0.targets_file {
            *file = absolute(file);
        }
    }

    fn timeout(&self) -> Duration {
        self.0.timeout.unwrap_or(DEFAULT_TIMEOUT.min(self.0.interval))
    }
}

/// The source.
#[derive(Debug)]
pub struct Scrape {
    config: ScrapeConfig,
    clock: Clock,
    intake: Arc<Intake>,
}

/// What all targets of a source have in common.
struct Site {
    config: ScrapeConfig,
    clock: Clock,
    http: Http,
    /// One for all: of two targets that are mapped to one metric of one resource, one is heard.
    reader: Mutex<SeriesReader>,
    complaints: Mutex<Complaints>,
    intake: Arc<Intake>,
    turns: Semaphore,
    sink: ObservationSink,
}

impl Site {
    fn reader(&self) -> MutexGuard<'_, SeriesReader> {
        lock(&self.reader)
    }

    fn complaints(&self) -> MutexGuard<'_, Complaints> {
        lock(&self.complaints)
    }
}

impl Scrape {
    /// A source that scrapes what `config` says, and counts in `intake`.
    #[must_use]
    pub fn new(config: ScrapeConfig, clock: Clock, intake: Arc<Intake>) -> Self {
        Self { config, clock, intake }
    }
}

#[async_trait]
impl Source for Scrape {
    fn name(&self) -> &str {
        &self.config.0.name
    }

    async fn run(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), SourceError> {
        let site = Arc::new(Site {
            config: self.config.clone(),
            clock: self.clock,
            http: Http::new(self.config.0.body_limit_bytes.saturating_mul(AT_ONCE)),
            reader: Mutex::new(SeriesReader::new(self.config.0.mapping.clone())),
            complaints: Mutex::new(Complaints::new(self.name(), self.clock)),
            intake: self.intake.clone(),
            turns: Semaphore::new(AT_ONCE),
            sink: sink.clone(),
        });
        let stop = stop.child_token();
        let _ended = stop.clone().drop_guard();
        let mut watched: BTreeMap<Target, CancellationToken> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        let mut told = String::new();
        loop {
            match targets(&self.config.0) {
                Ok(wanted) => {
                    told.clear();
                    watched.retain(|target, gone| {
                        wanted.contains(target) || {
                            gone.cancel();
                            false
                        }
                    });
                    for target in wanted {
                        watched.entry(target).or_insert_with_key(|target| {
                            let stop = stop.child_token();
                            tasks.spawn(watch::watch(site.clone(), target.clone(), stop.clone()));
                            stop
                        });
                    }
                }
                // Those that are known are scraped on: a file that is half written is no reason to look away.
                Err(problem) if problem != told => {
                    tracing::warn!(source = %self.name(), "the targets stay as they are: {problem}");
                    told = problem;
                }
                Err(_) => {}
            }
            let reread = async {
                match self.config.0.targets_file {
                    Some(_) => self.clock.sleep(REREAD).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sink_closed(&mut tasks) => return Ok(()),
                () = reread => {}
            }
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }
}

/// Waits until a target says that nobody listens any more.
async fn sink_closed(tasks: &mut JoinSet<watch::Ended>) {
    loop {
        match tasks.join_next().await {
            Some(Ok(watch::Ended::Unheard)) => return,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// What is to be scraped now; or what is wrong with the list.
fn targets(config: &Document) -> Result<BTreeSet<Target>, String> {
    let own = TargetGroup { targets: config.targets.clone(), labels: config.labels.clone() };
    let mut groups = vec![own];
    if let Some(file) = &config.targets_file {
        groups.extend(read_groups(file).map_err(|error| error.to_string())?);
    }
    let mut targets = BTreeSet::new();
    for group in &groups {
        for address in &group.targets {
            let target = Target::new(address, &config.path, &config.name, &group.labels);
            targets.insert(target.map_err(|error| error.to_string())?);
        }
    }
    if targets.len() > MAX_TARGETS {
        return Err(format!(
            "there are {} targets, and one source has at most {MAX_TARGETS}; let a Prometheus scrape them, and ask that",
            targets.len()
        ));
    }
    Ok(targets)
}
