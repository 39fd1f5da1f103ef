//! A configuration that was read, and the files it names.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use homeostat_model::AdapterName;
use homeostat_simulator::Scenario;
use homeostat_sources::{JsonLinesConfig, Token};

use super::{AdapterConfig, CODE, Configuration, DatacentreConfig, FILE_NAME, SourceConfig};
use crate::{
    command::demonstration,
    files,
    report::{Failure, Flaw},
};

/// A configuration and the folder that its paths are relative to.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) configuration: Configuration,
    /// Where it was read from; `None`: the built-in demonstration.
    pub(crate) file: Option<PathBuf>,
}

impl Loaded {
    /// Reads the configuration at `path`, or what there is without one.
    ///
    /// # Errors
    /// [`Failure`] with everything that is wrong with it.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self, Failure> {
        let loaded = match path {
            Some(path) if path.is_dir() => Self::read(&path.join(FILE_NAME)),
            Some(path) => Self::read(path),
            None if Path::new(FILE_NAME).exists() => Self::read(Path::new(FILE_NAME)),
            None => super::parse("the built-in demonstration", demonstration::CONFIGURATION)
                .map(|configuration| Self { configuration, file: None }),
        };
        loaded.map_err(|flaws| Failure::of("the configuration", &flaws))
    }

    /// Reads the configuration in `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(file: &Path) -> Result<Self, Vec<Flaw>> {
        let help = format!("give a configuration file, or a folder with a {FILE_NAME}");
        let name = file.display().to_string();
        let source = files::read(file).map_err(|failure| vec![Flaw::from_failure(CODE, &name, failure.help(help))])?;
        let configuration = super::parse(&source.name, &source.text)?;
        Ok(Self { configuration, file: Some(file.to_owned()) })
    }

    /// Its name, for messages.
    pub(crate) fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "the built-in demonstration".into(), |file| file.display().to_string())
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
        let Some(DatacentreConfig { name: adapter, scenario }) = self.data_centre() else { return Ok(None) };
        let (name, text) = match &self.file {
            Some(_) => {
                let unreadable = |failure| vec![Flaw::from_failure(CODE, &self.name(), failure)];
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
        self.data_centre().map(|config| self.resolve(&config.scenario))
    }

    fn data_centre(&self) -> Option<&DatacentreConfig> {
        self.configuration.adapters.iter().find_map(|adapter| match adapter {
            AdapterConfig::Datacentre(config) => Some(config),
            AdapterConfig::Container(_) => None,
        })
    }

    /// Files of JSON lines that cannot be read and are not waited for, and files that hold no token.
    pub(crate) fn unreadable_inputs(&self) -> Vec<Flaw> {
        let files = self.configuration.sources.iter().filter_map(|source| match source {
            SourceConfig::JsonLines(config) => self.unreadable_input(config),
            source => self.unreadable_token(source.webhook()?.1?),
        });
        files.collect()
    }

    fn unreadable_token(&self, path: &Path) -> Option<Flaw> {
        let path = self.resolve(path);
        let error = Token::read(&path).err()?;
        Some(Flaw::new(CODE, &self.name(), format!("{}: {error}", path.display())))
    }

    fn unreadable_input(&self, config: &JsonLinesConfig) -> Option<Flaw> {
        if config.path == Path::new("-") {
            return None;
        }
        let path = self.resolve(&config.path);
        let (why, help) = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => ("it is a folder".to_owned(), "give a file of JSON lines, or -"),
            Ok(_) => return None,
            Err(error) if config.follow && error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => (error.to_string(), "check the path; with `follow: true` the file is waited for"),
        };
        let message = format!("source {} cannot read {}: {why}", config.name, path.display());
        Some(Flaw::new(CODE, &self.name(), message).help(help))
    }
}
