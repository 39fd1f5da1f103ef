//! Runs the tests again whenever one of their files changes, until it is interrupted.
//!
//! ```text
//!   look at the files --> run --> a notice from the file system --> quiet for a moment --> others than before? --> run
//! ```
//!
//! A notice only means that it is time to look: editors write beside their files, and several times.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use homeostat_policy::load_tests;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::{
    once,
    suite::{beside, test_files},
};
use crate::{
    cli::{TestArgs, TestFormat},
    files,
    report::{self, Failure},
    story::clock,
};

/// How long the files have to be quiet before they are looked at.
const QUIET: Duration = Duration::from_millis(200);
/// How long is waited for quiet: in a folder in which something writes all the time it never comes.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Changed files that are named; more are counted.
const NAMED: usize = 3;

/// What is seen of a file without reading it: a recording may be large.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Runs the tests, and again after each change. What goes wrong in a run is told, and the next one is waited for.
///
/// # Errors
/// [`Failure`] when the files cannot be watched.
pub(super) fn run(args: &TestArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        let unusable = |error| Failure::new(format!("cannot listen for signals: {error}"));
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(unusable)?;
        tokio::select! {
            never = again_and_again(args) => never,
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    });
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn again_and_again(args: &TestArgs) -> Result<(), Failure> {
    loop {
        let seen = look(&args.paths);
        // On a thread of its own, so that an interruption ends the program in the midst of a long run as well.
        let own = args.clone();
        let run = tokio::task::spawn_blocking(move || once(&own)).await;
        match run {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => report::error(&failure),
            Err(error) => return Err(Failure::new(format!("the tests ended unexpectedly: {error}"))),
        }
        let changed = change(&args.paths, &seen).await?;
        let told = format!("{} changed: {}", clock_now(), listed(&changed));
        // Results for programs are not mixed with words for people.
        match args.output {
            TestFormat::Table => println!("\n{told}"),
            TestFormat::Json | TestFormat::Junit => eprintln!("{told}"),
        }
    }
}

/// Waits until the files are others than those `seen`; gives which.
async fn change(paths: &[PathBuf], seen: &Seen) -> Result<Vec<PathBuf>, Failure> {
    let (notices, mut noticed) = mpsc::channel(1);
    let _watcher = watcher(&folders(paths), notices)?;
    loop {
        // Something may have changed before it was watched.
        let changed = differences(seen, &look(paths));
        if !changed.is_empty() {
            return Ok(changed);
        }
        if noticed.recv().await.is_none() {
            return Err(Failure::new("the files are watched no longer"));
        }
        let quiet =
            async { while tokio::time::timeout(QUIET, noticed.recv()).await.is_ok_and(|notice| notice.is_some()) {} };
        // Longer is not waited, whether it is quiet or not.
        let _ = tokio::time::timeout(LONGEST_WAIT, quiet).await;
    }
}

/// Everything that may change what the tests come to: tests, policies, scripts, recordings.
fn look(paths: &[PathBuf]) -> Seen {
    let (named, watched) = needed(paths);
    let beside = watched.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let scripts = beside.filter_map(|entry| Some(entry.ok()?.path()));
    let scripts = scripts.filter(|path| path.extension().is_some_and(|end| end == files::SCRIPT_END));
    let seen = |path: PathBuf| {
        let metadata = fs::metadata(&path).ok()?;
        Some((path, (metadata.len(), metadata.modified().ok())))
    };
    named.into_iter().chain(scripts).filter_map(seen).collect()
}

fn folders(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    needed(paths).1
}

/// The files that the tests at or below `paths` consist of, and every folder that one of them is or could be in. What cannot be
/// read is left out: it is missing until it appears.
fn needed(paths: &[PathBuf]) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let (mut needed, mut folders) = (BTreeSet::new(), BTreeSet::new());
    let mut add = |file: PathBuf, needed: &mut BTreeSet<PathBuf>| {
        let folder = if file.is_dir() { Some(file.as_path()) } else { file.parent() };
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folders.insert(folder.to_owned());
        if !file.is_dir() {
            needed.insert(file);
        }
    };
    for path in paths {
        add(path.clone(), &mut needed);
        for file in files::yaml_files(path).unwrap_or_default() {
            add(file, &mut needed);
        }
        let sources: Vec<_> =
            test_files(path).unwrap_or_default().iter().filter_map(|file| files::read(file).ok()).collect();
        for test in load_tests(&sources).0 {
            for policy in &test.policies {
                let policy = beside(&test, policy);
                add(policy.clone(), &mut needed);
                for file in files::yaml_files(&policy).unwrap_or_default() {
                    add(file, &mut needed);
                }
            }
            if let Some(input) = &test.input {
                add(beside(&test, input), &mut needed);
            }
        }
    }
    (needed, folders)
}

/// Sends a notice whenever something may have changed in `folders`.
fn watcher(folders: &BTreeSet<PathBuf>, notices: mpsc::Sender<()>) -> Result<RecommendedWatcher, Failure> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let read_only = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if !read_only {
            // One waiting notice is enough: everything is looked at anew.
            let _ = notices.try_send(());
        }
    })
    .map_err(|error| Failure::new(format!("cannot watch the tests: {error}")))?;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .map_err(|error| Failure::new(format!("cannot watch {}: {error}", folder.display())))?;
    }
    Ok(watcher)
}

/// What is new, other, or gone.
fn differences(before: &Seen, now: &Seen) -> Vec<PathBuf> {
    let all: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    all.into_iter().filter(|path| before.get(*path) != now.get(*path)).cloned().collect()
}

fn listed(changed: &[PathBuf]) -> String {
    let named: Vec<String> = changed.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    let more = changed.len().saturating_sub(NAMED);
    let named = named.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

fn clock_now() -> String {
    let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    clock(homeostat_model::Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{differences, folders, look};

    #[test]
    fn whatever_a_test_consists_of_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for folder in ["tests", "policies", "recorded"] {
            fs::create_dir(path(folder)).unwrap();
        }
        let test = "apiVersion: homeostat.dev/v1alpha1\nkind: PolicyTest\nspec:\n  policies: [../policies/a.yaml]\n  \
                    input: ../recorded/r.jsonl\n  expect: [{at: 1m, plans: []}]\n";
        fs::write(path("tests/a.test.yaml"), test).unwrap();
        for name in ["policies/a.yaml", "policies/b.yaml", "policies/a.rhai", "recorded/r.jsonl", "recorded/other"] {
            fs::write(path(name), "").unwrap();
        }
        let paths = [path("tests")];
        let tests = path("tests");
        let expected = [tests.clone(), tests.join("../policies"), tests.join("../recorded")];
        assert_eq!(folders(&paths).into_iter().collect::<Vec<_>>(), expected);
        // A notice without a change that matters is none.
        for (name, matters) in [
            ("tests/a.test.yaml", true),
            ("policies/a.yaml", true),
            ("policies/a.rhai", true),
            ("recorded/r.jsonl", true),
            ("tests/new.test.yaml", true),
            ("policies/b.yaml", false),
            ("recorded/other", false),
            ("tests/a.test.yaml~", false),
        ] {
            let before = look(&paths);
            fs::write(path(name), format!("{test}# {name}\n")).unwrap();
            assert_eq!(differences(&before, &look(&paths)).len(), usize::from(matters), "{name}");
        }
        let before = look(&paths);
        fs::remove_file(path("tests/new.test.yaml")).unwrap();
        assert_eq!(differences(&before, &look(&paths)).len(), 1);
    }
}
