//! Reads configuration and policies again when their files say something else, and puts into force what may change while
//! homeostat runs. What has a problem changes nothing.
//!
//! ```text
//!   change in a watched folder --> quiet for a moment --+--> read --> other than last time? --> check --+--> policies: engine
//!   SIGHUP ---------------------------------------------+                                               +--> sources
//!                                                                  adapters, listen, journal: not now <-+
//! ```
//!
//! Journals, recordings and editors write beside policies. So a notice only means that it is time to look.

use std::{path::PathBuf, sync::Arc, time::Duration};

use homeostat_policy::SourceText;
use serde_json::Value;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{Channels, Message, PolicyFiles, Sources, watcher::Watcher};
use crate::{
    api::{Access, Certificate},
    command::run::policy_files,
    config::{Loaded, Read},
    metrics::Metrics,
    report::{Failure, Flaw},
};

/// How long the files have to be quiet before they are read: editors and ConfigMaps write several times.
const QUIET: Duration = Duration::from_millis(200);
/// How long is waited for quiet: in a folder in which something writes all the time it never comes.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Keeps what is in force as the files say, until `stop`.
///
/// # Errors
/// [`Failure`] when the files cannot be watched.
pub(crate) async fn reload(
    mut reader: Reader,
    mut sources: Sources,
    people: People,
    channels: Arc<Channels>,
    messages: mpsc::Sender<Message>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let (notices, mut noticed) = mpsc::channel(1);
    let mut watcher = Watcher::new(notices);
    watcher.watch(&reader.paths())?;
    let unusable = |error| Failure::new(format!("cannot listen for signals: {error}"));
    let mut hangup = signal(SignalKind::hangup()).map_err(unusable)?;
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => {
                sources.end().await;
                return Ok(());
            }
            failure = sources.failed() => {
                tracing::error!("a source has ended, the others go on; it is started again when its configuration changes:\n{failure}");
                continue;
            }
            asked = next(&mut noticed, &mut hangup) => asked,
        };
        let found = tokio::task::block_in_place(|| reader.look(asked));
        if let Err(failure) = watcher.watch(&reader.paths()) {
            tracing::error!("changes of some files are not noticed: {failure}");
        }
        match found {
            Ok(Found::Nothing) => {}
            Ok(Found::AsBefore) => {
                metrics.configuration_is(true);
                tracing::info!("the files say what is in force");
            }
            Ok(Found::New(new)) => {
                let New { message, configuration } = *new;
                if let Some(message) = message {
                    metrics.reloaded(true);
                    if messages.send(message).await.is_err() {
                        return Ok(());
                    }
                }
                metrics.configured();
                if let Some((loaded, _)) = &configuration {
                    let told = Message::Input(Box::new(channels.replace(loaded)));
                    if messages.send(told).await.is_err() {
                        return Ok(());
                    }
                }
                if let Some((loaded, waiting)) = configuration
                    && let Err(failure) = configure(&mut sources, &people, &loaded, &waiting)
                {
                    metrics.configuration_is(false);
                    reader.not_in_force();
                    tracing::error!("a source cannot be started, the others go on:\n{failure}");
                }
            }
            Err(Refused { failure, configuration }) => {
                metrics.reloaded(false);
                metrics.configuration_is(!configuration);
                let what = if configuration { "configuration is" } else { "policies are" };
                tracing::error!("the changed {what} not used, what was loaded before stays in force:\n{failure}");
            }
        }
    }
}

/// Who may ask, and what they are shown first.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) access: Arc<Access>,
    pub(crate) certificate: Option<Arc<Certificate>>,
}

impl People {
    /// As this configuration says from now on.
    fn replace(&self, loaded: &Loaded) -> Result<(), Failure> {
        self.access.replace(loaded.configuration.api.as_ref());
        let read = loaded.certificate().map_err(|flaw| Failure::of("the configuration", &[*flaw]))?;
        if let (Some(certificate), Some(read)) = (&self.certificate, read) {
            certificate.replace(read);
        }
        Ok(())
    }
}

/// Puts a configuration into force as far as that is possible, and says how far.
fn configure(sources: &mut Sources, people: &People, loaded: &Loaded, waiting: &[&str]) -> Result<(), Failure> {
    people.replace(loaded)?;
    let started = sources.replace(loaded)?;
    tracing::info!(sources_started = started, "the changed configuration is in force");
    if !waiting.is_empty() {
        let waiting = waiting.join(", ");
        tracing::warn!(
            "homeostat has to be started again for these changes of the configuration: {waiting}; until then it goes on with what they were"
        );
    }
    Ok(())
}

/// Waits for a reason to look; whether somebody asked for it.
async fn next(noticed: &mut mpsc::Receiver<()>, hangup: &mut Signal) -> bool {
    tokio::select! {
        _ = noticed.recv() => {}
        _ = hangup.recv() => return true,
    }
    let quiet =
        async { while tokio::time::timeout(QUIET, noticed.recv()).await.is_ok_and(|notice| notice.is_some()) {} };
    // Longer is not waited, whether it is quiet or not.
    let _ = tokio::time::timeout(LONGEST_WAIT, quiet).await;
    false
}

/// Reads the files again and again, and tells what is new.
#[derive(Debug)]
pub(crate) struct Reader {
    /// As homeostat was started.
    first: Loaded,
    /// Whether time is that of a scenario, which no source can live with.
    only_virtual: bool,
    /// What is in force.
    policies: PolicyFiles,
    texts: Vec<SourceText>,
    written: Written,
    /// What was read last, good or not.
    seen: Option<Seen>,
    /// The files of the configuration, as they were found last.
    read: Read,
    secret_files: Vec<PathBuf>,
}

/// What a configuration says.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    values: Value,
    secrets: Vec<u64>,
}

/// All that was read.
#[derive(Debug, PartialEq)]
struct Seen {
    read: Read,
    /// `None`: it has problems, by their texts.
    written: Result<Written, String>,
    /// Or why they could not be read.
    policies: Result<Vec<SourceText>, String>,
}

/// What came of a look.
#[derive(Debug)]
pub(crate) enum Found {
    /// What was read last time.
    Nothing,
    /// What is in force, after something else, or for who asked.
    AsBefore,
    /// Something to put into force.
    New(Box<New>),
}

/// What is to be put into force.
#[derive(Debug)]
pub(crate) struct New {
    /// Policies, when they are others or are read otherwise.
    message: Option<Message>,
    /// A configuration, and its parts that have to wait for a restart.
    configuration: Option<(Loaded, Vec<&'static str>)>,
}

/// Problems, and whether they are the configuration's.
#[derive(Debug)]
pub(crate) struct Refused {
    failure: Failure,
    configuration: bool,
}

/// What can change only when homeostat is started again.
const FIXED: [&str; 7] = ["adapters", "listen", "socket", "journal", "traces", "speed", "until"];

impl Reader {
    /// Begins with what was loaded at the start: a configuration with `policies`, which have these `texts`.
    pub(crate) fn new(first: Loaded, only_virtual: bool, policies: PolicyFiles, texts: Vec<SourceText>) -> Self {
        let written = Written::of(&first);
        let secret_files = first.secret_files().collect();
        let read = if first.file.is_some() { first.read.clone() } else { Read::default() };
        Self { first, only_virtual, policies, texts, written, seen: None, read, secret_files }
    }

    /// What is to be watched.
    fn paths(&self) -> Vec<PathBuf> {
        // A file of that name need not be there: its folder is meant.
        let folders = self.read.folders.iter().map(|folder| folder.join(".include"));
        let own = self.first.file.iter().chain(self.read.files.keys()).chain(&self.secret_files);
        own.chain(&self.policies.paths).cloned().chain(folders).collect()
    }

    /// What is new. Who `asked` is answered also when nothing is.
    ///
    /// # Errors
    /// [`Refused`] with every problem, once for the same files unless it is asked.
    pub(crate) fn look(&mut self, asked: bool) -> Result<Found, Refused> {
        let (loaded, read) = match &self.first.file {
            Some(file) => {
                let (loaded, read) = Loaded::read_all(file);
                (Some(loaded.and_then(|loaded| self.usable(loaded))), read)
            }
            None => (None, Read::default()),
        };
        let written = match &loaded {
            Some(Ok(loaded)) => Ok(Written::of(loaded)),
            Some(Err(flaws)) => Err(flaws.iter().map(ToString::to_string).collect()),
            None => Ok(self.written.clone()),
        };
        let loaded = loaded.transpose().map_err(|flaws| Failure::of("the configuration", &flaws));
        let files = match &loaded {
            Ok(Some(loaded)) => policy_files(loaded),
            _ => self.policies.clone(),
        };
        let texts = files.sources();
        let seen = Seen {
            read: read.clone(),
            written,
            policies: texts.as_ref().map(Clone::clone).map_err(ToString::to_string),
        };
        if self.seen.as_ref() == Some(&seen) && !asked {
            return Ok(Found::Nothing);
        }
        let began = self.seen.is_none();
        self.read = read;
        let new_written = seen.written.as_ref().ok().cloned();
        self.seen = Some(seen);
        let refused = |configuration| move |failure| Refused { failure, configuration };
        let loaded = loaded.map_err(refused(true))?;
        let texts = texts.map_err(refused(false))?;
        let reconfigured = new_written.filter(|written| *written != self.written);
        if reconfigured.is_none() && texts == self.texts {
            return Ok(if began && !asked { Found::Nothing } else { Found::AsBefore });
        }
        let message = files.message(&texts).map_err(refused(reconfigured.is_some()))?;
        let message = (texts != self.texts || reconfigured.is_some()).then_some(message);
        (self.policies, self.texts) = (files, texts);
        let configuration = reconfigured.and_then(|written| {
            self.written = written;
            loaded.map(|loaded| self.reconfigure(loaded))
        });
        Ok(Found::New(Box::new(New { message, configuration })))
    }

    /// What was found last could not be put into force: it is as new when it is found again.
    fn not_in_force(&mut self) {
        self.written.values = Value::Null;
        self.seen = None;
    }

    /// A configuration whose files can be read, with the adapters that run: by them policies are checked.
    fn usable(&self, mut loaded: Loaded) -> Result<Loaded, Vec<Flaw>> {
        let unreadable = loaded.unreadable_inputs();
        loaded.configuration.adapters.clone_from(&self.first.configuration.adapters);
        if unreadable.is_empty() { Ok(loaded) } else { Err(unreadable) }
    }

    /// A configuration with what has to wait for a restart as it was.
    fn reconfigure(&mut self, mut loaded: Loaded) -> (Loaded, Vec<&'static str>) {
        self.secret_files = loaded.secret_files().collect();
        let value = |loaded: &Loaded, part: &str| loaded.origins.value().get(part).cloned();
        let mut waiting: Vec<&'static str> =
            FIXED.into_iter().filter(|part| value(&loaded, part) != value(&self.first, part)).collect();
        let tls = |loaded: &Loaded| loaded.configuration.api.as_ref().is_some_and(|api| api.tls.is_some());
        if tls(&loaded) != tls(&self.first) {
            waiting.push("api.tls");
        }
        if self.only_virtual && !loaded.configuration.sources.is_empty() {
            waiting.push("sources (time is the scenario's)");
            loaded.configuration.sources.clear();
        }
        (loaded, waiting)
    }
}

impl Written {
    fn of(loaded: &Loaded) -> Self {
        Self { values: loaded.origins.value().clone(), secrets: loaded.fingerprints() }
    }
}

#[cfg(test)]
mod tests;
