//! Names become small numbers, so that the path of a sample hashes a name once and indexes arrays after that.

use rustc_hash::FxHashMap;

/// Numbers for names; a name keeps its number for good.
#[derive(Debug)]
pub(crate) struct Interner<N> {
    numbers: FxHashMap<N, u32>,
    names: Vec<N>,
}

impl<N> Default for Interner<N> {
    fn default() -> Self {
        Self { numbers: FxHashMap::default(), names: Vec::new() }
    }
}

impl<N: Clone + Eq + std::hash::Hash> Interner<N> {
    /// The number of `name`, if it has one.
    pub(crate) fn get(&self, name: &N) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number of `name`, a new one if need be.
    pub(crate) fn intern(&mut self, name: &N) -> u32 {
        if let Some(number) = self.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.clone(), number);
        self.names.push(name.clone());
        number
    }
}
