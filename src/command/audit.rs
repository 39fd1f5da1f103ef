//! `homeostat audit`: what was decided and done, read from the journal; also while homeostat runs, and without changing anything.

mod remote;
mod selection;
mod verification;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use homeostat_journal::{History, JournalError, Kept};
use homeostat_model::{Entry, Plan, Record, Timestamp};
use homeostat_request::Wanted;
use serde_json::json;

use crate::{
    cli::{AuditArgs, Moment},
    config::{Bearings, FILE_NAME},
    printable::printable,
    rendering::Stream,
    report::Failure,
    story::Story,
};
pub(crate) use selection::Selection;

/// The variable that says where homeostat is.
const SERVER: &str = "HOMEOSTAT_SERVER";
/// How long the journal is left alone before it is looked at again: a person does not notice it, nor does the disk.
const PATIENCE: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &AuditArgs) -> Result<ExitCode, Failure> {
    if let Some(server) = server(args) {
        return remote::run(&server, args);
    }
    let folder = folder(args)?;
    let cannot = |error: JournalError| Failure::new(format!("the journal cannot be read: {error}"));
    let mut out = io::stdout().lock();
    match History::open(&folder) {
        Ok(history) if args.verify => verification::verify(history, args.output, &mut out),
        Ok(history) => show(history, args, &mut out),
        Err(error @ (JournalError::Corrupt { .. } | JournalError::NotAJournal { .. })) if args.verify => {
            verification::damaged(&error.to_string(), args.output, &mut out)
        }
        Err(error) => Err(cannot(error)),
    }
}

/// The homeostat that is asked, if one is: what names a journal's files, or needs them, comes before the variable.
fn server(args: &AuditArgs) -> Option<String> {
    let files = args.path.is_some() || args.config.is_some() || args.verify || args.follow;
    let everywhere = || std::env::var(SERVER).ok().filter(|server| !files && !server.is_empty());
    args.server.clone().or_else(everywhere)
}

/// The journal's folder.
fn folder(args: &AuditArgs) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.path {
        return Ok(path.clone());
    }
    let named = args.config.as_deref().unwrap_or(Path::new(FILE_NAME)).display();
    let none = || {
        Failure::new(format!("{named} has no journal"))
            .help("name the journal's folder, or set spec.journal in the configuration")
    };
    Bearings::find(args.config.as_deref())?.journal.ok_or_else(none)
}

/// Writes the records that are asked for. What is damaged is told after those before it.
fn show(mut history: History, args: &AuditArgs, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut selection = Selection::new(wanted(args), history.plans_before());
    let mut pages = Pages { stream: Stream::new(args.output), teller: Teller::new(history.plans_before(), true) };
    loop {
        match history.next_record() {
            Ok(Some(kept)) => {
                // Told in any case: the story knows the plans that steps belong to.
                let told = pages.teller.told(&kept.record);
                if selection.takes(&kept.record) && out.write_all(pages.line(&kept, &told)?.as_bytes()).is_err() {
                    // A closed standard output means that nobody wants to read it; here and below.
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Ok(None) if args.follow => {
                if out.flush().is_err() {
                    return Ok(ExitCode::SUCCESS);
                }
                std::thread::sleep(PATIENCE);
            }
            Ok(None) => {
                let _ = out.flush();
                if let Some(help) = selection.unmet() {
                    let _ = writeln!(io::stderr().lock(), "{help}");
                }
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => {
                let _ = out.flush();
                let _ = writeln!(io::stderr().lock(), "error: {error}");
                return Ok(ExitCode::FAILURE);
            }
        }
    }
}

/// What `args` ask for.
fn wanted(args: &AuditArgs) -> Wanted {
    let time = |moment: Option<Moment>| moment.map(|Moment(time)| time);
    Wanted {
        plan: args.plan,
        policy: args.policy.clone(),
        resource: args.resource.clone(),
        kinds: args.kind.clone(),
        since: time(args.since),
        until: time(args.until),
    }
}

/// Tells records in words. To be told of every record, in order: it knows the plans that steps belong to.
pub(crate) struct Teller {
    story: Story,
}

impl Teller {
    /// After these plans were made; with `colour` where people look at it at once.
    pub(crate) fn new(before: &[Plan], colour: bool) -> Self {
        let mut story = if colour { Story::new() } else { Story::plain() };
        for plan in before {
            story.tell(&Record { at: plan.created, entry: Entry::PlanMade(plan.clone().into()) });
        }
        Self { story }
    }

    /// The record in words, without its time.
    pub(crate) fn told(&mut self, record: &Record) -> String {
        let told = self.story.tell(record);
        // The story's clock says the time of day, which is not enough here.
        let told = told.split_once("  ").map_or_else(|| printable(&untold(&record.entry)), |(_, told)| told.into());
        told.trim_end().to_owned()
    }
}

/// A line for people.
fn row(number: u64, at: Timestamp, told: &str) -> String {
    format!("{number:<7} {}  {told}\n", time(at))
}

/// Records as they are written.
struct Pages {
    stream: Stream,
    teller: Teller,
}

impl Pages {
    /// A record, in these words where people read it.
    fn line(&mut self, kept: &Kept, told: &str) -> Result<String, Failure> {
        let Kept { number, hash, record } = kept;
        let whole = json!({"number": number, "hash": hash.to_string(), "at": record.at, "entry": record.entry});
        Ok(self.stream.next(&whole)?.unwrap_or_else(|| row(*number, record.at, told)))
    }
}

/// What the story leaves out.
fn untold(entry: &Entry) -> String {
    match entry {
        Entry::Held { finding, hold } => {
            format!("{:<9} {} {}: {hold}", "held back", finding.resource, finding.policy)
        }
        Entry::StepDispatched { key, .. } => format!("{:<9} {key}", "  step"),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// A time in UTC, to the second.
fn time(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "-".into(),
    }
}
