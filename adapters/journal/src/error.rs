//! What can go wrong with a journal: what, where, and what to do next.

use std::{io, path::PathBuf};

use thiserror::Error;

/// A journal cannot be opened, read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The operating system said no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried: `create`, `read`, `write`, ...
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
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
        "{} is damaged at byte {offset}: {problem}. Everything before that byte is whole. Keep a copy, then restore the \
         file from a backup; or give up what was recorded later with `truncate -s {offset}`, after looking at the \
         systems themselves for steps that were under way",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the first append that cannot be trusted begins.
        offset: u64,
        /// What is wrong with it.
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
        /// Where the append begins that holds the record.
        offset: u64,
        /// The record's number, from 1.
        number: u64,
        /// What was not understood.
        problem: String,
    },
    /// A record, or all records of one append together, are too large. Nothing was written.
    #[error("{what} would take {bytes} bytes, at most {limit} are allowed; nothing was written")]
    TooLarge {
        /// Which record, or all of them.
        what: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A record would not read back as it was given (a number in it is not finite, for instance). Nothing was written.
    #[error("record {index} of the append would not read back as it was given: {problem}; nothing was written")]
    Unfaithful {
        /// Its place in the append, from 0.
        index: usize,
        /// What differs.
        problem: String,
    },
    /// An earlier write failed; what is on the disk is known only after reopening.
    #[error(
        "{} takes no more records since a write to it failed ({why}); make room or repair the disk, then start again",
        path.display()
    )]
    Poisoned {
        /// The file.
        path: PathBuf,
        /// The write's error.
        why: String,
    },
}
