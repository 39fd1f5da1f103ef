//! Asks a Prometheus at every full step, by expressions of PromQL.
//!
//! ```text
//!   wait for the step --> one due: query, several after a pause: query_range --> answer --> SeriesReader --> sink
//!            ^                     \--fails: wait, twice as long each time, and ask for what is due by then
//!            +----------------------------------------------------------------------------/
//! ```
//!
//! Steps are whole multiples since the epoch, so that every start asks for the same moments. A step that could not be asked for is
//! asked for later, unless it is older than `catchUp`; then it is passed over, and that is said. Where several are too much for one
//! answer, half as many are asked for at once.

mod answer;
mod ask;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use homeostat_model::{Duration, Kind, MetricDescription, MetricName, Unit};
use homeostat_port::{Clock, ObservationSink, Secret, Source, SourceError};
use hyper::Uri;
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
    series_mapping::InvalidRule,
    target::{Address, InvalidAddress},
    template::Template,
};

use steps::MAX_STEPS;

/// Expressions of one source: a site has some dozens.
const MAX_QUERIES: usize = 256;

/// Questions at a time, until the engine has what they brought: a Prometheus works on twenty at once by default, and others ask it, too.
const AT_ONCE: usize = 4;

/// Longest expression; an answer for a dashboard has some kB.
const MAX_EXPRESSION_BYTES: usize = 16 << 10;

/// Warnings that are remembered, so that each is told once.
const MAX_WARNINGS: usize = 64;

/// The shortest step: nothing is decided on faster.
const SHORTEST: Duration = Duration::from_millis(100);

/// Which Prometheus to ask, and what.
///
/// ```yaml
/// name: prometheus
/// url: http://127.0.0.1:9090
/// step: 30s
/// queries:
///   - query: 1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[2m]))
///     metric: cpu.utilization
///     unit: ratio
///   - query: '{__name__=~"node_load.*|node_memory_MemAvailable_bytes"}'
/// mapping: {presets: [node-exporter]}
/// ```
///
/// A query with a `metric` gives that metric of the resources that its `resource` templates say, or the default ones. One without
/// is read by the `mapping`, as the series of a scrape are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Document")]
pub struct PromqlConfig(Document);

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    /// The source's name, for messages.
    #[serde(default = "default_name")]
    name: String,
    /// The server; `/api/v1/query` comes behind its path.
    url: Address,
    /// The moments that are asked for are so far apart.
    #[serde(default = "default_step")]
    step: Duration,
    /// How long after a moment it is asked for: as long as data takes to get to the server.
    #[serde(default)]
    delay: Duration,
    /// Of one answer.
    #[serde(default = "default_timeout")]
    timeout: Duration,
    /// Moments longer ago than this are passed over after a pause.
    #[serde(default = "default_catch_up")]
    catch_up: Duration,
    queries: Vec<Query>,
    /// An answer with more samples is refused whole.
    #[serde(default = "default_sample_limit")]
    sample_limit: usize,
    /// An answer with more bytes is refused whole.
    #[serde(default = "default_body_limit")]
    body_limit_bytes: usize,
    basic_auth: Option<BasicAuth>,
    bearer_token: Option<Secret>,
    #[serde(skip)]
    access: Access,
    #[serde(default)]
    mapping: SeriesMapping,
}

fn default_name() -> String {
    "promql".into()
}

/// Twice the interval of most scrapes.
fn default_step() -> Duration {
    Duration::from_secs(30)
}

/// A query that takes longer is too heavy to be asked all the time.
fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

/// What is older is of use to few conditions.
fn default_catch_up() -> Duration {
    Duration::from_mins(10)
}

fn default_sample_limit() -> usize {
    100_000
}

/// Hundred thousand samples with long labels.
fn default_body_limit() -> usize {
    16 << 20
}

/// An expression, and what its value is called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "QueryDocument")]
struct Query {
    expression: String,
    /// The one metric that it gives, and how its series are placed; by their names unless given.
    one: Option<(MetricName, SeriesMapping)>,
    unit: Unit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryDocument {
    query: String,
    metric: Option<MetricName>,
    #[serde(default)]
    unit: Unit,
    scale: Option<f64>,
    #[serde(default)]
    resource: Vec<Template>,
}

/// A query that cannot work.
#[derive(Debug, Error)]
enum InvalidQuery {
    #[error("the query is empty, or longer than {MAX_EXPRESSION_BYTES} bytes; write an expression of PromQL")]
    Length,
    #[error(
        "`{0}` is about one metric; name it with `metric`, or leave `{0}` out and let the source's mapping place the series"
    )]
    NeedsMetric(&'static str),
    #[error(transparent)]
    Rule(#[from] InvalidRule),
}

impl TryFrom<QueryDocument> for Query {
    type Error = InvalidQuery;

    fn try_from(document: QueryDocument) -> Result<Self, InvalidQuery> {
        let QueryDocument { query: expression, metric, unit, scale, resource } = document;
        if expression.trim().is_empty() || expression.len() > MAX_EXPRESSION_BYTES {
            return Err(InvalidQuery::Length);
        }
        let Some(metric) = metric else {
            let given = [("scale", scale.is_some()), ("resource", !resource.is_empty()), ("unit", unit != Unit::None)];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((field, _)) => Err(InvalidQuery::NeedsMetric(field)),
                None => Ok(Self { expression, one: None, unit }),
            };
        };
        let mapping = SeriesMapping::of_one(&metric, resource, scale.unwrap_or(1.0))?;
        Ok(Self { expression, one: Some((metric, mapping)), unit })
    }
}

/// A configuration that cannot work.
#[derive(Debug, Error)]
enum InvalidPromql {
    #[error("it has {0} queries; it has at least one, and at most {MAX_QUERIES}")]
    Queries(usize),
    #[error("the step is {0}; it is at least {SHORTEST}")]
    Step(Duration),
    #[error("the timeout is nothing; leave it out, or give it a second or more")]
    Timeout,
    #[error("to catch up with {0} in steps of {1} takes more than {MAX_STEPS} of them; make `catchUp` shorter")]
    CatchUp(Duration, Duration),
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error(transparent)]
    Credentials(#[from] TwoCredentials),
}

impl TryFrom<Document> for PromqlConfig {
    type Error = InvalidPromql;

    fn try_from(mut document: Document) -> Result<Self, InvalidPromql> {
        let Document { step, timeout, catch_up, .. } = document;
        if document.queries.is_empty() || document.queries.len() > MAX_QUERIES {
            return Err(InvalidPromql::Queries(document.queries.len()));
        }
        if step < SHORTEST {
            return Err(InvalidPromql::Step(step));
        }
        if timeout.is_zero() {
            return Err(InvalidPromql::Timeout);
        }
        if catch_up.as_millis() / step.as_millis().max(1) > MAX_STEPS {
            return Err(InvalidPromql::CatchUp(catch_up, step));
        }
        endpoint(&document.url, "query")?;
        document.access = Access::new(document.basic_auth.take(), document.bearer_token.take())?;
        Ok(Self(document))
    }
}

/// Where the server answers.
fn endpoint(server: &Address, what: &str) -> Result<Uri, InvalidAddress> {
    server.below(&format!("/api/v1/{what}"))
}

impl PromqlConfig {
    /// The source's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What is in force where nothing is given, by the names of the fields.
    #[must_use]
    pub fn defaults(&self) -> serde_json::Value {
        let Document { name, step, delay, timeout, catch_up, sample_limit, body_limit_bytes, .. } = &self.0;
        serde_json::json!({
            "name": name, "step": step, "delay": delay, "timeout": timeout, "catchUp": catch_up,
            "sampleLimit": sample_limit, "bodyLimitBytes": body_limit_bytes,
        })
    }

    /// The metrics that it gives a fixed name.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<MetricName, MetricDescription> {
        let mut metrics = if self.reads_names() { self.0.mapping.metrics() } else { BTreeMap::new() };
        for query in &self.0.queries {
            let Some((metric, _)) = &query.one else { continue };
            let described = MetricDescription { unit: query.unit, help: String::new() };
            let known = metrics.entry(metric.clone()).or_insert(described);
            if known.unit != query.unit {
                known.unit = Unit::None;
            }
        }
        metrics
    }

    /// The kinds of resources that it names, as far as templates say them.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<Kind> {
        let whole = if self.reads_names() { self.0.mapping.kinds() } else { BTreeSet::new() };
        let ones = self.0.queries.iter().filter_map(|query| query.one.as_ref());
        ones.flat_map(|(_, mapping)| mapping.kinds()).chain(whole).collect()
    }

    fn reads_names(&self) -> bool {
        self.0.queries.iter().any(|query| query.one.is_none())
    }
}

/// The source.
#[derive(Debug)]
pub struct Promql {
    config: PromqlConfig,
    clock: Clock,
    intake: Arc<Intake>,
}

/// What all queries of a source have in common.
struct Server {
    config: Document,
    clock: Clock,
    http: Http,
    complaints: Mutex<Complaints>,
    /// Warnings that were told.
    warned: Mutex<BTreeSet<String>>,
    intake: Arc<Intake>,
    turns: Semaphore,
    sink: ObservationSink,
}

impl Server {
    fn complaints(&self) -> MutexGuard<'_, Complaints> {
        lock(&self.complaints)
    }

    /// Tells of a warning that was not told before.
    fn warn(&self, expression: &str, warning: &str) {
        let mut warned = lock(&self.warned);
        if warned.len() >= MAX_WARNINGS {
            warned.clear();
        }
        if warned.insert(warning.to_owned()) {
            tracing::warn!(source = %self.config.name, query = %expression, "the answer may be partial: {warning}");
        }
    }
}

impl Promql {
    /// A source that asks what `config` says, and counts in `intake`.
    #[must_use]
    pub fn new(config: PromqlConfig, clock: Clock, intake: Arc<Intake>) -> Self {
        Self { config, clock, intake }
    }
}

#[async_trait]
impl Source for Promql {
    fn name(&self) -> &str {
        &self.config.0.name
    }

    async fn run(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), SourceError> {
        let server = Arc::new(Server {
            config: self.config.0.clone(),
            clock: self.clock,
            http: Http::new(self.config.0.body_limit_bytes.saturating_mul(AT_ONCE)),
            complaints: Mutex::new(Complaints::new(self.name(), self.clock)),
            warned: Mutex::default(),
            intake: self.intake.clone(),
            turns: Semaphore::new(AT_ONCE),
            sink: sink.clone(),
        });
        // The tasks end with the set: when we are told to stop, or when one finds that nobody listens.
        let mut tasks = JoinSet::new();
        for query in &self.config.0.queries {
            tasks.spawn(ask::ask(server.clone(), query.clone()));
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = tasks.join_next() => {}
        }
        Ok(())
    }
}
