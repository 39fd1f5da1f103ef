//! Values of several files in one tree, in which everything knows its file and its place there.

use std::{collections::BTreeMap, sync::Arc};

use homeostat_policy::{Key, SourceText, Yaml, YamlNode, trees};
use miette::NamedSource;

use crate::{Place, Problem};

/// A value and where it is given.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Unlike that of any other value, also where an alias repeats one.
    pub(crate) id: usize,
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// The forms of a value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    /// `typed`: not quoted, and a number or a truth to YAML.
    Scalar {
        text: String,
        typed: bool,
    },
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Tree,
}

impl Tree {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Tree> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The same, taken out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Tree> {
        let Value::Map(entries) = &mut self.value else { return None };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at).value)
    }
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn form(&self) -> String {
        match self {
            Self::Null => "empty".into(),
            Self::Scalar { text, .. } => format!("`{}`", shortened(text)),
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a mapping".into(),
        }
    }
}

/// A value as messages show it: its first line, cut to 64 characters.
pub(crate) fn shortened(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(64).collect()
}

/// Makes trees; numbers their values.
#[derive(Debug, Default)]
pub(crate) struct Planter {
    next: usize,
    pub(crate) problems: Vec<Problem>,
}

impl Planter {
    /// The one document of a file. `None` when there is none, and then that was reported.
    pub(crate) fn plant(&mut self, file: &SourceText) -> Option<Tree> {
        let source = Arc::new(NamedSource::new(&file.name, file.text.clone()));
        let (roots, problems) = trees(file);
        self.problems.extend(problems.iter().map(|problem| Problem::of_yaml(problem, &source)));
        let mut roots = roots.into_iter();
        match (roots.next(), roots.next()) {
            (Some(root), None) => Some(self.tree(root, &source)),
            (Some(_), Some(second)) => {
                let problem = Problem::new(
                    Place::in_source(&source, second.at),
                    "one_document",
                    "the file has several documents",
                );
                self.problems.push(problem.help(
                    "a configuration is one document; put the others into files of their own, and include those",
                ));
                None
            }
            (None, _) => {
                if problems.is_empty() {
                    let problem =
                        Problem::new(Place::in_source(&source, 0..0), "empty", "there is nothing in the file");
                    self.problems.push(problem.help("write `apiVersion`, `kind: Configuration` and `spec`"));
                }
                None
            }
        }
    }

    fn tree(&mut self, node: YamlNode, source: &Arc<NamedSource<String>>) -> Tree {
        let id = self.next;
        self.next += 1;
        let value = match node.value {
            Yaml::Null => Value::Null,
            Yaml::Scalar { text, typed } => Value::Scalar { text, typed },
            Yaml::List(items) => Value::List(items.into_iter().map(|item| self.tree(item, source)).collect()),
            Yaml::Map(entries) => Value::Map(self.entries(entries, source)),
        };
        Tree { id, place: Place::in_source(source, node.at), value }
    }

    /// The entries of a mapping; of one that is there twice the first, and that is reported.
    fn entries(&mut self, given: Vec<(Key, YamlNode)>, source: &Arc<NamedSource<String>>) -> Vec<Entry> {
        let mut first: BTreeMap<String, Place> = BTreeMap::new();
        let mut entries = Vec::new();
        for (Key { text: key, at }, node) in given {
            let key_place = Place::in_source(source, at);
            if let Some(before) = first.get(&key) {
                let problem =
                    Problem::new(key_place, "duplicate_field", format!("`{}` is given twice", shortened(&key)));
                let problem = problem.help("keep one of them").relate(before.clone(), "it is given here first");
                self.problems.push(problem);
                continue;
            }
            first.insert(key.clone(), key_place.clone());
            entries.push(Entry { key, key_place, value: self.tree(node, source) });
        }
        entries
    }
}
