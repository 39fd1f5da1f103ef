//! `homeostat backtest`: what would have been done, had these policies seen that input.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use homeostat_engine::Input;
use homeostat_model::{AdapterName, Duration, Entry, Generation, Observation, Plan, PolicyName, Record, Timestamp};
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics};
use homeostat_simulator::{AssumedWorld, RecordedWorld, VirtualDriver};
use homeostat_sources::{Mapping, read_all};
use serde::Serialize;

use crate::{
    cli::{BacktestArgs, Format},
    command::check,
    files,
    live::write_decisions,
    recording::RecordedFile,
    replay::{Happening, Recording, drive},
    report::Failure,
    story::{Story, clock},
};

/// Lines of the input that are refused and shown; the others are counted.
const SHOWN_REFUSALS: u64 = 10;

/// What came in.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Intake {
    samples: u64,
    events: u64,
    lines_refused: u64,
    samples_refused: u64,
}

/// What one policy would have done.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    findings: u64,
    plans: u64,
    steps: u64,
    skipped: u64,
    held: u64,
    handed_over: u64,
    plans_per_hour: f64,
}

/// The result, for programs.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    input: &'a Intake,
    policies: &'a BTreeMap<PolicyName, Tally>,
    plans: Vec<&'a Plan>,
}

pub(crate) fn run(args: &BacktestArgs) -> Result<ExitCode, Failure> {
    let (records, intake, span) = match Recording::open(&args.input).ok().flatten() {
        Some(recording) => replay(args, recording)?,
        None => lines(args)?,
    };
    if let Some(path) = &args.decisions {
        let file =
            File::create(path).map_err(|error| Failure::new(format!("cannot create {}: {error}", path.display())))?;
        write_decisions(&mut BufWriter::new(file), &records)?;
    }
    let tallies = tally(&records, span);
    let mut out = std::io::stdout().lock();
    // A closed standard output means that nobody wants to read it; here and below.
    let _ = match args.output {
        Format::Json => {
            let plans = records.iter().filter_map(|record| match &record.entry {
                Entry::PlanMade(plan) => Some(plan),
                _ => None,
            });
            let (from, to) = span.unzip();
            let summary = Summary { from, to, input: &intake, policies: &tallies, plans: plans.collect() };
            writeln!(out, "{}", serde_json::to_string_pretty(&summary).unwrap_or_default())
        }
        Format::Table => {
            let mut story = Story::new();
            for record in &records {
                let _ = write!(out, "{}", story.tell(record));
            }
            write_table(&mut out, &tallies, &intake, span)
        }
    };
    Ok(ExitCode::SUCCESS)
}

type Outcome = (Vec<Record>, Intake, Option<(Timestamp, Timestamp)>);

/// Repeats a recording: exactly, or with other policies as if every step had succeeded.
fn replay(args: &BacktestArgs, recording: Recording) -> Result<Outcome, Failure> {
    let generation = recording.generation;
    let (policies, same) = match &args.policies {
        None => (None, true),
        Some(path) => {
            let sources = files::policy_sources(std::slice::from_ref(path))?;
            let recorded = Recording::first_policies(&args.input)?;
            let same = texts(recorded.iter().map(|file: &RecordedFile| &file.text))
                == texts(sources.iter().map(|source: &SourceText| &source.text));
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
        (driver.records().to_vec(), driver.refused_samples())
    };
    intake.samples_refused = refused;
    Ok((records, intake, span))
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
            serde_saphyr::from_str(&source.text).map_err(|error| Failure::new(format!("{}: {error}", source.name)))?
        }
        None => Mapping::default(),
    };
    let input: Box<dyn Read> = if args.input == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let open = |error| Failure::new(format!("cannot read {}: {error}", args.input.display()));
        Box::new(File::open(&args.input).map_err(open)?)
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
    let checked = check::load(sources, &catalogue);
    if !checked.is_good() {
        return Err(checked.failure());
    }
    if checked.policies.is_empty() {
        return Err(Failure::new("there is no policy in the files given").help("a policy has `kind: Policy`"));
    }
    Ok(checked.policies.into_iter().map(Arc::new).collect())
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

fn tally(records: &[Record], span: Option<(Timestamp, Timestamp)>) -> BTreeMap<PolicyName, Tally> {
    let mut tallies: BTreeMap<PolicyName, Tally> = BTreeMap::new();
    for record in records {
        match &record.entry {
            Entry::PoliciesLoaded { policies, .. } => {
                policies.iter().for_each(|policy| {
                    tallies.entry(policy.clone()).or_default();
                });
            }
            Entry::FindingOpened { finding, .. } => tallies.entry(finding.policy.clone()).or_default().findings += 1,
            Entry::Skipped { finding, .. } => tallies.entry(finding.policy.clone()).or_default().skipped += 1,
            Entry::Held { finding, .. } => tallies.entry(finding.policy.clone()).or_default().held += 1,
            Entry::HandedOver { finding, .. } => tallies.entry(finding.policy.clone()).or_default().handed_over += 1,
            Entry::PlanMade(plan) => {
                let tally = tallies.entry(plan.policy.clone()).or_default();
                tally.plans += 1;
                tally.steps += u64::try_from(plan.steps.len()).unwrap_or(u64::MAX);
            }
            _ => {}
        }
    }
    let hours = span.map_or(0.0, |(from, to)| to.since(from).as_secs_f64() / 3600.0);
    for tally in tallies.values_mut().filter(|_| hours > 0.0) {
        let plans = u32::try_from(tally.plans).unwrap_or(u32::MAX);
        tally.plans_per_hour = (f64::from(plans) / hours * 1000.0).round() / 1000.0;
    }
    tallies
}

fn write_table(
    out: &mut impl Write,
    tallies: &BTreeMap<PolicyName, Tally>,
    intake: &Intake,
    span: Option<(Timestamp, Timestamp)>,
) -> std::io::Result<()> {
    let width = tallies.keys().map(|name| name.as_str().len()).max().unwrap_or_default().max("policy".len());
    writeln!(out, "\n{:width$}  findings  plans  steps  skipped  held  handed over  plans/h", "policy")?;
    for (name, tally) in tallies {
        let Tally { findings, plans, steps, skipped, held, handed_over, plans_per_hour } = tally;
        writeln!(
            out,
            "{name:width$}  {findings:>8}  {plans:>5}  {steps:>5}  {skipped:>7}  {held:>4}  {handed_over:>11}  {plans_per_hour:>7}"
        )?;
    }
    let Intake { samples, events, lines_refused, samples_refused } = intake;
    let over = match span {
        Some((from, to)) => {
            format!("{} from {} to {}", nonzero(to.since(from)), clock(from), clock(to))
        }
        None => "no time at all".into(),
    };
    writeln!(
        out,
        "\n{samples} samples and {events} events over {over}; {lines_refused} lines and {samples_refused} samples were refused"
    )
}

fn nonzero(duration: Duration) -> String {
    if duration.is_zero() { "a moment".into() } else { duration.to_string() }
}

#[expect(clippy::expect_used, reason = "a constant that is a name")]
pub(crate) fn assumed() -> AdapterName {
    AdapterName::new("assumed").expect("a name")
}
