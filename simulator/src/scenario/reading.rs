//! From the tree of a file to a checked scenario.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use homeostat_model::{Duration, Kind, ResourceId, Timestamp, Unit};

use super::{
    Happening, HostSpec, Link, MAX_RESOURCES, RackSpec, Scenario, ScenarioError, WorkloadSpec,
    document::{self, Node},
    fields::{Fields, nearest, parse},
    pattern,
    problem::Problems,
    timeline, workload,
};
use crate::number;

/// More cores than the largest machine, and no more than a sum over all hosts stays exact with.
pub(super) const CORES: (f64, f64) = (0.01, 10_000.0);

/// From what the smallest kernel runs in to 256 TiB, what today's processors address.
pub(super) const MEMORY: (f64, f64) = (1_048_576.0, 281_474_976_710_656.0);

/// From what the smallest image takes to 1 PiB, more than a volume of today has.
pub(super) const DISK: (f64, f64) = (1_048_576.0, 1_125_899_906_842_624.0);

/// Nothing here takes longer than a day.
pub(super) const A_DAY: Duration = Duration::from_mins(24 * 60);

/// Every number from here on, in milliseconds, is exact in a double.
const A_MONTH: Duration = Duration::from_mins(31 * 24 * 60);

/// What has been read so far of the things that others refer to.
pub(super) struct Reading {
    pub(super) problems: Problems,
    /// Everything that has a name, also when something else is wrong with it.
    pub(super) ids: BTreeMap<ResourceId, Range<usize>>,
    hosts: Vec<(HostSpec, Range<usize>)>,
    overcommit: f64,
}

/// Reads and checks `text`.
pub(super) fn scenario(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let problems = Problems::of(file, text);
    let mut reading = Reading { problems, ids: BTreeMap::new(), hosts: Vec::new(), overcommit: 2.0 };
    let root = document::parse(text, &mut reading.problems);
    let scenario = root.and_then(|root| reading.root(&root));
    match scenario {
        Some(scenario) if reading.problems.is_empty() => Ok(scenario),
        _ => Err(reading.problems.into_error()),
    }
}

impl Reading {
    fn root(&mut self, root: &Node) -> Option<Scenario> {
        let problems = &mut self.problems;
        let mut fields = Fields::open(root, "the scenario", problems)?;
        let description = fields.text("description", problems).unwrap_or_default().trim().to_owned();
        fields.require("start", problems);
        let start: Option<jiff::Timestamp> = fields.parsed("start", problems);
        fields.require("duration", problems);
        let duration = fields.duration("duration", (Duration::from_secs(1), A_MONTH), problems);
        let seed: u64 = fields.parsed("seed", problems).unwrap_or(1);
        let every = (Duration::from_secs(1), Duration::from_mins(60));
        let sample_every = fields.duration("sampleEvery", every, problems).unwrap_or(Duration::from_secs(15));
        self.overcommit = fields.amount("overcommit", Unit::None, (1.0, 100.0), problems).unwrap_or(2.0);
        let migration = link(&mut fields, problems);
        let racks = fields.list("racks", problems).iter().flat_map(|node| self.racks(node)).collect();
        fields.list("hosts", &mut self.problems).iter().for_each(|node| self.hosts(node));
        let mut workloads = Vec::new();
        for (list, kind) in [("vms", "vm"), ("containers", "container")] {
            for node in fields.list(list, &mut self.problems) {
                workloads.extend(workload::read(self, node, kind));
            }
        }
        self.check_room(&workloads);
        let nodes = fields.list("timeline", &mut self.problems);
        let timeline = timeline::read(self, nodes, duration.unwrap_or(A_MONTH));
        if self.ids.len() > MAX_RESOURCES {
            let count = self.ids.len();
            self.problems.add(&fields.at, format!("there are {count} resources, at most {MAX_RESOURCES} are allowed"));
        }
        fields.finish(&mut self.problems);
        let hosts = std::mem::take(&mut self.hosts).into_iter().map(|(host, _)| host).collect();
        let start = Timestamp::from_millis(start?.as_millisecond());
        let duration = duration?;
        Some(Scenario {
            description,
            start,
            duration,
            seed,
            sample_every,
            migration,
            racks,
            hosts,
            workloads,
            timeline,
        })
    }

    fn racks(&mut self, node: &Node) -> Vec<RackSpec> {
        let Some(mut fields) = Fields::open(node, "a rack", &mut self.problems) else { return Vec::new() };
        let ids = self.names(&mut fields, "rack");
        let labels = fields.texts("labels", &mut self.problems);
        fields.finish(&mut self.problems);
        ids.into_iter().map(|id| RackSpec { id, labels: labels.clone() }).collect()
    }

    fn hosts(&mut self, node: &Node) {
        let Some(mut fields) = Fields::open(node, "a host", &mut self.problems) else { return };
        let ids = self.names(&mut fields, "host");
        fields.require("rack", &mut self.problems);
        let rack = self.one_of("rack", "rack", &mut fields);
        let problems = &mut self.problems;
        for name in ["cores", "memory"] {
            fields.require(name, problems);
        }
        let cores = fields.amount("cores", Unit::None, CORES, problems);
        let memory_bytes = fields.bytes("memory", MEMORY, problems);
        let power = power(&mut fields, problems);
        let labels = fields.texts("labels", problems);
        let on = one_word(&mut fields, "state", ["on", "off"], problems) == "on";
        let boot = (Duration::from_secs(1), A_DAY);
        let boot_time = fields.duration("bootTime", boot, problems).unwrap_or(Duration::from_secs(60));
        let overcommit = fields.amount("overcommit", Unit::None, (1.0, 100.0), problems).unwrap_or(self.overcommit);
        let at = fields.at.clone();
        fields.finish(problems);
        let (Some(rack), Some(cores), Some(memory_bytes), Some((idle_watts, busy_watts))) =
            (rack, cores, memory_bytes, power)
        else {
            return;
        };
        for id in ids {
            let (rack, labels) = (rack.clone(), labels.clone());
            let host =
                HostSpec { id, rack, labels, cores, memory_bytes, overcommit, idle_watts, busy_watts, on, boot_time };
            self.hosts.push((host, at.clone()));
        }
    }

    /// The ids that the field `name` stands for. One that exists already is a problem, and is left out.
    pub(super) fn names(&mut self, fields: &mut Fields<'_>, kind: &str) -> Vec<ResourceId> {
        let Some(node) = fields.require("name", &mut self.problems) else { return Vec::new() };
        let Some(pattern) = super::fields::plain(node, "name", &mut self.problems) else { return Vec::new() };
        let mut ids = self.expanded(pattern, kind, node);
        ids.retain(|id| {
            let new = self.ids.insert(id.clone(), node.at.clone()).is_none();
            if !new {
                self.problems.add(&node.at, format!("there is a {id} already"));
            }
            new
        });
        ids
    }

    /// The existing resources of `kind` that the field `name` stands for.
    pub(super) fn all_of(&mut self, name: &'static str, kind: &str, fields: &mut Fields<'_>) -> Vec<ResourceId> {
        let Some(node) = fields.take(name) else { return Vec::new() };
        let Some(pattern) = super::fields::plain(node, name, &mut self.problems) else { return Vec::new() };
        let mut ids = self.expanded(pattern, kind, node);
        ids.retain(|id| self.exists(id, node));
        ids
    }

    fn one_of(&mut self, name: &'static str, kind: &str, fields: &mut Fields<'_>) -> Option<ResourceId> {
        self.all_of(name, kind, fields).into_iter().next()
    }

    /// Whether there is an `id`; says so when there is not.
    pub(super) fn exists(&mut self, id: &ResourceId, node: &Node) -> bool {
        let exists = self.ids.contains_key(id);
        if !exists {
            let names: Vec<&str> = self.ids.keys().map(ResourceId::as_str).collect();
            let help = nearest(id.as_str(), &names).map(|near| format!("did you mean `{near}`?"));
            self.problems.add_with_help(&node.at, format!("there is no {id}"), help);
        }
        exists
    }

    fn expanded(&mut self, pattern: &str, kind: &str, node: &Node) -> Vec<ResourceId> {
        let ids = pattern::expand(pattern).and_then(|names| {
            let kind = Kind::new(kind).map_err(|error| error.to_string())?;
            names.iter().map(|name| ResourceId::new(&kind, name).map_err(|error| error.to_string())).collect()
        });
        ids.unwrap_or_else(|error| {
            self.problems.add(&node.at, error);
            Vec::new()
        })
    }

    /// What is placed on a host at the start has to fit in, and runs only where it is switched on.
    fn check_room(&mut self, workloads: &[WorkloadSpec]) {
        let off: BTreeSet<&ResourceId> =
            self.hosts.iter().filter(|(host, _)| !host.on).map(|(host, _)| &host.id).collect();
        for workload in workloads.iter().filter(|workload| workload.running && off.contains(&workload.host)) {
            let at = self.ids.get(&workload.id).cloned().unwrap_or_default();
            self.problems.add(&at, format!("{} cannot run: {} is off", workload.id, workload.host));
        }
        for (host, at) in &self.hosts {
            let placed = || workloads.iter().filter(|workload| workload.host == host.id);
            let vcpus: f64 = placed().map(|workload| workload.vcpus).sum();
            let memory: f64 = placed().map(|workload| number::from_u64(workload.memory_bytes)).sum();
            if vcpus > host.cores * host.overcommit + 1e-9 {
                let (id, all) = (&host.id, host.cores * host.overcommit);
                self.problems.add(at, format!("{id} gives out {all} vcpus, and {vcpus} are placed on it"));
            }
            if memory > number::from_u64(host.memory_bytes) {
                let (id, has) = (&host.id, host.memory_bytes >> 20);
                let placed = (memory / 1_048_576.0).ceil();
                self.problems.add(at, format!("{id} has {has} MiB of memory, and {placed} MiB are placed on it"));
            }
        }
    }
}

/// One of these words; the first one, when there is none.
pub(super) fn one_word<'w, const N: usize>(
    fields: &mut Fields<'_>,
    name: &'static str,
    words: [&'w str; N],
    problems: &mut Problems,
) -> &'w str {
    let default = words.first().copied().unwrap_or_default();
    let Some(node) = fields.take(name) else { return default };
    let Some(given) = parse::<String>(node, name, problems) else { return default };
    words.into_iter().find(|word| *word == given).unwrap_or_else(|| {
        problems.add(&node.at, format!("`{name}` is `{given}`; it may be {}", words.join(" or ")));
        default
    })
}

fn link(fields: &mut Fields<'_>, problems: &mut Problems) -> Link {
    // Ten gigabits a second with its overheads, and the pause that is usual when the last pages are copied.
    let mut link = Link { bytes_per_second: 1e9, pause: Duration::from_millis(200) };
    if let Some(mut migration) = fields.take("migration").and_then(|node| Fields::open(node, "the migration", problems))
    {
        let bandwidth = migration.amount("bandwidth", Unit::Bytes, (1e3, 1e12), problems);
        link.bytes_per_second = bandwidth.unwrap_or(link.bytes_per_second);
        let pause = migration.duration("pause", (Duration::ZERO, Duration::from_secs(60)), problems);
        link.pause = pause.unwrap_or(link.pause);
        migration.finish(problems);
    }
    link
}

/// Idle and busy, in watts.
fn power(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<(f64, f64)> {
    let node = fields.require("power", problems)?;
    let mut power = Fields::open(node, "the power", problems)?;
    for name in ["idle", "busy"] {
        power.require(name, problems);
    }
    let idle = power.amount("idle", Unit::Watts, (0.0, 100_000.0), problems);
    let busy = power.amount("busy", Unit::Watts, (0.0, 100_000.0), problems);
    power.finish(problems);
    let (idle, busy) = (idle?, busy?);
    if busy < idle {
        problems.add(&node.at, format!("a host draws {busy} W busy and {idle} W idle; it cannot draw less when busy"));
        return None;
    }
    Some((idle, busy))
}

/// In the order of time; those of the same time stay in the order of the file.
pub(super) fn in_order(mut timeline: Vec<Happening>) -> Vec<Happening> {
    timeline.sort_by_key(|happening| happening.at);
    timeline
}
