//! The configuration of `run`: one YAML file, or sensible defaults.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use homeostat_container::ContainerConfig;
use homeostat_model::{AdapterName, Duration, MetricName, Unit};
use homeostat_sources::{AlertmanagerConfig, JsonLinesConfig};
use serde::Deserialize;

use crate::report::Failure;

/// The configuration's name within a folder.
pub(crate) const FILE_NAME: &str = "homeostat.yaml";
/// Where the API, the metrics and the webhooks listen. Loopback: they have no authentication yet.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9393);
/// A configuration longer than this is a mistake in the path.
const MAX_BYTES: usize = 1 << 20;

/// A configuration file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(default)]
    #[expect(dead_code, reason = "allowed, as in every document; nothing depends on it")]
    metadata: serde::de::IgnoredAny,
    spec: Configuration,
}

/// What `run` is to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Configuration {
    /// Policy files and folders, relative to the configuration.
    #[serde(default)]
    pub(crate) policies: Vec<PathBuf>,
    /// Where to listen for HTTP.
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// The journal's folder, relative to the configuration. Without it the journal ends with the program.
    #[serde(default)]
    pub(crate) journal: Option<PathBuf>,
    /// How fast time runs; other than 1 only with the embedded data centre alone.
    #[serde(default = "default_speed")]
    pub(crate) speed: u32,
    /// When to end by itself, counted from the start.
    #[serde(default)]
    pub(crate) until: Option<Duration>,
    /// Metrics that no adapter provides but a source does.
    #[serde(default)]
    pub(crate) metrics: Vec<DeclaredMetric>,
    /// What to act on.
    #[serde(default)]
    pub(crate) adapters: Vec<AdapterConfig>,
    /// What else to listen to.
    #[serde(default)]
    pub(crate) sources: Vec<SourceConfig>,
}

/// A metric that a source provides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeclaredMetric {
    pub(crate) name: MetricName,
    #[serde(default)]
    pub(crate) unit: Unit,
}

/// An adapter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AdapterConfig {
    /// The embedded data centre.
    Datacentre(DatacentreConfig),
    /// A container engine.
    Container(ContainerConfig),
}

/// The embedded data centre.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatacentreConfig {
    /// The adapter's name.
    #[serde(default = "datacentre_name")]
    pub(crate) name: AdapterName,
    /// The scenario's file, relative to the configuration.
    pub(crate) scenario: PathBuf,
}

/// A source.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SourceConfig {
    /// Alertmanager's webhook.
    Alertmanager(AlertmanagerConfig),
    /// JSON lines from a file or standard input.
    JsonLines(JsonLinesConfig),
}

/// A configuration and the folder that its paths are relative to.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) configuration: Configuration,
    /// Where it was read from; `None`: the built-in demonstration.
    pub(crate) file: Option<PathBuf>,
}

impl Loaded {
    /// Reads the configuration at `path`, or what there is without one.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) if path.is_dir() => Self::read(&path.join(FILE_NAME)),
            Some(path) => Self::read(path),
            None if Path::new(FILE_NAME).exists() => Self::read(Path::new(FILE_NAME)),
            None => Self::demonstration(),
        }
    }

    fn read(file: &Path) -> Result<Self, Failure> {
        let help = format!("give a configuration file, or a folder with a {FILE_NAME}");
        let source = crate::files::read(file).map_err(|failure| failure.help(help))?;
        let configuration = parse(&source.name, &source.text)?;
        Ok(Self { configuration, file: Some(file.to_owned()) })
    }

    fn demonstration() -> Result<Self, Failure> {
        let configuration = parse("the built-in demonstration", crate::command::demonstration::CONFIGURATION)?;
        Ok(Self { configuration, file: None })
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
}

fn parse(name: &str, text: &str) -> Result<Configuration, Failure> {
    if text.len() > MAX_BYTES {
        return Err(Failure::new(format!("{name} has {} bytes, a configuration has at most {MAX_BYTES}", text.len())));
    }
    let document: Document = serde_saphyr::from_str(text).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    let expected = (homeostat_policy::API_VERSION, "Configuration");
    if (document.api_version.as_str(), document.kind.as_str()) != expected {
        let found = format!("{name}: it is apiVersion {}, kind {}", document.api_version, document.kind);
        return Err(
            Failure::new(found).help(format!("a configuration has apiVersion {}, kind {}", expected.0, expected.1))
        );
    }
    let configuration = document.spec;
    check(&configuration).map_err(|problem| Failure::new(format!("{name}: {problem}")))?;
    Ok(configuration)
}

/// What the types do not say.
fn check(configuration: &Configuration) -> Result<(), String> {
    if configuration.speed == 0 {
        return Err("spec.speed is 0; 1 is real time, 30 is thirty times as fast".into());
    }
    let virtual_only = configuration.adapters.iter().all(|adapter| matches!(adapter, AdapterConfig::Datacentre(_)));
    if configuration.speed != 1 && !(virtual_only && configuration.sources.is_empty()) {
        let speed = configuration.speed;
        return Err(format!(
            "spec.speed is {speed}, but real systems run in real time; leave it out, or use the embedded data centre alone"
        ));
    }
    let mut names: Vec<&str> = configuration.adapters.iter().map(AdapterConfig::name).collect();
    names.sort_unstable();
    match names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next) {
        Some((name, _)) => Err(format!("two adapters are called `{name}`; give each a name of its own")),
        None => Ok(()),
    }
}

impl AdapterConfig {
    /// The adapter's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Datacentre(config) => config.name.as_str(),
            Self::Container(config) => config.name.as_str(),
        }
    }
}

fn default_listen() -> SocketAddr {
    DEFAULT_LISTEN
}

fn default_speed() -> u32 {
    1
}

#[expect(clippy::expect_used, reason = "a constant that is a name")]
fn datacentre_name() -> AdapterName {
    AdapterName::new("datacentre").expect("a name")
}
