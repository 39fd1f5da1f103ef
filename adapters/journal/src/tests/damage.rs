//! Files that were cut or garbled, wherever: what was acknowledged is given back as it was, or the damage is reported.

use proptest::prelude::*;

use super::*;
use crate::{Cut, Reader, frame::HEAD_BYTES, opening::OPENING_BYTES};

#[test]
fn a_tail_torn_at_any_byte_is_cut_to_the_last_whole_block() {
    let (folder, path) = three();
    let bytes = fs::read(&path).unwrap();
    let last = blocks(&bytes)[2];
    for cut in last + 1..bytes.len() {
        // After a power failure the witness may be older than the truth.
        let _ = fs::remove_file(folder.path().join("durable"));
        fs::write(&path, &bytes[..cut]).unwrap();
        let (journal, found) = open(folder.path()).unwrap();
        let expected = Cut { offset: u64::try_from(last).unwrap(), bytes: u64::try_from(cut - last).unwrap() };
        assert_eq!((found.recovered.last_record, found.recovered.cut), (3, Some(expected)), "cut at {cut}");
        journal.append(&[note("again")]).unwrap().wait().unwrap();
        drop(journal);
        assert_eq!(messages(folder.path()), ["one", "two", "two b", "again"]);
    }
}

#[test]
fn a_tail_that_was_acknowledged_is_never_taken_for_torn() {
    let (folder, path) = three();
    let bytes = fs::read(&path).unwrap();
    let carried = blocks(&bytes)[0];
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let error = open(folder.path()).expect_err(&format!("cut at {cut}"));
        let known = match &error {
            JournalError::Corrupt { problem, .. } => {
                cut < carried || problem.contains("had been on the disk up to byte")
            }
            JournalError::NotAJournal { .. } => cut < 20,
            _ => false,
        };
        assert!(known, "cut at {cut}: {error}");
        assert_eq!(fs::read(&path).unwrap(), bytes[..cut], "a damaged journal is left as it is");
    }
    // What was acknowledged of the last segment is known when it is gone as a whole, too.
    fs::remove_file(&path).unwrap();
    assert!(matches!(open(folder.path()), Err(JournalError::Missing { .. })));
}

#[test]
fn a_tail_with_holes_where_the_data_had_not_arrived_is_torn() {
    let big = "x".repeat(2000);
    let (folder, path) = journal(&[vec![note("one")], vec![note(&big)]]);
    let bytes = fs::read(&path).unwrap();
    let last = blocks(&bytes)[1];
    let holes = [
        (last, bytes.len()),
        (last, last + 600),
        (last + HEAD_BYTES + 20, last + 700),
        (bytes.len() - 600, bytes.len()),
    ];
    for (from, to) in holes {
        let mut torn = bytes.clone();
        torn[from..to].fill(0);
        fs::write(&path, &torn).unwrap();
        let damaged = copy(folder.path());
        assert!(
            matches!(open(damaged.path()), Err(JournalError::Corrupt { .. })),
            "acknowledged, zeros from {from} to {to}"
        );
        forget_witness(damaged.path());
        let found = opened(damaged.path()).recovered;
        assert_eq!((found.last_record, found.cut.is_some()), (1, true), "zeros from {from} to {to}");
    }
    // The same hole before other blocks was no crash: those were written later, after this one was on the disk.
    let (folder, path) = journal(&[vec![note(&big)], vec![note("two")]]);
    forget_witness(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let first = blocks(&bytes)[0];
    bytes[first + 200..first + 900].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(folder.path()), Err(JournalError::Corrupt { .. })));
    assert_eq!(fs::read(&path).unwrap(), bytes, "a damaged journal is left as it is");
}

#[test]
fn a_flipped_bit_anywhere_is_reported_and_nothing_is_cut() {
    for witness in [true, false] {
        let (folder, path) = three();
        let bytes = fs::read(&path).unwrap();
        let starts = blocks(&bytes);
        if !witness {
            forget_witness(folder.path());
        }
        for index in 0..bytes.len() {
            // One of each half of a byte, and the highest: any other differs in no way that the checks know.
            for bit in [0, 5, 7] {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                fs::write(&path, &flipped).unwrap();
                let error = open(folder.path()).expect_err(&format!("byte {index} bit {bit}"));
                let block = starts.iter().rev().find(|start| **start <= index).copied().unwrap_or_default();
                match &error {
                    JournalError::NotAJournal { .. } | JournalError::Version { .. } => assert!(index < OPENING_BYTES),
                    JournalError::Corrupt { offset, .. } => {
                        assert_eq!(*offset, u64::try_from(block).unwrap(), "byte {index} bit {bit}: {error}");
                    }
                    _ => panic!("byte {index} bit {bit}: {error}"),
                }
                assert_eq!(fs::read(&path).unwrap(), flipped);
            }
        }
    }
}

#[test]
fn damage_that_is_not_a_flipped_bit_is_reported() {
    let (folder, path) = three();
    forget_witness(folder.path());
    let bytes = fs::read(&path).unwrap();
    let starts = blocks(&bytes);
    let (head, first, second, third) =
        (&bytes[..starts[0]], &bytes[starts[0]..starts[1]], &bytes[starts[1]..starts[2]], &bytes[starts[2]..]);
    let text = || String::from_utf8(bytes.clone()).unwrap();
    let checksum = |message: &str| format!("{:08x}", crc32fast::hash(&serde_json::to_vec(&note(message)).unwrap()));
    let forged = text().replace("two b", "too b").replace(&checksum("two b"), &checksum("too b"));
    for (name, damaged, problem) in [
        ("a block is missing", [head, first, third].concat(), "record 4 follows record 1"),
        ("a block is doubled", [head, first, second, second].concat(), "record 2 follows record 3"),
        ("two blocks changed places", [head, first, third, second].concat(), "record 4 follows record 1"),
        ("somebody wrote to it", [&bytes, b"hello\n".as_slice()].concat(), "no beginning of a block"),
        ("an empty line at the end", [&bytes, b"\n".as_slice()].concat(), "no beginning of a block"),
        ("a line was edited", text().replace("two b", "too b").into(), "not whole"),
        ("the last line was edited", text().replace("three b", "thre3 b").into(), "checksum"),
        ("a line and its checksum were edited", forged.into(), "the hash chain breaks in records 2 to 3"),
    ] {
        fs::write(&path, &damaged).unwrap();
        let error = open(folder.path()).expect_err(name).to_string();
        assert!(error.contains(problem) && error.contains("truncate -s"), "{name}: {error}");
    }
}

#[test]
fn another_file_or_format_is_refused() {
    for (bytes, problem) in [
        ("", "is not a journal"),
        ("{\"at\":1}\n", "is not a journal: it begins with \"{\\\"at\\\":1}\\n\""),
        ("#homeostat-journal 2", "its first line is wrong"),
        ("#homeostat-journal 2\n", "its first line is wrong"),
        ("#homeostat-journal 1\n#r ...\n", "has format 1, this version reads format 2"),
        ("#homeostat-journal 3 x\n", "has format 3, this version reads format 2"),
    ] {
        let folder = scratch();
        fs::write(segment::path(folder.path(), 1), bytes).unwrap();
        let error = open(folder.path()).expect_err(bytes).to_string();
        assert!(error.contains(problem), "{error}");
    }
    let folder = scratch();
    fs::write(folder.path().join("journal.log"), "#homeostat-journal 1\n").unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("has format 1"), "{error}");
}

#[test]
fn a_record_of_a_newer_version_is_named() {
    use crate::{frame, hash::Hash, opening::Opening};
    let folder = scratch();
    let json = "{\"at\":1,\"entry\":{\"invented\":{}}}";
    let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    let opening = Opening::write(1, 1, Hash::default(), b"", b"").unwrap();
    let (head, count) = frame::head(1, Hash::default(), line.as_bytes()).unwrap();
    assert_eq!(count, 1);
    fs::write(segment::path(folder.path(), 1), [&opening, head.line().as_bytes(), line.as_bytes()].concat()).unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("record 1 (byte 159) is not understood: unknown variant `invented`"), "{error}");
}

#[test]
fn an_append_goes_to_the_end_even_when_the_file_grew_behind_it() {
    use std::{fs::File, os::unix::fs::FileExt};
    // Not by a second homeostat (the lock) but by a person: the damage is then reported, not overwritten.
    let (folder, path) = three();
    let length = fs::metadata(&path).unwrap().len();
    let (journal, _) = open(folder.path()).unwrap();
    File::options().write(true).open(&path).unwrap().write_all_at(b"hello\n", length).unwrap();
    journal.append(&[note("four")]).unwrap().wait().unwrap();
    drop(journal);
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("damaged at byte {length}")), "{error}");
}

/// Three segments with a snapshot each but for the first; everything in them was acknowledged.
fn segments() -> (TempDir, Vec<Record>) {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let mut all = Vec::new();
    for segment in 1..=3 {
        let made = |number| at(1, Entry::PlanMade(plan(number).into()));
        for block in [vec![made(segment), dispatched(segment, 1)], vec![finished(segment, 1), note("x")]] {
            journal.append(&block).unwrap().wait().unwrap();
            all.extend(block);
        }
        if segment < 3 {
            journal.roll(format!("state {segment}").into_bytes()).unwrap().wait().unwrap();
        }
    }
    (folder, all)
}

/// Opens a journal that was damaged: either it gives exactly what was acknowledged, or it says what is wrong.
fn judge(folder: &Path, all: &[Record], what: &str) -> bool {
    let Ok((_, found)) = open(folder) else { return false };
    let behind = match found.snapshot.as_deref() {
        None => 0,
        Some(b"state 1") => 4,
        Some(b"state 2") => 8,
        Some(other) => panic!("{what}: a snapshot that nobody gave: {other:?}"),
    };
    assert_eq!(found.records, all[behind..], "{what}");
    assert_eq!(found.recovered.last_record, 12, "{what}");
    let passed_over = found.recovered.passed_over.len();
    assert_eq!(passed_over, (8 - behind) / 4, "{what}: an older snapshot was taken without a word");
    true
}

#[test]
fn whatever_happens_to_one_byte_of_one_file_nothing_acknowledged_is_lost_in_silence() {
    let (folder, all) = segments();
    assert!(judge(folder.path(), &all, "undamaged"));
    let (mut whole, mut reported) = (0, 0);
    for number in 1..=3 {
        let path = segment::path(folder.path(), number);
        let bytes = fs::read(&path).unwrap();
        for index in 0..bytes.len() {
            for (how, damaged) in [
                ("cut", bytes[..index].to_vec()),
                ("zeros to the end", [&bytes[..index], &vec![0; bytes.len() - index]].concat()),
                ("flipped", [&bytes[..index], &[bytes[index] ^ 0x15], &bytes[index + 1..]].concat()),
                ("removed", [&bytes[..index], &bytes[index + 1..]].concat()),
            ] {
                fs::write(&path, damaged).unwrap();
                let good = judge(folder.path(), &all, &format!("segment {number}, byte {index}, {how}"));
                if good {
                    whole += 1
                } else {
                    reported += 1
                }
                fs::write(&path, &bytes).unwrap();
            }
        }
    }
    // Damage of a segment that replay does not need is for the audit to find.
    assert!(whole > 0 && reported > 5_000, "{whole} whole, {reported} reported");
    // Without one of the segments in between, or the witness.
    let (missing, without) = (copy(folder.path()), copy(folder.path()));
    fs::remove_file(segment::path(missing.path(), 2)).unwrap();
    assert!(matches!(open(missing.path()), Err(JournalError::Missing { .. })));
    forget_witness(without.path());
    assert!(judge(without.path(), &all, "no witness"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Blocks, of which some at the end were never acknowledged, then a crash that leaves any part of the last one, then any damage.
    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_is_invented(
        appends in proptest::collection::vec(proptest::collection::vec(super::appends::record(), 1..4), 1..5),
        acknowledged in 0_usize..5, cut in any::<prop::sample::Index>(), garble in proptest::option::of((any::<prop::sample::Index>(), 1_u8..)),
    ) {
        let (folder, path) = journal(&appends);
        let bytes = fs::read(&path).unwrap();
        let starts = blocks(&bytes);
        // A crash tears the last block only, so that is what may not have been acknowledged.
        let acknowledged = acknowledged.clamp(appends.len() - 1, appends.len());
        let mark = crate::witness::Mark { segment: 1, offset: u64::try_from(starts[acknowledged]).unwrap() };
        crate::witness::Witness::open(folder.path()).unwrap().says(mark).unwrap();
        let mut left = bytes[..starts[acknowledged] + cut.index(bytes.len() - starts[acknowledged] + 1)].to_vec();
        let garbled = garble.is_some();
        if let Some((at, with)) = garble {
            let at = at.index(left.len());
            left[at] ^= with;
        }
        fs::write(&path, &left).unwrap();
        let all = appends.concat();
        let least: usize = appends[..acknowledged].iter().map(Vec::len).sum();
        match open(folder.path()) {
            Ok((_, found)) => {
                prop_assert!(found.records.len() >= least, "acknowledged records are gone");
                prop_assert!(all.starts_with(&found.records), "records that nobody appended");
            }
            Err(error) => prop_assert!(garbled, "a crash alone: {error}"),
        }
    }

    #[test]
    fn no_file_makes_a_reader_panic_or_repeat(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..2000, keep: bool) {
        let (_folder, path) = three();
        let mut file = fs::read(path).unwrap();
        file.truncate(cut);
        if !keep { file.truncate(OPENING_BYTES + 2) }
        file.extend(bytes);
        if let Ok(reader) = Reader::new(file.as_slice(), Path::new("x")) {
            let items: Vec<_> = reader.collect();
            prop_assert!(items.len() <= 6);
            prop_assert!(items.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
