//! What can go wrong with a journal: what, where, and what to do next.

use std::{io, path::PathBuf, sync::Arc};

use thiserror::Error;

/// A journal cannot be opened, read or written.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// The operating system said no.
    #[error("cannot {doing} {}: {source}; {}", path.display(), advice(source))]
    Io {
        /// What was tried: `create`, `read`, `write`, ...
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said. Every append that waited for the same write is told.
        source: Arc<io::Error>,
    },
    /// Another process has it open.
    #[error(
        "the journal in {} is in use by {holder}; stop that one first, or give this one a folder of its own",
        folder.display()
    )]
    Locked {
        /// The journal's folder.
        folder: PathBuf,
        /// Who holds it, as far as it is known.
        holder: String,
    },
    /// The file does not begin as a journal does.
    #[error(
        "{} is not a journal: it begins with {found:?}; choose another folder, or move the file away",
        path.display()
    )]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// Its beginning, cut to 40 characters.
        found: String,
    },
    /// It was written in another format.
    #[error("{} has format {found}, this version reads format {supported}; use the version that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The format it names.
        found: String,
        /// The format that is understood.
        supported: u32,
    },
    /// It is damaged, and not only at a tail that a crash has torn.
    #[error(
        "{} is damaged at byte {offset}: {problem}. Keep a copy of the folder, then restore it from a backup; or {}",
        path.display(),
        resort(*offset)
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the first block that cannot be trusted begins.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A segment between two others, or one that is known to have been there, is gone.
    #[error(
        "{} is missing: {problem}. Restore the folder from a backup; or move it away, after looking at the systems \
         themselves for steps that were under way",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// How that is known.
        problem: String,
    },
    /// A record is whole but says something that this version does not understand.
    #[error(
        "{}: record {number} (byte {offset}) is not understood: {problem}; it was probably written by a newer version",
        path.display()
    )]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// Where the block begins that holds the record.
        offset: u64,
        /// The record's number, from 1.
        number: u64,
        /// What was not understood.
        problem: String,
    },
    /// A record, or all records of one append together, are too large. Nothing was written.
    #[error("{what} would take {bytes} bytes, at most {limit} are allowed; nothing of it was written")]
    TooLarge {
        /// Which record, or all of them.
        what: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A record would not read back as it was given (a number in it is not finite, for instance). Nothing was written.
    #[error("record {index} of the append would not read back as it was given: {problem}; nothing of it was written")]
    Unfaithful {
        /// Its place in the append, from 0.
        index: usize,
        /// What differs.
        problem: String,
    },
    /// An earlier write or sync failed; what is on the disk is known only after reopening.
    #[error(
        "{} takes no more records: {why}",
        path.display()
    )]
    Poisoned {
        /// The file.
        path: PathBuf,
        /// The error that it ended with.
        why: String,
    },
}

impl JournalError {
    /// An answer of the operating system.
    pub(crate) fn io(doing: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.into(), source: Arc::new(source) }
    }
}

/// What to do about damage when there is no backup.
fn resort(offset: u64) -> String {
    let look = "after looking at the systems themselves for steps that were under way";
    if offset == 0 {
        return format!("move it away and begin a new one, {look}");
    }
    format!(
        "give up what was recorded later, {look}: `truncate -s {offset}` of this file, before which everything is whole, and remove \
         the file `durable` and the segments after this one"
    )
}

/// What to do about an answer of the operating system.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on that disk, or give the journal less with `maxBytes`, then start again"
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing, or give the journal another folder",
        io::ErrorKind::PermissionDenied => "it has to belong to homeostat's user, or give the journal another folder",
        io::ErrorKind::NotFound => "check the path",
        _ => "look at the disk before starting again; what was acknowledged before is kept",
    }
}
