//! Reads what happens when.

use homeostat_model::{Duration, ResourceId, Unit};

use super::{
    Happening, Incident, MAX_HAPPENINGS,
    document::Node,
    fields::{Fields, parse},
    reading::{A_DAY, CORES, MEMORY, Reading, in_order},
};

const INCIDENTS: [&str; 6] = ["crash", "kill", "isolate", "revive", "load", "memory"];

const WORKLOADS: &[&str] = &["vm", "container"];

/// The happenings of these entries, none of them after `duration`.
pub(super) fn read(reading: &mut Reading, nodes: &[Node], duration: Duration) -> Vec<Happening> {
    if let Some(first) = nodes.get(MAX_HAPPENINGS) {
        reading.problems.add(&first.at, format!("the timeline has more than {MAX_HAPPENINGS} entries"));
    }
    let nodes = nodes.iter().take(MAX_HAPPENINGS);
    in_order(nodes.filter_map(|node| happening(reading, node, duration)).collect())
}

fn happening(reading: &mut Reading, node: &Node, duration: Duration) -> Option<Happening> {
    let mut fields = Fields::open(node, "a happening", &mut reading.problems)?;
    fields.require("at", &mut reading.problems);
    let at = fields.duration("at", (Duration::ZERO, duration), &mut reading.problems);
    let given: Vec<(&str, &Node)> = INCIDENTS.into_iter().filter_map(|name| Some((name, fields.take(name)?))).collect();
    let place = fields.at.clone();
    fields.finish(&mut reading.problems);
    let [(name, node)] = given.as_slice() else {
        let (count, all) = (given.len(), INCIDENTS.join(", "));
        reading.problems.add(&place, format!("a happening is one of {all}; here are {count}"));
        return None;
    };
    let incident = incident(reading, name, node)?;
    Some(Happening { at: at?, incident })
}

fn incident(reading: &mut Reading, name: &str, node: &Node) -> Option<Incident> {
    match name {
        "crash" => Some(Incident::Crash(resource(reading, node, WORKLOADS)?)),
        "kill" => Some(Incident::Kill(resource(reading, node, &["host"])?)),
        "isolate" => Some(Incident::Isolate(resource(reading, node, &["host"])?)),
        "revive" => Some(Incident::Revive(resource(reading, node, &["host"])?)),
        "load" => {
            let (resource, cores, ramp) = change(reading, node, "cores")?;
            Some(Incident::Load { resource, cores, ramp })
        }
        _ => {
            let (resource, bytes, ramp) = change(reading, node, "bytes")?;
            Some(Incident::Memory { resource, bytes, ramp })
        }
    }
}

/// A change of `what` a workload wants: of which, to how much, and how slowly.
fn change(reading: &mut Reading, node: &Node, what: &'static str) -> Option<(ResourceId, f64, Duration)> {
    let mut fields = Fields::open(node, "the change", &mut reading.problems)?;
    let resource = match fields.require("resource", &mut reading.problems) {
        Some(node) => resource(reading, node, WORKLOADS),
        None => None,
    };
    fields.require(what, &mut reading.problems);
    let (unit, range) = if what == "cores" { (Unit::None, (0.0, CORES.1)) } else { (Unit::Bytes, (0.0, MEMORY.1)) };
    let amount = fields.amount(what, unit, range, &mut reading.problems);
    let ramp = fields.duration("ramp", (Duration::ZERO, A_DAY), &mut reading.problems).unwrap_or_default();
    fields.finish(&mut reading.problems);
    Some((resource?, amount?, ramp))
}

fn resource(reading: &mut Reading, node: &Node, kinds: &[&str]) -> Option<ResourceId> {
    let id: ResourceId = parse(node, "resource", &mut reading.problems)?;
    if !kinds.contains(&id.kind()) {
        reading.problems.add(&node.at, format!("this happens to a {}, not to {id}", kinds.join(" or a ")));
        return None;
    }
    reading.exists(&id, node).then_some(id)
}
