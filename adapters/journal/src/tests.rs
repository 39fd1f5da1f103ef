//! What the journal promises, each with the damage, faults and crashes that could break it.

mod appends;
mod damage;
mod faults;
mod history;
mod recovery;
mod rolling;

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf};

use homeostat_model::{
    Clause, Entry, Evidence, FindingRef, Generation, IdempotencyKey, Mode, NoticeId, Notification, Plan, PlanId,
    Record, Severity, Step, StepId, StepResult, Timestamp, Truth, Value,
};
use tempfile::TempDir;

use crate::{Journal, JournalError, Options, Recovered, Replayed, segment};

/// A folder in memory where there is one: most tests write thousands of files, and none depends on the disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn note(message: &str) -> Record {
    let finding = FindingRef { policy: "p".parse().unwrap(), resource: "vm/v1".parse().unwrap() };
    let message = message.into();
    let (at, id) = (Timestamp::from_millis(1_700_000_000_000), NoticeId { generation: Generation(1), number: 1 });
    let to = BTreeSet::new();
    let notification = Notification { id, at, finding, rung: None, asks: None, severity: Severity::Info, message, to };
    Record { at, entry: Entry::Notified(notification.into()) }
}

fn at(millis: i64, entry: Entry) -> Record {
    Record { at: Timestamp::from_millis(millis), entry }
}

fn plan(number: u64) -> Plan {
    let id = PlanId { generation: Generation(3), number };
    let evidence = Evidence {
        truth: Truth::True,
        clauses: vec![Clause {
            text: "x > 1".into(),
            truth: Truth::True,
            values: vec![("x".into(), Some(Value::Number(0.1 + 0.2))), ("y".into(), None)],
            could_hold_at: None,
        }],
    };
    let step = |n| Step {
        id: StepId(n),
        after: vec![],
        resource: "vm/v1".parse().unwrap(),
        adapter: "dc".parse().unwrap(),
        action: homeostat_model::Action::Restart { on: None },
        timeout: homeostat_model::Duration::from_secs(30),
        reason: "it crashed".into(),
        preconditions: vec![],
        retry: homeostat_model::Retry::default(),
        compensation: None,
    };
    Plan {
        id,
        created: Timestamp::from_millis(1),
        policy: "p".parse().unwrap(),
        subject: "vm/v1".parse().unwrap(),
        findings: Vec::new(),
        response: "restart".into(),
        rung: 1,
        evidence,
        mode: Mode::Auto,
        priority: 0,
        effect: "it runs".into(),
        reach: Default::default(),
        steps: vec![step(1), step(2)],
        cost: homeostat_model::Cost::default(),
        verification: None,
    }
}

fn dispatched(plan: u64, step: u16) -> Record {
    let plan = PlanId { generation: Generation(3), number: plan };
    let step = StepId(step);
    at(2, Entry::StepDispatched { plan, step, key: IdempotencyKey::new(plan, step) })
}

fn finished(plan: u64, step: u16) -> Record {
    let plan = PlanId { generation: Generation(3), number: plan };
    at(3, Entry::StepFinished { plan, step: StepId(step), result: StepResult::Done { observed: "up".into() } })
}

/// What `open` gives: the snapshot, the records since, and the rest.
#[derive(Debug, PartialEq)]
struct Opened {
    snapshot: Option<Vec<u8>>,
    records: Vec<Record>,
    recovered: Recovered,
}

fn open(folder: &Path) -> Result<(Journal, Opened), JournalError> {
    let (mut snapshot, mut records) = (None, Vec::new());
    let (journal, recovered) = Journal::open(folder, Options::default(), |replayed| match replayed {
        Replayed::Snapshot(bytes) => {
            assert!(snapshot.is_none() && records.is_empty(), "a snapshot comes first");
            snapshot = Some(bytes);
        }
        Replayed::Record(record) => records.push(record),
    })?;
    Ok((journal, Opened { snapshot, records, recovered }))
}

/// What is in a journal that can be opened.
fn opened(folder: &Path) -> Opened {
    open(folder).unwrap().1
}

/// A journal of one block for each element, closed again; and the path of its only segment.
fn journal(appends: &[Vec<Record>]) -> (TempDir, PathBuf) {
    let folder = scratch();
    let (journal, opened) = open(folder.path()).unwrap();
    assert_eq!((opened.records.len(), opened.recovered.last_record), (0, 0));
    for records in appends {
        journal.append(records).unwrap().wait().unwrap();
    }
    let path = segment::path(folder.path(), 1);
    (folder, path)
}

fn three() -> (TempDir, PathBuf) {
    journal(&[vec![note("one")], vec![note("two"), note("two b")], vec![note("three"), note("three b")]])
}

fn texts(records: &[Record]) -> Vec<&str> {
    let text = |record| match record {
        &Record { entry: Entry::Notified(ref notification), .. } => notification.message.as_str(),
        other => panic!("{other:?}"),
    };
    records.iter().map(text).collect()
}

fn messages(folder: &Path) -> Vec<String> {
    texts(&opened(folder).records).into_iter().map(str::to_owned).collect()
}

/// Where each block begins, and the end of the file.
fn blocks(bytes: &[u8]) -> Vec<usize> {
    let starts = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"\n#r ").map(|(at, _)| at + 1);
    starts.chain([bytes.len()]).collect()
}

/// As if nothing had been acknowledged: what a power failure may leave.
fn forget_witness(folder: &Path) {
    fs::remove_file(folder.join("durable")).unwrap();
}

/// A copy of a folder with all its files.
fn copy(folder: &Path) -> TempDir {
    let copy = scratch();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}
