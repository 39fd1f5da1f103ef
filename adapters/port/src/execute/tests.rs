//! Steps that take too long, and systems that do not answer.

use std::{
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use homeostat_model::{
    Action, AdapterName, Capabilities, Generation, IdempotencyKey, PlanId, REPORT_GRACE, Resource, StepCommand, StepId,
    StepResult,
};
use tokio_util::sync::CancellationToken;

use super::{LIMITS as REAL, Limits, PROBES, ascertain_within, execute_within, pause_after};
use crate::{Adapter, AdapterError, ApplyError, Clock, ObservationSink, Probe, ProgressSink, Refusal};

/// Long for a computer, short for a person who waits for the tests.
const LONG: Duration = Duration::from_millis(300);
/// Longer than all limits and pauses together.
const FAR_TOO_LONG: Duration = Duration::from_secs(5);
/// The timeout of a step that takes longer.
const SHORT: homeostat_model::Duration = homeostat_model::Duration::from_millis(20);
static LIMITS: Limits = Limits { check: LONG, grace: LONG, probe: LONG };

/// What a system does when it is told to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stops {
    /// It needs a moment, and then everything is as before.
    Undone,
    /// It needs a moment, and it is done.
    Done,
    /// It goes on.
    Never,
}

/// A system of one step that never ends by itself.
#[derive(Debug)]
struct Slow {
    name: AdapterName,
    answers_check: bool,
    stops: Stops,
    deeds: Mutex<Vec<&'static str>>,
    silent_probes: AtomicU32,
}

impl Slow {
    fn new(answers_check: bool, stops: Stops, silent_probes: u32) -> Self {
        let (name, deeds) = (AdapterName::new("slow").unwrap(), Mutex::default());
        Self { name, answers_check, stops, deeds, silent_probes: silent_probes.into() }
    }

    fn note(&self, deed: &'static str) {
        self.deeds.lock().unwrap().push(deed);
    }

    fn command(&self, timeout: homeostat_model::Duration) -> StepCommand {
        let (plan, step) = (PlanId { generation: Generation(1), number: 1 }, StepId(1));
        StepCommand {
            plan,
            step,
            key: IdempotencyKey::new(plan, step),
            generation: Generation(1),
            adapter: self.name.clone(),
            resource: "vm/one".parse().unwrap(),
            action: Action::Start,
            timeout,
            begun: homeostat_model::Timestamp::default(),
        }
    }

    /// What became of the step, and what was seen of it.
    async fn step(&self) -> (StepResult, Vec<&'static str>) {
        let command = self.command(SHORT);
        let (clock, (progress, _), cancel) = (Clock::system(), ProgressSink::new(), CancellationToken::new());
        let executed = execute_within(&LIMITS, self, &command, &clock, &progress, &cancel);
        let result = tokio::time::timeout(FAR_TOO_LONG, executed).await.expect("a limit is missing");
        (result, self.deeds.lock().unwrap().clone())
    }
}

#[async_trait]
impl Adapter for Slow {
    fn name(&self) -> &AdapterName {
        &self.name
    }

    async fn capabilities(&self) -> Result<Capabilities, AdapterError> {
        unreachable!("a step asks for none")
    }

    async fn discover(&self) -> Result<Vec<Resource>, AdapterError> {
        unreachable!("a step asks for none")
    }

    async fn observe(&self, _: &ObservationSink, _: &CancellationToken) -> Result<(), AdapterError> {
        unreachable!("a step asks for none")
    }

    async fn check(&self, _: &StepCommand) -> Result<(), Refusal> {
        if self.answers_check { Ok(()) } else { pending().await }
    }

    async fn apply(&self, _: &StepCommand, _: &ProgressSink, cancel: &CancellationToken) -> Result<(), ApplyError> {
        self.note("begun");
        cancel.cancelled().await;
        self.note("told to stop");
        if self.stops == Stops::Never {
            return pending().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.note("stopped");
        if self.stops == Stops::Done { Ok(()) } else { Err(ApplyError::Cancelled) }
    }

    async fn probe(&self, _: &StepCommand) -> Result<Probe, AdapterError> {
        if self.silent_probes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return pending().await;
        }
        self.note("probed");
        Ok(if self.stops == Stops::Done { Probe::Done("on".into()) } else { Probe::NotDone("off".into()) })
    }
}

#[test]
fn whatever_becomes_of_a_step_is_reported_before_the_engine_takes_it_for_lost() {
    let pauses: Duration = (0..PROBES).map(|probes| Duration::from_millis(pause_after(probes).as_millis())).sum();
    let longest = REAL.check + REAL.grace + REAL.probe * PROBES + pauses;
    // A busy machine, and a journal that is slow to make its beginning durable, have as much again as two probes.
    let allowed = Duration::from_millis(REPORT_GRACE.as_millis()) - REAL.probe * 2;
    assert!(longest <= allowed, "{longest:?} of {allowed:?}");
}

#[tokio::test]
async fn a_step_that_runs_out_of_time_is_told_to_stop_and_waited_for() {
    let all = vec!["begun", "told to stop", "stopped", "probed"];
    let (result, deeds) = Slow::new(true, Stops::Undone, 0).step().await;
    assert_eq!((result, deeds), (StepResult::Failed { reason: "not done within 20ms; seen: off".into() }, all.clone()));
    let (result, deeds) = Slow::new(true, Stops::Done, 0).step().await;
    assert_eq!((result, deeds), (StepResult::Done { observed: "on".into() }, all));
}

#[tokio::test]
async fn a_step_that_does_not_stop_is_left_to_itself_and_probed() {
    let (result, deeds) = Slow::new(true, Stops::Never, 0).step().await;
    let reason = "not done within 20ms, and it did not stop when it was called off; seen: off".into();
    assert_eq!((result, deeds), (StepResult::Failed { reason }, vec!["begun", "told to stop", "probed"]));
}

#[tokio::test]
async fn a_system_that_does_not_say_whether_it_can_is_not_asked_to() {
    let (result, deeds) = Slow::new(false, Stops::Undone, 0).step().await;
    let reason = "the system did not say within 300ms whether it can be done".into();
    assert_eq!((result, deeds), (StepResult::Refused { reason }, vec![]));
}

#[tokio::test]
async fn a_system_that_does_not_say_what_became_of_it_is_asked_again() {
    let (result, _) = Slow::new(true, Stops::Done, 1).step().await;
    assert_eq!(result, StepResult::Done { observed: "on".into() });
}

#[tokio::test]
async fn of_a_step_begun_before_a_crash_the_system_is_asked_until_it_says_and_nothing_is_begun() {
    let second = homeostat_model::Duration::from_secs(1);
    for (stops, silent, timeout, wanted) in [
        (Stops::Done, 0, SHORT, StepResult::Done { observed: "on".into() }),
        (Stops::Done, 1, second, StepResult::Done { observed: "on".into() }),
        (Stops::Undone, 0, SHORT, StepResult::Failed { reason: "its end was not heard; seen: off".into() }),
        (
            Stops::Done,
            9,
            SHORT,
            StepResult::Unknown {
                reason: "its end was not heard; the system did not say within 300ms what became of it".into(),
            },
        ),
    ] {
        let slow = Slow::new(true, stops, silent);
        let (command, clock) = (slow.command(timeout), Clock::system());
        let ascertained = ascertain_within(&LIMITS, &slow, &command, &clock);
        let result = tokio::time::timeout(FAR_TOO_LONG, ascertained).await.expect("a limit is missing");
        assert_eq!(result, wanted);
        assert!(!slow.deeds.lock().unwrap().contains(&"begun"));
    }
}
