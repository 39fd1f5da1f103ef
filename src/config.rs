//! The configuration of `run`: a YAML file with those that it includes, or sensible defaults.
//!
//! What it consists of is here and in the rooms; how it is read is in the crate `configuration`.

mod bearings;
mod check;
mod disk;
mod journal;
mod loaded;
mod schema;
mod settings;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use homeostat_configuration::KIND;
use homeostat_container::ContainerConfig;
use homeostat_model::{
    AdapterName, ChannelName, Duration, EventType, Kind, MetricDescription, MetricName, Severity, Unit,
};
use homeostat_notify as notify;
use homeostat_port::Secret;
use homeostat_simulator::CentreAddress;
use homeostat_sources::{
    AlertmanagerConfig, CloudEventsConfig, JsonLinesConfig, PromqlConfig, RemoteWriteConfig, ScrapeConfig,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

pub(crate) use bearings::Bearings;
pub(crate) use journal::JournalConfig;
pub(crate) use loaded::{Loaded, Read};
pub(crate) use schema::schema;
pub(crate) use settings::{Origin, Settings, Value};

use crate::{api::ApiConfig, document, traces::TracesConfig};

/// The configuration's name within a folder.
pub(crate) const FILE_NAME: &str = "homeostat.yaml";
/// The code of everything that is wrong with a configuration.
const CODE: &str = "homeostat::configuration";
/// Where the API, the metrics and the webhooks listen. Loopback: metrics and health are open to all who reach them.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9393);

/// What `run` is to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Configuration {
    /// Policy files and folders, relative to the configuration.
    #[serde(default)]
    pub(crate) policies: Vec<PathBuf>,
    /// Where to listen for HTTP.
    #[serde(default = "default_listen", deserialize_with = "address")]
    pub(crate) listen: SocketAddr,
    /// Where the unix socket is. Without it in the journal's folder.
    #[serde(default)]
    pub(crate) socket: Option<PathBuf>,
    /// Who may ask what over HTTP, and TLS.
    #[serde(default)]
    pub(crate) api: Option<ApiConfig>,
    /// The journal's folder and size. Without it the journal ends with the program.
    #[serde(default)]
    pub(crate) journal: Option<JournalConfig>,
    /// How fast time runs; other than 1 only with the embedded data centre alone.
    #[serde(default = "default_speed")]
    pub(crate) speed: u32,
    /// When to end by itself, counted from the start.
    #[serde(default)]
    pub(crate) until: Option<Duration>,
    /// Where traces of plans are sent.
    #[serde(default)]
    pub(crate) traces: Option<TracesConfig>,
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
    /// How people are told.
    #[serde(default)]
    pub(crate) notifications: Vec<ChannelConfig>,
}

/// A metric that a source provides.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeclaredMetric {
    pub(crate) name: MetricName,
    #[serde(default)]
    pub(crate) unit: Unit,
}

/// An adapter.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AdapterConfig {
    /// The embedded data centre.
    Datacentre(DatacentreConfig),
    /// A container engine.
    Container(ContainerConfig),
}

/// The embedded data centre: in this process by its scenario, or in one of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatacentreConfig {
    /// The adapter's name.
    #[serde(default = "datacentre_name")]
    pub(crate) name: AdapterName,
    /// The scenario's file, relative to the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scenario: Option<PathBuf>,
    /// Where it is served by another process, such as `unix:/run/datacentre.sock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<CentreAddress>,
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
    /// What a Prometheus writes.
    RemoteWrite(RemoteWriteConfig),
    /// Pages of metrics that targets serve.
    Scrape(ScrapeConfig),
    /// Expressions that a Prometheus is asked.
    Promql(PromqlConfig),
}

/// A channel by which people are told.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ChannelConfig {
    /// CloudEvents over HTTP.
    CloudEvents(notify::CloudEventsConfig),
    /// Alerts for an Alertmanager.
    Alertmanager(notify::AlertmanagerConfig),
    /// A command.
    Command(notify::CommandConfig),
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

impl AdapterConfig {
    /// The adapter's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Datacentre(config) => config.name.as_str(),
            Self::Container(config) => config.name.as_str(),
        }
    }
}

impl SourceConfig {
    /// The source's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Alertmanager(config) => &config.name,
            Self::CloudEvents(config) => &config.name,
            Self::JsonLines(config) => &config.name,
            Self::RemoteWrite(config) => &config.name,
            Self::Scrape(config) => config.name(),
            Self::Promql(config) => config.name(),
        }
    }

    /// The path that it listens on, if it does.
    pub(crate) fn route(&self) -> Option<&str> {
        match self {
            Self::Alertmanager(config) => Some(config.path.as_str()),
            Self::CloudEvents(config) => Some(config.path.as_str()),
            Self::RemoteWrite(config) => Some(config.path.as_str()),
            Self::JsonLines(_) | Self::Scrape(_) | Self::Promql(_) => None,
        }
    }

    /// What those who send to it have to show, if they do.
    pub(crate) fn token(&self) -> Option<&Secret> {
        match self {
            Self::Alertmanager(config) => config.token.as_ref(),
            Self::CloudEvents(config) => config.token.as_ref(),
            Self::RemoteWrite(_) | Self::JsonLines(_) | Self::Scrape(_) | Self::Promql(_) => None,
        }
    }

    /// The metrics that it gives a fixed name.
    pub(crate) fn metrics(&self) -> BTreeMap<MetricName, MetricDescription> {
        match self {
            Self::RemoteWrite(config) => config.mapping.metrics(),
            Self::Scrape(config) => config.metrics(),
            Self::Promql(config) => config.metrics(),
            Self::Alertmanager(_) | Self::CloudEvents(_) | Self::JsonLines(_) => BTreeMap::new(),
        }
    }

    /// The kinds of resources that it names itself.
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        match self {
            Self::RemoteWrite(config) => config.mapping.kinds(),
            Self::Scrape(config) => config.mapping().kinds(),
            Self::Promql(config) => config.kinds(),
            Self::Alertmanager(_) | Self::CloudEvents(_) | Self::JsonLines(_) => BTreeSet::new(),
        }
    }
}

impl ChannelConfig {
    /// The channel's name.
    pub(crate) fn name(&self) -> &ChannelName {
        match self {
            Self::CloudEvents(config) => &config.name,
            Self::Alertmanager(config) => config.name(),
            Self::Command(config) => &config.name,
        }
    }

    /// The least urgent that it is given unless a policy names it.
    pub(crate) fn min_severity(&self) -> Severity {
        match self {
            Self::CloudEvents(config) => config.min_severity,
            Self::Alertmanager(config) => config.min_severity(),
            Self::Command(config) => config.min_severity,
        }
    }
}

/// An address to listen on.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let shown: String = text.chars().take(64).collect();
    text.parse().map_err(|_| {
        D::Error::custom(format_args!("`{shown}` is not an address to listen on; write an IP address and a port, such as 127.0.0.1:9393 or [::]:9393"))
    })
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
