//! The commands, one file each.

pub(crate) mod backtest;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod demonstration;
pub(crate) mod explain;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod simulate;
pub(crate) mod summary;
pub(crate) mod test;
