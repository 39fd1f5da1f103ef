//! One block as bytes: a head and a line for each record. A block is what one write and one sync put on the disk.

use homeostat_model::Record;

use crate::{
    JournalError,
    hash::{HEX_BYTES, Hash, digit},
};

/// Longest record, in bytes of JSON: a plan over ten thousand workloads has about this size.
pub const MAX_RECORD_BYTES: usize = 4 << 20;
/// Longest append, and longest block, in bytes: what a recovery has to hold in memory at once.
pub const MAX_APPEND_BYTES: usize = 64 << 20;
/// Bytes of a head, its newline included.
pub(crate) const HEAD_BYTES: usize = 103;
/// Bytes before a record's JSON: its checksum and a space.
const CHECKSUM_BYTES: usize = 9;

/// What the head of a block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of its first record, from 1.
    pub(crate) first: u64,
    /// How many bytes of lines follow.
    pub(crate) bytes: u32,
    /// The hash of its last record.
    pub(crate) hash: Hash,
}

impl Head {
    /// The head as it is written.
    pub(crate) fn line(self) -> String {
        let checked = format!("#r {:016x} {:08x} {} ", self.first, self.bytes, self.hash);
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
            hash: Hash::parse(field(29, 29 + HEX_BYTES)?.as_bytes())?,
        };
        // Writing it again checks at once the letters, the separators and the head's own checksum.
        (head.line().as_bytes() == line).then_some(head)
    }

    /// Whether `bytes`, shorter than a head, are how one begins.
    pub(crate) fn begins_with(bytes: &[u8]) -> bool {
        let hex = |count: usize| std::iter::repeat_n(b'h', count);
        let pattern = b"#r ".iter().copied().chain(hex(16)).chain([b' ']).chain(hex(8)).chain([b' ']);
        let pattern = pattern.chain(hex(HEX_BYTES)).chain([b' ']).chain(hex(8)).chain([b'\n']);
        bytes.iter().zip(pattern).all(|(byte, wanted)| match wanted {
            b'h' => digit(*byte).is_some(),
            literal => *byte == literal,
        })
    }
}

/// `records` as lines: a checksum, a space, JSON.
///
/// # Errors
/// [`JournalError::TooLarge`], and [`JournalError::Unfaithful`] for a record that would not read back equal.
pub(crate) fn lines(records: &[Record]) -> Result<Vec<u8>, JournalError> {
    let mut lines = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let start = lines.len();
        let unfaithful = |problem: String| JournalError::Unfaithful { index, problem };
        lines.extend([b' '; CHECKSUM_BYTES]);
        serde_json::to_writer(&mut lines, record).map_err(|error| unfaithful(error.to_string()))?;
        let Some((checksum, json)) = lines.get_mut(start..).and_then(|line| line.split_at_mut_checked(CHECKSUM_BYTES))
        else {
            return Err(unfaithful("it has no text".into()));
        };
        if json.len() > MAX_RECORD_BYTES {
            let what = format!("record {index} of the append");
            return Err(JournalError::TooLarge { what, bytes: json.len(), limit: MAX_RECORD_BYTES });
        }
        // JSON has no NaN and no infinity: they turn into `null`. Better refused now than unreadable when it matters.
        let back: Record = serde_json::from_slice(json).map_err(|error| unfaithful(error.to_string()))?;
        if back != *record {
            return Err(unfaithful("it reads back as a different record".into()));
        }
        for (place, byte) in checksum.iter_mut().zip(format!("{:08x} ", crc32fast::hash(json)).bytes()) {
            *place = byte;
        }
        lines.push(b'\n');
    }
    if lines.len() > MAX_APPEND_BYTES {
        let (what, bytes) = ("the append".into(), lines.len());
        return Err(JournalError::TooLarge { what, bytes, limit: MAX_APPEND_BYTES });
    }
    Ok(lines)
}

/// The JSON of a line without its newline; `None` when its checksum does not fit.
pub(crate) fn json(line: &[u8]) -> Option<&[u8]> {
    let (checksum, json) = line.split_at_checked(CHECKSUM_BYTES)?;
    let (space, digits) = checksum.split_last()?;
    let crc = digits.iter().try_fold(0_u32, |crc, byte| Some(crc << 4 | u32::from(digit(*byte)?)))?;
    (*space == b' ' && crc == crc32fast::hash(json)).then_some(json)
}

/// The lines of a block without their newlines; the last one has to have one as well.
pub(crate) fn split(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // Without a newline it is cut off, and no checksum fits nothing.
        let Some((line, more)) = memchr::memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) else {
            rest = &[];
            return Some(rest);
        };
        rest = more.get(1..).unwrap_or_default();
        Some(line)
    })
}

/// The head for `lines`, of which the first is record `first` and follows the one with the hash `before`; and how many there are.
///
/// # Errors
/// The number of bytes, when they are more than a head can say.
pub(crate) fn head(first: u64, before: Hash, lines: &[u8]) -> Result<(Head, u64), usize> {
    let bytes = u32::try_from(lines.len()).map_err(|_| lines.len())?;
    let (mut hash, mut count) = (before, 0);
    for line in split(lines) {
        // They were just written: their checksums need not be looked at.
        hash = hash.then(line.get(CHECKSUM_BYTES..).unwrap_or_default());
        count += 1;
    }
    Ok((Head { first, bytes, hash }, count))
}

/// A length as files count it.
pub(crate) fn long(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_its_documented_length_and_no_other_spelling() {
        let line = Head { first: 1, bytes: 271, hash: Hash::default().then(b"x") }.line();
        assert_eq!(line.len(), HEAD_BYTES);
        assert!(line.starts_with("#r 0000000000000001 0000010f "), "{line}");
        assert!(Head::parse(line.as_bytes()).is_some());
        assert!(Head::parse(line.to_uppercase().replace("#R", "#r").as_bytes()).is_none());
        for cut in 0..line.len() {
            assert!(Head::begins_with(&line.as_bytes()[..cut]));
            assert!(Head::parse(&line.as_bytes()[..cut]).is_none());
        }
        assert!(!Head::begins_with(b"#r 000x"));
    }

    #[test]
    fn a_line_is_cut_off_without_its_newline() {
        let all = |text: &'static str| split(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(all("a\nbc\n"), [b"a".as_slice(), b"bc"]);
        assert_eq!(all("a\nbc"), [b"a".as_slice(), b""]);
        assert_eq!(all("\n"), [b""]);
        assert!(all("").is_empty());
    }
}
