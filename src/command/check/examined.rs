//! What `check` looks at: configurations with all that they name, and policies that no configuration names.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use homeostat_model::PolicyName;
use homeostat_policy::{Catalogue, SourceText, UnknownMetrics};

use super::{catalogue, everything, load};
use crate::{
    config::{self, Loaded},
    files,
    report::{self, Failure, Flaw},
};

/// What to do about a path that leads to no policy.
const PATH_HELP: &str = "correct the path; it is seen from the main file's folder";

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Examined {
    /// Files of whatever sort.
    pub(super) files: BTreeSet<PathBuf>,
    /// Good policies.
    pub(super) policies: BTreeSet<PolicyName>,
    /// How many good guards there are.
    guards: usize,
    /// What is wrong, in the order in which it was found, and once each: two configurations may name one file.
    pub(super) flaws: Vec<Flaw>,
    /// What people should know, likewise.
    pub(super) warnings: Vec<Flaw>,
    told: BTreeSet<Flaw>,
}

impl Examined {
    /// Looks at everything at or below `paths`.
    ///
    /// # Errors
    /// [`Failure`] when there is nothing to be looked at: a mistyped path must not count as free of problems.
    pub(super) fn all(paths: &[PathBuf], unknown: UnknownMetrics) -> Result<Self, Failure> {
        let mut examined = Self::default();
        let (mut loose, mut configured) = (Vec::new(), Vec::new());
        for path in paths {
            if path.is_dir() && path.join(config::FILE_NAME).exists() {
                configured.push(path.join(config::FILE_NAME));
                continue;
            }
            let configurations: Vec<PathBuf> =
                files::yaml_files(path)?.into_iter().filter(|file| is_configuration(file)).collect();
            let policies = files::policy_sources(std::slice::from_ref(path))?;
            if configurations.is_empty() && policies.is_empty() {
                return Err(nothing(path));
            }
            loose.extend(policies);
            configured.extend(configurations);
        }
        let mut included = BTreeSet::new();
        let loaded: Vec<_> = configured.iter().map(|file| (file, Loaded::read_all(file))).collect();
        for (file, (_, read)) in &loaded {
            // By their real names: `./homeostat.yaml` is no part of `homeostat.yaml`.
            let own = real(file);
            included.extend(read.files.keys().map(real).filter(|other| *other != own));
        }
        for (file, (loaded, read)) in loaded {
            examined.files.extend(read.files.keys().map(real));
            // A part of another one is looked at with that.
            if !included.contains(&real(file)) {
                examined.configuration(file, loaded, unknown);
            }
        }
        // What a configuration names was looked at with it, and by what it says is known.
        loose.retain(|source| !examined.files.contains(&real(&source.name)));
        examined.policies(&loose, &everything(unknown));
        match paths {
            [path, ..]
                if configured.is_empty()
                    && examined.policies.is_empty()
                    && examined.guards == 0
                    && examined.flaws.is_empty() =>
            {
                Err(nothing(path))
            }
            _ => Ok(examined),
        }
    }

    /// A configuration brings its own policies, and its adapters say what is known.
    fn configuration(&mut self, file: &Path, loaded: Result<Loaded, Vec<Flaw>>, unknown: UnknownMetrics) {
        self.files.insert(real(file));
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(flaws) => return self.tell(flaws),
        };
        self.tell(loaded.unreadable_inputs());
        self.tell(loaded.scenario().err().unwrap_or_default());
        self.files.extend(loaded.scenario_path().map(real));
        let mut sources = Vec::new();
        for (number, path) in loaded.policy_paths().into_iter().enumerate() {
            let at = format!("spec.policies[{number}]");
            match files::policy_sources(std::slice::from_ref(&path)) {
                Ok(found) if found.is_empty() => {
                    let message = format!("there is no policy in {}", path.display());
                    self.tell(vec![loaded.flaw(&at, "no_policy", message, PATH_HELP)]);
                }
                Ok(found) => sources.extend(found),
                Err(failure) => self.tell(vec![loaded.flaw(&at, "unreadable", failure.to_string(), PATH_HELP)]),
            }
        }
        self.policies(&sources, &catalogue(&loaded.configuration, unknown));
    }

    fn policies(&mut self, sources: &[SourceText], catalogue: &Catalogue) {
        let checked = load(sources, catalogue);
        self.files.extend(sources.iter().map(|source| real(&source.name)));
        self.guards += checked.guards;
        self.policies.extend(checked.policies.into_iter().map(|policy| policy.name));
        self.tell(report::flaws(&checked.problems));
        for warning in report::flaws(&checked.warnings) {
            if self.told.insert(warning.clone()) {
                self.warnings.push(warning);
            }
        }
    }

    fn tell(&mut self, flaws: Vec<Flaw>) {
        for flaw in flaws {
            if self.told.insert(flaw.clone()) {
                self.flaws.push(flaw);
            }
        }
    }
}

fn is_configuration(file: &Path) -> bool {
    let named = file.file_name().is_some_and(|name| name == config::FILE_NAME);
    named || files::read(file).is_ok_and(|source| config::is_configuration(&source.text))
}

fn nothing(path: &Path) -> Failure {
    Failure::new(format!("there is no policy in {}", path.display()))
        .help("give policy files (`kind: Policy`), folders of .yaml files with them, or a configuration")
}

/// One name for one file, however it was reached.
fn real(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
