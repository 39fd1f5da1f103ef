//! A source that reads JSON lines from a file or standard input.
//!
//! ```text
//!   a thread: read -> lines -> parse --bounded channel--> run: sink
//! ```
//!
//! Reading blocks, and reading standard input cannot be interrupted. So a thread of its own reads; it ends at the next line
//! or look at the file after nobody listens any more, and [`JsonLines`] does not wait for it.

use std::{
    fmt::Display,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use homeostat_model::{Duration, Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink, Source, SourceError};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Intake, Mapping, Reason,
    complaint::Complaints,
    follow,
    labels::SentLabels,
    line::{Line, Said},
    reader::Lines,
    seen::Seen,
};

/// Lines that were read and are not sent yet: enough that the thread and the engine seldom wait for each other.
const CHANNEL_LINES: usize = 256;

/// Age from which an event of a followed file is passed over. The file is read from its begin whenever the program starts,
/// and what was answered before must not be answered again. Five minutes are what the engine gives an event to be answered.
const STALE_EVENT: Duration = Duration::from_mins(5);

/// JSON lines from a file or standard input.
///
/// ```yaml
/// name: metrics
/// path: /var/log/metrics.jsonl
/// follow: true
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JsonLinesConfig {
    /// The source's name, for messages. Default `json-lines`.
    #[serde(default = "default_name")]
    pub name: String,
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// Whether to read on as the file grows, is truncated or replaced, and to wait for it when it is not there. It is read
    /// from its begin; events that say that they are older than five minutes are passed over. Default: no.
    #[serde(default)]
    pub follow: bool,
    /// How foreign lines are read.
    #[serde(default)]
    pub mapping: Mapping,
}

fn default_name() -> String {
    "json-lines".into()
}

/// The source.
#[derive(Debug)]
pub struct JsonLines {
    config: JsonLinesConfig,
    clock: Clock,
    intake: Arc<Intake>,
}

impl JsonLines {
    /// A source that reads what `config` says; lines without a time have the `clock`'s. What became of them is counted in
    /// `intake`.
    #[must_use]
    pub fn new(config: JsonLinesConfig, clock: Clock, intake: Arc<Intake>) -> Self {
        Self { config, clock, intake }
    }

    fn failed(&self, reason: String) -> SourceError {
        SourceError { name: self.config.name.clone(), reason }
    }
}

#[async_trait]
impl Source for JsonLines {
    fn name(&self) -> &str {
        &self.config.name
    }

    async fn run(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), SourceError> {
        let (sender, mut receiver) = mpsc::channel(CHANNEL_LINES);
        let pump = Pump::new(self.config.clone(), self.clock, self.intake.clone(), sender);
        // Not one of the runtime's threads: those are waited for when the program ends.
        std::thread::Builder::new()
            .name("json-lines".into())
            .spawn(move || pump.run())
            .map_err(|error| self.failed(format!("cannot start a thread to read with: {error}")))?;
        let pass_on = async {
            while let Some(read) = receiver.recv().await {
                for observation in read.map_err(|reason| self.failed(reason))? {
                    if sink.send(observation).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            done = pass_on => done,
        }
    }
}

/// The reading side.
pub(crate) struct Pump {
    config: JsonLinesConfig,
    clock: Clock,
    sender: mpsc::Sender<Result<Vec<Observation>, String>>,
    labels: SentLabels,
    seen: Seen,
    intake: Arc<Intake>,
    complaints: Complaints,
}

/// Nobody listens any more.
pub(crate) struct Unheard;

/// Why reading ended.
pub(crate) enum Ended {
    Unheard,
    Failed(io::Error),
}

impl From<Unheard> for Ended {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Pump {
    fn new(
        config: JsonLinesConfig,
        clock: Clock,
        intake: Arc<Intake>,
        sender: mpsc::Sender<Result<Vec<Observation>, String>>,
    ) -> Self {
        let complaints = Complaints::new(&config.name, clock);
        Self { config, clock, sender, labels: SentLabels::default(), seen: Seen::default(), intake, complaints }
    }

    fn run(mut self) {
        let path = self.config.path.clone();
        let ended = if path == Path::new("-") {
            self.read_whole(io::stdin().lock())
        } else if self.config.follow {
            follow::follow(&mut self, &path)
        } else {
            std::fs::File::open(&path).map_err(Ended::Failed).and_then(|file| self.read_whole(BufReader::new(file)))
        };
        match ended {
            Ok(()) => {
                let (source, refused) = (&self.config.name, self.complaints.total());
                tracing::info!(%source, refused, "read to the end");
            }
            Err(Ended::Unheard) => {}
            Err(Ended::Failed(error)) => {
                let reason = format!("cannot read {}: {error}; check the path and its permissions", path.display());
                // Nobody left to be told is no reason to complain.
                let _ = self.sender.blocking_send(Err(reason));
            }
        }
    }

    fn read_whole(&mut self, mut reader: impl BufRead) -> Result<(), Ended> {
        let mut lines = Lines::default();
        self.read_complete(&mut reader, &mut lines)?;
        Ok(self.read_partial(&mut lines)?)
    }

    /// Sends all complete lines that there are.
    pub(crate) fn read_complete(&mut self, reader: &mut impl BufRead, lines: &mut Lines) -> Result<(), Ended> {
        while lines.fill(reader)? {
            self.send(lines)?;
        }
        Ok(())
    }

    /// Sends a last line that does not end in a line feed.
    pub(crate) fn read_partial(&mut self, lines: &mut Lines) -> Result<(), Unheard> {
        if lines.is_partial() { self.send(lines) } else { Ok(()) }
    }

    /// Whether there is still somebody to send to.
    pub(crate) fn is_heard(&self) -> bool {
        !self.sender.is_closed()
    }

    /// The source's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    fn send(&mut self, lines: &mut Lines) -> Result<(), Unheard> {
        let line = match lines.take(&self.config.mapping) {
            None => return Ok(()),
            Some(Ok(line)) => line,
            Some(Err(error)) => {
                self.refuse(error.reason(), &error);
                return if self.is_heard() { Ok(()) } else { Err(Unheard) };
            }
        };
        let now = self.clock.now();
        if self.config.follow && is_stale(&line, now) {
            let number = lines.number();
            let why = format!(
                "line {number}: the event is older than {STALE_EVENT}, and may have been answered before the program started; \
                 look at old events with `homeostat backtest`"
            );
            self.refuse(Reason::Stale, &why);
            return Ok(());
        }
        let key = line.key();
        if key.is_some_and(|key| self.seen.contains(key)) {
            self.intake.repeat(1);
            return Ok(());
        }
        let mut observations = line.observations(now);
        observations.retain(|observation| self.labels.is_new(observation, now));
        if !observations.is_empty() {
            self.sender.blocking_send(Ok(observations)).map_err(|_| Unheard)?;
        }
        self.intake.forget(key.map_or(0, |key| self.seen.insert(key)));
        self.intake.took(1);
        Ok(())
    }

    fn refuse(&mut self, reason: Reason, why: &dyn Display) {
        self.intake.refuse(reason, 1);
        self.complaints.refused(why);
    }
}

fn is_stale(line: &Line, now: Timestamp) -> bool {
    matches!(line.said, Said::Event { .. }) && line.time.is_some_and(|time| now.since(time) > STALE_EVENT)
}
