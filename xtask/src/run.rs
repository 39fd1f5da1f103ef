//! A run: the folder that owns everything one test bed starts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::process::ProcessId;

/// Where the runs are. Short, because the path of a unix socket may have at most 107 bytes.
const ROOT: &str = "/run/homeostat-testbed";

/// The owner of a test bed that stays until `testbed stop`.
const DETACHED: &str = "detached";

/// One test bed's folders: sockets, pid files and settings in `dir`, images and logs in `data`.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its number, unique among the runs of this machine.
    pub(crate) id: String,
    /// Sockets, pid files, settings; below [`ROOT`].
    pub(crate) dir: PathBuf,
    /// Images, containers, logs; below `target/testbed`.
    pub(crate) data: PathBuf,
}

impl Run {
    /// A new run that this process owns.
    pub(crate) fn create() -> Result<Self, String> {
        let id = ProcessId::own().to_string();
        let run = Self { dir: Path::new(ROOT).join(&id), data: target_folder()?.join("testbed").join(&id), id };
        for folder in [&run.dir, &run.data, &run.scratch()] {
            fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        let data = run.data.to_str().ok_or_else(|| format!("{} is not UTF-8", run.data.display()))?;
        write(&run.dir.join("data"), data)?;
        write(&run.dir.join("owner"), &owner(ProcessId::own()))?;
        Ok(run)
    }

    /// The run in folder `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, String> {
        let id =
            dir.file_name().and_then(|name| name.to_str()).ok_or_else(|| format!("{} is no run", dir.display()))?;
        let data = fs::read_to_string(dir.join("data"))
            .map_err(|error| format!("{} is not the folder of a test bed: {error}", dir.display()))?;
        Ok(Self { id: id.to_owned(), dir: dir.to_owned(), data: PathBuf::from(data) })
    }

    /// Every run of this machine, whether it is alive or not.
    pub(crate) fn all() -> Vec<Self> {
        let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
        let mut runs: Vec<Self> = entries.filter_map(|entry| Self::open(&entry.path()).ok()).collect();
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        runs
    }

    /// Whether the process that owns it still runs.
    pub(crate) fn is_owned(&self) -> bool {
        let written = fs::read_to_string(self.dir.join("owner")).unwrap_or_default();
        let pid = written.split_whitespace().next().and_then(ProcessId::parse);
        pid.is_some_and(|pid| pid.runs() && owner(pid) == written)
    }

    /// Whether it was left running on purpose.
    pub(crate) fn is_detached(&self) -> bool {
        fs::read_to_string(self.dir.join("owner")).is_ok_and(|owner| owner == DETACHED)
    }

    /// Leaves it running when this process ends.
    pub(crate) fn detach(&self) -> Result<(), String> {
        write(&self.dir.join("owner"), DETACHED)
    }

    /// Where tests may put what they start; short enough for sockets.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.dir.join("tests")
    }
}

/// A process and when it was started, so that a number that was given away again is not taken for it.
fn owner(pid: ProcessId) -> String {
    format!("{pid} {}", pid.started().unwrap_or_default())
}

/// Cargo's target folder: this program lies in its folder of a profile.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program's own path: {error}"))?;
    let folder = program.parent().and_then(Path::parent);
    folder.map(Path::to_owned).ok_or_else(|| format!("{} does not lie in a target folder", program.display()))
}

/// Writes a file and names it in the error.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_owned_by_the_very_process_that_made_it() {
        let dir = std::env::temp_dir().join(format!("xtask-run-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("data"), "/nowhere").unwrap();
        let run = Run::open(&dir).unwrap();
        let own = ProcessId::own();
        for (written, owned, detached) in [
            (owner(own), true, false),
            (format!("{own} 1"), false, false),
            (DETACHED.to_owned(), false, true),
            (String::new(), false, false),
        ] {
            fs::write(dir.join("owner"), &written).unwrap();
            assert_eq!((run.is_owned(), run.is_detached()), (owned, detached), "{written:?}");
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
