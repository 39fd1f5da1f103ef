//! Where a segment stops making sense: a crash that cut off the last block, or damage.
//!
//! ```text
//!   ... whole blocks | what is left .......................... | end of the file
//!                    ^ nothing here can be trusted
//! ```
//!
//! Blocks are written and synced one after the other, so that a crash can only tear the last one. What it leaves is a
//! beginning of that block, possibly with zeros where the file had grown and the data had not arrived. Anything else
//! is damage: a complete block whose checksums are wrong may have been acted upon, and is never thrown away. What was
//! acknowledged (see `witness`) does not come here at all.

use crate::frame::{HEAD_BYTES, Head};

/// Zeros in a row that only a hole makes: the journal is text and has none, and a decayed disk does not clear 128 bits.
const HOLE_BYTES: usize = 16;

/// What the end of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The last block, cut off by a crash.
    Torn,
    /// Damage, and which.
    Damaged(String),
}

/// Judges `rest`: everything from the first block that is not whole to the end of the file. Not empty.
pub(crate) fn judge(rest: &[u8]) -> Tail {
    let written = rest.len() - rest.iter().rev().take_while(|byte| **byte == 0).count();
    let written = rest.get(..written).unwrap_or_default();
    if let Some(offset) = later_head(rest) {
        return Tail::Damaged(format!("a block is not whole, and another one follows {offset} bytes later"));
    }
    let Some((head, body)) = written.split_at_checked(HEAD_BYTES) else {
        return if Head::begins_with(written) || has_hole(written) {
            Tail::Torn
        } else {
            Tail::Damaged("what is there is no beginning of a block".into())
        };
    };
    let complete = Head::parse(head).map(|head| usize::try_from(head.bytes).is_ok_and(|bytes| body.len() >= bytes));
    match complete {
        Some(false) => Tail::Torn,
        _ if has_hole(written) => Tail::Torn,
        Some(true) => Tail::Damaged("the checksum of a record is wrong".into()),
        None => Tail::Damaged("the head of a block is wrong".into()),
    }
}

/// Whether there is a run of zeros with something written after it.
fn has_hole(written: &[u8]) -> bool {
    written.windows(HOLE_BYTES).any(|window| window.iter().all(|byte| *byte == 0))
}

/// Where the next whole head begins. A record's line never looks like one: it begins with a checksum.
fn later_head(rest: &[u8]) -> Option<usize> {
    let starts = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    starts.into_iter().find(|start| rest.get(*start..start.saturating_add(HEAD_BYTES)).and_then(Head::parse).is_some())
}
