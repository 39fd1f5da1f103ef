//! A source that listens, asked without a socket, and what holds of every answer of it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use homeostat_model::Observation;
use homeostat_sources::Intake;
use serde_json::Value as Json;
use tokio::sync::mpsc::Receiver;
use tower::ServiceExt;

/// More than the items of any body that the fuzzer makes, so that none has to wait.
pub const ROOM: usize = 1 << 16;
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A source that listens, and what comes out of it.
#[derive(Debug)]
pub struct Door {
    /// Its routes.
    pub router: Router,
    /// What it sent on.
    pub arrived: Receiver<Observation>,
    /// What it counted.
    pub intake: Arc<Intake>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Items that are said to be taken.
    pub accepted: u64,
    /// Items that are said to have been taken before.
    pub repeated: u64,
    /// All that was said.
    pub json: Json,
    /// What was sent on meanwhile.
    pub arrived: Vec<Observation>,
}

impl Door {
    /// Sends a request. Panics when what is answered is not JSON, not what was done, or not what was counted.
    pub async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = response.status();
        let body = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.expect("the answer is too long");
        let json: Json = serde_json::from_slice(&body).expect("the answer is not JSON");
        let arrived: Vec<Observation> = std::iter::from_fn(|| self.arrived.try_recv().ok()).collect();
        let count = |name: &str| json.get(name).and_then(Json::as_u64).unwrap_or_default();
        let (accepted, repeated) = (count("accepted"), count("repeated"));
        assert_eq!(u64::try_from(arrived.len()), Ok(accepted), "{json}");
        if json.get("accepted").is_some() {
            assert!(json.get("refused").is_some_and(Json::is_array), "{json}");
        } else {
            assert!(status.is_client_error(), "{status}: {json}");
            for part in ["error", "help"] {
                let said = json.get(part).and_then(Json::as_str);
                assert!(said.is_some_and(|said| !said.is_empty()), "no {part}: {json}");
            }
        }
        Answer { status, accepted, repeated, json, arrived }
    }
}
