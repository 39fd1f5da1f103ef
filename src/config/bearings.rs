//! Where the homeostat of a configuration is heard and keeps its journal, however wrong the rest of it is.
//!
//! ```text
//!   run, check ---------> Loaded:   everything has to be right, and every secret there
//!   pause, plan, audit -> Bearings: `socket` and `journal` of the same files; what else they say is passed over
//! ```
//!
//! Invariant: no secret is read. Whoever has to stop a homeostat need not mend its configuration first.

use std::path::{Path, PathBuf};

use homeostat_configuration::gather;
use serde::Deserialize;

use super::{JournalConfig, Loaded, disk::Disk};
use crate::{
    files,
    report::{Failure, Flaw},
};

/// Where a homeostat is heard and keeps its journal; both seen from where the program runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bearings {
    /// Its socket, where one is configured.
    pub(crate) socket: Option<PathBuf>,
    /// Its journal's folder.
    pub(crate) journal: Option<PathBuf>,
}

/// The fields that count.
#[derive(Debug, Deserialize)]
struct Fields {
    #[serde(default)]
    socket: Option<PathBuf>,
    #[serde(default)]
    journal: Option<JournalConfig>,
}

impl Bearings {
    /// Those of a configuration that was read as a whole.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let configuration = &loaded.configuration;
        Self {
            socket: configuration.socket.as_deref().map(|path| loaded.resolve(path)),
            journal: configuration.journal.as_ref().map(|journal| loaded.resolve(&journal.path)),
        }
    }

    /// Those of the configuration at `path`, or of the one that there is without it. None of either is no mistake.
    ///
    /// # Errors
    /// [`Failure`] when the file cannot be read, or is nothing that could have them.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self, Failure> {
        match Loaded::path(path) {
            Some(file) => Self::read(&file),
            None => Ok(Self::default()),
        }
    }

    fn read(file: &Path) -> Result<Self, Failure> {
        let reading = gather(&files::read(file)?, file, &Disk).read::<Fields>();
        let Some(Fields { socket, journal }) = reading.value else {
            let flaws: Vec<Flaw> = reading.problems.iter().map(Flaw::from).collect();
            return Err(Failure::of("the configuration", &flaws));
        };
        let folder = file.parent().unwrap_or(Path::new(""));
        let seen = |path: PathBuf| folder.join(path);
        Ok(Self { socket: socket.map(seen), journal: journal.map(|journal| seen(journal.path)) })
    }
}
