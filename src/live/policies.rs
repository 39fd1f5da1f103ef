//! Loads policies, and loads them again when their files change. A set with a problem in it changes nothing.

use std::{path::PathBuf, sync::Arc, time::Duration};

use homeostat_policy::{Catalogue, Policy, SourceText};
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Message;
use crate::{command::check, files, metrics::Metrics, recording::RecordedFile, report::Failure};

/// How long the files have to be quiet before they are read: editors and ConfigMaps write several times.
const QUIET: Duration = Duration::from_millis(200);

/// Where policies come from and what they are checked against.
#[derive(Debug, Clone)]
pub(crate) struct PolicyFiles {
    pub(crate) paths: Vec<PathBuf>,
    /// Policies that are part of the program.
    pub(crate) built_in: Vec<SourceText>,
    pub(crate) catalogue: Arc<Catalogue>,
}

impl PolicyFiles {
    /// Reads and checks them.
    ///
    /// # Errors
    /// [`Failure`] with every problem, as it is shown to people.
    pub(crate) fn load(&self) -> Result<Message, Failure> {
        let sources = self.sources()?;
        let policies = self.check(&sources)?;
        let files = sources.into_iter().map(|SourceText { name, text }| RecordedFile { name, text }).collect();
        Ok(Message::Policies(policies, files))
    }

    /// The policies alone.
    ///
    /// # Errors
    /// As for `load`.
    pub(crate) fn policies(&self) -> Result<Vec<Arc<Policy>>, Failure> {
        self.check(&self.sources()?)
    }

    fn sources(&self) -> Result<Vec<SourceText>, Failure> {
        let mut sources = self.built_in.clone();
        sources.extend(files::policy_sources(&self.paths)?);
        Ok(sources)
    }

    fn check(&self, sources: &[SourceText]) -> Result<Vec<Arc<Policy>>, Failure> {
        let checked = check::load(sources, &self.catalogue);
        if checked.is_good() {
            Ok(checked.policies.into_iter().map(Arc::new).collect())
        } else {
            Err(checked.failure())
        }
    }
}

/// Watches the files and sends the policies anew after each change, until `stop`.
///
/// # Errors
/// [`Failure`] when the files cannot be watched.
pub(crate) async fn watch(
    policies: PolicyFiles,
    messages: mpsc::Sender<Message>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let (changes, mut changed) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let read_only = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if !read_only {
            // One waiting notice is enough: everything is read anew.
            let _ = changes.try_send(());
        }
    })
    .map_err(|error| Failure::new(format!("cannot watch the policies: {error}")))?;
    for path in &policies.paths {
        // The folder, not the file: an editor replaces the file, and a ConfigMap swaps a link beside it.
        let folder = if path.is_dir() { path.clone() } else { path.parent().map(PathBuf::from).unwrap_or_default() };
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        watcher
            .watch(&folder, RecursiveMode::Recursive)
            .map_err(|error| Failure::new(format!("cannot watch {}: {error}", folder.display())))?;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            notice = changed.recv() => if notice.is_none() { return Ok(()) },
        }
        while tokio::time::timeout(QUIET, changed.recv()).await.is_ok_and(|notice| notice.is_some()) {}
        match tokio::task::block_in_place(|| policies.load()) {
            Ok(message) => {
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
