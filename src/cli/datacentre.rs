//! Arguments of `datacentre`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use homeostat_model::AdapterName;
use homeostat_simulator::CentreAddress;

/// Arguments of `datacentre`.
#[derive(Debug, Args)]
pub(crate) struct DatacentreArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DatacentreCommand,
}

/// What can be done with a data centre in a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum DatacentreCommand {
    /// Serve one in real time until it is stopped, so that homeostat can end and begin anew beside it.
    Serve(ServeArgs),
    /// Print as JSON what was really done to it: how often, under which key, for which generation.
    Ledger(LedgerArgs),
    /// Let something happen to it now.
    Inject(InjectArgs),
}

/// Arguments of `datacentre serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The scenario's file. Its story begins now, and its state goes on when the story is over.
    pub(crate) scenario: PathBuf,
    /// Where to listen, such as unix:/run/datacentre.sock.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: CentreAddress,
    /// The name of the adapter that drives it.
    #[arg(long, default_value = "datacentre")]
    pub(crate) name: AdapterName,
}

/// Arguments of `datacentre ledger`.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Where it is served.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) at: CentreAddress,
}

/// Arguments of `datacentre inject`.
#[derive(Debug, Args)]
pub(crate) struct InjectArgs {
    /// What, as JSON: {"crash": "vm/a"}, {"kill": "host/h"}, {"isolate": "host/h"}, {"revive": "host/h"},
    /// {"load": {"resource": "vm/a", "cores": 2}} or {"memory": {"resource": "vm/a", "bytes": 1e9}}.
    pub(crate) incident: String,
    /// Where it is served.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) at: CentreAddress,
}
