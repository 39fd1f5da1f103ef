//! Containers that are replaced: on their host, and on another one.

use std::time::Duration;

use bollard::{
    models::{ContainerCreateBody, HostConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{DownloadFromContainerOptions, RenameContainerOptions},
};
use futures_util::TryStreamExt;
use homeostat_model::{Action, Observation, ResourceId, StepCommand, StepResult};
use homeostat_port::{Adapter, Clock, Probe, ProgressSink, execute};
use tokio_util::sync::CancellationToken;

use crate::{
    bench::{Bench, OBEDIENT, PATIENCE, Watch, step, variable},
    hosts::adapter,
    reconnect::Private,
};

/// Counts in its memory, and writes down where it is.
const COUNTER: &str = "echo ready; i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.1; done";

async fn done(adapter: &dyn Adapter, command: &StepCommand) -> StepResult {
    let (progress, _watched) = ProgressSink::new();
    execute(adapter, command, &Clock::system(), &progress, &CancellationToken::new()).await
}

fn to(host: &str, live: bool) -> Action {
    Action::Migrate { to: host.parse().unwrap(), live }
}

/// How far the counter is.
async fn count(bench: &Bench, id: &ResourceId) -> u64 {
    let read = || async {
        let options = DownloadFromContainerOptions { path: "/count".into() };
        let parts: Vec<_> = bench.docker.download_from_container(id.name(), Some(options)).try_collect().await.unwrap();
        // A tar archive of one small file: its content stands behind the head of 512 bytes.
        let archive: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        String::from_utf8_lossy(&archive[512..600]).trim_matches(['\0', '\n', ' ']).parse::<u64>().ok()
    };
    for _ in 0..50 {
        // Between opening the file and writing it, it is empty.
        if let Some(count) = read().await {
            return count;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{id} does not count");
}

/// The containers whose name begins like that of `id`, as `name state`.
async fn all_of(bench: &Bench, id: &ResourceId) -> Vec<String> {
    let options = bollard::query_parameters::ListContainersOptions { all: true, ..Default::default() };
    let listed = bench.docker.list_containers(Some(options)).await.unwrap();
    let words = listed.into_iter().filter_map(|found| {
        let name = found.names?.first()?.trim_start_matches('/').to_owned();
        name.starts_with(id.name()).then(|| format!("{name} {}", found.state.unwrap()))
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_running_container_moves_there_and_back_and_its_counter_goes_on() {
    let (engine, endpoint) = Private::start("docker", "moves");
    let (left, right) = (Bench::shared("HOMEOSTAT_TEST_DOCKER"), Bench::at(&endpoint));
    // It would be started again by its engine after it was ended by a checkpoint.
    let always = RestartPolicy { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None };
    let id = left.start(COUNTER, HostConfig { restart_policy: Some(always.clone()), ..HostConfig::default() }).await;
    right.adopt(&id);
    let both = adapter(&[&variable("HOMEOSTAT_TEST_DOCKER"), &endpoint]);
    let mut watch = Watch::start(both.clone());
    watch.find("snapshot", |seen| matches!(seen, Observation::Inventory(_)).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (host, from, there) in [("host/right", &left, &right), ("host/left", &right, &left)] {
        let before = count(from, &id).await;
        let command = step(&id, to(host, true));
        let result = done(&*both, &command).await;
        assert!(matches!(&result, StepResult::Done { observed } if observed.contains(host)), "{result:?}");
        assert_eq!(all_of(from, &id).await, Vec::<String>::new(), "nothing is left where it was");
        assert_eq!(all_of(there, &id).await, [format!("{} running", id.name())]);
        let after = count(there, &id).await;
        assert!(after >= before && after < before + 200, "it went on from {before}, and is at {after}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(count(there, &id).await > after, "it goes on");
        let policy = there.inspect(&id).await.host_config.unwrap().restart_policy.unwrap();
        assert_eq!(policy.name, always.name);
        let resources = both.discover().await.unwrap();
        let found: Vec<_> = resources.iter().filter(|found| found.id.name().contains(id.name())).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].id.clone(), found[0].on.as_ref().unwrap().as_str()), (id.clone(), host));
    }
    // Whoever watches sees it on another host, and neither an end nor a beginning.
    let seen = watch.collect(Duration::from_secs(2)).await;
    let events: Vec<_> =
        seen.iter().filter(|seen| matches!(seen, Observation::Event(event) if event.resource == id)).collect();
    assert!(events.is_empty(), "{events:?}");
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn what_cannot_move_live_is_made_anew_there_and_both_are_said_beforehand() {
    let (docker, podman) = (Bench::shared("HOMEOSTAT_TEST_DOCKER"), Bench::shared("HOMEOSTAT_TEST_PODMAN"));
    let both = adapter(&[&variable("HOMEOSTAT_TEST_DOCKER"), &variable("HOMEOSTAT_TEST_PODMAN")]);
    let resources = both.discover().await.unwrap();
    for (host, live) in [("host/left", "true"), ("host/right", "false")] {
        let host = resources.iter().find(|found| found.id.as_str() == host).unwrap();
        assert_eq!(host.attributes["liveMigration"].to_string(), live);
    }
    // This machine does not allow as many processes as Podman would, where it is told of any limit.
    let nproc = ResourcesUlimits { name: Some("nproc".into()), soft: Some(4096), hard: Some(4096) };
    let id = docker.start(OBEDIENT, HostConfig { ulimits: Some(vec![nproc]), ..HostConfig::default() }).await;
    podman.adopt(&id);
    let refused = both.check(&step(&id, to("host/right", true))).await.unwrap_err();
    assert!(refused.reason.contains("it can be moved with an interruption"), "{}", refused.reason);
    let command = step(&id, to("host/right", false));
    let result = done(&*both, &command).await;
    assert!(matches!(&result, StepResult::Done { .. }), "{result:?}");
    assert_eq!(all_of(&docker, &id).await, Vec::<String>::new());
    assert_eq!(all_of(&podman, &id).await, [format!("{} running", id.name())]);
    let bound =
        docker.start(OBEDIENT, HostConfig { binds: Some(vec!["/tmp:/data".into()]), ..HostConfig::default() }).await;
    let refused = both.check(&step(&bound, to("host/right", false))).await.unwrap_err();
    assert!(refused.reason.contains("what is mounted at /data stays on its host"), "{}", refused.reason);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_container_is_made_anew_with_its_volumes_and_what_does_not_work_leaves_it_as_it_was() {
    for variable in ["HOMEOSTAT_TEST_DOCKER", "HOMEOSTAT_TEST_PODMAN"] {
        let bench = Bench::shared(variable);
        let adapter = bench.adapter();
        // The third container of this volume fails; one that ran before runs again.
        let script = "echo x >> /data/starts; [ ! -e /mine ] && [ $(wc -l < /data/starts) -gt 2 ] && exit 3; touch /mine; \
                      trap 'exit 0' TERM; echo ready; sleep 100000 & wait";
        let volume = format!(
            "volume-{}",
            step(&"container/x".parse().unwrap(), Action::Start).key.to_string().replace('/', "-")
        );
        let binds = Some(vec![format!("{volume}:/data")]);
        let id = bench.start(script, HostConfig { binds, ..HostConfig::default() }).await;
        let before = bench.inspect(&id).await.id;
        let refused = adapter.check(&step(&id, Action::Recreate { image: Some("localhost/no/such:1".into()) })).await;
        assert!(refused.unwrap_err().reason.contains("pull it first"), "{variable}");
        let result = done(&*adapter, &step(&id, Action::Recreate { image: None })).await;
        assert!(matches!(&result, StepResult::Done { .. }), "{variable}: {result:?}");
        let after = bench.inspect(&id).await.id;
        assert_ne!(before, after, "{variable}: it is another one");
        let result = done(&*adapter, &step(&id, Action::Recreate { image: None })).await;
        assert!(
            matches!(&result, StepResult::Failed { reason } if reason.contains("stay up")),
            "{variable}: {result:?}"
        );
        assert_eq!(bench.inspect(&id).await.id, after, "{variable}: the old one is there again");
        assert_eq!(all_of(&bench, &id).await, [format!("{} running", id.name())], "{variable}");
        bench.remove(&id).await;
        let _ = bench.docker.remove_volume(&volume, None::<bollard::query_parameters::RemoveVolumeOptions>).await;
    }
}

/// An image that is given anew under the same name: the container follows it in all that it was not given of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_container_that_is_made_anew_follows_its_image() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let adapter = bench.adapter();
    let image = format!("localhost/follows-{}", std::process::id());
    bench.commit(&image, &["ENV VERSION=1", "ENV KEPT=1", "WORKDIR /one"]).await;
    let own = Some(vec!["OWN=mine".into(), "KEPT=own".into()]);
    let body = ContainerCreateBody { image: Some(image.clone()), env: own, ..ContainerCreateBody::default() };
    let id = bench.start_with(OBEDIENT, body).await;
    bench.commit(&image, &["ENV VERSION=2", "ENV KEPT=2", "WORKDIR /two"]).await;
    let result = done(&*adapter, &step(&id, Action::Recreate { image: None })).await;
    assert!(matches!(&result, StepResult::Done { .. }), "{result:?}");
    let config = bench.inspect(&id).await.config.unwrap();
    let env = config.env.unwrap_or_default();
    for (entry, is_there) in [("VERSION=2", true), ("VERSION=1", false), ("OWN=mine", true), ("KEPT=own", true)] {
        assert_eq!(env.iter().any(|one| one == entry), is_there, "{entry}: {env:?}");
    }
    assert_eq!(config.working_dir.as_deref(), Some("/two"));
    bench.remove(&id).await;
    bench.remove_image(&image).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn what_the_engine_removes_when_it_ends_is_not_replaced() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let adapter = bench.adapter();
    let id = bench.start(OBEDIENT, HostConfig { auto_remove: Some(true), ..HostConfig::default() }).await;
    let result = done(&*adapter, &step(&id, Action::Recreate { image: None })).await;
    assert!(matches!(&result, StepResult::Refused { reason } if reason.contains("--rm")), "{result:?}");
    assert_eq!(all_of(&bench, &id).await, [format!("{} running", id.name())]);
    bench.remove(&id).await;
}

/// The program crashed in the middle of a move: what another one finds, it brings to an end.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_move_that_was_cut_off_is_brought_to_an_end_by_who_asks_what_became_of_it() {
    let (engine, endpoint) = Private::start("docker", "settle");
    let (left, right) = (Bench::shared("HOMEOSTAT_TEST_DOCKER"), Bench::at(&endpoint));
    let both = || adapter(&[&variable("HOMEOSTAT_TEST_DOCKER"), &endpoint]);
    for stage in ["made", "stopped", "renamed", "started", "named"] {
        let id = left.start(OBEDIENT, HostConfig::default()).await;
        right.adopt(&id);
        let command = step(&id, to("host/right", false));
        let part = |part: &str| format!("{}.homeostat-{part}-{}", id.name(), command.key.to_string().replace('/', "."));
        let source = left.inspect(&id).await.id.unwrap();
        let new = right.create_part(&part("in"), &command.key.to_string(), &source).await;
        if stage != "made" {
            left.docker.stop_container(id.name(), None).await.unwrap();
        }
        let rename = |bench: &Bench, from: String, name: String| {
            let docker = bench.docker.clone();
            async move { docker.rename_container(&from, RenameContainerOptions { name }).await.unwrap() }
        };
        if matches!(stage, "renamed" | "started" | "named") {
            rename(&left, source.clone(), part("out")).await;
        }
        if matches!(stage, "started" | "named") {
            right.docker.start_container(&new, None).await.unwrap();
        }
        if stage == "named" {
            rename(&right, new.clone(), id.name().to_owned()).await;
        }
        let forward = matches!(stage, "started" | "named");
        // Until then it is there, once.
        let seen = both().discover().await.unwrap();
        assert_eq!(seen.iter().filter(|found| found.id == id).count(), 1, "{stage}: {seen:?}");
        let probed = tokio::time::timeout(PATIENCE, both().probe(&command)).await.unwrap().unwrap();
        assert_eq!(matches!(probed, Probe::Done(_)), forward, "{stage}: {probed:?}");
        let (there, gone) = if forward { (&right, &left) } else { (&left, &right) };
        assert_eq!(all_of(there, &id).await, [format!("{} running", id.name())], "{stage}");
        assert_eq!(all_of(gone, &id).await, Vec::<String>::new(), "{stage}");
    }
    drop(engine);
}
