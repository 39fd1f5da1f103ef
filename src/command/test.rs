//! `homeostat test`: policy tests on a virtual clock.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use homeostat_engine::{Explanation, Input};
use homeostat_model::{
    Action, Amount, Entry, Event, FindingRef, Generation, Observation, Plan, Record, Sample, Step, Timestamp,
};
use homeostat_policy::{
    Catalogue, Policy, PolicyTest, SourceText, UnknownMetrics, load_tests,
    policy_test::{Expectation, ExpectedPlan, ExpectedStep, Explanation as ExpectedExplanation},
};
use homeostat_simulator::{AssumedWorld, Assumption, RecordedWorld, VirtualDriver, World};
use serde::Serialize;

use crate::{
    cli::{Format, TestArgs},
    command::{backtest::assumed, check, explain::word},
    files::{self, TEST_SUFFIX},
    live::write_decisions,
    replay::{Happening, Recording, drive},
    report::{Failure, counted, flaws},
};

/// Where the virtual clock of a test begins: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// What came of one test.
#[derive(Debug, Serialize)]
struct Result_ {
    file: String,
    name: String,
    failures: Vec<String>,
}

pub(crate) fn run(args: &TestArgs) -> Result<ExitCode, Failure> {
    let mut sources = Vec::new();
    for path in &args.paths {
        for file in files::yaml_files(path)? {
            let named = file.to_str().is_some_and(|name| name.ends_with(TEST_SUFFIX));
            if named || path.is_file() {
                sources.push(files::read(&file)?);
            }
        }
    }
    if sources.is_empty() {
        return Err(Failure::new(format!("no test was found; tests are files that end in {TEST_SUFFIX}")));
    }
    let (tests, problems) = load_tests(&sources);
    let problems = flaws(&problems);
    let mut decisions = Vec::new();
    let mut results = Vec::new();
    for test in &tests {
        let failures = match run_one(test) {
            Ok((records, failures)) => {
                decisions.extend(records);
                failures
            }
            Err(failure) => vec![failure.to_string()],
        };
        results.push(Result_ { file: test.file.clone(), name: test.name.clone(), failures });
    }
    if let Some(path) = &args.decisions {
        let file =
            File::create(path).map_err(|error| Failure::new(format!("cannot create {}: {error}", path.display())))?;
        write_decisions(&mut BufWriter::new(file), &decisions)?;
    }
    let failed = results.iter().filter(|result| !result.failures.is_empty()).count();
    let mut out = std::io::stdout().lock();
    // A closed standard output means that nobody wants to read it; here and below.
    let _ = match args.output {
        Format::Json => {
            let all = serde_json::json!({ "tests": results, "problems": problems });
            writeln!(out, "{}", serde_json::to_string_pretty(&all).unwrap_or_default())
        }
        Format::Table => {
            for problem in &problems {
                let _ = writeln!(out, "{problem}");
            }
            for result in &results {
                let verdict = if result.failures.is_empty() { "ok  " } else { "FAIL" };
                let _ = writeln!(out, "{verdict}  {} ({})", result.name, result.file);
                for failure in &result.failures {
                    let _ = writeln!(out, "      {}", failure.replace('\n', "\n      "));
                }
            }
            let unreadable = if problems.is_empty() {
                String::new()
            } else {
                format!(", {} in the test files", counted(problems.len(), "problem"))
            };
            writeln!(out, "{} passed, {failed} failed{unreadable}", results.len() - failed)
        }
    };
    Ok(ExitCode::from(u8::from(failed > 0 || !problems.is_empty())))
}

/// Runs one test; gives what was decided and what was not as expected.
fn run_one(test: &PolicyTest) -> Result<(Vec<Record>, Vec<String>), Failure> {
    let folder = Path::new(&test.file).parent().unwrap_or(Path::new("."));
    let paths: Vec<PathBuf> = test.policies.iter().map(|path| folder.join(path)).collect();
    let policies = load_policies(&files::policy_sources(&paths)?)?;
    if let Some(input) = &test.input {
        let path = folder.join(input);
        let Some(recording) = Recording::open(&path)? else {
            return Err(Failure::new(format!("{} is not a recording", path.display()))
                .help("make one with `homeostat run --record FILE`"));
        };
        let start = first_moment(&path)?;
        let driver = VirtualDriver::new(recording.generation, RecordedWorld, Timestamp::MIN);
        return expect_all(test, driver, recording.happenings(Some(policies), true), start);
    }
    let assumptions = test.actions.iter().map(|injected| Assumption {
        resource: Some(injected.resource.clone()),
        verb: Some(injected.action),
        takes: injected.takes,
        fails: injected.fails.clone(),
    });
    let world = AssumedWorld::new(assumed(), test.resources.clone(), assumptions.collect());
    let mut happenings: Vec<(Timestamp, Happening)> = Vec::new();
    let input = |at, input| (at, Happening::Input(Box::new(input)));
    happenings.extend(world.announcements().into_iter().map(|announcement| input(START, announcement)));
    happenings.push((START, Happening::Policies(policies)));
    happenings.extend(written(test).into_iter().map(|(at, observation)| input(at, Input::Observed(observation))));
    let driver = VirtualDriver::new(Generation(1), world, START);
    expect_all(test, driver, happenings.into_iter().map(Ok), START)
}

/// The series and events of the test, in the order of time; series in the order of the file.
fn written(test: &PolicyTest) -> Vec<(Timestamp, Observation)> {
    let mut observations = Vec::new();
    for series in &test.series {
        let mut time = START;
        for value in &series.values {
            if let Some(value) = value {
                let (resource, metric) = (series.resource.clone(), series.metric.clone());
                observations.push((time, Observation::Sample(Sample { resource, metric, time, value: *value })));
            }
            time = time + test.interval;
        }
    }
    for (number, event) in test.events.iter().enumerate() {
        let time = START + event.at;
        let (resource, event_type) = (event.resource.clone(), event.event_type.clone());
        let (id, attributes) = (format!("test-{number}"), event.attributes.clone());
        observations.push((time, Observation::Event(Event { resource, event_type, time, id, attributes })));
    }
    // Stable: what is written first at a moment happens first.
    observations.sort_by_key(|(time, _)| *time);
    observations
}

fn expect_all<W: World>(
    test: &PolicyTest,
    mut driver: VirtualDriver<W>,
    happenings: impl Iterator<Item = Result<(Timestamp, Happening), Failure>>,
    start: Timestamp,
) -> Result<(Vec<Record>, Vec<String>), Failure> {
    let mut expectations: Vec<&Expectation> = test.expect.iter().collect();
    expectations.sort_by_key(|expectation| expectation.at);
    let moments: Vec<Timestamp> = expectations.iter().map(|expectation| start + expectation.at).collect();
    let mut failures = Vec::new();
    let mut seen = 0;
    drive(&mut driver, happenings, &moments, |driver, index| {
        if let Some(expectation) = expectations.get(index) {
            let plans = plans(driver.records().get(seen..).unwrap_or_default());
            seen = driver.records().len();
            let mut problems = Vec::new();
            hold(expectation, driver, &plans, &mut problems);
            failures.extend(problems.into_iter().map(|problem| format!("at {}: {problem}", expectation.at)));
        }
    })?;
    Ok((driver.records().to_vec(), failures))
}

fn plans(records: &[Record]) -> Vec<Plan> {
    let plan = |record: &Record| match &record.entry {
        Entry::PlanMade(plan) => Some(plan.clone()),
        _ => None,
    };
    records.iter().filter_map(plan).collect()
}

/// Compares one expectation with what is, and says every difference.
fn hold<W: World>(
    expectation: &Expectation,
    driver: &mut VirtualDriver<W>,
    plans: &[Plan],
    problems: &mut Vec<String>,
) {
    if let Some(expected) = &expectation.findings {
        let found: Vec<FindingRef> = driver.engine().findings().cloned().collect();
        let mut expected = expected.clone();
        expected.sort();
        if found != expected {
            problems.push(format!("open findings are {}, expected {}", list(&found), list(&expected)));
        }
    }
    for expected in &expectation.explain {
        let explanations = driver.engine().explain(&expected.resource);
        explain(expected, &explanations, problems);
    }
    if let Some(expected) = &expectation.plans {
        let fits = expected.len() == plans.len()
            && expected.iter().zip(plans).all(|(expected, plan)| plan_fits(expected, plan));
        if !fits {
            let wanted: Vec<String> = expected.iter().map(show_expected).collect();
            let made: Vec<String> = plans.iter().map(show).collect();
            problems.push(format!(
                "plans made since the expectation before: {}\nexpected: {}",
                lines(&made),
                lines(&wanted)
            ));
        }
    }
}

fn explain(expected: &ExpectedExplanation, explanations: &[Explanation], problems: &mut Vec<String>) {
    let fits = |one: &&Explanation| expected.policy.as_ref().is_none_or(|policy| one.policy == *policy);
    let chosen: Vec<&Explanation> = explanations.iter().filter(fits).collect();
    if chosen.is_empty() {
        problems.push(format!("no policy that is meant watches {}", expected.resource));
    }
    for one in chosen {
        let what = format!("{} on {}", one.policy, one.resource);
        if expected.holds.is_some_and(|holds| holds != one.evidence.truth) {
            problems.push(format!("the condition of {what} is {}: {}", one.evidence.truth, one.evidence));
        }
        if expected.status.as_ref().is_some_and(|status| status != word(one.status)) {
            problems.push(format!("{what} is `{}`: {}", word(one.status), one.because));
        }
        if let Some(part) = expected.because.as_ref().filter(|part| !one.because.contains(*part)) {
            problems.push(format!("{what} is explained by `{}`, which does not contain `{part}`", one.because));
        }
    }
}

fn plan_fits(expected: &ExpectedPlan, plan: &Plan) -> bool {
    plan.policy == expected.policy
        && expected.subject.as_ref().is_none_or(|subject| *subject == plan.subject)
        && expected.steps.as_ref().is_none_or(|steps| {
            steps.len() == plan.steps.len()
                && steps.iter().zip(&plan.steps).all(|(expected, step)| step_fits(expected, step))
        })
}

fn step_fits(expected: &ExpectedStep, step: &Step) -> bool {
    let amount = match &step.action {
        Action::Resize(amount) => Some(*amount),
        _ => None,
    };
    let host = match &step.action {
        Action::Migrate { to, .. } => Some(to),
        Action::Restart { on } => on.as_ref(),
        _ => None,
    };
    expected.resource == step.resource
        && expected.action == step.action.verb()
        && expected
            .amount
            .as_ref()
            .is_none_or(|wanted| amount.as_ref().is_some_and(|amount| amount_fits(wanted, amount)))
        && expected.host.as_ref().is_none_or(|wanted| host == Some(wanted))
}

/// What is not said may be anything.
fn amount_fits(wanted: &Amount, amount: &Amount) -> bool {
    wanted.vcpus.is_none_or(|vcpus| amount.vcpus.is_some_and(|given| (given - vcpus).abs() < 1e-9))
        && wanted.memory_bytes.is_none_or(|bytes| amount.memory_bytes == Some(bytes))
}

fn show(plan: &Plan) -> String {
    let steps: Vec<String> = plan.steps.iter().map(|step| format!("{} {}", step.resource, step.action)).collect();
    format!("{} on {}: {}", plan.policy, plan.subject, steps.join(", "))
}

fn show_expected(expected: &ExpectedPlan) -> String {
    let subject = expected.subject.as_ref().map_or_else(|| "any resource".into(), ToString::to_string);
    let steps = expected.steps.as_ref().map_or_else(
        || "any steps".into(),
        |steps| {
            let step = |step: &ExpectedStep| {
                let amount = step.amount.map_or_else(String::new, |amount| format!(" to {amount}"));
                let host = step.host.as_ref().map_or_else(String::new, |host| format!(" to {host}"));
                format!("{} {}{amount}{host}", step.resource, step.action)
            };
            steps.iter().map(step).collect::<Vec<_>>().join(", ")
        },
    );
    format!("{} on {subject}: {steps}", expected.policy)
}

fn lines(items: &[String]) -> String {
    if items.is_empty() { "none".into() } else { format!("\n  {}", items.join("\n  ")) }
}

fn list(findings: &[FindingRef]) -> String {
    let names: Vec<String> = findings.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// When a recording begins.
fn first_moment(path: &Path) -> Result<Timestamp, Failure> {
    let empty = || Failure::new(format!("{} is empty", path.display()));
    let recording = Recording::open(path)?.ok_or_else(empty)?;
    let first = recording.happenings(Some(Vec::new()), true).next();
    first.ok_or_else(empty)?.map(|(at, _)| at)
}

/// Tests may use metrics that no adapter of this program provides.
fn load_policies(sources: &[SourceText]) -> Result<Vec<Arc<Policy>>, Failure> {
    check::policies(sources, &Catalogue::new(UnknownMetrics::Allow))
}
