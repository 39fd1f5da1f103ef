//! Asks a policy test or a recording, which is played on a virtual clock until the moment that is asked about.

use std::path::Path;

use homeostat_model::{Duration, ResourceId, Timestamp};
use homeostat_policy::{PolicyTest, load_tests};
use homeostat_simulator::{RecordedWorld, VirtualDriver};

use crate::{
    api::Answer,
    cli::ExplainArgs,
    command::test::{load, play},
    files,
    replay::{Recording, drive},
    report::{Failure, flaws},
};

/// What is thought of `resource` at the moment that is asked about.
///
/// # Errors
/// [`Failure`] when there is no such test, it cannot be played, or it does not know the resource then.
pub(super) fn ask(file: &Path, args: &ExplainArgs, resource: &ResourceId) -> Result<Answer, Failure> {
    if file.is_file()
        && let Some(recording) = Recording::open(file)?
    {
        if args.name.is_some() {
            return Err(Failure::new(format!("{} is a recording and has no tests to choose from", file.display()))
                .help("leave --name out"));
        }
        return recorded(file, recording, args.at, resource);
    }
    let test = chosen(file, args.name.as_deref())?;
    let last = test.expect.iter().map(|expectation| expectation.at).max().unwrap_or_default();
    let at = args.at.unwrap_or(last);
    let mut answer = None;
    play(&test, load(&test)?.policies, &[at], false, |outcome, _| {
        answer = Answer::of(outcome.engine, resource, outcome.start + at);
    })?;
    known(answer, at, resource)
}

/// The one test of the file that is meant.
fn chosen(file: &Path, name: Option<&str>) -> Result<PolicyTest, Failure> {
    let source = files::read(file)?;
    let (mut tests, problems) = load_tests(std::slice::from_ref(&source));
    if !problems.is_empty() {
        return Err(Failure::of("the tests", &flaws(&problems)));
    }
    if tests.is_empty() {
        return Err(Failure::new(format!("there is no test in {}", file.display()))
            .help("give a file with `kind: PolicyTest`, or a recording of `homeostat run --record`"));
    }
    let names: Vec<String> = tests.iter().map(|test| test.name.clone()).collect();
    // A whole name is meant even where it is a part of another one.
    match name {
        Some(name) if names.iter().any(|known| known == name) => tests.retain(|test| test.name == name),
        Some(part) => tests.retain(|test| test.name.contains(part)),
        None => {}
    }
    let how_many = tests.len();
    match (tests.pop(), how_many) {
        (Some(test), 1) => Ok(test),
        (_, found) => {
            let which =
                if found == 0 { "no test of that name".into() } else { format!("{found} tests that may be meant") };
            Err(Failure::new(format!("{} has {which}", file.display()))
                .help(format!("choose one with --name: {}", names.join("; "))))
        }
    }
}

fn recorded(file: &Path, recording: Recording, at: Option<Duration>, resource: &ResourceId) -> Result<Answer, Failure> {
    let empty = || Failure::new(format!("{} is empty", file.display()));
    let (start, end) = recording.span()?.ok_or_else(empty)?;
    let recording = Recording::open(file)?.ok_or_else(empty)?;
    let at = at.unwrap_or_else(|| end.since(start));
    let mut driver = VirtualDriver::new(recording.generation, RecordedWorld, Timestamp::MIN);
    let mut answer = None;
    drive(&mut driver, recording.happenings(None, true), &[start + at], |driver, _| {
        answer = Answer::of(driver.engine(), resource, start + at);
    })?;
    known(answer, at, resource)
}

/// An answer about nothing is none.
fn known(answer: Option<Answer>, at: Duration, resource: &ResourceId) -> Result<Answer, Failure> {
    match answer {
        Some(answer) => Ok(answer),
        None => Err(Failure::new(format!("{resource} is not known {at} after the start"))
            .help("names are kind/name, such as vm/web-1; say with --at at which time it exists")),
    }
}
