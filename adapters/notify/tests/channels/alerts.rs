//! Alerts as an Alertmanager is told of them.

use std::{sync::Arc, time::Duration};

use homeostat_model::Severity;
use homeostat_notify::{Alertmanager, AlertmanagerConfig, Notifier as _};
use homeostat_port::Clock;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Running, a_day, millis, notification,
    receiver::{Answer, Receiver, Request},
};

fn channel(receiver: &Receiver, more: &str) -> Arc<Alertmanager> {
    let text = format!(r#"{{"url": "{}", "timeout": "300ms", "labels": {{"site": "dc1"}}{more}}}"#, receiver.url());
    let config: AlertmanagerConfig = serde_json::from_str(&text).unwrap();
    Arc::new(Alertmanager::new(config, Clock::system()))
}

/// The alerts of a request, each with whether it is still open.
fn alerts(request: &Request) -> Vec<(Value, bool)> {
    let now = Clock::system().now().as_millis();
    request.body.as_array().unwrap().iter().map(|alert| (alert.clone(), millis(&alert["endsAt"]) > now)).collect()
}

#[tokio::test]
async fn an_alert_is_posted_again_while_it_is_open_and_ended_when_it_is_over() {
    let receiver = Receiver::start([]).await;
    let mut running = Running::start(channel(&receiver, r#", "resendEvery": "1s", "keepFor": "0s""#), a_day());
    let told = notification(1, Severity::Warning, "hot");
    running.outbox.hand(told.clone());
    running.report().await;
    let requests = receiver.until(|requests| requests.len() >= 3).await;
    for request in &requests {
        assert!(request.head.starts_with("post /in/api/v2/alerts "), "{}", request.head);
        let [(alert, open)] = alerts(request).try_into().unwrap();
        assert!(open, "{alert}");
        let expected = serde_json::json!({
            "alertname": "too-hot", "policy": "too-hot", "kind": "vm", "resource": "vm/web-1", "severity": "warning", "site": "dc1",
        });
        assert_eq!(alert["labels"], expected);
        assert_eq!(
            (alert["annotations"]["summary"].as_str(), millis(&alert["startsAt"])),
            (Some("hot"), told.at.as_millis())
        );
    }
    running.outbox.resolved(&told.topic());
    let requests = receiver.until(|requests| alerts(requests.last().unwrap()).iter().all(|(_, open)| !open)).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(receiver.requests().len(), requests.len(), "what is over is not posted again");
}

#[tokio::test]
async fn an_alert_that_is_over_at_once_stays_long_enough_to_be_noticed() {
    let receiver = Receiver::start([]).await;
    let mut running = Running::start(channel(&receiver, r#", "keepFor": "2s""#), a_day());
    let told = notification(1, Severity::Warning, "hot");
    running.outbox.hand(told.clone());
    running.outbox.resolved(&told.topic());
    running.report().await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let open: Vec<bool> = receiver.requests().iter().flat_map(alerts).map(|(_, open)| open).collect();
    assert_eq!(open, [true]);
    let requests = receiver.until(|requests| requests.len() == 2).await;
    assert!(!alerts(&requests[1])[0].1);
}

#[tokio::test]
async fn what_was_over_before_the_alertmanager_could_be_told_is_told_and_ended() {
    let receiver = Receiver::start([Answer::Say(503, ""), Answer::Say(503, "")]).await;
    let mut running = Running::start(channel(&receiver, r#", "keepFor": "1s""#), a_day());
    let told = notification(1, Severity::Warning, "hot");
    running.outbox.hand(told.clone());
    receiver.until(|requests| !requests.is_empty()).await;
    running.outbox.resolved(&told.topic());
    running.report().await;
    let requests = receiver.until(|requests| requests.len() == 4).await;
    let open: Vec<bool> = requests.iter().flat_map(alerts).map(|(_, open)| open).collect();
    // The ends of the first were ahead when they were posted.
    assert_eq!(open, [true, true, true, false]);
}

#[tokio::test]
async fn an_alert_that_comes_again_before_its_end_stays_open() {
    let receiver = Receiver::start([]).await;
    let mut running = Running::start(channel(&receiver, r#", "keepFor": "1s", "resendEvery": "1s""#), a_day());
    let told = notification(1, Severity::Warning, "hot");
    running.outbox.hand(told.clone());
    running.report().await;
    running.outbox.resolved(&told.topic());
    running.outbox.hand(notification(2, Severity::Warning, "hotter"));
    running.report().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let open: Vec<bool> = receiver.requests().iter().flat_map(alerts).map(|(_, open)| open).collect();
    assert!(open.len() >= 4 && open.iter().all(|open| *open), "{open:?}");
    assert!(receiver.requests().last().unwrap().body.to_string().contains("hotter"));
}

#[tokio::test]
async fn an_alert_of_somebody_who_is_gone_is_posted_at_once_and_kept_up_until_it_is_over() {
    let receiver = Receiver::start([Answer::Die]).await;
    let running = Running::start(channel(&receiver, r#", "resendEvery": "1s", "keepFor": "0s""#), a_day());
    let told = notification(1, Severity::Warning, "hot");
    let began = tokio::time::Instant::now();
    running.outbox.stands(&told);
    receiver.until(|requests| !requests.is_empty()).await;
    assert!(began.elapsed() < Duration::from_millis(900), "it waited for the interval: {:?}", began.elapsed());
    // The first one was lost.
    let requests = receiver.until(|requests| requests.len() >= 3).await;
    for (alert, open) in requests.iter().flat_map(alerts) {
        assert!(open && millis(&alert["startsAt"]) == told.at.as_millis(), "{alert}");
    }
    // Who says it again, as after a change of the configuration, changes nothing.
    running.outbox.stands(&told);
    running.outbox.resolved(&told.topic());
    let requests = receiver.until(|requests| alerts(requests.last().unwrap()).iter().all(|(_, open)| !open)).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(receiver.requests().len(), requests.len(), "what is over is not posted again");
}

#[tokio::test]
async fn an_alert_that_stands_and_was_not_delivered_yet_is_delivered_once() {
    let receiver = Receiver::start([Answer::Say(503, ""), Answer::Say(503, "")]).await;
    let mut running = Running::start(channel(&receiver, r#", "keepFor": "0s""#), a_day());
    let told = notification(1, Severity::Warning, "hot");
    running.outbox.stands(&told);
    running.outbox.hand(told.clone());
    running.outbox.resolved(&told.topic());
    running.report().await;
    let requests = receiver.until(|requests| requests.last().is_some_and(|last| !alerts(last)[0].1)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.requests().len(), requests.len(), "it is not opened again");
}

#[tokio::test]
async fn an_older_notification_that_arrives_late_does_not_open_again_what_is_over() {
    // The first try of each fails; which of the two comes first then is left to their pauses.
    let down = || Answer::Say(503, "");
    let receiver = Receiver::start([down(), down()]).await;
    let mut running = Running::start(channel(&receiver, r#", "keepFor": "0s", "resendEvery": "1s""#), a_day());
    let (first, second) = (notification(1, Severity::Warning, "hot"), notification(2, Severity::Warning, "hotter"));
    for told in [&first, &second] {
        running.outbox.hand(told.clone());
        running.outbox.resolved(&told.topic());
    }
    receiver.until(|requests| requests.len() >= 2).await;
    running.report().await;
    running.report().await;
    receiver.until(|requests| alerts(requests.last().unwrap()).iter().all(|(_, open)| !open)).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let requests = receiver.requests();
    assert!(alerts(requests.last().unwrap()).iter().all(|(_, open)| !open), "it is open again: {requests:?}");
}

#[tokio::test]
async fn what_is_over_is_not_forgotten_before_its_oldest_notification_has_arrived() {
    let receiver = Receiver::start([]).await;
    let channel = channel(&receiver, r#", "keepFor": "0s", "resendEvery": "1s""#);
    let (first, second) = (notification(1, Severity::Warning, "hot"), notification(2, Severity::Warning, "hotter"));
    for told in [&first, &second] {
        channel.handed(told);
        channel.resolved(&told.topic());
    }
    let (running, stop) = (channel.clone(), CancellationToken::new());
    let stopped = stop.clone();
    let task = tokio::spawn(async move { running.run(&stopped).await });
    channel.deliver(&second).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    channel.deliver(&first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let last = receiver.requests().pop().unwrap();
    assert!(alerts(&last).iter().all(|(_, open)| !open), "it is open again: {last:?}");
    stop.cancel();
    task.await.unwrap();
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    for (text, problem) in [
        (r#"{"url": "http://h", "labels": {"a-b": "x"}}"#, "`a-b` cannot be a label"),
        (r#"{"url": "http://h", "labels": {"severity": "x"}}"#, "none of homeostat's own"),
        (r#"{"url": "http://h", "resendEvery": "10ms"}"#, "at least 1s"),
        (r#"{"url": "http://h", "timeout": "0s"}"#, "nothing is delivered"),
        (r#"{"url": "http://h/?a=b"}"#, "is not a URL"),
    ] {
        let error = serde_json::from_str::<AlertmanagerConfig>(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}
