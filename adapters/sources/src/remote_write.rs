//! Receives what a Prometheus writes: remote-write 1.0 and 2.0.
//!
//! | answer | when | what a Prometheus does |
//! | --- | --- | --- |
//! | 204 | every sample was given to the engine, or is none that the mapping wants | goes on |
//! | 400 | the body cannot be read; or samples of bad series, or from the future, were refused, the others were taken | goes on, and logs it |
//! | 405, 413 | another method; a body that is too large | goes on, and logs it |
//! | 415 | another message or another compression | goes on, and logs it |
//! | 503 | the body does not arrive, or there is no space for it; or the engine is behind: nothing was taken, or less than all of a request with more samples than ever wait for the engine | sends all of it again |
//!
//! Sent again, a sample takes its own place: the engine has one value of a metric at a time. So nothing is lost that a sender keeps
//! until it is answered, and nothing counts twice.
//!
//! After <https://prometheus.io/docs/specs/prw/remote_write_spec/> and <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.

mod body;
mod negotiation;
mod tally;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, Closed, ObservationSink};
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinError,
    time::{Instant, timeout_at},
};

use crate::{
    SeriesMapping, WebhookPath,
    complaint::Complaints,
    intake::{Intake, Reason},
    lock::lock,
    series::{Delivery, SeriesReader},
    space::Space,
    write_request::{self, Message, Unreadable},
};
use body::MAX_BODY_BYTES;
use tally::Tally;

/// Bodies that are worked on at a time; each has at most some forty megabytes, packed, unpacked and as observations. Others wait. Of the
/// largest bodies, as many have space while they arrive.
const AT_A_TIME: usize = 8;

/// How long a request waits for its turn and for room in the sink. An engine that is behind for longer is not helped by waiting
/// requests.
const PATIENCE: Duration = Duration::from_secs(2);

/// After how many seconds a sender is asked to try again: the engine takes a full sink in less.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A receiver of remote-write.
///
/// ```yaml
/// name: prometheus
/// path: /api/v1/write
/// mapping: {presets: [node-exporter]}
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RemoteWriteConfig {
    /// The source's name, for messages and metrics. Default `remote-write`.
    pub name: String,
    /// The path that is listened on. Default `/api/v1/write`, as that of a Prometheus.
    pub path: WebhookPath,
    /// Which series are of use, and what for.
    pub mapping: SeriesMapping,
}

impl Default for RemoteWriteConfig {
    fn default() -> Self {
        let path = WebhookPath::by_default("/api/v1/write");
        Self { name: "remote-write".into(), path, mapping: SeriesMapping::default() }
    }
}

/// A router that takes in what `config` says, sends it to `sink` and counts it in `intake`.
pub fn remote_write(config: RemoteWriteConfig, sink: ObservationSink, clock: Clock, intake: Arc<Intake>) -> Router {
    let path = config.path.clone();
    let receiver = Arc::new(Receiver::new(config, sink, clock, intake));
    Router::new().route(path.as_str(), post(receive).fallback(other_method)).with_state(receiver)
}

#[derive(Debug)]
struct Receiver {
    series: Mutex<SeriesReader>,
    complaints: Mutex<Complaints>,
    sink: ObservationSink,
    clock: Clock,
    space: Space,
    turns: Arc<Semaphore>,
    name: String,
    intake: Arc<Intake>,
}

/// Why a request is not answered with 204.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    what: String,
    /// Samples that are refused by it; one for the request, where they were not looked at.
    items: u64,
}

impl Refusal {
    fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self { status, what: what.into(), items: 1 }
    }

    fn reason(&self) -> Reason {
        match self.status {
            StatusCode::PAYLOAD_TOO_LARGE => Reason::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Reason::Unsupported,
            StatusCode::SERVICE_UNAVAILABLE => Reason::Busy,
            _ => Reason::Malformed,
        }
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let (message, outcome) = match negotiation::message_of(request.headers()) {
        Ok(message) => (Some(message), receiver.take_in(message, request).await),
        Err(refusal) => (None, Err(refusal)),
    };
    let (written, status, mut response) = match outcome {
        Ok(tally) => {
            receiver.complain(&tally);
            let refused = tally.refused();
            let status = if refused.is_none() { StatusCode::NO_CONTENT } else { StatusCode::BAD_REQUEST };
            (
                tally.written(),
                status,
                refused.map_or_else(|| status.into_response(), |why| (status, why).into_response()),
            )
        }
        Err(refusal) => {
            receiver.intake.refuse(refusal.reason(), refusal.items);
            let Refusal { status, what, .. } = refusal;
            tracing::debug!(source = receiver.name, %status, what, "a request is refused");
            (0, status, (status, format!("{what}\n")).into_response())
        }
    };
    receiver.intake.request(negotiation::label(status));
    negotiation::add_headers(response.headers_mut(), message, status, written);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

async fn other_method() -> Response {
    let what = "this is a receiver of remote-write; let a Prometheus POST to it\n";
    let mut response = (StatusCode::METHOD_NOT_ALLOWED, what).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

impl Receiver {
    fn new(config: RemoteWriteConfig, sink: ObservationSink, clock: Clock, intake: Arc<Intake>) -> Self {
        Self {
            series: Mutex::new(SeriesReader::new(config.mapping)),
            complaints: Mutex::new(Complaints::new(&config.name, clock)),
            sink,
            clock,
            space: Space::new(AT_A_TIME * MAX_BODY_BYTES),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            name: config.name,
            intake,
        }
    }

    /// Takes in a request: all samples of good series, or nothing.
    async fn take_in(self: &Arc<Self>, message: Message, request: Request) -> Result<Tally, Refusal> {
        let packed = body::of(request, &self.space).await?;
        // What the body had to be waited for does not count: a slow line is not an engine that is behind.
        let turn = timeout_at(Instant::now() + PATIENCE, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(busy()) };
        let receiver = self.clone();
        // A large body takes its time, and one that is read keeps the others waiting: no thread of the runtime is to wait with them.
        let read = tokio::task::spawn_blocking(move || {
            let body = body::unpacked(&packed.bytes)?;
            drop(packed);
            receiver.read(message, &body, turn)
        });
        let Taken { observations, tally, mut delivered, turn: _turn } =
            read.await.map_err(|error| broken(&error))??;
        match timeout_at(Instant::now() + PATIENCE, self.sink.send_all(observations)).await {
            Ok(Ok(())) => {}
            Ok(Err(Closed)) => return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "homeostat is shutting down")),
            Err(_) => {
                // None of it counts as taken, though some of it may be: all of it comes again.
                return Err(Refusal { items: tally.samples(), ..busy() });
            }
        }
        delivered.completely = true;
        tally.count(&self.intake);
        Ok(tally)
    }

    /// The observations in a body, and what became of each sample.
    fn read(self: Arc<Self>, message: Message, body: &[u8], turn: OwnedSemaphorePermit) -> Result<Taken, Refusal> {
        let (mut observations, mut tally) = (Vec::new(), Tally::default());
        let mut reader = lock(&self.series);
        let delivery = reader.begin(self.clock.now());
        let ignored = write_request::read(message, body, |series| match series.labels {
            // Nothing is said of it; and there may be more of them than are remembered.
            Ok(_) if series.samples.is_empty() => {}
            Ok(labels) => {
                let mut known = reader.series(labels);
                for (time, value) in series.samples {
                    let fate = known.observe(Timestamp::from_millis(*time), *value, &mut observations);
                    tally.add(fate);
                }
            }
            Err(bad) => tally.bad(&bad, series.samples.len()),
        });
        drop(reader);
        let told = observations.iter().any(|observation| !matches!(observation, Observation::Sample(_)));
        let delivered = Delivered { receiver: self, delivery, completely: !told };
        // What was found before is not given on.
        tally.ignored = ignored.map_err(|unreadable| match unreadable {
            Unreadable::TooManySamples | Unreadable::TooManySymbols | Unreadable::TooManyLabels => {
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, unreadable.to_string())
            }
            _ => Refusal::new(StatusCode::BAD_REQUEST, unreadable.to_string()),
        })?;
        Ok(Taken { observations, tally, delivered, turn })
    }

    /// Tells people of what the sender or the mapping should have done otherwise.
    fn complain(&self, tally: &Tally) {
        if tally.complaints.is_empty() {
            return;
        }
        let mut complaints = lock(&self.complaints);
        for (why, count) in &tally.complaints {
            complaints.refused(why);
            complaints.also(count.saturating_sub(1));
        }
    }
}

fn busy() -> Refusal {
    let what = "the engine is behind and takes no more at the moment; send the same again later";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what)
}

/// Reading ended, and not by what is written above.
fn broken(error: &JoinError) -> Refusal {
    // What cannot be read now cannot be read later either; but at the program's end it was not even begun.
    let status = if error.is_panic() { StatusCode::BAD_REQUEST } else { StatusCode::SERVICE_UNAVAILABLE };
    Refusal::new(status, format!("reading the request failed: {error}"))
}

/// What a request brought, and its turn.
#[derive(Debug)]
struct Taken {
    observations: Vec<Observation>,
    tally: Tally,
    delivered: Delivered,
    turn: OwnedSemaphorePermit,
}

/// What is told of resources together with their samples counts as told only when it was given on, which a request that ends early,
/// for whatever reason, does not do.
#[derive(Debug)]
struct Delivered {
    receiver: Arc<Receiver>,
    delivery: Delivery,
    completely: bool,
}

impl Drop for Delivered {
    fn drop(&mut self) {
        if !self.completely {
            lock(&self.receiver.series).undelivered(self.delivery);
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::write_request::prompb::v1;

    #[test]
    fn series_without_samples_are_not_mapped() {
        let (sink, _observations) = ObservationSink::bounded(1);
        let receiver = Receiver::new(RemoteWriteConfig::default(), sink, Clock::system(), Arc::default());
        let receiver = Arc::new(receiver);
        let turn = || receiver.turns.clone().try_acquire_owned().unwrap();
        for (samples, remembered) in [(&[][..], 0), (&[(1, 1.0)][..], 1)] {
            let body = v1(&[(&[("__name__", "m"), ("vm", "v1")], samples)]).encode_to_vec();
            receiver.clone().read(Message::V1, &body, turn()).unwrap();
            assert_eq!(lock(&receiver.series).remembered(), remembered);
        }
    }
}
