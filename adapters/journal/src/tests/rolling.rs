//! Segments: a new one begins with a snapshot, the oldest go, and a crash in the middle of it changes nothing.

use super::*;
use crate::MAX_SNAPSHOT_BYTES;

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "lock" && name != "durable").collect();
    names.sort();
    names
}

#[test]
fn replay_begins_at_the_newest_snapshot() {
    let (folder, _) = three();
    let (journal, _) = open(folder.path()).unwrap();
    drop(journal.roll(b"state\n#r ".to_vec()).unwrap());
    drop(journal.append(&[note("four")]).unwrap());
    drop(journal);
    let found = opened(folder.path());
    assert_eq!((found.snapshot.as_deref(), texts(&found.records)), (Some(b"state\n#r ".as_slice()), vec!["four"]));
    assert_eq!((found.recovered.last_record, found.recovered.replayed), (6, 1));
    // Also when nothing has come after it yet, and when it is empty.
    let (journal, _) = open(folder.path()).unwrap();
    drop(journal.roll(vec![]).unwrap());
    drop(journal);
    let found = opened(folder.path());
    assert_eq!((found.snapshot, found.records.len(), found.recovered.last_record), (None, 0, 6));
}

#[test]
fn a_snapshot_is_wanted_when_the_segment_is_long_and_the_oldest_go() {
    let folder = scratch();
    let options = Options { segment_bytes: 10_000, max_bytes: 60_000 };
    let (journal, _) = Journal::open(folder.path(), options, |_| {}).unwrap();
    let text = "x".repeat(900);
    let (mut rolls, mut largest) = (0, 0);
    for turn in 0..300 {
        journal.append(&[note(&format!("{turn} {text}"))]).unwrap().wait().unwrap();
        if journal.wants_snapshot() {
            rolls += 1;
            journal.roll(format!("{turn}").into_bytes()).unwrap().wait().unwrap();
            assert!(!journal.wants_snapshot());
        }
        let size: u64 =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        largest = largest.max(size);
    }
    assert!(rolls > 20, "{rolls}");
    assert!((40_000..=61_000).contains(&largest), "{largest} bytes");
    let kept = names(folder.path());
    assert!(kept.len() >= 4 && kept.last().unwrap() == &format!("{:08}.journal", rolls + 1), "{kept:?}");
    drop(journal);
    let mut found = Vec::new();
    let (journal, recovered) = Journal::open(folder.path(), options, |replayed| found.push(replayed)).unwrap();
    assert_eq!(recovered.last_record, 300);
    let Some(Replayed::Snapshot(at)) = found.first() else { panic!("{found:?}") };
    let at: usize = std::str::from_utf8(at).unwrap().parse().unwrap();
    assert_eq!(found.len(), 300 - at, "the snapshot and everything after it");
    // Whatever the size: the one that replay needs, and one more.
    drop(journal);
    let tiny = Options { segment_bytes: 1, max_bytes: 1 };
    let (journal, _) = Journal::open(folder.path(), tiny, |_| {}).unwrap();
    drop(journal.roll(b"last".to_vec()).unwrap());
    drop(journal);
    assert_eq!(names(folder.path()).len(), 2);
    assert_eq!(opened(folder.path()).snapshot.as_deref(), Some(b"last".as_slice()));
}

#[test]
fn a_snapshot_that_is_too_large_is_refused_and_the_journal_goes_on() {
    let (folder, _) = three();
    let (journal, _) = open(folder.path()).unwrap();
    assert!(matches!(journal.roll(vec![0; MAX_SNAPSHOT_BYTES + 1]), Err(JournalError::TooLarge { .. })));
    journal.append(&[note("four")]).unwrap().wait().unwrap();
    drop(journal);
    assert_eq!(messages(folder.path()).len(), 6);
}

#[test]
fn a_crash_at_any_byte_of_a_roll_leaves_the_journal_as_it_was_before_or_after() {
    let (before, _) = three();
    let after = copy(before.path());
    let (journal, _) = open(after.path()).unwrap();
    drop(journal.roll(b"state".to_vec()).unwrap());
    drop(journal);
    let segment = fs::read(segment::path(after.path(), 2)).unwrap();
    // While the new segment is written it has another name.
    for length in 0..=segment.len() {
        let crashed = copy(before.path());
        fs::write(crashed.path().join("00000002.new"), &segment[..length]).unwrap();
        let (journal, found) = open(crashed.path()).unwrap();
        assert_eq!(texts(&found.records), ["one", "two", "two b", "three", "three b"], "{length}");
        assert_eq!(names(crashed.path()), ["00000001.journal"]);
        drop(journal.roll(b"state".to_vec()).unwrap());
        drop(journal);
        assert_eq!(opened(crashed.path()).snapshot.as_deref(), Some(b"state".as_slice()));
    }
    // Once it has its name, it is there; the witness is written after that.
    let crashed = copy(before.path());
    fs::write(segment::path(crashed.path(), 2), &segment).unwrap();
    let found = opened(crashed.path());
    assert_eq!((found.snapshot.as_deref(), found.recovered.last_record), (Some(b"state".as_slice()), 5));
}

#[test]
fn a_crash_while_the_oldest_are_removed_leaves_a_journal() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    for state in 0..6 {
        drop(journal.append(&[note(&state.to_string())]).unwrap());
        drop(journal.roll(format!("state {state}").into_bytes()).unwrap());
    }
    drop(journal);
    for removed in 0..=5 {
        let crashed = copy(folder.path());
        (1..=removed).for_each(|number| fs::remove_file(segment::path(crashed.path(), number)).unwrap());
        let found = opened(crashed.path());
        assert_eq!((found.snapshot.as_deref(), found.recovered.last_record), (Some(b"state 5".as_slice()), 6));
    }
}
