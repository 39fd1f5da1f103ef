//! A journal in memory, that can fail: what is acknowledged is durable, what is not may be, up to any record.

use homeostat_model::{OpenPlan, OpenPlans, Record};

use crate::draw::Draw;

#[derive(Debug, Default)]
pub(crate) struct Journal {
    durable: Vec<Record>,
    waiting: Vec<Record>,
    /// Whether the next write fails.
    pub(crate) broken: bool,
}

impl Journal {
    pub(crate) fn append(&mut self, record: Record) {
        self.waiting.push(record);
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
        self.broken = false;
    }

    /// What the next start has to be told.
    pub(crate) fn open_plans(&self) -> Vec<OpenPlan> {
        let mut open = OpenPlans::default();
        self.durable.iter().for_each(|record| open.apply(record));
        open.into_plans()
    }
}
