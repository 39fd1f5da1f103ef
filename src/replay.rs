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
use serde::Deserialize;

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

/// What the first line of every recording says, whatever its version.
#[derive(Debug, Deserialize)]
struct Version {
    recording: u32,
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
        let first = recording.next_text()?;
        if let Ok(Line::Head { recording: VERSION, generation }) = serde_json::from_slice(&first) {
            recording.generation = generation;
            return Ok(Some(recording));
        }
        // The head of another version may say more, or less.
        let Ok(Version { recording: version }) = serde_json::from_slice(&first) else { return Ok(None) };
        Err(Failure::new(format!("{} is a recording of version {version} that cannot be read", recording.name))
            .help(format!("this homeostat reads version {VERSION}; replay it with the homeostat that made it")))
    }

    /// Every load of policies in the recording at `path`: the files of the first, and how many there were.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn loads(path: &Path) -> Result<(Vec<RecordedFile>, usize), Failure> {
        let (mut first, mut loads) = (Vec::new(), 0);
        let Some(mut recording) = Self::open(path)? else { return Ok((first, loads)) };
        while let Some(line) = recording.next_line()? {
            if let Line::Policies { policies, .. } = line {
                if loads == 0 {
                    first = policies;
                }
                loads += 1;
            }
        }
        Ok((first, loads))
    }

    /// When it begins and ends; `None` when nothing happens in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn span(self) -> Result<Option<(Timestamp, Timestamp)>, Failure> {
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for happening in self.happenings(Some(Vec::new()), true) {
            let (at, _) = happening?;
            span = Some((span.map_or(at, |(start, _)| start), at));
        }
        Ok(span)
    }

    fn next_line(&mut self) -> Result<Option<Line>, Failure> {
        let text = self.next_text()?;
        if text.is_empty() {
            return Ok(None);
        }
        let place = format!("{}:{}", self.name, self.number);
        let whole = text.ends_with(b"\n") || u64::try_from(text.len()).is_ok_and(|bytes| bytes >= MAX_LINE_BYTES);
        match serde_json::from_slice(&text) {
            Ok(line) => Ok(Some(line)),
            Err(error) if !whole => {
                tracing::warn!("{place}: the last line was cut off, and is left out: {error}");
                Ok(None)
            }
            Err(error) => Err(Failure::new(format!("{place}: not a line of a recording: {error}"))
                .help("a recording is made by `homeostat run --record FILE` and is read as it was written")),
        }
    }

    /// The bytes of the next line; none at the end.
    fn next_text(&mut self) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        self.number += 1;
        let read = (&mut self.lines).take(MAX_LINE_BYTES).read_until(b'\n', &mut text);
        read.map_err(|error| Failure::new(format!("cannot read {}:{}: {error}", self.name, self.number)))?;
        Ok(text)
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
    check::policies(&sources, &Catalogue::new(UnknownMetrics::Allow))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Happening, Recording};

    const HEAD: &str = "{\"recording\":1,\"generation\":3}\n";
    const END: &str = "{\"at\":1700000000000,\"end\":true}\n";

    /// How many things happened in a recording of this text, or what is wrong with it.
    fn happened(text: &[u8]) -> Result<Option<usize>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.jsonl");
        fs::write(&path, text).unwrap();
        let Some(recording) = Recording::open(&path).map_err(|failure| failure.to_string())? else { return Ok(None) };
        assert_eq!(recording.generation.0, 3);
        let happenings: Result<Vec<_>, _> = recording.happenings(None, true).collect();
        let happenings = happenings.map_err(|failure| failure.to_string())?;
        assert!(happenings.iter().all(|(_, happening)| matches!(happening, Happening::End)));
        Ok(Some(happenings.len()))
    }

    #[test]
    fn only_a_last_line_may_be_cut_off() {
        let torn = END.get(..20).unwrap();
        for (text, expected) in [
            (format!("{HEAD}{END}{END}"), Ok(Some(2))),
            (format!("{HEAD}{END}{torn}"), Ok(Some(1))),
            (format!("{HEAD}{END}{}", END.trim_end()), Ok(Some(2))),
            (format!("{HEAD}{torn}\n{END}"), Err(":2: not a line of a recording")),
            (format!("{HEAD}{END}{torn}\n"), Err(":3: not a line of a recording")),
        ] {
            match (happened(text.as_bytes()), expected) {
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{text}: {problem}"),
                (happened, expected) => assert_eq!(happened, expected.map_err(str::to_owned), "{text}"),
            }
        }
        // In the middle of a character.
        let torn = [HEAD.as_bytes(), END.as_bytes(), b"{\"at\":1700000000000,\"policies\":[{\"name\":\"\xc3"].concat();
        assert_eq!(happened(&torn), Ok(Some(1)));
    }

    #[test]
    fn what_is_no_recording_is_told_from_one_that_cannot_be_read() {
        assert_eq!(happened(b"{\"resource\":\"vm/a\"}\n"), Ok(None));
        assert_eq!(happened(b""), Ok(None));
        assert_eq!(happened(b"\xff\xfe\n"), Ok(None));
        for head in ["{\"recording\":2,\"generation\":3}\n", "{\"recording\":2,\"codec\":\"zstd\"}\n"] {
            assert!(happened(head.as_bytes()).is_err_and(|problem| problem.contains("version 2")), "{head}");
        }
    }
}
