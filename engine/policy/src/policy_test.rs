//! Test documents: inputs in virtual time, and what is to be decided about them.
//!
//! ```text
//!   resources, inventory ----+
//!   series, samples ---------+--> (virtual time) --> findings, plans, notifications, explanations == expect
//!   events ------------------+                         ^
//!   or: input ---------------+              actions ---+  injected results of steps
//! ```
//!
//! This is only their form; whoever runs them is elsewhere.

mod expectation;
mod injection;
mod inventory;
mod resource;
mod sample;
mod series;

use std::{collections::BTreeMap, ops::Range};

use homeostat_model::{Duration, EventType, Resource, ResourceId, Value};

pub use expectation::{Expectation, ExpectedNotification, ExpectedPlan, ExpectedStep, Explanation, STATUSES};
pub use injection::{InjectedOutcome, InjectedResult};
pub(crate) use injection::{MAX_TIMES, VERBS};
pub use inventory::{InventoryChange, InventoryEdit};
pub use sample::TestSample;
pub use series::{MAX_VALUES, Series};

use crate::{
    Problem, SourceText,
    document::head,
    fields::{Fields, duration, items, parsed, text, values},
    mistake::Mistake,
    nearest::hint,
    report::Report,
    scripts::is_script,
    source::documents,
    yaml::{self, Node},
};

/// The interval of series unless the test says otherwise: the usual one of scrapes.
const INTERVAL: Duration = Duration::from_secs(15);

/// The latest time in a test: a recording of a year.
const LATEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bytes.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
}

/// A test of policies.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyTest {
    /// The file it stands in.
    pub file: String,
    /// Its name; without one, that of the file.
    pub name: String,
    /// Files of policies, relative to the test's.
    pub policies: Vec<String>,
    /// What exists at the start.
    pub resources: Vec<Resource>,
    /// What appears, changes and goes later, in the order of time.
    pub inventory: Vec<InventoryChange>,
    /// The time between two values of a series.
    pub interval: Duration,
    /// What is measured, value after value.
    pub series: Vec<Series>,
    /// What is measured besides, such as what comes late.
    pub samples: Vec<TestSample>,
    /// What happens.
    pub events: Vec<TestEvent>,
    /// A recording instead of series and events: a file, relative to the test's.
    pub input: Option<String>,
    /// Results of steps other than that they are done.
    pub actions: Vec<InjectedResult>,
    /// What is to be decided, in the order of time. At least one.
    pub expect: Vec<Expectation>,
}

/// Something that happens in a test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestEvent {
    /// When, from the start of the test.
    pub at: Duration,
    /// To what.
    pub resource: ResourceId,
    /// What.
    pub event_type: EventType,
    /// Its details.
    pub attributes: BTreeMap<String, Value>,
}

/// Reads the tests of all `sources`. Documents of other kinds are passed over; bad ones are left out and reported.
#[must_use]
pub fn load_tests(sources: &[SourceText]) -> (Vec<PolicyTest>, Vec<Problem>) {
    let (mut tests, mut problems) = (Vec::new(), Vec::new());
    for source in sources.iter().filter(|source| !is_script(&source.name)) {
        let mut report = Report::new(source);
        for range in documents(&source.text, &mut report) {
            let Some(root) = yaml::parse(range, &mut report) else { continue };
            tests.extend(test(&root, &source.name, &mut report));
        }
        problems.extend(report.into_problems());
    }
    (tests, problems)
}

fn test(root: &Node, file: &str, report: &mut Report) -> Option<PolicyTest> {
    let before = report.found();
    let mut fields = head(root, "PolicyTest", &["Policy", "Guard"], report)?;
    let name = fields.take("metadata").and_then(|node| name(node, report)).unwrap_or_else(|| file.to_owned());
    let spec = fields.require("spec", report);
    fields.finish(report);
    let mut fields = Fields::open(spec?, "spec", report)?;
    let policies = fields.require("policies", report).map(|node| policies(node, report)).unwrap_or_default();
    let resources = fields.take("resources").map(|node| resource::resources(node, report)).unwrap_or_default();
    let interval = fields.take("interval");
    let interval = interval
        .and_then(|node| duration(node, "interval", (Duration::from_millis(1), LATEST), report))
        .unwrap_or(INTERVAL);
    let input = fields.take("input").and_then(|node| Some(text(node, "input", report)?.to_owned()));
    for field in ["inventory", "series", "samples", "events"] {
        if input.is_some() && fields.take(field).is_some() {
            report.add(fields.key_at(field), Mistake::InputAndSeries { field });
        }
    }
    let inventory =
        fields.take("inventory").map(|node| inventory::changes(node, &resources, report)).unwrap_or_default();
    // A recording brings resources of its own.
    let known = if input.is_some() { Known::anything() } else { Known::of(&resources, &inventory) };
    let series = fields.take("series").map(|node| series::series(node, &known, report)).unwrap_or_default();
    let samples = fields.take("samples").map(|node| sample::samples(node, &known, report)).unwrap_or_default();
    let events = fields.take("events").map(|node| events(node, &known, report)).unwrap_or_default();
    let actions = fields.take("actions").map(|node| injection::results(node, &known, report)).unwrap_or_default();
    let expect = fields.require("expect", report).map(|node| expectation::expectations(node, &known, report));
    fields.finish(report);
    let expect = expect?;
    if report.found() > before {
        return None;
    }
    let file = file.to_owned();
    Some(PolicyTest {
        file,
        name,
        policies,
        resources,
        inventory,
        interval,
        series,
        samples,
        events,
        input,
        actions,
        expect,
    })
}

fn name(node: &Node, report: &mut Report) -> Option<String> {
    let mut fields = Fields::open(node, "metadata", report)?;
    let name = fields.take("name").and_then(|node| Some(text(node, "name", report)?.to_owned()));
    fields.finish(report);
    name
}

fn policies(node: &Node, report: &mut Report) -> Vec<String> {
    let files: Vec<String> = items(node, "policies", report)
        .iter()
        .filter_map(|item| Some(text(item, "policies", report)?.to_owned()))
        .collect();
    if matches!(&node.value, yaml::Yaml::List(items) if items.is_empty()) {
        let help = Some("name the files of the policies: `policies: [web.yaml]`".into());
        report.add(node.at.clone(), Mistake::InvalidValue { reason: "the test has no policies".into(), help });
    }
    files
}

fn events(node: &Node, known: &Known, report: &mut Report) -> Vec<TestEvent> {
    items(node, "events", report).iter().filter_map(|item| event(item, known, report)).collect()
}

fn event(item: &Node, known: &Known, report: &mut Report) -> Option<TestEvent> {
    let mut fields = Fields::open(item, "an event", report)?;
    let at = fields.require("at", report).and_then(|node| time(node, report));
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    let event_type = fields.require("type", report).and_then(|node| parsed(node, "type", report));
    let attributes = fields.take("attributes").map(|node| values(node, "attributes", report)).unwrap_or_default();
    fields.finish(report);
    Some(TestEvent { at: at?, resource: resource?, event_type: event_type?, attributes })
}

/// A time from the start of the test.
fn time(node: &Node, report: &mut Report) -> Option<Duration> {
    duration(node, "at", (Duration::ZERO, LATEST), report)
}

/// The resources that a test may speak of.
struct Known {
    /// `None`: any, since they come from a recording.
    resources: Option<Vec<ResourceId>>,
}

impl Known {
    fn anything() -> Self {
        Self { resources: None }
    }

    /// Those that exist at the start, and those that appear later.
    fn of(resources: &[Resource], inventory: &[InventoryChange]) -> Self {
        let added = inventory.iter().filter_map(|change| match &change.edit {
            InventoryEdit::Add(resource) => Some(resource),
            InventoryEdit::Change(_) | InventoryEdit::Remove(_) => None,
        });
        Self { resources: Some(resources.iter().chain(added).map(|resource| resource.id.clone()).collect()) }
    }

    /// The id of a resource that the test has.
    fn resource(&self, node: &Node, report: &mut Report) -> Option<ResourceId> {
        let id: ResourceId = parsed(node, "resource", report)?;
        let Some(resources) = &self.resources else { return Some(id) };
        if resources.contains(&id) {
            return Some(id);
        }
        let help =
            hint(id.as_str(), resources.iter().map(ResourceId::as_str)).or(Some("list it below `resources`".into()));
        report.add(node.at.clone(), Mistake::UnknownResource { id: id.to_string(), help });
        None
    }
}

fn place(node: &Node, report: &Report) -> Place {
    let line = report.text().get(..node.at.start).unwrap_or_default().matches('\n').count() + 1;
    Place { span: node.at.clone(), line }
}
