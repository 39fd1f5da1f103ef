//! What container engines offer, and which of it this one does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_model::{
    AdapterName, Capabilities, EventType, Kind, KindCapability, MetricDescription, MetricName, Unit, Verb,
};

use crate::connection::Facts;

/// The attributes of a container.
const CONTAINER_ATTRIBUTES: [&str; 8] =
    ["state", "image", "exitCode", "oomKilled", "health", "restartCount", "cpus", "cpuShares"];

/// The attributes of the engine's host.
const HOST_ATTRIBUTES: [&str; 4] = ["state", "engine", "engineVersion", "liveMigration"];

/// What can happen to a host, where there are several.
const HOST_EVENTS: [&str; 2] = ["host.unreachable", "host.reachable"];

/// What can happen to a container.
const EVENTS: [&str; 9] = [
    "container.created",
    "container.started",
    "container.died",
    "container.oom",
    "container.health",
    "container.paused",
    "container.unpaused",
    "container.resized",
    "container.removed",
];

/// What is measured of a running container.
const METRICS: [(&str, Unit, &str); 19] = [
    ("cpu.utilization", Unit::Ratio, "Processor time used, of its limit, or of the host's cores when it has none."),
    ("cpu.cores", Unit::None, "Cores kept busy."),
    ("cpu.throttled", Unit::Ratio, "Periods in which it was held back by its limit, of those in which it ran."),
    ("memory.used", Unit::Bytes, "Memory used, without the page cache that can be given back at once."),
    ("memory.utilization", Unit::Ratio, "Memory used, of its limit. Missing when it has none."),
    ("memory.cache", Unit::Bytes, "Page cache that can be given back at once."),
    ("memory.failures", Unit::None, "Times that its limit was hit, a second."),
    ("disk.read.rate", Unit::Bytes, "Read from block devices, a second."),
    ("disk.write.rate", Unit::Bytes, "Written to block devices, a second."),
    ("disk.read.operations", Unit::None, "Reads from block devices, a second."),
    ("disk.write.operations", Unit::None, "Writes to block devices, a second."),
    ("network.receive.rate", Unit::Bytes, "Received on all its interfaces, a second."),
    ("network.send.rate", Unit::Bytes, "Sent on all its interfaces, a second."),
    ("network.receive.packets", Unit::None, "Packets received, a second."),
    ("network.send.packets", Unit::None, "Packets sent, a second."),
    ("network.errors", Unit::None, "Packets with errors, in both directions, a second."),
    ("network.dropped", Unit::None, "Packets dropped, in both directions, a second."),
    ("pids", Unit::None, "Processes and threads."),
    ("pids.utilization", Unit::Ratio, "Processes and threads, of their limit. Missing when it has none."),
];

/// What the adapter called `name` offers on engines that can do everything: to check policies without an engine.
#[must_use]
pub fn offered(name: &AdapterName) -> Capabilities {
    of(name, true, true)
}

/// What the adapter offers on these engines, of so many hosts: only what each of them can.
pub(crate) fn of_engines(name: &AdapterName, engines: &[Arc<Facts>], hosts: usize) -> Capabilities {
    of(name, engines.iter().all(|facts| facts.resizes), hosts > 1)
}

fn of(name: &AdapterName, resizes: bool, migrates: bool) -> Capabilities {
    let mut verbs = BTreeSet::from([Verb::Restart, Verb::Start, Verb::Stop, Verb::Pause, Verb::Kill, Verb::Recreate]);
    if migrates {
        verbs.insert(Verb::Migrate);
    }
    if resizes {
        verbs.insert(Verb::Resize);
    }
    let metrics = METRICS.iter().filter_map(|(name, unit, help)| {
        Some((MetricName::new(name).ok()?, MetricDescription { unit: *unit, help: (*help).into() }))
    });
    let container = KindCapability {
        verbs,
        metrics: metrics.collect(),
        events: EVENTS.iter().filter_map(|event| EventType::new(event).ok()).collect(),
        attributes: CONTAINER_ATTRIBUTES.map(String::from).into(),
    };
    let host = KindCapability {
        attributes: HOST_ATTRIBUTES.map(String::from).into(),
        events: HOST_EVENTS.iter().filter_map(|event| EventType::new(event).ok()).collect(),
        ..KindCapability::default()
    };
    let kinds = [("container", container), ("host", host)];
    let kinds: BTreeMap<Kind, KindCapability> =
        kinds.into_iter().filter_map(|(kind, capability)| Some((Kind::new(kind).ok()?, capability))).collect();
    Capabilities { adapter: name.clone(), kinds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_tables_is_a_name() {
        let all = offered(&AdapterName::new("docker").unwrap());
        let container = &all.kinds["container"];
        assert_eq!(container.metrics.len(), METRICS.len());
        assert_eq!(container.events.len(), EVENTS.len());
        assert_eq!(container.attributes.len(), CONTAINER_ATTRIBUTES.len());
        assert!(all.kinds.contains_key("host"));
    }

    #[test]
    fn an_engine_that_cannot_resize_does_not_offer_it() {
        let name = AdapterName::new("podman").unwrap();
        assert!(of(&name, true, false).can("container", Verb::Resize));
        assert!(!of(&name, false, true).can("container", Verb::Resize));
        assert!(of(&name, false, true).can("container", Verb::Restart));
    }
}
