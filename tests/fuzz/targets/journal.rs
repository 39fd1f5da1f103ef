//! A journal's file of any content is read up to its first damage, and a cut through a good one is never called damage.
//!
//! What begins as a journal is read as it is. Anything else is taken for the bodies of appends, separated by empty lines,
//! and gets the heads that belong to them: their checksums are what no mutation finds.
#![no_main]

use std::{fmt::Write, path::Path};

use homeostat_journal::{JournalError, Reader};
use homeostat_model::Record;
use libfuzzer_sys::fuzz_target;

const FIRST_LINE: &[u8] = b"#homeostat-journal 1\n";

fuzz_target!(|data: &[u8]| {
    if data.starts_with(b"#homeostat") {
        read(data);
        return;
    }
    let journal = framed(data);
    let (whole, error) = read(&journal);
    assert!(!matches!(error, Some(JournalError::Corrupt { .. })), "a good frame is damaged: {error:?}");
    // Anywhere behind the first line, by a number that is the same each time.
    let room = journal.len() - FIRST_LINE.len();
    let cut = FIRST_LINE.len() + usize::try_from(crc32fast::hash(data)).unwrap() % (room + 1);
    let (before, error) = read(&journal[..cut]);
    assert!(!matches!(error, Some(JournalError::Corrupt { .. })), "a cut at byte {cut} is damage: {error:?}");
    assert!(whole.starts_with(&before), "a cut at byte {cut} changes what was before it");
});

/// The records before the first error, and that error.
fn read(bytes: &[u8]) -> (Vec<Record>, Option<JournalError>) {
    let mut reader = match Reader::new(bytes, Path::new("journal.log")) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut records = Vec::new();
    let mut failure = None;
    for record in &mut reader {
        match record {
            Ok(record) if failure.is_none() => records.push(record),
            Ok(record) => panic!("{record:?} comes after an error"),
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

/// A journal of the bodies in `data`.
fn framed(data: &[u8]) -> Vec<u8> {
    let mut journal = FIRST_LINE.to_vec();
    let mut first = 1_u64;
    for body in bodies(data) {
        let mut head = format!("#r {first:016x} {:08x} {:08x} ", body.len(), crc32fast::hash(&body));
        let crc = crc32fast::hash(head.as_bytes());
        writeln!(head, "{crc:08x}").unwrap();
        journal.extend(head.bytes());
        journal.extend(&body);
        first += u64::try_from(body.split_inclusive(|byte| *byte == b'\n').count()).unwrap();
    }
    journal
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
