//! One append as bytes: a head line and a body of JSON lines.

use homeostat_model::Record;

use crate::JournalError;

/// The format this version reads and writes.
pub(crate) const VERSION: u32 = 1;
/// What a journal file begins with, up to the version.
pub(crate) const MAGIC: &str = "#homeostat-journal ";
/// Longest record, in bytes of JSON: a plan over ten thousand workloads has about this size.
pub const MAX_RECORD_BYTES: usize = 4 << 20;
/// Longest append, in bytes: what a recovery has to hold in memory at once.
pub const MAX_APPEND_BYTES: usize = 64 << 20;
/// Bytes of a head, its newline included.
pub(crate) const HEAD_BYTES: usize = 47;

/// What the head of an append says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of its first record, from 1.
    pub(crate) first: u64,
    /// How many bytes of body follow.
    pub(crate) bytes: u32,
    /// The body's checksum.
    pub(crate) crc: u32,
}

impl Head {
    /// The head as it is written.
    pub(crate) fn line(self) -> String {
        let checked = format!("#r {:016x} {:08x} {:08x} ", self.first, self.bytes, self.crc);
        let crc = crc32fast::hash(checked.as_bytes());
        format!("{checked}{crc:08x}\n")
    }

    /// Reads a head back; `None` unless every byte is as it was written.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let field = |from: usize, to: usize| text.get(from..to);
        let head = Self {
            first: u64::from_str_radix(field(3, 19)?, 16).ok()?,
            bytes: u32::from_str_radix(field(20, 28)?, 16).ok()?,
            crc: u32::from_str_radix(field(29, 37)?, 16).ok()?,
        };
        // Writing it again checks at once the letters, the separators and the head's own checksum.
        (head.line().as_bytes() == line).then_some(head)
    }

    /// Whether `bytes`, shorter than a head, are how one begins.
    pub(crate) fn begins_with(bytes: &[u8]) -> bool {
        let pattern = b"#r hhhhhhhhhhhhhhhh hhhhhhhh hhhhhhhh hhhhhhhh\n";
        bytes.iter().zip(pattern).all(|(byte, wanted)| match wanted {
            b'h' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            literal => byte == literal,
        })
    }
}

/// Writes `records`, of which the first gets the number `first`, as one append.
pub(crate) fn encode(first: u64, records: &[Record]) -> Result<Vec<u8>, JournalError> {
    let mut frame = vec![0; HEAD_BYTES];
    for (index, record) in records.iter().enumerate() {
        let start = frame.len();
        let unfaithful = |problem: String| JournalError::Unfaithful { index, problem };
        serde_json::to_writer(&mut frame, record).map_err(|error| unfaithful(error.to_string()))?;
        let written = frame.get(start..).unwrap_or_default();
        if written.len() > MAX_RECORD_BYTES {
            let what = format!("record {index} of the append");
            return Err(JournalError::TooLarge { what, bytes: written.len(), limit: MAX_RECORD_BYTES });
        }
        // JSON has no NaN and no infinity: they turn into `null`. Better refused now than unreadable when it matters.
        let back: Record = serde_json::from_slice(written).map_err(|error| unfaithful(error.to_string()))?;
        if back != *record {
            return Err(unfaithful("it reads back as a different record".into()));
        }
        frame.push(b'\n');
    }
    let body = frame.get(HEAD_BYTES..).unwrap_or_default();
    let too_large = || JournalError::TooLarge { what: "the append".into(), bytes: body.len(), limit: MAX_APPEND_BYTES };
    if body.len() > MAX_APPEND_BYTES {
        return Err(too_large());
    }
    let bytes = u32::try_from(body.len()).map_err(|_| too_large())?;
    let head = Head { first, bytes, crc: crc32fast::hash(body) }.line();
    for (place, byte) in frame.iter_mut().zip(head.bytes()) {
        *place = byte;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_its_documented_length_and_no_other_spelling() {
        let line = Head { first: 1, bytes: 271, crc: 0x5a3c_9e01 }.line();
        assert_eq!(line.len(), HEAD_BYTES);
        assert!(line.starts_with("#r 0000000000000001 0000010f 5a3c9e01 "), "{line}");
        assert!(Head::parse(line.as_bytes()).is_some());
        assert!(Head::parse(line.to_uppercase().replace("#R", "#r").as_bytes()).is_none());
        for cut in 0..line.len() {
            assert!(Head::begins_with(&line.as_bytes()[..cut]));
            assert!(Head::parse(&line.as_bytes()[..cut]).is_none());
        }
        assert!(!Head::begins_with(b"#r 000x"));
    }
}
