use std::{fs, fs::File, os::unix::fs::FileExt};

use homeostat_model::{
    Clause, Entry, Evidence, FindingRef, Generation, Hold, IdempotencyKey, Mode, Notification, Plan, PlanId,
    PlanResult, Reach, Severity, Step, StepId, StepResult, Timestamp, Truth, Value,
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::frame::HEAD_BYTES;

fn note(message: &str) -> Record {
    let finding = FindingRef { policy: "p".parse().unwrap(), resource: "vm/v1".parse().unwrap() };
    let message = message.into();
    let entry = Entry::Notified(Notification { finding, severity: Severity::Info, message });
    Record { at: Timestamp::from_millis(1_700_000_000_000), entry }
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
    };
    Plan {
        id,
        created: Timestamp::from_millis(1),
        policy: "p".parse().unwrap(),
        subject: "vm/v1".parse().unwrap(),
        response: "restart".into(),
        rung: 1,
        evidence,
        mode: Mode::Auto,
        priority: 0,
        effect: "it runs".into(),
        reach: Reach::default(),
        steps: vec![step(1), step(2)],
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

/// A journal of one append for each element, closed again; and the bytes of its file.
fn journal(appends: &[Vec<Record>]) -> (TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, recovered) = Journal::open(folder.path()).unwrap();
    assert_eq!(recovered, Recovered { records: 0, last_generation: None, unfinished: vec![], cut: None });
    for records in appends {
        journal.append(records).unwrap();
    }
    let bytes = fs::read(journal.path()).unwrap();
    (folder, bytes)
}

fn three() -> (TempDir, Vec<u8>) {
    journal(&[vec![note("one")], vec![note("two"), note("two b")], vec![note("three"), note("three b")]])
}

fn write(folder: &TempDir, bytes: &[u8]) {
    fs::write(folder.path().join(FILE_NAME), bytes).unwrap();
}

fn messages(folder: &TempDir) -> Vec<String> {
    let record = |record: Result<Record, JournalError>| match record.unwrap().entry {
        Entry::Notified(notification) => notification.message,
        other => panic!("{other:?}"),
    };
    read(folder.path()).unwrap().map(record).collect()
}

/// Where each append begins, and the end of the file.
fn appends(bytes: &[u8]) -> Vec<usize> {
    let starts = bytes.windows(3).enumerate().filter(|(_, window)| *window == b"#r ").map(|(at, _)| at);
    starts.chain([bytes.len()]).collect()
}

#[test]
fn gives_back_what_was_appended_across_restarts() {
    let (folder, _) = three();
    let (mut journal, recovered) = Journal::open(folder.path()).unwrap();
    assert_eq!((recovered.records, recovered.cut), (5, None));
    journal.append(&[]).unwrap();
    journal.append(&[note("four")]).unwrap();
    assert_eq!(journal.len(), 6);
    // Reading needs no lock: this is how an audit looks at a running engine.
    assert_eq!(messages(&folder), ["one", "two", "two b", "three", "three b", "four"]);
}

#[test]
fn the_file_is_readable_by_people() {
    let (_folder, bytes) = journal(&[vec![note("one"), note("two")]]);
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "#homeostat-journal 1");
    assert!(lines[1].starts_with("#r 0000000000000001 "), "{text}");
    let json = r#"{"at":1700000000000,"entry":{"notified":{"finding":{"policy":"p","resource":"vm/v1"},"severity":"info","message":"one"}}}"#;
    assert_eq!(lines[2], json);
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_to_the_last_whole_append() {
    let (folder, bytes) = three();
    let starts = appends(&bytes);
    let last = starts[2];
    for cut in last + 1..bytes.len() {
        write(&folder, &bytes[..cut]);
        assert_eq!(messages(&folder), ["one", "two", "two b"], "reading beside a writer, cut at {cut}");
        let (mut journal, recovered) = Journal::open(folder.path()).unwrap();
        let expected = Cut { offset: u64::try_from(last).unwrap(), bytes: u64::try_from(cut - last).unwrap() };
        assert_eq!((recovered.records, recovered.cut), (3, Some(expected)), "cut at {cut}");
        journal.append(&[note("again")]).unwrap();
        drop(journal);
        assert_eq!(messages(&folder), ["one", "two", "two b", "again"]);
    }
}

#[test]
fn a_tail_with_holes_where_the_data_had_not_arrived_is_torn() {
    let big = "x".repeat(2000);
    let (folder, bytes) = journal(&[vec![note("one")], vec![note(&big)]]);
    let last = appends(&bytes)[1];
    let holes = [
        (last, bytes.len()),
        (last, last + 600),
        (last + HEAD_BYTES + 20, last + 700),
        (bytes.len() - 600, bytes.len()),
    ];
    for (from, to) in holes {
        let mut torn = bytes.clone();
        torn[from..to].fill(0);
        write(&folder, &torn);
        let (_, recovered) = Journal::open(folder.path()).unwrap();
        assert_eq!((recovered.records, recovered.cut.is_some()), (1, true), "zeros from {from} to {to}");
    }
    // The same hole before other appends was no crash: those were written later, after this one was on the disk.
    let (folder, mut bytes) = journal(&[vec![note(&big)], vec![note("two")]]);
    let first = appends(&bytes)[0];
    bytes[first + 100..first + 800].fill(0);
    write(&folder, &bytes);
    assert!(matches!(Journal::open(folder.path()), Err(JournalError::Corrupt { .. })));
    assert_eq!(fs::read(folder.path().join(FILE_NAME)).unwrap(), bytes, "a damaged journal is left as it is");
}

#[test]
fn a_flipped_bit_anywhere_is_reported_and_nothing_is_cut() {
    let (folder, bytes) = three();
    let starts = appends(&bytes);
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1 << bit;
            write(&folder, &flipped);
            let error = Journal::open(folder.path()).expect_err(&format!("byte {index} bit {bit}"));
            let append = starts.iter().rev().find(|start| **start <= index).filter(|_| index < bytes.len());
            match (append, &error) {
                (None, JournalError::NotAJournal { .. } | JournalError::Version { .. }) => {}
                (Some(append), JournalError::Corrupt { offset, .. }) => {
                    assert_eq!(*offset, u64::try_from(*append).unwrap(), "byte {index} bit {bit}: {error}");
                }
                _ => panic!("byte {index} bit {bit}: {error}"),
            }
            assert_eq!(fs::read(folder.path().join(FILE_NAME)).unwrap(), flipped);
        }
    }
}

#[test]
fn damage_that_is_not_a_flipped_bit_is_reported() {
    let (folder, bytes) = three();
    let starts = appends(&bytes);
    let (first, second, third) = (&bytes[..starts[1]], &bytes[starts[1]..starts[2]], &bytes[starts[2]..]);
    for (name, damaged, problem) in [
        ("an append is missing", [first, third].concat(), "record 4 follows record 1"),
        ("an append is doubled", [first, second, second].concat(), "record 2 follows record 3"),
        ("two appends changed places", [first, third, second].concat(), "record 4 follows record 1"),
        ("somebody wrote to it", [&bytes, b"hello\n".as_slice()].concat(), "no beginning of an append"),
        ("an empty line at the end", [&bytes, b"\n".as_slice()].concat(), "no beginning of an append"),
        ("a line was edited", String::from_utf8(bytes.clone()).unwrap().replace("two b", "too b").into(), "not whole"),
        (
            "the last line was edited",
            String::from_utf8(bytes.clone()).unwrap().replace("three b", "thre3 b").into(),
            "checksum",
        ),
    ] {
        write(&folder, &damaged);
        let error = Journal::open(folder.path()).expect_err(name).to_string();
        assert!(error.contains(problem) && error.contains("truncate -s"), "{name}: {error}");
        let items: Vec<_> = read(folder.path()).unwrap().collect();
        assert!(items.last().unwrap().is_err() && items.iter().filter(|item| item.is_err()).count() == 1, "{name}");
    }
}

#[test]
fn another_file_or_format_is_refused() {
    for (bytes, problem) in [
        ("", "is not a journal"),
        ("{\"at\":1}\n", "is not a journal: it begins with \"{\\\"at\\\":1}\\n\""),
        ("#homeostat-journal 1", "is not a journal"),
        ("#homeostat-journal 2\n#x ...\n", "has format 2, this version reads format 1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, bytes.as_bytes());
        let error = Journal::open(folder.path()).expect_err(bytes).to_string();
        assert!(error.contains(problem), "{error}");
    }
    assert!(matches!(read(tempfile::tempdir().unwrap().path()), Err(JournalError::Io { .. })));
}

#[test]
fn a_record_of_a_newer_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let body = "{\"at\":1,\"entry\":{\"invented\":{}}}\n";
    let head =
        frame::Head { first: 1, bytes: u32::try_from(body.len()).unwrap(), crc: crc32fast::hash(body.as_bytes()) };
    write(&folder, format!("{MAGIC}{VERSION}\n{}{body}", head.line()).as_bytes());
    let error = Journal::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("record 1 (byte 21) is not understood: unknown variant `invented`"), "{error}");
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path()).unwrap();
    let error = Journal::open(folder.path()).unwrap_err();
    assert!(matches!(error, JournalError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(journal);
    Journal::open(folder.path()).unwrap();
}

#[test]
fn a_failed_write_stops_the_journal_and_leaves_the_file_readable() {
    let (folder, bytes) = three();
    for (name, broken) in [
        ("a full disk", File::options().append(true).open("/dev/full").unwrap()),
        ("a file that cannot be written", File::open(folder.path().join(FILE_NAME)).unwrap()),
    ] {
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        let good = std::mem::replace(&mut journal.file, broken);
        assert!(matches!(journal.append(&[note("lost")]), Err(JournalError::Io { doing: "write", .. })), "{name}");
        journal.file = good;
        let error = journal.append(&[note("later")]).unwrap_err();
        assert!(matches!(error, JournalError::Poisoned { .. }), "{name}: {error}");
        drop(journal);
        assert_eq!(fs::read(folder.path().join(FILE_NAME)).unwrap(), bytes, "{name}");
    }
    let (mut journal, recovered) = Journal::open(folder.path()).unwrap();
    assert_eq!(recovered.records, 5);
    journal.append(&[note("works again")]).unwrap();
}

#[test]
fn a_record_that_cannot_be_kept_is_refused_and_the_journal_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    let mut bad = plan(1);
    bad.evidence.clauses[0].values[0].1 = Some(Value::Number(f64::NAN));
    let error = journal.append(&[note("one"), at(1, Entry::PlanMade(bad))]).unwrap_err().to_string();
    assert!(error.starts_with("record 1 of the append would not read back"), "{error}");
    let large = note(&"x".repeat(frame::MAX_RECORD_BYTES));
    let error = journal.append(&[large]).unwrap_err().to_string();
    assert!(error.starts_with("record 0 of the append would take"), "{error}");
    let nearly = note(&"x".repeat(frame::MAX_RECORD_BYTES - 1000));
    let error = journal.append(&vec![nearly; 17]).unwrap_err().to_string();
    assert!(error.starts_with("the append would take"), "{error}");
    assert!(journal.is_empty());
    journal.append(&[note("fine")]).unwrap();
    assert_eq!(messages(&folder), ["fine"]);
}

#[test]
fn recovery_names_the_newest_generation_and_the_open_steps() {
    let load = |generation| at(0, Entry::PoliciesLoaded { generation: Generation(generation), policies: vec![] });
    let made = |number| at(1, Entry::PlanMade(plan(number)));
    let ended = |number| {
        let plan = PlanId { generation: Generation(3), number };
        at(4, Entry::PlanFinished { plan, result: PlanResult::Cancelled { reason: "operator".into() } })
    };
    let held = at(
        5,
        Entry::Held {
            finding: FindingRef { policy: "p".parse().unwrap(), resource: "vm/v1".parse().unwrap() },
            hold: Hold::Paused,
        },
    );
    for (name, records, generation, open) in [
        ("nothing dispatched", vec![load(1), held], Some(1), vec![]),
        ("finished", vec![load(3), made(1), dispatched(1, 1), finished(1, 1)], Some(3), vec![]),
        (
            "open",
            vec![load(3), made(1), dispatched(1, 1), finished(1, 1), dispatched(1, 2)],
            Some(3),
            vec![("p3-1", 2, true)],
        ),
        ("called off while a step ran", vec![made(2), dispatched(2, 1), ended(2)], Some(3), vec![("p3-2", 1, true)]),
        (
            "called off, and then the step ended",
            vec![made(2), dispatched(2, 1), ended(2), finished(2, 1)],
            Some(3),
            vec![],
        ),
        ("plan made before the journal began", vec![load(9), dispatched(7, 1)], Some(9), vec![("p3-7", 1, false)]),
        (
            "several, in order",
            vec![made(2), made(1), dispatched(2, 2), dispatched(2, 1), dispatched(1, 1)],
            Some(3),
            vec![("p3-1", 1, true), ("p3-2", 1, true), ("p3-2", 2, true)],
        ),
    ] {
        let (folder, _) = journal(&[records]);
        let (_, recovered) = Journal::open(folder.path()).unwrap();
        assert_eq!(recovered.last_generation, generation.map(Generation), "{name}");
        let found: Vec<_> =
            recovered.unfinished.iter().map(|s| (s.plan.to_string(), s.step.0, s.made.is_some())).collect();
        let open: Vec<_> = open.into_iter().map(|(plan, step, made)| (String::from(plan), step, made)).collect();
        assert_eq!(found, open, "{name}");
        for step in &recovered.unfinished {
            assert_eq!(step.key, IdempotencyKey::new(step.plan, step.step), "{name}");
        }
    }
}

#[test]
fn an_append_goes_to_the_end_even_when_the_file_grew_behind_it() {
    // Not by a second homeostat (the lock) but by a person: the damage is then reported, not overwritten.
    let (folder, bytes) = three();
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    let other = File::options().write(true).open(folder.path().join(FILE_NAME)).unwrap();
    other.write_all_at(b"hello\n", u64::try_from(bytes.len()).unwrap()).unwrap();
    journal.append(&[note("four")]).unwrap();
    drop(journal);
    let error = Journal::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("damaged at byte {}", bytes.len())), "{error}");
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let finding = || FindingRef { policy: "p".parse().unwrap(), resource: "vm/v1".parse().unwrap() };
    let evidence = proptest::collection::vec((any::<String>(), proptest::option::of(value())), 0..4);
    let opened = evidence.prop_map(move |values| Entry::FindingOpened {
        finding: finding(),
        evidence: Evidence {
            truth: Truth::Unknown,
            clauses: vec![Clause { text: "a\n\"b\" && c".into(), truth: Truth::False, values, could_hold_at: None }],
        },
    });
    let closed = any::<String>().prop_map(move |reason| Entry::FindingClosed { finding: finding(), reason });
    let refused = (any::<String>(), any::<String>()).prop_map(|(input, reason)| Entry::InputRefused { input, reason });
    let stepped = (any::<u64>(), any::<u16>()).prop_map(|(plan, step)| dispatched(plan, step).entry);
    let planned = any::<u64>().prop_map(|number| Entry::PlanMade(plan(number)));
    (any::<i64>(), prop_oneof![opened, closed, refused, stepped, planned]).prop_map(|(millis, entry)| at(millis, entry))
}

proptest! {
    #[test]
    fn whatever_is_appended_is_read_back(appends in proptest::collection::vec(proptest::collection::vec(record(), 0..5), 0..5)) {
        let (folder, _) = journal(&appends);
        let read: Vec<Record> = read(folder.path()).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(read, appends.concat());
    }

    #[test]
    fn no_file_makes_a_reader_panic_or_repeat(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..2000, keep: bool) {
        let (_folder, mut file) = three();
        file.truncate(cut);
        if !keep { file.truncate(21) }
        file.extend(bytes);
        if let Ok(reader) = Reader::new(file.as_slice(), Path::new("x")) {
            let items: Vec<_> = reader.collect();
            prop_assert!(items.len() <= 6);
            prop_assert!(items.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
