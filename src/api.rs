//! The HTTP side: health, metrics, explanations, and the webhooks of sources.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::{live::Message, metrics::Metrics};

/// How long the engine's loop may take to answer. A decision takes microseconds and a slow disk tens of milliseconds: a loop
/// that does not answer by then is stuck. Whoever asks for readiness waits a few seconds at least.
const ANSWER: Duration = Duration::from_secs(2);

/// The paths that are homeostat's own.
pub(crate) const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) metrics: Arc<Metrics>,
    /// Adapters that have not connected for the first time yet.
    pub(crate) awaited: Arc<AtomicUsize>,
}

impl Api {
    /// The routes.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .route("/api/v1/explain/{*resource}", get(explain))
            .with_state(self)
    }

    /// Asks the engine's loop; why there is no answer, if there is none in time.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.messages.send(question(reply)).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(ANSWER, asked).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err("homeostat is shutting down".into()),
            Err(_) => Err(format!("the engine has not answered within {ANSWER:?}")),
        }
    }
}

/// Ready means: every adapter was connected, and the loop around the engine turns.
async fn ready(State(api): State<Api>) -> Response {
    match api.awaited.load(Ordering::Relaxed) {
        0 => match api.ask(Message::Ping).await {
            Ok(()) => "ready\n".into_response(),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        },
        missing => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{missing} adapters have not connected yet\n")).into_response()
        }
    }
}

async fn metrics(State(api): State<Api>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.metrics.text()).into_response()
}

async fn explain(State(api): State<Api>, Path(resource): Path<String>) -> Response {
    let resource = match resource.parse() {
        Ok(resource) => resource,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("{error}")),
    };
    match api.ask(|reply| Message::Explain(resource, reply)).await {
        Ok(answer) if answer.known => {
            Json(json!({ "now": answer.now, "explanations": answer.explanations })).into_response()
        }
        Ok(_) => refuse(StatusCode::NOT_FOUND, "no such resource is known; names are kind/name, such as vm/web-1"),
        Err(why) => refuse(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{
        extract::State,
        http::{Response, StatusCode},
    };
    use tokio::sync::mpsc;

    use super::{Api, ready};
    use crate::{live::Message, metrics::Metrics};

    fn api() -> (Api, mpsc::Receiver<Message>) {
        let (messages, inbox) = mpsc::channel(1);
        (Api { messages, metrics: Arc::new(Metrics::new()), awaited: Arc::default() }, inbox)
    }

    async fn status(api: &Api) -> StatusCode {
        Response::status(&ready(State(api.clone())).await)
    }

    #[tokio::test]
    async fn ready_is_what_the_loop_says() {
        let (api, mut inbox) = api();
        let turning = tokio::spawn(async move {
            let Some(Message::Ping(reply)) = inbox.recv().await else { panic!("not asked") };
            reply.send(()).unwrap();
            inbox
        });
        assert_eq!(status(&api).await, StatusCode::OK);
        // The loop is stuck: first one question waits, then the queue is full as well.
        let inbox = turning.await.unwrap();
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(inbox);
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
        api.awaited.store(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
