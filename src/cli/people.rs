//! What people ask of a homeostat that runs, and how they reach it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Rendering;

/// How a running homeostat is reached.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where homeostat is: unix:PATH, http://HOST:PORT or https://HOST:PORT. Without it the socket of ./homeostat.yaml's homeostat, or of
    /// one without a configuration.
    #[arg(long, env = "HOMEOSTAT_SERVER", value_name = "ADDRESS")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
}

/// What is shown to a homeostat that is reached over the network.
#[derive(Debug, Clone, Args)]
pub(crate) struct Credentials {
    /// A file with the token, which only its owner may read. Without it the token in HOMEOSTAT_TOKEN.
    #[arg(long, env = "HOMEOSTAT_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificates, in PEM, that vouch for the server, instead of the system's.
    #[arg(long, env = "HOMEOSTAT_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// Who is asked, and how the answer is written: all of `pause`, `resume` and `status`, and a part of the others.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// How to write the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Rendering,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: PlanCommand,
}

/// What can be done with plans.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// List plans: those that wait, run or are in doubt, or others by their states.
    List(PlanListArgs),
    /// Show a plan: why, what it does, how far it is, what holds it, who has approved of it.
    Show(OnePlanArgs),
    /// Approve of a plan that waits: of what is shown, and nothing else.
    Approve(PlanVoteArgs),
    /// Reject a plan that waits.
    Reject(PlanVoteArgs),
    /// Call off a plan that waits or runs, or of which nobody knows what became.
    Cancel(OnePlanArgs),
}

/// Arguments of `plan list`.
#[derive(Debug, Args)]
pub(crate) struct PlanListArgs {
    /// Only those in this state: waiting, running, verifying, undoing, in-doubt, recommended, succeeded, failed, unverified, cancelled, expired;
    /// several are separated by commas; `all`.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// At most so many, the newest.
    #[arg(long, value_name = "NUMBER", default_value = "100")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) asked: AskArgs,
}

/// Arguments of `plan show` and `plan cancel`.
#[derive(Debug, Args)]
pub(crate) struct OnePlanArgs {
    /// The plan, such as p3-17.
    pub(crate) plan: homeostat_model::PlanId,
    #[command(flatten)]
    pub(crate) asked: AskArgs,
}

/// Arguments of `plan approve` and `plan reject`.
#[derive(Debug, Args)]
pub(crate) struct PlanVoteArgs {
    /// The plan, such as p3-17.
    pub(crate) plan: homeostat_model::PlanId,
    /// Do not ask whether that is meant.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// The hash that the plan was shown with; it is refused when it has another one. Not asked either.
    #[arg(long, value_name = "HASH", conflicts_with = "yes")]
    pub(crate) hash: Option<String>,
    #[command(flatten)]
    pub(crate) asked: AskArgs,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The resource, such as vm/web-1.
    pub(crate) resource: homeostat_model::ResourceId,
    #[command(flatten)]
    pub(crate) asked: AskArgs,
}

/// Arguments of `token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a new token, once, and the line with its hash for spec.api.tokens of the configuration.
    Create(TokenCreateArgs),
}

/// Arguments of `token create`.
#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// Who it is for: their words are recorded under this name.
    #[arg(long)]
    pub(crate) name: String,
    /// What they may do: view; approve and reject plans, too; or everything.
    #[arg(long, value_enum)]
    pub(crate) role: crate::api::Role,
    /// Write the token to this file, which only its owner may read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}
