//! The webhook, over a real socket.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use expect_test::{Expect, expect};
use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{ALERT_EVENTS, AlertmanagerConfig, Inlet, Intake, Memory, alertmanager};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::told::told;

/// A body as Alertmanager 0.28 sends it, with two alerts.
const GOOD: &str = r#"{
  "receiver": "homeostat", "status": "firing", "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0,
  "groupLabels": {}, "commonLabels": {"severity": "critical"}, "commonAnnotations": {}, "externalURL": "http://am:9093",
  "alerts": [
    {"status": "firing", "labels": {"alertname": "Hot", "instance": "h1:9100", "severity": "critical"},
     "annotations": {"summary": "h1 is hot"}, "startsAt": "2023-11-14T22:13:20.123Z", "endsAt": "0001-01-01T00:00:00Z",
     "generatorURL": "http://prom:9090/graph", "fingerprint": "1a30ba71cca2921f"},
    {"status": "resolved", "labels": {"alertname": "Down", "container": "web", "resource": "cpu"},
     "annotations": {}, "startsAt": "2023-11-14T22:13:20Z", "endsAt": "2023-11-14T22:20:00Z",
     "generatorURL": "", "fingerprint": "2b30ba71cca2921f"}
  ]
}"#;

struct Hook {
    address: SocketAddr,
    receiver: mpsc::Receiver<Observation>,
    intake: Arc<Intake>,
}

struct Answer {
    status: u16,
    retry_after: Option<String>,
    allow: Option<String>,
    body: String,
}

/// Serves a webhook whose sink has room for `capacity` observations.
async fn serve(config: &str, capacity: usize) -> Hook {
    let config: AlertmanagerConfig = serde_json::from_str(config).unwrap();
    let (sink, receiver) = ObservationSink::bounded(capacity);
    let clock = Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1);
    let intake = Arc::<Intake>::default();
    let router =
        alertmanager(config, Inlet { sink, clock, intake: intake.clone(), token: None, memory: Memory::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Hook { address, receiver, intake }
}

impl Hook {
    async fn post(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", body.into()).await
    }

    async fn send(&self, method: &'static str, body: Vec<u8>) -> Answer {
        let url = format!("http://{}/webhook/alertmanager", self.address);
        let call = move || {
            let agent: ureq::Agent =
                ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
            let mut response =
                if method == "POST" { agent.post(&url).send(&body) } else { agent.get(&url).call() }.unwrap();
            let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
            let (retry_after, allow) = (header("retry-after"), header("allow"));
            let status = response.status().as_u16();
            Answer { status, retry_after, allow, body: response.body_mut().read_to_string().unwrap() }
        };
        tokio::task::spawn_blocking(call).await.unwrap()
    }

    /// Posts the rest of a request as it is, and gives the begin of the answer.
    async fn raw(&self, rest: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("POST /webhook/alertmanager HTTP/1.1\r\nHost: x\r\n{rest}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut answer)).await;
        let length = read.expect("no answer").unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    fn received(&mut self) -> Vec<Observation> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }
}

#[tokio::test]
async fn alerts_become_events_once() {
    let mut hook = serve("{}", 16).await;
    let answer = hook.post(GOOD).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"accepted":2,"repeated":0,"refused":[]}"#));
    let events: Vec<String> = hook.received().iter().map(|one| told(one).replace(", \"", ",\n    \"")).collect();
    // The time is that of the reception, which moves on.
    let events: Vec<String> = events.iter().map(|event| without_time(event)).collect();
    expect![[r#"
        host/h1 alert.firing at reception, id 1a30ba71cca2921f@2023-11-14T22:13:20.123Z:alert.firing, {"alertname": Text("Hot"),
            "annotation_summary": Text("h1 is hot"),
            "fingerprint": Text("1a30ba71cca2921f"),
            "generatorURL": Text("http://prom:9090/graph"),
            "instance": Text("h1:9100"),
            "severity": Text("critical"),
            "startsAt": Text("2023-11-14T22:13:20.123Z")}
        container/web alert.resolved at reception, id 2b30ba71cca2921f@2023-11-14T22:13:20Z:alert.resolved, {"alertname": Text("Down"),
            "container": Text("web"),
            "endsAt": Text("2023-11-14T22:20:00Z"),
            "fingerprint": Text("2b30ba71cca2921f"),
            "resource": Text("cpu"),
            "startsAt": Text("2023-11-14T22:13:20Z")}"#]].assert_eq(&events.join("\n"));

    // Alertmanager repeats; a server in another time zone says the same.
    let repeated = GOOD.replace("2023-11-14T22:13:20.123Z", "2023-11-14T23:13:20.123+01:00");
    let answer = hook.post(repeated).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"accepted":0,"repeated":2,"refused":[]}"#));
    assert!(hook.received().is_empty());

    // The end of an alert, and its return, are something new.
    for (from, to) in [("\"firing\", \"labels\"", "\"resolved\", \"labels\""), ("22:13:20.123Z", "22:45:00Z")] {
        let answer = hook.post(GOOD.replace(from, to)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"accepted":1,"repeated":1,"refused":[]}"#));
    }
    let types: Vec<String> = hook
        .received()
        .into_iter()
        .map(|observation| match observation {
            Observation::Event(event) => event.event_type.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(types, [ALERT_EVENTS[1], ALERT_EVENTS[0]]);
}

/// Leaves out what differs from one run to the next: the milliseconds since the start.
fn without_time(event: &str) -> String {
    let (before, after) = event.split_once(" at 17000000").unwrap();
    let (_, after) = after.split_once(',').unwrap();
    format!("{before} at reception,{after}")
}

#[tokio::test]
async fn one_bad_alert_is_refused_alone() {
    let mut hook = serve(r#"{"mapping": {"resource": ["vm/${annotations.vm}"]}}"#, 16).await;
    let alert = |change: &str| {
        let mut alert = serde_json::json!({"status": "firing", "labels": {"resource": "vm/v1"}, "annotations": {"vm": ""},
            "startsAt": "2023-11-14T22:13:20Z", "fingerprint": change});
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        alert.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        alert
    };
    let alerts: Vec<serde_json::Value> = [
        "{}",
        r#"{"status": "pending"}"#,
        r#"{"labels": {"resource": 7}}"#,
        r#"{"labels": {"tier": "web", "team": "a"}}"#,
        r#"{"labels": {"resource": "web"}}"#,
        r#"{"annotations": {"vm": "v 1"}}"#,
        r#"{"startsAt": "today"}"#,
        r#"{"fingerprint": null}"#,
        r#"{"fingerprint": ""}"#,
        r#"{"annotations": null, "generatorURL": null, "unknown": 1}"#,
        r#"{"annotations": {"vm": "v2"}}"#,
    ]
    .into_iter()
    .map(alert)
    .chain([serde_json::json!(["firing"])])
    .collect();
    let body = serde_json::json!({"version": "4", "truncatedAlerts": 3, "alerts": alerts});
    let answer = hook.post(serde_json::to_vec(&body).unwrap()).await;
    assert_eq!(answer.status, 200);
    expect![[r#"
        {
          "accepted": 3,
          "refused": [
            {
              "index": 1,
              "reason": "alerts[1].status (line 1, column 287): unknown variant `pending`, expected `firing` or `resolved`; an alert has status, labels, startsAt and fingerprint, as Alertmanager 0.17 and later send them"
            },
            {
              "index": 2,
              "reason": "alerts[2].labels.resource (line 1, column 384): invalid type: integer `7`, expected a string; an alert has status, labels, startsAt and fingerprint, as Alertmanager 0.17 and later send them"
            },
            {
              "index": 3,
              "reason": "alerts[3].labels: it names no resource: `labels.resource`, `annotations.vm` are missing; the alert has `labels.team`, `labels.tier`, `annotations.vm`; add one that is missing, or a template over what there is to mapping.resource; labels are added in the alerting rule, under `labels:`"
            },
            {
              "index": 4,
              "reason": "alerts[4].labels: `web` is not a resource id: it has no `/`; write kind/name, such as vm/web-1; it was made by `${labels.resource}`: correct what it is made of, or add a template to mapping.resource; labels are added in the alerting rule, under `labels:`"
            },
            {
              "index": 5,
              "reason": "alerts[5].labels: `v 1` is not a resource id: the character ' ' is not allowed; letters, digits and `-._:/@+` are; it was made by `vm/${annotations.vm}`: correct what it is made of, or add a template to mapping.resource; labels are added in the alerting rule, under `labels:`"
            },
            {
              "index": 6,
              "reason": "alerts[6].startsAt (line 1, column 1058): `today` is not a time such as 2023-11-14T22:13:20Z; an alert has status, labels, startsAt and fingerprint, as Alertmanager 0.17 and later send them"
            },
            {
              "index": 7,
              "reason": "alerts[7].fingerprint (line 1, column 1121): invalid type: null, expected a string; an alert has status, labels, startsAt and fingerprint, as Alertmanager 0.17 and later send them"
            },
            {
              "index": 8,
              "reason": "alerts[8].fingerprint: the fingerprint is empty; an alert has status, labels, startsAt and fingerprint, as Alertmanager 0.17 and later send them"
            },
            {
              "index": 11,
              "reason": "alerts[11] (line 1, column 1708): the alert is a list, not an object; an alert has status, labels, startsAt and fingerprint, as Alertmanager 0.17 and later send them"
            }
          ],
          "repeated": 0
        }"#]].assert_eq(&pretty(&answer.body));
    let resources: Vec<String> =
        hook.received().iter().map(|one| told(one).split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(resources, ["vm/v1", "vm/v1", "vm/v2"]);
}

fn pretty(json: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap()
}

#[tokio::test]
async fn a_body_full_of_bad_alerts_costs_little_and_the_good_one_in_it_arrives() {
    let mut hook = serve("{}", 16).await;
    let good = r#"{"status":"firing","labels":{"vm":"v1"},"startsAt":"2023-11-14T22:13:20Z","fingerprint":"f"}"#;
    let bad = "7,".repeat(500_000);
    let began = std::time::Instant::now();
    let answer = hook.post(format!("{{\"version\":\"4\",\"alerts\":[{bad}{good},{{}}]}}")).await;
    // Half a second as a rule; half a minute with work that grows with the square of the body.
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &told["accepted"], &told["moreRefused"]), (200, &1.into(), &499_901.into()));
    assert_eq!(told["refused"].as_array().unwrap().len(), 100);
    assert!(answer.body.len() < 100_000, "{} bytes", answer.body.len());
    assert_eq!(hook.received().len(), 1);
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_with_a_reason() {
    let mut hook = serve("{}", 16).await;
    let check = async |hook: &Hook, body: Vec<u8>, expected: Expect| {
        let answer = hook.post(body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        expected.assert_eq(&pretty(&answer.body));
    };
    check(
        &hook,
        b"".to_vec(),
        expect![[r#"
        {
          "column": 1,
          "error": "it is not JSON: EOF while parsing a value",
          "help": "post the JSON that Alertmanager's webhook_configs sends",
          "line": 1
        }"#]],
    )
    .await;
    check(
        &hook,
        b"{\n  \"version\": \"4\",\n  alerts: []\n}".to_vec(),
        expect![[r#"
            {
              "column": 3,
              "error": "it is not JSON: key must be a string",
              "help": "post the JSON that Alertmanager's webhook_configs sends",
              "line": 3
            }"#]],
    )
    .await;
    check(&hook, GOOD.replace("\"version\": \"4\"", "\"version\": \"5\"").into(), expect![[r#"
        {
          "column": 59,
          "error": "the version is \"5\"",
          "help": "homeostat reads version \"4\" of Alertmanager's webhook payload; post that, or look for a newer homeostat",
          "line": 2,
          "path": "version"
        }"#]]).await;
    check(&hook, GOOD.replace("\"version\": \"4\"", "\"version\": 4").into(), expect![[r#"
        {
          "column": 59,
          "error": "the version is 4",
          "help": "homeostat reads version \"4\" of Alertmanager's webhook payload; post that, or look for a newer homeostat",
          "line": 2,
          "path": "version"
        }"#]]).await;
    check(&hook, b"{\"alerts\": []}".to_vec(), expect![[r#"
        {
          "error": "the version is not given",
          "help": "homeostat reads version \"4\" of Alertmanager's webhook payload; post that, or look for a newer homeostat",
          "path": "version"
        }"#]]).await;
    check(
        &hook,
        b"{\"version\": \"4\"}".to_vec(),
        expect![[r#"
        {
          "column": 16,
          "error": "missing field `alerts`",
          "help": "post the JSON that Alertmanager's webhook_configs sends",
          "line": 1
        }"#]],
    )
    .await;
    check(
        &hook,
        b"{\"version\": \"4\",\n \"alerts\": {}}".to_vec(),
        expect![[r#"
        {
          "column": 11,
          "error": "invalid type: map, expected a sequence",
          "help": "post the JSON that Alertmanager's webhook_configs sends",
          "line": 2,
          "path": "alerts"
        }"#]],
    )
    .await;
    check(
        &hook,
        b"{\"version\": \"4\", \"alerts\": [], \"truncatedAlerts\": -1}".to_vec(),
        expect![[r#"
        {
          "column": 52,
          "error": "invalid value: integer `-1`, expected u64",
          "help": "post the JSON that Alertmanager's webhook_configs sends",
          "line": 1,
          "path": "truncatedAlerts"
        }"#]],
    )
    .await;
    check(
        &hook,
        b"{\"version\": \"4\", \"alerts\": []} x".to_vec(),
        expect![[r#"
        {
          "column": 32,
          "error": "it is not JSON: trailing characters",
          "help": "post the JSON that Alertmanager's webhook_configs sends",
          "line": 1
        }"#]],
    )
    .await;
    check(
        &hook,
        b"[]".to_vec(),
        expect![[r#"
            {
              "column": 1,
              "error": "invalid type: sequence, expected an object",
              "help": "post the JSON that Alertmanager's webhook_configs sends",
              "line": 1
            }"#]],
    )
    .await;
    check(
        &hook,
        b"{\"version\": \"4\", \"alerts\": [[]".to_vec(),
        expect![[r#"
        {
          "column": 30,
          "error": "it is not JSON: EOF while parsing a list",
          "help": "post the JSON that Alertmanager's webhook_configs sends",
          "line": 1
        }"#]],
    )
    .await;
    check(
        &hook,
        b"\"\xff\"".to_vec(),
        expect![[r#"
        {
          "error": "the body is not UTF-8 from byte 1 on",
          "help": "post the JSON that Alertmanager's webhook_configs sends"
        }"#]],
    )
    .await;
    assert!(hook.received().is_empty());
}

#[tokio::test]
async fn other_methods_and_large_bodies_are_refused() {
    let hook = serve("{}", 16).await;
    let answer = hook.send("GET", Vec::new()).await;
    assert_eq!((answer.status, answer.allow.as_deref()), (405, Some("POST")));
    assert!(answer.body.contains("POST Alertmanager's payload"), "{}", answer.body);

    let mut body = GOOD.as_bytes().to_vec();
    body.resize(1 << 20, b' ');
    assert_eq!(hook.post(body).await.status, 200);
    // One byte more is refused where it is announced, without waiting for the rest, and where it is not.
    let length = (1 << 20) + 1;
    let answer = hook.raw(&format!("Content-Length: {length}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("max_alerts"), "{answer}");
    let spaces = " ".repeat(length);
    let answer = hook.raw(&format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{spaces}")).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("max_alerts"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let hook = serve("{}", 16).await;
    let answer = hook.raw("Content-Length: 100\r\n\r\n{\"version\"").await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("within 5 seconds"), "{answer}");
}

#[tokio::test]
async fn without_room_the_sender_is_asked_to_come_again_and_nothing_is_lost_or_doubled() {
    let mut hook = serve("{}", 1).await;
    let answer = hook.post(GOOD).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("5")));
    assert!(answer.body.contains("the engine is behind"), "{}", answer.body);
    let first = hook.received();
    let answer = hook.post(GOOD).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"accepted":1,"repeated":1,"refused":[]}"#));
    let all: Vec<String> = first.iter().chain(&hook.received()).map(told).collect();
    assert_eq!(all.len(), 2);
    assert!(all[0].starts_with("host/h1") && all[1].starts_with("container/web"), "{all:?}");

    hook.receiver.close();
    let answer = hook.post(GOOD.replace("22:13:20", "22:13:21")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("shutting down"), "{}", answer.body);
}

#[tokio::test]
async fn of_a_group_that_comes_again_what_is_new_is_taken() {
    let mut hook = serve("{}", 16).await;
    let alert = |vm: &str, status: &str, starts: &str| serde_json::json!({"status": status, "labels": {"vm": vm}, "startsAt": starts, "fingerprint": vm, "endsAt": starts});
    let (first, later) = ("2023-11-14T22:13:20Z", "2023-11-14T22:50:00Z");
    let (a, b) = (alert("a", "firing", first), alert("b", "firing", first));
    let resolved = |vm| alert(vm, "resolved", first);
    for (alerts, expected) in [
        (vec![a.clone()], vec!["vm/a alert.firing"]),
        (vec![a.clone()], vec![]),
        (vec![a.clone(), b.clone()], vec!["vm/b alert.firing"]),
        (vec![resolved("a"), b.clone()], vec!["vm/a alert.resolved"]),
        (vec![resolved("a"), b.clone(), b.clone()], vec![]),
        (vec![alert("a", "firing", later), resolved("b")], vec!["vm/a alert.firing", "vm/b alert.resolved"]),
    ] {
        let body = serde_json::json!({"version": "4", "alerts": alerts});
        let answer = hook.post(serde_json::to_vec(&body).unwrap()).await;
        let repeated = alerts.len() - expected.len();
        let (accepted, told_of) =
            (expected.len(), format!("{{\"accepted\":{},\"repeated\":{repeated},\"refused\":[]}}", expected.len()));
        assert_eq!((answer.status, answer.body.as_str()), (200, told_of.as_str()), "{body}");
        let came: Vec<String> = hook.received().iter().map(told).collect();
        assert!(
            came.len() == accepted && came.iter().zip(&expected).all(|(one, begin)| one.starts_with(begin)),
            "{came:?}"
        );
    }
    let intake = &hook.intake;
    assert_eq!((intake.received(), intake.taken(), intake.repeated()), (11, 5, 6));
}

#[tokio::test]
async fn many_requests_without_room_do_not_wait_for_each_other() {
    let hook = serve("{}", 1).await;
    assert_eq!(hook.post(GOOD).await.status, 503);
    let began = std::time::Instant::now();
    let bodies = (10..18).map(|second| GOOD.replace("22:13:20", &format!("22:14:{second}")));
    let answers = futures_util::future::join_all(bodies.map(|body| hook.post(body))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn a_configuration_that_cannot_work_says_why() {
    for (json, problem) in [
        (r#"{"path": "webhook"}"#, "`webhook` is not the path of a webhook; it begins with /"),
        (r#"{"path": "/hook/{id}"}"#, "is not the path of a webhook"),
        (r#"{"paht": "/hook"}"#, "unknown field `paht`"),
        (r#"{"mapping": {"resource": ["vm/${x"]}}"#, "the variable has no end"),
    ] {
        let error = serde_json::from_str::<AlertmanagerConfig>(json).unwrap_err().to_string();
        assert!(error.contains(problem), "{json}: {error}");
    }
    let config: AlertmanagerConfig = serde_json::from_str("{}").unwrap();
    assert_eq!(config.name, "alertmanager");
}
