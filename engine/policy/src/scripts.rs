//! Rhai files that policies name: found among the given sources only.

use std::{collections::BTreeMap, sync::Arc};

use miette::NamedSource;

use crate::{SourceText, nearest::hint};

/// The end of the name of a file that holds a script.
const ENDING: &str = ".rhai";

/// The scripts among the sources, by their path.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    files: BTreeMap<String, Arc<NamedSource<String>>>,
}

/// Whether a source of this name is a script, and no file of documents.
pub(crate) fn is_script(name: &str) -> bool {
    name.ends_with(ENDING)
}

impl Scripts {
    /// Those of `sources`.
    pub(crate) fn of(sources: &[SourceText]) -> Self {
        let scripts = sources.iter().filter(|source| is_script(&source.name));
        let named =
            |source: &SourceText| (normal(&source.name), Arc::new(NamedSource::new(&source.name, source.text.clone())));
        Self { files: scripts.map(named).collect() }
    }

    /// The script that a document in the file `from` calls `file`; else, what may have been meant.
    pub(crate) fn find(&self, from: &str, file: &str) -> Result<Arc<NamedSource<String>>, Option<String>> {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        // A leading slash would otherwise be taken for a step down from the folder.
        let path = if file.starts_with('/') || folder.is_empty() && !from.starts_with('/') {
            normal(file)
        } else {
            normal(&format!("{folder}/{file}"))
        };
        if let Some(found) = self.files.get(&path) {
            return Ok(Arc::clone(found));
        }
        let base = normal(&format!("{folder}/"));
        let names: Vec<String> = self.files.keys().map(|path| relative(&base, path)).collect();
        Err(hint(file, names.iter().map(String::as_str)))
    }
}

/// The path without `.`, and with as few `..` as possible.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            // Nothing lies above the root.
            ("..", None) if path.starts_with('/') => {}
            _ => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// `path` as it is written in a file of the folder `base`; both are normal.
fn relative(base: &str, path: &str) -> String {
    let split = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (base, path) = (split(base), split(path));
    let shared = base.iter().zip(&path).take_while(|(one, other)| one == other).count();
    let up = base.iter().skip(shared).map(|_| "..".to_owned());
    up.chain(path.iter().skip(shared).cloned()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_from_where_it_is_named() {
        let file = |name: &str| SourceText { name: name.into(), text: String::new() };
        let names = ["policies/lib/grow.rhai", "top.rhai", "/etc/h/a.rhai", "../out.rhai", "policies/web.yaml"];
        let scripts = Scripts::of(&names.map(file));
        for (from, named, expected) in [
            ("policies/web.yaml", "lib/grow.rhai", Some("policies/lib/grow.rhai")),
            ("policies/web.yaml", "./lib/../lib/grow.rhai", Some("policies/lib/grow.rhai")),
            ("policies/web.yaml", "../top.rhai", Some("top.rhai")),
            ("policies/web.yaml", "../../out.rhai", Some("../out.rhai")),
            ("web.yaml", "top.rhai", Some("top.rhai")),
            ("web.yaml", "./top.rhai", Some("top.rhai")),
            ("/etc/h/web.yaml", "a.rhai", Some("/etc/h/a.rhai")),
            ("/web.yaml", "etc/h/a.rhai", Some("/etc/h/a.rhai")),
            ("/etc/h/web.yaml", "../../../../etc/h/a.rhai", Some("/etc/h/a.rhai")),
            ("policies/web.yaml", "top.rhai", None),
            ("policies/web.yaml", "web.yaml", None),
            ("web.yaml", "../top.rhai", None),
        ] {
            let found = scripts.find(from, named).ok();
            assert_eq!(found.as_deref().map(NamedSource::name), expected, "{named} from {from}");
        }
        let near = scripts.find("policies/web.yaml", "lib/grew.rhai").unwrap_err();
        assert_eq!(near.as_deref(), Some("did you mean `lib/grow.rhai`?"));
    }
}
