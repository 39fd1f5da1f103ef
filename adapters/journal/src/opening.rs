//! How a segment begins: which one it is, where the chain stands, and what has to be known to begin replay here.

use crate::{
    JournalError,
    frame::long,
    hash::{HEX_BYTES, Hash},
};

/// The format this version reads and writes.
pub(crate) const VERSION: u32 = 2;
/// What a segment begins with, up to the version.
pub(crate) const MAGIC: &str = "#homeostat-journal ";
/// Longest snapshot that is taken: the state of a driver with ten thousand resources is a tenth of it.
pub const MAX_SNAPSHOT_BYTES: usize = 64 << 20;
/// Bytes of the first line, its newline included.
pub(crate) const OPENING_BYTES: usize = 157;

/// What a segment's first line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The segment's number, from 1.
    pub(crate) segment: u32,
    /// The number of its first record, from 1.
    pub(crate) first: u64,
    /// The hash of the record before.
    pub(crate) before: Hash,
    ledger: Section,
    snapshot: Section,
}

/// Bytes that follow the first line, and their checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Section {
    bytes: u32,
    crc: u32,
}

impl Section {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX), crc: crc32fast::hash(bytes) }
    }

    fn len(self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }
}

impl Opening {
    /// Everything that a segment begins with, as it is written.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`]
    pub(crate) fn write(
        segment: u32,
        first: u64,
        before: Hash,
        ledger: &[u8],
        snapshot: &[u8],
    ) -> Result<Vec<u8>, JournalError> {
        let (limit, bytes) = (MAX_SNAPSHOT_BYTES, ledger.len().max(snapshot.len()));
        if bytes > limit {
            return Err(JournalError::TooLarge { what: "the snapshot".into(), bytes, limit });
        }
        let opening = Self { segment, first, before, ledger: Section::of(ledger), snapshot: Section::of(snapshot) };
        Ok([opening.line().as_bytes(), ledger, b"\n", snapshot, b"\n"].concat())
    }

    fn line(self) -> String {
        let Self { segment, first, before, ledger, snapshot } = self;
        let checked = format!(
            "{MAGIC}{VERSION} {segment:08x} {first:016x} {before} {:08x} {:08x} {:08x} {:08x} ",
            ledger.bytes, ledger.crc, snapshot.bytes, snapshot.crc
        );
        let crc = crc32fast::hash(checked.as_bytes());
        format!("{checked}{crc:08x}\n")
    }

    /// Reads a first line back; `None` unless every byte is as it was written.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.strip_prefix(MAGIC)?.trim_end().split(' ').skip(1);
        let mut number = |digits: usize| {
            let field = fields.next().filter(|field| field.len() == digits)?;
            if digits == HEX_BYTES {
                Some((0, Hash::parse(field.as_bytes())?))
            } else {
                Some((u64::from_str_radix(field, 16).ok()?, Hash::default()))
            }
        };
        let (segment, first, before) = (number(8)?.0, number(16)?.0, number(HEX_BYTES)?.1);
        let mut short = || u32::try_from(number(8)?.0).ok();
        let ledger = Section { bytes: short()?, crc: short()? };
        let snapshot = Section { bytes: short()?, crc: short()? };
        let opening = Self { segment: u32::try_from(segment).ok()?, first, before, ledger, snapshot };
        (opening.line().as_bytes() == line).then_some(opening)
    }

    /// How many bytes follow the first line before the first block.
    pub(crate) fn carried_bytes(&self) -> u64 {
        // Each section ends with a newline of its own.
        long(self.ledger.len()).saturating_add(long(self.snapshot.len())).saturating_add(2)
    }

    /// The ledger and the snapshot in `carried`, or what is wrong with them.
    pub(crate) fn split(&self, carried: &[u8]) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
        let short = "what it carries over is cut off";
        let (ledger, rest) = carried.split_at_checked(self.ledger.len()).ok_or(short)?;
        let rest = rest.strip_prefix(b"\n").ok_or("the state of plans does not end where it should")?;
        let snapshot = rest.strip_suffix(b"\n").ok_or("the snapshot does not end where it should")?;
        if Section::of(ledger) != self.ledger {
            return Err("the checksum of the state of plans is wrong");
        }
        if Section::of(snapshot) != self.snapshot {
            return Err("the checksum of the snapshot is wrong");
        }
        Ok((ledger.to_vec(), snapshot.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let bytes = Opening::write(7, 300, Hash::default().then(b"x"), b"{}", b"\n\nstate\n").unwrap();
        let (line, carried) = bytes.split_at(OPENING_BYTES);
        assert!(line.ends_with(b"\n"));
        let opening = Opening::parse(line).unwrap();
        assert_eq!((opening.segment, opening.first), (7, 300));
        assert_eq!(opening.carried_bytes(), u64::try_from(carried.len()).unwrap());
        assert_eq!(opening.split(carried), Ok((b"{}".to_vec(), b"\n\nstate\n".to_vec())));
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            let (line, carried) = damaged.split_at(OPENING_BYTES);
            assert!(Opening::parse(line).is_none_or(|opening| opening.split(carried).is_err()), "byte {index}");
            let cut = &bytes[..index];
            let whole = cut.split_at_checked(OPENING_BYTES).is_some_and(|(_, carried)| opening.split(carried).is_ok());
            assert!(!whole, "cut at {index}");
        }
    }
}
