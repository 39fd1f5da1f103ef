//! Webhook bodies of any content, one after the other, get answers that are JSON; their good alerts arrive however bad the others
//! are, and arrive once however often they come.
#![no_main]

use std::{cell::RefCell, sync::Arc};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use homeostat_fuzz::door::{Answer, Door};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{ALERT_EVENTS, AlertmanagerConfig, Inlet, Memory, alertmanager};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// Stands between two bodies; no JSON has it.
const NEXT_BODY: u8 = 0x1e;

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().enable_time().build().unwrap());
}

fuzz_target!(|data: &[u8]| {
    RUNTIME.with_borrow(|runtime| runtime.block_on(deliver(data)));
});

async fn deliver(data: &[u8]) {
    let (sink, arrived) = ObservationSink::bounded(homeostat_fuzz::door::ROOM);
    let clock = Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1);
    let intake = Arc::default();
    let inlet = Inlet { sink, clock, intake: Arc::clone(&intake), token: None, memory: Memory::default() };
    let mut door = Door { router: alertmanager(AlertmanagerConfig::default(), inlet), arrived, intake };
    let first: Vec<Answer> = post_all(&mut door, data).await;
    let again = post_all(&mut door, data).await;
    for (one, other) in first.iter().zip(&again) {
        assert_eq!(one.status, other.status);
        assert_eq!((other.accepted, other.repeated), (0, one.accepted + one.repeated), "taken twice: {}", other.json);
    }
}

async fn post_all(door: &mut Door, data: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for body in data.split(|byte| *byte == NEXT_BODY) {
        let request = Request::post("/webhook/alertmanager").body(Body::from(body.to_vec())).unwrap();
        let answer = door.send(request).await;
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::BAD_REQUEST), "{}", answer.json);
        for observation in &answer.arrived {
            let Observation::Event(event) = observation else { panic!("an alert became {observation:?}") };
            assert!(ALERT_EVENTS.contains(&event.event_type.as_str()), "{event:?}");
        }
        answers.push(answer);
    }
    answers
}
