//! A remote-write request of any content, packed well or not at all, gets an answer, and what is counted as written has arrived.
#![no_main]

use std::{cell::RefCell, sync::Arc};

use axum::{body::Body, http::Request};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{Intake, Reason, RemoteWriteConfig, remote_write};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// More than the observations of any request that the fuzzer makes, so that none has to wait.
const ROOM: usize = 1 << 16;

const CONFIG: &str = r#"{"mapping": {
    "keepOthers": true, "labels": ["job"], "presets": ["node-exporter"],
    "series": [{"match": "u(.)", "when": {"job": "node"}, "metric": "up.${1}", "scale": 2}]
}}"#;

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().enable_time().build().unwrap());
}

fuzz_target!(|data: &[u8]| {
    // The first byte says which version it is, and whether it is packed already.
    let Some((how, data)) = data.split_first() else { return };
    let body = if how & 2 == 0 { snap::raw::Encoder::new().compress_vec(data).unwrap() } else { data.to_vec() };
    RUNTIME.with_borrow(|runtime| runtime.block_on(post(how & 1 == 1, body)));
});

async fn post(second: bool, body: Vec<u8>) {
    let config: RemoteWriteConfig = serde_json::from_str(CONFIG).unwrap();
    let (sink, mut arrived) = ObservationSink::bounded(ROOM);
    let clock = Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1);
    let intake = Arc::<Intake>::default();
    let router = remote_write(config, sink, clock, intake.clone());
    let message = if second { "io.prometheus.write.v2.Request" } else { "prometheus.WriteRequest" };
    let request = Request::post("/api/v1/write").header("content-encoding", "snappy");
    let request = request.header("content-type", format!("application/x-protobuf;proto={message}"));
    let response = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let mut samples = 0;
    while let Ok(observation) = arrived.try_recv() {
        if let Observation::Sample(sample) = observation {
            assert!(sample.value.is_finite(), "{sample:?}");
            samples += 1;
        }
    }
    assert_eq!(intake.taken() + intake.repeated(), samples);
    let status = response.status().as_u16();
    assert!([204, 400, 413].contains(&status), "{status}");
    let bad = intake.refused(Reason::Malformed) + intake.refused(Reason::Ahead);
    assert!(status != 204 || bad == 0);
    assert!(status != 413 || samples == 0);
    let told = response.headers().get("x-prometheus-remote-write-samples-written");
    assert_eq!(told.is_some(), second);
    if let Some(told) = told {
        assert_eq!(told.to_str().unwrap().parse::<u64>().unwrap(), intake.received() - bad - intake.refused(Reason::TooLarge));
    }
}
