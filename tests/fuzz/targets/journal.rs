//! A segment of any content is read up to its first damage, and a cut through a good one is never called damage.
//!
//! What begins as a segment is read as it is. Anything else is taken for the records of blocks, a line each, separated by empty
//! lines, and gets the heads and checksums that belong to them: those no mutation finds.
#![no_main]

use std::{fmt::Write, path::Path};

use homeostat_journal::{Hash, JournalError, Reader};
use homeostat_model::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if data.starts_with(b"#homeostat") {
        read(data);
        return;
    }
    let (journal, opening) = framed(data);
    let (whole, error) = read(&journal);
    assert!(!matches!(error, Some(JournalError::Corrupt { .. })), "a good frame is damaged: {error:?}");
    // Anywhere behind the opening, by a number that is the same each time.
    let room = journal.len() - opening;
    let cut = opening + usize::try_from(crc32fast::hash(data)).unwrap() % (room + 1);
    let (before, error) = read(&journal[..cut]);
    assert!(!matches!(error, Some(JournalError::Corrupt { .. })), "a cut at byte {cut} is damage: {error:?}");
    assert!(whole.starts_with(&before), "a cut at byte {cut} changes what was before it");
});

/// The records before the first error, and that error.
fn read(bytes: &[u8]) -> (Vec<Record>, Option<JournalError>) {
    let mut reader = match Reader::new(bytes, Path::new("00000001.journal")) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut records = Vec::new();
    let mut failure = None;
    for record in &mut reader {
        match record {
            Ok(kept) if failure.is_none() => {
                assert!(records.len() < 2 || kept.number > 1, "numbers do not rise: {kept:?}");
                records.push(kept.record);
            }
            Ok(kept) => panic!("{kept:?} comes after an error"),
            Err(error) => failure = Some(error),
        }
    }
    let (whole, torn) = (reader.whole_bytes(), reader.torn_bytes());
    let length = u64::try_from(bytes.len()).unwrap();
    match &failure {
        None => assert_eq!(whole + torn, length, "{whole} bytes are whole, {torn} are torn, and that is not all"),
        Some(JournalError::Corrupt { offset, .. } | JournalError::NotUnderstood { offset, .. }) => {
            assert!(*offset == whole && whole <= length, "damaged at {offset}, whole up to {whole}");
        }
        Some(_) => {}
    }
    (records, failure)
}

/// A segment of the blocks in `data`, and where its first block begins. The first byte decides whether it has a snapshot.
fn framed(data: &[u8]) -> (Vec<u8>, usize) {
    let snapshot: &[u8] = if data.first().is_some_and(|byte| byte % 2 == 1) { b"#r a snapshot of any bytes\n\0" } else { b"" };
    let sum = |bytes: &[u8]| crc32fast::hash(bytes);
    let mut opening = format!("#homeostat-journal 2 00000001 {:016x} {} {:08x} {:08x} ", 1, Hash::default(), 0, sum(b""));
    write!(opening, "{:08x} {:08x} ", snapshot.len(), sum(snapshot)).unwrap();
    let crc = sum(opening.as_bytes());
    writeln!(opening, "{crc:08x}\n").unwrap();
    let mut journal = [opening.as_bytes(), snapshot, b"\n"].concat();
    let begin = journal.len();
    let (mut first, mut hash) = (1_u64, Hash::default());
    for body in bodies(data) {
        let (mut lines, mut count) = (Vec::new(), 0);
        for json in body.split(|byte| *byte == b'\n').filter(|json| !json.is_empty()) {
            lines.extend(format!("{:08x} ", sum(json)).bytes());
            lines.extend(json);
            lines.push(b'\n');
            hash = hash.then(json);
            count += 1;
        }
        let mut head = format!("#r {first:016x} {:08x} {hash} ", lines.len());
        let crc = sum(head.as_bytes());
        writeln!(head, "{crc:08x}").unwrap();
        journal.extend(head.bytes());
        journal.extend(&lines);
        first += count;
    }
    (journal, begin)
}

/// The parts of `data` between empty lines. A record is JSON, so that none has a line that begins as a head does, nor a zero.
fn bodies(data: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = vec![Vec::new()];
    let is_of_a_body = |line: &&[u8]| !line.starts_with(b"#") && !line.contains(&0);
    for line in data.split_inclusive(|byte| *byte == b'\n').filter(is_of_a_body) {
        match bodies.last_mut() {
            Some(body) if line != b"\n" => body.extend(line),
            _ => bodies.push(Vec::new()),
        }
    }
    bodies.retain(|body| !body.is_empty());
    bodies
}
