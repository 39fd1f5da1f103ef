//! What exists in the tests: virtual machines on hosts.

use std::collections::BTreeMap;

use homeostat_model::{
    AdapterName, Capabilities, EventType, Kind, KindCapability, MetricDescription, MetricName, Unit, Verb,
};
use homeostat_policy::{Catalogue, UnknownMetrics};

fn kind(verbs: &[Verb], metrics: &[(&str, Unit)], events: &[&str], attributes: &[&str]) -> KindCapability {
    let describe = |unit: &Unit| MetricDescription { unit: *unit, help: String::new() };
    KindCapability {
        verbs: verbs.iter().copied().collect(),
        metrics: metrics.iter().map(|(name, unit)| (MetricName::new(name).unwrap(), describe(unit))).collect(),
        events: events.iter().map(|name| EventType::new(name).unwrap()).collect(),
        attributes: attributes.iter().map(ToString::to_string).collect(),
    }
}

/// The catalogue that the cases are checked against.
pub(crate) fn catalogue() -> Catalogue {
    let vm = kind(
        &[Verb::Restart, Verb::Resize, Verb::Recreate, Verb::Migrate],
        &[
            ("cpu.utilization", Unit::Ratio),
            ("memory.used", Unit::Bytes),
            ("cpu.seconds", Unit::Seconds),
            ("power.watts", Unit::Watts),
            ("requests.total", Unit::None),
        ],
        &["vm.crashed", "vm.started"],
        &["state", "image"],
    );
    let host = kind(&[Verb::Fence, Verb::Power], &[("power.watts", Unit::Watts)], &["host.down"], &["state"]);
    let kinds = BTreeMap::from([(Kind::new("vm").unwrap(), vm), (Kind::new("host").unwrap(), host)]);
    Catalogue::new(UnknownMetrics::Refuse)
        .with(&Capabilities { adapter: AdapterName::new("datacentre").unwrap(), kinds })
        .with_metric(
            MetricName::new("node_load1").unwrap(),
            MetricDescription { unit: Unit::None, help: String::new() },
        )
}
