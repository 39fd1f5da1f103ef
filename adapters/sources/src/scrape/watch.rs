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
    Counted, ExpositionFormat,
    http::{Answer, Http, HttpError, Question},
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
}

/// Scrapes `target` until `stop`.
pub(super) async fn watch(site: Arc<Site>, target: Target, stop: CancellationToken) -> Ended {
    let Ok(uri) = target.url.parse::<Uri>() else { return Ended::Stopped };
    let mut watched = Watched { resource: resource_of(&site, &target), up: None, site, target, uri };
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
    target: Target,
    uri: Uri,
    resource: Option<ResourceId>,
    /// Whether the last scrape worked.
    up: Option<bool>,
}

impl Watched {
    async fn scrape(&mut self) -> Result<(), Closed> {
        // Closing a semaphore is nothing that we do. The turn ends when the page is read.
        let site = self.site.clone();
        let turn = site.turns.acquire().await;
        let (now, began) = (site.clock.now(), Instant::now());
        let asked = ask(&site, &self.uri).await;
        let scraped = asked.and_then(|answer| self.read(&answer, now));
        let seconds = began.elapsed().as_secs_f64();
        let (mut observations, error) = match scraped {
            Ok(observations) => (observations, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let worked = if error.is_none() { "ok" } else { "failed" };
        site.counts.add([(Counted::Requests, worked, 1)]);
        self.tell(now, seconds, error.as_ref(), &mut observations);
        drop(turn);
        site.sink.send_all(observations).await
    }

    /// What a good answer says.
    fn read(&self, answer: &Answer, now: Timestamp) -> Result<Vec<Observation>, ScrapeError> {
        if answer.status != StatusCode::OK {
            return Err(ScrapeError::Status(answer.refusal()));
        }
        let limits = page::Limits {
            samples: self.site.config.0.sample_limit,
            honor_timestamps: self.site.config.0.honor_timestamps,
        };
        let format = ExpositionFormat::of_content_type(&answer.content_type);
        let read = page::read(&answer.body, format, &self.target, &limits, now, &mut self.site.reader())?;
        let mut complaints = self.site.complaints();
        for refused in &read.refused {
            complaints.refused(&format!("{}: {refused}", self.target.url));
        }
        complaints.also(read.more_refused);
        let samples = read.samples.into_iter().map(|(became, count)| (Counted::Samples, became, count));
        self.site.counts.add(samples);
        Ok(read.observations)
    }

    /// Adds what is to be said of the target itself.
    fn tell(&mut self, now: Timestamp, seconds: f64, error: Option<&ScrapeError>, observations: &mut Vec<Observation>) {
        let up = error.is_none();
        self.own_sample(UP, UP, now, if up { 1.0 } else { 0.0 }, observations);
        self.own_sample("scrape_duration_seconds", DURATION, now, seconds, observations);
        let before = self.up.replace(up);
        let (source, url) = (&self.site.config.0.name, &self.target.url);
        let event_type = match (before, error) {
            (Some(false), None) => {
                tracing::info!(%source, target = %url, "is scraped again");
                "source.up"
            }
            (None | Some(true), Some(error)) => {
                tracing::warn!(%source, target = %url, "is down: {error}");
                "source.down"
            }
            _ => return,
        };
        observations.extend(self.event(event_type, now, error));
    }

    /// A sample of the target itself: where a rule puts the series `name`, or as `metric` of the target's resource.
    fn own_sample(&self, name: &str, metric: &str, time: Timestamp, value: f64, observations: &mut Vec<Observation>) {
        let labels = labels_of(&self.target, Some(name));
        let fate = self.site.reader().series(&labels).observe(time, value, observations);
        if let (Fate::Unmapped, Some(resource), Ok(metric)) = (fate, &self.resource, MetricName::new(metric)) {
            observations.push(Observation::Sample(Sample { resource: resource.clone(), metric, time, value }));
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

async fn ask(site: &Site, uri: &Uri) -> Result<Answer, ScrapeError> {
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
