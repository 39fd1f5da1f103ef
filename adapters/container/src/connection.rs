//! The connection to the engine: what is known about it, and every call that is made, each within a bounded time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    models::{
        ContainerInspectResponse, ContainerStatsResponse, ContainerUpdateBody, EventMessage, SystemInfo, SystemVersion,
    },
    query_parameters::{
        EventsOptions, KillContainerOptions, ListContainersOptions, RestartContainerOptions, StartContainerOptions,
        StatsOptions, StopContainerOptions,
    },
};
use futures_util::{Stream, StreamExt};
use homeostat_model::Timestamp;
use homeostat_port::{AdapterError, Clock};
use tokio::sync::Mutex;

use crate::{
    config::{HostConfig, TlsConfig},
    happening::{Happening, Told, is_stopped_by},
};

/// For calls that only read, or write a number: an engine answers in milliseconds, a badly overloaded one in seconds.
const QUICK: Duration = Duration::from_secs(15);

/// For starting a container: the engine mounts, connects networks and may wait for a volume's driver.
const START: Duration = Duration::from_secs(60);

/// Beyond the time that a container is given to end by itself: to kill it, unmount and clean up.
const CLEAN_UP: Duration = Duration::from_secs(30);

/// What the client itself waits for the head of an answer, in seconds. It is above all other times, which are kept here.
const CLIENT_SECONDS: u64 = 3600;

/// Times a question is asked when the answer is an internal error or cannot be read: a container may be in a passing state,
/// such as half removed, that the engine stumbles over.
const READS: u32 = 3;

/// Before it is asked for again.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// What the address of an engine on this machine begins with.
const LOCAL: &str = "unix://";

/// An end of time that has not passed when the engine begins to answer.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Events that Docker remembers.
const HISTORY_KEPT: usize = 256;

/// No container has this id: a digest of only zeros does not come up. Asking to change it tells whether an engine knows
/// how to change containers at all.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is known about an engine while the connection lasts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// The host's name, as the engine gives it.
    pub(crate) host: String,
    /// `docker` or `podman`.
    pub(crate) engine: &'static str,
    /// The engine's version.
    pub(crate) version: String,
    /// Of the host.
    pub(crate) cores: Option<u64>,
    /// Of the host, in bytes.
    pub(crate) memory: Option<u64>,
    /// Whether limits can be changed while a container runs.
    pub(crate) resizes: bool,
    /// Whether the kernel can limit swap.
    pub(crate) limits_swap: bool,
    /// Whether a running container can be written to files and be brought to life from them. An engine does not say
    /// whether the program that it needs for that (criu) is there.
    pub(crate) checkpoints: bool,
    /// Where the engine keeps its containers, on its host.
    pub(crate) folder: String,
}

impl Facts {
    fn of(info: &SystemInfo, version: &SystemVersion, resizes: bool) -> Self {
        let names = version.components.iter().flatten().map(|component| component.name.to_lowercase());
        let podman = names.into_iter().any(|name| name.contains("podman"));
        // An engine without these cannot keep a limit, whatever it answers.
        let controls = info.memory_limit != Some(false) && info.cpu_cfs_quota != Some(false);
        Self {
            host: info.name.clone().unwrap_or_default(),
            engine: if podman { "podman" } else { "docker" },
            version: info.server_version.clone().or_else(|| version.version.clone()).unwrap_or_default(),
            cores: crate::number::positive(info.ncpu),
            memory: crate::number::positive(info.mem_total),
            resizes: resizes && controls,
            limits_swap: info.swap_limit == Some(true),
            checkpoints: !podman && info.experimental_build == Some(true),
            folder: info.docker_root_dir.clone().unwrap_or_default(),
        }
    }
}

/// A client of the engine that is connected when it is first needed, and anew after the connection was lost.
#[derive(Debug)]
pub(crate) struct Connection {
    endpoint: String,
    tls: Option<TlsConfig>,
    client: Mutex<Option<(Docker, Arc<Facts>)>>,
}

impl Connection {
    pub(crate) fn new(host: &HostConfig) -> Self {
        Self { endpoint: host.endpoint(), tls: host.tls.clone(), client: Mutex::new(None) }
    }

    /// What is known about the engine.
    pub(crate) async fn facts(&self) -> Result<Arc<Facts>, AdapterError> {
        Ok(self.client().await?.1)
    }

    /// Forgets the client and what is known: the engine behind the address may be another one afterwards.
    pub(crate) async fn forget(&self) {
        *self.client.lock().await = None;
    }

    pub(crate) async fn client(&self) -> Result<(Docker, Arc<Facts>), AdapterError> {
        let mut client = self.client.lock().await;
        if let Some(client) = client.as_ref() {
            return Ok(client.clone());
        }
        let docker = self.connect().map_err(|error| self.explain("connect", &error))?;
        let docker = self.within(QUICK, "connect", docker.negotiate_version()).await?;
        let version = self.within(QUICK, "ask for the version", docker.version()).await?;
        let info = self.within(QUICK, "ask for the host", docker.info()).await?;
        let resizes = self.resizes(&docker).await?;
        let connected = (docker, Arc::new(Facts::of(&info, &version, resizes)));
        *client = Some(connected.clone());
        Ok(connected)
    }

    fn connect(&self) -> Result<Docker, Error> {
        let endpoint = &self.endpoint;
        if endpoint.starts_with(LOCAL) {
            Docker::connect_with_unix(endpoint, CLIENT_SECONDS, API_DEFAULT_VERSION)
        } else if let Some(TlsConfig { ca, cert, key }) = &self.tls {
            Docker::connect_with_ssl(endpoint, key, cert, ca, CLIENT_SECONDS, API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(endpoint, CLIENT_SECONDS, API_DEFAULT_VERSION)
        }
    }

    /// Whether the engine can change limits. One that can says that there is no such container; one that cannot says that
    /// there is no such page. Nothing is changed by asking.
    async fn resizes(&self, docker: &Docker) -> Result<bool, AdapterError> {
        let asked = tokio::time::timeout(QUICK, docker.update_container(NOBODY, ContainerUpdateBody::default())).await;
        match asked {
            Ok(Err(Error::DockerResponseServerError { message, .. })) => {
                Ok(message.to_lowercase().contains("no such container"))
            }
            Ok(Ok(())) => Ok(true),
            Ok(Err(error)) => Err(self.explain("ask for what it can do", &error)),
            Err(_) => Err(self.silent(QUICK)),
        }
    }

    /// The ids of all containers, whether they run or not.
    pub(crate) async fn list(&self) -> Result<Vec<String>, AdapterError> {
        let (docker, _) = self.client().await?;
        let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let listed = self.read("list the containers", || docker.list_containers(Some(all.clone()))).await?;
        Ok(listed.into_iter().filter_map(|container| container.id).collect())
    }

    /// Everything about one container, by name or id; `None` when there is none.
    pub(crate) async fn inspect(&self, container: &str) -> Result<Option<ContainerInspectResponse>, AdapterError> {
        let (docker, _) = self.client().await?;
        let operation = format!("inspect {container}");
        let inspected = self
            .read(&operation, || {
                let inspection = docker.inspect_container(container, None);
                async {
                    match inspection.await {
                        Ok(found) => Ok(Some(found)),
                        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
                        Err(error) => Err(error),
                    }
                }
            })
            .await?;
        Ok(inspected)
    }

    /// Starts a container. One that runs already is fine.
    pub(crate) async fn start(&self, container: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        let call = docker.start_container(container, None::<StartContainerOptions>);
        self.within(START, &format!("start {container}"), call).await
    }

    /// Stops a container, which is given `grace` to end by itself. One that is stopped already is fine.
    pub(crate) async fn stop(&self, container: &str, grace: Duration) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        let call = docker.stop_container(container, None::<StopContainerOptions>);
        self.within(grace.saturating_add(CLEAN_UP), &format!("stop {container}"), call).await
    }

    /// Stops a container, which is given `grace` to end by itself, and starts it.
    pub(crate) async fn restart(&self, container: &str, grace: Duration) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        let call = docker.restart_container(container, None::<RestartContainerOptions>);
        let limit = grace.saturating_add(CLEAN_UP).saturating_add(START);
        self.within(limit, &format!("restart {container}"), call).await
    }

    /// Ends a container at once, and waits until it has ended.
    pub(crate) async fn kill(&self, container: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        // Docker waits for the end itself, Podman does not: what has ended is asked for its end at once.
        let killed = async {
            docker.kill_container(container, None::<KillContainerOptions>).await?;
            match docker.stop_container(container, None::<StopContainerOptions>).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
                stopped => stopped,
            }
        };
        self.within(CLEAN_UP, &format!("kill {container}"), killed).await
    }

    /// Lets a container stand still.
    pub(crate) async fn pause(&self, container: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        self.within(QUICK, &format!("pause {container}"), docker.pause_container(container)).await
    }

    /// Lets a container go on.
    pub(crate) async fn unpause(&self, container: &str) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        self.within(QUICK, &format!("unpause {container}"), docker.unpause_container(container)).await
    }

    /// Changes the limits of a container.
    pub(crate) async fn update(&self, container: &str, body: ContainerUpdateBody) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        self.within(QUICK, &format!("update {container}"), docker.update_container(container, body)).await
    }

    /// One reading of a container's statistics.
    pub(crate) async fn reading(&self, container: &str) -> Result<Option<ContainerStatsResponse>, AdapterError> {
        let (docker, _) = self.client().await?;
        let options = StatsOptions { stream: false, one_shot: true };
        let mut stream = Box::pin(docker.stats(container, Some(options)));
        let next = async { stream.next().await.transpose() };
        self.within(QUICK, &format!("read the statistics of {container}"), next).await
    }

    /// The statistics of a container, one reading a second until it ends.
    pub(crate) async fn statistics(
        &self,
        container: &str,
    ) -> Result<impl Stream<Item = Result<ContainerStatsResponse, Error>> + Send + Unpin + use<>, AdapterError> {
        let (docker, _) = self.client().await?;
        Ok(Box::pin(docker.stats(container, Some(StatsOptions { stream: true, one_shot: false }))))
    }

    /// What happens to containers, from `since` on, by the engine's own clock.
    pub(crate) async fn events(
        &self,
        since: jiff::Timestamp,
    ) -> Result<impl Stream<Item = Result<EventMessage, Error>> + Send + Unpin + use<>, AdapterError> {
        let (docker, _) = self.client().await?;
        let options = EventsOptions { since: Some(engine_time(since)), until: None, filters: Some(only_containers()) };
        Ok(Box::pin(docker.events(Some(options))))
    }

    /// What the engine's clock showed at `ours`, which [`Clock::system`] told. `None` when that shows an earlier time now: it was set back
    /// before homeostat was started anew.
    pub(crate) async fn by_its_clock(&self, ours: Timestamp) -> Result<Option<jiff::Timestamp>, AdapterError> {
        // On this machine it is the wall clock, behind which ours does not fall when somebody sets it back.
        let shows = if self.endpoint.starts_with(LOCAL) { jiff::Timestamp::now() } else { self.time().await? };
        Ok(as_long_before(shows, Clock::system().now(), ours))
    }

    /// Whether somebody asked the engine to end the container since `since`; `None` when it does not remember as much, or does not tell
    /// of everybody who asks: Podman tells of a kill and a restart, but not of every stop, so that only a yes is known.
    pub(crate) async fn end_was_asked_for(
        &self,
        id: &str,
        since: jiff::Timestamp,
    ) -> Result<Option<bool>, AdapterError> {
        let (_, facts) = self.client().await?;
        for event in self.history(id, since, &["kill", "stop", "restart"]).await? {
            match Told::of(&event, facts.engine == "podman").map(|told| told.happening) {
                Some(Happening::EndRequested) => return Ok(Some(true)),
                Some(Happening::Poked(signal)) if self.stops_by(id, signal).await? => return Ok(Some(true)),
                _ => {}
            }
        }
        if facts.engine == "podman" {
            return Ok(None);
        }
        let all = self.past(jiff::Timestamp::UNIX_EPOCH, HashMap::new()).await?;
        let oldest = all.iter().filter_map(|event| event.time).min();
        // Of the second of the oldest one, some may be forgotten.
        let reaches = all.len() < HISTORY_KEPT || oldest.is_some_and(|oldest| oldest < since.as_second());
        Ok(reaches.then_some(false))
    }

    /// Whether the container is stopped by `signal`, which others are not.
    pub(crate) async fn stops_by(&self, id: &str, signal: &str) -> Result<bool, AdapterError> {
        let inspected = self.inspect(id).await?;
        let own = inspected.and_then(|inspected| inspected.config?.stop_signal);
        Ok(own.is_some_and(|own| is_stopped_by(&own, signal)))
    }

    /// What the engine remembers of a container's events with these names.
    async fn history(
        &self,
        id: &str,
        since: jiff::Timestamp,
        names: &[&str],
    ) -> Result<Vec<EventMessage>, AdapterError> {
        let mut filters = only_containers();
        filters.insert("container".into(), vec![id.into()]);
        filters.insert("event".into(), names.iter().map(|name| (*name).to_owned()).collect());
        let wanted = |event: &EventMessage| {
            event.actor.as_ref().and_then(|actor| actor.id.as_deref()) == Some(id)
                && event.action.as_deref().is_some_and(|action| names.contains(&action))
        };
        Ok(self.past(since, filters).await?.into_iter().filter(wanted).collect())
    }

    /// What the engine remembers. Docker keeps the last [`HISTORY_KEPT`] events of its own run.
    async fn past(
        &self,
        since: jiff::Timestamp,
        filters: HashMap<String, Vec<String>>,
    ) -> Result<Vec<EventMessage>, AdapterError> {
        let (docker, facts) = self.client().await?;
        let now = self.time().await?;
        // Podman 4.3 gives nothing at all when the end has passed already, so it is asked to wait for it.
        let until = if facts.engine == "podman" { now.checked_add(SOON).unwrap_or(now) } else { now };
        let until = Some(engine_time(until));
        let options = EventsOptions { since: Some(engine_time(since)), until, filters: Some(filters) };
        let all = docker.events(Some(options)).collect::<Vec<_>>();
        let events = self.within(QUICK, "read past events", async { Ok(all.await) }).await?;
        Ok(events.into_iter().flatten().collect())
    }

    /// The engine's clock.
    pub(crate) async fn time(&self) -> Result<jiff::Timestamp, AdapterError> {
        let (docker, _) = self.client().await?;
        let info = self.within(QUICK, "ask for the time", docker.info()).await?;
        info.system_time.and_then(|time| time.parse().ok()).ok_or_else(|| AdapterError::Failed {
            operation: "ask for the time".into(),
            reason: "the engine does not tell its time".into(),
        })
    }

    /// Whether the engine still answers.
    pub(crate) async fn ping(&self) -> Result<(), AdapterError> {
        let (docker, _) = self.client().await?;
        self.within(QUICK, "ping", docker.ping()).await.map(drop)
    }

    /// Turns an error of the client into one that says what to do.
    pub(crate) fn explain(&self, operation: &str, error: &Error) -> AdapterError {
        match error {
            Error::DockerResponseServerError { message, .. } => {
                AdapterError::Failed { operation: operation.into(), reason: message.trim().into() }
            }
            Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => AdapterError::Failed {
                operation: operation.into(),
                reason: format!("the engine's answer is not understood: {error}"),
            },
            Error::SocketNotFoundError(_) => self.unreachable("there is no such socket; does the engine run?"),
            _ => self.unreachable(&chain(error)),
        }
    }

    /// The connection is gone.
    pub(crate) fn unreachable(&self, reason: &str) -> AdapterError {
        AdapterError::Unreachable { endpoint: self.endpoint.clone(), reason: reason.into() }
    }

    fn silent(&self, limit: Duration) -> AdapterError {
        self.unreachable(&format!("no answer within {} s", limit.as_secs()))
    }

    /// Asks again when the engine stumbles.
    async fn read<T, F: Future<Output = Result<T, Error>>>(
        &self,
        operation: &str,
        ask: impl Fn() -> F,
    ) -> Result<T, AdapterError> {
        for _ in 1..READS {
            match tokio::time::timeout(QUICK, ask()).await {
                Ok(Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. })) => {}
                Ok(Err(Error::DockerResponseServerError { status_code: 500.., .. })) => {}
                Ok(answered) => return answered.map_err(|error| self.explain(operation, &error)),
                Err(_) => return Err(self.silent(QUICK)),
            }
            tokio::time::sleep(READ_AGAIN).await;
        }
        self.within(QUICK, operation, ask()).await
    }

    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        operation: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, AdapterError> {
        match tokio::time::timeout(limit, call).await {
            Ok(answered) => answered.map_err(|error| self.explain(operation, &error)),
            Err(_) => Err(self.silent(limit)),
        }
    }
}

fn only_containers() -> HashMap<String, Vec<String>> {
    HashMap::from([("type".into(), vec!["container".into()])])
}

/// What a clock that `shows` this when ours shows `now` showed at `ours`.
fn as_long_before(shows: jiff::Timestamp, now: Timestamp, ours: Timestamp) -> Option<jiff::Timestamp> {
    let passed = now.as_millis().checked_sub(ours.as_millis()).filter(|passed| *passed >= 0)?;
    shows.checked_sub(jiff::SignedDuration::from_millis(passed)).ok()
}

/// Seconds and nanoseconds since the epoch, as the engines want them.
fn engine_time(time: jiff::Timestamp) -> String {
    format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())
}

/// The error with what it came from: the outermost of a broken connection says little.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_known_by_what_it_says() {
        let version = |name: &str| -> SystemVersion {
            serde_json::from_str(&format!(
                r#"{{"Version": "4.3.1", "Components": [{{"Name": "{name}", "Version": "4.3.1"}}]}}"#
            ))
            .unwrap()
        };
        let info = |json: &str| -> SystemInfo { serde_json::from_str(json).unwrap() };
        let full = r#"{"Name": "vm", "NCPU": 2, "MemTotal": 4096, "MemoryLimit": true, "CpuCfsQuota": true, "SwapLimit": true}"#;
        for (what, info, component, probed, engine, resizes) in [
            ("docker", info(full), "Engine", true, "docker", true),
            ("podman", info(full), "Podman Engine", false, "podman", false),
            ("a newer podman", info(full), "Podman Engine", true, "podman", true),
            (
                "no memory control",
                info(r#"{"MemoryLimit": false, "CpuCfsQuota": true}"#),
                "Engine",
                true,
                "docker",
                false,
            ),
            ("says nothing", info("{}"), "Engine", true, "docker", true),
        ] {
            let facts = Facts::of(&info, &version(component), probed);
            assert_eq!((facts.engine, facts.resizes), (engine, resizes), "{what}");
        }
        let facts = Facts::of(&info(full), &version("Engine"), true);
        assert_eq!((facts.cores, facts.memory, facts.limits_swap), (Some(2), Some(4096), true));
    }

    #[test]
    fn times_are_written_as_engines_read_them() {
        for (time, wanted) in
            [("2026-01-01T00:00:00.000000005Z", "1767225600.000000005"), ("1970-01-01T00:00:01Z", "1.000000000")]
        {
            assert_eq!(engine_time(time.parse().unwrap()), wanted);
        }
    }

    #[test]
    fn a_moment_is_found_on_another_clock_by_how_long_ago_it_was() {
        let shows: jiff::Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (now, ours, wanted) in [
            (100_000, 100_000, "2026-01-01T12:00:00Z"),
            (100_000, 40_000, "2026-01-01T11:59:00Z"),
            (100_000, 100_001, ""),
        ] {
            let (now, ours) = (Timestamp::from_millis(now), Timestamp::from_millis(ours));
            assert_eq!(as_long_before(shows, now, ours), wanted.parse().ok(), "{ours:?}");
        }
        assert_eq!(as_long_before(shows, Timestamp::from_millis(i64::MAX), Timestamp::MIN), None);
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_said_to_be_unreachable() {
        let error =
            Connection::new(&HostConfig { endpoint: Some("unix:///nowhere/at/all".into()), ..HostConfig::default() })
                .facts()
                .await
                .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot reach unix:///nowhere/at/all: there is no such socket; does the engine run?"
        );
    }
}
