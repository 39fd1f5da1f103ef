//! `homeostat completions`: what makes a shell complete commands and options.

use std::{io::Write, process::ExitCode};

use clap::CommandFactory;

use crate::{
    cli::{Cli, CompletionsArgs},
    report::Failure,
};

pub(crate) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "homeostat", &mut script);
    // A closed standard output means that nobody wants to read it.
    let _ = std::io::stdout().lock().write_all(&script);
    Ok(ExitCode::SUCCESS)
}
