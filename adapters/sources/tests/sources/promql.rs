//! Asking a Prometheus, over real sockets. One of the test's own answers, and remembers what it was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink, Source};
use homeostat_sources::{Promql, PromqlConfig};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

type Form = BTreeMap<String, String>;

#[derive(Clone)]
struct Server {
    address: SocketAddr,
    /// Statuses of the next answers that fail.
    failing: Arc<Mutex<VecDeque<u16>>>,
    asked: Arc<Mutex<Vec<(String, Form, bool)>>>,
    /// Hosts that each query is answered for: `h1`, `h2`, ..
    hosts: usize,
}

impl Server {
    async fn start(failing: &[u16]) -> Self {
        Self::of_hosts(1, failing).await
    }

    async fn of_hosts(hosts: usize, failing: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let failing = Arc::new(Mutex::new(failing.iter().copied().collect()));
        let server = Self { address, failing, asked: Arc::default(), hosts };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }
}

/// The value of `load` at a time is that time in seconds.
async fn answer(State(server): State<Server>, uri: Uri, body: String) -> (StatusCode, String) {
    let form: Form = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let status = server.failing.lock().unwrap().pop_front();
    server.asked.lock().unwrap().push((uri.path().to_owned(), form.clone(), status.is_none()));
    if let Some(status) = status {
        let body = r#"{"status":"error","errorType":"unavailable","error":"starting up"}"#;
        return (StatusCode::from_u16(status).unwrap(), body.into());
    }
    let number = |name: &str| form[name].parse::<f64>().unwrap();
    let (kind, value) = if uri.path().ends_with("query_range") {
        let (mut time, mut values) = (number("start"), Vec::new());
        while time <= number("end") {
            values.push(format!("[{time},\"{time}\"]"));
            time += number("step");
        }
        ("matrix", format!(r#""values":[{}]"#, values.join(",")))
    } else {
        let time = number("time");
        ("vector", format!(r#""value":[{time},"{time}"]"#))
    };
    let series =
        (1..=server.hosts).map(|host| format!(r#"{{"metric":{{"__name__":"load","host":"h{host}"}},{value}}}"#));
    let result = format!(r#"{{"resultType":"{kind}","result":[{}]}}"#, series.collect::<Vec<_>>().join(","));
    let body = format!(r#"{{"status":"success","data":{result},"warnings":["a store is away"]}}"#);
    (StatusCode::OK, body)
}

/// Runs a source whose time is `speed` times as fast as the wall's.
fn run(config: &str, speed: u32) -> (mpsc::Receiver<Observation>, CancellationToken) {
    let config: PromqlConfig = serde_saphyr::from_str(config).unwrap();
    let (sink, observations) = ObservationSink::bounded(1000);
    let stop = CancellationToken::new();
    let source = Promql::new(config, Clock::starting(Timestamp::from_millis(1_700_000_003_000), speed), Arc::default());
    let stopped = stop.clone();
    tokio::spawn(async move { source.run(&sink, &stopped).await });
    (observations, stop)
}

async fn samples(observations: &mut mpsc::Receiver<Observation>, count: usize) -> Vec<(String, String, f64, i64)> {
    let mut samples = Vec::new();
    while samples.len() < count {
        let observation = tokio::time::timeout(PATIENCE, observations.recv()).await.expect("no sample");
        if let Some(Observation::Sample(sample)) = observation {
            let (resource, metric) = (sample.resource.to_string(), sample.metric.to_string());
            samples.push((resource, metric, sample.value, sample.time.as_millis()));
        }
    }
    samples
}

#[tokio::test]
async fn every_full_step_is_asked_for_once() {
    let server = Server::start(&[]).await;
    // A hundred times as fast: a step takes a tenth of a second.
    let config = format!(
        "{{url: 'http://{}/prom/', step: 10s, queries: [{{query: 'sum(load)', metric: load.sum, scale: 2, unit: watts, resource: ['host/${{labels.host}}']}}]}}",
        server.address
    );
    let (mut observations, stop) = run(&config, 100);
    let read = samples(&mut observations, 5).await;
    let expected: Vec<_> = (0..5_i32)
        .map(|step| {
            let seconds = 1_700_000_000 + step * 10;
            ("host/h1".to_owned(), "load.sum".to_owned(), f64::from(seconds) * 2.0, i64::from(seconds) * 1000)
        })
        .collect();
    assert_eq!(read, expected);
    stop.cancel();
    let (path, form, _) = server.asked.lock().unwrap()[0].clone();
    assert_eq!(path, "/prom/api/v1/query");
    assert_eq!((&*form["query"], &*form["time"], &*form["timeout"]), ("sum(load)", "1700000000.000", "10s"));
}

#[tokio::test]
async fn after_a_pause_all_that_is_due_is_asked_for_at_once() {
    let server = Server::start(&[503, 503, 500, 502]).await;
    let config =
        format!("{{url: '{}', step: 1s, queries: [{{query: load}}], mapping: {{keepOthers: true}}}}", server.address);
    let (mut observations, _stop) = run(&config, 20);
    let read = samples(&mut observations, 12).await;
    let times: Vec<i64> = read.iter().map(|(_, _, _, time)| *time).collect();
    let every: Vec<i64> = (0..12).map(|step| 1_700_000_003_000 + step * 1000).collect();
    assert_eq!(times, every, "no step is skipped, and none comes twice");
    let asked = server.asked.lock().unwrap().clone();
    let (paths, good): (Vec<&str>, Vec<bool>) = asked.iter().map(|(path, _, good)| (&**path, *good)).unzip();
    assert_eq!(good[..5], [false, false, false, false, true]);
    assert_eq!((paths[0], paths[4]), ("/api/v1/query", "/api/v1/query_range"));
}

#[tokio::test]
async fn what_is_too_much_for_one_answer_is_asked_for_in_parts() {
    let server = Server::of_hosts(10, &[503, 503, 503, 503]).await;
    let config = format!(
        "{{url: '{}', step: 1s, sampleLimit: 50, queries: [{{query: load}}], mapping: {{keepOthers: true}}}}",
        server.address
    );
    let (mut observations, _stop) = run(&config, 20);
    let read = samples(&mut observations, 150).await;
    let mut times: Vec<i64> = read.iter().map(|(_, _, _, time)| *time).collect();
    times.dedup();
    let every: Vec<i64> = (0..15).map(|step| 1_700_000_003_000 + step * 1000).collect();
    assert_eq!(times, every, "no step is skipped, and none comes twice");
}

#[tokio::test]
async fn what_is_too_long_ago_is_passed_over() {
    let server = Server::start(&[503, 503, 503, 503]).await;
    let config = format!(
        "{{url: '{}', step: 1s, catchUp: 2s, queries: [{{query: load}}], mapping: {{keepOthers: true}}}}",
        server.address
    );
    let (mut observations, _stop) = run(&config, 20);
    let read = samples(&mut observations, 4).await;
    let first = read[0].3;
    assert!(first > 1_700_000_003_000, "the failures take longer than what may be caught up with: {first}");
    let times: Vec<i64> = read.iter().map(|(_, _, _, time)| *time - first).collect();
    assert_eq!(times, [0, 1000, 2000, 3000]);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    for (config, problem) in [
        ("{url: a}", "missing field `queries`"),
        ("{url: a, queries: []}", "it has 0 queries"),
        ("{url: a, queries: [{query: ' '}]}", "the query is empty"),
        ("{url: a, queries: [{query: up, scale: 2}]}", "`scale` is about one metric"),
        ("{url: a, queries: [{query: up, unit: watts}]}", "`unit` is about one metric"),
        ("{url: a, queries: [{query: up, metric: m, scale: 0}]}", "the scale is 0"),
        ("{url: a, queries: [{query: up, metric: 'a b'}]}", "is not a metric name"),
        ("{url: a, step: 1ms, queries: [{query: up}]}", "the step is 1ms"),
        ("{url: a, step: 1s, catchUp: 1h, queries: [{query: up}]}", "takes more than 1000"),
        ("{url: a, timeout: 0s, queries: [{query: up}]}", "the timeout is nothing"),
        ("{url: 'https://a', queries: [{query: up}]}", "TLS is not built in"),
        ("{url: 'a?b=c', queries: [{query: up}]}", "is not an address"),
    ] {
        let error = serde_saphyr::from_str::<PromqlConfig>(config).unwrap_err().to_string();
        assert!(error.contains(problem), "{config}: {error}");
    }
}

#[test]
fn the_metrics_that_it_brings_are_known() {
    let config: PromqlConfig = serde_saphyr::from_str(
        "{url: a, queries: [{query: x, metric: a, unit: watts, resource: ['rack/${labels.r}']}, {query: y, metric: b}, {query: z, metric: b, unit: ratio}]}",
    )
    .unwrap();
    let metrics: Vec<String> = config.metrics().iter().map(|(name, it)| format!("{name} {}", it.unit)).collect();
    assert_eq!(metrics, ["a watts", "b number"]);
    assert_eq!(config.kinds().iter().map(ToString::to_string).collect::<Vec<_>>(), ["rack"]);
}
