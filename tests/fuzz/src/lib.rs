//! Throws bytes at everything that reads bytes from outside, and says what must hold whatever they are.
//!
//! ```text
//!   seeds/<target> --mutated--> targets/<target>.rs --> a reader of ours --> what always holds is asserted
//! ```
//!
//! Invariant: a target only calls what the program itself calls with such bytes, through public functions.
//! Invariant: a target is deterministic, so that a finding can be repeated: no clock, no file, no randomness.
//!
//! Here is what several targets share: a data centre for policies to speak of, and what holds of every problem.

pub mod door;

use std::collections::BTreeMap;

use homeostat_model::{
    AdapterName, Capabilities, Capacity, EventType, InvalidName, Kind, KindCapability, MetricDescription, MetricName,
    Resource, Unit, Verb,
};
use homeostat_policy::{CODES, Catalogue, Problem, UnknownMetrics};
use miette::{GraphicalReportHandler, GraphicalTheme};

/// Problems of one file that are drawn: drawing costs as much as the file is long, and the first ones are of all sorts.
const DRAWN: usize = 8;

/// Virtual machines and hosts; every unit is there, and so is a metric that any kind may have.
///
/// # Errors
/// None while the names below are names.
pub fn catalogue(unknown: UnknownMetrics) -> Result<Catalogue, InvalidName> {
    let vm = kind(
        &[Verb::Restart, Verb::Resize, Verb::Migrate],
        &[
            ("cpu.utilization", Unit::Ratio),
            ("memory.used", Unit::Bytes),
            ("cpu.seconds", Unit::Seconds),
            ("power.watts", Unit::Watts),
            ("requests.total", Unit::None),
        ],
        &["vm.crashed", "vm.started"],
        &["state", "image", "cordoned"],
    )?;
    let host = kind(&[Verb::Fence, Verb::Power], &[("power.watts", Unit::Watts)], &["host.down"], &["state"])?;
    let kinds = BTreeMap::from([(Kind::new("vm")?, vm), (Kind::new("host")?, host)]);
    let offered = Capabilities { adapter: AdapterName::new("datacenter")?, kinds };
    Ok(Catalogue::new(unknown).with(&offered).with_metric(MetricName::new("node_load1")?, described(Unit::None)))
}

/// A virtual machine with a value for everything that the catalogue knows of one.
///
/// # Errors
/// None while the names below are names.
pub fn vm() -> Result<Resource, InvalidName> {
    let attributes = [("state", "running".into()), ("image", "debian".into()), ("cordoned", true.into())];
    Ok(Resource {
        labels: BTreeMap::from([("tier".to_owned(), "web".to_owned())]),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        capacity: Capacity { vcpus: Some(2.0), memory_bytes: Some(4 << 30) },
        ..Resource::named("vm/web-1".parse()?)
    })
}

/// Checks that each of `problems` of the file `text` has a known code and a place in the file, and can be drawn.
///
/// # Panics
/// When one has not: that is a finding.
pub fn can_be_shown(text: &str, problems: &[Problem]) {
    let drawing = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    for (number, problem) in problems.iter().enumerate() {
        let span = problem.span();
        assert!(text.get(span.clone()).is_some(), "{span:?} is no part of the file: {problem}");
        assert!(CODES.iter().any(|code| *code == problem.code()), "{} is not a known code", problem.code());
        assert!(!problem.to_string().is_empty());
        if number < DRAWN {
            let mut drawn = String::new();
            drawing.render_report(&mut drawn, problem).unwrap();
            assert!(problem.plain().line >= 1 && problem.plain().column >= 1);
        }
    }
}

fn kind(
    verbs: &[Verb],
    metrics: &[(&str, Unit)],
    events: &[&str],
    attributes: &[&str],
) -> Result<KindCapability, InvalidName> {
    let metrics = metrics.iter().map(|(name, unit)| Ok((MetricName::new(name)?, described(*unit))));
    Ok(KindCapability {
        verbs: verbs.iter().copied().collect(),
        metrics: metrics.collect::<Result<_, InvalidName>>()?,
        events: events.iter().map(EventType::new).collect::<Result<_, _>>()?,
        attributes: attributes.iter().map(ToString::to_string).collect(),
    })
}

fn described(unit: Unit) -> MetricDescription {
    MetricDescription { unit, help: String::new() }
}
