//! A source that reads JSON lines from a file or standard input.
//!
//! ```text
//!   a thread: read -> lines -> parse --bounded channel--> run: sink
//! ```
//!
//! Reading blocks, and reading standard input cannot be interrupted. So a thread of its own reads; it ends at the next line
//! or look at the file after nobody listens any more, and [`JsonLines`] does not wait for it. Whoever reads the same after that, with
//! another mapping, listens to the same thread: no line falls between them.

use std::{
    fmt::Display,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    vec,
};

use async_trait::async_trait;
use homeostat_model::{Duration, Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink, Source, SourceError};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Intake, Mapping, Memory, Reason,
    complaint::Complaints,
    follow,
    labels::SentLabels,
    line::{Line, Said},
    lock::lock,
    reader::Lines,
};

/// Lines that were read and are not sent yet: enough that the thread and the engine seldom wait for each other.
const CHANNEL_LINES: usize = 256;

/// Age from which an event of a followed file is passed over; one without a time is as old as the file. The file is read from its begin whenever the program starts,
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
    /// from its begin; events that say that they are older than five minutes are passed over, and so are those that were there
    /// before the start and do not say how old they are. Default: no.
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
    memory: Memory,
}

impl JsonLines {
    /// A source that reads what `config` says; lines without a time have the `clock`'s. What became of them is counted in
    /// `intake`. What one with the same `memory` was reading is read on.
    #[must_use]
    pub fn new(config: JsonLinesConfig, clock: Clock, intake: Arc<Intake>, memory: Memory) -> Self {
        Self { config, clock, intake, memory }
    }

    /// Goes on with what was being read, or begins anew when that was something else.
    fn resume(&self, reading: &mut Option<Reading>) -> Result<(), SourceError> {
        if let Some(reading) = reading.as_ref().filter(|reading| reading.is_of(&self.config)) {
            *lock(&reading.mapping) = Arc::new(self.config.mapping.clone());
            return Ok(());
        }
        let (sender, receiver) = mpsc::channel(CHANNEL_LINES);
        let mapping = Arc::new(Mutex::new(Arc::new(self.config.mapping.clone())));
        let (path, follow) = (self.config.path.clone(), self.config.follow);
        let began = Reading { path, follow, mapping: mapping.clone(), receiver, pending: Vec::new().into_iter() };
        let pump = Pump::new(self, mapping, sender);
        // Not one of the runtime's threads: those are waited for when the program ends.
        std::thread::Builder::new()
            .name("json-lines".into())
            .spawn(move || pump.run())
            .map_err(|error| self.failed(format!("cannot start a thread to read with: {error}")))?;
        *reading = Some(began);
        Ok(())
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
        let pass_on = async {
            let mut slot = self.memory.reading().await;
            self.resume(&mut slot)?;
            let ended = match slot.as_mut() {
                Some(reading) => reading.pass_on(sink).await.map_err(|reason| self.failed(reason)),
                None => Ok(()),
            };
            *slot = None;
            ended
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            done = pass_on => done,
        }
    }
}

/// What is being read: by a thread, and by whom that is kept who listens to it.
#[derive(Debug)]
pub(crate) struct Reading {
    path: PathBuf,
    follow: bool,
    mapping: Arc<Mutex<Arc<Mapping>>>,
    receiver: mpsc::Receiver<Result<Vec<Observation>, String>>,
    /// What is not sent yet of the line received last.
    pending: vec::IntoIter<Observation>,
}

impl Reading {
    /// Whether it is what `config` wants to be read.
    fn is_of(&self, config: &JsonLinesConfig) -> bool {
        (&self.path, self.follow) == (&config.path, config.follow)
    }

    /// Sends on until there is no more, or nobody listens. Wherever it is left, it can go on from there later.
    async fn pass_on(&mut self, sink: &ObservationSink) -> Result<(), String> {
        loop {
            while self.pending.len() > 0 {
                let Ok(room) = sink.reserve().await else { return Ok(()) };
                if let Some(observation) = self.pending.next() {
                    room.send(observation);
                }
            }
            match self.receiver.recv().await {
                Some(read) => self.pending = read?.into_iter(),
                None => return Ok(()),
            }
        }
    }
}

/// The reading side.
pub(crate) struct Pump {
    config: JsonLinesConfig,
    clock: Clock,
    sender: mpsc::Sender<Result<Vec<Observation>, String>>,
    mapping: Arc<Mutex<Arc<Mapping>>>,
    labels: SentLabels,
    memory: Memory,
    intake: Arc<Intake>,
    complaints: Complaints,
    /// Whether what is read now was there before the start.
    before_start: bool,
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
        source: &JsonLines,
        mapping: Arc<Mutex<Arc<Mapping>>>,
        sender: mpsc::Sender<Result<Vec<Observation>, String>>,
    ) -> Self {
        let JsonLines { config, clock, intake, memory } = source;
        Self {
            config: config.clone(),
            clock: *clock,
            sender,
            mapping,
            labels: SentLabels::default(),
            memory: memory.clone(),
            intake: intake.clone(),
            complaints: Complaints::new(&config.name, *clock),
            before_start: false,
        }
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

    /// Sends all complete lines of the first `bytes`, which were there before the start.
    pub(crate) fn read_old(&mut self, reader: &mut impl BufRead, bytes: u64, lines: &mut Lines) -> Result<(), Ended> {
        self.before_start = true;
        let read = self.read_complete(&mut reader.take(bytes), lines);
        self.before_start = false;
        read
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
        let mapping = lock(&self.mapping).clone();
        let line = match lines.take(&mapping) {
            None => return Ok(()),
            Some(Ok(line)) => line,
            Some(Err(error)) => {
                self.refuse(error.reason(), &error);
                return if self.is_heard() { Ok(()) } else { Err(Unheard) };
            }
        };
        let now = self.clock.now();
        let key = line.key();
        if let Some(stale) = self.stale(&line, now) {
            let why = format!("line {}: {stale}; look at old events with `homeostat backtest`", lines.number());
            self.refuse(Reason::Stale, &why);
            // It is not to be answered either when the same file is written anew.
            self.intake.forget(key.map_or(0, |key| self.memory.seen().insert(key)));
            return Ok(());
        }
        if key.is_some_and(|key| self.memory.seen().contains(key)) {
            self.intake.repeat(1);
            return Ok(());
        }
        let mut observations = line.observations(now);
        observations.retain(|observation| self.labels.is_new(observation, now));
        if !observations.is_empty() {
            self.sender.blocking_send(Ok(observations)).map_err(|_| Unheard)?;
        }
        self.intake.forget(key.map_or(0, |key| self.memory.seen().insert(key)));
        self.intake.took(1);
        Ok(())
    }

    fn refuse(&mut self, reason: Reason, why: &dyn Display) {
        self.intake.refuse(reason, 1);
        self.complaints.refused(why);
    }

    /// Why the event that `line` is may have been answered before the program started, if it may have been.
    fn stale(&self, line: &Line, now: Timestamp) -> Option<String> {
        if !self.config.follow || !matches!(line.said, Said::Event { .. }) {
            return None;
        }
        let answered = "may have been answered before the program started";
        match line.time {
            Some(time) if now.since(time) > STALE_EVENT => {
                Some(format!("the event is older than {STALE_EVENT}, and {answered}"))
            }
            None if self.before_start => {
                Some(format!("the event gives no `time`, was there at the start, and {answered}"))
            }
            _ => None,
        }
    }
}
