//! The durable log of what was decided and dispatched: what is in it has happened, whatever crashed afterwards.
//!
//! ```text
//!   folder/lock          held while a journal is open; a second process is refused
//!   folder/journal.log
//!
//!     #homeostat-journal 1                                        the format and its version
//!     #r 0000000000000001 0000010f 5a3c9e01 7be21d44              one head for each append
//!     {"at":1700000000000,"entry":{"policiesLoaded":{..}}}        its records, a line of JSON each
//!     {"at":1700000000000,"entry":{"findingOpened":{..}}}
//!     #r 0000000000000003 ...
//!      |  |                |        |        `- CRC-32 of the head up to here
//!      |  |                |        `- CRC-32 of the body
//!      |  |                `- bytes of the body
//!      |  `- number of the first record, from 1
//!      `- what the body is: r, records. Later versions add letters (snapshots, chained hashes)
//! ```
//!
//! Numbers are hexadecimal. `grep -v '^#' journal.log` gives plain JSON lines.
//!
//! Invariant: when `append` returns, its records are on the disk, all of them; after a crash it is all of them or none.
//! Invariant: a torn tail (the last append, cut off by a crash) is repaired and said; any other damage is refused with
//! its offset. The head has a checksum of its own, so that a damaged length is never taken for a torn tail.
//! Invariant: a record that would not read back equal is refused before anything is written.
//! Invariant: this crate does not know what records mean beyond which steps are still open; it knows no engine.

mod error;
mod frame;
mod journal;
mod ledger;
mod lock;
mod reader;
mod tail;

pub use error::JournalError;
pub use frame::{MAX_APPEND_BYTES, MAX_RECORD_BYTES};
pub use journal::{Cut, FILE_NAME, Journal, Recovered, read};
pub use ledger::OpenStep;
pub use reader::Reader;
