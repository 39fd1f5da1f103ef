//! Reads a type from a tree, and finds everything that is wrong at once.
//!
//! serde ends at the first error. So what is wrong is taken out of the tree and the rest is read again, until nothing is wrong
//! any more: each round takes out a value, so there are no more rounds than values, and no more than problems are kept.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use homeostat_policy::{hint, nearest};
use miette::NamedSource;
use serde::de::DeserializeOwned;

use crate::{
    FoundSecret, Origins, Place, Problem,
    error::{Error, ErrorKind},
    tree::{Tree, Value, shortened},
    value::{Context, Reader},
};

/// Most problems that are looked for in one configuration: nobody reads further.
pub const MAX_PROBLEMS: usize = 100;

/// The field that the whole has besides those of its type.
const WHOLE: &[&str] = &["include"];

/// What was read, and what is wrong.
#[derive(Debug)]
pub struct Reading<T> {
    /// The value, without what is wrong; none when nothing can be read at all.
    pub value: Option<T>,
    /// All that is wrong, in the order of the files.
    pub problems: Vec<Problem>,
    /// Where what is in the value was given.
    pub origins: Origins,
    /// The secrets that it refers to.
    pub secrets: Vec<FoundSecret>,
    /// The names of the files, in the order in which they were read.
    pub(crate) order: Vec<String>,
    /// Files in which a secret is written down, without it.
    masked: BTreeMap<String, Arc<NamedSource<String>>>,
}

impl<T> Reading<T> {
    /// Nothing could be read.
    pub(crate) fn nothing() -> Self {
        Self {
            value: None,
            problems: Vec::new(),
            origins: Origins::default(),
            secrets: Vec::new(),
            order: Vec::new(),
            masked: BTreeMap::new(),
        }
    }

    /// Adds what others found to be wrong with it.
    #[must_use]
    pub fn with(mut self, problems: Vec<Problem>) -> Self {
        self.problems.extend(problems);
        self.ordered()
    }

    /// The problems in the order of the files, those of the first file first, and none that shows a secret.
    pub(crate) fn ordered(mut self) -> Self {
        let order = &self.order;
        self.problems.sort_by_key(|problem| {
            let file = order.iter().position(|name| name == problem.place().file());
            (file.unwrap_or(usize::MAX), problem.place().span().start)
        });
        self.problems = self.problems.into_iter().map(|problem| problem.shown_in(&self.masked)).collect();
        self
    }
}

/// Reads a `T` from `tree`, which stands at `path`; secrets are looked for in `folder`.
pub(crate) fn read<T: DeserializeOwned>(tree: &Tree, path: &str, folder: &Path) -> Reading<T> {
    let mut context = Context { gone: BTreeSet::new(), folder, secrets: RefCell::default() };
    let (mut problems, mut masks) = (Vec::new(), Vec::new());
    let value = loop {
        context.secrets.borrow_mut().clear();
        let error = match T::deserialize(Reader { tree, context: &context }) {
            Ok(value) => break Some(value),
            Err(error) => error,
        };
        let (place, id) = error.at.clone().unwrap_or_else(|| (tree.place.clone(), tree.id));
        let culprit = Culprit { root: tree, path, id, gone: &context.gone };
        if matches!(error.kind, ErrorKind::SecretInPlace) {
            masks.push(place.clone());
        }
        problems.extend(culprit.explain(&error, place));
        // Without the whole there is nothing left to be read.
        if id == tree.id || !context.gone.insert(id) || problems.len() >= MAX_PROBLEMS {
            break None;
        }
    };
    let origins = Origins::of(tree, path, &context.gone, &context.secrets.borrow());
    let place = |(id, secret)| {
        let (path, found) = find(tree, path, id)?;
        Some(FoundSecret { secret, path, place: found.place.clone() })
    };
    let secrets = context.secrets.into_inner().into_iter().filter_map(place).collect();
    Reading { value, problems, origins, secrets, order: Vec::new(), masked: masked(&masks) }
}

/// The value that is wrong, and the tree that it is in.
struct Culprit<'a> {
    root: &'a Tree,
    path: &'a str,
    id: usize,
    gone: &'a BTreeSet<usize>,
}

impl Culprit<'_> {
    /// The problem for people; `None` when it follows from one that they were told.
    fn explain(&self, error: &Error, place: Place) -> Option<Problem> {
        let (path, tree) = find(self.root, self.path, self.id)?;
        let what = named(&path);
        match &error.kind {
            ErrorKind::Gone => None,
            ErrorKind::UnknownField { field, known } => {
                // The field is what is wrong, or it is in a value that is wrong as a whole.
                let holder = match path.strip_suffix(field.as_str()).and_then(|rest| rest.strip_suffix('.')) {
                    Some(holder) => holder,
                    None if path == *field => "",
                    None => &path,
                };
                let given = find_path(self.root, self.path, holder);
                // What it includes was taken out before.
                let more = if holder == self.path { WHOLE } else { &[] };
                let free = known
                    .iter()
                    .chain(more)
                    .copied()
                    .filter(|name| given.is_none_or(|holder| holder.get(name).is_none()));
                let message = format!("{} has no field `{}`", named(holder), shortened(field));
                Some(advised(Problem::new(place, "unknown_field", message), hint(field, free.collect::<Vec<_>>())))
            }
            ErrorKind::MissingField(field) => {
                // A slip of the pen, or a value that is wrong, was told where it is.
                let told = |key: &str, id: &usize| {
                    self.gone.contains(id) && (key == *field || nearest(key, [*field]).is_some())
                };
                let Value::Map(entries) = &tree.value else { return Some(missing(place, &what, field)) };
                let told = entries.iter().any(|entry| told(&entry.key, &entry.value.id));
                (!told).then(|| missing(place, &what, field))
            }
            ErrorKind::UnknownVariant { variant, known } => {
                let message = format!("{what}: `{}` is not known", shortened(variant));
                Some(advised(Problem::new(place, "unknown_word", message), hint(variant, known.iter().copied())))
            }
            ErrorKind::Wrong { found, wanted } => {
                let message = format!("{what} is {found}, but {wanted} is needed");
                Some(Problem::new(place, "wrong_type", message).help(format!("write {wanted}")))
            }
            ErrorKind::SecretInPlace => {
                let message = format!("{what} is a secret, and is written down here");
                Some(Problem::new(place, "secret_in_place", message).help(
                    "put it into a file or into the environment, and refer to it with `{file: path}` or `{env: NAME}`",
                ))
            }
            ErrorKind::Other(message) => {
                // Such errors end in what to do.
                let (reason, help) = match message.split_once("; ") {
                    Some((reason, help)) if help.ends_with(" are") => (reason, Some(format!("{help} allowed"))),
                    Some((reason, help)) => (reason, Some(help.to_owned())),
                    None => (message.as_str(), None),
                };
                Some(advised(Problem::new(place, "invalid_value", format!("{what}: {reason}")), help))
            }
        }
    }
}

fn missing(place: Place, what: &str, field: &str) -> Problem {
    Problem::new(place, "missing_field", format!("{what} lacks `{field}`")).help(format!("add `{field}: ..`"))
}

fn advised(problem: Problem, help: Option<String>) -> Problem {
    problem.help(help.unwrap_or_else(|| "look it up with `homeostat schema config`".into()))
}

/// A path as messages show it.
fn named(path: &str) -> String {
    if path.is_empty() { "the document".into() } else { format!("`{}`", shortened(path)) }
}

/// The value with this id, and its path.
pub(crate) fn find<'t>(tree: &'t Tree, path: &str, id: usize) -> Option<(String, &'t Tree)> {
    if tree.id == id {
        return Some((path.to_owned(), tree));
    }
    match &tree.value {
        Value::Null | Value::Scalar { .. } => None,
        Value::List(items) => {
            items.iter().enumerate().find_map(|(number, item)| find(item, &format!("{path}[{number}]"), id))
        }
        Value::Map(entries) => entries.iter().find_map(|entry| find(&entry.value, &joined(path, &entry.key), id)),
    }
}

/// The value at a path.
fn find_path<'t>(tree: &'t Tree, path: &str, wanted: &str) -> Option<&'t Tree> {
    if path == wanted {
        return Some(tree);
    }
    match &tree.value {
        Value::Null | Value::Scalar { .. } => None,
        Value::List(items) => {
            items.iter().enumerate().find_map(|(number, item)| find_path(item, &format!("{path}[{number}]"), wanted))
        }
        Value::Map(entries) => {
            entries.iter().find_map(|entry| find_path(&entry.value, &joined(path, &entry.key), wanted))
        }
    }
}

pub(crate) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The files of `places`, with stars instead of what is there.
fn masked(places: &[Place]) -> BTreeMap<String, Arc<NamedSource<String>>> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for place in places {
        let text = texts.entry(place.file().to_owned()).or_insert_with(|| place.source.inner().clone());
        let span = place.span();
        let stars = |part: &str| part.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect::<String>();
        if let (Some(before), Some(secret), Some(after)) =
            (text.get(..span.start), text.get(span.clone()), text.get(span.end..))
        {
            *text = format!("{before}{}{after}", stars(secret));
        }
    }
    texts.into_iter().map(|(name, text)| (name.clone(), Arc::new(NamedSource::new(name, text)))).collect()
}
