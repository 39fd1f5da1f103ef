//! What becomes of deliveries of CloudEvents: batches, repetitions, too much of it, no room, no token.

use std::time::Duration;

use expect_test::expect;
use homeostat_port::Secret;
use homeostat_sources::{CloudEventsConfig, Reason, Token};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc, time::timeout};

use super::hook::{BATCHED, Hook, PATIENCE, REQUIRED, STRUCTURED, event, serve};

#[tokio::test]
async fn of_a_batch_the_good_ones_are_taken() {
    let mut hook = serve("{}", 16, None).await;
    let with = |id: &str| event(&format!("{{\"id\": \"{id}\"}}"));
    let bad = event("{\"specversion\": \"0.3\"}");
    let batch = format!(" [{} , {bad},\n{},[7], 8,{}] ", with("a"), with("b"), with("a"));
    let answer = hook.post(BATCHED, &batch).await;
    expect![[r#"202 {"accepted":2,"repeated":1,"refused":[{"index":1,"reason":"[1].specversion (line 1, column 117): CloudEvents version 0.3 is not known; `specversion` has to be \"1.0\"; send it as the JSON event format of CloudEvents 1.0 says"},{"index":3,"reason":"[3] (line 2, column 75): the event is a list, not an object; send it as the JSON event format of CloudEvents 1.0 says"},{"index":4,"reason":"[4] (line 2, column 80): the event is a number, not an object; send it as the JSON event format of CloudEvents 1.0 says"}]}"#]].assert_eq(&format!("{} {}", answer.status, answer.body));
    assert_eq!(hook.received().len(), 2);
    let intake = &hook.intake;
    assert_eq!((intake.received(), intake.taken(), intake.repeated()), (6, 2, 1));
    assert_eq!((intake.refused(Reason::Unsupported), intake.refused(Reason::Malformed)), (1, 2));

    // "The batch MAY be empty." Of a torn one nothing is taken, and a refused one is refused as a whole.
    for (batch, expected) in [
        ("[]".to_owned(), 202),
        (" [ ] ".to_owned(), 202),
        (format!("[{},", with("c")), 400),
        (format!("[{}] x", with("c")), 400),
        (with("c"), 400),
        (format!("[{bad}]"), 400),
        (String::new(), 400),
    ] {
        let answer = hook.post(BATCHED, &batch).await;
        assert_eq!(answer.status, expected, "{batch}: {answer:?}");
        assert!(hook.received().is_empty(), "{batch}");
    }
}

#[tokio::test]
async fn an_event_is_named_by_its_source_and_id_in_every_mode() {
    let mut hook = serve("{}", 64, None).await;
    let structured = |source: &str, id: &str| event(&format!("{{\"source\": \"{source}\", \"id\": \"{id}\"}}"));
    for (taken, headers, body) in [
        (1, STRUCTURED, structured("/s", "1")),
        (0, STRUCTURED, structured("/s", "1")),
        (0, BATCHED, format!("[{}]", structured("/s", "1"))),
        (0, &format!("{REQUIRED}ce-subject: vm/v1\r\n"), String::new()),
        (1, STRUCTURED, structured("/s", "2")),
        (1, STRUCTURED, structured("/t", "1")),
        (1, STRUCTURED, structured("a", "b#c")),
        (1, STRUCTURED, structured("a#b", "c")),
        (0, STRUCTURED, structured("a#b", "c")),
    ] {
        let answer = hook.post(headers, &body).await;
        let expected = format!("{{\"accepted\":{taken},\"repeated\":{},\"refused\":[]}}", 1 - taken);
        assert_eq!((answer.status, answer.body.as_str()), (202, expected.as_str()), "{body}");
        assert_eq!(hook.received().len(), taken);
    }
}

/// A sink that nobody drains: each event arrives once in the end, whatever was refused in between.
#[tokio::test]
async fn without_room_senders_are_told_to_come_again_and_nothing_is_lost_or_doubled() {
    let mut hook = serve("{}", 3, None).await;
    let batch = |from: u32| {
        let events: Vec<String> = (from..from + 5).map(|id| event(&format!("{{\"id\": \"{id}\"}}"))).collect();
        format!("[{}]", events.join(","))
    };
    let mut arrived = Vec::new();
    let mut waiting = vec![batch(0), batch(5), event(r#"{"id": "10"}"#)];
    let mut refused = 0;
    while let Some(body) = waiting.first() {
        let mode = if body.starts_with('[') { BATCHED } else { STRUCTURED };
        let answer = hook.post(mode, body).await;
        match answer.status {
            202 => drop(waiting.remove(0)),
            503 => {
                assert!(
                    answer.head.contains("retry-after: 5") && answer.body.contains("the engine is behind"),
                    "{answer:?}"
                );
                refused += 1;
                // Only now somebody drains it, and not for long.
                arrived.extend(hook.received());
            }
            _ => panic!("{answer:?}"),
        }
    }
    arrived.extend(hook.received());
    let ids: Vec<String> =
        arrived.iter().map(|one| one.split("id /s#").nth(1).unwrap().split(',').next().unwrap().into()).collect();
    assert_eq!(ids, (0..11).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!((hook.intake.taken(), hook.intake.refused(Reason::Busy)), (11, refused));
    assert!(refused >= 3, "{refused}");

    hook.receiver.close();
    let answer = hook.post(STRUCTURED, event(r#"{"id": "11"}"#)).await;
    assert!(answer.status == 503 && answer.body.contains("shutting down"), "{answer:?}");
}

#[tokio::test]
async fn large_bodies_are_refused_before_they_are_read() {
    let mut hook = serve(r#"{"maxBodyBytes": 2048}"#, 16, None).await;
    // Nothing of it is sent: the announcement is enough.
    let answer =
        hook.raw(&format!("POST /webhook/cloudevents HTTP/1.1\r\n{STRUCTURED}Content-Length: 2049\r\n"), "").await;
    assert!(answer.status == 413 && answer.body.contains("larger than 2048 bytes"), "{answer:?}");
    // One that announces nothing is read until it is too large.
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 2049, " ".repeat(2049));
    let head = format!("POST /webhook/cloudevents HTTP/1.1\r\n{STRUCTURED}Transfer-Encoding: chunked\r\n");
    assert_eq!(hook.raw(&head, chunk).await.status, 413);
    assert_eq!(hook.intake.refused(Reason::TooLarge), 2);
    let mut body = event("{}").into_bytes();
    body.resize(2048, b' ');
    assert_eq!(hook.post(STRUCTURED, body).await.status, 202);
    assert_eq!(hook.received().len(), 1);

    for (config, problem) in [
        (r#"{"maxBodyBytes": 1023}"#, "from 1024 to 67108864 bytes"),
        (r#"{"maxBodyBytes": 67108865}"#, "from 1024 to 67108864 bytes"),
        (r#"{"path": "webhook"}"#, "is not the path of a webhook"),
        (r#"{"event": []}"#, "unknown field `event`"),
    ] {
        let error = serde_json::from_str::<CloudEventsConfig>(config).unwrap_err().to_string();
        assert!(error.contains(problem), "{config}: {error}");
    }
}

/// Ten megabytes of events in one batch are taken while the sink, which is small, is drained.
#[tokio::test]
async fn a_batch_of_ten_megabytes_is_taken_event_by_event() {
    const EVENTS: usize = 10_000;
    let hook = serve("{}", 64, None).await;
    let filler = "x".repeat(900);
    let events: Vec<String> =
        (0..EVENTS).map(|id| event(&format!("{{\"id\": \"{id}\", \"data\": {{\"filler\": \"{filler}\"}}}}"))).collect();
    let body = format!("[{}]", events.join(","));
    assert!((9 << 20..10 << 20).contains(&body.len()), "{}", body.len());
    let Hook { address, mut receiver, intake } = hook;
    let drained = tokio::spawn(async move {
        let mut came = 0;
        while came < EVENTS && timeout(PATIENCE, receiver.recv()).await.unwrap().is_some() {
            came += 1;
        }
        (came, receiver)
    });
    let (_, other) = mpsc::channel(1);
    let sender = Hook { address, receiver: other, intake: intake.clone() };
    let answer = sender.post(BATCHED, &body).await;
    assert_eq!((answer.status, answer.body), (202, format!("{{\"accepted\":{EVENTS},\"repeated\":0,\"refused\":[]}}")));
    assert_eq!((drained.await.unwrap().0, intake.taken()), (EVENTS, 10_000));

    // A single event of that size is nothing that anybody decides on.
    let large = event(&format!("{{\"data\": \"{}\"}}", "x".repeat(2 << 20)));
    for (mode, body) in [(STRUCTURED, large), (&format!("{REQUIRED}Content-Type: text/plain\r\n"), "x".repeat(2 << 20))]
    {
        let answer = sender.post(mode, body).await;
        assert!(answer.status == 413 && answer.body.contains("the event is larger than 1048576 bytes"), "{answer:?}");
    }
}

#[tokio::test]
async fn bodies_that_do_not_arrive_take_a_bounded_space() {
    let hook = serve(r#"{"maxBodyBytes": 4096}"#, 16, None).await;
    // Four of the largest size are waited for, and no more.
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(hook.address).await.unwrap();
        let head = format!("POST /webhook/cloudevents HTTP/1.1\r\nHost: x\r\n{STRUCTURED}Content-Length: 4096\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = hook.post(STRUCTURED, event("{}")).await;
    assert!(answer.status == 503 && answer.body.contains("other bodies"), "{answer:?}");
    drop(held);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(hook.post(STRUCTURED, event("{}")).await.status, 202);
}

#[tokio::test]
async fn whoever_has_no_token_is_not_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let hook = serve("{}", 16, Some(Token::read(&Secret::from_file(&file)).unwrap())).await;
    let body = event("{}");
    for (headers, expected) in
        [("", 401), ("Authorization: Bearer wrong!\r\n", 401), ("Authorization: Bearer s3cret\r\n", 202)]
    {
        let answer = hook.post(&format!("{STRUCTURED}{headers}"), &body).await;
        assert_eq!(answer.status, expected, "{headers}: {answer:?}");
        assert_eq!(answer.head.contains("www-authenticate: bearer"), expected == 401, "{answer:?}");
    }
    let head = format!(
        "POST /webhook/cloudevents?access_token=s3cret HTTP/1.1\r\n{STRUCTURED}Content-Length: {}\r\n",
        body.len()
    );
    assert_eq!(hook.raw(&head, &body).await.status, 202);
    assert_eq!((hook.intake.refused(Reason::Unauthorized), hook.intake.taken(), hook.intake.repeated()), (2, 1, 1));
}

/// HTTP 1.1 Web Hooks for Event Delivery, section 4.
#[tokio::test]
async fn the_handshake_says_that_events_may_be_sent() {
    let hook = serve("{}", 16, None).await;
    let ask = |headers: &'static str| hook.raw(headers, "");
    let asked = ask("OPTIONS /webhook/cloudevents HTTP/1.1\r\nWebHook-Request-Origin: eventemitter.example.com\r\nWebHook-Request-Rate: 120\r\n").await;
    assert_eq!(asked.status, 200);
    for header in
        ["webhook-allowed-origin: eventemitter.example.com", "webhook-allowed-rate: *", "allow: post, options"]
    {
        assert!(asked.head.contains(header), "{header}: {asked:?}");
    }
    let other = ask("OPTIONS /webhook/cloudevents HTTP/1.1\r\n").await;
    assert!(!other.head.contains("webhook-allowed") && other.head.contains("allow: post, options"), "{other:?}");
    let get = ask("GET /webhook/cloudevents HTTP/1.1\r\n").await;
    assert!(
        get.status == 405 && get.head.contains("allow: post, options") && get.body.contains("POST CloudEvents"),
        "{get:?}"
    );
}
