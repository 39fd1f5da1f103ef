//! Samples one by one, for what series cannot say: late ones, and those that come in another order than they were measured in.

use homeostat_model::{Duration, MetricName, ResourceId};

use super::{Known, LATEST, series::number, time};
use crate::{
    fields::{Fields, duration, items, parsed, text},
    mistake::Mistake,
    report::Report,
    yaml::Node,
};

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSample {
    /// When it arrives, from the start of the test.
    pub at: Duration,
    /// When it was measured, from the start of the test; when it arrives unless the test says otherwise.
    pub time: Duration,
    /// Of what.
    pub resource: ResourceId,
    /// Which metric.
    pub metric: MetricName,
    /// The number, in the metric's base unit.
    pub value: f64,
}

pub(super) fn samples(node: &Node, known: &Known, report: &mut Report) -> Vec<TestSample> {
    items(node, "samples", report).iter().filter_map(|item| sample(item, known, report)).collect()
}

fn sample(item: &Node, known: &Known, report: &mut Report) -> Option<TestSample> {
    let mut fields = Fields::open(item, "a sample", report)?;
    let at = fields.require("at", report).and_then(|node| time(node, report));
    let measured = fields.take("time").map(|node| duration(node, "time", (Duration::ZERO, LATEST), report));
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    let metric = fields.require("metric", report).and_then(|node| parsed(node, "metric", report));
    let value = fields.require("value", report).and_then(|node| value(node, report));
    fields.finish(report);
    let time = measured.unwrap_or(at);
    Some(TestSample { at: at?, time: time?, resource: resource?, metric: metric?, value: value? })
}

fn value(node: &Node, report: &mut Report) -> Option<f64> {
    let given = text(node, "value", report)?;
    let value = number(given);
    if value.is_none() {
        let reason = format!("`{given}` is not a number that can be measured");
        let help = Some("write a number with at most one unit, such as 0.95, 95% or 2Gi".into());
        report.add(node.at.clone(), Mistake::InvalidValue { reason, help });
    }
    value
}
