//! Receives what Alertmanager posts, and answers with what became of each alert.
//!
//! | answer | when | what Alertmanager does |
//! | --- | --- | --- |
//! | 200 | all alerts were taken, had been taken before, or were refused one by one | goes on |
//! | 400 | the body cannot be read | drops it |
//! | 405, 408, 413 | another method; a body that does not arrive; one that is too large | drops it |
//! | 503 | the engine is behind; what was taken is remembered | sends it again |
//!
//! Alertmanager repeats what still fires. Fingerprint, start and status name a notice; one that is remembered is not sent on.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use homeostat_model::{Event, Observation};
use homeostat_port::{Clock, Closed, ObservationSink};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Mapping,
    complaint::Complaints,
    payload::{Alert, Malformed, Payload},
    place::Places,
    recent::Recent,
};

/// Longest body: some thousand alerts. Alertmanager sends all alerts of a group at once unless `max_alerts` is set.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Notices that are remembered: as many alerts as a large site has at once, firing and resolved. One that was forgotten is
/// sent on again when Alertmanager repeats it.
const REMEMBERED: usize = 16_384;

/// How long a body may take to arrive: the longest comes in over a line of 2 Mbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a body waits for room in the sink. An engine that is behind for longer is not helped by waiting requests.
const PATIENCE: Duration = Duration::from_secs(1);

/// After how many seconds a sender is asked to try again: the engine takes a full sink in less.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Refused alerts that an answer tells of in full; the others are counted. More are one mistake many times over, and a body has
/// room for half a million.
const TOLD: usize = 100;

/// Longest path of the webhook; those in use are a tenth of it.
const MAX_PATH_BYTES: usize = 256;

/// Alertmanager's webhook.
///
/// ```yaml
/// name: alertmanager
/// path: /webhook/alertmanager
/// mapping: {resource: ["host/${labels.node}"]}
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AlertmanagerConfig {
    /// The source's name, for messages. Default `alertmanager`.
    pub name: String,
    /// The path that is listened on. Default `/webhook/alertmanager`.
    pub path: WebhookPath,
    /// How the resource is found in the alert's labels.
    pub mapping: Mapping,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self { name: "alertmanager".into(), path: WebhookPath::default(), mapping: Mapping::default() }
    }
}

/// The path of a URL without variables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookPath(String);

/// A text that is not the path of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the path of a webhook; it begins with / and has letters, digits and -._~/, at most {MAX_PATH_BYTES}, such as /webhook/alertmanager"
)]
pub struct InvalidWebhookPath(String);

impl WebhookPath {
    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for WebhookPath {
    fn default() -> Self {
        Self("/webhook/alertmanager".into())
    }
}

impl TryFrom<String> for WebhookPath {
    type Error = InvalidWebhookPath;

    fn try_from(text: String) -> Result<Self, InvalidWebhookPath> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if text.starts_with('/') && text.len() <= MAX_PATH_BYTES && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err(InvalidWebhookPath(crate::mapping::shortened(&text)))
        }
    }
}

/// A router with the webhook of `config`, which sends alerts as events to `sink`.
pub fn alertmanager(config: AlertmanagerConfig, sink: ObservationSink, clock: Clock) -> Router {
    let memory = Memory { taken: Recent::new(REMEMBERED), complaints: Complaints::new(&config.name, clock) };
    let path = config.path.0.clone();
    let receiver = Arc::new(Receiver { config, sink, clock, memory: Mutex::new(memory) });
    Router::new()
        .route(&path, post(receive).fallback(other_method))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(receiver)
}

#[derive(Debug)]
struct Receiver {
    config: AlertmanagerConfig,
    sink: ObservationSink,
    clock: Clock,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    /// The ids of the events that were sent on.
    taken: Recent<String, ()>,
    complaints: Complaints,
}

/// What became of the alerts of a body.
#[derive(Debug, Default, Serialize)]
struct Answer {
    accepted: usize,
    repeated: usize,
    /// The first of them.
    refused: Vec<RefusedAlert>,
    /// How many were refused besides.
    #[serde(rename = "moreRefused", skip_serializing_if = "is_zero")]
    more_refused: u64,
}

#[derive(Debug, Serialize)]
struct RefusedAlert {
    index: usize,
    reason: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let body = match body_of(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let (read, mut answer) = match receiver.read(&body) {
        Ok(read) => read,
        Err(malformed) => {
            receiver.memory.lock().await.complaints.refused(&malformed);
            return (StatusCode::BAD_REQUEST, Json(malformed)).into_response();
        }
    };
    // Others wait for the memory meanwhile, each no longer than its own patience.
    let deadline = Instant::now() + PATIENCE;
    match timeout_at(deadline, receiver.send(read, &mut answer)).await {
        Ok(Ok(())) => Json(answer).into_response(),
        Ok(Err(Closed)) => busy("homeostat is shutting down"),
        Err(_) => busy("the engine is behind and takes no more at the moment"),
    }
}

/// The whole body, if it is not too large and arrives in time.
async fn body_of(request: Request) -> Result<Bytes, Response> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    match timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
        Ok(Err(rejection)) => {
            let what = format!("the body could not be read: {}", rejection.body_text());
            Err(failure(rejection.status(), &what, "send it again"))
        }
        Err(_) => {
            let what = format!("the body did not arrive within {} seconds", BODY_TIMEOUT.as_secs());
            Err(failure(StatusCode::REQUEST_TIMEOUT, &what, "send it again"))
        }
    }
}

impl Receiver {
    /// The events of a body and the alerts that are refused.
    fn read(&self, body: &[u8]) -> Result<(Vec<Event>, Answer), Malformed> {
        let (body, payload) = Payload::read(body)?;
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut answer = Answer::default();
        let mut places = Places::new(body);
        for (index, raw) in payload.alerts.iter().enumerate() {
            let alert = Alert::read(&mut places, index, raw);
            match alert.and_then(|alert| alert.event(index, &self.config.mapping, now)) {
                Ok(event) => events.push(event),
                Err(_) if answer.refused.len() >= TOLD => answer.more_refused += 1,
                Err(malformed) => answer.refused.push(RefusedAlert { index, reason: malformed.to_string() }),
            }
        }
        if payload.truncated_alerts > 0 {
            let missing = payload.truncated_alerts;
            tracing::warn!(source = %self.config.name, missing, "Alertmanager left alerts out; raise max_alerts of its webhook");
        }
        Ok((events, answer))
    }

    /// Sends on what was not sent before. Cut off at any moment, what was sent is remembered and nothing else.
    async fn send(&self, events: Vec<Event>, answer: &mut Answer) -> Result<(), Closed> {
        let mut memory = self.memory.lock().await;
        for event in events {
            let id = event.id.clone();
            if memory.taken.get(&id).is_some() {
                answer.repeated += 1;
                continue;
            }
            self.sink.send(Observation::Event(event)).await?;
            memory.taken.insert(id, ());
            answer.accepted += 1;
        }
        // Last, so that a body that is sent again because there was no room is complained about once.
        for refused in &answer.refused {
            memory.complaints.refused(&refused.reason);
        }
        memory.complaints.also(answer.more_refused);
        Ok(())
    }
}

fn busy(what: &'static str) -> Response {
    let help = "send the same again later; what was taken already is known and not taken twice";
    let mut response = failure(StatusCode::SERVICE_UNAVAILABLE, what, help);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

fn too_large() -> Response {
    let what = format!("the body is larger than {MAX_BODY_BYTES} bytes");
    let help = "set max_alerts in Alertmanager's webhook_configs, or group alerts more finely";
    failure(StatusCode::PAYLOAD_TOO_LARGE, &what, help)
}

async fn other_method() -> Response {
    let mut response =
        failure(StatusCode::METHOD_NOT_ALLOWED, "this is a webhook", "POST Alertmanager's payload to it");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

fn failure(status: StatusCode, what: &str, help: &str) -> Response {
    let body = Malformed { what: what.into(), path: String::new(), place: None, help: help.into() };
    (status, Json(body)).into_response()
}
