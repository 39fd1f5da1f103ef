//! A memory of bounded size that forgets what was not used for long.
//!
//! Two halves, a young one and an old one: what is used is in the young one. When that is full, it becomes the old one, and what
//! is still in the old one by then is forgotten, all at once. So a use costs a look or two and nothing is kept in order.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
};

/// Remembers at most `capacity` values by their keys, and at least the half of it that was used last.
#[derive(Debug)]
pub(crate) struct Recent<K, V, S = RandomState> {
    half: usize,
    young: HashMap<K, V, S>,
    old: HashMap<K, V, S>,
}

impl<K: Eq + Hash, V, S: BuildHasher + Default> Recent<K, V, S> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { half: capacity.div_ceil(2), young: HashMap::default(), old: HashMap::default() }
    }

    /// The value of `key`, which counts as used by that.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Remembers `value`; gives how many others were forgotten for it.
    pub(crate) fn insert(&mut self, key: K, value: V) -> usize {
        let mut forgotten = 0;
        self.old.remove(&key);
        if self.young.len() == self.half && !self.young.contains_key(&key) {
            std::mem::swap(&mut self.young, &mut self.old);
            forgotten = self.young.len();
            self.young.clear();
        }
        self.young.insert(key, value);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_not_used_for_long() {
        let mut recent = Recent::<_, _>::new(4);
        for (number, forgotten) in [(1, 0), (2, 0), (3, 0), (4, 0)] {
            assert_eq!(recent.insert(number, number), forgotten, "{number}");
        }
        assert_eq!(recent.get(&2), Some(&mut 2));
        assert_eq!(recent.insert(5, 5), 0);
        assert_eq!([1, 2, 5].map(|number| recent.get(&number).is_some()), [false, true, true]);
    }

    #[test]
    fn is_bounded_and_keeps_the_newest_half() {
        let mut recent = Recent::<_, _>::new(10);
        let mut forgotten = 0;
        for number in 0..1000 {
            forgotten += recent.insert(number, ());
            assert!(recent.young.len() + recent.old.len() <= 10);
            assert!(
                (number - 4..=number)
                    .filter(|number| *number >= 0)
                    .all(|number| { recent.young.contains_key(&number) || recent.old.contains_key(&number) })
            );
        }
        assert_eq!(forgotten + recent.young.len() + recent.old.len(), 1000);
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_one_before() {
        let mut recent = Recent::<_, _>::new(2);
        for number in 0..100 {
            assert_eq!((recent.insert("a", number), recent.insert("b", number)), (0, 0));
        }
        assert_eq!((recent.get(&"a").copied(), recent.old.len() + recent.young.len()), (Some(99), 2));
    }
}
