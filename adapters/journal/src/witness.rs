//! The witness: how far the journal is known to be durable, so that a tail that was acknowledged is never taken for torn.
//!
//! A crash leaves a torn last block, and so does whoever cuts the file; only a second place can tell the two apart. It is
//! written after each sync and not synced itself: after a power failure it may be older than the truth, and then says less,
//! but nothing wrong. One that does not read is as if there were none.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use crate::JournalError;

/// The witness' name in the journal's folder.
pub(crate) const WITNESS_NAME: &str = "durable";
const MAGIC: &str = "#homeostat-durable ";

/// Everything before that byte of that segment was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

impl Mark {
    fn line(self) -> String {
        let checked = format!("{MAGIC}{:08x} {:016x} ", self.segment, self.offset);
        let crc = crc32fast::hash(checked.as_bytes());
        format!("{checked}{crc:08x}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix(MAGIC)?.split(' ');
        let segment = u32::from_str_radix(fields.next()?, 16).ok()?;
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let mark = Self { segment, offset };
        (mark.line() == line).then_some(mark)
    }
}

/// What the witness in `folder` says, if there is one that can be read.
pub(crate) fn read(folder: &Path) -> Option<Mark> {
    Mark::parse(&fs::read_to_string(folder.join(WITNESS_NAME)).ok()?)
}

/// The witness of an open journal.
#[derive(Debug)]
pub(crate) struct Witness {
    file: File,
}

impl Witness {
    pub(crate) fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(WITNESS_NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        Ok(Self { file: file.map_err(|source| JournalError::io("create", &path, source))? })
    }

    /// Everything up to `mark` is on the disk. One write of always the same length: it is there as a whole or not.
    pub(crate) fn says(&self, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(mark.line().as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_that_was_garbled_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        let witness = Witness::open(folder.path()).unwrap();
        witness.says(Mark { segment: 1, offset: 5 }).unwrap();
        let mark = Mark { segment: 3, offset: 700 };
        witness.says(mark).unwrap();
        assert_eq!(read(folder.path()), Some(mark));
        let bytes = fs::read(folder.path().join(WITNESS_NAME)).unwrap();
        for index in 0..bytes.len() {
            let mut garbled = bytes.clone();
            garbled[index] ^= 1;
            fs::write(folder.path().join(WITNESS_NAME), &garbled).unwrap();
            assert_eq!(read(folder.path()), None, "byte {index}");
            fs::write(folder.path().join(WITNESS_NAME), &bytes[..index]).unwrap();
            assert_eq!(read(folder.path()), None, "cut at {index}");
        }
    }
}
