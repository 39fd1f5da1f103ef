//! What `homeostat run` does without a configuration: the embedded data centre under the stock policies.

use homeostat_policy::SourceText;

/// The configuration; its scenario and policies are below.
pub(crate) const CONFIGURATION: &str = include_str!("../../examples/datacenter/homeostat.yaml");

/// The scenario.
pub(crate) const SCENARIO: &str = include_str!("../../examples/datacenter/datacenter.yaml");

const POLICIES: [(&str, &str); 5] = [
    ("vm-crash-restart.yaml", include_str!("../../policies/vm-crash-restart.yaml")),
    ("vm-memory-pressure.yaml", include_str!("../../policies/vm-memory-pressure.yaml")),
    ("host-down.yaml", include_str!("../../examples/datacenter/policies/host-down.yaml")),
    ("vm-cpu-pressure.yaml", include_str!("../../examples/datacenter/policies/vm-cpu-pressure.yaml")),
    ("batch-noise.yaml", include_str!("../../examples/datacenter/policies/batch-noise.yaml")),
];

/// The policies.
pub(crate) fn policies() -> Vec<SourceText> {
    POLICIES.iter().map(|(name, text)| SourceText { name: (*name).into(), text: (*text).into() }).collect()
}
