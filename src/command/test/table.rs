//! Results for people.

use std::fmt::Write;

use super::{Results, TestResult};
use crate::{cli::Percent, report::counted};

/// The results as text.
pub(super) fn text(results: &Results, least: Option<Percent>) -> String {
    let mut out = String::new();
    // Writing to a String does not fail; here and below.
    for problem in &results.problems {
        let _ = writeln!(out, "{problem}");
    }
    for result in &results.tests {
        let verdict = if result.passed() { "ok  " } else { "FAIL" };
        let _ = writeln!(out, "{verdict}  {} ({})", result.name, result.file);
        for failure in result.failures.iter().chain(&result.error) {
            let _ = writeln!(out, "      {}", failure.trim_end().replace('\n', "\n      "));
        }
    }
    if let Some(coverage) = &results.coverage {
        let _ = write!(out, "\n{}", coverage.table(least));
    }
    let failed = results.tests.iter().filter(|result| !TestResult::passed(result)).count();
    let unreadable = match results.problems.len() {
        0 => String::new(),
        found => format!(", {} in the test files", counted(found, "problem")),
    };
    let _ = writeln!(out, "{} passed, {failed} failed{unreadable}", results.tests.len() - failed);
    out
}
