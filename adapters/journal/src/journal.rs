//! The journal: opening, recovering, appending.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

use homeostat_model::{Generation, Record};

use crate::{
    JournalError, OpenStep, Reader, frame,
    frame::{MAGIC, VERSION},
    ledger::Ledger,
    lock,
};

/// The file's name in its folder.
pub const FILE_NAME: &str = "journal.log";
/// The file's name until its first line is on the disk.
const NEW_NAME: &str = "journal.new";

/// An open journal. Its folder belongs to this process until it is dropped.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// How many records there are.
    count: u64,
    /// Why it takes no more.
    failed: Option<String>,
    _lock: File,
}

/// What was in a journal when it was opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// How many records there are. [`read`] gives them.
    pub records: u64,
    /// The newest generation; the next one has to be greater.
    pub last_generation: Option<Generation>,
    /// Steps that were dispatched and whose outcome is not known, in the order of plans and steps.
    pub unfinished: Vec<OpenStep>,
    /// What a crash had left of its last append, and was cut off.
    pub cut: Option<Cut>,
}

/// A torn tail that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where the file ends now.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
}

impl Journal {
    /// Opens the journal in `folder`, or begins one there; checks every record of it and repairs a torn tail.
    ///
    /// # Errors
    /// [`JournalError`] when the folder is in use by another process, when the file is no journal of this format or is
    /// damaged, and when the operating system says no.
    pub fn open(folder: &Path) -> Result<(Self, Recovered), JournalError> {
        fs::create_dir_all(folder).map_err(|source| JournalError::Io {
            doing: "create",
            path: folder.into(),
            source,
        })?;
        let lock = lock::take(folder)?;
        let path = folder.join(FILE_NAME);
        let io = |doing, source| JournalError::Io { doing, path: path.clone(), source };
        if !fs::exists(&path).map_err(|source| io("look for", source))? {
            begin(folder, &path)?;
        }
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(|source| io("open", source))?;
        let recovered = recover(&file, &path)?;
        if let Some(cut) = recovered.cut {
            file.set_len(cut.offset).and_then(|()| file.sync_all()).map_err(|source| io("repair", source))?;
        }
        Ok((Self { path, file, count: recovered.records, failed: None, _lock: lock }, recovered))
    }

    /// Appends `records`, all or none, and returns when they are on the disk. One write and one sync, whatever the number.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`] and [`JournalError::Unfaithful`] for records that cannot be kept; the journal goes on.
    /// [`JournalError::Io`] when the write failed: whether the records are kept is then open, and every later append is
    /// refused with [`JournalError::Poisoned`] until the journal is opened again.
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if let Some(why) = &self.failed {
            return Err(JournalError::Poisoned { path: self.path.clone(), why: why.clone() });
        }
        if records.is_empty() {
            return Ok(());
        }
        let frame = frame::encode(self.count + 1, records)?;
        if let Err(source) = self.file.write_all(&frame).and_then(|()| self.file.sync_data()) {
            // After a failed sync the system may have dropped the data and forgotten the error: a second try could
            // succeed without the first one's records being there.
            self.failed = Some(source.to_string());
            return Err(JournalError::Io { doing: "write", path: self.path.clone(), source });
        }
        self.count = self.count.saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads the journal in `folder` from its first record, also while another process writes it: then an append that is
/// being written at this moment is the end. Changes nothing.
///
/// # Errors
/// [`JournalError`] when there is none, when it cannot be read, or when it is of another format. Damage further on is
/// an item of the iterator, its last one.
pub fn read(folder: &Path) -> Result<Reader<BufReader<File>>, JournalError> {
    let path = folder.join(FILE_NAME);
    let file = File::open(&path).map_err(|source| JournalError::Io { doing: "open", path: path.clone(), source })?;
    Reader::new(BufReader::new(file), &path)
}

/// Makes the file with its first line. It appears under its name only when that line is on the disk.
fn begin(folder: &Path, path: &Path) -> Result<(), JournalError> {
    let new = folder.join(NEW_NAME);
    let make = || {
        let mut file = File::create(&new)?;
        file.write_all(format!("{MAGIC}{VERSION}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // Without this the file itself could be gone after a power cut.
        File::open(folder)?.sync_all()
    };
    make().map_err(|source| JournalError::Io { doing: "create", path: path.into(), source })
}

/// Reads everything once.
fn recover(file: &File, path: &Path) -> Result<Recovered, JournalError> {
    let mut reader = Reader::new(BufReader::new(file), path)?;
    let mut ledger = Ledger::default();
    let mut records = 0;
    for record in &mut reader {
        ledger.apply(record?);
        records += 1;
    }
    let cut = Cut { offset: reader.whole_bytes(), bytes: reader.torn_bytes() };
    let (last_generation, unfinished) = ledger.close();
    Ok(Recovered { records, last_generation, unfinished, cut: (cut.bytes > 0).then_some(cut) })
}

#[cfg(test)]
mod tests;
