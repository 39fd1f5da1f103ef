//! What is seen of containers that live and die.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bollard::models::{ContainerCreateBody, HostConfig};
use homeostat_model::{Attributes, Event, Observation, ResourceId, Value};
use homeostat_port::Adapter;

use crate::bench::{BUSY, Bench, OBEDIENT, Watch};

fn event_of(resource: &ResourceId, event_type: &str) -> impl FnMut(Observation) -> Option<Event> {
    move |seen| match seen {
        Observation::Event(event) if event.resource == *resource && event.event_type.as_str() == event_type => {
            Some(event)
        }
        _ => None,
    }
}

fn text(attributes: &Attributes) -> String {
    attributes.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn docker_tells_a_crash_from_a_stop() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let adapter = bench.adapter();
    let mut watch = Watch::start(adapter.clone());
    watch.find("snapshot", |seen| matches!(seen, Observation::Inventory(_)).then_some(())).await;
    let resource = bench.start(OBEDIENT, HostConfig::default()).await;
    watch.find("start", event_of(&resource, "container.started")).await;

    bench.crash(&resource).await;
    let died = watch.find("crash", event_of(&resource, "container.died")).await;
    assert_eq!(text(&died.attributes), "exitCode=137 missed=false oomKilled=false requested=false");

    bench.run(&resource).await;
    bench.ready(&resource, 2).await;
    bench.docker.stop_container(resource.name(), None).await.unwrap();
    let died = watch.find("stop", event_of(&resource, "container.died")).await;
    assert_eq!(text(&died.attributes), "exitCode=0 missed=false oomKilled=false requested=true");

    // A signal that has something done is no wish that it ends: what it dies of is something else.
    bench.run(&resource).await;
    bench.ready(&resource, 3).await;
    bench.signal(&resource, "SIGUSR1").await;
    bench.crash(&resource).await;
    let died = watch.find("poke", event_of(&resource, "container.died")).await;
    assert!(text(&died.attributes).ends_with("requested=false"), "{died:?}");

    bench.run(&resource).await;
    bench.remove(&resource).await;
    watch.find("removal", event_of(&resource, "container.removed")).await;
    watch
        .find("its absence", |seen| {
            matches!(seen, Observation::Inventory(homeostat_model::InventoryChange::Gone { resource: id, .. }) if id == resource)
                .then_some(())
        })
        .await;
    assert!(adapter.discover().await.unwrap().iter().all(|found| found.id != resource));
}

/// Such as a web server that ends in good order at a signal that others take for something else.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_stop_by_a_signal_of_its_own_was_asked_for() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let mut watch = Watch::start(bench.adapter());
    watch.find("snapshot", |seen| matches!(seen, Observation::Inventory(_)).then_some(())).await;
    let body = ContainerCreateBody { stop_signal: Some("SIGWINCH".into()), ..ContainerCreateBody::default() };
    let resource = bench.start_with("trap 'exit 3' WINCH; echo ready; sleep 100000 & wait", body).await;
    bench.docker.stop_container(resource.name(), None).await.unwrap();
    let died = watch.find("stop", event_of(&resource, "container.died")).await;
    assert_eq!(text(&died.attributes), "exitCode=3 missed=false oomKilled=false requested=true");
    bench.remove(&resource).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn podman_says_only_what_it_knows_about_an_end() {
    let bench = Bench::shared("HOMEOSTAT_TEST_PODMAN");
    let mut watch = Watch::start(bench.adapter());
    watch.find("snapshot", |seen| matches!(seen, Observation::Inventory(_)).then_some(())).await;
    let resource = bench.start(OBEDIENT, HostConfig::default()).await;
    bench.crash(&resource).await;
    let died = watch.find("crash", event_of(&resource, "container.died")).await;
    assert_eq!(died.attributes.get("exitCode"), Some(&Value::Number(137.0)));
    assert_eq!(died.attributes.get("requested"), None);
    bench.run(&resource).await;
    bench.docker.kill_container(resource.name(), None).await.unwrap();
    let died = watch.find("kill", event_of(&resource, "container.died")).await;
    assert_eq!(died.attributes.get("requested"), Some(&Value::Bool(true)));
    bench.remove(&resource).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn docker_tells_of_a_lack_of_memory() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let mut watch = Watch::start(bench.adapter());
    watch.find("snapshot", |seen| matches!(seen, Observation::Inventory(_)).then_some(())).await;
    let limits = HostConfig { memory: Some(16 << 20), memory_swap: Some(16 << 20), ..HostConfig::default() };
    let resource = bench.start("sleep 0.5; exec tail /dev/zero", limits).await;
    watch.find("lack of memory", event_of(&resource, "container.oom")).await;
    let died = watch.find("end", event_of(&resource, "container.died")).await;
    assert_eq!(text(&died.attributes), "exitCode=137 missed=false oomKilled=true requested=false");
    bench.remove(&resource).await;
}

/// Seconds of processor time that a process has used, by the kernel's own count of ticks of 10 ms.
fn cpu_seconds(pid: i64) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..=12].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// A container that wants all it can get, and is allowed a quarter of a core; how much it gets depends on what else runs
/// here, so the kernel is asked. Podman gives a reading every five seconds only.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn what_is_measured_is_what_the_container_uses() {
    for variable in ["HOMEOSTAT_TEST_DOCKER", "HOMEOSTAT_TEST_PODMAN"] {
        let bench = Bench::shared(variable);
        let limits = HostConfig { memory: Some(64 << 20), nano_cpus: Some(250_000_000), ..HostConfig::default() };
        let resource = bench.start(BUSY, limits).await;
        let pid = bench.inspect(&resource).await.state.unwrap().pid.unwrap();
        let mut watch = Watch::start(bench.adapter());
        let (began, before) = (Instant::now(), cpu_seconds(pid));
        let mut seen: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for observation in watch.collect(Duration::from_secs(17)).await {
            if let Observation::Sample(sample) = observation
                && sample.resource == resource
            {
                seen.entry(sample.metric.to_string()).or_default().push(sample.value);
            }
        }
        let cores = (cpu_seconds(pid) - before) / began.elapsed().as_secs_f64();
        let mean = |metric: &str| {
            let values = seen.get(metric).unwrap_or_else(|| panic!("{variable}: no {metric} in {seen:?}"));
            values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap())
        };
        for (metric, least, most) in [
            ("cpu.cores", cores * 0.7, cores * 1.3),
            ("cpu.utilization", cores * 4.0 * 0.7, cores * 4.0 * 1.3),
            ("memory.used", 10_000.0, 33_554_432.0),
            ("memory.utilization", 0.0001, 0.5),
            ("pids", 1.0, 1.0),
        ] {
            assert!((least..=most).contains(&mean(metric)), "{variable}: {metric}, {cores} cores: {seen:?}");
        }
        assert!(seen["cpu.cores"].len() >= 2, "{variable}: {seen:?}");
        bench.remove(&resource).await;
    }
}
