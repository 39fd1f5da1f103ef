//! The suite that every adapter has to pass, on both engines.

use std::sync::Arc;

use async_trait::async_trait;
use bollard::models::HostConfig;
use homeostat_container::ContainerAdapter;
use homeostat_model::{Action, Amount, EventType, Kind, ResourceId, Verb};
use homeostat_port::{
    Adapter,
    conformance::{Harness, Subject, run},
};

use crate::{
    bench::{Bench, OBEDIENT, STUBBORN, variable},
    hosts::adapter,
    reconnect::Private,
};

/// One engine, or one that has another beside it.
struct Engine {
    bench: Bench,
    adapter: Arc<ContainerAdapter>,
    podman: bool,
    /// Where things are moved to.
    beside: Option<Bench>,
}

impl Engine {
    fn new(endpoint: &str, podman: bool) -> Self {
        let bench = Bench::at(endpoint);
        Self { adapter: bench.adapter(), bench, podman, beside: None }
    }

    /// Two Dockers.
    fn with_another(docker: &str, other: &str) -> Self {
        let beside = Some(Bench::at(other));
        Self { bench: Bench::at(docker), adapter: adapter(&[docker, other]), podman: false, beside }
    }
}

fn limits() -> HostConfig {
    HostConfig { memory: Some(64 << 20), memory_swap: Some(64 << 20), ..HostConfig::default() }
}

#[async_trait]
impl Harness for Engine {
    fn adapter(&self) -> Arc<dyn Adapter> {
        self.adapter.clone()
    }

    async fn reconnected(&self) -> Option<Arc<dyn Adapter>> {
        Some(match &self.beside {
            Some(beside) => adapter(&[&self.bench.endpoint, &beside.endpoint]),
            None => self.bench.adapter(),
        })
    }

    async fn subject(&self, kind: &Kind, verb: Verb) -> Option<Subject> {
        if kind.as_str() != "container" {
            return None;
        }
        Some(match verb {
            Verb::Restart => {
                Subject { resource: self.bench.start(OBEDIENT, limits()).await, action: Action::Restart { on: None } }
            }
            Verb::Start => Subject { resource: self.bench.create(OBEDIENT, limits(), 5).await, action: Action::Start },
            Verb::Stop => Subject { resource: self.bench.start(OBEDIENT, limits()).await, action: Action::Stop },
            Verb::Resize => Subject {
                resource: self.bench.start(OBEDIENT, limits()).await,
                action: Action::Resize(
                    Amount { vcpus: Some(0.5), memory_bytes: Some(96 << 20), ..Amount::default() }.into(),
                ),
            },
            Verb::Pause => {
                Subject { resource: self.bench.start(OBEDIENT, limits()).await, action: Action::Pause { on: true } }
            }
            Verb::Kill => Subject { resource: self.bench.start(STUBBORN, limits()).await, action: Action::Kill },
            Verb::Recreate => Subject {
                resource: self.bench.start(OBEDIENT, limits()).await,
                action: Action::Recreate { image: None },
            },
            Verb::Migrate => Subject {
                resource: self.bench.start(OBEDIENT, limits()).await,
                action: Action::Migrate { to: "host/right".parse().unwrap(), live: true },
            },
            _ => return None,
        })
    }

    async fn slow_subject(&self) -> Option<Subject> {
        let resource = self.bench.create(STUBBORN, limits(), 2).await;
        self.bench.run(&resource).await;
        self.bench.ready(&resource, 1).await;
        Some(Subject { resource, action: Action::Stop })
    }

    async fn impossible_subject(&self) -> Option<Subject> {
        let resource = self.bench.start(OBEDIENT, limits()).await;
        if self.podman {
            self.bench.docker.pause_container(resource.name()).await.unwrap();
            return Some(Subject { resource, action: Action::Start });
        }
        Some(Subject {
            resource,
            action: Action::Resize(Amount { vcpus: None, memory_bytes: Some(1 << 50), ..Amount::default() }.into()),
        })
    }

    async fn effects(&self, subject: &Subject) -> u64 {
        let action = match subject.action.verb() {
            Verb::Restart => "restart",
            Verb::Start => "start",
            Verb::Stop | Verb::Kill => "die",
            Verb::Pause => "pause",
            // The new one is made under another name, and then takes the name; the one before was made under it.
            Verb::Recreate => "rename",
            Verb::Migrate => {
                let beside = self.beside.as_ref().unwrap();
                return beside.count(&subject.resource, "rename").await;
            }
            _ => "update",
        };
        self.bench.count(&subject.resource, action).await
    }

    async fn workload(&self) -> ResourceId {
        self.bench.start(OBEDIENT, limits()).await
    }

    async fn fail(&self, workload: &ResourceId) {
        self.bench.crash(workload).await;
    }

    fn failure_event(&self) -> EventType {
        EventType::new("container.died").unwrap()
    }
}

/// What the suite may leave out: a restart of which nothing is left is not looked for after the adapter was made anew.
async fn check(engine: Engine) {
    let report = run(&engine).await;
    println!("{report}");
    assert!(report.is_kept(), "\n{report}");
    assert_eq!(report.skipped(), Vec::<&str>::new(), "\n{report}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn docker_keeps_every_promise() {
    // Of its own: Docker remembers 256 events, by which effects are counted.
    let (engine, endpoint) = Private::start("docker", "conform");
    check(Engine::new(&endpoint, false)).await;
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn two_dockers_keep_every_promise() {
    let (left, here) = Private::start("docker", "conform-left");
    let (right, there) = Private::start("docker", "conform-right");
    check(Engine::with_another(&here, &there)).await;
    drop((left, right));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn podman_keeps_every_promise() {
    check(Engine::new(&variable("HOMEOSTAT_TEST_PODMAN"), true)).await;
}
