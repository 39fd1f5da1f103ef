//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A policy-driven autonomic orchestrator: watches resources, decides, plans, acts, and can say why.
///
/// Exit status: 0 fine, 1 problems were found, 2 wrong usage or a failure of homeostat itself.
#[derive(Debug, Parser)]
#[command(name = "homeostat", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to log: error, warn, info, debug, trace, or a filter such as `homeostat=debug,warn`.
    #[arg(long, global = true, env = "HOMEOSTAT_LOG", default_value = "warn")]
    pub(crate) log: String,
    /// How to write the log, which goes to standard error.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch, decide and act, until it is stopped.
    Run(RunArgs),
    /// Report every problem of policies and configuration, at once.
    Check(CheckArgs),
    /// Run policy tests (*.test.yaml) on a virtual clock.
    Test(TestArgs),
    /// Play a scenario of the embedded data centre in virtual time, at once, and print what would happen.
    Simulate(SimulateArgs),
    /// Run recorded input in virtual time and print the plans that would have been made.
    Backtest(BacktestArgs),
    /// Ask a running homeostat what each policy thinks of a resource, and why.
    Explain(ExplainArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A configuration file, or a folder with a homeostat.yaml. Without it: ./homeostat.yaml if there is one, else the
    /// embedded data centre with the stock policies.
    pub(crate) configuration: Option<PathBuf>,
    /// Write every decision to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
    /// Record every input to this file, so that `backtest` repeats the same decisions.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Policy files, folders of them, or configurations with all that they name.
    #[arg(default_value = "policies")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to write the problems.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
    /// Accept metrics, kinds and events that no adapter is known to provide.
    #[arg(long)]
    pub(crate) allow_unknown_metrics: bool,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files, or folders with *.test.yaml files.
    #[arg(default_value = "policies")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to write the results.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
    /// Write every decision to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A configuration file with an embedded data centre, or a folder with a homeostat.yaml; without it as for `run`.
    pub(crate) configuration: Option<PathBuf>,
    /// How to write the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
    /// Write every decision to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
}

/// Arguments of `backtest`.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// A policy file or a folder of them. Without it the policies that are in the recording.
    #[arg(long, value_name = "DIR")]
    pub(crate) policies: Option<PathBuf>,
    /// The input: JSON lines of samples and CloudEvents, or a recording of `run --record`. `-` is standard input.
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) input: PathBuf,
    /// A file with the mapping of foreign fields, as under `mapping:` of a source in the configuration.
    #[arg(long, value_name = "FILE.yaml")]
    pub(crate) mapping: Option<PathBuf>,
    /// Refuse policies over metrics that no adapter is known to provide, instead of taking them from the input.
    #[arg(long)]
    pub(crate) known_metrics_only: bool,
    /// How to write the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
    /// Write every decision to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The resource, such as vm/web-1.
    pub(crate) resource: String,
    /// Where homeostat listens.
    #[arg(long, env = "HOMEOSTAT_SERVER", default_value = "http://127.0.0.1:9393")]
    pub(crate) server: String,
    /// How to write the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}
