//! Opening: from the newest whole snapshot on, everything is read once and checked; what a crash has torn is repaired.
//!
//! ```text
//!   00000005.journal          00000006.journal           00000007.journal
//!   (for audits)              snapshot, records ...      snapshot, records ... | torn
//!                             ^ replay begins here when   ^ replay begins here ^ cut off
//!                               the next one's is damaged
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
};

use homeostat_model::{Generation, Notices, OpenPlans, Record};

use crate::{
    JournalError, Reader,
    frame::long,
    hash::Hash,
    ledger::Ledger,
    opening::Opening,
    reader::Position,
    segment,
    witness::{self, Mark, Witness},
};

/// What is given to whoever opens a journal, to build its state again.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    /// The driver's state at the beginning of what follows, in its own bytes. At most one, and the first.
    Snapshot(Vec<u8>),
    /// What was decided since.
    Record(Record),
}

/// What was in a journal when it was opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The number of the last record; 0 when there is none.
    pub last_record: u64,
    /// How many records were replayed: those since the snapshot.
    pub replayed: u64,
    /// The newest generation; the next one has to be greater.
    pub last_generation: Option<Generation>,
    /// The plans that were being carried out, or of which nobody knows what became of a step.
    pub open: OpenPlans,
    /// What people were to be told and have not been.
    pub notices: Notices,
    /// What a crash had left of its last block, and was cut off.
    pub cut: Option<Cut>,
    /// Snapshots that were damaged, so that replay began at an older one; what is wrong with each.
    pub passed_over: Vec<String>,
}

/// A torn tail that was cut off. None of its records had been acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where the last segment ends now.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
}

/// Everything that an open journal begins with.
pub(crate) struct Found {
    pub(crate) recovered: Recovered,
    pub(crate) ledger: Ledger,
    /// The last segment, at its end.
    pub(crate) file: File,
    pub(crate) segment: u32,
    pub(crate) position: Position,
    pub(crate) witness: Witness,
}

/// Reads the journal in `folder`, or begins one.
pub(crate) fn recover(folder: &Path, mut replay: impl FnMut(Replayed)) -> Result<Found, JournalError> {
    segment::remove_unborn(folder)?;
    let mut numbers = segment::list(folder)?;
    let mark = witness::read(folder);
    if let (Some(mark), newest) = (mark, numbers.last().copied().unwrap_or_default())
        && mark.segment > newest
    {
        let problem = format!("it had been on the disk up to byte {}", mark.offset);
        return Err(JournalError::Missing { path: segment::path(folder, mark.segment), problem });
    }
    if numbers.is_empty() {
        segment::begin(folder, 1, &Opening::write(1, 1, Hash::default(), b"", b"")?)?;
        numbers.push(1);
    }
    let newest = numbers.last().copied().unwrap_or(1);
    let (start, ledger, snapshot, passed_over) = beginning(folder, &numbers)?;
    if !snapshot.is_empty() {
        replay(Replayed::Snapshot(snapshot));
    }
    let (mut ledger, mut replayed) = (ledger, 0_u64);
    let mut end: Option<(Position, u64)> = None;
    for number in start..=newest {
        let path = segment::path(folder, number);
        let mut reader = open(folder, number)?.known_durable(durable(&path, number, newest, mark)?);
        if let Some((before, _)) = end {
            follows(folder, number.saturating_sub(1), &before, reader.opening())?;
        }
        for kept in &mut reader {
            let record = kept?.record;
            ledger.apply(&record);
            replay(Replayed::Record(record));
            replayed = replayed.saturating_add(1);
        }
        end = Some((reader.position(), reader.torn_bytes()));
    }
    let path = segment::path(folder, newest);
    let (position, torn) =
        end.ok_or_else(|| JournalError::Missing { path: path.clone(), problem: "no segment is there".into() })?;
    let acknowledged = mark.filter(|mark| mark.segment == newest).map_or(position.last, |mark| mark.offset);
    let file = repair(&path, position.offset, torn, acknowledged)
        .map_err(|source| JournalError::io("repair", &path, source))?;
    let witness = Witness::open(folder)?;
    let (last_generation, open, notices) = (ledger.generation, ledger.open.clone(), ledger.notices.clone());
    let cut = (torn > 0).then_some(Cut { offset: position.offset, bytes: torn });
    let last_record = position.next.saturating_sub(1);
    let recovered = Recovered { last_record, replayed, last_generation, open, notices, cut, passed_over };
    Ok(Found { recovered, ledger, file, segment: newest, position, witness })
}

/// The newest segment at which replay can begin, with what it carries over; and what is wrong with those after it.
fn beginning(folder: &Path, numbers: &[u32]) -> Result<(u32, Ledger, Vec<u8>, Vec<String>), JournalError> {
    let mut passed_over = Vec::new();
    for number in numbers.iter().rev().copied() {
        let reader = open(folder, number)?;
        let path = segment::path(folder, number);
        let problem = match reader.carried() {
            // A journal's first segment carries nothing.
            Ok((ledger, snapshot)) if ledger.is_empty() => {
                return Ok((number, Ledger::default(), snapshot.clone(), passed_over));
            }
            Ok((ledger, snapshot)) => match Ledger::from_json(ledger) {
                Ok(ledger) => return Ok((number, ledger, snapshot.clone(), passed_over)),
                Err(error) => format!("the state of plans is not understood: {error}"),
            },
            Err(problem) => (*problem).to_owned(),
        };
        passed_over.push(format!("{}: {problem}", path.display()));
    }
    let newest = numbers.last().copied().unwrap_or(1);
    let problem = format!("no snapshot is whole, of this segment or an older one ({})", passed_over.join("; "));
    Err(JournalError::Corrupt { path: segment::path(folder, newest), offset: 0, problem })
}

/// A reader of a segment; its number has to be the one that its name says.
pub(crate) fn open(folder: &Path, number: u32) -> Result<Reader<BufReader<File>>, JournalError> {
    let path = segment::path(folder, number);
    let file = File::open(&path).map_err(|source| JournalError::io("open", &path, source))?;
    let reader = Reader::new(BufReader::new(file), &path)?;
    let says = reader.opening().segment;
    if says == number {
        return Ok(reader);
    }
    Err(JournalError::Corrupt { path, offset: 0, problem: format!("it says that it is segment {says}") })
}

/// Refuses a segment that does not begin where the one before it, number `segment`, ended: it is that one that lacks something.
pub(crate) fn follows(folder: &Path, segment: u32, end: &Position, next: &Opening) -> Result<(), JournalError> {
    if (next.first, next.before) == (end.next, end.hash) {
        return Ok(());
    }
    let (last, first) = (end.next.saturating_sub(1), next.first);
    let problem = if next.first == end.next {
        format!("its hash chain ends in another hash than segment {} begins with", next.segment)
    } else {
        format!("it ends with record {last}, but segment {} begins with record {first}", next.segment)
    };
    Err(JournalError::Corrupt { path: segment::path(folder, segment), offset: end.offset, problem })
}

/// Up to where a segment is known to have been acknowledged: all of it when another one follows.
pub(crate) fn durable(path: &Path, number: u32, newest: u32, mark: Option<Mark>) -> Result<u64, JournalError> {
    if number < newest {
        return Ok(fs::metadata(path).map_err(|source| JournalError::io("read", path, source))?.len());
    }
    Ok(mark.filter(|mark| mark.segment == number).map_or(0, |mark| mark.offset))
}

/// Cuts a torn tail off, and makes what was never acknowledged as durable as the rest: after a failed sync it may be in memory only, where
/// another sync leaves it unless it is written again. Gives the file to append to.
fn repair(path: &Path, whole: u64, torn: u64, acknowledged: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if torn > 0 {
        file.set_len(whole)?;
    }
    if acknowledged < whole {
        file.seek(SeekFrom::Start(acknowledged))?;
        let mut bytes = Vec::new();
        (&mut file).take(whole.saturating_sub(acknowledged)).read_to_end(&mut bytes)?;
        file.write_all_at(&bytes, whole.saturating_sub(long(bytes.len())))?;
    }
    file.sync_all()?;
    OpenOptions::new().append(true).open(path)
}
