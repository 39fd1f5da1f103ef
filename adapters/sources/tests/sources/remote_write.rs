//! The receiver of remote-write, over a real socket.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use expect_test::expect;
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{Intake, RemoteWriteConfig, remote_write};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::prompb::{Series, v1, v2};

const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const NAME: &str = "__name__";
const STALE: u64 = 0x7ff0_0000_0000_0002;

struct Hook {
    address: SocketAddr,
    receiver: mpsc::Receiver<Observation>,
    intake: Arc<Intake>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    /// Without what is the same for all.
    fn told(&self) -> String {
        let shown = |(name, value): (&String, &String)| {
            let shown = name.starts_with("x-") || ["retry-after", "accept-encoding", "allow"].contains(&&**name);
            shown.then(|| format!(" {}={value}", name.trim_start_matches("x-prometheus-remote-write-")))
        };
        let headers: String = self.headers.iter().filter_map(shown).collect();
        format!("{}{headers} {}", self.status, self.body).trim().to_owned()
    }
}

async fn serve(config: &str, capacity: usize) -> Hook {
    let config: RemoteWriteConfig = serde_saphyr::from_str(config).unwrap();
    let (sink, receiver) = ObservationSink::bounded(capacity);
    let (clock, intake) = (Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1), Arc::<Intake>::default());
    let router = remote_write(config, sink, clock, intake.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Hook { address, receiver, intake }
}

impl Hook {
    async fn send(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let url = format!("http://{}/api/v1/write", self.address);
        let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let call = move || {
            let agent: ureq::Agent =
                ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
            let mut request = agent.post(&url);
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            let mut response = request.send(&body).unwrap();
            let headers = response.headers().iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()));
            let (status, headers) = (response.status().as_u16(), headers.collect());
            Answer { status, headers, body: response.body_mut().read_to_string().unwrap() }
        };
        tokio::task::spawn_blocking(call).await.unwrap()
    }

    async fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        self.send(&[("Content-Type", content_type), ("Content-Encoding", "snappy")], packed(body)).await
    }

    async fn write(&self, content_type: &str, series: &[Series<'_>]) -> Answer {
        let body = if content_type == V2 { v2(series).encode_to_vec() } else { v1(series).encode_to_vec() };
        self.post(content_type, &body).await
    }

    fn received(&mut self) -> Vec<String> {
        let told = |observation| match observation {
            Observation::Sample(s) => format!("{} {} {} {}", s.time.as_millis(), s.resource, s.metric, s.value),
            Observation::Inventory(_) => "inventory".into(),
            other => format!("{other:?}"),
        };
        std::iter::from_fn(|| self.receiver.try_recv().ok()).map(told).collect()
    }

    fn counted(&self) -> String {
        let all = self.intake.all().into_iter().filter(|(_, _, count)| *count > 0);
        all.map(|(counted, label, count)| format!("{counted:?} {label} {count}").replace("  ", " "))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn packed(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).unwrap()
}

const MAPPING: &str = "mapping: {series: [{match: 'm.*'}]}";

#[tokio::test]
async fn samples_of_both_versions_arrive() {
    let mut hook = serve(MAPPING, 100).await;
    let labels = [(NAME, "m"), ("vm", "v1")];
    let series: &[Series<'_>] = &[
        (&labels, &[(1000, 1.5), (2000, 2.5)]),
        (&[(NAME, "other"), ("vm", "v1")], &[(1000, 3.0)]),
        (&[(NAME, "m2"), ("vm", "v1")], &[(1000, f64::NAN), (2000, f64::from_bits(STALE))]),
        (&[(NAME, "m3"), ("zone", "v1")], &[(1000, 4.0)]),
        (&[(NAME, "m"), ("vm", "v1"), ("zone", "a")], &[(1000, 5.0)]),
    ];
    assert_eq!(hook.write(V1, series).await.told(), "204");
    assert_eq!(hook.received(), ["1000 vm/v1 m 1.5", "2000 vm/v1 m 2.5"]);
    let answer = hook.write(V2, series).await;
    assert_eq!(answer.told(), "204 exemplars-written=0 histograms-written=0 samples-written=7");
    assert_eq!(hook.received(), ["1000 vm/v1 m 1.5", "2000 vm/v1 m 2.5"]);
    expect!["Received 14, Taken 2, Repeated 2, PassedOver unmapped 2, PassedOver ended 2, PassedOver not_finite 2, Refused unplaced 2, Refused ambiguous 2, Requests 204 2"]
        .assert_eq(&hook.counted());
}

#[tokio::test]
async fn a_bad_series_is_refused_and_the_others_are_written() {
    let mut hook = serve(MAPPING, 100).await;
    let series: &[Series<'_>] = &[
        (&[(NAME, "m"), ("vm", "v1")], &[(1000, 1.0)]),
        (&[(NAME, "m"), ("vm", "")], &[(1000, 2.0), (2000, 2.0)]),
        (&[("vm", "v2")], &[(1000, 3.0)]),
        (&[(NAME, "m"), ("vm", "v3")], &[(1000, 4.0)]),
    ];
    let mut told = String::new();
    for content_type in [V1, V2] {
        told += &format!("{}\n", hook.write(content_type, series).await.told());
        assert_eq!(hook.received(), ["1000 vm/v1 m 1", "1000 vm/v3 m 4"]);
    }
    expect![[r#"
        400 3 of 5 samples are refused, the others were taken; the first: its label `vm` is empty
        400 exemplars-written=0 histograms-written=0 samples-written=2 3 of 5 samples are refused, the others were taken; the first: its label `vm` is empty
    "#]].assert_eq(&told);
    expect!["Received 10, Taken 2, Repeated 2, Refused malformed 6, Requests 400 2"].assert_eq(&hook.counted());
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_for_good() {
    let mut hook = serve(MAPPING, 100).await;
    let good = packed(&v1(&[(&[(NAME, "m"), ("vm", "v1")], &[(1000, 1.0)])]).encode_to_vec());
    let good_v2 = v2(&[(&[(NAME, "m")], &[(1, 1.0)])]).encode_to_vec();
    let mut first_symbol = good_v2.clone();
    first_symbol.splice(0..2, [0x22, 1, b'x']);
    let many = vec![(1, 1.0); 100_001];
    let (snappy, v1_type, v2_type) = (("Content-Encoding", "snappy"), ("Content-Type", V1), ("Content-Type", V2));
    let mut told = String::new();
    for (headers, body) in [
        (vec![v1_type, snappy], packed(b"\x0a\xff")),
        (vec![v1_type, snappy], b"\x0a\xff".to_vec()),
        (vec![v1_type, snappy], Vec::new()),
        (vec![v1_type, snappy], vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        (vec![v1_type, snappy], packed(&vec![0; 17 << 20])),
        (vec![v1_type, snappy], packed(&v1(&[(&[(NAME, "m")], &many)]).encode_to_vec())),
        (vec![v2_type, snappy], packed(&first_symbol)),
        (vec![v2_type, snappy], packed(b"\x2a\xff")),
        (vec![("Content-Type", "application/json"), snappy], good.clone()),
        (vec![("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request"), snappy], good.clone()),
        (vec![v1_type, ("Content-Encoding", "gzip")], good.clone()),
        (vec![v2_type, ("Content-Encoding", "zstd")], good.clone()),
        (vec![v1_type, snappy, ("X-Prometheus-Remote-Write-Version", "0.1.0")], good.clone()),
    ] {
        told += &format!("{}\n", hook.send(&headers, body).await.told());
    }
    expect![[r#"
        400 the body is not a message: it ends in the middle of a field
        400 the body is not in snappy's block format: snappy: corrupt input (expected copy read of length 4; remaining src: 0)
        400 the body is not in snappy's block format: snappy: corrupt input (empty)
        400 the body is not in snappy's block format: 5 bytes cannot become the 4294967295 that they promise
        413 the body is larger than 8388608 bytes, or 16777216 when it is unpacked; set max_samples_per_send of the sender's queue lower
        413 it has more than 100000 samples; set max_samples_per_send of the sender's queue lower
        400 exemplars-written=0 histograms-written=0 samples-written=0 the first symbol is not empty, as it has to be
        400 exemplars-written=0 histograms-written=0 samples-written=0 the body is not a message: it ends in the middle of a field
        415 accept-encoding=snappy the content type is not known; `application/x-protobuf` is, with proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request
        415 accept-encoding=snappy the content type is not known; `application/x-protobuf` is, with proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request
        415 accept-encoding=snappy the content encoding is not known; only `snappy` is
        415 accept-encoding=snappy the content encoding is not known; only `snappy` is
        204
    "#]].assert_eq(&told);
    assert_eq!(hook.received(), ["1000 vm/v1 m 1"]);
    // As soon as it says how long it is.
    let mut stream = TcpStream::connect(hook.address).await.unwrap();
    let announced = "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n";
    stream.write_all(announced.as_bytes()).await.unwrap();
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413 Payload");
    let url = format!("http://{}/api/v1/write", hook.address);
    let get = tokio::task::spawn_blocking(move || {
        ureq::Agent::from(ureq::Agent::config_builder().http_status_as_error(false).build()).get(&url).call().unwrap()
    });
    let answer = get.await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "POST"));
}

#[tokio::test]
async fn without_room_nothing_is_taken_and_all_of_it_later() {
    let mapping = "mapping: {labels: [zone], series: [{match: 'm.*', part: 'cpu/${labels.cpu}'}]}";
    let mut hook = serve(mapping, 5).await;
    let labels = |cpu| [(NAME, "m"), ("cpu", cpu), ("vm", "v1"), ("zone", "a")];
    let (one, other) = (labels("0"), labels("1"));
    let first: &[Series<'_>] = &[(&one, &[(1000, 1.0)])];
    assert_eq!(hook.write(V1, first).await.told(), "204");
    let second: &[Series<'_>] = &[(&one, &[(2000, 2.0)]), (&other, &[(2000, 3.0)])];
    for content_type in [V1, V2] {
        let answer = hook.write(content_type, second).await;
        assert_eq!((answer.status, answer.headers.get("retry-after").map(String::as_str)), (503, Some("1")));
        assert!(answer.body.contains("send the same again"), "{}", answer.body);
    }
    assert_eq!(hook.received().len(), 3, "what the first told, and nothing of the second");
    // Now there is room, and what was not told before is told: where the other part is, and its labels.
    let (receiver, mut taken) = (&mut hook.receiver, Vec::new());
    let body = packed(&v1(second).encode_to_vec());
    let url = format!("http://{}/api/v1/write", hook.address);
    let posted = tokio::task::spawn_blocking(move || {
        ureq::post(&url).header("Content-Encoding", "snappy").send(&body).unwrap().status().as_u16()
    });
    while taken.len() < 4 {
        let observation = tokio::time::timeout(Duration::from_secs(60), receiver.recv()).await.expect("too few");
        taken.push(observation.unwrap());
    }
    assert_eq!(posted.await.unwrap(), 204);
    let kinds = taken.iter().map(|observation| match observation {
        Observation::Inventory(_) => "on",
        Observation::Labels { .. } => "labels",
        Observation::Sample(_) => "sample",
        Observation::Event(_) => "event",
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["sample", "on", "labels", "sample"]);
    expect!["Received 7, Taken 1, Repeated 2, Refused busy 4, Requests 204 2, Requests 503 2"]
        .assert_eq(&hook.counted());
    let address = hook.address;
    drop(hook.receiver);
    let hook = Hook { address, receiver: mpsc::channel(1).1, intake: hook.intake };
    let closed = hook.write(V1, first).await;
    assert_eq!(closed.told(), "503 retry-after=1 homeostat is shutting down");
}

/// The time at which the receiver starts.
const START: i64 = 1_700_000_000_000;

#[tokio::test]
async fn a_sender_whose_clock_is_fast_is_told_and_silences_nobody() {
    let mut hook = serve(MAPPING, 100).await;
    let (fast, right) = ([(NAME, "m"), ("from", "b"), ("vm", "v1")], [(NAME, "m"), ("from", "a"), ("vm", "v1")]);
    let mut told = String::new();
    for content_type in [V1, V2] {
        told += &format!("{}\n", hook.write(content_type, &[(&fast, &[(START + 600_000, 1.0)])]).await.told());
        assert_eq!(hook.received(), [""; 0]);
    }
    expect![[r#"
        400 1 of 1 samples are refused, the others were taken; the first: it is more than 1m ahead of homeostat's time; correct the clock of the sender, or homeostat's
        400 exemplars-written=0 histograms-written=0 samples-written=0 1 of 1 samples are refused, the others were taken; the first: it is more than 1m ahead of homeostat's time; correct the clock of the sender, or homeostat's
    "#]].assert_eq(&told);
    assert_eq!(hook.write(V1, &[(&right, &[(START, 2.0), (START + 50_000, 3.0)])]).await.told(), "204");
    assert_eq!(hook.received(), ["1700000000000 vm/v1 m 2", "1700000050000 vm/v1 m 3"]);
    expect!["Received 4, Taken 2, Refused ahead 2, Requests 204 1, Requests 400 2"].assert_eq(&hook.counted());
}

#[tokio::test]
async fn only_what_a_deferred_request_would_have_told_is_told_again() {
    let mut hook = serve("mapping: {labels: [zone], series: [{match: m}]}", 2).await;
    let labels = |vm| [(NAME, "m"), ("vm", vm), ("zone", "a")];
    let (one, other) = (labels("v1"), labels("v2"));
    assert_eq!(hook.write(V1, &[(&one, &[(START, 1.0)])]).await.status, 204);
    // The first fills the sink, so there is no room for what would be told first of the other.
    assert_eq!(hook.write(V1, &[(&other, &[(START, 2.0)])]).await.status, 503);
    assert_eq!(hook.received().len(), 2);
    assert_eq!(hook.write(V1, &[(&one, &[(START + 1, 3.0)])]).await.status, 204);
    assert_eq!(hook.received(), ["1700000000001 vm/v1 m 3"], "of the one, all is known");
    assert_eq!(hook.write(V1, &[(&other, &[(START, 2.0)])]).await.status, 204);
    assert_eq!(hook.received().len(), 2, "of the other, the labels come with the sample");
}

#[tokio::test]
async fn senders_that_stall_keep_nobody_waiting_and_are_told_to_come_again() {
    let hook = serve(MAPPING, 100).await;
    let head =
        "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Encoding: snappy\r\nContent-Length: 8000000\r\n\r\nbegin";
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(hook.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = std::time::Instant::now();
    assert_eq!(hook.write(V1, &[(&[(NAME, "m"), ("vm", "v1")], &[(START, 1.0)])]).await.told(), "204");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let mut answer = [0; 20];
    stalled[0].read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 503 Service", "a Prometheus gives up at 408");
}

#[tokio::test]
async fn a_large_request_does_not_hold_up_the_runtime() {
    let rules: String = (0..20).map(|rule| format!("{{match: '.*(a|b)+x{rule}.*'}}, ")).collect();
    let hook = serve(&format!("mapping: {{series: [{rules}]}}"), 100).await;
    let names: Vec<String> = (0..20_000).map(|number| format!("m_abababababababababababab_{number}")).collect();
    let labels: Vec<_> = names.iter().map(|name| [(NAME, &**name), ("vm", "v1")]).collect();
    let series: Vec<Series<'_>> = labels.iter().map(|labels| (&labels[..], &[(START, 1.0)][..])).collect();
    let body = v1(&series).encode_to_vec();
    let began = std::time::Instant::now();
    let (mut longest, mut last) = (Duration::ZERO, began);
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let written = hook.post(V1, &body);
    tokio::pin!(written);
    let answer = loop {
        tokio::select! {
            answer = &mut written => break answer,
            _ = ticks.tick() => {}
        }
        longest = longest.max(last.elapsed());
        last = std::time::Instant::now();
    };
    longest = longest.max(last.elapsed());
    assert_eq!(answer.told(), "204");
    assert!(longest * 3 < began.elapsed(), "{longest:?} of {:?}", began.elapsed());
}
