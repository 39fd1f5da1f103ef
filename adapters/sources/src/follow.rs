//! Follows a file as it grows: also after it was truncated, replaced by another one, or gone for a while.
//!
//! ```text
//!            not there              truncated: from its begin
//!   Waiting -----------> (poll)   +------------------------------+
//!      |  there                   v                              |
//!      +------------------> Reading --end--> (poll) --> the same file? --replaced--> last line, Waiting
//! ```
//!
//! A file that was truncated and has grown beyond its old length between two looks cannot be told from one that has grown.

use std::{
    fs::{self, File, Metadata},
    io::{self, BufReader, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

use crate::{
    json_lines::{Ended, Pump, Unheard},
    reader::Lines,
};

/// How often the file is looked at. A person does not notice the delay, and a look costs microseconds.
const POLL: Duration = Duration::from_millis(250);

/// What became of the file at a path.
enum Look {
    /// It is the one that is being read, or there is none now.
    Same,
    /// It is the one that is being read, and is shorter than what was read of it.
    Truncated,
    /// It is another one.
    Replaced,
}

/// Reads the file at `path` until nobody listens any more. One that may not be read, as right after it was rotated, is waited for
/// like one that is not there.
pub(crate) fn follow(pump: &mut Pump, path: &Path) -> Result<(), Ended> {
    let (mut told, mut at_start) = (None, true);
    loop {
        match File::open(path) {
            Ok(file) => {
                told = None;
                // A pipe has no length, and what is in it was read by nobody before.
                let old = if at_start { file.metadata()?.len() } else { 0 };
                read_until_replaced(pump, path, file, old)?;
            }
            Err(error) => {
                if told.replace(error.kind()) != Some(error.kind()) {
                    tracing::warn!(source = %pump.name(), path = %path.display(), %error, "the file cannot be opened; waiting for it");
                }
                wait(pump)?;
            }
        }
        at_start = false;
    }
}

/// Reads `file`, whose first `old` bytes were there before the start.
fn read_until_replaced(pump: &mut Pump, path: &Path, file: File, old: u64) -> Result<(), Ended> {
    let mut reader = BufReader::new(file);
    let mut lines = Lines::default();
    pump.read_old(&mut reader, old, &mut lines)?;
    loop {
        pump.read_complete(&mut reader, &mut lines)?;
        match look(path, &mut reader)? {
            Look::Same => wait(pump)?,
            Look::Truncated => {
                tracing::info!(source = %pump.name(), "the file was truncated; reading it from its begin");
                reader.seek(SeekFrom::Start(0))?;
                lines = Lines::default();
            }
            Look::Replaced => {
                // What was written between the last reading and the replacement.
                pump.read_complete(&mut reader, &mut lines)?;
                return Ok(pump.read_partial(&mut lines)?);
            }
        }
    }
}

fn look(path: &Path, reader: &mut BufReader<File>) -> io::Result<Look> {
    let at_path = match fs::metadata(path) {
        Ok(metadata) => metadata,
        // Gone, or out of reach: what is open is read on.
        Err(_) => return Ok(Look::Same),
    };
    let open = reader.get_ref().metadata()?;
    let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    if identity(&open) != identity(&at_path) {
        return Ok(Look::Replaced);
    }
    // A pipe has neither a length nor a position.
    let truncated = open.is_file() && open.len() < reader.stream_position()?;
    Ok(if truncated { Look::Truncated } else { Look::Same })
}

fn wait(pump: &Pump) -> Result<(), Unheard> {
    std::thread::sleep(POLL);
    if pump.is_heard() { Ok(()) } else { Err(Unheard) }
}
