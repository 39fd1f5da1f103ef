//! What was taken before, so that it is not taken twice.

use std::{
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    sync::LazyLock,
};

use crate::recent::Recent;

/// Things that are remembered, at most, and at least half as many: as many alerts as a large site has at once, firing and
/// resolved, or the events of some minutes. What was forgotten is taken again when it comes again.
const REMEMBERED: usize = 32_768;

/// Nobody outside knows them, so nobody can find two names that are taken for one.
static SECRETS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

/// Names something that a sender may send again, in 128 bits however long its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key([u64; 2]);

impl Key {
    /// The key of `text`, whose first part has `cut` bytes: `a` + `b#c` is another one than `a#b` + `c`.
    pub(crate) fn new(cut: usize, text: &str) -> Self {
        Self(SECRETS.each_ref().map(|secret| secret.hash_one((cut, text))))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first, _] = self.0;
        state.write_u64(first);
    }
}

/// A key is a hash already.
#[derive(Debug, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Remembers what was taken.
#[derive(Debug)]
pub(crate) struct Seen(Recent<Key, (), BuildHasherDefault<Itself>>);

impl Default for Seen {
    fn default() -> Self {
        Self(Recent::new(REMEMBERED))
    }
}

impl Seen {
    /// Whether it was taken before. It counts as heard of by that.
    pub(crate) fn contains(&mut self, key: Key) -> bool {
        self.0.get(&key).is_some()
    }

    /// Remembers what was not there yet; gives how many others were forgotten for it.
    pub(crate) fn insert(&mut self, key: Key) -> u64 {
        self.0.insert(key, ()).try_into().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_both_of_its_parts() {
        let mut seen = Seen::default();
        assert_eq!(seen.insert(Key::new(1, "a#b#c")), 0);
        assert!(seen.contains(Key::new(1, "a#b#c")) && !seen.contains(Key::new(3, "a#b#c")));
        assert!(!seen.contains(Key::new(1, "a#b")));
    }
}
