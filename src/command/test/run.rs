//! Plays one test on the virtual clock.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use homeostat_engine::{Engine, Input, PolicyCoverage};
use homeostat_model::{
    Duration, Event, Generation, Notification, Observation, Record, ResourceId, Sample, StepResult, Timestamp,
};
use homeostat_policy::{
    Policy, PolicyTest,
    policy_test::{InjectedOutcome, InventoryEdit as Written},
};
use homeostat_simulator::{AssumedWorld, Assumption, InventoryEdit, RecordedWorld, VirtualDriver, World};

use super::suite::beside;
use crate::{
    command::backtest::assumed,
    replay::{Happening, Recording, drive},
    report::Failure,
};

/// Where the virtual clock of a test begins: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// What is the case at a moment of a test.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// The engine, to ask it questions.
    pub(crate) engine: &'a mut Engine,
    /// Everything that was decided since the moment before.
    pub(crate) records: &'a [Record],
    /// What people were told since the moment before.
    pub(crate) notifications: &'a [Notification],
    /// When the test began.
    pub(crate) start: Timestamp,
}

/// What came of a test that was played to its end.
#[derive(Debug)]
pub(crate) struct Played {
    /// Everything that was decided.
    pub(crate) records: Vec<Record>,
    /// What became of its policies.
    pub(crate) coverage: Vec<PolicyCoverage>,
}

/// Plays `test` with its policies; `at` is called with the index of each of `moments` (from the start of the test, in order).
/// What became of the policies is noted when somebody is `covering` them, which takes time.
///
/// # Errors
/// [`Failure`] when its recording cannot be read.
pub(crate) fn play(
    test: &PolicyTest,
    policies: Vec<Arc<Policy>>,
    moments: &[Duration],
    covering: bool,
    mut at: impl FnMut(Outcome<'_>, usize),
) -> Result<Played, Failure> {
    if let Some(input) = &test.input {
        let path = beside(test, input);
        let Some(recording) = Recording::open(&path)? else {
            return Err(Failure::new(format!("{} is not a recording", path.display()))
                .help("make one with `homeostat run --record FILE`"));
        };
        let start = first_moment(&path)?;
        let mut driver = VirtualDriver::new(recording.generation, RecordedWorld, Timestamp::MIN);
        if covering {
            driver.engine().watch_coverage();
        }
        return stop_at(driver, recording.happenings(Some(policies), true), (start, moments), &mut at);
    }
    let world = world(test);
    let happenings = happenings(test, &world, policies);
    let mut driver = VirtualDriver::new(Generation(1), world, START);
    if covering {
        driver.engine().watch_coverage();
    }
    stop_at(driver, happenings.into_iter().map(Ok), (START, moments), &mut at)
}

fn stop_at<W: World>(
    mut driver: VirtualDriver<W>,
    happenings: impl Iterator<Item = Result<(Timestamp, Happening), Failure>>,
    (start, moments): (Timestamp, &[Duration]),
    at: &mut impl FnMut(Outcome<'_>, usize),
) -> Result<Played, Failure> {
    let moments: Vec<Timestamp> = moments.iter().map(|moment| start + *moment).collect();
    let (mut records_seen, mut notifications_seen) = (0, 0);
    drive(&mut driver, happenings, &moments, |driver, index| {
        let records = driver.records().get(records_seen..).unwrap_or_default().to_vec();
        let notifications = driver.notifications().get(notifications_seen..).unwrap_or_default().to_vec();
        (records_seen, notifications_seen) = (driver.records().len(), driver.notifications().len());
        at(Outcome { engine: driver.engine(), records: &records, notifications: &notifications, start }, index);
    })?;
    Ok(Played { records: driver.records().to_vec(), coverage: driver.engine().coverage() })
}

/// The world of a test that is no recording: what exists, what changes by itself, and what becomes of steps.
fn world(test: &PolicyTest) -> AssumedWorld {
    let assumptions = test.actions.iter().map(|injected| Assumption {
        resource: Some(injected.resource.clone()),
        verb: Some(injected.action),
        takes: injected.takes,
        ends: match &injected.outcome {
            InjectedOutcome::Done => None,
            InjectedOutcome::Fails(reason) => Some(StepResult::Failed { reason: reason.clone() }),
            InjectedOutcome::Refuses(reason) => Some(StepResult::Refused { reason: reason.clone() }),
            InjectedOutcome::Unknown(reason) => Some(StepResult::Unknown { reason: reason.clone() }),
        },
        times: injected.times,
    });
    let agenda = test.inventory.iter().map(|change| {
        let edit = match &change.edit {
            Written::Add(resource) => InventoryEdit::Add(resource.clone()),
            Written::Change(resource) => InventoryEdit::Change(resource.clone()),
            Written::Remove(resource) => InventoryEdit::Remove(resource.clone()),
        };
        (START + change.at, edit)
    });
    AssumedWorld::new(assumed(), test.resources.clone(), assumptions.collect()).with_agenda(agenda)
}

/// What happens in a test that is no recording, in the order of time.
fn happenings(test: &PolicyTest, world: &AssumedWorld, policies: Vec<Arc<Policy>>) -> Vec<(Timestamp, Happening)> {
    let input = |at, input| (at, Happening::Input(Box::new(input)));
    let mut happenings: Vec<(Timestamp, Happening)> = Vec::new();
    happenings.extend(world.announcements().into_iter().map(|announcement| input(START, announcement)));
    happenings.push((START, Happening::Policies(policies)));
    happenings.extend(written(test).into_iter().map(|(at, observation)| input(at, Input::Observed(observation))));
    happenings
}

/// The series, samples and events of the test, in the order of time; those of one moment in the order of the file.
fn written(test: &PolicyTest) -> Vec<(Timestamp, Observation)> {
    let absent = absences(test);
    let exists = |resource: &ResourceId, at: Duration| {
        absent.get(resource).is_none_or(|spans| spans.iter().all(|(from, to)| at < *from || *to <= at))
    };
    let mut observations = Vec::new();
    for series in &test.series {
        let mut at = Duration::ZERO;
        for value in &series.values {
            // What does not exist measures nothing.
            if let Some(value) = value.filter(|_| exists(&series.resource, at)) {
                let (resource, metric, time) = (series.resource.clone(), series.metric.clone(), START + at);
                observations.push((time, Observation::Sample(Sample { resource, metric, time, value })));
            }
            at = at.plus(test.interval);
        }
    }
    for sample in &test.samples {
        let (resource, metric, value) = (sample.resource.clone(), sample.metric.clone(), sample.value);
        let measured = Sample { resource, metric, time: START + sample.time, value };
        observations.push((START + sample.at, Observation::Sample(measured)));
    }
    for (number, event) in test.events.iter().enumerate() {
        let time = START + event.at;
        let (resource, event_type) = (event.resource.clone(), event.event_type.clone());
        let (id, attributes) = (format!("test-{number}"), event.attributes.clone().into_iter().collect());
        observations.push((time, Observation::Event(Event { resource, event_type, time, id, attributes })));
    }
    // Stable: what is written first at a moment happens first.
    observations.sort_by_key(|(time, _)| *time);
    observations
}

/// When resources of the test do not exist: before they appear, and from their going on until they appear again.
fn absences(test: &PolicyTest) -> BTreeMap<&ResourceId, Vec<(Duration, Duration)>> {
    const FOREVER: Duration = Duration::from_millis(u64::MAX);
    let mut absent: BTreeMap<&ResourceId, Vec<(Duration, Duration)>> = BTreeMap::new();
    for change in &test.inventory {
        let spans = absent.entry(change.edit.resource()).or_default();
        match (&change.edit, spans.last_mut()) {
            (Written::Add(_), Some(last)) => last.1 = change.at,
            (Written::Add(_), None) => spans.push((Duration::ZERO, change.at)),
            (Written::Remove(_), _) => spans.push((change.at, FOREVER)),
            (Written::Change(_), _) => {}
        }
    }
    absent
}

/// When a recording begins.
fn first_moment(path: &Path) -> Result<Timestamp, Failure> {
    let empty = || Failure::new(format!("{} is empty", path.display()));
    let recording = Recording::open(path)?.ok_or_else(empty)?;
    let first = recording.happenings(Some(Vec::new()), true).next();
    first.ok_or_else(empty)?.map(|(at, _)| at)
}
