//! Loads policies, and loads them again when their files say something else. A set with a problem in it changes nothing.
//!
//! ```text
//!   change in a watched folder --> quiet for a moment --> read --> other texts than last time? --> check --> engine
//! ```
//!
//! Journals, recordings and editors write beside policies. So a notice only means that it is time to look.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use homeostat_policy::{Catalogue, Policy, SourceText};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Message;
use crate::{command::check, files, metrics::Metrics, recording::RecordedFile, report::Failure};

/// How long the files have to be quiet before they are read: editors and ConfigMaps write several times.
const QUIET: Duration = Duration::from_millis(200);
/// How long is waited for quiet: in a folder in which something writes all the time it never comes.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Where policies come from and what they are checked against.
#[derive(Debug, Clone)]
pub(crate) struct PolicyFiles {
    pub(crate) paths: Vec<PathBuf>,
    /// Policies that are part of the program.
    pub(crate) built_in: Vec<SourceText>,
    pub(crate) catalogue: Arc<Catalogue>,
}

impl PolicyFiles {
    /// Reads and checks them; with what was read.
    ///
    /// # Errors
    /// [`Failure`] with every problem, as it is shown to people.
    pub(crate) fn load(&self) -> Result<(Message, Vec<SourceText>), Failure> {
        let sources = self.sources()?;
        Ok((self.message(&sources)?, sources))
    }

    /// The policies alone.
    ///
    /// # Errors
    /// As for `load`.
    pub(crate) fn policies(&self) -> Result<Vec<Arc<Policy>>, Failure> {
        self.check(&self.sources()?)
    }

    fn message(&self, sources: &[SourceText]) -> Result<Message, Failure> {
        let recorded = |SourceText { name, text }: &SourceText| RecordedFile { name: name.clone(), text: text.clone() };
        Ok(Message::Policies(self.check(sources)?, sources.iter().map(recorded).collect()))
    }

    fn sources(&self) -> Result<Vec<SourceText>, Failure> {
        let mut sources = self.built_in.clone();
        sources.extend(files::policy_sources(&self.paths)?);
        Ok(sources)
    }

    fn check(&self, sources: &[SourceText]) -> Result<Vec<Arc<Policy>>, Failure> {
        check::policies(sources, &self.catalogue)
    }
}

/// Watches the files and sends the policies anew when they are others than those `loaded`, until `stop`.
///
/// # Errors
/// [`Failure`] when the files cannot be watched.
pub(crate) async fn watch(
    policies: PolicyFiles,
    loaded: Vec<SourceText>,
    messages: mpsc::Sender<Message>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let (changes, mut changed) = mpsc::channel(1);
    let _watcher = watcher(&policies.paths, changes.clone())?;
    // They may have changed between the first loading and now.
    let _ = changes.try_send(());
    let mut reader = Reader { policies, seen: Ok(loaded.clone()), loaded };
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            notice = changed.recv() => if notice.is_none() { return Ok(()) },
        }
        let quiet =
            async { while tokio::time::timeout(QUIET, changed.recv()).await.is_ok_and(|notice| notice.is_some()) {} };
        // Longer is not waited, whether it is quiet or not.
        let _ = tokio::time::timeout(LONGEST_WAIT, quiet).await;
        match tokio::task::block_in_place(|| reader.look()) {
            Ok(None) => {}
            Ok(Some(message)) => {
                metrics.reloaded(true);
                if messages.send(message).await.is_err() {
                    return Ok(());
                }
            }
            Err(failure) => {
                metrics.reloaded(false);
                tracing::error!("the changed policies are not used, those loaded before stay in force:\n{failure}");
            }
        }
    }
}

/// Sends a notice whenever something may have changed.
fn watcher(paths: &[PathBuf], changes: mpsc::Sender<()>) -> Result<RecommendedWatcher, Failure> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let read_only = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if !read_only {
            // One waiting notice is enough: everything is read anew.
            let _ = changes.try_send(());
        }
    })
    .map_err(|error| Failure::new(format!("cannot watch the policies: {error}")))?;
    for (folder, mode) in folders(paths) {
        watcher
            .watch(&folder, mode)
            .map_err(|error| Failure::new(format!("cannot watch {}: {error}", folder.display())))?;
    }
    Ok(watcher)
}

/// What is watched: folders with all that is below them; of a file its folder alone, since an editor replaces the file, and a
/// ConfigMap swaps a link beside it. What lies below another watched folder is watched with that.
fn folders(paths: &[PathBuf]) -> BTreeMap<PathBuf, RecursiveMode> {
    let (whole, files): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| path.is_dir());
    let mut folders: BTreeMap<PathBuf, RecursiveMode> =
        whole.iter().map(|folder| ((*folder).clone(), RecursiveMode::Recursive)).collect();
    for file in files {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !whole.iter().any(|whole| folder.starts_with(whole)) {
            folders.insert(folder.to_owned(), RecursiveMode::NonRecursive);
        }
    }
    folders
}

/// Reads the policies again and again, and tells what is new.
struct Reader {
    policies: PolicyFiles,
    /// What is in force.
    loaded: Vec<SourceText>,
    /// What was read last, good or not; or why nothing could be read.
    seen: Result<Vec<SourceText>, String>,
}

impl Reader {
    /// The policies, if they are others than those in force.
    ///
    /// # Errors
    /// [`Failure`] with every problem, once for the same texts.
    fn look(&mut self) -> Result<Option<Message>, Failure> {
        let read = self.policies.sources();
        let seen = read.as_ref().map(Clone::clone).map_err(ToString::to_string);
        if seen == self.seen {
            return Ok(None);
        }
        self.seen = seen;
        let sources = read?;
        if sources == self.loaded {
            tracing::info!("the policies are again those in force");
            return Ok(None);
        }
        let message = self.policies.message(&sources)?;
        self.loaded = sources;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, sync::Arc};

    use homeostat_policy::{Catalogue, UnknownMetrics};
    use notify::RecursiveMode::{NonRecursive, Recursive};

    use super::{PolicyFiles, Reader, folders};

    const GOOD: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: hot}\nspec:\n  select: {kind: vm}\n  \
                        when: last(\"cpu\") > 90%\n  then: [restart]\n";

    #[test]
    fn only_other_texts_are_loaded_or_complained_about_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hot.yaml");
        let (other, broken) = (GOOD.replace("90%", "80%"), GOOD.replace("last(", "lst("));
        fs::write(&file, GOOD).unwrap();
        let paths = vec![folder.path().to_owned()];
        let policies =
            PolicyFiles { paths, built_in: Vec::new(), catalogue: Arc::new(Catalogue::new(UnknownMetrics::Allow)) };
        let (_, loaded) = policies.load().unwrap();
        let mut reader = Reader { policies, seen: Ok(loaded.clone()), loaded };
        let mut told = |text: Option<&str>| {
            match text {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_dir_all(folder.path()).unwrap(),
            }
            match reader.look() {
                Ok(None) => "nothing",
                Ok(Some(_)) => "loaded",
                Err(_) => "refused",
            }
        };
        let texts_and_told = [
            (GOOD, "nothing"),
            (&other, "loaded"),
            (&other, "nothing"),
            (&broken, "refused"),
            (&broken, "nothing"),
            (&other, "nothing"),
            (&broken, "refused"),
            (GOOD, "loaded"),
        ];
        for (number, (text, expected)) in texts_and_told.into_iter().enumerate() {
            assert_eq!(told(Some(text)), expected, "text {number}");
        }
        assert_eq!(told(None), "refused");
    }

    #[test]
    fn a_files_folder_is_watched_without_what_is_below_it() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("all/deep")).unwrap();
        let watched = folders(&[path("a.yaml"), path("all"), path("all/deep/b.yaml"), PathBuf::from("c.yaml")]);
        let expected = [(PathBuf::from("."), NonRecursive), (path(""), NonRecursive), (path("all"), Recursive)];
        assert_eq!(watched, expected.map(|(path, mode)| (path.components().collect(), mode)).into());
    }
}
