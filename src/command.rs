//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod backtest;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod datacentre;
pub(crate) mod demonstration;
pub(crate) mod explain;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod simulate;
pub(crate) mod summary;
pub(crate) mod test;
pub(crate) mod token;
