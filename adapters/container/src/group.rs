//! A container's control groups as the kernel shows them: files that are opened once and read again and again.
//!
//! They say what the engine's statistics say, which are made of them. In version 2 a limit of memory is counted as hit when
//! an allocation was about to fail for it, as Docker counts it, too.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use rustix::process::{Resource, getrlimit};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    fact::{Fact, VERSION_1, VERSION_2},
    mounts::Mounts,
    usage::{Counter, Reading},
};

/// The share of the files that this process may have open that is kept for these: streams, sources and the HTTP server need
/// the rest. Groups beyond that are opened for each reading, which costs half as much again.
const SHARE_OF_FILES: u64 = 4;

/// The most files that are kept open where the process may have any number: those of some ten thousand containers.
const MOST_FILES: u64 = 1 << 17;

/// What a file is read into at first; longer ones are of hosts with many disks.
const BUFFER: usize = 8 << 10;

/// The longest file that is read. The kernel's are a hundredth of that with a thousand disks.
const LONGEST: usize = 8 << 20;

/// The files that all groups of this process may still keep open.
static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let most = getrlimit(Resource::Nofile).current.map_or(MOST_FILES, |limit| (limit / SHARE_OF_FILES).min(MOST_FILES));
    Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(0)))
});

/// Why a container's groups cannot be read here.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    /// The engine does not say which process is the container's.
    #[error("the engine names no process of it")]
    NoProcess,
    /// The process is another machine's, or in another namespace of processes.
    #[error("process {0} of this machine, if there is one, is not the container's: does the engine run elsewhere?")]
    Elsewhere(u32),
    /// The groups are not visible, or some file of them is not.
    #[error("{0} cannot be read: {1}")]
    File(PathBuf, io::Error),
}

/// The files of one container.
#[derive(Debug)]
pub(crate) struct Group {
    files: Vec<(Fact, Handle)>,
    /// Keeps other groups from having too many files open.
    _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Handle {
    Open(File),
    /// Is opened for each reading.
    Named(PathBuf),
}

impl Group {
    /// Finds the groups of the container with the engine's `id`, of which `pid` is a process.
    ///
    /// # Errors
    /// [`Unreadable`]. What only some kernels count may be missing and is no error; processor time and memory are.
    pub(crate) fn find(mounts: &Mounts, pid: Option<u32>, id: &str, network: bool) -> Result<Self, Unreadable> {
        let pid = pid.ok_or(Unreadable::NoProcess)?;
        let path = format!("/proc/{pid}/cgroup");
        let groups = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            groups => groups.map_err(|error| Unreadable::File(path.into(), error))?,
        };
        if id.is_empty() || !groups.contains(id) {
            return Err(Unreadable::Elsewhere(pid));
        }
        let mut found: Vec<(Fact, PathBuf)> = Vec::new();
        for fact in VERSION_1.into_iter().chain(VERSION_2) {
            if let Some(folder) = mounts.folder(fact.controller, &groups, id)
                && folder.unified == fact.unified
            {
                found.push((fact.fact, folder.path.join(fact.file)));
            }
        }
        if network {
            found.push((Fact::Network, format!("/proc/{pid}/net/dev").into()));
        }
        Self::open(found)
    }

    /// Opens those files that exist.
    pub(crate) fn open(found: Vec<(Fact, PathBuf)>) -> Result<Self, Unreadable> {
        let room =
            u32::try_from(found.len()).ok().and_then(|count| Arc::clone(&ROOM).try_acquire_many_owned(count).ok());
        let mut files = Vec::new();
        for (fact, path) in found {
            match File::open(&path) {
                // The number of a process may be given to another one: that file has to stay open.
                Ok(file) if room.is_some() || fact == Fact::Network => files.push((fact, Handle::Open(file))),
                Ok(_) => files.push((fact, Handle::Named(path))),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Unreadable::File(path, error)),
            }
        }
        let mut group = Self { files, _room: room };
        group.files.shrink_to_fit();
        // A group without these is none that an engine could measure either.
        let now = group.read(&mut Vec::new()).map_err(|error| Unreadable::File(group.first(), error))?;
        if now.count(Counter::Cpu).is_none() || now.memory.is_none() {
            let error = io::Error::new(ErrorKind::NotFound, "it has no processor time, or no memory");
            return Err(Unreadable::File(group.first(), error));
        }
        Ok(group)
    }

    /// What stands for the group in an error.
    fn first(&self) -> PathBuf {
        let named = self.files.iter().find_map(|(_, handle)| match handle {
            Handle::Named(path) => path.parent().map(Path::to_owned),
            Handle::Open(_) => None,
        });
        named.unwrap_or_else(|| "its control group".into())
    }

    /// Reads all files, into `buffer`; without the time. Blocks, for some ten microseconds.
    ///
    /// # Errors
    /// Those of a file; [`is_gone`] tells whether that is because the container has ended.
    pub(crate) fn read(&self, buffer: &mut Vec<u8>) -> io::Result<Reading> {
        let mut reading = Reading::default();
        for (fact, handle) in &self.files {
            let text = handle.read(buffer)?;
            fact.take(text, &mut reading);
        }
        Ok(reading)
    }
}

/// Whether a reading failed because there is no such group any more.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let number = |error: rustix::io::Errno| Some(error.raw_os_error());
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == number(rustix::io::Errno::NODEV)
}

impl Handle {
    /// All of the file.
    fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let size = match self {
            Self::Open(file) => {
                if buffer.len() < BUFFER {
                    buffer.resize(BUFFER, 0);
                }
                loop {
                    let size = file.read_at(buffer, 0)?;
                    // The kernel gives as much as there is, if it fits: what fills the buffer may be cut off.
                    if size < buffer.len() || size >= LONGEST {
                        break size;
                    }
                    buffer.resize(buffer.len().saturating_mul(2), 0);
                }
            }
            Self::Named(path) => {
                buffer.clear();
                File::open(path)?.take(u64::try_from(LONGEST).unwrap_or(u64::MAX)).read_to_end(buffer)?
            }
        };
        Ok(buffer.get(..size).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group of version 2 with so much memory in use and a file that is longer than the buffer.
    fn folder(memory: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("cpu.stat", "usage_usec 5\n");
        write("memory.current", memory);
        write("pids.current", "2\n");
        let disks: String = (0..1000).map(|disk| format!("8:{disk} rbytes=1 wbytes=2 rios=3 wios=4\n")).collect();
        write("io.stat", &disks);
        folder
    }

    fn files(folder: &Path) -> Vec<(Fact, PathBuf)> {
        VERSION_2.iter().map(|file| (file.fact, folder.join(file.file))).collect()
    }

    #[test]
    fn a_group_is_read_again_and_again_whether_its_files_are_kept_open_or_not() {
        let folder = folder("1000\n");
        let open = Group::open(files(folder.path())).unwrap();
        let named = files(folder.path()).into_iter().filter(|(_, path)| path.exists());
        let named = Group { files: named.map(|(fact, path)| (fact, Handle::Named(path))).collect(), _room: None };
        assert!(open.files.iter().all(|(_, handle)| matches!(handle, Handle::Open(_))));
        let mut buffer = Vec::new();
        for memory in ["1000", "77", "123456"] {
            std::fs::write(folder.path().join("memory.current"), memory).unwrap();
            for group in [&open, &named] {
                let reading = group.read(&mut buffer).unwrap();
                assert_eq!(reading.memory, memory.parse().ok());
                assert_eq!(reading.count(Counter::Cpu), Some(5000));
                assert_eq!(reading.count(Counter::DiskWrite), Some(2000), "all of a long file is read");
                assert_eq!((reading.pids, reading.cache), (Some(2), None), "what a kernel does not have is left out");
            }
        }
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(is_gone(&named.read(&mut buffer).unwrap_err()));
    }

    #[test]
    fn a_group_without_memory_or_processor_time_is_left_to_the_engine() {
        let folder = folder("none");
        let error = Group::open(files(folder.path())).unwrap_err();
        assert!(error.to_string().contains("it has no processor time, or no memory"), "{error}");
    }

    #[test]
    fn a_process_that_is_not_the_containers_is_not_taken_for_it() {
        let find = |pid| Group::find(&Mounts::here(), pid, &"0123456789abcdef".repeat(4), true).unwrap_err();
        assert!(matches!(find(None), Unreadable::NoProcess));
        assert!(matches!(find(Some(std::process::id())), Unreadable::Elsewhere(_)));
        // No process has this number: it is above the greatest that the kernel gives.
        assert!(matches!(find(Some(u32::MAX)), Unreadable::Elsewhere(_)));
    }
}
