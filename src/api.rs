//! The HTTP side: health, metrics, explanations, and the webhooks of sources.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
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
}

async fn ready(State(api): State<Api>) -> Response {
    match api.awaited.load(Ordering::Relaxed) {
        0 => "ready\n".into_response(),
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
    let (reply, answer) = oneshot::channel();
    if api.messages.send(Message::Explain(resource, reply)).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "homeostat is shutting down");
    }
    match answer.await {
        Ok(answer) if answer.known => {
            Json(json!({ "now": answer.now, "explanations": answer.explanations })).into_response()
        }
        Ok(_) => refuse(StatusCode::NOT_FOUND, "no such resource is known; names are kind/name, such as vm/web-1"),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "homeostat is shutting down"),
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
