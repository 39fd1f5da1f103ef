//! One adapter, several hosts.

use std::time::Duration;

use bollard::models::HostConfig as Limits;
use homeostat_container::{ContainerAdapter, ContainerConfig, HostConfig};
use homeostat_model::{Action, AdapterName, InventoryChange, Observation, Resource};
use homeostat_port::{Adapter, AdapterError};
use std::sync::Arc;

use crate::{
    bench::{Bench, OBEDIENT, Watch, step, variable},
    reconnect::Private,
};

/// An adapter that drives the engines at these endpoints, on hosts called `left`, `right` and so on.
pub(crate) fn adapter(endpoints: &[&str]) -> Arc<ContainerAdapter> {
    let host = |(name, endpoint): (&&str, &&str)| HostConfig {
        name: Some((*name).into()),
        endpoint: Some((*endpoint).into()),
        ..HostConfig::default()
    };
    let config = ContainerConfig {
        name: AdapterName::new("engines").unwrap(),
        hosts: ["left", "right", "third"].iter().zip(endpoints).map(host).collect(),
        sample_every: homeostat_model::Duration::from_secs(1),
        ..ContainerConfig::default()
    };
    Arc::new(ContainerAdapter::connect(config).unwrap())
}

fn find<'a>(resources: &'a [Resource], id: &str) -> Option<&'a Resource> {
    resources.iter().find(|resource| resource.id.as_str() == id)
}

fn snapshot(seen: Observation) -> Option<Vec<Resource>> {
    match seen {
        Observation::Inventory(InventoryChange::Snapshot { resources, .. }) => Some(resources),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_name_that_two_engines_have_is_two_resources_and_each_is_acted_on() {
    let (docker, podman) = (Bench::shared("HOMEOSTAT_TEST_DOCKER"), Bench::shared("HOMEOSTAT_TEST_PODMAN"));
    let (left, right) =
        (docker.start(OBEDIENT, Limits::default()).await, podman.start(OBEDIENT, Limits::default()).await);
    // The same name on the second engine.
    let twin = podman.start_as(left.name(), OBEDIENT).await;
    let adapter = adapter(&[&variable("HOMEOSTAT_TEST_DOCKER"), &variable("HOMEOSTAT_TEST_PODMAN")]);
    let resources = adapter.discover().await.unwrap();
    for (host, engine) in [("host/left", "docker"), ("host/right", "podman")] {
        let host = find(&resources, host).unwrap();
        assert_eq!((host.state(), host.attributes["engine"].to_string()), (Some("up"), format!("{engine:?}")));
    }
    let second = format!("container/right/{}", left.name());
    for (id, host) in [(left.as_str(), "host/left"), (right.as_str(), "host/right"), (second.as_str(), "host/right")] {
        let found = find(&resources, id).unwrap_or_else(|| panic!("no {id} in {resources:?}"));
        assert_eq!(found.on.as_ref().unwrap().as_str(), host, "{id}");
    }
    // Also an adapter that has seen nothing yet finds each.
    let fresh = super::hosts::adapter(&[&variable("HOMEOSTAT_TEST_DOCKER"), &variable("HOMEOSTAT_TEST_PODMAN")]);
    let second = second.parse().unwrap();
    let (progress, _watched) = homeostat_port::ProgressSink::new();
    fresh.apply(&step(&second, Action::Kill), &progress, &tokio_util::sync::CancellationToken::new()).await.unwrap();
    assert_eq!(podman.inspect(&twin).await.state.unwrap().running, Some(false));
    assert_eq!(docker.inspect(&left).await.state.unwrap().running, Some(true), "the one on the other host goes on");
    podman.remove(&twin).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn one_host_goes_away_and_comes_back_and_the_others_go_on() {
    let (engine, endpoint) = Private::start("docker", "hosts");
    let (stays, leaves) = (Bench::shared("HOMEOSTAT_TEST_DOCKER"), Bench::at(&endpoint));
    let (here, there) =
        (stays.start(OBEDIENT, Limits::default()).await, leaves.start(OBEDIENT, Limits::default()).await);
    let adapter = adapter(&[&variable("HOMEOSTAT_TEST_DOCKER"), &endpoint]);
    let mut watch = Watch::start(adapter.clone());
    watch.find("snapshot", snapshot).await;

    engine.ask("kill");
    let event = |name: &'static str| {
        move |seen: Observation| match seen {
            Observation::Event(event) if event.event_type.as_str() == name => Some(event.resource.to_string()),
            _ => None,
        }
    };
    assert_eq!(watch.find("loss of the host", event("host.unreachable")).await, "host/right");
    let resources = adapter.discover().await.unwrap();
    assert_eq!(find(&resources, "host/right").unwrap().state(), Some("unknown"));
    assert!(find(&resources, there.as_str()).is_some(), "it is as it was last seen");
    let refused = adapter.check(&step(&there, Action::Stop)).await.unwrap_err();
    assert!(refused.reason.contains("cannot reach"), "{}", refused.reason);
    // The other host is watched and acted on as before.
    stays.crash(&here).await;
    assert_eq!(watch.find("death", event("container.died")).await, here.to_string());
    adapter.check(&step(&here, Action::Start)).await.unwrap();

    engine.ask("start");
    assert_eq!(watch.find("return of the host", event("host.reachable")).await, "host/right");
    leaves.crash(&there).await;
    assert_eq!(watch.find("death there", event("container.died")).await, there.to_string());
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_host_that_was_never_there_does_not_keep_the_others_back() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let here = bench.start(OBEDIENT, Limits::default()).await;
    let both = adapter(&[&variable("HOMEOSTAT_TEST_DOCKER"), "unix:///nowhere/at/all"]);
    let mut watch = Watch::start(both.clone());
    let resources = watch.find("snapshot", snapshot).await;
    assert!(find(&resources, here.as_str()).is_some());
    assert_eq!(find(&resources, "host/right").unwrap().state(), Some("unknown"));
    let none = adapter(&["unix:///nowhere/at/all", "unix:///nor/there"]);
    assert!(matches!(none.discover().await, Err(AdapterError::Unreachable { .. })));
    let ended = tokio::time::timeout(Duration::from_secs(10), Watch::start(none).end()).await.unwrap();
    assert!(matches!(ended, Err(AdapterError::Unreachable { .. })), "{ended:?}");
}
