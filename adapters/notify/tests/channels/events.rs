//! CloudEvents, and what every channel over HTTP does about a bad receiver.

use std::{sync::Arc, time::Duration};

use homeostat_model::Severity;
use homeostat_notify::{CloudEvents, CloudEventsConfig};
use serde_json::json;

use super::{
    Running, a_day, is_now, millis, notification,
    receiver::{Answer, Receiver},
};

fn channel(url: &str, more: &str) -> Arc<CloudEvents> {
    let config: CloudEventsConfig =
        serde_json::from_str(&format!(r#"{{"url": "{url}", "timeout": "300ms"{more}}}"#)).unwrap();
    Arc::new(CloudEvents::new(config))
}

#[tokio::test]
async fn a_notification_becomes_a_structured_event_with_a_token_and_headers() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "Hunter2\n").unwrap();
    let receiver = Receiver::start([]).await;
    let more =
        format!(r#", "token": {{"file": "{}"}}, "headers": {{"X-Team": "infra"}}, "source": "/dc1""#, token.display());
    let mut running = Running::start(channel(&receiver.url(), &more), a_day());
    let told = notification(7, Severity::Critical, "vm/web-1 is \"hot\"");
    running.outbox.hand(told.clone());
    assert_eq!(running.report().await.given_up, None);
    let requests = receiver.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    for part in [
        "post /in http/1.1",
        "content-type: application/cloudevents+json; charset=utf-8",
        "authorization: bearer hunter2",
        "x-team: infra",
    ] {
        assert!(request.head.contains(part), "{part}: {}", request.head);
    }
    let mut body = request.body.clone();
    assert!(is_now(millis(&body["time"])) && millis(&body["time"]) == told.at.as_millis());
    let (time, id) = (body["time"].take(), format!("n1-7.{}", told.at.as_millis()));
    let data = json!({
        "id": id, "time": time, "severity": "critical", "policy": "too-hot", "resource": "vm/web-1",
        "message": "vm/web-1 is \"hot\"",
    });
    let expected = json!({
        "specversion": "1.0", "id": id, "source": "/dc1", "type": "dev.homeostat.notification.v1",
        "subject": "vm/web-1", "time": null, "datacontenttype": "application/json", "data": data,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn whatever_a_receiver_does_everything_arrives_with_the_same_id_each_time() {
    let elsewhere = Receiver::start([]).await;
    let receiver = Receiver::start([
        Answer::Say(503, "not now"),
        Answer::Hang,
        Answer::Die,
        Answer::Redirect(elsewhere.url()),
        Answer::Say(400, "what?"),
    ])
    .await;
    let mut running = Running::start(channel(&receiver.url(), ""), a_day());
    let count = 6;
    for number in 1..=count {
        running.outbox.hand(notification(number, Severity::Info, &number.to_string()));
    }
    let mut delivered: Vec<u64> = Vec::new();
    for _ in 0..count {
        let report = running.report().await;
        assert_eq!(report.given_up, None);
        delivered.push(report.notification.number);
    }
    delivered.sort_unstable();
    assert_eq!(delivered, (1..=count).collect::<Vec<_>>());
    let requests = receiver.requests();
    assert_eq!(requests.len(), 11, "each of the five was tried once more");
    let mut ids: Vec<&str> = requests.iter().map(|request| request.body["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    assert!(elsewhere.requests().is_empty(), "a redirect is not followed");
    let figures = running.tally.figures();
    assert_eq!((figures.delivered, figures.failed, figures.given_up, figures.waiting), (6, 5, 0, 0));
}

#[tokio::test]
async fn a_receiver_that_dies_and_comes_back_gets_everything() {
    let receiver = Receiver::start([Answer::Hang]).await;
    let address = receiver.address;
    let mut running = Running::start(channel(&receiver.url(), ""), a_day());
    running.outbox.hand(notification(1, Severity::Info, "1"));
    receiver.until(|requests| requests.len() == 1).await;
    drop(receiver);
    running.outbox.hand(notification(2, Severity::Info, "2"));
    running.outbox.hand(notification(2, Severity::Info, "2"));
    tokio::time::sleep(Duration::from_millis(800)).await;
    let figures = running.tally.figures();
    assert!(figures.failed >= 2 && figures.waiting == 2, "{figures:?}");
    assert!(figures.oldest.is_some());
    let receiver = Receiver::start_at(address, []).await;
    for _ in 0..2 {
        assert_eq!(running.report().await.given_up, None);
    }
    assert_eq!(receiver.requests().len(), 2, "what was handed in twice waits once");
    assert_eq!(running.tally.figures().oldest, None);
}

#[tokio::test]
async fn what_is_too_old_is_given_up_and_says_why() {
    let receiver = Receiver::start(std::iter::repeat_n(Answer::Say(500, "broken\nand more"), 50)).await;
    let mut running = Running::start(channel(&receiver.url(), ""), homeostat_model::Duration::from_secs(2));
    running.outbox.hand(notification(1, Severity::Info, "1"));
    let reason = running.report().await.given_up.unwrap();
    assert!(
        reason.contains("not delivered within 2s in ") && reason.contains("500") && reason.contains(": broken;"),
        "{reason}"
    );
    let figures = running.tally.figures();
    assert_eq!((figures.given_up, figures.waiting, figures.delivered), (1, 0, 0));
    assert!(figures.failed >= 2);
}

#[tokio::test]
async fn what_waits_goes_over_to_a_channel_that_takes_its_place() {
    let receiver = Receiver::start([]).await;
    let first = Running::start(channel("http://127.0.0.1:1/", ""), a_day());
    first.outbox.hand(notification(1, Severity::Info, "1"));
    while first.tally.figures().failed == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = first.outbox.take();
    assert_eq!(left.len(), 1);
    let mut second = Running::start(channel(&receiver.url(), ""), a_day());
    left.into_iter().for_each(|one| second.outbox.hand(one));
    assert_eq!(second.report().await.notification.number, 1);
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    for (text, problem) in [
        (r#"{"url": "example.org"}"#, "is not a URL"),
        (r#"{}"#, "missing field `url`"),
        (r#"{"url": "http://h/", "token": "hunter2"}"#, "invalid type: string"),
        (r#"{"url": "http://h/", "headers": {"Authorization": "x"}}"#, "as `token`"),
        (r#"{"url": "http://h/", "headers": {"A B": "x"}}"#, "cannot be a header"),
        (r#"{"url": "http://h/", "nam": "x"}"#, "unknown field `nam`"),
        (r#"{"url": "http://h/", "minSeverity": "loud"}"#, "unknown variant `loud`"),
    ] {
        let error = serde_json::from_str::<CloudEventsConfig>(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}
