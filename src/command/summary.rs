//! What was decided in virtual time: as a story and a table for people, as JSON for programs.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use homeostat_model::{Duration, Entry, Plan, PolicyName, Record, Timestamp};
use serde::Serialize;

use crate::{
    cli::Rendering,
    command::simulate::Comparison,
    live::write_decisions,
    rendering::laid_out,
    report::Failure,
    story::{Story, clock},
};

/// What came in.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Intake {
    pub(crate) samples: u64,
    pub(crate) events: u64,
    pub(crate) lines_refused: u64,
    pub(crate) samples_refused: u64,
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

/// The result, as programs read it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    input: &'a Intake,
    policies: &'a BTreeMap<PolicyName, Tally>,
    plans: Vec<&'a Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
}

/// What was decided, from what, over which time.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) records: &'a [Record],
    pub(crate) intake: &'a Intake,
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// What became of the data centre, where that was asked for.
    pub(crate) comparison: Option<&'a Comparison>,
}

impl Summary<'_> {
    /// Writes it to standard output, and the decisions to a file if one is given.
    pub(crate) fn write(&self, output: Rendering, decisions: Option<&Path>) -> Result<(), Failure> {
        let Self { records, intake, span, comparison } = self;
        if let Some(path) = decisions {
            let create = |error| Failure::new(format!("cannot create {}: {error}", path.display()));
            write_decisions(&mut BufWriter::new(File::create(path).map_err(create)?), records)?;
        }
        let tallies = tally(records, *span);
        let plans = records.iter().filter_map(|record| match &record.entry {
            Entry::PlanMade(plan) => Some(plan.as_ref()),
            _ => None,
        });
        let (from, to) = span.unzip();
        let (plans, comparison) = (plans.collect(), *comparison);
        let document = Document { from, to, input: intake, policies: &tallies, plans, comparison };
        let mut out = std::io::stdout().lock();
        // A closed standard output means that nobody wants to read it; here and below.
        let _ = match laid_out(&document, output)? {
            Some(text) => out.write_all(text.as_bytes()),
            None => {
                let mut story = Story::new();
                for record in *records {
                    let _ = write!(out, "{}", story.tell(record));
                }
                let told = write_table(&mut out, &tallies, intake, *span);
                let compared = comparison.map(Comparison::text).unwrap_or_default();
                told.and_then(|()| write!(out, "{compared}"))
            }
        };
        Ok(())
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
