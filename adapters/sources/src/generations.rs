//! A memory of bounded size for many small things that are asked for all the time.
//!
//! ```text
//!   asked for --> young --full--> old --full again--> forgotten
//!                   ^--asked for---+
//! ```
//!
//! Unlike one that keeps everything in the order of use, it costs one look at a table for what was asked for lately.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

/// Remembers at most twice `capacity` values by their keys, and the last `capacity` of them for sure; fewer where they are large. When the young ones are full they become the old ones, and
/// those old ones that nobody asked for meanwhile are forgotten.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    capacity: usize,
    max_bytes: usize,
    young: Generation<K, V>,
    old: Generation<K, V>,
}

/// Where a value is among the young ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(usize);

#[derive(Debug)]
struct Generation<K, V> {
    places: HashMap<K, usize>,
    values: Vec<(V, usize)>,
    bytes: usize,
}

impl<K: Eq + Hash, V: Clone> Generations<K, V> {
    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self { capacity, max_bytes, young: Generation::default(), old: Generation::default() }
    }

    /// The value of `key`, which is young again by that; `None` when it is not known, or not any more.
    pub(crate) fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let place = self.find(key)?;
        self.at(place)
    }

    /// Where the value of `key` is; it is young again by that. Good until something else is asked for.
    pub(crate) fn find<Q>(&mut self, key: &Q) -> Option<Place>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(place) = self.young.places.get(key) {
            return Some(Place(*place));
        }
        let (key, place) = self.old.places.remove_entry(key)?;
        let (value, bytes) = self.old.values.get(place)?.clone();
        Some(self.insert(key, value, bytes))
    }

    /// The value at a place.
    pub(crate) fn at(&mut self, place: Place) -> Option<&mut V> {
        self.young.values.get_mut(place.0).map(|(value, _)| value)
    }

    /// Remembers `value`, which has so many `bytes` with its key, and says where.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) -> Place {
        let full = self.young.values.len() >= self.capacity || self.young.bytes.saturating_add(bytes) > self.max_bytes;
        if full && !self.young.values.is_empty() {
            self.old = std::mem::take(&mut self.young);
        }
        let place = self.young.values.len();
        self.young.places.insert(key, place);
        self.young.values.push((value, bytes));
        self.young.bytes += bytes;
        Place(place)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.places.len() + self.old.places.len()
    }
}

impl<K, V> Default for Generation<K, V> {
    fn default() -> Self {
        Self { places: HashMap::new(), values: Vec::new(), bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut known: Generations<String, usize> = Generations::new(10, 1 << 20);
        for number in 0..1000 {
            known.insert(format!("series {number}"), number, 8);
            assert_eq!(known.get("series 0").copied(), Some(0), "after {number}");
            assert!(known.len() <= 20, "{} after {number}", known.len());
        }
        assert_eq!(known.get("series 999").copied(), Some(999));
        assert_eq!(known.get("series 500"), None);
    }

    #[test]
    fn a_value_that_was_changed_stays_changed_when_it_grows_old() {
        let mut known: Generations<String, usize> = Generations::new(2, 1 << 20);
        known.insert("a".into(), 1, 1);
        *known.get("a").unwrap() = 2;
        known.insert("b".into(), 0, 1);
        known.insert("c".into(), 0, 1);
        assert_eq!(known.get("a").copied(), Some(2));
    }

    #[test]
    fn of_large_ones_fewer_are_remembered() {
        let mut known: Generations<usize, ()> = Generations::new(1000, 100);
        (0..1000).for_each(|number| {
            known.insert(number, (), 30);
        });
        assert_eq!(known.len(), 4);
        known.insert(0, (), 1000);
        assert_eq!(known.get(&0), Some(&mut ()));
    }
}
