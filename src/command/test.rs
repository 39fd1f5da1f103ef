//! `homeostat test`: policy tests on a virtual clock.
//!
//! ```text
//!   *.test.yaml --> Suite --> run: engine in virtual time --> expect: differences --> table | json | junit
//!                                       |
//!                                       +--> coverage: clauses, rungs
//! ```

mod coverage;
mod expect;
mod junit;
mod run;
mod suite;
mod table;
mod watch;

use std::{
    fs::File,
    io::{BufWriter, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use homeostat_model::Record;
use serde::Serialize;

use crate::{
    cli::{TestArgs, TestFormat},
    live::write_decisions,
    report::{Failure, Flaw},
};
use coverage::Coverage;
pub(crate) use run::{Outcome, play};
use suite::Suite;
pub(crate) use suite::load;

/// What came of one test.
#[derive(Debug, Serialize)]
struct TestResult {
    file: String,
    name: String,
    /// What was not as expected.
    failures: Vec<String>,
    /// Why it could not be run, such as policies with problems. Then there are no failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How long it took, by the clock on the wall.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    took: Duration,
}

impl TestResult {
    fn passed(&self) -> bool {
        self.failures.is_empty() && self.error.is_none()
    }
}

/// What came of all of them.
#[derive(Debug, Serialize)]
struct Results {
    tests: Vec<TestResult>,
    problems: Vec<Flaw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Coverage>,
}

impl Results {
    /// Whether everything is as it should be.
    fn good(&self, args: &TestArgs) -> bool {
        self.problems.is_empty()
            && self.tests.iter().all(TestResult::passed)
            && self.coverage.as_ref().zip(args.coverage_min).is_none_or(|(coverage, least)| coverage.reaches(least))
    }
}

pub(crate) fn run(args: &TestArgs) -> Result<ExitCode, Failure> {
    if args.watch {
        return watch::run(args);
    }
    let good = once(args)?;
    Ok(ExitCode::from(u8::from(!good)))
}

/// Runs all tests once and prints what came of them; gives whether all is well.
fn once(args: &TestArgs) -> Result<bool, Failure> {
    let suite = Suite::read(&args.paths)?;
    let mut coverage = (args.coverage || args.coverage_min.is_some()).then(Coverage::default);
    let (mut decisions, mut tests) = (Vec::new(), Vec::new());
    for test in &suite.tests {
        let begun = Instant::now();
        let (failures, error) = match expect::check(test, coverage.as_mut()) {
            Ok((records, failures)) => {
                decisions.extend(records);
                (failures, None)
            }
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        let (file, name, took) = (test.file.clone(), test.name.clone(), begun.elapsed());
        tests.push(TestResult { file, name, failures, error, took });
    }
    if let Some(coverage) = &mut coverage {
        coverage.untested(&suite)?;
    }
    write_all(args, &decisions)?;
    let results = Results { tests, problems: suite.problems, coverage };
    let text = match args.output {
        TestFormat::Table => table::text(&results, args.coverage_min),
        TestFormat::Json => serde_json::to_string_pretty(&results).unwrap_or_default() + "\n",
        TestFormat::Junit => junit::text(&results),
    };
    // A closed standard output means that nobody wants to read it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(results.good(args))
}

fn write_all(args: &TestArgs, decisions: &[Record]) -> Result<(), Failure> {
    let Some(path) = &args.decisions else { return Ok(()) };
    let file =
        File::create(path).map_err(|error| Failure::new(format!("cannot create {}: {error}", path.display())))?;
    write_decisions(&mut BufWriter::new(file), decisions)
}

fn seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(took.as_secs_f64())
}
