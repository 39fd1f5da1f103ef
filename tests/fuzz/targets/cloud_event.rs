//! A request of any headers and body, in each mode of CloudEvents, gets an answer that is JSON; what it says was taken has arrived,
//! and is not taken again.
//!
//! The first byte chooses the mode; lines up to an empty one are headers, and what follows is the body.
#![no_main]

use std::{cell::RefCell, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Request, StatusCode, header::CONTENT_TYPE},
};
use homeostat_fuzz::door::{Door, ROOM};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{CloudEventsConfig, Inlet, Memory, cloud_events};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// Bytes of all attributes of one event, and of those that stand for their names' ends: what a source lets through.
const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().enable_time().build().unwrap());
}

fuzz_target!(|data: &[u8]| {
    RUNTIME.with_borrow(|runtime| runtime.block_on(deliver(data)));
});

async fn deliver(data: &[u8]) {
    let (sink, arrived) = ObservationSink::bounded(ROOM);
    let clock = Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1);
    let intake = Arc::default();
    let inlet = Inlet { sink, clock, intake: Arc::clone(&intake), token: None, memory: Memory::default() };
    let mut door = Door { router: cloud_events(CloudEventsConfig::default(), inlet), arrived, intake };
    let first = door.send(request(data)).await;
    let refused = StatusCode::BAD_REQUEST == first.status
        || StatusCode::UNSUPPORTED_MEDIA_TYPE == first.status
        || StatusCode::PAYLOAD_TOO_LARGE == first.status;
    assert!(refused || first.status == StatusCode::ACCEPTED, "{}: {}", first.status, first.json);
    for observation in &first.arrived {
        let Observation::Event(event) = observation else { panic!("an event became {observation:?}") };
        assert!(event.id.contains('#'), "{event:?}");
        let bytes: usize = event.attributes.iter().map(|(name, _)| name.len()).sum();
        assert!(bytes <= MAX_ATTRIBUTE_BYTES, "{event:?}");
    }
    let again = door.send(request(data)).await;
    assert_eq!(again.status, first.status);
    assert_eq!((again.accepted, again.repeated), (0, first.accepted + first.repeated), "taken twice: {}", again.json);
    assert_eq!(door.intake.taken(), first.accepted);
}

fn request(data: &[u8]) -> Request<Body> {
    let (mode, mut rest) = data.split_first().map_or((0, data), |(mode, rest)| (*mode, rest));
    let mut request = Request::post("/webhook/cloudevents").body(Body::empty()).unwrap();
    let headers = request.headers_mut();
    match mode % 3 {
        0 => drop(headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json"))),
        1 => drop(headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents-batch+json"))),
        _ => {}
    }
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        // What is longer than any server takes.
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    *request.body_mut() = Body::from(rest.to_vec());
    request
}
