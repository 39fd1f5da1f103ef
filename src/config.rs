//! The configuration of `run`: one YAML file, or sensible defaults.

mod loaded;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use homeostat_container::ContainerConfig;
use homeostat_model::{AdapterName, Duration, EventType, MetricName, Unit};
use homeostat_sources::{AlertmanagerConfig, CloudEventsConfig, JsonLinesConfig, WebhookPath};
use serde::Deserialize;

pub(crate) use loaded::Loaded;

use crate::{document, report::Flaw};

/// The configuration's name within a folder.
pub(crate) const FILE_NAME: &str = "homeostat.yaml";
/// The code of everything that is wrong with a configuration.
const CODE: &str = "homeostat::configuration";
/// Its kind.
const KIND: &str = "Configuration";
/// Where the API, the metrics and the webhooks listen. Loopback: they have no authentication yet.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9393);
/// What is served under the same address besides webhooks.
const OWN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
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
    /// Types of events that no adapter brings but a source does. Those of alerts are known.
    #[serde(default)]
    pub(crate) events: Vec<EventType>,
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
    /// CloudEvents over HTTP.
    CloudEvents(CloudEventsConfig),
    /// JSON lines from a file or standard input.
    JsonLines(JsonLinesConfig),
}

/// Whether the YAML in `text` means to be a configuration, good or not.
pub(crate) fn is_configuration(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    // Also one that is too broken to be read: its problems are those of a configuration.
    let says_so = |line: &str| {
        let value = line.strip_prefix("kind:").and_then(|value| value.split('#').next()).unwrap_or_default();
        value.trim().trim_matches(['"', '\'']) == KIND
    };
    // Most files do not have the word at all, and need not be parsed.
    text.contains(KIND)
        && (text.lines().any(says_so)
            || document::read::<Kind>(CODE, "", text).is_ok_and(|document| document.kind == KIND))
}

/// Reads the configuration in `text`; `name` is the file's.
fn parse(name: &str, text: &str) -> Result<Configuration, Vec<Flaw>> {
    let flaw = |message: String| Flaw::new(CODE, name, message);
    if text.len() > MAX_BYTES {
        return Err(vec![flaw(format!("it has {} bytes, a configuration has at most {MAX_BYTES}", text.len()))]);
    }
    let document: Document = document::read(CODE, name, text).map_err(|flaw| vec![*flaw])?;
    let expected = (homeostat_policy::API_VERSION, KIND);
    if (document.api_version.as_str(), document.kind.as_str()) != expected {
        let found = flaw(format!("it is apiVersion {}, kind {}", document.api_version, document.kind));
        return Err(vec![found.help(format!("a configuration has apiVersion {}, kind {}", expected.0, expected.1))]);
    }
    let flaws: Vec<Flaw> = check(&document.spec).into_iter().map(|(message, help)| flaw(message).help(help)).collect();
    if flaws.is_empty() { Ok(document.spec) } else { Err(flaws) }
}

/// What the types do not say: what is wrong, and what to do about it.
fn check(configuration: &Configuration) -> Vec<(String, String)> {
    let Configuration { speed, adapters, sources, .. } = configuration;
    let mut problems = Vec::new();
    let mut wrong = |message: String, help: &str| problems.push((message, help.to_owned()));
    let centres = adapters.iter().filter(|adapter| matches!(adapter, AdapterConfig::Datacentre(_))).count();
    if *speed == 0 {
        wrong("spec.speed is 0".into(), "1 is real time, 30 is thirty times as fast");
    } else if *speed != 1 && (centres < adapters.len() || !sources.is_empty()) {
        wrong(
            format!("spec.speed is {speed}, but real systems run in real time"),
            "leave it out, or use the embedded data centre alone",
        );
    }
    if centres > 1 {
        wrong(
            format!("spec.adapters has {centres} embedded data centres, and there can be one"),
            "keep one of them, and put all racks and hosts into its scenario",
        );
    }
    if adapters.is_empty() && sources.is_empty() {
        wrong(
            "it has neither adapters nor sources: there is nothing to watch".into(),
            "add `adapters:` or `sources:` under spec",
        );
    }
    let mut names: Vec<&str> = adapters.iter().map(AdapterConfig::name).collect();
    names.sort_unstable();
    for (name, _) in names.iter().zip(names.iter().skip(1)).filter(|(one, next)| one == next) {
        wrong(format!("two adapters are called `{name}`"), "give each a name of its own");
    }
    let mut paths: Vec<&str> = OWN_PATHS.into_iter().chain(sources.iter().filter_map(SourceConfig::path)).collect();
    paths.sort_unstable();
    for (path, _) in paths.iter().zip(paths.iter().skip(1)).filter(|(one, next)| one == next) {
        wrong(format!("{path} is listened on twice"), "give each source a `path` of its own, such as /webhook/second");
    }
    problems
}

impl SourceConfig {
    /// Where it listens, if it does.
    fn path(&self) -> Option<&str> {
        self.webhook().map(|(path, _)| path.as_str())
    }

    /// Where it listens and the file with its token, if it does and has one.
    pub(crate) fn webhook(&self) -> Option<(&WebhookPath, Option<&Path>)> {
        match self {
            Self::Alertmanager(config) => Some((&config.path, config.token_file.as_deref())),
            Self::CloudEvents(config) => Some((&config.path, config.token_file.as_deref())),
            Self::JsonLines(_) => None,
        }
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

#[cfg(test)]
mod tests {
    use super::is_configuration;

    #[test]
    fn a_configuration_is_known_by_its_kind() {
        for (text, expected) in [
            ("apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec: {}\n", true),
            ("kind: 'Configuration' # of the test site\nspec: [\n", true),
            ("{apiVersion: homeostat.dev/v1alpha1, kind: Configuration, spec: {}}", true),
            ("kind: Policy\nmetadata: {name: Configuration}\n", false),
            ("kind: Policy\nspec:\n  kind: Configuration\n", false),
            ("# kind: Configuration\nkind: Policy\n", false),
        ] {
            assert_eq!(is_configuration(text), expected, "{text}");
        }
    }
}
