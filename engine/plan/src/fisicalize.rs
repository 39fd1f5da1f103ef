//! Fisicalize: a workload gets a physical machine of its own, powered on for it if need be.

use homeostat_model::{Action, Resource, Verb};

use crate::{
    Demand, Draft, Infeasible, Surroundings,
    draft::Steps,
    placement::{fits, interruption, moves_live, room, tenants},
};

pub(crate) fn draft(around: &Surroundings<'_>, subject: &Resource, pool: &str) -> Result<Draft, Infeasible> {
    let source = around.host_of(subject)?;
    if source.labels.get("pool").is_some_and(|of| of == pool) && tenants(around, source).count() == 1 {
        return Err(Infeasible(format!("it already has {} for itself", source.id)));
    }
    let target = choose(around, subject, source, pool)?;
    let mut steps = Steps::default();
    let mut after = Vec::new();
    if target.state() == Some("off") {
        after.push(steps.add(
            around,
            target,
            Action::Power { on: true },
            &[],
            "it is switched off until it is needed".into(),
        )?);
    }
    let live = moves_live(subject, source, target);
    let reason = format!("{} runs nothing else{}", target.id, interruption(subject, source, target));
    let moved = steps.add(around, subject, Action::Migrate { to: target.id.clone(), live }, &after, reason)?;
    if around.can(target, Verb::Cordon) {
        steps.add(around, target, Action::Cordon { on: true }, &[moved], "nothing else may come to it".into())?;
    }
    Ok(Draft { steps: steps.done(), effect: format!("{} has {} for itself", subject.id, target.id) })
}

/// The smallest machine of the pool that is empty and large enough; one that is on already before one that is off.
fn choose<'a>(
    around: &'a Surroundings<'_>,
    subject: &Resource,
    source: &'a Resource,
    pool: &str,
) -> Result<&'a Resource, Infeasible> {
    let demand = Demand::of(around, subject);
    let in_pool =
        |host: &&Resource| host.labels.get("pool").is_some_and(|of| of == pool) && host.adapter == source.adapter;
    let mut machines = 0_usize;
    let mut best: Option<(&Resource, (bool, f64))> = None;
    for host in around.topology.of_kind(source.id.kind()).filter(in_pool) {
        machines += 1;
        let usable = matches!(host.state(), Some("up" | "off")) && !host.flag("cordoned") && !host.flag("fenced");
        let taken = tenants(around, host).next().is_some() || around.projection.leaving.contains(&host.id);
        if !usable || taken || !around.leads(subject, host) || fits(host, &room(around, host, None), demand).is_err() {
            continue;
        }
        let rank = (host.state() == Some("off"), host.capacity.vcpus.unwrap_or(f64::MAX));
        if best.is_none_or(|(_, other)| rank < other) {
            best = Some((host, rank));
        }
    }
    best.map(|(host, _)| host).ok_or_else(|| {
        Infeasible(format!(
            "none of {machines} machines of the pool `{pool}` is free and has {} vcpus and {} MiB",
            demand.vcpus,
            demand.memory_bytes >> 20
        ))
    })
}
