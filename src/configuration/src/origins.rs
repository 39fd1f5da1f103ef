//! Where values were given.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_port::Secret;
use serde_json::{Value as Json, json};

use crate::{
    Place,
    reading::joined,
    tree::{Tree, Value},
};

/// The places of all values, by their paths, such as `spec.sources[0].jsonLines.path`.
#[derive(Debug, Default)]
pub struct Origins {
    places: BTreeMap<String, Place>,
    /// The plain values, in the order of the files.
    settings: Vec<Setting>,
    /// The same as a whole.
    value: Json,
}

/// A plain value that was given.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its path.
    pub path: String,
    /// As it is written; of a secret, where it comes from.
    pub text: String,
    /// The secret, if it is one.
    pub secret: Option<Secret>,
    /// Where it was given.
    pub place: Place,
}

impl Origins {
    pub(crate) fn of(tree: &Tree, path: &str, gone: &BTreeSet<usize>, secrets: &[(usize, Secret)]) -> Self {
        let mut origins = Self::default();
        let secrets: BTreeMap<usize, &Secret> = secrets.iter().map(|(id, secret)| (*id, secret)).collect();
        origins.value = origins.add(tree, path, gone, &secrets);
        origins
    }

    fn add(&mut self, tree: &Tree, path: &str, gone: &BTreeSet<usize>, secrets: &BTreeMap<usize, &Secret>) -> Json {
        self.places.insert(path.to_owned(), tree.place.clone());
        if let Some(secret) = secrets.get(&tree.id) {
            self.setting(path, secret.to_string(), Some((*secret).clone()), tree);
            return Json::String(secret.to_string());
        }
        match &tree.value {
            Value::Null => Json::Null,
            Value::Scalar { text, typed } => {
                self.setting(path, text.clone(), None, tree);
                plain(text, *typed)
            }
            Value::List(items) => {
                let there = items.iter().filter(|item| !gone.contains(&item.id)).enumerate();
                there.map(|(number, item)| self.add(item, &format!("{path}[{number}]"), gone, secrets)).collect()
            }
            Value::Map(entries) => {
                let there = entries.iter().filter(|entry| !gone.contains(&entry.value.id));
                let pairs = there.map(|entry| {
                    let value = self.add(&entry.value, &joined(path, &entry.key), gone, secrets);
                    (entry.key.clone(), value)
                });
                Json::Object(pairs.collect())
            }
        }
    }

    fn setting(&mut self, path: &str, text: String, secret: Option<Secret>, tree: &Tree) {
        self.settings.push(Setting { path: path.to_owned(), text, secret, place: tree.place.clone() });
    }

    /// The place of the value at `path`, or of the nearest that it would be in. `None` when nothing was read.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<&Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(place);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }

    /// The place of the value at `path`, if it was given.
    #[must_use]
    pub fn given(&self, path: &str) -> Option<&Place> {
        self.places.get(path)
    }

    /// The plain values that were given, in the order of the files.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// What was given, as JSON: two that are equal say the same. Of secrets it has where they come from.
    #[must_use]
    pub fn value(&self) -> &Json {
        &self.value
    }
}

fn plain(text: &str, typed: bool) -> Json {
    if !typed {
        return json!(text);
    }
    match (text.to_ascii_lowercase().as_str(), text.parse::<i64>(), text.parse::<f64>()) {
        ("true", ..) => json!(true),
        ("false", ..) => json!(false),
        (_, Ok(number), _) => json!(number),
        (_, _, Ok(number)) if number.is_finite() => json!(number),
        _ => json!(text),
    }
}
