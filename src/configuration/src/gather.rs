//! Reads a file and all that it includes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use homeostat_policy::{API_VERSION, SourceText, nearest};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{
    KIND, Place, Problem, Reading,
    merge::merge,
    pattern::{is_wild, matches},
    reading::read,
    tree::{Planter, Tree, Value, shortened},
};

/// Most files of one configuration: a file for each of the sources of a large site. More is a pattern that fits too much.
pub const MAX_FILES: usize = 256;

/// How deep files may include each other: people lose their way before.
pub const MAX_INCLUDE_DEPTH: usize = 8;

/// Most bytes of all files together.
pub const MAX_BYTES: usize = 4 << 20;

/// Where files come from.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why there is none, in a few words.
    fn read(&self, path: &Path) -> Result<String, String>;

    /// The names of the files in a folder, in any order.
    ///
    /// # Errors
    /// Why there are none, in a few words.
    fn names(&self, folder: &Path) -> Result<Vec<String>, String>;
}

/// What a file and those that it includes say, as one tree.
#[derive(Debug)]
pub struct Gathered {
    spec: Option<Tree>,
    problems: Vec<Problem>,
    folder: PathBuf,
    /// The names of the files, in the order in which they were read.
    order: Vec<String>,
    /// The files that were read, with their texts.
    pub files: BTreeMap<PathBuf, String>,
    /// Where files are looked for that need not be there.
    pub folders: BTreeSet<PathBuf>,
}

/// Reads `main`, which is at `path`, and what it includes. All paths are seen from the folder that `path` is in.
#[must_use]
pub fn gather(main: &SourceText, path: &Path, files: &dyn Files) -> Gathered {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let gathered = Gathered {
        spec: None,
        problems: Vec::new(),
        folder,
        order: Vec::new(),
        files: BTreeMap::new(),
        folders: BTreeSet::new(),
    };
    let mut gatherer = Gatherer { gathered, planter: Planter::default(), bytes: 0, loader: files };
    gatherer.file(main, &normal(path), &mut Vec::new());
    let Gatherer { mut gathered, planter, .. } = gatherer;
    gathered.problems.extend(planter.problems);
    gathered
}

impl Gathered {
    /// Reads a value from it. What is wrong comes with what was left out; without a value it is all of it.
    #[must_use]
    pub fn read<T: DeserializeOwned>(self) -> Reading<T> {
        let mut reading = match &self.spec {
            Some(spec) => read(spec, "spec", &self.folder),
            None => Reading::nothing(),
        };
        reading.order = self.order;
        reading.with(self.problems)
    }
}

/// What each file has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(rename = "spec")]
    _spec: IgnoredAny,
}

struct Gatherer<'a> {
    gathered: Gathered,
    planter: Planter,
    bytes: usize,
    loader: &'a dyn Files,
}

impl Gatherer<'_> {
    /// Takes in a file; `chain` are those that include it, from the first on.
    fn file(&mut self, source: &SourceText, path: &Path, chain: &mut Vec<PathBuf>) {
        self.bytes = self.bytes.saturating_add(source.text.len());
        self.gathered.files.insert(path.to_owned(), source.text.clone());
        self.gathered.order.push(source.name.clone());
        let Some(mut root) = self.planter.plant(source) else { return };
        if !self.head(&root) {
            return;
        }
        let Some(mut spec) = root.take("spec") else { return };
        let include = spec.take("include");
        match &mut self.gathered.spec {
            Some(whole) => merge(whole, spec, "spec", &mut self.gathered.problems),
            none => *none = Some(spec),
        }
        chain.push(path.to_owned());
        if let Some(include) = include {
            self.includes(&include, chain);
        }
        chain.pop();
    }

    /// Whether it is a configuration at all; what else is wrong is reported besides.
    fn head(&mut self, root: &Tree) -> bool {
        let Reading { problems, .. } = read::<Head>(root, "", &self.gathered.folder);
        self.gathered.problems.extend(problems);
        let given = |key: &str| match root.get(key) {
            Some(Tree { value: Value::Scalar { text, .. }, place, .. }) => Some((text.as_str(), place.clone())),
            _ => None,
        };
        if let Some((kind, place)) = given("kind").filter(|(kind, _)| *kind != KIND) {
            let problem =
                Problem::new(place, "unknown_document_kind", format!("`{}` is not `{KIND}`", shortened(kind)));
            let near = nearest(kind, [KIND]).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| format!("write `kind: {KIND}`, or leave the file out"));
            self.gathered.problems.push(problem.help(help));
            return false;
        }
        if let Some((version, place)) = given("apiVersion").filter(|(version, _)| *version != API_VERSION) {
            let message = format!("`{}` is not an API version that is known here", shortened(version));
            let problem = Problem::new(place, "unknown_api_version", message);
            self.gathered.problems.push(problem.help(format!("write `apiVersion: {API_VERSION}`")));
        }
        true
    }

    fn includes(&mut self, include: &Tree, chain: &mut Vec<PathBuf>) {
        let items = match &include.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            other => {
                let message = format!("`spec.include` is {}, but a list is needed", other.form());
                let problem = Problem::new(include.place.clone(), "wrong_type", message);
                return self.gathered.problems.push(problem.help("write `include: [conf.d/*.yaml]`"));
            }
        };
        for item in items {
            let Value::Scalar { text, .. } = &item.value else {
                let message = format!("an entry of `spec.include` is {}, but a path is needed", item.value.form());
                let problem = Problem::new(item.place.clone(), "wrong_type", message);
                self.gathered.problems.push(problem.help("write a path or a pattern, such as `conf.d/*.yaml`"));
                continue;
            };
            match self.named(text) {
                Ok(paths) => paths.iter().for_each(|path| self.one(path, &item.place, chain)),
                Err((code, message, help)) => {
                    self.gathered.problems.push(Problem::new(item.place.clone(), code, message).help(help));
                }
            }
        }
    }

    /// The files that an entry of `include` names.
    fn named(&mut self, entry: &str) -> Result<Vec<PathBuf>, (&'static str, String, String)> {
        let path = normal(&self.gathered.folder.join(entry));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        if is_wild(&folder.to_string_lossy()) && is_wild(entry) {
            let message = format!("`{}` has a wildcard in the name of a folder", shortened(entry));
            return Err((
                "include_pattern",
                message,
                "only the names of files can have wildcards: `conf.d/*.yaml`".into(),
            ));
        }
        if !is_wild(&name) {
            return Ok(vec![path]);
        }
        self.gathered.folders.insert(folder.clone());
        let names = self.loader.names(&folder).map_err(|why| {
            let message = format!("the folder {} cannot be read: {why}", folder.display());
            (
                "include_unreadable",
                message,
                "create it, or correct the path; it is seen from the main file's folder".to_owned(),
            )
        })?;
        let mut fitting: Vec<String> = names.into_iter().filter(|found| matches(&name, found)).collect();
        fitting.sort();
        Ok(fitting.into_iter().map(|name| folder.join(name)).collect())
    }

    /// Takes in one file that is included at `place`.
    fn one(&mut self, path: &Path, place: &Place, chain: &mut Vec<PathBuf>) {
        let refuse = |code: &str, message: String| Problem::new(place.clone(), code, message);
        let shown = path.display();
        let problem = if chain.iter().any(|above| above == path) {
            let way: Vec<String> =
                chain.iter().skip_while(|above| *above != path).map(|file| file.display().to_string()).collect();
            Some(
                refuse("include_cycle", format!("{shown} includes itself: {} -> {shown}", way.join(" -> ")))
                    .help("remove this entry, or let the pattern fit less"),
            )
        } else if self.gathered.files.contains_key(path) {
            Some(refuse("included_twice", format!("{shown} is included already")).help("include it in one place"))
        } else if chain.len() >= MAX_INCLUDE_DEPTH {
            Some(
                refuse("include_depth", format!("{shown} is included more than {MAX_INCLUDE_DEPTH} levels deep"))
                    .help("include it in the main file"),
            )
        } else if self.gathered.files.len() >= MAX_FILES {
            Some(
                refuse("too_many_files", format!("the configuration has more than {MAX_FILES} files"))
                    .help("let the pattern fit less, or join some of them"),
            )
        } else {
            None
        };
        if let Some(problem) = problem {
            return self.gathered.problems.push(problem);
        }
        match self.loader.read(path) {
            Ok(text) if self.bytes.saturating_add(text.len()) > MAX_BYTES => {
                // Read as far as its size goes.
                self.gathered.files.insert(path.to_owned(), String::new());
                let message = format!("with {shown} the configuration has more than {MAX_BYTES} bytes");
                self.gathered.problems.push(refuse("too_many_bytes", message).help("let the pattern fit less"));
            }
            Ok(text) => self.file(&SourceText { name: shown.to_string(), text }, path, chain),
            Err(why) => {
                // It is waited for, as a file that was there.
                self.gathered.folders.insert(path.parent().unwrap_or(Path::new("")).to_owned());
                let problem = refuse("include_unreadable", format!("{shown} cannot be read: {why}"));
                self.gathered
                    .problems
                    .push(problem.help("create it, or correct the path; it is seen from the main file's folder"));
            }
        }
    }
}

/// The path without `.` and without what `..` takes back, so that one file has one name.
fn normal(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.into_iter().collect()
}

#[cfg(test)]
mod tests;
