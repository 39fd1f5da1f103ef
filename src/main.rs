//! The program: reads the command line, sets up telemetry, runs one command.

mod api;
mod cli;
mod client;
mod command;
mod config;
mod document;
mod files;
mod live;
mod metrics;
mod printable;
mod recording;
mod rendering;
mod replay;
mod report;
mod story;
mod telemetry;
mod traces;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start(&cli.log, cli.log_format);
    let outcome = match cli.command {
        Command::Run(args) => command::run::run(&args),
        Command::Check(args) => command::check::run(&args),
        Command::Test(args) => command::test::run(&args),
        Command::Simulate(args) => command::simulate::run(&args),
        Command::Backtest(args) => command::backtest::run(&args),
        Command::Plan(args) => command::plan::run(&args),
        Command::Pause(args) => command::control::pause(&args),
        Command::Resume(args) => command::control::resume(&args),
        Command::Release(args) => command::control::release(&args),
        Command::Status(args) => command::control::status(&args),
        Command::Token(args) => command::token::run(&args),
        Command::Explain(args) => command::explain::run(&args),
        Command::Audit(args) => command::audit::run(&args),
        Command::Schema(args) => command::schema::run(&args),
        Command::Bench(args) => command::bench::run(&args),
        Command::Config(args) => command::config::run(&args),
        Command::Datacentre(args) => command::datacentre::run(&args),
        Command::Completions(args) => command::completions::run(&args),
        Command::Man(args) => command::man::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            report::error(&error);
            ExitCode::from(error.status())
        }
    }
}
