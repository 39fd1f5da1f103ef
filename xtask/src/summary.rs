//! The summary: a table of the stages, and one last line that a machine can read.

use std::time::Duration;

use crate::stage::{Counts, Report, Verdict};

/// Prints the table, and `N passed, N failed` as the last line.
pub(crate) fn print(reports: &[Report], took: Duration) {
    println!("\n{}", table(reports, took));
}

fn table(reports: &[Report], took: Duration) -> String {
    let mut text =
        format!("{:<14} {:<8} {:>7} {:>7} {:>8} {:>9}\n", "stage", "result", "passed", "failed", "ignored", "time");
    for Report { name, verdict, counts, took } in reports {
        let (word, why) = match verdict {
            Verdict::Passed => ("ok", String::new()),
            Verdict::Failed => ("FAILED", String::new()),
            Verdict::Skipped(why) => ("skipped", format!("  {why}")),
        };
        text.push_str(&format!(
            "{name:<14} {word:<8} {:>7} {:>7} {:>8} {:>7.1} s{why}\n",
            counts.passed,
            counts.failed,
            counts.ignored,
            took.as_secs_f64()
        ));
    }
    let sum = reports.iter().fold(Counts::default(), |sum, report| sum.plus(report.counts));
    text.push_str(&format!("total {:>51.1} s\n{} passed, {} failed", took.as_secs_f64(), sum.passed, sum.failed));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_sum() {
        let report = |name, passed, failed, verdict| Report {
            name,
            verdict,
            counts: Counts { passed, failed, ignored: 1 },
            took: Duration::from_millis(1500),
        };
        let reports = [
            report("format", 0, 0, Verdict::Passed),
            report("test", 20, 2, Verdict::Failed),
            Report::skipped("deny", "not installed"),
        ];
        let text = table(&reports, Duration::from_secs(3));
        assert_eq!(
            text,
            "stage          result    passed  failed  ignored      time\n\
             format         ok             0       0        1     1.5 s\n\
             test           FAILED        20       2        1     1.5 s\n\
             deny           skipped        0       0        0     0.0 s  not installed\n\
             total                                                 3.0 s\n\
             20 passed, 2 failed"
        );
    }
}
