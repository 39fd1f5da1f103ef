//! Migrate: a workload moves to the host with the most room.

use homeostat_model::{Action, Resource, ResourceId};

use crate::{
    Demand, Draft, Infeasible, Surroundings,
    draft::Steps,
    placement::{fits, interruption, moves_live, peers, room, room_beside, room_once_gone},
};

pub(crate) fn draft(around: &Surroundings<'_>, subject: &Resource) -> Result<Draft, Infeasible> {
    let source = around.host_of(subject)?;
    let demand = Demand::of(around, subject);
    // Several that leave a crowded host at the same moment must not all find it crowded: then it would stand empty.
    let before = room_once_gone(around, source);
    let mut best: Option<(&Resource, f64)> = None;
    let mut looked_at = 0_usize;
    for host in peers(around, source).filter(|host| around.leads(subject, host)) {
        looked_at += 1;
        let there = room(around, host, Some(&subject.id));
        if fits(host, &there, demand).is_err() {
            continue;
        }
        let after = room_beside(around, host, Some(&subject.id), &[demand]).share;
        if best.is_none_or(|(_, share)| after > share) {
            best = Some((host, after));
        }
    }
    let Some((target, after)) = best else {
        let needed = format!("{} vcpus and {} MiB", demand.vcpus, demand.memory_bytes >> 20);
        return Err(Infeasible(match looked_at {
            0 => format!("no other host that is up takes workloads of {}", source.id),
            1 => format!("the only other host has no room for {needed}"),
            _ => format!("none of {looked_at} other hosts has room for {needed}"),
        }));
    };
    if after <= before.share {
        let (after, before) = (percent(after), percent(before.share));
        return Err(Infeasible(format!(
            "it would gain nothing: {} would have {after} left, {} has {before}",
            target.id, source.id
        )));
    }
    let mut steps = Steps::default();
    let reason = format!(
        "{} has {} left afterwards, {} has {} now{}",
        target.id,
        percent(after),
        source.id,
        percent(before.share),
        interruption(subject, source, target)
    );
    let live = moves_live(subject, source, target);
    steps.add(around, subject, Action::Migrate { to: target.id.clone(), live }, &[], reason)?;
    Ok(Draft { steps: steps.done(), effect: format!("{} runs on {}", subject.id, target.id) })
}

/// How much more room is left on `target` with `workload` than on its host now: a share of either, below zero where it is less.
#[must_use]
pub fn gain(around: &Surroundings<'_>, workload: &ResourceId, target: &ResourceId) -> Option<f64> {
    let workload = around.topology.get(workload)?;
    let (source, target) = (around.host_of(workload).ok()?, around.topology.get(target)?);
    let after = room_beside(around, target, Some(&workload.id), &[Demand::of(around, workload)]).share;
    Some(after - room_once_gone(around, source).share)
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 100.0).round())
}
