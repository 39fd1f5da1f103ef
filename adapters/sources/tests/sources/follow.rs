//! The live source, on real files and pipes.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink, Source, SourceError};
use homeostat_sources::{Intake, JsonLines, JsonLinesConfig, Memory, Reason};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::told::told;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than the source's interval between two looks at a file, several times.
const SEVERAL_LOOKS: Duration = Duration::from_millis(1200);

struct Running {
    receiver: mpsc::Receiver<Observation>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), SourceError>>,
    intake: Arc<Intake>,
}

/// Starts a source at the time of 1,000,000 seconds.
fn start(path: &Path, follow: bool) -> Running {
    start_with(path, follow, &serde_json::json!({}), Memory::default())
}

/// The same, with what another one remembers.
fn start_with(path: &Path, follow: bool, mapping: &serde_json::Value, memory: Memory) -> Running {
    let config = serde_json::json!({"path": path, "follow": follow, "mapping": mapping});
    let config: JsonLinesConfig = serde_json::from_value(config).unwrap();
    let (sink, receiver) = ObservationSink::bounded(16);
    let stop = CancellationToken::new();
    let clock = Clock::starting(Timestamp::from_millis(1_000_000_000), 1);
    let intake = Arc::<Intake>::default();
    let source = JsonLines::new(config, clock, intake.clone(), memory);
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { source.run(&sink, &stop).await }
    });
    Running { receiver, stop, task, intake }
}

impl Running {
    async fn next(&mut self) -> String {
        told(&timeout(PATIENCE, self.receiver.recv()).await.expect("nothing came").expect("the source ended"))
    }

    async fn stopped(self) {
        let began = Instant::now();
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "it took {:?} to stop", began.elapsed());
    }
}

fn sample(number: u32) -> String {
    format!("{{\"resource\":\"vm/v1\",\"time\":1000000000,\"metrics\":{{\"n\":{number}}}}}\n")
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn seen(number: u32) -> String {
    format!("vm/v1 n = {number} at 1000000000")
}

#[tokio::test]
async fn a_file_is_read_to_its_end_and_bad_lines_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let event =
        r#"{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"vm/v1","time":"1970-01-01T00:00:00Z"}"#;
    let labels = r#"{"resource":"vm/v1","labels":{"tier":"web"}}"#;
    fs::write(&path, format!("{}nonsense\n{labels}\n{labels}\n{event}\n{}", sample(1), sample(2).trim_end())).unwrap();
    let mut running = start(&path, false);
    assert_eq!(running.next().await, seen(1));
    assert_eq!(running.next().await, r#"vm/v1 labels {"tier": "web"}"#);
    assert!(running.next().await.starts_with("vm/v1 t at 0, id s#1"));
    assert_eq!(running.next().await, seen(2));
    assert_eq!(running.receiver.recv().await, None);
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error_unless_it_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let error = start(&path, false).task.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("source json-lines: cannot read") && error.contains("check the path"), "{error}");

    let mut running = start(&path, true);
    sleep(SEVERAL_LOOKS).await;
    fs::write(&path, sample(1)).unwrap();
    assert_eq!(running.next().await, seen(1));
    running.stopped().await;
}

/// As between a rotation and the change of the new file's owner; a link to itself cannot be opened by root either.
#[tokio::test]
async fn a_followed_file_that_cannot_be_opened_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    std::os::unix::fs::symlink("lines", &path).unwrap();
    let mut running = start(&path, true);
    sleep(SEVERAL_LOOKS).await;
    fs::remove_file(&path).unwrap();
    fs::write(&path, sample(1)).unwrap();
    assert_eq!(running.next().await, seen(1));
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("lines", &path).unwrap();
    sleep(SEVERAL_LOOKS).await;
    fs::remove_file(&path).unwrap();
    fs::write(&path, sample(2)).unwrap();
    assert_eq!(running.next().await, seen(2));
    running.stopped().await;
}

#[tokio::test]
async fn a_growing_file_is_followed_through_half_lines_truncation_and_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    fs::write(&path, sample(1)).unwrap();
    let mut running = start(&path, true);
    assert_eq!(running.next().await, seen(1));

    let line = sample(2);
    let (begin, end) = line.split_at(20);
    append(&path, begin);
    sleep(SEVERAL_LOOKS).await;
    assert!(running.receiver.try_recv().is_err(), "half a line was taken");
    append(&path, end);
    assert_eq!(running.next().await, seen(2));

    // Truncated, and shorter than before.
    File::create(&path).unwrap();
    sleep(SEVERAL_LOOKS).await;
    append(&path, &sample(3));
    assert_eq!(running.next().await, seen(3));

    // Renamed with a last line that has no end, then gone for a while, then there anew.
    append(&path, sample(4).trim_end());
    fs::rename(&path, folder.path().join("lines.1")).unwrap();
    sleep(SEVERAL_LOOKS).await;
    fs::write(&path, sample(5)).unwrap();
    assert_eq!(running.next().await, seen(4));
    assert_eq!(running.next().await, seen(5));
    running.stopped().await;
}

#[tokio::test]
async fn old_events_of_a_followed_file_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let event = |id: u32, time: i64| {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"s\",\"type\":\"t\",\"subject\":\"vm/v1\",\"time\":{time}}}\n"
        )
    };
    fs::write(&path, event(1, 1_000_000_000 - 300_001) + &event(2, 1_000_000_000 - 240_000)).unwrap();
    let mut running = start(&path, true);
    assert!(running.next().await.contains("id s#2"));
    assert_eq!(running.intake.refused(Reason::Stale), 1);
    running.stopped().await;
}

#[tokio::test]
async fn events_that_were_there_and_do_not_say_how_old_they_are_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let event = |id: u32| {
        format!("{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"s\",\"type\":\"t\",\"subject\":\"vm/v1\"}}\n")
    };
    let third = event(3);
    let (begin, end) = third.split_at(20);
    fs::write(&path, event(1) + &sample(2) + begin).unwrap();
    let mut running = start(&path, true);
    assert_eq!(running.next().await, seen(2));
    sleep(SEVERAL_LOOKS).await;
    append(&path, end);
    assert!(running.next().await.contains("id s#3"), "it was not whole at the start");
    append(&path, &event(4));
    assert!(running.next().await.contains("id s#4"));
    assert_eq!(running.intake.refused(Reason::Stale), 1);
    // The same file, written anew.
    File::create(&path).unwrap();
    sleep(SEVERAL_LOOKS).await;
    append(&path, &(event(1) + &event(4) + &event(5)));
    assert!(running.next().await.contains("id s#5"));
    // One that comes later has no past.
    fs::remove_file(&path).unwrap();
    sleep(SEVERAL_LOOKS).await;
    fs::write(folder.path().join("new"), event(6)).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    assert!(running.next().await.contains("id s#6"));
    running.stopped().await;
}

#[tokio::test]
async fn no_line_is_lost_or_doubled_when_it_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let memory = Memory::default();
    let (first, second) = (serde_json::json!({}), serde_json::json!({"metrics": {"n": "m"}}));
    let mut running = start_with(&path, false, &first, memory.clone());
    let (written, pipe) = (path.clone(), path.clone());
    let writer = std::thread::spawn(move || {
        let mut pipe = OpenOptions::new().write(true).open(written).unwrap();
        (0..1000).for_each(|number| pipe.write_all(sample(number).as_bytes()).unwrap());
        pipe
    });
    let mut came = Vec::new();
    for _ in 0..2 {
        for _ in 0..100 {
            came.push(running.next().await);
        }
        // At the same moment, as when a configuration is read again.
        running.stop.cancel();
        let next = start_with(&pipe, false, &second, memory.clone());
        let mut ended = std::mem::replace(&mut running, next);
        while let Some(observation) = timeout(PATIENCE, ended.receiver.recv()).await.unwrap() {
            came.push(told(&observation));
        }
    }
    let opened = writer.join().unwrap();
    while came.len() < 1000 {
        came.push(running.next().await);
    }
    let numbers: Vec<u32> = came.iter().map(|line| line.split(' ').nth(3).unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    assert_eq!(came.last().unwrap(), "vm/v1 m = 999 at 1000000000", "by the new mapping");
    drop(opened);
    assert_eq!(running.receiver.recv().await, None);
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_event_that_comes_again_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let event = |source: &str, id: &str| {
        let event =
            serde_json::json!({"specversion": "1.0", "id": id, "source": source, "type": "t", "subject": "vm/v1"});
        format!("{event}\n")
    };
    let (first, last) = (event("s", "1"), event("s", "9"));
    let others = event("s", "2") + &event("t", "1") + &event("s#1", "2") + &event("s", "1#2");
    fs::write(&path, "").unwrap();
    let mut running = start(&path, true);
    sleep(SEVERAL_LOOKS).await;
    append(&path, &format!("{first}{first}{}{others}no\n{first}", sample(7)));
    let mut came = Vec::new();
    for _ in 0..6 {
        came.push(running.next().await.split(" id ").last().unwrap().split(',').next().unwrap().to_owned());
    }
    assert_eq!(came, ["s#1", &seen(7), "s#2", "t#1", "s#1#2", "s#1#2"]);
    // Written anew from its begin, as by a tool that rotates by copying: what was answered is not answered again.
    File::create(&path).unwrap();
    sleep(SEVERAL_LOOKS).await;
    append(&path, &(first + &last));
    assert!(running.next().await.contains("id s#9"));
    // What was handed on is counted a moment later.
    let intake = Arc::clone(&running.intake);
    running.stopped().await;
    assert_eq!((intake.received(), intake.taken(), intake.repeated()), (11, 7, 3));
    assert_eq!(intake.refused(Reason::Malformed), 1);
}

#[tokio::test]
async fn a_pipe_that_nobody_writes_to_does_not_keep_it_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let waiting = start(&path, false);
    sleep(Duration::from_millis(100)).await;
    waiting.stopped().await;
}

#[tokio::test]
async fn a_sink_that_is_full_or_gone_does_not_keep_it_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    fs::write(&path, (0..1000).map(sample).collect::<String>()).unwrap();
    let full = start(&path, false);
    sleep(Duration::from_millis(300)).await;
    full.stopped().await;

    let Running { receiver, task, .. } = start(&path, true);
    drop(receiver);
    timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
}

/// Set in the process that reads standard input in the next test.
const CHILD: &str = "HOMEOSTAT_TEST_STANDARD_INPUT";

#[test]
fn standard_input_that_stays_open_does_not_keep_the_program_from_ending() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "follow::standard_input_is_read", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(sample(1).as_bytes()).unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the process did not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success());
    drop(input);
}

#[tokio::test]
#[ignore = "it is the child process of the test before"]
async fn standard_input_is_read() {
    if std::env::var_os(CHILD).is_some() {
        let mut running = start(Path::new("-"), false);
        assert_eq!(running.next().await, seen(1));
        running.stopped().await;
    }
}
