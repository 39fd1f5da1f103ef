//! A memory of bounded size that forgets what was used longest ago.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Remembers at most `capacity` values by their keys.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    capacity: usize,
    clock: u64,
    values: HashMap<K, (u64, V)>,
    /// The keys by when they were last used.
    by_use: BTreeMap<u64, K>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, clock: 0, values: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// The value of `key`, which counts as used by that.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        let (used, value) = self.values.get_mut(key)?;
        if let Some(key) = self.by_use.remove(used) {
            self.clock += 1;
            *used = self.clock;
            self.by_use.insert(self.clock, key);
        }
        Some(value)
    }

    /// Remembers `value`; when there is no room, what was used longest ago is forgotten for it and given back.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<K> {
        self.clock += 1;
        if let Some((used, _)) = self.values.insert(key.clone(), (self.clock, value)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.clock, key);
        if self.values.len() > self.capacity { self.forget_oldest() } else { None }
    }

    /// Forgets what was used longest ago.
    pub(crate) fn forget_oldest(&mut self) -> Option<K> {
        let (_, oldest) = self.by_use.pop_first()?;
        self.values.remove(&oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_used_longest_ago() {
        let mut recent = Recent::new(2);
        recent.insert("a", 1);
        recent.insert("b", 2);
        assert_eq!(recent.get(&"a"), Some(&mut 1));
        assert_eq!(recent.insert("c", 3), Some("b"));
        assert_eq!((recent.get(&"a").copied(), recent.get(&"b").copied()), (Some(1), None));
        assert_eq!(recent.insert("c", 4), None);
        assert_eq!((recent.get(&"a").copied(), recent.get(&"c").copied()), (Some(1), Some(4)));
        for number in 0..1000 {
            recent.insert("d", number);
        }
        assert_eq!((recent.values.len(), recent.by_use.len()), (2, 2));
    }
}
