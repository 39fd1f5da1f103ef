//! What is done, read back at the engine and in the kernel.

use std::time::Duration;

use bollard::models::HostConfig;
use homeostat_model::{Action, Amount, CpuSet, StepResult, Verb};
use homeostat_port::{Adapter, Clock, Probe, ProgressSink, execute};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, OBEDIENT, step};

async fn done(adapter: &dyn Adapter, resource: &homeostat_model::ResourceId, action: Action) -> StepResult {
    let (progress, _watched) = ProgressSink::new();
    let cancel = CancellationToken::new();
    execute(adapter, &step(resource, action), &Clock::system(), &progress, &cancel).await
}

/// The limit that the kernel keeps, in bytes, whichever version of control groups this machine has.
fn kernel_memory_limit(pid: i64) -> u64 {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let group = |of: &str| groups.lines().find_map(|line| line.split_once(of)).map(|(_, path)| path.to_owned());
    let version_1 = group(":memory:").map(|path| format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"));
    let file = version_1.or_else(|| Some(format!("/sys/fs/cgroup{}/memory.max", group("0::")?))).unwrap();
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn docker_raises_limits_while_the_container_runs() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let adapter = bench.adapter();
    let by_nanocores = HostConfig {
        memory: Some(64 << 20),
        memory_swap: Some(64 << 20),
        nano_cpus: Some(250_000_000),
        ..HostConfig::default()
    };
    let by_quota = HostConfig { cpu_quota: Some(20_000), cpu_period: Some(50_000), ..HostConfig::default() };
    for (what, limits, nano, quota, swap) in [
        ("nanocores", by_nanocores, 1_000_000_000, 0, 128 << 20),
        ("quota", by_quota, 0, 50_000, -1),
        ("unlimited", HostConfig::default(), 1_000_000_000, 0, -1),
    ] {
        let resource = bench.start(OBEDIENT, limits).await;
        let before = bench.inspect(&resource).await.state.unwrap();
        let amount = Amount { vcpus: Some(1.0), memory_bytes: Some(128 << 20), ..Amount::default() };
        let result = done(&*adapter, &resource, Action::Resize(amount.into())).await;
        assert_eq!(result, StepResult::Done { observed: "memory limit 128 MiB, 1 vcpus".into() }, "{what}");
        let after = bench.inspect(&resource).await;
        let (state, host) = (after.state.unwrap(), after.host_config.unwrap());
        assert_eq!((host.memory, host.memory_swap), (Some(128 << 20), Some(swap)), "{what}");
        assert_eq!((host.nano_cpus, host.cpu_quota), (Some(nano), Some(quota)), "{what}");
        assert_eq!(state.pid, before.pid, "{what}: it was not to be restarted");
        assert_eq!(kernel_memory_limit(state.pid.unwrap()), 128 << 20, "{what}");
        bench.remove(&resource).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn docker_changes_weight_and_processors_while_the_container_runs() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let adapter = bench.adapter();
    let resource = bench.start(OBEDIENT, HostConfig::default()).await;
    let pid = bench.inspect(&resource).await.state.unwrap().pid.unwrap();
    let allowed = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        line.trim().parse::<CpuSet>().unwrap()
    };
    let every = allowed();
    let amount = Amount { cpu_shares: Some(512), cpus: Some(CpuSet::range(0, 1)), ..Amount::default() };
    let result = done(&*adapter, &resource, Action::Resize(amount.into())).await;
    let observed = "no memory limit, no cpu limit, 512 cpu shares, cpus 0".into();
    assert_eq!(result, StepResult::Done { observed });
    assert_eq!(allowed(), CpuSet::range(0, 1), "the kernel keeps it there");
    let back = Amount { cpu_shares: Some(1024), cpus: Some(CpuSet::ALL), ..Amount::default() };
    let result = done(&*adapter, &resource, Action::Resize(back.into())).await;
    assert!(matches!(&result, StepResult::Done { .. }), "{result:?}");
    assert_eq!(allowed(), every, "and lets it go everywhere again");
    bench.remove(&resource).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn what_was_paused_stands_still_until_it_goes_on() {
    for variable in ["HOMEOSTAT_TEST_DOCKER", "HOMEOSTAT_TEST_PODMAN"] {
        let bench = Bench::shared(variable);
        let adapter = bench.adapter();
        let resource = bench.start(OBEDIENT, HostConfig::default()).await;
        let idle = step(&bench.create(OBEDIENT, HostConfig::default(), 1).await, Action::Pause { on: true });
        let refused = adapter.check(&idle).await;
        assert!(refused.unwrap_err().reason.contains("only what runs can be paused"), "{variable}");
        for (on, state) in [(true, "paused"), (false, "running")] {
            let result = done(&*adapter, &resource, Action::Pause { on }).await;
            assert!(matches!(&result, StepResult::Done { observed } if observed.starts_with(state)), "{result:?}");
            let status = bench.inspect(&resource).await.state.unwrap().status.unwrap().to_string();
            assert_eq!(status, state, "{variable}");
        }
        bench.remove(&resource).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn docker_is_not_asked_for_what_would_do_harm() {
    let bench = Bench::shared("HOMEOSTAT_TEST_DOCKER");
    let adapter = bench.adapter();
    // A container that holds 40 MB: a shell variable that is doubled until it is that long.
    let hungry = "s=0123456789; while [ ${#s} -lt 20000000 ]; do s=$s$s; done; while :; do sleep 0.1; done";
    let limits = HostConfig { memory: Some(256 << 20), ..HostConfig::default() };
    let resource = bench.start(hungry, limits).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = |bytes| Amount { vcpus: None, memory_bytes: Some(bytes), ..Amount::default() };
    for (amount, reason) in [
        (memory(20_000_000), "bytes of memory, 20000000 are not enough"),
        (memory(1 << 20), "are not between 6291456 and"),
        (memory(1 << 50), "are not between 6291456 and"),
        (Amount { vcpus: Some(1000.0), memory_bytes: None, ..Amount::default() }, "1000 vcpus are not between"),
        (Amount { vcpus: Some(f64::NAN), memory_bytes: None, ..Amount::default() }, "NaN vcpus are not between"),
        (Amount { cpu_shares: Some(1), ..Amount::default() }, "1 cpu shares are not between 2 and"),
        (Amount { cpus: Some("900".parse().unwrap()), ..Amount::default() }, "there is no processor 900"),
        (Amount::default(), "nothing to change is given"),
    ] {
        let refused = adapter.check(&step(&resource, Action::Resize(amount.clone().into()))).await.unwrap_err();
        assert!(refused.reason.contains(reason), "{amount:?}: {}", refused.reason);
    }
    assert_eq!(bench.inspect(&resource).await.host_config.unwrap().memory, Some(256 << 20));
    bench.remove(&resource).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_container_that_does_not_stay_up_is_not_restarted() {
    for variable in ["HOMEOSTAT_TEST_DOCKER", "HOMEOSTAT_TEST_PODMAN"] {
        let bench = Bench::shared(variable);
        let resource = bench.start("exit 3", HostConfig::default()).await;
        let (adapter, command) = (bench.adapter(), step(&resource, Action::Restart { on: None }));
        let (progress, _watched) = ProgressSink::new();
        adapter.apply(&command, &progress, &CancellationToken::new()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let probed = adapter.probe(&command).await.unwrap();
        assert_eq!(probed, Probe::NotDone("exited with code 3".into()), "{variable}");
        bench.remove(&resource).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn a_restart_is_told_from_an_earlier_one_by_an_adapter_that_remembers_nothing() {
    for variable in ["HOMEOSTAT_TEST_DOCKER", "HOMEOSTAT_TEST_PODMAN"] {
        let bench = Bench::shared(variable);
        let resource = bench.start(OBEDIENT, HostConfig::default()).await;
        let command = step(&resource, Action::Restart { on: None });
        let (progress, _watched) = ProgressSink::new();
        bench.adapter().apply(&command, &progress, &CancellationToken::new()).await.unwrap();
        let probed = bench.adapter().probe(&command).await.unwrap();
        assert!(matches!(probed, Probe::Done(_)), "{variable}: {probed:?}");
        // The next one was written down, and its process killed before the engine heard of it.
        let next = step(&resource, Action::Restart { on: None });
        let probed = bench.adapter().probe(&next).await.unwrap();
        assert_eq!(probed, Probe::Running, "{variable}: what was sent may still be under way");
        // When the container's ten seconds to end are over, and some, it cannot be.
        tokio::time::sleep(Duration::from_secs(16)).await;
        let probed = bench.adapter().probe(&next).await.unwrap();
        assert!(
            matches!(&probed, Probe::NotDone(seen) if seen.contains("not started since")),
            "{variable}: {probed:?}"
        );
        bench.remove(&resource).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn only_an_engine_that_can_resize_offers_it() {
    for (variable, resizes) in [("HOMEOSTAT_TEST_DOCKER", true), ("HOMEOSTAT_TEST_PODMAN", false)] {
        let capabilities = Bench::shared(variable).adapter().capabilities().await.unwrap();
        assert_eq!(capabilities.can("container", Verb::Resize), resizes, "{variable}");
        assert!(capabilities.can("container", Verb::Restart), "{variable}");
    }
}
