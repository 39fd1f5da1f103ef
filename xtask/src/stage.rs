//! One stage of `cargo xtask test`: a command that is run to its end, timed, and counted.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    interrupt::Interrupt,
    process::{POLL, end_group},
};

/// How long an interrupted stage may take to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How tests ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) ignored: u64,
}

impl Counts {
    /// Adds what a line of a test program's output says, if it is a summary.
    fn add(&mut self, line: &str) {
        let Some((_, summary)) = line.split_once("test result:") else { return };
        let count = |what: &str| {
            let (before, _) = summary.split_once(what)?;
            before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        self.passed += count(" passed").unwrap_or(0);
        self.failed += count(" failed").unwrap_or(0);
        self.ignored += count(" ignored").unwrap_or(0);
    }

    /// The sum of both.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }
}

/// What became of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Fine.
    Passed,
    /// Not fine.
    Failed,
    /// Not run, and why.
    Skipped(String),
}

/// A stage that is over.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// The tests in it.
    pub(crate) counts: Counts,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Report {
    /// One that was not run.
    pub(crate) fn skipped(name: &'static str, why: &str) -> Self {
        Self::new(name, Verdict::Skipped(why.to_owned()), Counts::default(), Duration::ZERO)
    }

    /// One that was done by other means than a command.
    pub(crate) fn of(name: &'static str, outcome: Result<(), String>, took: Duration) -> Self {
        if let Err(problem) = &outcome {
            eprintln!("xtask: {name}: {problem}");
        }
        let verdict = if outcome.is_ok() { Verdict::Passed } else { Verdict::Failed };
        Self::new(name, verdict, Counts::default(), took)
    }

    /// A stage that failed without a failed test, such as one that did not compile, counts as one failure, so that the
    /// last line never says `0 failed` about a run that did.
    fn new(name: &'static str, verdict: Verdict, mut counts: Counts, took: Duration) -> Self {
        if verdict == Verdict::Failed && counts.failed == 0 {
            counts.failed = 1;
        }
        Self { name, verdict, counts, took }
    }
}

/// What came out of a command's standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Line,
    Nothing,
    End,
}

/// Runs `command` in a process group of its own and shows what it prints; an interrupt ends the group.
pub(crate) fn run(name: &'static str, command: &mut Command, interrupt: &Interrupt) -> Report {
    if interrupt.came() {
        return Report::skipped(name, "interrupted");
    }
    println!("\n== {name}: {}", shown(command));
    let began = Instant::now();
    let spawned = quietly(command).stdout(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Report::of(name, Err(format!("cannot be run: {error}")), began.elapsed()),
    };
    let lines = lines_of(child.stdout.take());
    let mut counts = Counts::default();
    let status = loop {
        if hear(&lines, POLL, &mut counts) == Heard::End {
            thread::sleep(POLL);
        }
        if interrupt.came() {
            end_group(&mut child, PATIENCE);
            break None;
        }
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => break Some(status),
            Err(_) => break None,
        }
    };
    // What was printed last may still be on its way. Something may hold the pipe open, so its end is not insisted on.
    while hear(&lines, Duration::from_secs(1), &mut counts) == Heard::Line {}
    let fine = status.is_some_and(|status| status.success()) && counts.failed == 0;
    Report::new(name, if fine { Verdict::Passed } else { Verdict::Failed }, counts, began.elapsed())
}

/// `command` without an input, in a process group of its own, so that it can be ended with all that it starts.
pub(crate) fn quietly(command: &mut Command) -> &mut Command {
    command.process_group(0).stdin(Stdio::null())
}

/// The lines of `output`, as they come.
fn lines_of(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    // A full channel makes the command wait, as a full pipe would.
    let (sender, receiver) = mpsc::sync_channel(1024);
    if let Some(output) = output {
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    receiver
}

/// Waits for a line, shows it and counts it.
fn hear(lines: &Receiver<String>, patience: Duration, counts: &mut Counts) -> Heard {
    match lines.recv_timeout(patience) {
        Ok(line) => {
            print!("{line}");
            counts.add(&line);
            Heard::Line
        }
        Err(RecvTimeoutError::Timeout) => Heard::Nothing,
        Err(RecvTimeoutError::Disconnected) => Heard::End,
    }
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Report {
        run("shell", Command::new("sh").args(["-c", script]), &Interrupt::install().unwrap())
    }

    #[test]
    fn summaries_are_added_up_and_other_lines_are_not() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: \u{1b}[31mFAILED\u{1b}[0m. 1 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out",
            "5 passed; 5 failed",
        ] {
            counts.add(line);
        }
        assert_eq!(counts, Counts { passed: 13, failed: 2, ignored: 3 });
    }

    #[test]
    fn a_stage_passes_only_when_its_command_and_all_its_tests_do() {
        for (script, verdict, passed, failed) in [
            ("true", Verdict::Passed, 0, 0),
            ("echo 'test result: ok. 2 passed; 0 failed; 0 ignored'", Verdict::Passed, 2, 0),
            ("echo 'test result: FAILED. 2 passed; 3 failed; 0 ignored'; exit 101", Verdict::Failed, 2, 3),
            ("echo 'test result: FAILED. 2 passed; 1 failed; 0 ignored'", Verdict::Failed, 2, 1),
            ("exit 1", Verdict::Failed, 0, 1),
            ("printf 'test result: ok. 4 passed'; sleep 30 & exit 0", Verdict::Passed, 0, 0),
        ] {
            let report = shell(script);
            assert_eq!(report.verdict, verdict, "{script}");
            assert_eq!(report.counts.failed, failed, "{script}");
            assert!(report.counts.passed >= passed, "{script}");
            assert!(report.took < Duration::from_secs(20), "{script}");
        }
    }
}
