//! A configuration that was read, and the files it names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use homeostat_configuration::{FoundSecret, Gathered, Origins, Place, Problem, Reading, gather};
use homeostat_model::AdapterName;
use homeostat_policy::SourceText;
use homeostat_simulator::Scenario;
use homeostat_sources::JsonLinesConfig;
use serde_json::{Value, json};

use super::{AdapterConfig, Configuration, FILE_NAME, SourceConfig, check, disk::Disk};
use crate::{
    api::Certificate,
    command::demonstration,
    files,
    report::{Failure, Flaw},
};

/// The code of a configuration that is not there.
const UNREADABLE: &str = "homeostat::configuration::unreadable";

/// What stands for the name of the configuration that is part of the program.
const DEMONSTRATION: &str = "the built-in demonstration";

/// A configuration and the folder that its paths are relative to.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) configuration: Configuration,
    /// Where it was read from; `None`: the built-in demonstration.
    pub(crate) file: Option<PathBuf>,
    /// Where its values were given.
    pub(crate) origins: Origins,
    /// The secrets that it refers to; they could be read.
    pub(crate) secrets: Vec<FoundSecret>,
    /// What was read for it.
    pub(crate) read: Read,
}

/// What was read for a configuration, good or not: when any of it changes, it is time to read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// Files with their texts.
    pub(crate) files: BTreeMap<PathBuf, String>,
    /// Folders in which there may be more.
    pub(crate) folders: BTreeSet<PathBuf>,
}

/// A number that is another one when the secret is another one.
fn fingerprint(found: &FoundSecret) -> u64 {
    let mut hasher = DefaultHasher::new();
    found.secret.read().ok().map(|text| text.expose().to_owned()).hash(&mut hasher);
    hasher.finish()
}

impl Loaded {
    /// Reads the configuration at `path`, or what there is without one.
    ///
    /// # Errors
    /// [`Failure`] with everything that is wrong with it.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self, Failure> {
        let loaded = match Self::path(path) {
            Some(path) => Self::read(&path),
            None => Self::demonstration(),
        };
        loaded.map_err(|flaws| Failure::of("the configuration", &flaws))
    }

    /// The file that is meant by `path`; `None` when there is none, which means the demonstration.
    pub(super) fn path(path: Option<&Path>) -> Option<PathBuf> {
        match path {
            Some(path) if path.is_dir() => Some(path.join(FILE_NAME)),
            Some(path) => Some(path.to_owned()),
            None => Path::new(FILE_NAME).exists().then(|| FILE_NAME.into()),
        }
    }

    /// Reads the configuration in `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(file: &Path) -> Result<Self, Vec<Flaw>> {
        Self::read_all(file).0
    }

    /// The same, with what was read for it, and whatever came of that.
    pub(crate) fn read_all(file: &Path) -> (Result<Self, Vec<Flaw>>, Read) {
        let help = format!("give a configuration file, or a folder with a {FILE_NAME}");
        let name = file.display().to_string();
        let source = match files::read(file) {
            Ok(source) => source,
            Err(failure) => {
                let unreadable = Flaw::from_failure(UNREADABLE, &name, failure.help(help));
                return (Err(vec![unreadable]), Read::default());
            }
        };
        let gathered = gather(&source, file, &Disk);
        let read = Read { files: gathered.files.clone(), folders: gathered.folders.clone() };
        (Self::checked(gathered, Some(file.to_owned()), read.clone()), read)
    }

    fn demonstration() -> Result<Self, Vec<Flaw>> {
        let (name, text) = (DEMONSTRATION.to_owned(), demonstration::CONFIGURATION.to_owned());
        Self::checked(gather(&SourceText { name, text }, Path::new(""), &Disk), None, Read::default())
    }

    fn checked(gathered: Gathered, file: Option<PathBuf>, read: Read) -> Result<Self, Vec<Flaw>> {
        let reading = gathered.read::<Configuration>();
        let whole = reading.value.as_ref();
        let mut more =
            whole.map(|value| check::check(value, &reading.origins, reading.problems.is_empty())).unwrap_or_default();
        more.extend(check::secrets(&reading.secrets));
        match reading.with(more) {
            Reading { value: Some(configuration), problems, origins, secrets, .. } if problems.is_empty() => {
                Ok(Self { configuration, file, origins, secrets, read })
            }
            reading => Err(reading.problems.iter().map(Flaw::from).collect()),
        }
    }

    /// Something that is wrong with the value at `path`.
    pub(crate) fn flaw(&self, path: &str, code: &str, message: impl Into<String>, help: &str) -> Flaw {
        let place = self.origins.place(path).cloned().unwrap_or_else(|| Place::new(&self.name(), "", 0..0));
        Flaw::from(&Problem::new(place, code, message).help(help))
    }

    /// What the source of that number was configured by: its values as they are written, and what its secrets are now, as
    /// numbers that tell nothing about them.
    pub(crate) fn source_identity(&self, number: usize) -> Value {
        self.identity("sources", number)
    }

    /// The same of the channel of that number.
    pub(crate) fn channel_identity(&self, number: usize) -> Value {
        self.identity("notifications", number)
    }

    fn identity(&self, list: &str, number: usize) -> Value {
        let own = format!("spec.{list}[{number}].");
        let secrets = self.secrets.iter().filter(|found| found.path.starts_with(&own)).map(fingerprint);
        let written = self.origins.value().get(list).and_then(|entries| entries.get(number));
        json!({"written": written, "secrets": secrets.collect::<Vec<_>>()})
    }

    /// What its secrets are now, as numbers that tell nothing about them.
    pub(crate) fn fingerprints(&self) -> Vec<u64> {
        let files = self.tls_files().map(|path| {
            let mut hasher = DefaultHasher::new();
            fs::read(path).ok().hash(&mut hasher);
            hasher.finish()
        });
        self.secrets.iter().map(fingerprint).chain(files).collect()
    }

    /// The files that its secrets are in, and those of TLS: they change without the configuration.
    pub(crate) fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        self.secrets.iter().filter_map(|found| found.secret.file()).map(PathBuf::from).chain(self.tls_files())
    }

    /// Its name, for messages.
    pub(crate) fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| DEMONSTRATION.into(), |file| file.display().to_string())
    }

    /// A path of the configuration, relative to its file.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        match self.file.as_deref().and_then(Path::parent) {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }

    /// The folders and files of policies.
    pub(crate) fn policy_paths(&self) -> Vec<PathBuf> {
        self.configuration.policies.iter().map(|path| self.resolve(path)).collect()
    }

    /// The scenario of the embedded data centre and its adapter's name, if one is configured.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn scenario(&self) -> Result<Option<(AdapterName, Scenario)>, Vec<Flaw>> {
        let Some((number, adapter, scenario)) = self.data_centre() else { return Ok(None) };
        let (name, text) = match &self.file {
            Some(_) => {
                let unreadable = |failure: Failure| {
                    let at = format!("spec.adapters[{number}].datacentre.scenario");
                    vec![self.flaw(
                        &at,
                        "unreadable",
                        failure.to_string(),
                        "correct the path; it is seen from the main file's folder",
                    )]
                };
                let source = files::read(&self.resolve(scenario)).map_err(unreadable)?;
                (source.name, source.text)
            }
            None => ("the built-in data centre".to_owned(), demonstration::SCENARIO.to_owned()),
        };
        let scenario = Scenario::parse(&name, &text).map_err(|error| Flaw::of_scenario(&name, &error))?;
        Ok(Some((adapter.clone(), scenario)))
    }

    /// The scenario's file, if one is configured.
    pub(crate) fn scenario_path(&self) -> Option<PathBuf> {
        self.data_centre().map(|(_, _, scenario)| self.resolve(scenario))
    }

    /// The data centre in this process: which of the adapters it is, its name and its scenario.
    fn data_centre(&self) -> Option<(usize, &AdapterName, &Path)> {
        self.configuration.adapters.iter().enumerate().find_map(|(number, adapter)| match adapter {
            AdapterConfig::Datacentre(config) => Some((number, &config.name, config.scenario.as_deref()?)),
            AdapterConfig::Container(_) => None,
        })
    }

    /// Files of JSON lines that cannot be read and are not waited for.
    pub(crate) fn unreadable_inputs(&self) -> Vec<Flaw> {
        let files = self.configuration.sources.iter().enumerate().filter_map(|(number, source)| match source {
            SourceConfig::JsonLines(config) => self.unreadable_input(number, config),
            SourceConfig::Alertmanager(_)
            | SourceConfig::CloudEvents(_)
            | SourceConfig::RemoteWrite(_)
            | SourceConfig::Scrape(_)
            | SourceConfig::Promql(_) => None,
        });
        files.chain(self.certificate().err().map(|flaw| *flaw)).collect()
    }

    /// The certificate of `listen`, if it has one.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn certificate(&self) -> Result<Option<Certificate>, Box<Flaw>> {
        let Some(tls) = self.configuration.api.as_ref().and_then(|api| api.tls.as_ref()) else { return Ok(None) };
        let read = Certificate::read(&self.resolve(&tls.certificate), &self.resolve(&tls.key));
        read.map(Some).map_err(|why| {
            let help = "give files in PEM that homeostat may read: a certificate (with those between it and a root), and its key";
            Box::new(self.flaw("spec.api.tls", "certificate", format!("TLS is not possible: {why}"), help))
        })
    }

    /// The files that TLS is made of.
    fn tls_files(&self) -> impl Iterator<Item = PathBuf> {
        let tls = self.configuration.api.as_ref().and_then(|api| api.tls.as_ref());
        tls.into_iter().flat_map(|tls| [self.resolve(&tls.certificate), self.resolve(&tls.key)])
    }

    fn unreadable_input(&self, number: usize, config: &JsonLinesConfig) -> Option<Flaw> {
        if config.path == Path::new("-") {
            return None;
        }
        let path = self.resolve(&config.path);
        let (why, help) = match fs::metadata(&path).and_then(|metadata| readable(&path, &metadata)) {
            Ok(false) => ("it is a folder".to_owned(), "give a file of JSON lines, or -"),
            Ok(true) => return None,
            Err(error) if config.follow && error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => (
                error.to_string(),
                "check the path and its permissions; with `follow: true` a file that is not there is waited for",
            ),
        };
        let message = format!("source {} cannot read {}: {why}", config.name, path.display());
        Some(self.flaw(&format!("spec.sources[{number}].jsonLines.path"), "unreadable", message, help))
    }
}

/// Whether it is something to read, and no folder. A pipe is not opened: that would wait for its writer.
fn readable(path: &Path, metadata: &fs::Metadata) -> io::Result<bool> {
    if metadata.is_file() {
        fs::File::open(path)?;
    }
    Ok(!metadata.is_dir())
}
