//! What the data centre offers: one table for the capabilities and for what it emits.

use std::collections::BTreeMap;

use homeostat_model::{
    AdapterName, Capabilities, EventType, InvalidName, Kind, KindCapability, MetricDescription, MetricName, Unit, Verb,
};

struct Offer {
    kind: &'static str,
    verbs: &'static [Verb],
    metrics: &'static [(&'static str, Unit, &'static str)],
    events: &'static [&'static str],
    attributes: &'static [&'static str],
}

const WORKLOAD_VERBS: &[Verb] =
    &[Verb::Restart, Verb::Start, Verb::Stop, Verb::Resize, Verb::Pause, Verb::Kill, Verb::Migrate];

/// A container is made anew from its image; a VM's disk is the VM.
const CONTAINER_VERBS: &[Verb] =
    &[Verb::Restart, Verb::Start, Verb::Stop, Verb::Resize, Verb::Pause, Verb::Kill, Verb::Recreate, Verb::Migrate];

const WORKLOAD_METRICS: &[(&str, Unit, &str)] = &[
    ("cpu.cores", Unit::None, "Cores in use."),
    ("cpu.steal", Unit::Ratio, "Share of its virtual cores that it wanted and its host did not have."),
    ("cpu.utilization", Unit::Ratio, "Share of its virtual cores in use."),
    ("disk.size", Unit::Bytes, "Size of its disk. Missing when it has none."),
    ("disk.used", Unit::Bytes, "What is in use of its disk."),
    ("memory.used", Unit::Bytes, "Memory in use."),
    ("memory.utilization", Unit::Ratio, "Share of its memory in use."),
];

const OFFERS: [Offer; 4] = [
    Offer {
        kind: "container",
        verbs: CONTAINER_VERBS,
        metrics: WORKLOAD_METRICS,
        events: &["died", "started", "stopped", "migrated", "resized", "paused", "unpaused"],
        attributes: &["state"],
    },
    Offer {
        kind: "host",
        verbs: &[Verb::Fence, Verb::Power, Verb::Cordon],
        metrics: &[
            ("cpu.utilization", Unit::Ratio, "Share of its cores in use."),
            ("memory.used", Unit::Bytes, "Memory in use by what runs on it."),
            ("memory.utilization", Unit::Ratio, "Share of its memory in use by what runs on it."),
            ("power.watts", Unit::Watts, "Power it draws."),
            ("up", Unit::None, "1 while it works; a host that is off, dead or out of reach is silent."),
        ],
        events: &["down", "up", "off", "fenced"],
        attributes: &["state", "cordoned", "fenced", "cpuOvercommit"],
    },
    Offer {
        kind: "rack",
        verbs: &[],
        metrics: &[("power.watts", Unit::Watts, "Power that all its hosts draw, as its supply measures it.")],
        events: &[],
        attributes: &[],
    },
    Offer {
        kind: "vm",
        verbs: WORKLOAD_VERBS,
        metrics: WORKLOAD_METRICS,
        events: &["crashed", "started", "stopped", "migrated", "resized", "paused", "unpaused"],
        attributes: &["state"],
    },
];

/// What an embedded data centre offers as the adapter `name`: the same whatever its scenario.
#[must_use]
pub fn capabilities(name: &AdapterName) -> Capabilities {
    // Every name in the table is a valid one, which a test asserts; none is lost here.
    let kinds = OFFERS.iter().filter_map(|offer| offer.capability().ok());
    Capabilities { adapter: name.clone(), kinds: kinds.collect() }
}

impl Offer {
    fn capability(&self) -> Result<(Kind, KindCapability), InvalidName> {
        let metric = |(name, unit, help): &(&str, Unit, &str)| {
            Ok((MetricName::new(name)?, MetricDescription { unit: *unit, help: (*help).into() }))
        };
        let capability = KindCapability {
            verbs: self.verbs.iter().copied().collect(),
            metrics: self.metrics.iter().map(metric).collect::<Result<_, _>>()?,
            events: self.events.iter().map(|what| self.event(what)).collect::<Result<_, _>>()?,
            attributes: self.attributes.iter().map(|name| (*name).to_owned()).collect(),
        };
        Ok((Kind::new(self.kind)?, capability))
    }

    fn event(&self, what: &str) -> Result<EventType, InvalidName> {
        EventType::new(format!("{}.{what}", self.kind))
    }
}

/// The names that observations carry, made once.
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    metrics: BTreeMap<&'static str, MetricName>,
    events: BTreeMap<(&'static str, &'static str), EventType>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        let metrics = OFFERS.iter().flat_map(|offer| offer.metrics);
        let events = OFFERS.iter().flat_map(|offer| offer.events.iter().map(move |what| (offer, *what)));
        Self {
            metrics: metrics.filter_map(|(name, ..)| Some((*name, MetricName::new(name).ok()?))).collect(),
            events: events.filter_map(|(offer, what)| Some(((offer.kind, what), offer.event(what).ok()?))).collect(),
        }
    }
}

impl Vocabulary {
    /// The declared metric of this name.
    pub(crate) fn metric(&self, name: &str) -> Option<MetricName> {
        self.metrics.get(name).cloned()
    }

    /// The declared event `kind.what`.
    pub(crate) fn event(&self, kind: &str, what: &str) -> Option<EventType> {
        self.events.iter().find(|((of, event), _)| *of == kind && *event == what).map(|(_, name)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_valid_and_offered() {
        let offered = capabilities(&AdapterName::new("sim").unwrap());
        let vocabulary = Vocabulary::default();
        for offer in &OFFERS {
            let kind = &offered.kinds[offer.kind];
            assert_eq!(*kind, offer.capability().unwrap().1);
            assert_eq!(kind.metrics.len(), offer.metrics.len());
            assert_eq!(kind.events.len(), offer.events.len());
            for (name, ..) in offer.metrics {
                assert_eq!(vocabulary.metric(name).unwrap().as_str(), *name);
            }
            for what in offer.events {
                let expected = format!("{}.{what}", offer.kind);
                assert_eq!(vocabulary.event(offer.kind, what).unwrap().as_str(), expected);
            }
        }
        assert!(offered.can("vm", Verb::Migrate) && !offered.can("rack", Verb::Power));
    }
}
