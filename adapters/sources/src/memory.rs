//! What a source keeps beyond its end, so that it goes on where it was when it is started again with another configuration.
//!
//! Invariant: what was taken before is not taken again by the one that comes after.
//! Invariant: one at a time reads; whoever comes next waits until the one before has ended.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::{json_lines::Reading, lock::lock, seen::Seen};

/// What a source keeps. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    seen: Mutex<Seen>,
    reading: tokio::sync::Mutex<Option<Reading>>,
}

impl Memory {
    /// What was taken.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.0.seen)
    }

    /// What is being read.
    pub(crate) async fn reading(&self) -> tokio::sync::MutexGuard<'_, Option<Reading>> {
        self.0.reading.lock().await
    }
}
