//! Samples: one number of a stream.

use serde::{Deserialize, Serialize};

use crate::{MetricName, ResourceId, Timestamp};

/// What `metric` of `resource` was at `time`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The resource it is about.
    pub resource: ResourceId,
    /// The metric.
    pub metric: MetricName,
    /// When it was measured.
    pub time: Timestamp,
    /// The number, in the metric's base unit. A NaN is not a number and is refused by the engine.
    pub value: f64,
}
