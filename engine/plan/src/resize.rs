//! Resize: a workload gets more or less of its host, while it runs.

use homeostat_model::{Action, Amount, Resizing, Resource};

use crate::{
    Demand, Draft, Infeasible, Surroundings,
    draft::Steps,
    placement::{fits, room},
};

/// What has whole processors only: the guest of a hypervisor. Others are given shares of time.
const WHOLE: &str = "vm";

/// A product of shares may be this far above a whole number and still be meant as that.
const ROUNDING: f64 = 1e-9;

pub(crate) fn draft(
    around: &Surroundings<'_>,
    subject: &Resource,
    vcpus: Option<&Resizing>,
    memory: Option<&Resizing>,
) -> Result<Draft, Infeasible> {
    let now = Demand::planned(around, subject);
    let mut amount = Amount::default();
    let mut unchanged = Vec::new();
    if let Some(resizing) = vcpus {
        let current = subject.capacity.vcpus.map(|_| now.vcpus);
        match wanted(resizing, current, "vcpus", subject.id.kind() == WHOLE)? {
            Some(target) => amount.vcpus = Some(target),
            None => unchanged.push(format!("{} vcpus", now.vcpus)),
        }
    }
    if let Some(resizing) = memory {
        let current = subject.capacity.memory_bytes.map(|_| float(now.memory_bytes));
        match wanted(resizing, current, "memory", false)? {
            // Whole MiB: what every system below can be given and reads back as it was set.
            Some(target) => amount.memory_bytes = Some(whole_mib(target)),
            None => unchanged.push(format!("{} MiB of memory", now.memory_bytes >> 20)),
        }
    }
    if amount == Amount::default() {
        return Err(Infeasible(format!("it already has {}, as much as the policy allows", unchanged.join(" and "))));
    }
    grows_within_host(around, subject, now, &amount)?;
    let mut steps = Steps::default();
    let reason = format!("from {} vcpus, {} MiB", now.vcpus, now.memory_bytes >> 20);
    let effect = format!("{} has {amount}", subject.id);
    steps.add(around, subject, Action::Resize(amount.into()), &[], reason)?;
    Ok(Draft { steps: steps.done(), effect })
}

/// The amount after the change, within its bounds; `None` when that is what it has. A `whole` one is rounded up, so that nothing is
/// left with less than the policy wants.
fn wanted(resizing: &Resizing, current: Option<f64>, what: &str, whole: bool) -> Result<Option<f64>, Infeasible> {
    let relative = !matches!(resizing.change, homeostat_model::Change::To(_));
    if relative && current.is_none() {
        return Err(Infeasible(format!("it has no limit of {what}, so there is nothing to change by")));
    }
    let exact = resizing.change.apply(current.unwrap_or_default());
    let changed = if whole { (exact - ROUNDING).ceil() } else { exact };
    let target = changed.max(resizing.min.unwrap_or(0.0)).min(resizing.max.unwrap_or(f64::MAX));
    let same = current.is_some_and(|current| (current - target).abs() < 1e-9);
    // A bound must not turn a growth into a shrinkage, nor the reverse: what is beyond the bound already stays.
    let turned = relative && current.is_some_and(|current| (changed > current) != (target > current));
    Ok((!same && !turned).then_some(target))
}

fn grows_within_host(
    around: &Surroundings<'_>,
    subject: &Resource,
    now: Demand,
    amount: &Amount,
) -> Result<(), Infeasible> {
    let after = Demand::given(subject, amount);
    if after.vcpus <= now.vcpus && after.memory_bytes <= now.memory_bytes {
        return Ok(());
    }
    // Without a known host there is nothing to compare with; the adapter's own check decides.
    let Ok(host) = around.host_of(subject) else { return Ok(()) };
    let room = room(around, host, Some(&subject.id));
    fits(host, &room, after).map_err(|no_room| Infeasible(no_room.to_string()))
}

#[expect(clippy::as_conversions, reason = "memory sizes stay far below 2^53 bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::as_conversions, reason = "a size in bytes is positive and far below 2^53; the cast saturates besides")]
fn whole_mib(bytes: f64) -> u64 {
    (bytes as u64) >> 20 << 20
}
