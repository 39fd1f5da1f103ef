//! What container engines offer, and which of it this one does.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{
    AdapterName, Capabilities, EventType, Kind, KindCapability, MetricDescription, MetricName, Unit, Verb,
};

/// The attributes of a container.
const CONTAINER_ATTRIBUTES: [&str; 6] = ["state", "image", "exitCode", "oomKilled", "health", "restartCount"];

/// The attributes of the engine's host.
const HOST_ATTRIBUTES: [&str; 2] = ["engine", "engineVersion"];

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
const METRICS: [(&str, Unit, &str); 5] = [
    ("cpu.utilization", Unit::Ratio, "Processor time used, of its limit, or of the host's cores when it has none."),
    ("cpu.cores", Unit::None, "Cores kept busy."),
    ("memory.used", Unit::Bytes, "Memory used, without the page cache that can be given back at once."),
    ("memory.utilization", Unit::Ratio, "Memory used, of its limit. Missing when it has none."),
    ("pids", Unit::None, "Processes and threads."),
];

/// What the adapter called `name` offers on an engine that can do everything: to check policies without an engine.
#[must_use]
pub fn offered(name: &AdapterName) -> Capabilities {
    of_engine(name, true)
}

/// What the adapter offers on an engine that can or cannot change limits while a container runs.
pub(crate) fn of_engine(name: &AdapterName, resizes: bool) -> Capabilities {
    let mut verbs = BTreeSet::from([Verb::Restart, Verb::Start, Verb::Stop]);
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
    let host = KindCapability { attributes: HOST_ATTRIBUTES.map(String::from).into(), ..KindCapability::default() };
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
        assert!(of_engine(&name, true).can("container", Verb::Resize));
        assert!(!of_engine(&name, false).can("container", Verb::Resize));
        assert!(of_engine(&name, false).can("container", Verb::Restart));
    }
}
