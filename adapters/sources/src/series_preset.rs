//! Mappings that come with homeostat.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::{series_mapping::SeriesRule, template::Template};

/// Rules for a well-known exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// Prometheus' node exporter, version 0.16 and later.
    NodeExporter,
}

/// The resource of a preset's series, unless the mapping says another.
pub(crate) static HOST: LazyLock<Vec<Template>> =
    LazyLock::new(|| Template::try_from("host/${labels.instance|host}".to_owned()).into_iter().collect());

/// The rules of `preset`, in order.
pub(crate) fn rules(preset: Preset) -> &'static [SeriesRule] {
    static NODE_EXPORTER: LazyLock<Vec<SeriesRule>> = LazyLock::new(|| read(include_str!("node_exporter.json")));
    match preset {
        Preset::NodeExporter => &NODE_EXPORTER,
    }
}

#[expect(clippy::expect_used, reason = "a constant, which a test reads")]
fn read(text: &str) -> Vec<SeriesRule> {
    serde_json::from_str(text).expect("a preset is a list of rules")
}
