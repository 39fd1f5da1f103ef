//! The tests that are to be run: found, read, and with the policies that they are about.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use homeostat_policy::{Catalogue, Policy, PolicyTest, SourceText, UnknownMetrics, load_tests};

use crate::{
    command::check,
    files::{self, TEST_SUFFIX},
    report::{Failure, Flaw, flaws},
};

/// All tests at or below some paths.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) tests: Vec<PolicyTest>,
    /// What is wrong with the test files themselves.
    pub(super) problems: Vec<Flaw>,
    /// The folders among the paths: the policies in them should be tested.
    pub(super) folders: Vec<PathBuf>,
}

impl Suite {
    /// Finds and reads them.
    ///
    /// # Errors
    /// [`Failure`] when a path cannot be read, or there is no test at all.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut sources = Vec::new();
        for path in paths {
            for file in test_files(path)? {
                sources.push(files::read(&file)?);
            }
        }
        if sources.is_empty() {
            return Err(Failure::new(format!("no test was found; tests are files that end in {TEST_SUFFIX}")));
        }
        let (tests, problems) = load_tests(&sources);
        let folders = paths.iter().filter(|path| path.is_dir()).cloned().collect();
        Ok(Self { tests, problems: flaws(&problems), folders })
    }
}

/// The files with tests at or below `path`; one that is given by name may have any name.
pub(super) fn test_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let named = |file: &PathBuf| file.to_str().is_some_and(|name| name.ends_with(TEST_SUFFIX));
    Ok(files::yaml_files(path)?.into_iter().filter(|file| named(file) || path.is_file()).collect())
}

/// A path that a test names, which is relative to the test's file.
pub(super) fn beside(test: &PolicyTest, path: &str) -> PathBuf {
    Path::new(&test.file).parent().unwrap_or(Path::new(".")).join(path)
}

/// The policies of a test, and the texts that they came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) sources: Vec<SourceText>,
}

/// Reads the policies of `test`. They may use metrics that no adapter of this program provides.
///
/// # Errors
/// [`Failure`] when they cannot be read, with every problem.
pub(crate) fn load(test: &PolicyTest) -> Result<Loaded, Failure> {
    let paths: Vec<PathBuf> = test.policies.iter().map(|path| beside(test, path)).collect();
    let sources = files::policy_sources(&paths)?;
    let policies = check::policies(&sources, &Catalogue::new(UnknownMetrics::Allow))?;
    Ok(Loaded { policies, sources })
}
