//! Runs inputs through the engine in virtual time: what `backtest` and `test` share.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use homeostat_engine::Input;
use homeostat_model::{Generation, Timestamp};
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics};
use homeostat_simulator::{VirtualDriver, World};

use crate::{
    command::check,
    recording::{Line, RecordedFile, VERSION},
    report::Failure,
};

/// The longest line of a recording: a snapshot of 10,000 resources is about 5 MB.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Something that happens at a moment.
#[derive(Debug)]
pub(crate) enum Happening {
    /// These policies are in force from now on.
    Policies(Vec<Arc<Policy>>),
    /// The engine is told something.
    Input(Box<Input>),
    /// Nothing; time passes until then.
    End,
}

/// Runs `happenings` in order; `at_checkpoint` is called when everything until each of `checkpoints` has happened.
///
/// # Errors
/// Those of the happenings and of `at_checkpoint`.
pub(crate) fn drive<W: World>(
    driver: &mut VirtualDriver<W>,
    happenings: impl Iterator<Item = Result<(Timestamp, Happening), Failure>>,
    checkpoints: &[Timestamp],
    mut at_checkpoint: impl FnMut(&mut VirtualDriver<W>, usize),
) -> Result<(), Failure> {
    let mut waiting = checkpoints.iter().enumerate().peekable();
    for happening in happenings {
        let (at, happening) = happening?;
        while let Some((index, checkpoint)) = waiting.next_if(|(_, checkpoint)| **checkpoint < at) {
            driver.run_until(*checkpoint);
            at_checkpoint(driver, index);
        }
        match happening {
            Happening::Policies(policies) => driver.replace_policies(at, &policies).map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Failure::new(errors.join("\n"))
            })?,
            Happening::Input(input) => driver.handle(at, *input),
            Happening::End => driver.run_until(at),
        }
    }
    for (index, checkpoint) in waiting {
        driver.run_until(*checkpoint);
        at_checkpoint(driver, index);
    }
    Ok(())
}

/// A recording that is being read.
#[derive(Debug)]
pub(crate) struct Recording {
    name: String,
    lines: BufReader<File>,
    number: usize,
    /// The generation of the engine that made it.
    pub(crate) generation: Generation,
}

impl Recording {
    /// Opens `path` if it is a recording; `None` when its first line says that it is something else.
    ///
    /// # Errors
    /// When it cannot be read, or is of a version that is not known.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
        let mut recording = Self { name, lines: BufReader::new(file), number: 0, generation: Generation(0) };
        match recording.next_line() {
            Ok(Some(Line::Head { recording: VERSION, generation })) => {
                recording.generation = generation;
                Ok(Some(recording))
            }
            Ok(Some(Line::Head { recording: version, .. })) => {
                Err(Failure::new(format!("{} is a recording of version {version}", recording.name))
                    .help(format!("this homeostat reads version {VERSION}")))
            }
            _ => Ok(None),
        }
    }

    /// The policies of its first load, as files.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn first_policies(path: &Path) -> Result<Vec<RecordedFile>, Failure> {
        let Some(mut recording) = Self::open(path)? else { return Ok(Vec::new()) };
        while let Some(line) = recording.next_line()? {
            if let Line::Policies { policies, .. } = line {
                return Ok(policies);
            }
        }
        Ok(Vec::new())
    }

    fn next_line(&mut self) -> Result<Option<Line>, Failure> {
        let mut text = String::new();
        self.number += 1;
        let place = || format!("{}:{}", self.name, self.number);
        let read = (&mut self.lines).take(MAX_LINE_BYTES).read_line(&mut text);
        match read.map_err(|error| Failure::new(format!("{}: {error}", place())))? {
            0 => Ok(None),
            _ => serde_json::from_str(&text).map(Some).map_err(|error| {
                Failure::new(format!("{}: not a line of a recording: {error}", place()))
                    .help("a recording is made by `homeostat run --record FILE` and is read as it was written")
            }),
        }
    }

    /// What happened. With `policies`, these are in force instead of the recorded ones; `reports` says whether what became of
    /// steps is taken from the recording.
    pub(crate) fn happenings(
        mut self,
        policies: Option<Vec<Arc<Policy>>>,
        reports: bool,
    ) -> impl Iterator<Item = Result<(Timestamp, Happening), Failure>> {
        let mut loaded = false;
        std::iter::from_fn(move || {
            loop {
                let line = match self.next_line() {
                    Ok(line) => line?,
                    Err(failure) => return Some(Err(failure)),
                };
                return Some(Ok(match line {
                    Line::Head { .. } => continue,
                    Line::End { at, .. } => (at, Happening::End),
                    Line::Input { input, .. } if !reports && matches!(*input, Input::Report(_)) => continue,
                    Line::Input { at, input } => (at, Happening::Input(input)),
                    Line::Policies { at, policies: recorded } => match &policies {
                        Some(_) if loaded => continue,
                        Some(policies) => {
                            loaded = true;
                            (at, Happening::Policies(policies.clone()))
                        }
                        None => match load_recorded(recorded) {
                            Ok(policies) => (at, Happening::Policies(policies)),
                            Err(failure) => return Some(Err(failure)),
                        },
                    },
                }));
            }
        })
    }
}

/// Policies as a recording has them. They were checked when they were loaded, against what was connected then.
fn load_recorded(files: Vec<RecordedFile>) -> Result<Vec<Arc<Policy>>, Failure> {
    let sources: Vec<SourceText> =
        files.into_iter().map(|RecordedFile { name, text }| SourceText { name, text }).collect();
    let checked = check::load(&sources, &Catalogue::new(UnknownMetrics::Allow));
    if checked.is_good() { Ok(checked.policies.into_iter().map(Arc::new).collect()) } else { Err(checked.failure()) }
}
