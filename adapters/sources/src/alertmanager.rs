//! Receives what Alertmanager posts, and answers with what became of each alert.
//!
//! | answer | when | what Alertmanager does |
//! | --- | --- | --- |
//! | 200 | all alerts were taken, had been taken before, or were refused one by one | goes on |
//! | 400, 401 | the body cannot be read; the token is not right | drops it |
//! | 405, 408, 413 | another method; a body that does not arrive; one that is too large | drops it |
//! | 503 | the engine is behind; what was taken is remembered | sends it again |
//!
//! Alertmanager repeats what still fires. Fingerprint, start and status name a notice; one that is remembered is not sent on.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use homeostat_model::{Event, Observation};
use homeostat_port::Secret;
use serde::Deserialize;

use crate::{
    BodyLimit, Inlet, Mapping, Reason,
    admission::Admission,
    payload::{Alert, Payload},
    place::Places,
    refusal::{Answer, Malformed, Refusal},
    seen::Key,
    webhook_path::WebhookPath,
};

/// Largest body: some thousand alerts. Alertmanager sends all alerts of a group at once unless `max_alerts` is set.
const MAX_BODY_BYTES: BodyLimit = BodyLimit::by_default(1 << 20);

/// Alertmanager's webhook.
///
/// ```yaml
/// name: alertmanager
/// path: /webhook/alertmanager
/// mapping: {resource: ["host/${labels.node}"]}
/// maxBodyBytes: 1048576
/// token: {file: /run/secrets/alertmanager}
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
    /// The largest body that is read. Default 1 MiB.
    pub max_body_bytes: BodyLimit,
    /// The token that Alertmanager has to show. Default: none.
    pub token: Option<Secret>,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self {
            name: "alertmanager".into(),
            path: WebhookPath::by_default("/webhook/alertmanager"),
            mapping: Mapping::default(),
            max_body_bytes: MAX_BODY_BYTES,
            token: None,
        }
    }
}

/// A router with the webhook of `config`, which sends alerts as events on.
pub fn alertmanager(config: AlertmanagerConfig, inlet: Inlet) -> Router {
    let smaller = "set max_alerts in Alertmanager's webhook_configs, or group alerts more finely";
    let admission = Admission::new(&config.name, inlet, config.max_body_bytes, smaller);
    let path = config.path.as_str().to_owned();
    Router::new()
        .route(&path, post(receive).fallback(other_method))
        .with_state(Arc::new(Receiver { config, admission }))
}

#[derive(Debug)]
struct Receiver {
    config: AlertmanagerConfig,
    admission: Admission,
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    match receiver.take(request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => receiver.admission.refuse(refusal),
    }
}

impl Receiver {
    async fn take(&self, request: Request) -> Result<Answer, Refusal> {
        let arrived = self.admission.body(request).await?;
        let (events, mut answer) = self.read(&arrived.body)?;
        let mut turn = self.admission.turn();
        for event in events {
            // An alert that is over is another one than while it was firing: both are said in the id.
            let key = Key::new(0, &event.id);
            let taken = turn.take_once(key, Observation::Event(event)).await?;
            *(if taken { &mut answer.accepted } else { &mut answer.repeated }) += 1;
        }
        self.admission.refused(&answer);
        Ok(answer)
    }

    /// The events of a body and the alerts that are refused.
    fn read(&self, body: &[u8]) -> Result<(Vec<Event>, Answer), Malformed> {
        let (body, payload) = Payload::read(body)?;
        let now = self.admission.clock().now();
        let mut events = Vec::new();
        let mut answer = Answer::default();
        let mut places = Places::new(body);
        for (index, raw) in payload.alerts.iter().enumerate() {
            let alert = Alert::read(&mut places, index, raw);
            match alert.and_then(|alert| alert.event(index, &self.config.mapping, now)) {
                Ok(event) => events.push(event),
                Err(malformed) => {
                    self.admission.refuse_item(malformed.reason);
                    answer.refuse(index, || malformed);
                }
            }
        }
        if payload.truncated_alerts > 0 {
            let missing = payload.truncated_alerts;
            tracing::warn!(source = %self.config.name, missing, "Alertmanager left alerts out; raise max_alerts of its webhook");
        }
        Ok((events, answer))
    }
}

async fn other_method() -> Response {
    let (what, help) = ("this is a webhook", "POST Alertmanager's payload to it");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Reason::Unsupported, what, help);
    let mut response = refusal.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}
