//! A webhook's body of any content gets an answer that is JSON, and its good alerts arrive however bad the others are.
#![no_main]

use std::cell::RefCell;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{ALERT_EVENTS, AlertmanagerConfig, alertmanager};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// More than the alerts of any body that the fuzzer makes, so that none has to wait.
const ROOM: usize = 1 << 16;
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().enable_time().build().unwrap());
}

fuzz_target!(|data: &[u8]| {
    RUNTIME.with_borrow(|runtime| runtime.block_on(post(data)));
});

async fn post(body: &[u8]) {
    let (sink, mut arrived) = ObservationSink::bounded(ROOM);
    let clock = Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1);
    let router = alertmanager(AlertmanagerConfig::default(), sink, clock);
    let request = Request::post("/webhook/alertmanager").body(Body::from(body.to_vec())).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let answer = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.unwrap();
    let answer: Json = serde_json::from_slice(&answer).unwrap();
    let mut accepted = 0;
    while let Ok(observation) = arrived.try_recv() {
        let Observation::Event(event) = observation else { panic!("an alert became {observation:?}") };
        assert!(ALERT_EVENTS.contains(&event.event_type.as_str()), "{event:?}");
        accepted += 1;
    }
    if status == StatusCode::OK {
        assert_eq!(answer["accepted"], accepted, "{answer}");
        assert!(answer["refused"].is_array(), "{answer}");
    } else {
        assert_eq!((status, accepted), (StatusCode::BAD_REQUEST, 0), "{answer}");
        assert!(answer["error"].as_str().is_some_and(|what| !what.is_empty()), "{answer}");
        assert!(answer["help"].as_str().is_some_and(|help| !help.is_empty()), "{answer}");
    }
}
