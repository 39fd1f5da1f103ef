//! The segments of a journal's folder: which there are, how one begins, and which can go.
//!
//! ```text
//!   write 00000007.new | sync | rename to 00000007.journal | sync the folder | remove the oldest
//!          a crash up to here leaves a file that is removed ^      ^ from here on it is the journal's end
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use crate::JournalError;

/// How names of segments end.
const EXTENSION: &str = "journal";
/// How the name of one ends that is not the journal's yet.
const NEW_EXTENSION: &str = "new";
/// The file of the format before segments.
const OLD_NAME: &str = "journal.log";

/// A segment's path.
pub(crate) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.{EXTENSION}"))
}

/// The numbers of the segments in `folder`, in order; none is missing between them.
///
/// # Errors
/// [`JournalError`] when the folder cannot be read, a segment is missing, or a journal of an older format is there.
pub(crate) fn list(folder: &Path) -> Result<Vec<u32>, JournalError> {
    let io = |source| JournalError::io("read", folder, source);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if name == OLD_NAME {
            let (path, found) = (folder.join(OLD_NAME), "1".into());
            return Err(JournalError::Version { path, found, supported: crate::opening::VERSION });
        }
        let stem = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.'));
        let number = stem.and_then(|stem| stem.parse::<u32>().ok());
        // A file that is called otherwise is somebody's copy.
        numbers.extend(number.filter(|number| path(folder, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    let gap = numbers.iter().zip(numbers.iter().skip(1)).find(|(one, next)| one.checked_add(1) != Some(**next));
    match gap {
        Some((one, next)) => Err(JournalError::Missing {
            path: path(folder, one.saturating_add(1)),
            problem: format!("segments {one} and {next} are there"),
        }),
        None => Ok(numbers),
    }
}

/// Makes a segment that begins with `opening`. It appears under its name only when all of that is on the disk.
pub(crate) fn begin(folder: &Path, number: u32, opening: &[u8]) -> Result<File, JournalError> {
    let path = path(folder, number);
    let new = path.with_extension(NEW_EXTENSION);
    let make = || {
        let mut file = File::create(&new)?;
        file.write_all(opening)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        // Without this the file itself could be gone after a power cut.
        File::open(folder)?.sync_all()?;
        OpenOptions::new().append(true).open(&path)
    };
    make().map_err(|source| JournalError::io("create", &path, source))
}

/// Removes what a crash left of a segment that was about to begin.
pub(crate) fn remove_unborn(folder: &Path) -> Result<(), JournalError> {
    let io = |source| JournalError::io("read", folder, source);
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == NEW_EXTENSION) {
            fs::remove_file(&path).map_err(|source| JournalError::io("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Removes the oldest segments until all together have at most `limit` bytes. The newest one stays, since replay begins there, and the
/// one before it, since replay begins there when the newest one's snapshot is damaged.
pub(crate) fn prune(folder: &Path, limit: u64) -> Result<(), JournalError> {
    let mut sizes = Vec::new();
    for number in list(folder)? {
        let path = path(folder, number);
        let size = fs::metadata(&path).map_err(|source| JournalError::io("read", &path, source))?.len();
        sizes.push((path, size));
    }
    let mut total = sizes.iter().fold(0_u64, |total, (_, size)| total.saturating_add(*size));
    let removable = sizes.len().saturating_sub(2);
    for (path, size) in sizes.into_iter().take(removable) {
        if total <= limit {
            break;
        }
        // In order, and each before the next: a crash in between leaves no gap.
        fs::remove_file(&path).map_err(|source| JournalError::io("remove", &path, source))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| JournalError::io("sync", folder, source))?;
        total = total.saturating_sub(size);
    }
    Ok(())
}
