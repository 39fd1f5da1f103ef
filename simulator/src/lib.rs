//! The embedded data centre: hosts, racks, VMs and containers in one process, over virtual time.
//!
//! ```text
//!   scenario.yaml -> Scenario --> DataCentre <---- begin, cancel, probe (steps)
//!                                  |      ^------- advance(to)  (time is an argument)
//!                                  v
//!              inventory, samples, events, finished steps, in the order of time
//!                                  |
//!          SimAdapter: the same behind the port's Adapter, at the speed of a clock
//!                                  |
//!          serve <--- unix socket ---> RemoteCentre: the same from another process
//! ```
//!
//! Invariant: a `DataCentre` has no clock, no thread, no file and no randomness but seeded noise: equal scenarios, seeds
//! and commands give byte-equal observations, however small the steps in which time advances.
//! Invariant: memory is never given out twice, and no workload runs on two hosts; a ledger of its own watches the latter.
//! Invariant: it knows no policy and no plan; steps are all that it is told.

mod adapter;
mod assumed;
mod capability;
mod centre;
mod curve;
mod driver;
mod number;
mod random;
mod remote;
mod scenario;
mod world;

pub use adapter::{Fault, SimAdapter};
pub use assumed::{AssumedWorld, Assumption, InventoryEdit};
pub use capability::capabilities;
pub use centre::{Account, DataCentre, Effects, Figures, Ledger, RanTwice, Seen};
pub use curve::{Curve, Sine, Step};
pub use driver::{Crash, RecordedWorld, VirtualDriver, World};
pub use remote::{CentreAddress, InvalidAddress, RemoteCentre, Statement, serve};
pub use scenario::{
    DiskSpec, Happening, HostSpec, Incident, Link, MAX_FILE_BYTES, MAX_HAPPENINGS, MAX_RESOURCES, OutOfMemory, Problem,
    RackSpec, Scenario, ScenarioError, WorkloadSpec,
};
