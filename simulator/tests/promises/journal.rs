//! A journal in memory, that can fail: what is acknowledged is durable, what is not may be, up to any record. Where a segment of the real one
//! begins stands what the engine knew then; here, that is kept of any moments, and any of them is what a new engine is told.

use homeostat_engine::Past;
use homeostat_model::{OpenPlan, OpenPlans, Record};

use crate::draw::Draw;

/// Moments of which it is kept what was known: of a run's records the next engine is told from none to nearly all.
const KEPT: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Journal {
    durable: Vec<Record>,
    waiting: Vec<Record>,
    /// What was known when so many records had been made.
    known: Vec<(usize, Past)>,
    /// Whether the next write fails.
    pub(crate) broken: bool,
}

impl Journal {
    pub(crate) fn append(&mut self, record: Record) {
        self.waiting.push(record);
    }

    /// Keeps what is known now, after all that was recorded.
    pub(crate) fn keep(&mut self, past: Past, draw: &mut Draw) {
        if self.known.len() == KEPT {
            self.known.swap_remove(draw.below(KEPT as u64) as usize);
        }
        self.known.push((self.durable.len() + self.waiting.len(), past));
    }

    /// What the next engine is told: what was known at some moment, as it is read from the disk, and what concerns it of the records since.
    pub(crate) fn recalled(&self, draw: &mut Draw) -> (Past, Vec<Record>) {
        let place = draw.below(self.known.len() as u64 + 1) as usize;
        let (begin, past) = self.known.get(place).map_or((0, Past::default()), |(begin, past)| {
            (*begin, serde_json::from_slice(&serde_json::to_vec(past).unwrap()).unwrap())
        });
        let since = self.durable[begin..].iter().filter(|record| Past::concerns(&record.entry));
        (past, since.cloned().collect())
    }

    /// Everything that was acknowledged.
    pub(crate) fn durable(&self) -> &[Record] {
        &self.durable
    }

    /// Writes what waits; gives whether that was acknowledged.
    pub(crate) fn sync(&mut self, draw: &mut Draw) -> bool {
        if self.broken && !self.waiting.is_empty() {
            self.tear(draw);
            return false;
        }
        self.durable.append(&mut self.waiting);
        true
    }

    /// Some of what waits gets onto the disk, in order, without anybody being told; the rest is lost.
    pub(crate) fn tear(&mut self, draw: &mut Draw) {
        let kept = draw.below(self.waiting.len() as u64 + 1) as usize;
        self.durable.extend(self.waiting.drain(..kept));
        self.waiting.clear();
        // What was known of lost records was written after them.
        self.known.retain(|(begin, _)| *begin <= self.durable.len());
        self.broken = false;
    }

    /// What the next start has to be told.
    pub(crate) fn open_plans(&self) -> Vec<OpenPlan> {
        let mut open = OpenPlans::default();
        self.durable.iter().for_each(|record| open.apply(record));
        open.into_plans()
    }
}
