//! What the engine wants done, waiting until the records before it are durable; in the engine's order.

use std::{collections::VecDeque, time::Instant};

use homeostat_engine::{CommandRefused, Output};
use homeostat_journal::{Durable, JournalError};
use homeostat_model::Record;
use tokio::sync::oneshot;

/// Turns that wait. The loop takes no inputs while there are so many: a disk that takes ten milliseconds to sync is waited for by
/// hundreds of turns at most, and the journal has room for four times as many.
const MAX_TURNS: usize = 1024;

/// What came of one turn of the loop.
pub(super) struct Turn {
    durable: Durable,
    since: Instant,
    pub(super) records: Vec<Record>,
    pub(super) outputs: Vec<Output>,
    pub(super) answers: Vec<Answering>,
}

/// What a person is told of what they wanted.
pub(super) struct Answering {
    came: Result<(), CommandRefused>,
    reply: oneshot::Sender<Result<(), CommandRefused>>,
}

impl Answering {
    pub(super) fn new(came: Result<(), CommandRefused>, reply: oneshot::Sender<Result<(), CommandRefused>>) -> Self {
        Self { came, reply }
    }

    /// Tells them. They may have gone.
    pub(super) fn give(self) {
        let _ = self.reply.send(self.came);
    }
}

impl Turn {
    /// Outputs that may be carried out when `durable` says so.
    pub(super) fn new(durable: Durable, records: Vec<Record>, outputs: Vec<Output>) -> Self {
        Self { durable, since: Instant::now(), records, outputs, answers: Vec::new() }
    }

    /// The same, with what people are told when it is durable.
    pub(super) fn answering(self, answers: Vec<Answering>) -> Self {
        Self { answers, ..self }
    }

    /// How long it has waited, in seconds.
    pub(super) fn waited_seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }
}

/// The turns that wait.
#[derive(Default)]
pub(super) struct Pending {
    turns: VecDeque<Turn>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether the loop has to wait for the disk before it takes anything in.
    pub(super) fn is_full(&self) -> bool {
        self.turns.len() >= MAX_TURNS
    }

    pub(super) fn push(&mut self, turn: Turn) {
        self.turns.push_back(turn);
    }

    /// Adds outputs that no record precedes: they wait for the turns before them only. Gives them back when there are none.
    pub(super) fn add(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        match self.turns.back_mut() {
            Some(last) => {
                last.outputs.extend(outputs);
                Vec::new()
            }
            None => outputs,
        }
    }

    /// The oldest turn, when it is durable; never when there is none. Nothing is lost when it is not waited for to the end.
    pub(super) async fn first(&mut self) -> Result<Turn, JournalError> {
        if let Some(turn) = self.turns.front_mut() {
            (&mut turn.durable).await?;
        }
        match self.turns.pop_front() {
            Some(turn) => Ok(turn),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use homeostat_journal::{Journal, Options};
    use homeostat_model::{Entry, Timestamp};

    use super::*;

    #[tokio::test]
    async fn turns_come_in_order_and_none_is_lost_when_the_loop_does_something_else_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(folder.path(), Options::default(), |_| {}).unwrap();
        let record = |number: i64| {
            let entry = Entry::InputRefused { input: number.to_string(), reason: "a test".into() };
            vec![Record { at: Timestamp::from_millis(number), entry }]
        };
        let mut pending = Pending::default();
        assert!(pending.is_empty() && pending.add(vec![]).is_empty());
        let mut next = 0;
        while !pending.is_full() {
            let records = record(next);
            pending.push(Turn::new(journal.append(&records).unwrap(), records, Vec::new()));
            next += 1;
        }
        let mut done = 0;
        let mut elsewhere = false;
        while !pending.is_empty() {
            elsewhere = !elsewhere;
            tokio::select! {
                biased;
                turn = pending.first() => {
                    assert_eq!(turn.unwrap().records, record(done));
                    done += 1;
                }
                () = tokio::task::yield_now(), if elsewhere => {}
            }
        }
        assert_eq!(done, next);
    }

    #[tokio::test]
    async fn what_no_record_precedes_waits_for_the_turns_before_it_only() {
        let sample = || {
            vec![Output::Cancel(homeostat_model::IdempotencyKey::new(
                "p1-1".parse().unwrap(),
                homeostat_model::StepId(1),
            ))]
        };
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(folder.path(), Options::default(), |_| {}).unwrap();
        let mut pending = Pending::default();
        assert_eq!(pending.add(sample()).len(), 1, "nothing is before it");
        pending.push(Turn::new(journal.append(&[]).unwrap(), Vec::new(), Vec::new()));
        assert!(pending.add(sample()).is_empty());
        assert_eq!(pending.first().await.unwrap().outputs, sample());
    }
}
