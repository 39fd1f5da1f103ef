//! Remote-write: from the bytes of a request to observations, beside what merely reading the message by prost takes.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

#[path = "../tests/prompb.rs"]
mod prompb;

use std::{hint::black_box, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use criterion::{BenchmarkId, Criterion, Throughput};
use homeostat_model::Timestamp;
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{RemoteWriteConfig, remote_write};
use prompb::{Series, v1, v2};
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Samples of a request: what Prometheus sends unless it is told otherwise.
const SAMPLES: usize = 2_000;

/// Requests with series of their own: 100,000 series in all, as one process watches.
const REQUESTS: usize = 50;

const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

fn main() {
    let mut criterion = Criterion::default().configure_from_args().measurement_time(Duration::from_secs(8));
    let mut group = criterion.benchmark_group("remote-write");
    group.throughput(Throughput::Elements(u64::try_from(SAMPLES).unwrap()));
    let bodies: Vec<(Vec<u8>, Vec<u8>)> = (0..REQUESTS).map(bodies_of).collect();
    let packed = |body: &[u8]| snap::raw::Encoder::new().compress_vec(body).unwrap();
    let first: Vec<Vec<u8>> = bodies.iter().map(|(first, _)| packed(first)).collect();
    let second: Vec<Vec<u8>> = bodies.iter().map(|(_, second)| packed(second)).collect();

    let unpack = |body: &[u8]| snap::raw::Decoder::new().decompress_vec(body).unwrap();
    let mut turn = (0..REQUESTS).cycle();
    group.bench_function(BenchmarkId::new("prost alone", "1.0"), |bencher| {
        bencher.iter(|| prompb::WriteRequest::decode(&*unpack(first.get(turn.next().unwrap()).unwrap())).unwrap());
    });
    group.bench_function(BenchmarkId::new("prost alone", "2.0"), |bencher| {
        bencher.iter(|| prompb::Request::decode(&*unpack(second.get(turn.next().unwrap()).unwrap())).unwrap());
    });
    for (mapping, name) in [("mapped", "node_cpu_.*"), ("unmapped", "nothing")] {
        for (version, content_type, bodies) in [("1.0", V1, &first), ("2.0", V2, &second)] {
            let receiver = Receiver::new(name);
            group.bench_function(BenchmarkId::new(mapping, version), |bencher| {
                bencher.iter(|| receiver.post(content_type, bodies.get(turn.next().unwrap()).unwrap()));
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

struct Receiver {
    runtime: Runtime,
    router: Router,
}

impl Receiver {
    /// One that maps series of this name, with somebody who takes what comes.
    fn new(name: &str) -> Self {
        let mapping = format!(
            r#"{{"mapping": {{"series": [{{"match": "{name}", "part": "cpu/${{labels.cpu}}", "metric": "cpu.${{labels.mode}}"}}]}}}}"#
        );
        let config: RemoteWriteConfig = serde_json::from_str(&mapping).unwrap();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let (sink, mut observations) = ObservationSink::bounded(8192);
        let clock = Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1);
        let router = remote_write(config, sink, clock, Arc::default());
        runtime.spawn(async move {
            while let Some(observation) = observations.recv().await {
                black_box(observation);
            }
        });
        Self { runtime, router }
    }

    fn post(&self, content_type: &str, body: &[u8]) {
        let request = Request::post("/api/v1/write").header("content-type", content_type);
        let request = request.header("content-encoding", "snappy").body(Body::from(body.to_vec())).unwrap();
        let response = self.runtime.block_on(self.router.clone().oneshot(request)).unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
}

/// One request in both versions: series as the node exporter has them, one sample each.
fn bodies_of(request: usize) -> (Vec<u8>, Vec<u8>) {
    let texts: Vec<(String, String)> = (0..SAMPLES)
        .map(|number| (format!("host-{request}-{}.example.com:9100", number / 8), (number % 8).to_string()))
        .collect();
    let labels: Vec<[(&str, &str); 6]> = texts
        .iter()
        .map(|(instance, cpu)| {
            [
                ("__name__", "node_cpu_seconds_total"),
                ("cpu", cpu),
                ("datacentre", "north-1"),
                ("instance", instance),
                ("job", "node"),
                ("mode", "idle"),
            ]
        })
        .collect();
    let samples = [(1_700_000_000_000, 12_345.67)];
    let series: Vec<Series<'_>> = labels.iter().map(|labels| (&labels[..], &samples[..])).collect();
    (v1(&series).encode_to_vec(), v2(&series).encode_to_vec())
}
