//! What a source counts, for metrics.

use std::{collections::BTreeMap, sync::Mutex};

use crate::lock::lock;

/// Something that sources count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Samples, by what became of them.
    Samples,
    /// Requests, by the status of their answers; of a source that asks, by whether that worked.
    Requests,
    /// Parts of requests that are not about samples, by what they are.
    Ignored,
}

/// Numbers of one source that only grow. Their labels are words of the program, so that their number is bounded.
#[derive(Debug)]
pub struct SourceCounts {
    source: String,
    numbers: Mutex<BTreeMap<(Counted, &'static str), u64>>,
}

impl SourceCounts {
    /// Nothing yet.
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), numbers: Mutex::default() }
    }

    /// The source's name.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Adds to some numbers, all at once.
    pub fn add(&self, what: impl IntoIterator<Item = (Counted, &'static str, u64)>) {
        let mut numbers = lock(&self.numbers);
        for (counted, label, more) in what {
            *numbers.entry((counted, label)).or_default() += more;
        }
    }

    /// The numbers by what is counted and its label, in order.
    #[must_use]
    pub fn all(&self) -> BTreeMap<(Counted, &'static str), u64> {
        lock(&self.numbers).clone()
    }
}
