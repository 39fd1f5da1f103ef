//! The engine goes away and comes back. These tests have an engine of their own, since they kill it.

use std::process::Command;

use bollard::{
    models::{HostConfig, RestartPolicy, RestartPolicyNameEnum, VolumeCreateRequest},
    query_parameters::RemoveVolumeOptions,
};
use homeostat_model::{InventoryChange, Observation, ResourceId, Value};
use homeostat_port::AdapterError;

use crate::bench::{Bench, OBEDIENT, Watch, kill, variable};

/// An engine of the test bed that one test has to itself; it is stopped at the end.
pub(crate) struct Private {
    make: &'static str,
    name: &'static str,
}

impl Private {
    pub(crate) fn start(make: &'static str, name: &'static str) -> (Self, String) {
        let engine = Self { make, name };
        let endpoint = engine.ask("start");
        (engine, endpoint)
    }

    pub(crate) fn ask(&self, verb: &str) -> String {
        let mut command = Command::new(variable("HOMEOSTAT_TEST_XTASK"));
        let output = command.args(["engine", self.make, self.name, verb]).output().unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let mut command = Command::new(variable("HOMEOSTAT_TEST_XTASK"));
        let _ = command.args(["engine", self.make, self.name, "stop"]).output();
    }
}

fn snapshot(seen: Observation) -> Option<Vec<(ResourceId, String)>> {
    let Observation::Inventory(InventoryChange::Snapshot { resources, .. }) = seen else { return None };
    let state = |resource: &homeostat_model::Resource| resource.state().unwrap_or("").to_owned();
    Some(resources.iter().map(|resource| (resource.id.clone(), state(resource))).collect())
}

async fn check(make: &'static str) {
    let (engine, endpoint) = Private::start(make, "reconnect");
    let bench = Bench::at(&endpoint);
    let adapter = bench.adapter();
    let doomed = bench.start(OBEDIENT, HostConfig::default()).await;
    let survivor = bench.start(OBEDIENT, HostConfig::default()).await;
    // Podman restarts nothing by itself when it is started.
    let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None };
    let restarts = HostConfig { restart_policy: Some(policy), ..HostConfig::default() };
    let restarted = if make == "docker" { Some(bench.start(OBEDIENT, restarts).await) } else { None };
    let pid = bench.inspect(&doomed).await.state.unwrap().pid.unwrap();
    let mut pids = vec![pid];
    if let Some(restarted) = &restarted {
        pids.push(bench.inspect(restarted).await.state.unwrap().pid.unwrap());
    }
    let mut watch = Watch::start(adapter.clone());
    watch.find("first snapshot", snapshot).await;

    engine.ask("kill");
    let error = watch.end().await.unwrap_err();
    assert!(matches!(error, AdapterError::Unreachable { .. }), "{make}: {error}");
    let again = Watch::start(adapter.clone()).end().await.unwrap_err();
    assert!(matches!(again, AdapterError::Unreachable { .. }), "{make}: {again}");

    pids.into_iter().for_each(kill);
    engine.ask("start");
    if let Some(restarted) = &restarted {
        bench.ready(restarted, 2).await;
    }
    let mut watch = Watch::start(adapter.clone());
    let states = watch.find("second snapshot", snapshot).await;
    assert!(states.contains(&(doomed.clone(), "exited".into())), "{make}: {states:?}");
    assert!(states.contains(&(survivor.clone(), "running".into())), "{make}: {states:?}");
    let events: Vec<_> = watch.collect(std::time::Duration::from_secs(3)).await.into_iter().filter_map(event).collect();
    let (other, events): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| Some(&event.resource) == restarted.as_ref());
    let ends = other.iter().filter(|event| event.event_type.as_str() == "container.died");
    assert_eq!(ends.count(), usize::from(restarted.is_some()), "{make}: it died once, and runs again: {other:?}");
    assert_eq!(events.len(), 1, "{make}: {events:?}");
    assert_eq!(
        (events[0].resource.clone(), events[0].event_type.as_str()),
        (doomed.clone(), "container.died"),
        "{make}"
    );
    assert_eq!(events[0].attributes.get("missed"), Some(&Value::Bool(true)), "{make}");
    // Podman does not tell of every stop, so that nobody can know.
    let requested = (make == "docker").then_some(Value::Bool(false));
    assert_eq!(events[0].attributes.get("requested"), requested.as_ref(), "{make}");

    // Life goes on: what happens now is seen as it happens.
    bench.run(&doomed).await;
    let started = watch.find("start", event).await;
    assert_eq!(started.event_type.as_str(), "container.started", "{make}");
    bench.crash(&doomed).await;
    let died = watch.find("second death", event).await;
    assert_eq!((died.resource.clone(), died.event_type.as_str()), (doomed.clone(), "container.died"), "{make}");
    assert_eq!(died.attributes.get("missed"), Some(&Value::Bool(false)), "{make}");
    drop(engine);
}

fn event(seen: Observation) -> Option<homeostat_model::Event> {
    if let Observation::Event(event) = seen { Some(event) } else { None }
}

/// Docker remembers 256 events. What it has forgotten may have been a wish that the container ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn what_the_engine_has_forgotten_is_not_taken_for_not_asked() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let adapter = bench.adapter();
    let (stopped, busy) =
        (bench.start(OBEDIENT, HostConfig::default()).await, bench.start(OBEDIENT, HostConfig::default()).await);
    for (others, requested) in [(0, Some(Value::Bool(true))), (130, None)] {
        let mut watch = Watch::start(adapter.clone());
        watch.find("snapshot", snapshot).await;
        // So that it is known until when events were heard.
        bench.docker.pause_container(busy.name()).await.unwrap();
        watch.find("pause", event).await;
        bench.docker.unpause_container(busy.name()).await.unwrap();
        watch.find("going on", event).await;
        watch.end_now().await;
        bench.docker.stop_container(stopped.name(), None).await.unwrap();
        // Of volumes: containers that go on right after they were paused are sometimes taken for paused by Docker itself.
        for _ in 0..others {
            let volume = bench.docker.create_volume(VolumeCreateRequest::default()).await.unwrap();
            bench.docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await.unwrap();
        }
        let mut watch = Watch::start(adapter.clone());
        let died = watch.find("death", |seen| event(seen).filter(|event| event.resource == stopped)).await;
        assert_eq!(died.event_type.as_str(), "container.died");
        assert_eq!(died.attributes.get("requested"), requested.as_ref(), "after {others} other events");
        watch.end_now().await;
        bench.run(&stopped).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn docker_comes_back_and_a_death_meanwhile_is_told() {
    check("docker").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn podman_comes_back_and_a_death_meanwhile_is_told() {
    check("podman").await;
}
