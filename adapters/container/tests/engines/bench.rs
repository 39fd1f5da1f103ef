//! One engine of the test bed, asked directly and not through the adapter, and containers on it.

use std::{
    collections::HashMap,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::{ContainerCreateBody, ContainerInspectResponse, EventMessage, HostConfig},
    query_parameters::{
        CommitContainerOptions, CreateContainerOptions, KillContainerOptions, LogsOptions, RemoveContainerOptions,
        RemoveImageOptions,
    },
};
use futures_util::StreamExt;
use homeostat_container::{ContainerAdapter, ContainerConfig};
use homeostat_model::{
    Action, AdapterName, Generation, IdempotencyKey, Observation, PlanId, ResourceId, StepCommand, StepId,
};
use homeostat_port::{Adapter, AdapterError, ObservationSink};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Longest that anything here may take that has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Ends at once when it is asked to, which process 1 does not do by itself.
pub(crate) const OBEDIENT: &str = "trap 'exit 0' TERM; echo ready; sleep 100000 & wait";

/// Ends only when it is killed.
pub(crate) const STUBBORN: &str = "trap '' TERM; echo ready; sleep 100000";

/// Uses all the processor time it is given.
pub(crate) const BUSY: &str = "trap 'exit 0' TERM; echo ready; while :; do :; done";

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A number that no other test of this process has.
fn number() -> u32 {
    NUMBER.fetch_add(1, Ordering::SeqCst)
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

/// An engine and the containers that were made on it, which go with it.
pub(crate) struct Bench {
    pub(crate) endpoint: String,
    pub(crate) docker: Docker,
    made: Mutex<Vec<String>>,
}

impl Bench {
    /// The engine whose address is in the environment variable `name`.
    pub(crate) fn shared(name: &str) -> Self {
        Self::at(&variable(name))
    }

    pub(crate) fn at(endpoint: &str) -> Self {
        let client = Docker::connect_with_unix(endpoint, 120, API_DEFAULT_VERSION).unwrap();
        Self { endpoint: endpoint.into(), docker: client, made: Mutex::default() }
    }

    /// A new adapter that remembers nothing.
    pub(crate) fn adapter(&self) -> Arc<ContainerAdapter> {
        let config = ContainerConfig {
            name: AdapterName::new("engine").unwrap(),
            endpoint: Some(self.endpoint.clone()),
            sample_every: homeostat_model::Duration::from_secs(1),
            ..ContainerConfig::default()
        };
        Arc::new(ContainerAdapter::connect(config).unwrap())
    }

    /// Makes a container that runs `script` under a name of its own; it is not started.
    pub(crate) async fn create(&self, script: &str, limits: HostConfig, stop_timeout: i64) -> ResourceId {
        self.create_as(&format!("test-{}-{}", std::process::id(), number()), script, limits, stop_timeout).await
    }

    async fn create_as(&self, name: &str, script: &str, limits: HostConfig, stop_timeout: i64) -> ResourceId {
        self.docker.clone().negotiate_version().await.unwrap();
        let body = ContainerCreateBody {
            image: Some(variable("HOMEOSTAT_TEST_IMAGE")),
            cmd: Some(vec!["sh".into(), "-c".into(), script.into()]),
            labels: Some(HashMap::from([("made-by".into(), "test".into())])),
            stop_timeout: Some(stop_timeout),
            host_config: Some(HostConfig {
                network_mode: limits.network_mode.clone().or(Some("none".into())),
                ..limits
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions { name: Some(name.into()), ..CreateContainerOptions::default() };
        self.docker.create_container(Some(options), body).await.unwrap();
        self.made.lock().unwrap().push(name.into());
        format!("container/{name}").parse().unwrap()
    }

    /// Makes a container and starts it.
    pub(crate) async fn start(&self, script: &str, limits: HostConfig) -> ResourceId {
        let id = self.create(script, limits, 5).await;
        self.run(&id).await;
        if script.contains("echo ready") {
            self.ready(&id, 1).await;
        }
        id
    }

    /// Makes a container of this name and starts it.
    pub(crate) async fn start_as(&self, name: &str, script: &str) -> ResourceId {
        let id = self.create_as(name, script, HostConfig::default(), 5).await;
        self.run(&id).await;
        self.ready(&id, 1).await;
        id
    }

    /// Gives the test's image with `changes`, as lines of a Dockerfile, the name `image`.
    pub(crate) async fn commit(&self, image: &str, changes: &[&str]) {
        let from = self.create(OBEDIENT, HostConfig::default(), 5).await;
        let options = CommitContainerOptions {
            container: Some(from.name().into()),
            repo: Some(image.into()),
            changes: Some(changes.join("\n")),
            ..CommitContainerOptions::default()
        };
        self.docker.commit_container(options, bollard::models::ContainerConfig::default()).await.unwrap();
        self.remove(&from).await;
    }

    pub(crate) async fn remove_image(&self, image: &str) {
        self.docker.remove_image(image, None::<RemoveImageOptions>, None).await.unwrap();
    }

    /// Makes a container that runs `script` and is otherwise as `body` says, and starts it.
    pub(crate) async fn start_with(&self, script: &str, body: ContainerCreateBody) -> ResourceId {
        let name = format!("test-{}-{}", std::process::id(), number());
        let body = ContainerCreateBody {
            image: body.image.or_else(|| Some(variable("HOMEOSTAT_TEST_IMAGE"))),
            cmd: Some(vec!["sh".into(), "-c".into(), script.into()]),
            host_config: Some(HostConfig { network_mode: Some("none".into()), ..HostConfig::default() }),
            ..body
        };
        let options = CreateContainerOptions { name: Some(name.clone()), ..CreateContainerOptions::default() };
        self.docker.create_container(Some(options), body).await.unwrap();
        self.made.lock().unwrap().push(name.clone());
        let id: ResourceId = format!("container/{name}").parse().unwrap();
        self.run(&id).await;
        self.ready(&id, 1).await;
        id
    }

    /// From now on the container of this name is removed at the end, also if it was made on another engine.
    pub(crate) fn adopt(&self, id: &ResourceId) {
        self.made.lock().unwrap().push(id.name().into());
    }

    /// Makes what the adapter makes in place of the running container `from` under `key`; gives its id.
    pub(crate) async fn create_part(&self, name: &str, key: &str, from: &str) -> String {
        self.docker.clone().negotiate_version().await.unwrap();
        let labels = [("homeostat.step", key), ("homeostat.from", from), ("homeostat.ran", "true")];
        let body = ContainerCreateBody {
            image: Some(variable("HOMEOSTAT_TEST_IMAGE")),
            cmd: Some(vec!["sh".into(), "-c".into(), OBEDIENT.into()]),
            labels: Some(labels.map(|(name, value)| (name.into(), value.into())).into()),
            host_config: Some(HostConfig { network_mode: Some("none".into()), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions { name: Some(name.into()), ..CreateContainerOptions::default() };
        self.made.lock().unwrap().push(name.into());
        self.docker.create_container(Some(options), body).await.unwrap().id
    }

    pub(crate) async fn run(&self, id: &ResourceId) {
        self.docker.start_container(id.name(), None).await.unwrap();
    }

    /// Waits until the container has said so for the `times`th time: a shell that has not yet set its trap does not obey.
    pub(crate) async fn ready(&self, id: &ResourceId, times: usize) {
        let options = LogsOptions { stdout: true, ..LogsOptions::default() };
        let said = async {
            loop {
                let lines: Vec<_> = self.docker.logs(id.name(), Some(options.clone())).collect().await;
                if lines.into_iter().flatten().filter(|line| line.to_string().contains("ready")).count() >= times {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("{id} is not ready"));
    }

    pub(crate) async fn inspect(&self, id: &ResourceId) -> ContainerInspectResponse {
        self.docker.inspect_container(id.name(), None).await.unwrap()
    }

    /// Kills the container's process from outside, behind the engine's back.
    pub(crate) async fn crash(&self, id: &ResourceId) {
        let pid = self.inspect(id).await.state.unwrap().pid.unwrap();
        kill(pid);
    }

    /// Sends the container a signal through the engine.
    pub(crate) async fn signal(&self, id: &ResourceId, signal: &str) {
        let options = KillContainerOptions { signal: signal.into() };
        self.docker.kill_container(id.name(), Some(options)).await.unwrap();
    }

    /// How often the engine says that `action` happened to the container, within the last ten minutes.
    pub(crate) async fn count(&self, id: &ResourceId, action: &str) -> u64 {
        let info = self.docker.info().await.unwrap();
        let now: jiff::Timestamp = info.system_time.unwrap().parse().unwrap();
        // Only Podman knows `stream`; and to an end that has passed already, as Docker needs it, it answers nothing.
        let end = if self.endpoint.contains("podman") {
            "stream=false".to_owned()
        } else {
            format!("until={}.{:09}", now.as_second(), now.subsec_nanosecond())
        };
        let events = self.get(&format!("/events?since={}&{end}", now.as_second() - 600)).await;
        let of_it = |line: &&str| {
            let Ok(event) = serde_json::from_str::<EventMessage>(line) else { return false };
            let name = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref()?.get("name"));
            name.map(String::as_str) == Some(id.name()) && event.action.as_deref() == Some(action)
        };
        u64::try_from(events.lines().filter(of_it).count()).unwrap()
    }

    /// The body of an answer, asked for in HTTP/1.0, which ends when the connection does.
    async fn get(&self, path: &str) -> String {
        let mut socket = UnixStream::connect(self.endpoint.trim_start_matches("unix://")).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{path}: {answer}");
        body.to_owned()
    }

    pub(crate) async fn remove(&self, id: &ResourceId) {
        let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
        self.docker.remove_container(id.name(), Some(options)).await.unwrap();
    }
}

impl Drop for Bench {
    /// Removes what was made and is still there, on a thread of its own, since the test's runtime may be gone.
    fn drop(&mut self) {
        let (docker, made) = (self.docker.clone(), std::mem::take(&mut *self.made.lock().unwrap()));
        let remove = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for name in made {
                    let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
                    let _ = docker.remove_container(&name, Some(options)).await;
                }
            });
        };
        let _ = std::thread::spawn(remove).join();
    }
}

pub(crate) fn kill(pid: i64) {
    assert!(pid > 1, "a container that does not run has no process");
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

/// A step under a key of its own.
pub(crate) fn step(resource: &ResourceId, action: Action) -> StepCommand {
    let plan = PlanId { generation: Generation(1), number: u64::from(number()) };
    StepCommand {
        plan,
        step: StepId(1),
        key: IdempotencyKey::new(plan, StepId(1)),
        generation: Generation(1),
        adapter: AdapterName::new("engine").unwrap(),
        resource: resource.clone(),
        action,
        timeout: homeostat_model::Duration::from_secs(60),
        begun: homeostat_port::Clock::system().now(),
    }
}

/// An `observe` in the background.
pub(crate) struct Watch {
    stop: CancellationToken,
    task: JoinHandle<Result<(), AdapterError>>,
    received: mpsc::Receiver<Observation>,
}

impl Watch {
    pub(crate) fn start(adapter: Arc<dyn Adapter>) -> Self {
        let (sink, received) = ObservationSink::bounded(64);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { adapter.observe(&sink, &stopped).await });
        Self { stop, task, received }
    }

    /// What `wanted` makes of the first observation that it wants.
    pub(crate) async fn find<T>(&mut self, what: &str, mut wanted: impl FnMut(Observation) -> Option<T>) -> T {
        let search = async {
            while let Some(observation) = self.received.recv().await {
                if let Some(found) = wanted(observation) {
                    return Some(found);
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("observe ended before {what} came: {:?}", (&mut self.task).await),
            Err(_) => panic!("no {what} within {PATIENCE:?}"),
        }
    }

    /// Everything that comes within `time`.
    pub(crate) async fn collect(&mut self, time: Duration) -> Vec<Observation> {
        let mut all = Vec::new();
        let _ = tokio::time::timeout(time, async {
            while let Some(observation) = self.received.recv().await {
                all.push(observation);
            }
        })
        .await;
        all
    }

    /// How it ends by itself.
    pub(crate) async fn end_now(self) {
        self.stop.cancel();
        self.end().await.unwrap();
    }

    pub(crate) async fn end(mut self) -> Result<(), AdapterError> {
        let drained = async {
            while self.received.recv().await.is_some() {}
            (&mut self.task).await.unwrap()
        };
        tokio::time::timeout(PATIENCE, drained).await.unwrap_or_else(|_| panic!("observe goes on"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
