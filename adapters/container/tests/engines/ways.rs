//! A container is measured in two ways, by its control groups and by the engine's statistics: both have to say the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bollard::models::HostConfig;
use homeostat_container::{ContainerAdapter, ContainerConfig, Statistics};
use homeostat_model::{AdapterName, Observation, ResourceId};

use crate::bench::{Bench, Watch};

/// Uses what a limit lets it, memory that stays, the disk and, if there is one, the network: the address is that of the bridge
/// in the test bed (`xtask/src/engine.rs`).
const STEADY: &str = "trap 'exit 0' TERM; ping -i 0.1 10.88.7.1 >/dev/null 2>&1 & \
    dd if=/dev/zero of=/dev/shm/fill bs=1M count=20 2>/dev/null; dd if=/dev/zero of=/file bs=1M count=5 2>/dev/null; \
    echo ready; while :; do :; done";

/// What both ways measure for, with a sample a second; Podman gives one every five seconds.
const SPAN: Duration = Duration::from_secs(22);

fn adapter(bench: &Bench, statistics: Statistics) -> Arc<ContainerAdapter> {
    let config = ContainerConfig {
        name: AdapterName::new("engine").unwrap(),
        endpoint: Some(bench.endpoint.clone()),
        sample_every: homeostat_model::Duration::from_secs(1),
        statistics,
        ..ContainerConfig::default()
    };
    Arc::new(ContainerAdapter::connect(config).unwrap())
}

/// The mean of each metric of the container, and how many samples it is of.
async fn means(watch: &mut Watch, resource: &ResourceId) -> BTreeMap<String, (f64, f64)> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for observation in watch.collect(SPAN).await {
        if let Observation::Sample(sample) = observation
            && sample.resource == *resource
        {
            let sum = sums.entry(sample.metric.to_string()).or_default();
            *sum = (sum.0 + sample.value, sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(metric, (sum, count))| (metric, (sum / count, count))).collect()
}

async fn check(variable: &str, network: Option<&str>) {
    let bench = Bench::shared(variable);
    let limits = HostConfig {
        memory: Some(64 << 20),
        nano_cpus: Some(250_000_000),
        pids_limit: Some(50),
        network_mode: network.map(str::to_owned),
        ..HostConfig::default()
    };
    let resource = bench.start(STEADY, limits).await;
    let mut by_groups = Watch::start(adapter(&bench, Statistics::Auto));
    let mut by_engine = Watch::start(adapter(&bench, Statistics::Engine));
    let (mut groups, mut engine) = tokio::join!(means(&mut by_groups, &resource), means(&mut by_engine, &resource));
    let names = |means: &BTreeMap<String, (f64, f64)>| means.keys().cloned().collect::<BTreeSet<_>>();
    // Podman counts 0 on interfaces that are not there; and it leaves out the page cache, throttling and the limit of processes.
    engine.retain(|metric, (mean, _)| network.is_some() || !metric.starts_with("network.") || *mean != 0.0);
    let only_engine: Vec<_> = names(&engine).difference(&names(&groups)).cloned().collect();
    assert!(only_engine.is_empty(), "{variable}: {only_engine:?} of the engine only");
    if variable.ends_with("DOCKER") {
        // It says nothing of a limit that was never hit.
        if !engine.contains_key("memory.failures") {
            assert_eq!(groups.remove("memory.failures").map(|(mean, _)| mean), Some(0.0), "{variable}");
        }
        assert_eq!(names(&groups), names(&engine), "{variable}");
    }
    let always =
        ["cpu.cores", "cpu.utilization", "cpu.throttled", "memory.used", "memory.cache", "memory.utilization", "pids"];
    assert_eq!(always.into_iter().find(|name| !groups.contains_key(*name)), None, "{variable}: {groups:?}");
    assert_eq!(groups.contains_key("network.send.rate"), network.is_some(), "{variable}: {groups:?}");
    for (metric, (by_engine, _)) in &engine {
        let (by_groups, count) = groups[metric];
        assert!(count >= 4.0, "{variable}: {count} samples of {metric}");
        // Podman counts the page cache as used.
        let cache = if variable.ends_with("PODMAN") && metric.starts_with("memory.u") { 8e6 } else { 0.0 };
        let cache = if metric == "memory.utilization" { cache / f64::from(64 << 20) } else { cache };
        // A quarter apart, since the readings are not of the same instants, and other work on the machine comes between; half
        // with Podman, whose few readings are of other stretches of time.
        let apart = if variable.ends_with("PODMAN") { 0.5 } else { 0.25 };
        let near = by_engine.abs().max(by_groups.abs()) * apart + cache;
        assert!(
            (by_engine - by_groups).abs() <= near,
            "{variable}: {metric}: {by_groups} by groups, {by_engine} by the engine"
        );
        println!("{variable}: {metric}: {by_groups} by groups, {by_engine} by the engine");
    }
    bench.remove(&resource).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn control_groups_say_what_docker_says() {
    check("HOMEOSTAT_TEST_DOCKER", Some("bridge")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn control_groups_say_what_podman_says() {
    check("HOMEOSTAT_TEST_PODMAN", None).await;
}
