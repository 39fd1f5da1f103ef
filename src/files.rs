//! Finds and reads policy files.

use std::{
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

/// The YAML files at or below `path`, in the order of their names. A file given by name is taken whatever its name is.
pub(crate) fn yaml_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let metadata = fs::metadata(path).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", path.display()))
            .help("give a policy file, or a folder with .yaml files")
    })?;
    if metadata.is_dir() {
        collect(path, 0, &mut found)?;
        found.sort();
    } else {
        found.push(path.to_owned());
    }
    Ok(found)
}

/// Policy files: all YAML files but tests and configurations. Those are known by their kind, and the usual name.
pub(crate) fn policy_sources(paths: &[PathBuf]) -> Result<Vec<SourceText>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        for file in yaml_files(path)? {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(TEST_SUFFIX) || name == config::FILE_NAME {
                continue;
            }
            let source = read(&file)?;
            if !config::is_configuration(&source.text) {
                sources.push(source);
            }
        }
    }
    Ok(sources)
}

/// Reads one text file.
pub(crate) fn read(file: &Path) -> Result<SourceText, Failure> {
    let text = fs::read(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
    // What is not UTF-8 is shown as such by the parser's own error, with its place.
    let text = String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(SourceText { name: file.display().to_string(), text })
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(format!("cannot read folder {}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('.'));
        let yaml = path.extension().and_then(|end| end.to_str()).is_some_and(|end| end == "yaml" || end == "yml");
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH {
                collect(&path, depth + 1, found)?;
            }
        } else if yaml {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            return Err(Failure::new(format!("{} holds more than {MAX_FILES} YAML files", folder.display())));
        }
    }
    Ok(())
}
