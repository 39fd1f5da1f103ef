//! `overload`: no host is given more memory than it has, nor more processors than it may give out, when all plans in flight and
//! this one have brought everything that they bring, and nothing has left yet, or all that may be undone is undone.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Action, Amount, Resource, ResourceId, StepId, Value};

use super::{Steps, target};
use crate::Surroundings;

pub(super) fn check(around: &Surroundings<'_>, steps: &Steps<'_>) -> Vec<(Option<StepId>, String)> {
    let mut grown: BTreeMap<&ResourceId, Amount> = BTreeMap::new();
    let mut coming: BTreeMap<&ResourceId, BTreeSet<&ResourceId>> = BTreeMap::new();
    // The hosts that get more to bear, and the first step by which they do.
    let mut burdened: BTreeMap<&ResourceId, StepId> = BTreeMap::new();
    for step in steps.all {
        if let Some(to) = target(step) {
            coming.entry(to).or_default().insert(&step.resource);
            burdened.entry(to).or_insert(step.id);
        }
        if let Action::Resize(amount) = &step.action
            && let Some(resource) = around.topology.get(&step.resource)
        {
            grown.insert(&step.resource, amount.as_ref().clone());
            if let Some(host) = resource.on.as_ref().filter(|_| grows(around, resource, amount)) {
                burdened.entry(host).or_insert(step.id);
            }
        }
    }
    let mut found = Vec::new();
    for (id, step) in burdened {
        let Some(host) = around.topology.get(id) else { continue };
        let here = around.topology.children(id).map(|resource| &resource.id);
        let (arriving, returning) = (around.projection.arriving.get(id), around.projection.returning.get(id));
        let others = arriving.into_iter().chain(returning).flatten();
        let all: BTreeSet<&ResourceId> =
            here.chain(others).chain(coming.get(id).into_iter().flatten().copied()).collect();
        let (mut vcpus, mut memory) = (0.0, 0_u64);
        for resource in all.into_iter().filter_map(|id| around.topology.get(id)) {
            let grown = grown.get(&resource.id);
            let (mut its_vcpus, mut its_memory) = needs(around, resource, grown);
            // Another plan may give it less; it has what it has until that is done, and may get it back.
            if around.projection.amounts.contains_key(&resource.id) && grown.is_none() {
                let had = around.projection.had.get(&resource.id);
                let kept = [resource.capacity.vcpus, had.and_then(|had| had.vcpus)];
                its_vcpus = kept.into_iter().flatten().fold(its_vcpus, f64::max);
                let kept = [resource.capacity.memory_bytes, had.and_then(|had| had.memory_bytes)];
                its_memory = kept.into_iter().flatten().fold(its_memory, u64::max);
            }
            vcpus += its_vcpus;
            memory = memory.saturating_add(its_memory);
        }
        if let Some(has) = host.capacity.memory_bytes.filter(|has| memory > *has) {
            let problem = format!("{id} would bear {} MiB of memory, and has {}", memory >> 20, has >> 20);
            found.push((Some(step), problem));
        }
        let cores = host.capacity.vcpus.map(|cores| cores * times(host));
        if let Some(may) = cores.filter(|may| vcpus > may + ROUNDING) {
            found.push((Some(step), format!("{id} would bear {vcpus} vcpus, and may give out {may}")));
        }
    }
    found
}

/// Sums of shares may miss by this much.
const ROUNDING: f64 = 1e-6;

/// Whether `resource` gets more than it has, or is being given.
fn grows(around: &Surroundings<'_>, resource: &Resource, amount: &Amount) -> bool {
    let (vcpus, memory) = needs(around, resource, None);
    amount.vcpus.is_some_and(|wanted| wanted > vcpus) || amount.memory_bytes.is_some_and(|wanted| wanted > memory)
}

/// What `resource` needs after every plan in flight, and once it is given `amount`.
fn needs(around: &Surroundings<'_>, resource: &Resource, amount: Option<&Amount>) -> (f64, u64) {
    let planned = around.projection.amounts.get(&resource.id);
    let vcpus = amount.and_then(|amount| amount.vcpus).or_else(|| planned.and_then(|amount| amount.vcpus));
    let memory =
        amount.and_then(|amount| amount.memory_bytes).or_else(|| planned.and_then(|amount| amount.memory_bytes));
    (
        vcpus.or(resource.capacity.vcpus).unwrap_or_default(),
        memory.or(resource.capacity.memory_bytes).unwrap_or_default(),
    )
}

/// How many times the cores of a host may be given out.
fn times(host: &Resource) -> f64 {
    match host.attributes.get("cpuOvercommit") {
        Some(Value::Number(times)) if *times > 0.0 => *times,
        _ => 1.0,
    }
}
