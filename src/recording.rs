//! Recordings: every input of a live run with its time, so that it can be repeated exactly.
//!
//! One JSON object a line. The first says what generation the engine was of, the others are inputs:
//! `{"at":1700000000000,"policies":[{"name":..,"text":..}]}` or `{"at":1700000000000,"input":{..}}`; the last is
//! `{"at":1700000000000,"end":true}`. A run that was killed has no such end, and its last line may be cut off.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use homeostat_engine::Input;
use homeostat_model::{Generation, Timestamp};
use serde::{Deserialize, Serialize};

use crate::report::Failure;

/// The recording's format; a reader refuses one that it does not know.
pub(crate) const VERSION: u32 = 1;

/// A policy file as it was when it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedFile {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Line {
    /// The first line.
    Head { recording: u32, generation: Generation },
    /// Policies were loaded.
    Policies { at: Timestamp, policies: Vec<RecordedFile> },
    /// The engine was told something.
    Input { at: Timestamp, input: Box<Input> },
    /// The run ended; time passed until then.
    End { at: Timestamp, end: bool },
}

/// Writes a recording.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: BufWriter<File>,
    name: String,
}

impl Recorder {
    pub(crate) fn create(path: &Path, generation: Generation) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|error| Failure::new(format!("cannot create {name}: {error}")))?;
        let mut recorder = Self { file: BufWriter::new(file), name };
        recorder.write(&Line::Head { recording: VERSION, generation })?;
        Ok(recorder)
    }

    pub(crate) fn write(&mut self, line: &Line) -> Result<(), Failure> {
        let written =
            serde_json::to_string(line).map_err(std::io::Error::other).and_then(|text| writeln!(self.file, "{text}"));
        written.map_err(|error| Failure::new(format!("cannot write {}: {error}", self.name)))
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| Failure::new(format!("cannot write {}: {error}", self.name)))
    }
}
