//! Names become small numbers, so that the path of a sample hashes a name once and indexes arrays after that.

use rustc_hash::FxHashMap;

/// Numbers for names; a name keeps its number for good.
#[derive(Debug)]
pub(crate) struct Interner<N> {
    numbers: FxHashMap<N, usize>,
}

impl<N> Default for Interner<N> {
    fn default() -> Self {
        Self { numbers: FxHashMap::default() }
    }
}

impl<N: Clone + Eq + std::hash::Hash> Interner<N> {
    /// The number of `name`, if it has one.
    pub(crate) fn get(&self, name: &N) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The number of `name`, a new one if need be.
    pub(crate) fn intern(&mut self, name: &N) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(name.clone()).or_insert(next)
    }
}
