//! The durable log of what was decided and dispatched: what is in it has happened, whatever crashed afterwards.
//!
//! ```text
//!   append() --+                                          folder/lock              held while the journal is open
//!   append() --+-> queue --> one thread: one block,       folder/00000006.journal  older segments: for audits
//!   roll()   --+   (bounded)  one write, one sync  ---->  folder/00000007.journal  the newest: replay begins here
//!      ^                          |                       folder/durable           up to where it was acknowledged
//!      `--- Durable resolves <----'
//!
//!   #homeostat-journal 2 00000007 0000000000000123 3f2a.. 000001c0 5a3c9e01 00000000 00000000 7be21d44
//!     segment, its first record, the hash before, then bytes and CRC-32 of what it carries over: the state of plans, and the
//!     driver's snapshot; then the line's CRC-32
//!   #r 0000000000000123 0000010f 90b4.. 7be21d44                a block: its first record, its bytes, the hash of its last
//!   5a3c9e01 {"at":1700000000000,"entry":{"stepDispatched":..   a record: its CRC-32, and JSON
//! ```
//!
//! Numbers are hexadecimal. `sed -n 's/^[0-9a-f]\{8\} {/{/p' *.journal` gives plain JSON lines.
//!
//! Each record's hash is SHA-256 of the hash before it and its JSON, so that a changed, removed or inserted record breaks the chain at its
//! block. Whoever may write the folder can compute a new chain; noting the last hash elsewhere (`audit --verify` prints it) shows that, too.
//! SHA-256 and not something faster: its check needs no program of ours, and with the instructions that processors have for it, it is no
//! slower on records of this size (0.4 us against 0.6 us of BLAKE3). JSON and not something binary: a million records are replayed and
//! checked in 0.8 s of one core, and people can read the file when nothing else works any more.
//!
//! Invariant: when a [`Durable`] resolves, the records of its append and of all before it are on the disk; after a crash an append is
//! there as a whole or not at all.
//! Invariant: a torn tail (the last block, cut off by a crash, and never acknowledged) is repaired and said; any other damage is refused
//! with its place. Heads have a checksum of their own, so that a damaged length is never taken for a torn tail.
//! Invariant: after a write or sync has failed, nothing more is written; what was not acknowledged is written anew when it is opened again.
//! Invariant: a segment that replay needs is not removed; one is removed only when a newer one is on the disk with all that it carries.
//! Invariant: a record that would not read back equal is refused before anything is written.
//! Invariant: this crate does not know what records mean beyond which steps are still open; it knows no engine.

mod durable;
mod error;
mod frame;
mod hash;
mod history;
mod journal;
mod ledger;
mod lock;
mod opening;
mod queue;
mod reader;
mod recovery;
mod segment;
mod tail;
#[cfg(test)]
mod tests;
mod witness;
mod writer;

pub use durable::Durable;
pub use error::JournalError;
pub use frame::{MAX_APPEND_BYTES, MAX_RECORD_BYTES};
pub use hash::Hash;
pub use history::{ChainEnd, History};
pub use journal::{Journal, Options};
pub use opening::MAX_SNAPSHOT_BYTES;
pub use reader::{Kept, Reader};
pub use recovery::{Cut, Recovered, Replayed};
