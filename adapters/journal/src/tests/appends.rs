//! Records go in and come back, whoever appends them and however many at once.

use std::{sync::Arc, thread};

use homeostat_model::{Clause, Entry, Evidence, FindingRef, Timestamp, Truth, Value};
use proptest::prelude::*;

use super::*;
use crate::{MAX_RECORD_BYTES, frame};

#[test]
fn gives_back_what_was_appended_across_restarts() {
    let (folder, _) = three();
    let (journal, found) = open(folder.path()).unwrap();
    assert_eq!((found.recovered.last_record, found.recovered.replayed, found.recovered.cut), (5, 5, None));
    journal.append(&[]).unwrap().wait().unwrap();
    journal.append(&[note("four")]).unwrap().wait().unwrap();
    assert_eq!(journal.last_record(), 6);
    drop(journal);
    assert_eq!(messages(folder.path()), ["one", "two", "two b", "three", "three b", "four"]);
}

#[test]
fn what_was_appended_is_written_although_nobody_waits_for_it() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let tickets: Vec<_> = (0..50).map(|n| journal.append(&[note(&n.to_string())]).unwrap()).collect();
    drop(journal);
    tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
    assert_eq!(messages(folder.path()), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn appends_of_many_are_synced_together_and_each_keeps_its_own_order() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let journal = Arc::new(journal);
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let journal = journal.clone();
            thread::spawn(move || {
                for turn in 0..40 {
                    let pair = [note(&format!("{caller} {turn}")), note(&format!("{caller} {turn} b"))];
                    journal.append(&pair).unwrap().wait().unwrap();
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    drop(journal);
    let bytes = fs::read(segment::path(folder.path(), 1)).unwrap();
    let blocks = blocks(&bytes).len() - 1;
    assert!(blocks < 320, "every append has been synced alone");
    let all = messages(folder.path());
    assert_eq!(all.len(), 640);
    for caller in 0..8 {
        let own: Vec<&String> = all.iter().filter(|text| text.starts_with(&format!("{caller} "))).collect();
        let expected = (0..40).flat_map(|turn| [format!("{caller} {turn}"), format!("{caller} {turn} b")]);
        assert!(own.into_iter().eq(expected.collect::<Vec<_>>().iter()), "{caller}");
    }
    assert!(all.chunks(2).all(|pair| pair[1] == format!("{} b", pair[0])), "an append was torn apart");
}

#[test]
fn the_file_is_readable_by_people() {
    let (_folder, path) = journal(&[vec![note("one"), note("two")]]);
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("#homeostat-journal 2 00000001 0000000000000001 00000000"), "{text}");
    assert_eq!(&lines[1..3], ["", ""], "nothing is carried over to the first segment");
    assert!(lines[3].starts_with("#r 0000000000000001 "), "{text}");
    let json = r#" {"at":1700000000000,"entry":{"notified":{"id":"n1-1","at":1700000000000,"finding":{"policy":"p","resource":"vm/v1"},"severity":"info","message":"one"}}}"#;
    assert!(lines[4].ends_with(json), "{text}");
    assert_eq!(lines.len(), 6);
}

#[test]
fn a_record_that_cannot_be_kept_is_refused_and_the_journal_goes_on() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let mut bad = plan(1);
    bad.evidence.clauses[0].values[0].1 = Some(Value::Number(f64::NAN));
    let error = journal.append(&[note("one"), at(1, Entry::PlanMade(bad.into()))]).unwrap_err().to_string();
    assert!(error.starts_with("record 1 of the append would not read back"), "{error}");
    let large = note(&"x".repeat(MAX_RECORD_BYTES));
    let error = journal.append(&[large]).unwrap_err().to_string();
    assert!(error.starts_with("record 0 of the append would take"), "{error}");
    let nearly = note(&"x".repeat(MAX_RECORD_BYTES - 1000));
    let error = journal.append(&vec![nearly; 17]).unwrap_err().to_string();
    assert!(error.starts_with("the append would take"), "{error}");
    assert_eq!(journal.last_record(), 0);
    journal.append(&[note("fine")]).unwrap().wait().unwrap();
    drop(journal);
    assert_eq!(messages(folder.path()), ["fine"]);
}

#[test]
fn a_great_deal_waits_without_being_lost() {
    // More than the queue holds, in number and in bytes.
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let large = note(&"x".repeat(1 << 20));
    for _ in 0..80 {
        drop(journal.append(std::slice::from_ref(&large)).unwrap());
    }
    for _ in 0..5000 {
        drop(journal.append(&[note("small")]).unwrap());
    }
    journal.append(&[note("last")]).unwrap().wait().unwrap();
    drop(journal);
    assert_eq!(opened(folder.path()).recovered.last_record, 5081);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, JournalError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(journal);
    open(folder.path()).unwrap();
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
    ]
}

pub(super) fn record() -> impl Strategy<Value = Record> {
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
    let stepped = (0..4_u64, 0..3_u16).prop_map(|(plan, step)| dispatched(plan, step).entry);
    let done = (0..4_u64, 0..3_u16).prop_map(|(plan, step)| finished(plan, step).entry);
    let planned = (0..4_u64).prop_map(|number| Entry::PlanMade(plan(number).into()));
    (any::<i64>(), prop_oneof![opened, closed, refused, stepped, done, planned])
        .prop_map(|(millis, entry)| Record { at: Timestamp::from_millis(millis), entry })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_appended_is_read_back(appends in proptest::collection::vec(proptest::collection::vec(record(), 0..5), 0..5)) {
        let (folder, _) = journal(&appends);
        prop_assert_eq!(opened(folder.path()).records, appends.concat());
    }

    #[test]
    fn lines_are_split_as_they_were_joined(records in proptest::collection::vec(record(), 0..5)) {
        let lines = frame::lines(&records).unwrap();
        let read: Vec<Record> = frame::split(&lines).map(|line| serde_json::from_slice(frame::json(line).unwrap()).unwrap()).collect();
        prop_assert_eq!(read, records);
    }
}
