//! One process a folder: an advisory lock that the operating system drops with the process, however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::Path,
};

use crate::JournalError;

const LOCK_NAME: &str = "lock";
/// Longest holder's name that is read back: a process id and what surrounds it.
const HOLDER_BYTES: u64 = 64;

/// Takes the folder, or says who has it. Dropping the file gives it back.
pub(crate) fn take(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join(LOCK_NAME);
    let io = |doing, source| JournalError::io(doing, &path, source);
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = options.map_err(|source| io("create", source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message; the lock itself has already decided.
            let read = (&mut file).take(HOLDER_BYTES).read_to_string(&mut holder);
            let known = read.is_ok() && !holder.trim().is_empty();
            let holder = if known { holder.trim().into() } else { "another process".into() };
            return Err(JournalError::Locked { folder: folder.into(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(io("lock", source)),
    }
    let name = format!("process {}\n", std::process::id());
    file.set_len(0).and_then(|()| file.write_all(name.as_bytes())).map_err(|source| io("write", source))?;
    Ok(file)
}
