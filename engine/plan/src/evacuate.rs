//! Evacuate: everything on a host goes elsewhere. Off a dead host only after it was fenced, so that nothing runs twice.

use homeostat_model::{Action, Resource, ResourceId, StepId, Verb};

use crate::{
    Demand, Draft, Infeasible, Surroundings,
    draft::Steps,
    placement::{fits, interruption, moves_live, peers, room_beside},
};

pub(crate) fn draft(around: &Surroundings<'_>, host: &Resource) -> Result<Draft, Infeasible> {
    let alive = match host.state() {
        Some("up") => true,
        Some("down") => false,
        // Fencing a host that may well be alive kills what runs on it.
        Some(state) => return Err(Infeasible(format!("{} is {state}, neither up nor down", host.id))),
        None => return Err(Infeasible(format!("it is not known whether {} is up", host.id))),
    };
    let verb = if alive { Verb::Migrate } else { Verb::Restart };
    let mut tenants: Vec<&Resource> = around
        .topology
        .children(&host.id)
        .filter(|tenant| around.can(tenant, verb))
        // What somebody stopped stays stopped; it is moved with a host that lives, and left where it is on a dead one.
        .filter(|tenant| alive || !matches!(tenant.state(), Some("stopped" | "exited" | "created")))
        .collect();
    if tenants.is_empty() {
        return Err(Infeasible(format!("nothing on {} can be moved", host.id)));
    }
    // The largest first: they are the hardest to place. `sort_by_key` is stable, so equal ones stay in the order of ids.
    tenants.sort_by_key(|tenant| std::cmp::Reverse(Demand::of(around, tenant).memory_bytes));
    let mut steps = Steps::default();
    let first = if alive {
        let cordon = Action::Cordon { on: true };
        if around.can(host, Verb::Cordon) {
            Some(steps.add(around, host, cordon, &[], "nothing new may come while it is emptied".into())?)
        } else {
            None
        }
    } else {
        let reason = "nothing may run there any more before it is started elsewhere".into();
        Some(steps.add(around, host, Action::Fence, &[], reason)?)
    };
    let (moved, stuck) = place(around, host, &tenants, alive, first, &mut steps)?;
    if moved == 0 {
        return Err(Infeasible(format!("no other host has room for any of {} workloads", tenants.len())));
    }
    let mut effect = format!("{moved} of {} workloads run elsewhere", tenants.len());
    if !stuck.is_empty() {
        effect = format!("{effect}; no room for {}", stuck.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "));
    }
    Ok(Draft { steps: steps.done(), effect })
}

/// Finds a place for each and adds its step; gives how many were placed, and those for which there was no room.
fn place<'a>(
    around: &Surroundings<'_>,
    source: &Resource,
    tenants: &[&'a Resource],
    alive: bool,
    first: Option<StepId>,
    steps: &mut Steps,
) -> Result<(usize, Vec<&'a ResourceId>), Infeasible> {
    let after: Vec<StepId> = first.into_iter().collect();
    let mut coming: Vec<(&Resource, Vec<Demand>)> = peers(around, source).map(|host| (host, Vec::new())).collect();
    let (mut moved, mut stuck) = (0, Vec::new());
    for tenant in tenants {
        let demand = Demand::of(around, tenant);
        let mut best: Option<(usize, f64)> = None;
        for (index, (host, others)) in coming.iter().enumerate() {
            let room = room_beside(around, host, None, others);
            if around.leads(tenant, host)
                && fits(host, &room, demand).is_ok()
                && best.is_none_or(|(_, share)| room.share > share)
            {
                best = Some((index, room.share));
            }
        }
        let Some((host, others)) = best.and_then(|(index, _)| coming.get_mut(index)) else {
            stuck.push(&tenant.id);
            continue;
        };
        others.push(demand);
        let (to, mut reason) = (host.id.clone(), format!("{} has the most room", host.id));
        let action = if alive {
            reason += &interruption(tenant, source, host);
            Action::Migrate { to, live: moves_live(tenant, source, host) }
        } else {
            Action::Restart { on: Some(to) }
        };
        steps.add(around, tenant, action, &after, reason)?;
        // What got away stays away: that another could not is no reason to go back.
        steps.for_good();
        moved += 1;
    }
    Ok((moved, stuck))
}
