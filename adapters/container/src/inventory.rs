//! What exists, in the model's words: the engine's host, and its containers.

use std::{collections::BTreeMap, sync::Arc};

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status, HealthStatusEnum};
use homeostat_model::{Capacity, Resource, ResourceId, Value};

use crate::{
    config::HostConfig,
    connection::Facts,
    directory::{Directory, HostNumber},
    limits::Limits,
    number::{float, positive},
    parts::Part,
};

/// The instant that engines give for what has not happened yet.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container as it was at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Container {
    /// The engine's id of it, which changes when it is made anew.
    pub(crate) id: String,
    /// The engine's name of it.
    pub(crate) name: String,
    /// What the rest of the program is told.
    pub(crate) resource: Resource,
    /// Its limits.
    pub(crate) limits: Limits,
    /// Whether its process exists.
    pub(crate) runs: bool,
    /// One of its processes, as the engine's machine numbers it, while it runs.
    pub(crate) pid: Option<u32>,
    /// Whether it has network interfaces that are not its host's or nobody's.
    pub(crate) network: bool,
    /// When it was made, as the engine writes it.
    pub(crate) created: String,
    /// When it was last started, as the engine writes it; empty when it never was.
    pub(crate) started_at: String,
    /// Seconds that it is given to end by itself when it is stopped, if that was set.
    pub(crate) stop_seconds: Option<u64>,
}

impl Container {
    /// Its state, as the resource's attribute has it.
    pub(crate) fn state(&self) -> &str {
        self.resource.state().unwrap_or("unknown")
    }

    /// The exit code of its last end.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Value> {
        self.resource.attributes.get(name)
    }
}

/// Names what one host has.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    number: HostNumber,
    host: Option<String>,
    prefix: String,
    labels: BTreeMap<String, String>,
    directory: Arc<Directory>,
    /// Whether there are other hosts, so that an id may have to say which one is meant.
    several: bool,
}

impl Naming {
    pub(crate) fn new(number: HostNumber, config: &HostConfig, directory: &Arc<Directory>, several: bool) -> Self {
        let HostConfig { name, prefix, labels, .. } = config.clone();
        Self { number, host: name, prefix, labels, directory: Arc::clone(directory), several }
    }

    /// The engine's name of the container that is called `id`, if it is here; `None` for one of another host or kind.
    pub(crate) fn container_of(&self, id: &ResourceId) -> Option<String> {
        if id.kind() != "container" {
            return None;
        }
        if let Some((host, name)) = self.directory.holder(id) {
            return (host == self.number).then_some(name);
        }
        let long = self.host.as_deref().filter(|_| self.several);
        let long = long.and_then(|host| id.name().strip_prefix(host)?.strip_prefix('/'));
        let name = long.or_else(|| id.name().strip_prefix(self.prefix.as_str()))?;
        (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
    }

    /// The id of the container that the engine calls `name`.
    ///
    /// Of a container that is being replaced only one is a resource: the old one, for as long as no other has its name.
    pub(crate) fn id_of(&self, name: &str) -> Option<ResourceId> {
        let name = name.trim_start_matches('/');
        let (part, own) = Part::of(name).map_or((None, name), |(part, own)| (Some(part), own));
        if matches!(part, Some(Part::In | Part::Window)) {
            return None;
        }
        let short = format!("container/{}{own}", self.prefix).parse().ok()?;
        let host = self.host.as_deref().filter(|_| self.several && part.is_none());
        let long = host.and_then(|host| format!("container/{host}/{own}").parse().ok());
        self.directory.assign(self.number, name, short, long)
    }

    /// The id of the engine's host. A name that cannot be part of an id is made into one.
    pub(crate) fn host_of(&self, facts: &Facts) -> Option<ResourceId> {
        let name = self.host.as_deref().unwrap_or(&facts.host);
        let fits = |c: char| if c.is_ascii_alphanumeric() || "-._:/@+".contains(c) { c } else { '-' };
        let name: String = name.chars().map(fits).collect();
        format!("host/{}", if name.is_empty() { "localhost" } else { &name }).parse().ok()
    }

    /// Whether the host is called `id`; `None` when it has the name that its engine gives.
    pub(crate) fn is_named(&self, id: &ResourceId) -> Option<bool> {
        Some(id.kind() == "host" && id.name() == self.host.as_deref()?)
    }

    /// The engine's host.
    pub(crate) fn host(&self, facts: &Facts) -> Option<Resource> {
        let mut host = Resource::named(self.host_of(facts)?);
        host.labels.clone_from(&self.labels);
        host.capacity = Capacity { vcpus: facts.cores.map(float), memory_bytes: facts.memory };
        host.attributes.insert("state".into(), "up".into());
        host.attributes.insert("liveMigration".into(), facts.checkpoints.into());
        host.attributes.insert("engine".into(), facts.engine.into());
        host.attributes.insert("engineVersion".into(), facts.version.as_str().into());
        Some(host)
    }

    /// The host when it cannot be asked: `facts` are what was last known. `None` when not even its name is known.
    pub(crate) fn lost_host(&self, facts: Option<&Facts>) -> Option<Resource> {
        let mut host = match facts {
            Some(facts) => self.host(facts)?,
            None => Resource::named(format!("host/{}", self.host.as_deref()?).parse().ok()?),
        };
        host.labels.clone_from(&self.labels);
        host.attributes.insert("state".into(), "unknown".into());
        Some(host)
    }

    /// A container. `None` when it has no name or id, which no engine leaves out of one that exists.
    pub(crate) fn container(&self, facts: &Facts, inspected: ContainerInspectResponse) -> Option<Container> {
        let name = inspected.name.as_deref()?.trim_start_matches('/').to_owned();
        let id = inspected.id.filter(|id| !id.is_empty())?;
        let mut resource = Resource::named(self.id_of(&name)?);
        let state = inspected.state.unwrap_or_default();
        let config = inspected.config.unwrap_or_default();
        let limits = inspected.host_config.as_ref().map(|host| Limits::of(host, facts.cores)).unwrap_or_default();
        resource.on = self.host_of(facts);
        resource.capacity = limits.capacity();
        resource.labels = config.labels.unwrap_or_default().into_iter().collect();
        resource.attributes = attributes(&state);
        if let Some(image) = config.image.filter(|image| !image.is_empty()).or(inspected.image) {
            resource.attributes.insert("image".into(), image.as_str().into());
        }
        if let Some(count) = inspected.restart_count.and_then(|count| u64::try_from(count).ok()) {
            resource.attributes.insert("restartCount".into(), float(count).into());
        }
        let started_at = state.started_at.filter(|time| time != NEVER).unwrap_or_default();
        let runs = matches!(state.status, Some(Status::RUNNING | Status::PAUSED | Status::STOPPING))
            || (state.status.is_none() && state.running == Some(true));
        let pid = state.pid.filter(|pid| runs && *pid > 0).and_then(|pid| u32::try_from(pid).ok());
        let network = inspected.host_config.as_ref().and_then(|host| host.network_mode.as_deref());
        let network = !matches!(network, Some("host" | "none"));
        for (name, value) in limits.attributes() {
            resource.attributes.insert(name.into(), value);
        }
        let (created, stop_seconds) = (inspected.created.unwrap_or_default(), positive(config.stop_timeout));
        Some(Container { id, name, resource, limits, runs, pid, network, created, started_at, stop_seconds })
    }
}

fn attributes(state: &ContainerState) -> BTreeMap<String, Value> {
    let mut attributes = BTreeMap::new();
    if let Some(word) = state_word(state) {
        attributes.insert("state".into(), word.into());
    }
    // An exit code of a container that has not ended is the one before, or 0 where there was none: it would mislead.
    let ended = state.running == Some(false) && state.finished_at.as_deref().is_some_and(|time| time != NEVER);
    if let Some(code) = state.exit_code.filter(|_| ended).and_then(|code| i32::try_from(code).ok()) {
        attributes.insert("exitCode".into(), f64::from(code).into());
    }
    if let Some(killed) = state.oom_killed {
        attributes.insert("oomKilled".into(), killed.into());
    }
    let health = state.health.as_ref().and_then(|health| health.status);
    if let Some(health) = health.filter(|health| !matches!(health, HealthStatusEnum::EMPTY | HealthStatusEnum::NONE)) {
        attributes.insert("health".into(), health.to_string().as_str().into());
    }
    attributes
}

/// `created`, `running`, `paused`, `restarting`, `exited` or `dead`.
fn state_word(state: &ContainerState) -> Option<&'static str> {
    Some(match state.status? {
        Status::EMPTY => return None,
        Status::CREATED => "created",
        Status::RUNNING | Status::STOPPING => "running",
        Status::PAUSED => "paused",
        Status::RESTARTING => "restarting",
        Status::EXITED => "exited",
        Status::REMOVING | Status::DEAD => "dead",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            host: "vm one".into(),
            engine: "docker",
            version: "20.10".into(),
            cores: Some(2),
            memory: Some(4096),
            resizes: true,
            limits_swap: true,
            checkpoints: false,
            folder: String::new(),
        }
    }

    fn naming(json: &str) -> Naming {
        Naming::new(0, &serde_json::from_str(json).unwrap(), &Arc::default(), false)
    }

    fn seen(json: &str) -> Option<Container> {
        naming("{}").container(&facts(), serde_json::from_str(json).unwrap())
    }

    /// Each is an inspection and what is made of it.
    #[test]
    fn an_inspection_becomes_a_resource() {
        let running = r#"{"Id": "ab", "Name": "/web", "RestartCount": 2, "Image": "sha256:1",
            "State": {"Status": "running", "Running": true, "ExitCode": 0, "OOMKilled": false,
                "StartedAt": "2026-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z", "Health": {"Status": "healthy"}},
            "HostConfig": {"Memory": 64, "NanoCpus": 500000000},
            "Config": {"Image": "nginx:1", "Labels": {"tier": "web"}, "StopTimeout": 3}}"#;
        let crashed = r#"{"Id": "ab", "Name": "/web", "State": {"Status": "exited", "Running": false, "ExitCode": 137,
            "OOMKilled": true, "FinishedAt": "2026-01-01T00:00:00Z", "Health": {"Status": ""}}}"#;
        let podman = r#"{"Id": "ab", "Name": "web", "Image": "sha256:1", "State": {"Status": "created", "Running": false,
            "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}}"#;
        for (what, json, runs, started, attributes) in [
            (
                "running",
                running,
                true,
                "2026-01-01T00:00:00Z",
                r#"health="healthy" image="nginx:1" oomKilled=false restartCount=2 state="running""#,
            ),
            ("crashed", crashed, false, "", r#"exitCode=137 oomKilled=true state="exited""#),
            ("created", podman, false, "", r#"image="sha256:1" state="created""#),
            ("bare", r#"{"Id": "ab", "Name": "/web"}"#, false, "", ""),
            ("no status", r#"{"Id": "ab", "Name": "/web", "State": {"Running": true}}"#, true, "", ""),
            (
                "being removed",
                r#"{"Id": "ab", "Name": "/web", "State": {"Status": "removing"}}"#,
                false,
                "",
                r#"state="dead""#,
            ),
        ] {
            let container = seen(json).unwrap();
            let found: Vec<_> =
                container.resource.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!((container.runs, container.started_at.as_str()), (runs, started), "{what}");
            assert_eq!(found.join(" "), attributes, "{what}");
            assert_eq!(container.resource.id.as_str(), "container/web", "{what}");
            assert_eq!(container.resource.on.unwrap().as_str(), "host/vm-one", "{what}");
        }
        let container = seen(running).unwrap();
        assert_eq!(container.resource.labels["tier"], "web");
        assert_eq!(container.resource.capacity, Capacity { vcpus: Some(0.5), memory_bytes: Some(64) });
        assert_eq!(container.stop_seconds, Some(3));
    }

    #[test]
    fn what_has_no_name_or_id_is_nothing() {
        for json in ["{}", r#"{"Id": "ab"}"#, r#"{"Name": "/web"}"#, r#"{"Id": "", "Name": "/web"}"#] {
            assert_eq!(seen(json), None, "{json}");
        }
    }

    #[test]
    fn names_go_there_and_back() {
        for (config, engine_name, id) in
            [("{}", "/web", "container/web"), (r#"{"prefix": "e1/"}"#, "web", "container/e1/web")]
        {
            let naming = naming(config);
            let made = naming.id_of(engine_name).unwrap();
            assert_eq!(made.as_str(), id);
            assert_eq!(naming.container_of(&made).as_deref(), Some("web"));
        }
        let naming = naming(r#"{"prefix": "e1/", "name": "h9"}"#);
        for other in ["container/web", "vm/e1/web", "container/e1/"] {
            assert_eq!(other.parse().ok().and_then(|id: ResourceId| naming.container_of(&id)), None);
        }
        assert_eq!(naming.host(&facts()).unwrap().id.as_str(), "host/h9");
    }
}
