//! What was taken before, so that it is not taken twice.

use std::sync::Arc;

use crate::recent::Recent;

/// Things that are remembered: as many alerts as a large site has at once, firing and resolved, or the events of some minutes.
/// What was last heard of longest ago is forgotten first; what was forgotten is taken again when it comes again.
const REMEMBERED: usize = 16_384;

/// Bytes of their names in all, four times what names of usual length take: a sender of long ones shortens the memory, and
/// does not fill that of the machine.
const MAX_BYTES: usize = 8 << 20;

/// Names something that a sender may send again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Where its first part ends, so that `a` + `b#c` is another one than `a#b` + `c`.
    cut: usize,
    text: Arc<str>,
}

impl Key {
    /// The key that `text` is, whose first part has `cut` bytes.
    pub(crate) fn new(cut: usize, text: &str) -> Self {
        Self { cut, text: text.into() }
    }
}

/// Remembers what was taken.
#[derive(Debug)]
pub(crate) struct Seen {
    keys: Recent<Key, ()>,
    bytes: usize,
    max_bytes: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self::bounded(REMEMBERED, MAX_BYTES)
    }
}

impl Seen {
    fn bounded(capacity: usize, max_bytes: usize) -> Self {
        Self { keys: Recent::new(capacity), bytes: 0, max_bytes }
    }

    /// Whether it was taken before. It counts as heard of by that.
    pub(crate) fn contains(&mut self, key: &Key) -> bool {
        self.keys.get(key).is_some()
    }

    /// Remembers what was not there yet; gives how many others were forgotten for it.
    pub(crate) fn insert(&mut self, key: Key) -> u64 {
        let mut forgotten = 0;
        self.bytes += key.text.len();
        let mut gone = self.keys.insert(key, ());
        loop {
            if let Some(key) = gone {
                self.bytes -= key.text.len();
                forgotten += 1;
            }
            gone = if self.bytes > self.max_bytes { self.keys.forget_oldest() } else { None };
            if gone.is_none() {
                return forgotten;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(0, text)
    }

    #[test]
    fn what_was_heard_of_longest_ago_is_forgotten_first() {
        let mut seen = Seen::bounded(2, 100);
        assert_eq!((seen.insert(key("a")), seen.insert(key("b"))), (0, 0));
        assert!(seen.contains(&key("a")));
        assert_eq!(seen.insert(key("c")), 1);
        assert!(seen.contains(&key("a")) && seen.contains(&key("c")) && !seen.contains(&key("b")));
        assert_eq!(seen.bytes, 2);
    }

    #[test]
    fn long_names_are_remembered_as_long_as_there_is_space() {
        let mut seen = Seen::bounded(100, 10);
        assert_eq!(["aaaa", "bbbb", "c"].map(|text| seen.insert(key(text))), [0, 0, 0]);
        assert_eq!(seen.insert(key("dddddddd")), 2);
        assert!(seen.contains(&key("c")) && seen.contains(&key("dddddddd")) && !seen.contains(&key("bbbb")));
        assert_eq!(seen.bytes, 9);
        // One that is too long for the whole memory is not remembered, and takes the others with it.
        assert_eq!(seen.insert(key("eeeeeeeeeeee")), 3);
        assert_eq!((seen.bytes, seen.contains(&key("eeeeeeeeeeee"))), (0, false));
    }

    #[test]
    fn a_name_is_both_of_its_parts() {
        let mut seen = Seen::default();
        seen.insert(Key::new(1, "a#b#c"));
        assert!(seen.contains(&Key::new(1, "a#b#c")) && !seen.contains(&Key::new(3, "a#b#c")));
    }
}
