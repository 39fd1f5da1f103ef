//! `cargo xtask`: installs what the tests need, starts it, runs every check, and leaves nothing behind.
//!
//! ```text
//!   cargo xtask test      packages -> test bed -> stages (format, lint, deny, test, fuzz, real) -> summary -> sweep
//!   cargo xtask fuzz      each fuzz target for a while
//!   cargo xtask testbed               test bed -> prints the exports, waits                          -> sweep
//!   xtask engine ..                   one more container engine in the test bed, for a test that kills it
//! ```
//!
//! Invariant: a run owns one folder, one set of network namespaces and one cgroup, all named by its number.
//! Invariant: only processes that name this folder in their command line, and their descendants, are ended, each by pid.
//! Invariant: what a killed run left is removed by the next one; a run that is alive is not touched.

mod bed;
mod criu;
mod deny;
mod engine;
mod fuzz;
mod http;
mod image;
mod interrupt;
mod mutations;
mod packages;
mod process;
mod python;
mod run;
mod senders;
mod stage;
mod stages;
mod summary;
mod sweep;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask test [--without-testbed]      run every check; installs and starts what they need (Debian, root)
       cargo xtask fuzz [--seconds N] [TARGET..] run each fuzz target for N seconds (60), new inputs being kept
       cargo xtask mutations [PROMISE..]         take each guard of a promise out and see its test fail; takes long
       cargo xtask testbed [--detach]            start the test bed and print its exports, to work by hand
       cargo xtask testbed stop                  stop detached test beds and remove what killed ones left
       cargo xtask engine docker|podman NAME start|kill|stop
                                                 one more engine in the test bed named by HOMEOSTAT_TEST_DIR";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => stages::test(true),
        ["test", "--without-testbed"] => stages::test(false),
        ["fuzz", "--seconds", seconds, targets @ ..] => match seconds.parse() {
            Ok(seconds) if seconds > 0 => fuzz::some(&stages::root(), targets, seconds),
            _ => Err(format!("`{seconds}` is not a number of seconds")),
        },
        ["fuzz", targets @ ..] => fuzz::some(&stages::root(), targets, 60),
        ["mutations", promises @ ..] => mutations::try_all(&stages::root(), promises),
        ["testbed"] => bed::foreground(),
        ["testbed", "--detach"] => bed::detach(),
        ["testbed", "stop"] => bed::stop(),
        ["engine", kind, name, verb] => bed::engine(kind, name, verb),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
