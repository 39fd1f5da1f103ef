//! Finds and reads policy files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use homeostat_policy::SourceText;

use crate::{config, report::Failure};

/// Folders within folders that are looked into: policies are not kept deeper, and a link in a circle ends here.
const MAX_DEPTH: usize = 8;
/// Files of one folder that are read: more is not a policy folder but a mistake in the path.
const MAX_FILES: usize = 10_000;

/// The end of a policy test's name.
pub(crate) const TEST_SUFFIX: &str = ".test.yaml";

/// The end of a script's name, for policies that keep it in a file of its own.
pub(crate) const SCRIPT_END: &str = "rhai";

/// The YAML files at or below `path`, in the order of their names. A file given by name is taken whatever its name is.
pub(crate) fn yaml_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let metadata = fs::metadata(path).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", path.display()))
            .help("give a policy file, or a folder with .yaml files")
    })?;
    if metadata.is_dir() {
        collect(path, &["yaml", "yml"], 0, &mut found)?;
        found.sort();
    } else {
        found.push(path.to_owned());
    }
    Ok(found)
}

/// Policy files: all YAML files but tests and configurations, which are known by their kind and the usual name; and the scripts
/// that lie in the same folders, which policies may refer to.
pub(crate) fn policy_sources(paths: &[PathBuf]) -> Result<Vec<SourceText>, Failure> {
    let mut sources = Vec::new();
    let mut scripts = BTreeSet::new();
    for path in paths {
        for file in yaml_files(path)? {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(TEST_SUFFIX) || name == config::FILE_NAME {
                continue;
            }
            let source = read(&file)?;
            if !config::is_configuration(&source.text) {
                if source.text.contains(SCRIPT_END) {
                    scripts.extend(scripts_for(path)?);
                }
                sources.push(source);
            }
        }
    }
    for script in scripts {
        sources.push(read(&script)?);
    }
    Ok(sources)
}

/// The scripts at or below a folder, or beside a file.
fn scripts_for(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    if path.is_dir() {
        collect(path, &[SCRIPT_END], 0, &mut found)?;
    } else {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        collect(folder.unwrap_or(Path::new(".")), &[SCRIPT_END], MAX_DEPTH, &mut found)?;
        if folder.is_none() {
            found = found.iter().map(|path| path.strip_prefix(".").unwrap_or(path).to_owned()).collect();
        }
    }
    Ok(found)
}

/// Reads one text file.
pub(crate) fn read(file: &Path) -> Result<SourceText, Failure> {
    let text = fs::read(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
    // What is not UTF-8 is shown as such by the parser's own error, with its place.
    let text = String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(SourceText { name: file.display().to_string(), text })
}

/// The files at or below `folder` whose names end in one of `ends`.
fn collect(folder: &Path, ends: &[&str], depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(format!("cannot read folder {}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('.'));
        let wanted = path.extension().and_then(|end| end.to_str()).is_some_and(|end| ends.contains(&end));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH {
                collect(&path, ends, depth + 1, found)?;
            }
        } else if wanted {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            return Err(Failure::new(format!("{} holds more than {MAX_FILES} files", folder.display())));
        }
    }
    Ok(())
}
