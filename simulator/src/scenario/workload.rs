//! Reads VMs and containers, and the curves of what they want.

use homeostat_model::{Duration, Unit};

use super::{
    DiskSpec, OutOfMemory, WorkloadSpec,
    document::Node,
    fields::Fields,
    problem::Problems,
    reading::{A_DAY, CORES, DISK, MEMORY, Reading, one_word},
};
use crate::{Curve, Sine, Step, number};

/// Most steps of one curve: more than one a minute of a day is a recording, not a scenario.
const MAX_STEPS: usize = 1_440;

/// The VMs or containers that one entry of the file stands for: each on the next one of its hosts.
pub(super) fn read(reading: &mut Reading, node: &Node, kind: &'static str) -> Vec<WorkloadSpec> {
    let what = if kind == "vm" { "a vm" } else { "a container" };
    let Some(mut fields) = Fields::open(node, what, &mut reading.problems) else { return Vec::new() };
    let ids = reading.names(&mut fields, kind);
    fields.require("on", &mut reading.problems);
    let hosts = reading.all_of("on", "host", &mut fields);
    let problems = &mut reading.problems;
    for name in ["vcpus", "memory"] {
        fields.require(name, problems);
    }
    let vcpus = fields.amount("vcpus", Unit::None, CORES, problems);
    if let Some(vcpus) = vcpus.filter(|vcpus| kind == "vm" && vcpus.fract() != 0.0) {
        problems.add(&fields.at, format!("a vm has whole vcpus, not {vcpus}"));
    }
    let memory_bytes = fields.bytes("memory", MEMORY, problems);
    let load = curve(&mut fields, "load", Unit::None, (0.0, CORES.1), problems);
    let memory_use = curve(&mut fields, "memoryUse", Unit::Bytes, (0.0, MEMORY.1), problems);
    let out_of_memory = match one_word(&mut fields, "outOfMemory", ["waits", "crashes"], problems) {
        "crashes" => OutOfMemory::Crashes,
        _ => OutOfMemory::Waits,
    };
    let disk = disk(&mut fields, problems);
    let labels = fields.texts("labels", problems);
    let running = one_word(&mut fields, "state", ["running", "stopped"], problems) == "running";
    // A guest boots an operating system, a container starts a process.
    let (start, stop) = if kind == "vm" { (20, 5) } else { (3, 1) };
    let span = (Duration::from_millis(1), A_DAY);
    let start_time = fields.duration("startTime", span, problems).unwrap_or(Duration::from_secs(start));
    let stop_time = fields.duration("stopTime", span, problems).unwrap_or(Duration::from_secs(stop));
    let restarts = fields.duration("restarts", span, problems);
    fields.finish(problems);
    let (Some(vcpus), Some(memory_bytes)) = (vcpus, memory_bytes) else { return Vec::new() };
    // Half of it is what an ordinary guest that was sized by hand uses.
    let memory_use = memory_use.unwrap_or_else(|| Curve::constant(number::from_u64(memory_bytes) / 2.0));
    let spec = |(id, host)| WorkloadSpec {
        id,
        host,
        labels: labels.clone(),
        vcpus,
        memory_bytes,
        load: load.clone().unwrap_or_default(),
        memory_use: memory_use.clone(),
        out_of_memory,
        disk: disk.clone(),
        running,
        start_time,
        stop_time,
        restarts,
    };
    ids.into_iter().zip(hosts.into_iter().cycle()).map(spec).collect()
}

fn disk(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<DiskSpec> {
    let node = fields.take("disk")?;
    let mut fields = Fields::open(node, "a disk", problems)?;
    fields.require("size", problems);
    let bytes = fields.bytes("size", DISK, problems);
    let usage = curve(&mut fields, "use", Unit::Bytes, (0.0, DISK.1), problems).unwrap_or_default();
    fields.finish(problems);
    Some(DiskSpec { bytes: bytes?, usage })
}

fn curve(
    fields: &mut Fields<'_>,
    name: &'static str,
    unit: Unit,
    range: (f64, f64),
    problems: &mut Problems,
) -> Option<Curve> {
    let node = fields.take(name)?;
    let mut fields = Fields::open(node, name, problems)?;
    let base = fields.amount("base", unit, range, problems).unwrap_or_default();
    let noise = fields.amount("noise", unit, range, problems).unwrap_or_default();
    let sine = fields.take("sine").and_then(|node| sine(node, unit, range, problems));
    let nodes = fields.list("steps", problems);
    if nodes.len() > MAX_STEPS {
        problems.add(&fields.at, format!("`{name}` has {} steps, at most {MAX_STEPS} are allowed", nodes.len()));
    }
    let mut steps: Vec<Step> =
        nodes.iter().take(MAX_STEPS).filter_map(|node| step(node, unit, range, problems)).collect();
    steps.sort_by_key(|step| step.at);
    fields.finish(problems);
    Some(Curve { base, steps, sine, noise })
}

fn sine(node: &Node, unit: Unit, range: (f64, f64), problems: &mut Problems) -> Option<Sine> {
    let mut fields = Fields::open(node, "a sine", problems)?;
    for name in ["amplitude", "period"] {
        fields.require(name, problems);
    }
    let amplitude = fields.amount("amplitude", unit, range, problems);
    let period = fields.duration("period", (Duration::from_secs(1), A_DAY), problems);
    fields.finish(problems);
    Some(Sine { amplitude: amplitude?, period: period? })
}

fn step(node: &Node, unit: Unit, range: (f64, f64), problems: &mut Problems) -> Option<Step> {
    let mut fields = Fields::open(node, "a step", problems)?;
    for name in ["at", "to"] {
        fields.require(name, problems);
    }
    let at: Option<Duration> = fields.parsed("at", problems);
    let to = fields.amount("to", unit, range, problems);
    let over = fields.duration("over", (Duration::ZERO, A_DAY), problems).unwrap_or_default();
    fields.finish(problems);
    Some(Step { at: at?, to: to?, over })
}
