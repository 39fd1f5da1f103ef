//! Every value of a configuration that is in force, and where it comes from.

use homeostat_configuration::Place;
use homeostat_container::HostConfig;
use serde_json::{Map, Value as Json, json};

use super::{AdapterConfig, ChannelConfig, Configuration, Loaded, SourceConfig};

/// The variable that tells where Docker listens, when the configuration does not.
const DOCKER_HOST: &str = "DOCKER_HOST";

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file and its line, from 1.
    File(String, usize),
    /// An environment variable.
    Environment(&'static str),
    /// Nobody said otherwise.
    Default,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// In the order of their names.
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
    /// A plain value, or something empty.
    Leaf(Json, Origin),
}

/// A configuration as a whole.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What is under `spec`.
    pub(crate) spec: Value,
}

impl Settings {
    /// Those of `loaded`.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let mut defaults = top(&loaded.configuration);
        let mut environment = Vec::new();
        let lists = [
            ("adapters", loaded.configuration.adapters.iter().map(AdapterConfig::in_force).collect::<Vec<_>>()),
            ("sources", loaded.configuration.sources.iter().map(SourceConfig::in_force).collect()),
            ("notifications", loaded.configuration.notifications.iter().map(ChannelConfig::in_force).collect()),
        ];
        for (list, entries) in lists {
            for (number, (sort, values)) in entries.iter().enumerate() {
                if let Some(variable) = values.get("endpoint").and(docker_host()) {
                    environment.push((format!("spec.{list}[{number}].{sort}.endpoint"), variable));
                }
            }
            let entries = entries.into_iter().map(|(sort, values)| json!({sort: values}));
            defaults.insert(list.into(), entries.collect());
        }
        let mut whole = Json::Object(defaults);
        overlay(&mut whole, loaded.origins.value());
        Self { spec: value(whole, "spec", loaded, &environment) }
    }

    /// The plain values with their paths, in order.
    pub(crate) fn rows(&self) -> Vec<(String, &Json, &Origin)> {
        let mut rows = Vec::new();
        add("spec", &self.spec, &mut rows);
        rows
    }
}

fn add<'a>(path: &str, value: &'a Value, rows: &mut Vec<(String, &'a Json, &'a Origin)>) {
    match value {
        Value::Map(entries) => entries.iter().for_each(|(key, value)| add(&format!("{path}.{key}"), value, rows)),
        Value::List(items) => {
            items.iter().enumerate().for_each(|(number, item)| add(&format!("{path}[{number}]"), item, rows));
        }
        Value::Leaf(value, from) => rows.push((path.to_owned(), value, from)),
    }
}

fn docker_host() -> Option<&'static str> {
    std::env::var_os(DOCKER_HOST).filter(|host| !host.is_empty()).map(|_| DOCKER_HOST)
}

fn value(json: Json, path: &str, loaded: &Loaded, environment: &[(String, &'static str)]) -> Value {
    match json {
        Json::Object(fields) if !fields.is_empty() => {
            let entries = fields.into_iter().map(|(key, field)| {
                let field = value(field, &format!("{path}.{key}"), loaded, environment);
                (key, field)
            });
            Value::Map(entries.collect())
        }
        Json::Array(items) if !items.is_empty() => {
            let items = items.into_iter().enumerate();
            Value::List(
                items.map(|(number, item)| value(item, &format!("{path}[{number}]"), loaded, environment)).collect(),
            )
        }
        plain => {
            let file = |place: &Place| Origin::File(place.file().to_owned(), place.line());
            let variable =
                || environment.iter().find(|(other, _)| other == path).map(|(_, name)| Origin::Environment(name));
            let from = loaded.origins.given(path).map(file).or_else(variable);
            Value::Leaf(plain, from.unwrap_or(Origin::Default))
        }
    }
}

/// Puts what was given over what would be.
fn overlay(value: &mut Json, given: &Json) {
    match (value, given) {
        (_, Json::Null) => {}
        (Json::Object(fields), Json::Object(given)) => {
            for (key, given) in given {
                overlay(fields.entry(key).or_insert(Json::Null), given);
            }
        }
        (Json::Array(items), Json::Array(given)) if items.len() == given.len() => {
            items.iter_mut().zip(given).for_each(|(item, given)| overlay(item, given));
        }
        (value, given) => *value = given.clone(),
    }
}

/// The values that do not belong to an adapter or a source. What is absent unless it is given is not among them.
fn top(configuration: &Configuration) -> Map<String, Json> {
    let Configuration { listen, speed, .. } = configuration;
    [("listen", json!(listen)), ("speed", json!(speed))]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

impl AdapterConfig {
    /// The sort of adapter, and what is in force of it; at least what is not given.
    fn in_force(&self) -> (&'static str, Json) {
        match self {
            Self::Datacentre(config) => ("datacentre", json!(config)),
            Self::Container(config) => {
                let mut values = json!(config);
                if let Some(fields) = values.as_object_mut().filter(|_| config.hosts.is_empty()) {
                    let only = HostConfig { endpoint: config.endpoint.clone(), ..HostConfig::default() };
                    fields.insert("endpoint".into(), json!(only.endpoint()));
                }
                ("container", values)
            }
        }
    }
}

impl SourceConfig {
    /// The sort of source, and what is in force of it; at least what is not given.
    fn in_force(&self) -> (&'static str, Json) {
        match self {
            Self::Alertmanager(config) => ("alertmanager", json!({"name": config.name, "path": config.path.as_str()})),
            Self::CloudEvents(config) => ("cloudEvents", json!({"name": config.name, "path": config.path.as_str()})),
            Self::JsonLines(config) => ("jsonLines", json!({"name": config.name, "follow": config.follow})),
            Self::RemoteWrite(config) => ("remoteWrite", json!({"name": config.name, "path": config.path.as_str()})),
            Self::Scrape(config) => ("scrape", config.defaults()),
            Self::Promql(config) => ("promql", config.defaults()),
        }
    }
}

impl ChannelConfig {
    /// The sort of channel, and what is in force of it; at least what is not given.
    fn in_force(&self) -> (&'static str, Json) {
        match self {
            Self::CloudEvents(config) => ("cloudEvents", config.defaults()),
            Self::Alertmanager(config) => ("alertmanager", config.defaults()),
            Self::Command(config) => ("command", config.defaults()),
        }
    }
}
