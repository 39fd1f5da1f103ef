//! A memory of bounded size for many small things that are asked for all the time.
//!
//! ```text
//!   asked for --> young --full--> old --full again--> forgotten
//!                   ^--asked for---+
//! ```
//!
//! Unlike one that keeps everything in the order of use, it costs one look at a table for what was asked for lately.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

/// Remembers at most twice `capacity` values by their keys, and the last `capacity` of them for sure. When the young ones are full they become the old ones, and
/// those old ones that nobody asked for meanwhile are forgotten.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    capacity: usize,
    young: Generation<K, V>,
    old: Generation<K, V>,
}

#[derive(Debug)]
struct Generation<K, V> {
    places: HashMap<K, usize>,
    values: Vec<V>,
}

impl<K: Eq + Hash, V: Clone> Generations<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, young: Generation::default(), old: Generation::default() }
    }

    /// The value of `key`, which is young again by that; `None` when it is not known, or not any more.
    pub(crate) fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(place) = self.young.places.get(key) {
            return self.young.values.get_mut(*place);
        }
        let (key, place) = self.old.places.remove_entry(key)?;
        let value = self.old.values.get(place)?.clone();
        self.insert(key, value)
    }

    /// Remembers `value`, and lends it back.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<&mut V> {
        if self.young.values.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        let place = self.young.values.len();
        self.young.places.insert(key, place);
        self.young.values.push(value);
        self.young.values.last_mut()
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.places.len() + self.old.places.len()
    }
}

impl<K, V> Default for Generation<K, V> {
    fn default() -> Self {
        Self { places: HashMap::new(), values: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut known: Generations<String, usize> = Generations::new(10);
        for number in 0..1000 {
            known.insert(format!("series {number}"), number);
            assert_eq!(known.get("series 0").copied(), Some(0), "after {number}");
            assert!(known.len() <= 20, "{} after {number}", known.len());
        }
        assert_eq!(known.get("series 999").copied(), Some(999));
        assert_eq!(known.get("series 500"), None);
    }

    #[test]
    fn a_value_that_was_changed_stays_changed_when_it_grows_old() {
        let mut known: Generations<String, usize> = Generations::new(2);
        known.insert("a".into(), 1);
        *known.get("a").unwrap() = 2;
        known.insert("b".into(), 0);
        known.insert("c".into(), 0);
        assert_eq!(known.get("a").copied(), Some(2));
    }
}
