//! Documents of the kind `Guard`: what holds for all policies on the resources that they select.

use std::{ops::Range, sync::Arc};

use homeostat_model::{Budget, Duration, Fuse, Impact, PolicyName, Quota, Window};

use crate::{
    Catalogue, Selector,
    document::head,
    fields::{Fields, duration, integer, parsed, text, texts},
    formula::Written,
    language::MAX_WINDOW,
    limits::{Within, budgets, ceiling},
    mistake::Mistake,
    report::Report,
    selector::select,
    window::windows,
    yaml::{Node, Yaml},
};

/// From when on a host of which nothing is heard counts as silent, unless the guard says otherwise: twenty of the usual scrapes of 15 s.
const SILENT_AFTER: Duration = Duration::from_mins(5);

/// Shortest of the times.
const SHORTEST: Duration = Duration::from_secs(1);

/// Most failures that a breaker waits for: each is remembered.
pub(crate) const MAX_FAILURES: u32 = 1_000;

/// The fields that forbid something; one of them at least is there.
pub(crate) const FORBIDDING: [&str; 9] =
    ["budgets", "maxUnhealthy", "silentHosts", "breaker", "maintenance", "onlyWithin", "ceiling", "settle", "parallel"];

/// Most steps at a time that can be asked for: more are in flight nowhere.
pub(crate) const MAX_PARALLEL: usize = 1_024;

/// A guard as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Safeguard {
    /// Its name, unique among the guards.
    pub name: PolicyName,
    /// What it guards.
    pub select: Selector,
    /// To how much of it something may begin to be done, and be done at a time.
    pub budgets: Vec<Budget>,
    /// How many of what it guards may have a finding at once, for anything there to be disrupted.
    pub max_unhealthy: Option<Quota>,
    /// Of how many hosts nothing may be heard, for anything there to be disrupted.
    pub silent_hosts: Option<SilentHosts>,
    /// When its breaker opens, if it has one.
    pub breaker: Option<Fuse>,
    /// When people work there: nothing at all is done then.
    pub maintenance: Vec<Window>,
    /// When something there may be disrupted, if not always.
    pub only_within: Vec<Window>,
    /// The greatest impact that anything done there may have; `None`: any.
    pub ceiling: Option<Impact>,
    /// How long nothing there is disrupted after the program began, and until it was listed what there is.
    pub settle: Option<Duration>,
    /// How many steps may be in flight where one begins that concerns it.
    pub parallel: Parallel,
}

/// Below how many steps in flight one may begin; `None`: nothing is said of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parallel {
    /// On the same host.
    pub host: Option<usize>,
    /// On the hosts of the same rack.
    pub rack: Option<usize>,
    /// Through the same adapter.
    pub adapter: Option<usize>,
}

/// Of how many hosts nothing may be heard, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SilentHosts {
    /// How many.
    pub max: Quota,
    /// No sample and no event for so long is silence.
    pub after: Duration,
}

/// The guards that were loaded together with a policy. They are no part of what a policy says: one that is changed begins no policy anew.
#[derive(Debug, Clone, Default)]
pub struct Safeguards(pub Arc<[Safeguard]>);

impl PartialEq for Safeguards {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Whether `root` says that it is one.
pub(crate) fn is_guard(root: &Node) -> bool {
    let Yaml::Map(entries) = &root.value else { return false };
    let kind = entries.iter().find(|(key, _)| key.text == "kind").map(|(_, node)| &node.value);
    matches!(kind, Some(Yaml::Scalar { text, .. }) if text == "Guard")
}

/// Where parts of a guard stand.
pub(crate) struct Places {
    /// Its name, in its file.
    pub(crate) name: Range<usize>,
    /// Its ceiling, if it has one.
    pub(crate) ceiling: Option<Written>,
}

/// The guard that `root` is, with the places of its parts. `None` when it has problems.
pub(crate) fn guard(root: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<(Safeguard, Places)> {
    let before = report.found();
    let mut fields = head(root, "Guard", &[], report)?;
    let metadata = fields.require("metadata", report).and_then(|node| metadata(node, report));
    let spec = fields.require("spec", report);
    fields.finish(report);
    let mut fields = Fields::open(spec?, "spec", report)?;
    fields.take("description").and_then(|node| text(node, "description", report));
    let select = fields.require("select", report).and_then(|node| select(node, catalogue, report));
    if FORBIDDING.iter().all(|name| fields.take(name).is_none()) {
        report.add(fields.at(), Mistake::EmptyGuard);
    }
    let budgets = budgets(fields.take("budgets"), Within::Guard, report);
    let max_unhealthy = fields.take("maxUnhealthy").and_then(|node| parsed(node, "maxUnhealthy", report));
    let silent_hosts = fields.take("silentHosts").and_then(|node| silent_hosts(node, report));
    let breaker = fields.take("breaker").and_then(|node| breaker(node, report));
    let maintenance = fields.take("maintenance").map(|node| windows(node, "maintenance", report)).unwrap_or_default();
    let only_within = fields.take("onlyWithin").map(|node| windows(node, "onlyWithin", report)).unwrap_or_default();
    let ceiling_at = fields.take("ceiling").map(|node| Written::here(&node.at, report));
    let ceiling = fields.take("ceiling").and_then(|node| ceiling(node, report));
    let settle = fields.take("settle").and_then(|node| duration(node, "settle", (SHORTEST, MAX_WINDOW), report));
    let parallel = fields.take("parallel").and_then(|node| parallel(node, report)).unwrap_or_default();
    fields.finish(report);
    if report.found() > before {
        return None;
    }
    let (name, name_at) = metadata?;
    let select = select?;
    let guard = Safeguard {
        name,
        select,
        budgets,
        max_unhealthy,
        silent_hosts,
        breaker,
        maintenance,
        only_within,
        ceiling,
        settle,
        parallel,
    };
    Some((guard, Places { name: name_at, ceiling: ceiling_at }))
}

fn silent_hosts(node: &Node, report: &mut Report) -> Option<SilentHosts> {
    let mut fields = Fields::open(node, "silentHosts", report)?;
    let max = fields.require("max", report).and_then(|node| parsed(node, "max", report));
    let after =
        fields.take("after").map_or(Some(SILENT_AFTER), |node| duration(node, "after", (SHORTEST, MAX_WINDOW), report));
    fields.finish(report);
    Some(SilentHosts { max: max?, after: after? })
}

fn parallel(node: &Node, report: &mut Report) -> Option<Parallel> {
    let mut fields = Fields::open(node, "parallel", report)?;
    let before = report.found();
    let mut most =
        |name: &'static str| fields.take(name).and_then(|node| integer(node, name, (1, MAX_PARALLEL), report));
    let parallel = Parallel { host: most("host"), rack: most("rack"), adapter: most("adapter") };
    if parallel == Parallel::default() && report.found() == before {
        let help = Some("say how many, for example `parallel: {host: 2}`".into());
        report.add(node.at.clone(), Mistake::InvalidValue { reason: "`parallel` limits nothing".into(), help });
    }
    fields.finish(report);
    Some(parallel)
}

fn breaker(node: &Node, report: &mut Report) -> Option<Fuse> {
    let mut fields = Fields::open(node, "breaker", report)?;
    let failures =
        fields.require("failures", report).and_then(|node| integer(node, "failures", (1, MAX_FAILURES), report));
    let within =
        fields.require("within", report).and_then(|node| duration(node, "within", (SHORTEST, MAX_WINDOW), report));
    let pause =
        fields.require("pause", report).and_then(|node| duration(node, "pause", (SHORTEST, MAX_WINDOW), report));
    fields.finish(report);
    Some(Fuse { failures: failures?, within: within?, pause: pause? })
}

fn metadata(node: &Node, report: &mut Report) -> Option<(PolicyName, Range<usize>)> {
    let mut fields = Fields::open(node, "metadata", report)?;
    let name = fields.require("name", report);
    fields.take("labels").map(|node| texts(node, "labels", report));
    fields.finish(report);
    let name = name?;
    Some((parsed(name, "name", report)?, name.at.clone()))
}
