//! What a data centre is made of and what happens to it, as a YAML file tells and as it was checked.

mod document;
mod fields;
mod pattern;
mod problem;
mod reading;
mod timeline;
mod workload;

use std::collections::BTreeMap;

use homeostat_model::{Duration, ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Curve;
pub use problem::{Problem, ScenarioError};

/// Most racks, hosts and workloads together. Ten times the largest site that this program is meant to be tried out on,
/// and still a second's work to build.
pub const MAX_RESOURCES: usize = 10_000;

/// Most entries of a timeline: one for every resource there can be.
pub const MAX_HAPPENINGS: usize = 10_000;

/// Largest file that is read, in bytes: a scenario that lists every resource by itself stays below it.
pub const MAX_FILE_BYTES: usize = 4 << 20;

/// A checked scenario: every name in it is that of something that exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it shows.
    pub description: String,
    /// When it begins. Fixed, so that it prints the same each time.
    pub start: Timestamp,
    /// How long it runs.
    pub duration: Duration,
    /// What its noise depends on.
    pub seed: u64,
    /// The pause between two samples of the same metric.
    pub sample_every: Duration,
    /// How workloads move.
    pub migration: Link,
    /// The racks.
    pub racks: Vec<RackSpec>,
    /// The hosts, each on one of the racks.
    pub hosts: Vec<HostSpec>,
    /// The VMs and containers, each on one of the hosts; those fit in.
    pub workloads: Vec<WorkloadSpec>,
    /// What happens, in the order of time.
    pub timeline: Vec<Happening>,
}

/// The network between hosts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// How much memory a migration moves in a second, in bytes.
    pub bytes_per_second: f64,
    /// How long a live migration stops its workload at the end.
    pub pause: Duration,
}

/// A rack.
#[derive(Debug, Clone, PartialEq)]
pub struct RackSpec {
    /// `rack/name`.
    pub id: ResourceId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSpec {
    /// `host/name`.
    pub id: ResourceId,
    /// The rack it is in.
    pub rack: ResourceId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its processors.
    pub cores: f64,
    /// Its memory, in bytes; never given out twice.
    pub memory_bytes: u64,
    /// How many virtual cores it gives out for each of its own.
    pub overcommit: f64,
    /// What it draws when it has nothing to do, in watts.
    pub idle_watts: f64,
    /// What it draws when all cores are busy, in watts.
    pub busy_watts: f64,
    /// Whether it is switched on at the start.
    pub on: bool,
    /// How long it takes from being switched on to being of use.
    pub boot_time: Duration,
}

/// A VM or a container.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadSpec {
    /// `vm/name` or `container/name`.
    pub id: ResourceId,
    /// The host it is on.
    pub host: ResourceId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its virtual cores.
    pub vcpus: f64,
    /// Its memory, in bytes.
    pub memory_bytes: u64,
    /// How many cores it would use if it had them.
    pub load: Curve,
    /// How much memory it would use if it had it, in bytes.
    pub memory_use: Curve,
    /// What happens when it wants more memory than it has.
    pub out_of_memory: OutOfMemory,
    /// Its disk; nothing is measured of one that has none.
    pub disk: Option<DiskSpec>,
    /// Whether it runs at the start.
    pub running: bool,
    /// How long it takes to start, in good order.
    pub start_time: Duration,
    /// How long it takes to stop, in good order.
    pub stop_time: Duration,
    /// After how long it starts by itself when it has crashed, as under an engine's restart policy; `None`: it does not.
    pub restarts: Option<Duration>,
}

/// What happens to a workload that wants more memory than it has, seen at the next sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutOfMemory {
    /// It goes on with what it has: it swaps, or drops its caches.
    #[default]
    Waits,
    /// The kernel kills it.
    Crashes,
}

/// The disk of a workload. One that is full stays full; nothing else comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DiskSpec {
    /// In bytes.
    pub bytes: u64,
    /// How much of it is in use, in bytes.
    pub usage: Curve,
}

/// Something that happens at its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// When, since the start.
    pub at: Duration,
    /// What.
    pub incident: Incident,
}

/// What can happen to a data centre by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Incident {
    /// A workload ends by a fault of its own.
    Crash(ResourceId),
    /// A host breaks; what runs on it is gone, and nobody is told more than its silence.
    Kill(ResourceId),
    /// A host can no longer be reached; what runs on it goes on.
    Isolate(ResourceId),
    /// A host is repaired or reached again. One that was switched on starts again by itself.
    Revive(ResourceId),
    /// A workload wants another number of cores from now on.
    Load {
        /// The workload.
        resource: ResourceId,
        /// In cores.
        cores: f64,
        /// How long it takes to get there.
        #[serde(default)]
        ramp: Duration,
    },
    /// A workload wants another amount of memory from now on.
    Memory {
        /// The workload.
        resource: ResourceId,
        /// In bytes.
        bytes: f64,
        /// How long it takes to get there.
        #[serde(default)]
        ramp: Duration,
    },
}

impl Incident {
    /// The resource it happens to.
    #[must_use]
    pub fn resource(&self) -> &ResourceId {
        match self {
            Self::Crash(id) | Self::Kill(id) | Self::Isolate(id) | Self::Revive(id) => id,
            Self::Load { resource, .. } | Self::Memory { resource, .. } => resource,
        }
    }
}

impl Scenario {
    /// Reads and checks the scenario in `text`; `name` is the file's, for messages.
    ///
    /// # Errors
    /// [`ScenarioError`] with everything that is wrong, each with its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        reading::scenario(name, text)
    }

    /// When it ends.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.start + self.duration
    }
}
