//! Audits: all of it in order, also while it is written, with what is wrong and where.

use super::*;
use crate::{ChainEnd, Hash, History};

/// All records from the oldest on, and the problem that they end with.
fn all(folder: &Path) -> (Vec<Record>, Option<String>) {
    let mut history = match History::open(folder) {
        Ok(history) => history,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let mut records = Vec::new();
    loop {
        match history.next_record() {
            Ok(Some(kept)) => {
                records.push(kept.record);
                assert_eq!(kept.number, u64::try_from(records.len()).unwrap());
            }
            Ok(None) => return (records, history.damaged_snapshots().first().cloned()),
            Err(error) => {
                assert!(history.next_record().unwrap().is_none(), "nothing comes after an error");
                return (records, Some(error.to_string()));
            }
        }
    }
}

#[test]
fn an_audit_reads_beside_the_writer_and_follows_it_into_new_segments() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let mut history = History::open(folder.path()).unwrap();
    let mut chain = Hash::default();
    for turn in 0..30_u64 {
        assert!(history.next_record().unwrap().is_none());
        let record = note(&turn.to_string());
        journal.append(std::slice::from_ref(&record)).unwrap().wait().unwrap();
        let kept = history.next_record().unwrap().unwrap();
        chain = chain.then(&serde_json::to_vec(&record).unwrap());
        assert_eq!((kept.number, kept.hash, kept.record), (turn + 1, chain, record));
        if turn % 7 == 6 {
            journal.roll(vec![1]).unwrap().wait().unwrap();
        }
    }
    assert_eq!(history.chain_end(), ChainEnd { record: 30, hash: chain });
}

#[test]
fn an_audit_that_is_slower_than_the_journal_goes_on_with_what_is_left() {
    let folder = scratch();
    let options = Options { segment_bytes: 1, max_bytes: 1 };
    let (journal, _) = Journal::open(folder.path(), options, |_| {}).unwrap();
    journal.append(&[note("1")]).unwrap().wait().unwrap();
    let mut history = History::open(folder.path()).unwrap();
    assert_eq!(history.next_record().unwrap().unwrap().number, 1);
    for turn in 2..=6 {
        journal.roll(vec![]).unwrap().wait().unwrap();
        journal.append(&[note(&turn.to_string())]).unwrap().wait().unwrap();
    }
    let rest: Vec<u64> = std::iter::from_fn(|| history.next_record().unwrap()).map(|kept| kept.number).collect();
    assert_eq!(rest, [5, 6], "what was removed meanwhile is passed over");
}

#[test]
fn an_audit_finds_damage_anywhere() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    for segment in 1..=3_u64 {
        journal.append(&[at(1, Entry::PlanMade(plan(segment).into()))]).unwrap().wait().unwrap();
        journal.append(&[dispatched(segment, 1), finished(segment, 1)]).unwrap().wait().unwrap();
        if segment < 3 {
            journal.roll(b"state".to_vec()).unwrap().wait().unwrap();
        }
    }
    drop(journal);
    let (records, problem) = all(folder.path());
    assert_eq!((records.len(), problem), (9, None));
    for number in 1..=3 {
        let path = segment::path(folder.path(), number);
        let bytes = fs::read(&path).unwrap();
        for index in 0..bytes.len() {
            for damaged in
                [bytes[..index].to_vec(), [&bytes[..index], &[bytes[index] ^ 4], &bytes[index + 1..]].concat()]
            {
                fs::write(&path, damaged).unwrap();
                let (found, problem) = all(folder.path());
                let problem = problem.unwrap_or_else(|| panic!("segment {number}, byte {index}: nothing was found"));
                assert!(problem.contains(&format!("{number:08}.journal")), "segment {number}, byte {index}: {problem}");
                assert!(records.starts_with(&found), "segment {number}, byte {index}: records that nobody appended");
            }
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(History::open(scratch().path()).is_err());
}
