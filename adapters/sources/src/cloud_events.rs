//! Receives CloudEvents 1.0 over HTTP: in structured, binary and batched mode.
//!
//! | answer | when |
//! | --- | --- |
//! | 202 | the events were taken, or had been taken before; of a batch, at least one was. The body says what became of each |
//! | 400 | what is sent is no CloudEvent 1.0 in JSON that names a resource; of a batch, all of them |
//! | 401 | the token is not right |
//! | 405 | another method than POST, and OPTIONS for the handshake |
//! | 408, 413 | a body that does not arrive; one that is too large, or an event that is |
//! | 415 | a media type, an event format or an encoding that is not read |
//! | 503 | the engine is behind, or the program ends; what was taken is remembered |
//!
//! 202 and not 200: who is answered knows that the event was taken in, not what is decided (HTTP 1.1 Web Hooks for Event Delivery,
//! section 2.2). That a batch is read is said here, which is the solicitation that the HTTP protocol binding asks for.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use homeostat_port::Secret;
use serde::Deserialize;

use crate::{
    BodyLimit, Inlet, Mapping, Reason,
    admission::{Admission, Turn},
    content::{self, ALLOWED_ORIGIN, ALLOWED_RATE, Mode, REQUEST_ORIGIN},
    line::Line,
    place::Places,
    refusal::{Answer, Malformed, Refusal},
    webhook_path::WebhookPath,
};

/// Largest body: the largest batch of known senders is 1 MiB, and ten of those may be put together.
const MAX_BODY_BYTES: BodyLimit = BodyLimit::by_default(10 << 20);

/// CloudEvents over HTTP.
///
/// ```yaml
/// name: pipeline
/// path: /webhook/cloudevents
/// mapping: {resource: ["host/${data.node}"]}
/// maxBodyBytes: 10485760
/// token: {file: /run/secrets/pipeline}
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct CloudEventsConfig {
    /// The source's name, for messages and metrics. Default `cloud-events`.
    pub name: String,
    /// The path that is listened on. Default `/webhook/cloudevents`.
    pub path: WebhookPath,
    /// How the resource is found where `subject` is not its id.
    pub mapping: Mapping,
    /// The largest body that is read. Default 10 MiB.
    pub max_body_bytes: BodyLimit,
    /// The token that senders have to show. Default: none.
    pub token: Option<Secret>,
}

impl Default for CloudEventsConfig {
    fn default() -> Self {
        Self {
            name: "cloud-events".into(),
            path: WebhookPath::by_default("/webhook/cloudevents"),
            mapping: Mapping::default(),
            max_body_bytes: MAX_BODY_BYTES,
            token: None,
        }
    }
}

/// A router with the webhook of `config`, which sends events on.
pub fn cloud_events(config: CloudEventsConfig, inlet: Inlet) -> Router {
    let smaller = "send smaller batches, or raise maxBodyBytes of the source";
    let admission = Admission::new(&config.name, inlet, config.max_body_bytes, smaller);
    let path = config.path.as_str().to_owned();
    Router::new()
        .route(&path, post(receive).options(handshake).fallback(other_method))
        .with_state(Arc::new(Receiver { mapping: config.mapping, admission }))
}

#[derive(Debug)]
struct Receiver {
    mapping: Mapping,
    admission: Admission,
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    match receiver.take(request).await {
        Ok((status, answer)) => (status, Json(answer)).into_response(),
        Err(refusal) => receiver.admission.refuse(refusal),
    }
}

impl Receiver {
    async fn take(&self, request: Request) -> Result<(StatusCode, Answer), Refusal> {
        let mode = Mode::of(request.headers())?;
        let arrived = self.admission.body(request).await?;
        let mut answer = Answer::default();
        match mode {
            Mode::Binary => {
                let line = content::binary(&arrived.head.headers, &arrived.body, &self.mapping).map_err(whole)?;
                self.one(&mut self.admission.turn(), line, &mut answer).await?;
            }
            Mode::Structured => {
                let body = content::text(&arrived.body)?;
                let raw = content::single(body)?;
                let misread = |error| whole(content::misread(&mut Places::new(body), "", raw, &error));
                let line = content::event(raw, &self.mapping).map_err(misread)?;
                self.one(&mut self.admission.turn(), line, &mut answer).await?;
            }
            Mode::Batched => return self.batch(content::text(&arrived.body)?).await,
        }
        Ok((StatusCode::ACCEPTED, answer))
    }

    /// Takes what is good of a batch, event by event.
    async fn batch(&self, body: &str) -> Result<(StatusCode, Answer), Refusal> {
        let mut turn = self.admission.turn();
        let mut places = Places::new(body);
        let mut answer = Answer::default();
        for (index, raw) in content::elements(body)?.enumerate() {
            match content::event(raw, &self.mapping) {
                Ok(line) => self.one(&mut turn, line, &mut answer).await?,
                Err(error) => {
                    self.admission.refuse_item(error.reason());
                    answer.refuse(index, || content::misread(&mut places, &format!("[{index}]"), raw, &error));
                    // A body full of bad events does not keep the others from running.
                    tokio::task::consume_budget().await;
                }
            }
        }
        self.admission.refused(&answer);
        let none = answer.accepted + answer.repeated == 0 && answer.refused().0.next().is_some();
        Ok((if none { StatusCode::BAD_REQUEST } else { StatusCode::ACCEPTED }, answer))
    }

    async fn one(&self, turn: &mut Turn<'_>, line: Line, answer: &mut Answer) -> Result<(), Refusal> {
        let key = line.key();
        for observation in line.observations(self.admission.clock().now()) {
            let taken = match &key {
                Some(key) => turn.take_once(*key, observation).await?,
                None => false,
            };
            *(if taken { &mut answer.accepted } else { &mut answer.repeated }) += 1;
        }
        Ok(())
    }
}

/// The refusal of a request whose only event is refused.
fn whole(malformed: Malformed) -> Refusal {
    match malformed.reason {
        Reason::TooLarge => Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, malformed },
        _ => malformed.into(),
    }
}

/// Says that events may be sent here. Whoever asks names itself; it is let in as anybody else is, by its token if there is one.
/// A callback that it offers is not called: a request of somebody unknown makes this program call nobody.
async fn handshake(headers: HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answers = response.headers_mut();
    answers.insert(header::ALLOW, ALLOWED);
    if let Some(origin) = headers.get(REQUEST_ORIGIN).filter(|origin| !origin.is_empty()) {
        answers.insert(ALLOWED_ORIGIN, origin.clone());
        // There is no fixed rate: who is too quick is told so with 503 and Retry-After.
        answers.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
    }
    response
}

const ALLOWED: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

async fn other_method() -> Response {
    let (what, help) = ("this is a webhook", "POST CloudEvents to it");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Reason::Unsupported, what, help);
    let mut response = refusal.into_response();
    response.headers_mut().insert(header::ALLOW, ALLOWED);
    response
}
