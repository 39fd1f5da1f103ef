//! The adapter's own promises: slow observers, observers that come back, and planned faults.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use homeostat_model::{
    Action, AdapterName, Generation, IdempotencyKey, InventoryChange, Observation, PlanId, StepCommand, StepId,
    StepResult, Timestamp, Verb,
};
use homeostat_port::{Adapter, ApplyError, Clock, ObservationSink, Probe, ProgressSink, execute};
use homeostat_simulator::{DataCentre, Fault, Incident, Scenario, SimAdapter};
use tokio_util::sync::CancellationToken;

fn adapter(workloads: u32, speed: u32) -> (SimAdapter, Clock) {
    let text = format!(
        "{{start: 2026-03-02T09:00:00Z, duration: 10m, sampleEvery: 1s, racks: [{{name: r1}}],
        hosts: [{{name: h1, rack: r1, cores: 100, memory: 1Ti, overcommit: 100, power: {{idle: 1, busy: 2}}}}],
        vms: [{{name: 'v{{1..{workloads}}}', on: h1, vcpus: 1, memory: 100Mi}}]}}"
    );
    let scenario = Scenario::parse("adapter.yaml", &text).unwrap();
    let centre = DataCentre::new(&scenario, AdapterName::new("sim").unwrap(), scenario.start, 1);
    let clock = Clock::starting(scenario.start, speed);
    (SimAdapter::new(centre, clock), clock)
}

fn restart(number: u64, timeout: homeostat_model::Duration) -> StepCommand {
    let (plan, step) = (PlanId { generation: Generation(1), number }, StepId(1));
    StepCommand {
        plan,
        step,
        key: IdempotencyKey::new(plan, step),
        generation: Generation(1),
        adapter: AdapterName::new("sim").unwrap(),
        resource: "vm/v1".parse().unwrap(),
        action: Action::Restart { on: None },
        timeout,
        begun: homeostat_model::Timestamp::default(),
    }
}

fn is_snapshot(seen: &Observation) -> bool {
    matches!(seen, Observation::Inventory(InventoryChange::Snapshot { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_fell_behind_gets_a_snapshot_and_no_gap() {
    // 500 VMs give 2,500 samples a second of the clock: in 40 seconds of it, half as much again as is kept.
    let (sim, clock) = adapter(500, 20);
    let (sink, mut received) = ObservationSink::bounded(1);
    let stop = CancellationToken::new();
    let observer = tokio::spawn({
        let (sim, stop) = (sim.clone(), stop.clone());
        async move { sim.observe(&sink, &stop).await }
    });
    assert!(is_snapshot(&received.recv().await.unwrap()));
    for _ in 0..40 {
        clock.sleep(homeostat_model::Duration::from_secs(1)).await;
        sim.discover().await.unwrap();
    }
    let mut newest = Timestamp::MIN;
    let mut others = 0_u32;
    loop {
        match tokio::time::timeout(Duration::from_secs(20), received.recv()).await.unwrap().unwrap() {
            seen if is_snapshot(&seen) => break,
            Observation::Sample(sample) => newest = sample.time,
            _ => {}
        }
        others += 1;
        assert!(others < 10_000, "no snapshot came, samples are at {newest:?}");
    }
    stop.cancel();
    while received.recv().await.is_some() {}
    observer.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_between_two_observers_is_told_to_the_second_and_to_no_third() {
    let (sim, _) = adapter(2, 1);
    let mut told = Vec::new();
    for round in 0..3 {
        let (sink, mut received) = ObservationSink::bounded(64);
        let stop = CancellationToken::new();
        let observer = tokio::spawn({
            let (sim, stop) = (sim.clone(), stop.clone());
            async move { sim.observe(&sink, &stop).await }
        });
        assert!(is_snapshot(&received.recv().await.unwrap()));
        let mut events = 0;
        while let Ok(Some(seen)) = tokio::time::timeout(Duration::from_millis(100), received.recv()).await {
            events += u32::from(matches!(seen, Observation::Event(_)));
        }
        told.push(events);
        stop.cancel();
        observer.await.unwrap().unwrap();
        if round == 0 {
            sim.with(|centre| centre.inject(&Incident::Crash("vm/v1".parse().unwrap())));
        }
    }
    assert_eq!(told, [0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_faults_are_found_out_at_the_data_centre() {
    let (sim, clock) = adapter(1, 200);
    let minute = homeostat_model::Duration::from_mins(1);
    for (number, fault, expected, effects) in [
        (1, Fault::Lie, "acknowledged it, but it is not so", 0),
        (2, Fault::Hang, "not done within 1m", 0),
        (3, Fault::LoseAnswer, "running on host/h1", 1),
    ] {
        sim.go_wrong(fault, 1);
        let before = sim.with(|centre| centre.effects().total(Verb::Restart));
        let (progress, _watched) = ProgressSink::new();
        // The probes of `execute` are spread over six seconds of the clock: a lost restart may still be under way then.
        let mut command = restart(number, minute);
        command.key = IdempotencyKey::new(command.plan, StepId(number.try_into().unwrap()));
        let mut result = execute(&sim, &command, &clock, &progress, &CancellationToken::new()).await;
        if matches!(result, StepResult::Unknown { .. }) {
            clock.sleep(minute).await;
            result = execute(&sim, &command, &clock, &progress, &CancellationToken::new()).await;
        }
        let said = format!("{result:?}");
        assert!(said.contains(expected), "{fault:?} gave {said}");
        assert_eq!(sim.with(|centre| centre.effects().total(Verb::Restart)) - before, effects, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_step_tells_how_far_it_is() {
    // Twenty-five seconds of the clock, half a second here.
    let (sim, _) = adapter(1, 50);
    let (progress, mut watched) = ProgressSink::new();
    let watcher = tokio::spawn(async move {
        let mut shares = Vec::new();
        while watched.changed().await.is_ok() {
            shares.extend(watched.borrow_and_update().share);
        }
        shares
    });
    let command = restart(1, homeostat_model::Duration::from_mins(1));
    sim.apply(&command, &progress, &CancellationToken::new()).await.unwrap();
    drop(progress);
    let shares = watcher.await.unwrap();
    assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]), "{shares:?}");
    assert!(shares.iter().any(|share| (0.3..0.7).contains(share)), "{shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_what_became_of_a_step_is_not_overtaken_by_those_before() {
    let (sim, clock) = adapter(1, 300);
    let late = restart(1, homeostat_model::Duration::from_secs(60));
    // A program was killed right after it had sent the step; the next one asks before the step has arrived.
    let asked = StepCommand { generation: Generation(2), ..late.clone() };
    assert!(matches!(sim.probe(&asked).await.unwrap(), Probe::NotDone(_)));
    let (progress, _) = ProgressSink::new();
    let arrived = sim.apply(&late, &progress, &CancellationToken::new()).await;
    assert!(matches!(arrived, Err(ApplyError::Stale { given: 1, newest: 2 })), "{arrived:?}");
    assert!(matches!(
        execute(&sim, &asked, &clock, &progress, &CancellationToken::new()).await,
        StepResult::Done { .. }
    ));
    assert_eq!(sim.with(|centre| centre.effects().count(&"vm/v1".parse().unwrap(), Verb::Restart)), 1);
}
