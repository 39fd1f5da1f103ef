//! Scraping, over real sockets.

use std::{
    collections::BTreeMap,
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response},
};
use futures_util::{StreamExt, stream};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink, Source};
use homeostat_sources::{Counted, Intake, PassedOver, Scrape, ScrapeConfig};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

/// What an exporter answers.
#[derive(Debug, Clone, Default)]
struct Served {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    delay: Duration,
    /// Whether the connection ends behind the body, which was to go on.
    breaks_off: bool,
}

fn page(text: &str) -> Served {
    Served { status: 200, body: text.into(), ..Served::default() }
}

/// An exporter under the test's control.
#[derive(Clone)]
struct Exporter {
    address: SocketAddr,
    served: Arc<Mutex<Served>>,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Exporter {
    async fn start(served: Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let exporter = Self { address, served: Arc::new(Mutex::new(served)), asked: Arc::default() };
        let router = Router::new().fallback(answer).with_state(exporter.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        exporter
    }

    fn serve(&self, served: Served) {
        *self.served.lock().unwrap() = served;
    }
}

async fn answer(State(exporter): State<Exporter>, request: Request) -> Response<Body> {
    exporter.asked.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
    let served = exporter.served.lock().unwrap().clone();
    tokio::time::sleep(served.delay).await;
    let mut response = Response::builder().status(served.status);
    for (name, value) in &served.headers {
        response = response.header(*name, value);
    }
    if !served.breaks_off {
        return response.body(served.body.into()).unwrap();
    }
    let breaks = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("the exporter has ended"))
    };
    let body = stream::iter([Ok(served.body)]).chain(stream::once(breaks));
    response.body(Body::from_stream(body)).unwrap()
}

struct Running {
    observations: mpsc::Receiver<Observation>,
    intake: Arc<Intake>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), homeostat_port::SourceError>>,
}

/// Runs a source whose time is `speed` times as fast as the wall's.
fn run(config: &str, speed: u32) -> Running {
    run_into(config, speed, 1000)
}

/// The same, with room for so many observations.
fn run_into(config: &str, speed: u32, capacity: usize) -> Running {
    let config: ScrapeConfig = serde_saphyr::from_str(config).unwrap();
    let (sink, observations) = ObservationSink::bounded(capacity);
    let stop = CancellationToken::new();
    let (intake, stopped) = (Arc::<Intake>::default(), stop.clone());
    let source = Scrape::new(config, Clock::starting(Timestamp::from_millis(1_700_000_000_000), speed), intake.clone());
    let task = tokio::spawn(async move { source.run(&sink, &stopped).await });
    Running { observations, intake, stop, task }
}

/// How many requests ended like that.
fn requests(running: &Running, how: &str) -> u64 {
    let all = running.intake.all();
    all.iter()
        .find(|(counted, label, _)| *counted == Counted::Requests && *label == how)
        .map_or(0, |(.., count)| *count)
}

impl Running {
    async fn next(&mut self) -> Observation {
        tokio::time::timeout(PATIENCE, self.observations.recv()).await.expect("no observation").expect("it has ended")
    }

    /// The next sample of `metric`.
    async fn sample(&mut self, metric: &str) -> (String, f64, Timestamp) {
        loop {
            if let Observation::Sample(sample) = self.next().await
                && sample.metric.as_str() == metric
            {
                return (sample.resource.to_string(), sample.value, sample.time);
            }
        }
    }

    /// The next event: its type, its resource and what went wrong.
    async fn event(&mut self) -> (String, String, String) {
        loop {
            if let Observation::Event(event) = self.next().await {
                let error = event.attributes.get("error").map(ToString::to_string).unwrap_or_default();
                return (event.event_type.to_string(), event.resource.to_string(), error);
            }
        }
    }
}

#[tokio::test]
async fn a_target_is_scraped_and_says_when_it_is_down_and_up() {
    let exporter = Exporter::start(page("load 1.5\nother 2\nold 3 1600000000000\n")).await;
    let config = format!(
        "{{targets: ['{}'], interval: 100ms, labels: {{rack: r1}}, mapping: {{resource: ['host/${{labels.rack}}'], \
         series: [{{match: load}}, {{match: old}}]}}}}",
        exporter.address
    );
    let mut running = run(&config, 1);
    let mut first = BTreeMap::new();
    for _ in 0..4 {
        let Observation::Sample(sample) = running.next().await else { panic!("not a sample") };
        assert_eq!(sample.resource.as_str(), "host/r1");
        first.insert(sample.metric.to_string(), (sample.value, sample.time));
    }
    let time = first["load"].1;
    assert_eq!(first["load"].0, 1.5);
    assert_eq!(first["up"], (1.0, time));
    assert_eq!(first["old"].1, Timestamp::from_millis(1_600_000_000_000), "the page's time is honoured");
    assert!((0.0..1.0).contains(&first["scrape.duration"].0) && first["scrape.duration"].1 == time);
    // It is scraped every 100 ms, at no other time.
    let (_, _, second) = running.sample("load").await;
    let (_, _, third) = running.sample("load").await;
    let apart = third.since(second).as_millis();
    assert!((50..1000).contains(&apart), "{apart} ms apart");

    exporter.serve(Served { status: 500, body: b"broken\nfor long".into(), ..Served::default() });
    let (event_type, resource, error) = running.event().await;
    assert_eq!((&*event_type, &*resource), ("source.down", "host/r1"));
    assert!(error.contains("500") && error.contains("broken") && !error.contains("long"), "{error}");
    assert_eq!(running.sample("up").await.1, 0.0);

    // Nothing is made up while it is down, and it is told of once.
    exporter.serve(page("load 2\n"));
    loop {
        match running.next().await {
            Observation::Event(event) => {
                assert_eq!(event.event_type.as_str(), "source.up");
                break;
            }
            Observation::Sample(sample) if sample.metric.as_str() == "load" => assert_eq!(sample.value, 2.0),
            _ => {}
        }
    }
    assert!(requests(&running, "ok") >= 4 && requests(&running, "failed") >= 1, "{:?}", running.intake);
    let (taken, unmapped) = (running.intake.taken(), running.intake.passed_over(PassedOver::Unmapped));
    assert!(unmapped >= 3 && taken > unmapped, "{:?}", running.intake);
    running.stop.cancel();
    tokio::time::timeout(PATIENCE, running.task).await.expect("it does not stop").unwrap().unwrap();
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_scrape_that_fails_says_why() {
    let open = ("content-type", "application/openmetrics-text; version=1.0.0".to_owned());
    let gzip = ("content-encoding", "gzip".to_owned());
    let bomb = gzipped(&vec![b'\n'; 1 << 20]);
    assert!(bomb.len() < 2000);
    for (served, problem) in [
        (Served { status: 404, ..Served::default() }, "404 Not Found"),
        (Served { status: 302, headers: vec![("location", "/".into())], ..Served::default() }, "302 Found"),
        (page(&"a 1\n".repeat(11)), "more than 10 samples"),
        (page(&"#\n".repeat(1001)), "more than 2000 bytes"),
        (Served { headers: vec![gzip.clone()], body: bomb, ..page("") }, "more than 2000 bytes"),
        (Served { headers: vec![gzip.clone()], ..page("a 1\n") }, "cannot be unpacked"),
        (Served { headers: vec![("content-encoding", "br".into())], ..page("a 1\n") }, "packed as `br`"),
        (Served { delay: Duration::from_secs(10), ..page("a 1\n") }, "not answered within 90ms"),
        (Served { breaks_off: true, ..page("a 1\n") }, "broke off"),
        (Served { headers: vec![open], ..page("a 1\n") }, "cut off"),
        (page("<html>\n"), "no line of its page"),
    ] {
        let exporter = Exporter::start(served.clone()).await;
        let config = format!(
            "{{targets: ['{}'], interval: 100ms, timeout: 90ms, sampleLimit: 10, bodyLimitBytes: 2000}}",
            exporter.address
        );
        let (event_type, resource, error) = run(&config, 1).event().await;
        assert_eq!((&*event_type, &*resource), ("source.down", "host/127.0.0.1"), "{problem}");
        assert!(error.contains(problem), "{problem}: {error}");
    }
    // A port that nobody listens on any more.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_, _, error) = run(&format!("{{targets: ['{address}'], interval: 100ms}}"), 1).event().await;
    assert!(error.contains("cannot be reached") && error.contains("refused"), "{error}");
}

/// Addresses that take connections and never answer, and whether they send the head of an answer before.
async fn black_holes(count: usize, head: &'static str) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                connection.write_all(head.as_bytes()).await.unwrap();
                held.push(connection);
            }
        });
    }
    addresses
}

#[tokio::test]
async fn targets_that_do_not_answer_do_not_hold_up_the_others() {
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nload 1\n"] {
        let good = Exporter::start(page("load 1\n")).await;
        let targets: Vec<String> = black_holes(40, head).await.iter().map(ToString::to_string).collect();
        let config = format!(
            "{{targets: ['{}', '{}'], interval: 1s, mapping: {{keepOthers: true}}}}",
            good.address,
            targets.join("', '")
        );
        let mut running = run(&config, 1);
        let mut times = Vec::new();
        for _ in 0..4 {
            times.push(running.sample("load").await.2);
        }
        for pair in times.windows(2) {
            let apart = pair[1].since(pair[0]).as_millis();
            assert!((900..1500).contains(&apart), "{head:?}: {apart} ms apart");
        }
    }
}

#[tokio::test]
async fn credentials_that_are_missing_are_no_fault_of_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let exporter = Exporter::start(page("load 7\n")).await;
    let config = format!(
        "{{targets: ['{}'], interval: 100ms, bearerToken: {{file: {}}}, mapping: {{keepOthers: true}}}}",
        exporter.address,
        token.display()
    );
    let mut running = run(&config, 1);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(running.observations.try_recv().is_err(), "nothing is known of the target");
    assert!(requests(&running, "withheld") >= 2);
    std::fs::write(&token, "s3cret\n").unwrap();
    assert_eq!(running.sample("load").await.1, 7.0);
    assert_eq!(running.sample("up").await.1, 1.0);
}

#[tokio::test]
async fn pages_that_wait_for_the_engine_are_few() {
    const SAMPLES: u64 = 1000;
    let mut targets = Vec::new();
    for number in 0..40 {
        let text: String = (0..SAMPLES).map(|sample| format!("m{sample}_{number} 1\n")).collect();
        targets.push(Exporter::start(page(&text)).await);
    }
    let addresses: Vec<String> = targets.iter().map(|target| target.address.to_string()).collect();
    let config = format!("{{targets: ['{}'], interval: 1s, mapping: {{keepOthers: true}}}}", addresses.join("', '"));
    // Room for less than a page, and nobody takes it.
    let running = run_into(&config, 1, 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let written = running.intake.taken();
    assert!(written <= 16 * SAMPLES, "{written} samples wait");
    assert!(targets.iter().all(|target| !target.asked.lock().unwrap().is_empty()));
}

#[tokio::test]
async fn it_asks_as_a_prometheus_does_and_shows_its_credentials() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
    let packed = gzipped(b"# TYPE load gauge\nload 7\n# EOF\n");
    let headers = vec![
        ("content-encoding", "gzip".into()),
        ("content-type", "application/openmetrics-text; version=1.0.0".into()),
    ];
    let exporter = Exporter::start(Served { headers, body: packed, ..page("") }).await;
    let config = format!(
        "{{targets: ['http://{}/probe?target=x'], interval: 100ms, bearerToken: {{file: {}}}, mapping: {{keepOthers: true}}}}",
        exporter.address,
        folder.path().join("token").display()
    );
    let mut running = run(&config, 1);
    let (resource, value, _) = running.sample("load").await;
    assert_eq!((&*resource, value), ("host/127.0.0.1", 7.0));
    let (uri, headers) = exporter.asked.lock().unwrap()[0].clone();
    assert_eq!(uri, "/probe?target=x");
    assert_eq!(headers["authorization"], "Bearer s3cret");
    assert_eq!(headers["accept-encoding"], "gzip");
    assert_eq!(headers["x-prometheus-scrape-timeout-seconds"], "0.1");
    let accept = headers["accept"].to_str().unwrap();
    assert!(accept.starts_with("application/openmetrics-text;version=1.0.0;") && accept.contains("version=0.0.4"));
}

#[tokio::test]
async fn targets_come_and_go_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.yaml");
    let (one, other) = (Exporter::start(page("load 1\n")).await, Exporter::start(page("load 2\n")).await);
    let list = |exporters: &[(&Exporter, &str)]| {
        let groups =
            exporters.iter().map(|(e, host)| format!("- {{targets: ['{}'], labels: {{host: {host}}}}}\n", e.address));
        std::fs::write(&file, groups.collect::<String>()).unwrap();
    };
    // Fifty times as fast: an interval and a look at the file take a tenth of a second.
    let config = format!(
        "{{targetsFile: {}, interval: 5s, mapping: {{resource: ['host/${{labels.host}}'], keepOthers: true}}}}",
        file.display()
    );
    let mut running = run(&config, 50);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(running.observations.try_recv().is_err(), "the file is not there yet");
    list(&[(&one, "one")]);
    assert_eq!(running.sample("load").await.0, "host/one");
    list(&[(&one, "one"), (&other, "other")]);
    while running.sample("load").await.0 != "host/other" {}
    // A file that is broken changes nothing.
    std::fs::write(&file, "- targets: [").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    while running.observations.try_recv().is_ok() {}
    while running.sample("load").await.0 != "host/one" {}
    while running.sample("load").await.0 != "host/other" {}
    list(&[(&other, "other")]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    while running.observations.try_recv().is_ok() {}
    let asked = one.asked.lock().unwrap().len();
    for _ in 0..3 {
        assert_eq!(running.sample("load").await.0, "host/other");
    }
    assert_eq!(one.asked.lock().unwrap().len(), asked, "it is not scraped any more");
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    for (config, problem) in [
        ("{}", "nothing to scrape"),
        ("{targets: []}", "nothing to scrape"),
        ("{targets: [a], interval: 10ms}", "the interval is 10ms"),
        ("{targets: [a], timeout: 20s}", "longer than the interval"),
        ("{targets: [a], timeout: 0s}", "the timeout 0s is longer than the interval 15s, or nothing"),
        ("{targets: ['https://a']}", "TLS is not built in"),
        ("{targets: [a], path: 'x y'}", "is not an address"),
        (
            "{targets: [a], bearerToken: {file: a}, basicAuth: {username: a, password: {file: b}}}",
            "leave one of them out",
        ),
        ("{targets: [a], target: b}", "unknown field"),
    ] {
        let error = serde_saphyr::from_str::<ScrapeConfig>(config).unwrap_err().to_string();
        assert!(error.contains(problem), "{config}: {error}");
    }
}
