//! Steps into the journal beside a transaction each in a store of the same kind, on the disk that temporary files are on; and the replay
//! of a long journal.
//!
//! Both are durable when they answer. The difference is what is measured: the journal answers many who wait with one sync, as the live
//! loop does, which goes on deciding meanwhile.

use std::{
    collections::VecDeque,
    path::Path,
    time::{Duration, Instant},
};

use homeostat_journal::{Durable, Journal, Options, Replayed};
use homeostat_model::{Entry, Generation, IdempotencyKey, PlanId, Record, StepId, StepResult, Timestamp};
use redb::{Database, TableDefinition};

use super::{
    Extent,
    figure::{Bound, Figure},
    stopwatch::{rates, time},
};
use crate::report::Failure;

/// Transitions that wait for the disk at the same time: as many as the live loop lets wait.
const WAITING: usize = 1024;
const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("steps");

pub(super) fn measure(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let folder = tempfile::tempdir().map_err(unusable)?;
    let count: u32 = extent.of(20_000, 200);
    let replayed: u32 = extent.of(1_000_000, 2_000);
    let records: Vec<Record> = (0..count).map(transition).collect();

    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for round in 0..extent.rounds() {
        ours.push(journalled(&folder.path().join(format!("together-{round}")), &records, WAITING)?);
    }
    // The same without company, and the store: a sync each, so that fewer do.
    let few = records.get(..records.len() / 100).unwrap_or_default();
    alone.push(journalled(&folder.path().join("alone"), few, 1)?);
    let baseline = [transactions(&folder.path().join("redb"), &records)?];

    let long = folder.path().join("long");
    write_long(&long, replayed)?;
    let rounds = (0..extent.rounds()).map(|_| replay(&long, replayed));
    let replays: Vec<f64> = rounds.collect::<Result<Vec<_>, _>>()?.iter().map(Duration::as_secs_f64).collect();

    let fewer = u32::try_from(few.len()).unwrap_or(u32::MAX);
    let ratio: Vec<f64> =
        ours.iter().zip(baseline.iter().cycle()).map(|(ours, base)| base.as_secs_f64() / ours.as_secs_f64()).collect();
    let about =
        format!("{count} step transitions, {WAITING} of them waiting for the disk at a time; replay of {replayed}");
    Ok((
        about,
        vec![
            Figure::of("journal, group commit", "steps/s", &rates(count, &ours)).target(Bound::AtLeast(20_000.0)),
            Figure::of("journal, one at a time", "steps/s", &rates(fewer, &alone)),
            Figure::of("redb, a transaction each", "steps/s", &rates(count, &baseline)),
            Figure::of("time, redb / journal", "x", &ratio),
            Figure::of(format!("replay of {replayed} records, one core"), "s", &replays).target(Bound::AtMost(2.0)),
        ],
    ))
}

/// A step that begins, or ends.
pub(super) fn transition(number: u32) -> Record {
    let plan = PlanId { generation: Generation(1), number: u64::from(number / 2) };
    let step = StepId(1);
    let entry = if number.is_multiple_of(2) {
        Entry::StepDispatched { plan, step, key: IdempotencyKey::new(plan, step) }
    } else {
        Entry::StepFinished { plan, step, result: StepResult::Done { observed: "running on host/h12, 4 vcpus".into() } }
    };
    Record { at: Timestamp::from_millis(1_700_000_000_000 + i64::from(number)), entry }
}

/// How long it takes until every record is on the disk, of which so many wait at a time.
fn journalled(folder: &Path, records: &[Record], waiting: usize) -> Result<Duration, Failure> {
    let (journal, _) = Journal::open(folder, Options::default(), |_| {}).map_err(unusable)?;
    let mut tickets: VecDeque<Durable> = VecDeque::with_capacity(waiting);
    let begin = Instant::now();
    for record in records {
        if tickets.len() == waiting
            && let Some(oldest) = tickets.pop_front()
        {
            oldest.wait().map_err(unusable)?;
        }
        tickets.push_back(journal.append(std::slice::from_ref(record)).map_err(unusable)?);
    }
    tickets.into_iter().try_for_each(Durable::wait).map_err(unusable)?;
    Ok(begin.elapsed())
}

/// The same as a durable transaction each.
pub(super) fn transactions(file: &Path, records: &[Record]) -> Result<Duration, Failure> {
    let database = Database::create(file).map_err(unusable)?;
    let begin = Instant::now();
    for (number, record) in (0_u64..).zip(records) {
        let json = serde_json::to_vec(record).map_err(unusable)?;
        // What is written is on the disk when `commit` returns, unless it is told otherwise.
        let transaction = database.begin_write().map_err(unusable)?;
        transaction.open_table(TABLE).map_err(unusable)?.insert(number, json.as_slice()).map_err(unusable)?;
        transaction.commit().map_err(unusable)?;
    }
    Ok(begin.elapsed())
}

/// A journal of so many records in one segment.
fn write_long(folder: &Path, count: u32) -> Result<(), Failure> {
    let (journal, _) = Journal::open(folder, Options::default(), |_| {}).map_err(unusable)?;
    let numbers: Vec<u32> = (0..count).collect();
    for some in numbers.chunks(1000) {
        let records: Vec<Record> = some.iter().map(|number| transition(*number)).collect();
        // The journal lets it wait when there is no room; the last one is waited for when it closes.
        drop(journal.append(&records).map_err(unusable)?);
    }
    Ok(())
}

/// The processor time that opening takes: every record is checked, taken apart and given to whoever opens it.
fn replay(folder: &Path, count: u32) -> Result<Duration, Failure> {
    let mut given = 0_u32;
    let took = time(|| {
        let take = |replayed| {
            if let Replayed::Record(record) = replayed {
                std::hint::black_box(record);
                given += 1;
            }
        };
        Journal::open(folder, Options::default(), take).map(drop).map_err(unusable)
    })?;
    if given == count {
        return Ok(took);
    }
    Err(Failure::new(format!("{given} records were replayed where {count} had been written")))
}

fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the journal or the store cannot be used: {error}"))
}
