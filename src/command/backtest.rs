//! `homeostat backtest`: what would have been done, had these policies seen that input.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use homeostat_engine::Input;
use homeostat_model::{AdapterName, Generation, Observation, Record, Timestamp};
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics};
use homeostat_simulator::{AssumedWorld, RecordedWorld, VirtualDriver};
use homeostat_sources::{Mapping, read_all};

use crate::{
    cli::BacktestArgs,
    command::{
        check,
        summary::{Intake, Summary},
    },
    document, files,
    recording::RecordedFile,
    replay::{Happening, Recording, drive},
    report::Failure,
};

/// Lines of the input that are refused and shown; the others are counted.
const SHOWN_REFUSALS: u64 = 10;

pub(crate) fn run(args: &BacktestArgs) -> Result<ExitCode, Failure> {
    let (records, intake, span) = match recording(&args.input)? {
        Some(recording) => replay(args, recording)?,
        None => lines(args)?,
    };
    let summary = Summary { records: &records, intake: &intake, span, comparison: None };
    summary.write(args.output, args.decisions.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// The input, if it is a recording. Only a file can be: what is read from a pipe to find out would be gone.
fn recording(input: &Path) -> Result<Option<Recording>, Failure> {
    if input.is_file() { Recording::open(input) } else { Ok(None) }
}

type Outcome = (Vec<Record>, Intake, Option<(Timestamp, Timestamp)>);

/// Repeats a recording: exactly, or with other policies as if every step had succeeded.
fn replay(args: &BacktestArgs, recording: Recording) -> Result<Outcome, Failure> {
    let generation = recording.generation;
    let (policies, same) = match &args.policies {
        None => (None, true),
        Some(path) => {
            let sources = files::policy_sources(std::slice::from_ref(path))?;
            let same = are_recorded(&args.input, &sources)?;
            (Some(load(args, &sources)?), same)
        }
    };
    let mut intake = Intake::default();
    let mut span: Option<(Timestamp, Timestamp)> = None;
    let happenings = recording.happenings(policies, same).inspect(|happening| {
        if let Ok((at, happening)) = happening {
            span = Some((span.map_or(*at, |(from, _)| from), *at));
            count(&mut intake, happening);
        }
    });
    let (records, refused) = if same {
        let mut driver = VirtualDriver::new(generation, RecordedWorld, Timestamp::MIN);
        drive(&mut driver, happenings, &[], |_, _| ())?;
        (driver.records().to_vec(), driver.refused_samples())
    } else {
        let mut driver = VirtualDriver::new(generation, AssumedWorld::beside_recorded(assumed()), Timestamp::MIN);
        drive(&mut driver, happenings, &[], |_, _| ())?;
        // A recording without an end was cut off; what was due by then is done by then.
        driver.run_until(driver.now());
        (driver.records().to_vec(), driver.refused_samples())
    };
    intake.samples_refused = refused;
    Ok((records, intake, span))
}

/// Whether these policies were in force all the time; says so when they were not.
fn are_recorded(input: &Path, sources: &[SourceText]) -> Result<bool, Failure> {
    let (recorded, loads) = Recording::loads(input)?;
    let same = texts(recorded.iter().map(|file: &RecordedFile| &file.text))
        == texts(sources.iter().map(|source: &SourceText| &source.text));
    let why = match (same, loads) {
        (true, ..=1) => return Ok(true),
        (_, ..=1) => "the policies are not those of the recording".to_owned(),
        _ => format!(
            "the policies were loaded {loads} times while it was recorded, and now these are in force throughout"
        ),
    };
    eprintln!("{}: {why}; every step is assumed to succeed", input.display());
    Ok(false)
}

/// Runs JSON lines through the policies; steps are assumed to succeed.
fn lines(args: &BacktestArgs) -> Result<Outcome, Failure> {
    let Some(path) = &args.policies else {
        return Err(Failure::new("no policies were given, and the input is not a recording that has them")
            .help("add --policies DIR"));
    };
    let policies = load(args, &files::policy_sources(std::slice::from_ref(path))?)?;
    let mapping = match &args.mapping {
        Some(path) => {
            let source = files::read(path)?;
            document::read("homeostat::mapping", &source.name, &source.text)
                .map_err(|flaw| Failure::of("the mapping", &[*flaw]))?
        }
        None => Mapping::default(),
    };
    let input: Box<dyn Read> = if args.input == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let unreadable = |why: String| Failure::new(format!("cannot read {}: {why}", args.input.display()));
        if args.input.is_dir() {
            return Err(unreadable("it is a folder".into())
                .help("give a file of JSON lines, a recording, or - for standard input"));
        }
        Box::new(File::open(&args.input).map_err(|error| unreadable(error.to_string()))?)
    };
    let mut intake = Intake::default();
    let mut refused = 0_u64;
    let mut span: Option<(Timestamp, Timestamp)> = None;
    let mut driver =
        VirtualDriver::new(Generation(1), AssumedWorld::new(assumed(), Vec::new(), Vec::new()), Timestamp::MIN);
    // Inputs without a time of their own count as simultaneous with the one before.
    let mut now = Timestamp::from_millis(0);
    let mut policies = Some(policies);
    for line in read_all(BufReader::new(input), &mapping) {
        match line {
            Ok(timed) => {
                now = now.max(timed.time.unwrap_or(now));
                span = Some((span.map_or(now, |(from, _)| from), now));
                if let Some(policies) = policies.take() {
                    drive(&mut driver, std::iter::once(Ok((now, Happening::Policies(policies)))), &[], |_, _| ())?;
                }
                for observation in timed.observations {
                    let happening = Happening::Input(Box::new(Input::Observed(observation)));
                    count(&mut intake, &happening);
                    drive(&mut driver, std::iter::once(Ok((now, happening))), &[], |_, _| ())?;
                }
            }
            Err(error) => {
                refused += 1;
                if refused <= SHOWN_REFUSALS {
                    eprintln!("{}: {error}", args.input.display());
                }
            }
        }
    }
    // Steps that end at the last moment, and what follows from that, belong to the result.
    driver.run_until(now);
    if refused > SHOWN_REFUSALS {
        eprintln!("{}: {} more lines were refused", args.input.display(), refused - SHOWN_REFUSALS);
    }
    intake.lines_refused = refused;
    intake.samples_refused = driver.refused_samples();
    Ok((driver.records().to_vec(), intake, span))
}

fn load(args: &BacktestArgs, sources: &[SourceText]) -> Result<Vec<Arc<Policy>>, Failure> {
    let catalogue = if args.known_metrics_only {
        check::everything(UnknownMetrics::Refuse)
    } else {
        Catalogue::new(UnknownMetrics::Allow)
    };
    let policies = check::policies(sources, &catalogue)?;
    if policies.is_empty() {
        return Err(Failure::new("there is no policy in the files given").help("a policy has `kind: Policy`"));
    }
    Ok(policies)
}

fn texts<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut texts: Vec<&String> = texts.collect();
    texts.sort();
    texts
}

fn count(intake: &mut Intake, happening: &Happening) {
    if let Happening::Input(input) = happening {
        match input.as_ref() {
            Input::Observed(Observation::Sample(_)) => intake.samples += 1,
            Input::Observed(Observation::Event(_)) => intake.events += 1,
            _ => {}
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant that is a name")]
pub(crate) fn assumed() -> AdapterName {
    AdapterName::new("assumed").expect("a name")
}
