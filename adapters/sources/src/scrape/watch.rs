//! One target: when it is scraped, whether that worked, and what is told of it.
//!
//! ```text
//!              works                    works: source.up
//!   unknown ----------> up <-------------------------------- down
//!      |                 \----- fails: source.down ----------> ^
//!      +----------------------- fails: source.down ------------+
//! ```

use std::{sync::Arc, time::Instant};

use homeostat_model::{Event, EventType, MetricName, Observation, ResourceId, Sample, Timestamp, Value};
use homeostat_port::Closed;
use hyper::{StatusCode, Uri};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::{DURATION, Site, UP, page};
use crate::{
    ExpositionFormat,
    http::{Http, HttpError, Packed, Question},
    series::Fate,
    target::Target,
};

/// What may be served: OpenMetrics before Prometheus's own format, and of that the one with quoted names before the older.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=1.0.0;q=0.5,\
                      text/plain;version=0.0.4;q=0.4,*/*;q=0.1";

/// Says how long the scraper will wait, so that an exporter can give up in time.
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// Why a target is watched no longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    Unheard,
}

/// A scrape that brought nothing.
#[derive(Debug, Error)]
pub(super) enum ScrapeError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("it answers {0}; check the path, and who may ask")]
    Status(String),
    #[error(transparent)]
    Page(#[from] page::PageError),
    #[error("reading its page failed: {0}; this is a bug")]
    Unread(#[from] tokio::task::JoinError),
}

/// Scrapes `target` until `stop`.
pub(super) async fn watch(site: Arc<Site>, target: Target, stop: CancellationToken) -> Ended {
    let Ok(uri) = target.url.parse::<Uri>() else { return Ended::Stopped };
    let mut watched = Watched { resource: resource_of(&site, &target), up: None, site, target: Arc::new(target), uri };
    let scrapes = async {
        loop {
            let config = &watched.site.config.0;
            let due = watched.target.due_after(watched.site.clock.now(), config.interval);
            watched.site.clock.sleep_until(due).await;
            if watched.scrape().await.is_err() {
                return Ended::Unheard;
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ended::Stopped,
        ended = scrapes => ended,
    }
}

/// The resource that the target itself is; it is told of once when there is none.
fn resource_of(site: &Site, target: &Target) -> Option<ResourceId> {
    let resource = site.config.0.mapping.resource_with(&labels_of(target, None));
    if let Err(why) = &resource {
        site.complaints().refused(&format!("{}: no resource has its `{UP}`: {why}", target.url));
    }
    resource.ok()
}

fn labels_of<'a>(target: &'a Target, name: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let name = name.map(|name| (crate::series_mapping::NAME, name));
    name.into_iter().chain(target.labels.iter().map(|label| (&*label.name, &*label.value))).collect()
}

struct Watched {
    site: Arc<Site>,
    target: Arc<Target>,
    uri: Uri,
    resource: Option<ResourceId>,
    /// Whether the last scrape worked.
    up: Option<bool>,
}

impl Watched {
    async fn scrape(&mut self) -> Result<(), Closed> {
        let site = self.site.clone();
        let (now, began) = (site.clock.now(), Instant::now());
        let asked = ask(&site, &self.uri).await;
        let seconds = began.elapsed().as_secs_f64();
        if let Err(ScrapeError::Http(error)) = &asked
            && error.is_our_own()
        {
            site.intake.request("withheld");
            site.complaints().refused(&format!("{} is not scraped: {error}", self.target.url));
            return Ok(());
        }
        // Closing a semaphore is nothing that we do. The turn ends when the engine has all of the page: what waits for it is bounded.
        let _turn = site.turns.acquire().await;
        let (read_by, target, resource) = (site.clone(), self.target.clone(), self.resource.clone());
        let read = move || {
            let (mut observations, error) = match asked.and_then(|packed| read(&read_by, &target, packed, now)) {
                Ok(observations) => (observations, None),
                Err(error) => (Vec::new(), Some(error)),
            };
            let own =
                [(UP, UP, if error.is_none() { 1.0 } else { 0.0 }), ("scrape_duration_seconds", DURATION, seconds)];
            for (name, metric, value) in own {
                own_sample(&read_by, &target, resource.as_ref(), (name, metric), (now, value), &mut observations);
            }
            (observations, error)
        };
        // A large page takes its time, and one that is read keeps the others waiting: no thread of the runtime is to wait with them.
        let read = tokio::task::spawn_blocking(read).await;
        let (mut observations, error) = read.unwrap_or_else(|error| (Vec::new(), Some(error.into())));
        let worked = if error.is_none() { "ok" } else { "failed" };
        site.intake.request(worked);
        observations.extend(self.change(now, error.as_ref()));
        site.sink.send_all(observations).await
    }

    /// The event that it is up or down, if it was not before.
    fn change(&mut self, now: Timestamp, error: Option<&ScrapeError>) -> Option<Observation> {
        let before = self.up.replace(error.is_none());
        let (source, url) = (&self.site.config.0.name, &self.target.url);
        match (before, error) {
            (Some(false), None) => {
                tracing::info!(%source, target = %url, "is scraped again");
                self.event("source.up", now, error)
            }
            (None | Some(true), Some(error)) => {
                tracing::warn!(%source, target = %url, "is down: {error}");
                self.event("source.down", now, Some(error))
            }
            _ => None,
        }
    }

    fn event(&self, event_type: &str, time: Timestamp, error: Option<&ScrapeError>) -> Option<Observation> {
        let (resource, event_type) = (self.resource.clone()?, EventType::new(event_type).ok()?);
        let mut attributes: homeostat_model::Attributes = [
            ("source".to_owned(), Value::Text(self.site.config.0.name.clone())),
            ("target".to_owned(), Value::Text(self.target.url.clone())),
        ]
        .into_iter()
        .collect();
        if let Some(error) = error {
            attributes.insert("error".into(), Value::Text(error.to_string()));
        }
        let id = format!("{}@{}", self.target.url, time.as_millis());
        Some(Observation::Event(Event { resource, event_type, time, id, attributes }))
    }
}

/// Adds a sample of the target itself: where a rule puts the series called first, or as the metric called second of the target's resource.
fn own_sample(
    site: &Site,
    target: &Target,
    resource: Option<&ResourceId>,
    (name, metric): (&str, &str),
    (time, value): (Timestamp, f64),
    observations: &mut Vec<Observation>,
) {
    let labels = labels_of(target, Some(name));
    let mut reader = site.reader();
    reader.begin(time);
    let fate = reader.series(&labels).observe(time, value, observations);
    drop(reader);
    if let (Fate::Unmapped, Some(resource), Ok(metric)) = (fate, resource, MetricName::new(metric)) {
        observations.push(Observation::Sample(Sample { resource: resource.clone(), metric, time, value }));
    }
}

/// What a good answer says.
fn read(site: &Site, target: &Target, packed: Packed, now: Timestamp) -> Result<Vec<Observation>, ScrapeError> {
    let answer = packed.unpacked()?;
    if answer.status != StatusCode::OK {
        return Err(ScrapeError::Status(answer.refusal()));
    }
    let config = &site.config.0;
    let limits = page::Limits { samples: config.sample_limit, honor_timestamps: config.honor_timestamps };
    let format = ExpositionFormat::of_content_type(&answer.content_type);
    let read = page::read(&answer.body, format, target, &limits, now, &mut site.reader())?;
    let mut complaints = site.complaints();
    for refused in &read.refused {
        complaints.refused(&format!("{}: {refused}", target.url));
    }
    complaints.also(read.more_refused);
    read.samples.into_iter().for_each(|(became, count)| site.intake.count(became, count));
    Ok(read.observations)
}

async fn ask(site: &Site, uri: &Uri) -> Result<Packed, ScrapeError> {
    let config = &site.config;
    let timeout = site.clock.on_the_wall(config.timeout());
    let question = Question {
        uri,
        accept: ACCEPT,
        access: &config.0.access,
        headers: &[(TIMEOUT_HEADER, timeout.as_secs_f64().to_string())],
        form: None,
        timeout,
        max_bytes: config.0.body_limit_bytes,
    };
    Ok(Http::ask(&site.http, &question).await?)
}
