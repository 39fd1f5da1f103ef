//! The command line.

mod datacentre;
mod people;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use homeostat_model::Mode;
use serde::Serialize;

pub(crate) use datacentre::{DatacentreArgs, DatacentreCommand, InjectArgs, ServeArgs};
pub(crate) use people::{
    AskArgs, Credentials, OnePlanArgs, PlanArgs, PlanCommand, PlanListArgs, PlanVoteArgs, ReleaseArgs, ServerArgs,
    TokenArgs, TokenCommand, TokenCreateArgs,
};

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
pub(crate) enum Rendering {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// How the results of tests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For build servers: JUnit's XML.
    Junit,
}

/// A share in percent, such as `80%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Percent(pub(crate) u8);

impl std::str::FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|percent| *percent <= 100);
        number.map(Self).ok_or_else(|| "write a whole percentage from 0% to 100%".into())
    }
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
    /// Look at plans of a running homeostat, approve of them, reject or cancel them.
    Plan(PlanArgs),
    /// Let a running homeostat begin no plan until it is resumed; those in flight go on.
    Pause(AskArgs),
    /// Let a paused homeostat begin plans again.
    Resume(AskArgs),
    /// Let policies act again on a resource that is in quarantine since a ladder came to its end there.
    Release(ReleaseArgs),
    /// Show how a running homeostat is: paused or not, what waits, what is in flight.
    Status(AskArgs),
    /// Make a token for people or programs that use the API over HTTP.
    Token(TokenArgs),
    /// Ask a running homeostat, or a policy test, what each policy thinks of a resource, and why.
    Explain(ExplainArgs),
    /// Show what was decided and done, from the journal; filter it, or verify that nothing of it was changed.
    Audit(AuditArgs),
    /// Print the JSON Schema of policies and their tests, for editors.
    Schema(SchemaArgs),
    /// Measure how fast homeostat is here, beside what one would write by hand.
    Bench(BenchArgs),
    /// Look at a configuration.
    Config(ConfigArgs),
    /// Serve the embedded data centre by itself, or ask one that is served what was done to it.
    Datacentre(DatacentreArgs),
    /// Print what makes a shell complete commands and options.
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder.
    Man(ManArgs),
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
    pub(crate) output: Rendering,
    /// Accept metrics, kinds and events that no adapter is known to provide.
    #[arg(long)]
    pub(crate) allow_unknown_metrics: bool,
}

/// Arguments of `test`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TestArgs {
    /// Test files, or folders with *.test.yaml files.
    #[arg(default_value = "policies")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to write the results.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: TestFormat,
    /// Say what the tests have not tried: clauses that were never true or never false, responses, whole policies.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// The same, and fail when less than this share was tried, such as 80%.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) coverage_min: Option<Percent>,
    /// Run the tests again whenever one of their files changes, until interrupted.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Write every decision to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A configuration file with an embedded data centre, or a folder with a homeostat.yaml; without it as for `run`.
    pub(crate) configuration: Option<PathBuf>,
    /// As if every policy had this mode: what would come of one that only recommends, if it acted?
    #[arg(long, value_enum)]
    pub(crate) mode: Option<ModeArg>,
    /// Play it twice, once with policies that only observe, and put what became of the data centre side by side.
    #[arg(long)]
    pub(crate) compare: bool,
    /// How to write the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Rendering,
    /// Write every decision to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
}

/// How far policies may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Findings only.
    Observe,
    /// Plans that are shown.
    Recommend,
    /// Plans that wait for a person.
    Approve,
    /// Plans that are carried out.
    Auto,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Observe => Self::Observe,
            ModeArg::Recommend => Self::Recommend,
            ModeArg::Approve => Self::Approve,
            ModeArg::Auto => Self::Auto,
        }
    }
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
    pub(crate) output: Rendering,
    /// Write every decision to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The resource, such as vm/web-1.
    pub(crate) resource: String,
    /// Only what this policy thinks.
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Ask a policy test or a recording instead of a running homeostat: it is played on a virtual clock.
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    /// At which time of it, from its start, such as 4m; without it at its last expectation, or at the recording's end.
    #[arg(long, value_name = "TIME", requires = "test")]
    pub(crate) at: Option<homeostat_model::Duration>,
    /// Which of several tests in the file: its name, or a part of it.
    #[arg(long, value_name = "TEXT", requires = "test")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// How to write the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Rendering,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The journal's folder, also of a homeostat that runs. Without it the one of the configuration.
    pub(crate) path: Option<PathBuf>,
    /// The configuration that names the journal; without it ./homeostat.yaml.
    #[arg(short, long, value_name = "FILE", conflicts_with = "path")]
    pub(crate) config: Option<PathBuf>,
    /// Ask a running homeostat instead of reading files: unix:PATH, http://HOST:PORT or https://HOST:PORT. It shows the newest.
    /// Without it the one in HOMEOSTAT_SERVER, unless files are named, verified or followed.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["path", "config", "verify", "follow"])]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// Only what concerns this plan, such as p3-17.
    #[arg(long, value_name = "ID")]
    pub(crate) plan: Option<homeostat_model::PlanId>,
    /// Only what concerns this policy.
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Only what concerns this resource, such as vm/web-1.
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) resource: Option<homeostat_model::ResourceId>,
    /// Only records of this kind, such as planMade or stepFinished; several are separated by commas.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kind: Vec<String>,
    /// Only from this time on: 2026-01-31T10:00:00Z, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Only before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// Check everything instead of showing it: the checksums, the hash chain, and that nothing is missing.
    #[arg(long, conflicts_with_all = ["plan", "policy", "resource", "kind", "since", "until", "follow"])]
    pub(crate) verify: bool,
    /// Go on showing what is recorded, until interrupted.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How to write it.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Rendering,
}

/// A time that is given as such, or as how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) homeostat_model::Timestamp);

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let now = homeostat_model::Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        Ok(Self(homeostat_request::moment(text, now)?))
    }
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of which documents alone; without it of policies, guards and tests, told apart by their kind.
    #[arg(value_enum, value_name = "KIND")]
    pub(crate) kind: Option<DocumentKind>,
}

/// Documents that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentKind {
    /// `kind: Policy`
    Policy,
    /// `kind: Guard`
    Guard,
    /// `kind: PolicyTest`
    Test,
    /// `kind: Configuration`
    Config,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every value that is in force with where it comes from: a file and a line, the environment, or a default.
    Show(ShowArgs),
}

/// Arguments of `config show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A configuration file, or a folder with a homeostat.yaml; without it as for `run`.
    pub(crate) configuration: Option<PathBuf>,
    /// How to write it.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: ShowFormat,
}

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowFormat {
    /// A line a value.
    Table,
    /// One document, the origins beside the values as comments.
    Yaml,
    /// For programs.
    Json,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to write a page for each command, such as /usr/local/share/man/man1; made when it is not there.
    pub(crate) folder: Option<PathBuf>,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure; everything when nothing is named.
    #[arg(value_enum, value_name = "NAME")]
    pub(crate) names: Vec<Scenario>,
    /// Only look whether everything runs: the figures mean little.
    #[arg(long)]
    pub(crate) quick: bool,
    /// End with status 1 when a target is missed.
    #[arg(long)]
    pub(crate) enforce: bool,
    /// How to write the figures.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Rendering,
    /// Do one part in this process, which is started for that.
    #[arg(long, value_enum, hide = true)]
    pub(crate) child: Option<Child>,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Samples into decisions; 20 policies read each.
    Samples,
    /// The same; 200 policies read each.
    #[value(name = "samples-200")]
    #[serde(rename = "samples-200")]
    Samples200,
    /// What policies cost that do not read a sample.
    Unrelated,
    /// JSON events of a file through 100 rules.
    Events,
    /// Memory of 100,000 series.
    Memory,
    /// From a sample to the decision, at 100,000 samples a second.
    Latency,
    /// The start of the program.
    Start,
    /// Steps into the journal, and a journal's replay.
    Journal,
    /// Plans through the live loop, and the memory of those in flight.
    Executor,
}

impl Scenario {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Samples200 => "samples-200",
            Self::Unrelated => "unrelated",
            Self::Events => "events",
            Self::Memory => "memory",
            Self::Latency => "latency",
            Self::Start => "start",
            Self::Journal => "journal",
            Self::Executor => "executor",
        }
    }
}

/// What a process of its own does for `bench`, so that its memory is that of this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Child {
    /// The engine with its series.
    Homeostat,
    /// The samples alone.
    ByHand,
    /// Plans in flight.
    Plans,
}

impl Child {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Homeostat => "homeostat",
            Self::ByHand => "by-hand",
            Self::Plans => "plans",
        }
    }
}
