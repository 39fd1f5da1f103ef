//! Details of an event by their names.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::Value;

/// Names with values, in the order of the names. Events have a few of them and there are many events: a list in order takes one
/// allocation where a tree takes one that is many times as big.
#[derive(Clone, Default, PartialEq)]
pub struct Attributes(Vec<(String, Value)>);

impl Attributes {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let index = self.find(name).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    /// Whether there is one called `name`.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Sets the value called `name`; gives the one that it had.
    pub fn insert(&mut self, name: String, value: Value) -> Option<Value> {
        match self.find(&name) {
            Ok(index) => self.0.get_mut(index).map(|(_, old)| std::mem::replace(old, value)),
            Err(index) => {
                self.0.insert(index, (name, value));
                None
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&String, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }
}

impl FromIterator<(String, Value)> for Attributes {
    /// Of several with the same name the last one counts.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(attributes: I) -> Self {
        let mut all: Vec<(String, Value)> = attributes.into_iter().collect();
        // The sort keeps the order of equal names; the later one moves into the place of the one before.
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Self(all)
    }
}

impl Extend<(String, Value)> for Attributes {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, attributes: I) {
        for (name, value) in attributes {
            self.insert(name, value);
        }
    }
}

impl IntoIterator for Attributes {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of names to numbers, truths and texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(all.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Attributes by those of a tree, which they have to be like.
    const CASES: [&[(&str, f64)]; 5] = [
        &[],
        &[("a", 1.0)],
        &[("b", 1.0), ("a", 2.0), ("c", 3.0)],
        &[("a", 1.0), ("a", 2.0), ("a", 3.0)],
        &[("z", 1.0), ("a", 2.0), ("z", 3.0), ("m", 4.0), ("a", 5.0)],
    ];

    #[test]
    fn they_are_as_a_tree_is() {
        for case in CASES {
            let pairs = || case.iter().map(|(name, value)| ((*name).to_owned(), Value::Number(*value)));
            let tree: BTreeMap<String, Value> = pairs().collect();
            let collected: Attributes = pairs().collect();
            let mut inserted = Attributes::new();
            let mut inserted_tree = BTreeMap::new();
            for (name, value) in pairs() {
                assert_eq!(inserted.insert(name.clone(), value.clone()), inserted_tree.insert(name, value), "{case:?}");
            }
            assert_eq!(collected, inserted);
            assert!(collected.iter().eq(tree.iter()), "{collected:?} {tree:?}");
            assert_eq!((format!("{collected:?}"), collected.len()), (format!("{tree:?}"), tree.len()));
            assert_eq!(collected.is_empty(), tree.is_empty());
            for name in ["a", "b", "z", "absent"] {
                assert_eq!(collected.get(name), tree.get(name));
                assert_eq!(collected.contains_key(name), tree.contains_key(name));
            }
        }
    }
}
