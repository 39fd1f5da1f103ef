//! Processors of its own: fisicalize on one host, where all else is kept off them; and taking them back.
//!
//! Who has processors for itself is read from the attribute `cpus` of everything on the host: nobody else may run on them, and
//! the host's first one is not among them. That one is always left to all that has none of its own, and to the host itself.

use std::collections::BTreeMap;

use homeostat_model::{Action, Amount, CpuSet, MAX_CPUS, Resource, Value};

use crate::{Draft, Infeasible, Surroundings, draft::Steps, placement::tenants};

/// The processors of a host, and who may run on which.
struct Host<'a> {
    /// All it has.
    every: CpuSet,
    /// Who is on it, besides the subject, and may be told where to run; with where each may run now.
    others: Vec<(&'a Resource, CpuSet)>,
    /// Where the subject may run now.
    own: CpuSet,
}

/// Gives the subject processors of its own.
pub(crate) fn draft(around: &Surroundings<'_>, subject: &Resource) -> Result<Draft, Infeasible> {
    let host = around.host_of(subject)?;
    let now = Host::of(around, host, subject)?;
    let wanted = subject.capacity.vcpus.map_or(1, cores);
    if now.is_undisturbed() && now.own.count() >= wanted {
        return Err(Infeasible(format!("it already has the processors {} of {} for itself", now.own, host.id)));
    }
    let free = minus(&now.every, &now.given_away());
    if free.count() <= wanted {
        return Err(Infeasible(format!(
            "{} has {} processors that nobody has for itself; {wanted} are needed, and one for all else",
            host.id,
            free.count()
        )));
    }
    // What it may run on already comes first, and then the last ones, since everything else begins with the first.
    let apart = minus(&free, &CpuSet::range(0, 1));
    let kept = if now.own == now.every { CpuSet::ALL } else { both(&now.own, &apart) };
    let own = last(&kept, &apart, wanted);
    let rest = minus(&free, &own);
    let mut steps = Steps::default();
    let mut before = Vec::new();
    for (other, cpus) in now.others.iter().filter(|(other, _)| !now.is_alone(other)) {
        let left = both(cpus, &rest);
        let left = if left.is_all() { rest.clone() } else { left };
        if left != *cpus {
            let reason = format!("{} gets {own} for itself", subject.id);
            before.push(steps.add(around, other, pin(left), &[], reason)?);
        }
    }
    if own != now.own {
        steps.add(around, subject, pin(own.clone()), &before, "nothing else runs on them".into())?;
    }
    let effect = format!("{} has the processors {own} of {} for itself", subject.id, host.id);
    Ok(Draft { steps: steps.done(), effect })
}

/// Lets everything run on the subject's processors again, and the subject on all that nobody has for itself.
pub(crate) fn release(around: &Surroundings<'_>, subject: &Resource) -> Result<Draft, Infeasible> {
    let host = around.host_of(subject)?;
    let now = Host::of(around, host, subject)?;
    if !now.has_its_own() {
        return Err(Infeasible(format!("it has no processors of {} for itself", host.id)));
    }
    let free = minus(&now.every, &now.given_away());
    // Nobody is left with any for itself: then there is nothing to keep off either.
    let all = |cpus| if cpus == now.every { CpuSet::ALL } else { cpus };
    let mut steps = Steps::default();
    for (other, cpus) in now.others.iter().filter(|(other, _)| !now.is_alone(other)) {
        let more = now.own.iter().fold(cpus.clone(), CpuSet::with);
        let reason = format!("{} gives {} back", subject.id, now.own);
        steps.add(around, other, pin(all(more)), &[], reason)?;
    }
    steps.add(around, subject, pin(all(free)), &[], format!("it gives {} back", now.own))?;
    Ok(Draft { steps: steps.done(), effect: format!("{} shares the processors of {}", subject.id, host.id) })
}

impl<'a> Host<'a> {
    fn of(around: &'a Surroundings<'a>, host: &'a Resource, subject: &Resource) -> Result<Self, Infeasible> {
        if !around.pins(subject) {
            return Err(Infeasible(format!("no {} is kept to some processors there", subject.id.kind())));
        }
        let count = host.capacity.vcpus.map(cores).and_then(|count| u16::try_from(count).ok());
        let count = count.filter(|count| (1..=MAX_CPUS).contains(count));
        let count = count.ok_or_else(|| Infeasible(format!("it is not known how many processors {} has", host.id)))?;
        let every = CpuSet::range(0, count);
        let pinned: BTreeMap<_, _> = tenants(around, host)
            .filter(|tenant| around.pins(tenant))
            .map(|tenant| (&tenant.id, (tenant, cpus_of(tenant, &every))))
            .collect();
        let own = cpus_of(subject, &every);
        let others = pinned.into_values().filter(|(tenant, _)| tenant.id != subject.id).collect();
        Ok(Self { every, others, own })
    }

    /// Whether the subject has processors for itself.
    fn has_its_own(&self) -> bool {
        self.is_own(&self.own, self.others.iter().map(|(_, cpus)| cpus))
    }

    /// Whether `other` has.
    fn is_alone(&self, other: &Resource) -> bool {
        let Some((_, cpus)) = self.others.iter().find(|(one, _)| one.id == other.id) else { return false };
        let rest = self.others.iter().filter(|(one, _)| one.id != other.id).map(|(_, cpus)| cpus);
        self.is_own(cpus, rest.chain([&self.own]))
    }

    /// Whether `set` is meant for one alone, beside those of others. Who came later and was told nothing does not count.
    fn is_own<'s>(&self, set: &CpuSet, mut others: impl Iterator<Item = &'s CpuSet>) -> bool {
        !set.names(0) && others.all(|other| *other == self.every || both(other, set).is_all())
    }

    /// Whether really nobody else may run where the subject may.
    fn is_undisturbed(&self) -> bool {
        self.has_its_own() && self.others.iter().all(|(_, cpus)| both(cpus, &self.own).is_all())
    }

    /// What others have for themselves.
    fn given_away(&self) -> CpuSet {
        let alone = self.others.iter().filter(|(other, _)| self.is_alone(other));
        alone.flat_map(|(_, cpus)| cpus.iter()).fold(CpuSet::ALL, CpuSet::with)
    }
}

fn pin(cpus: CpuSet) -> Action {
    Action::Resize(Amount { cpus: Some(cpus), ..Amount::default() }.into())
}

/// Where `resource` may run, by its attribute `cpus`.
fn cpus_of(resource: &Resource, every: &CpuSet) -> CpuSet {
    let some = match resource.attributes.get("cpus") {
        Some(Value::Text(set)) => set.parse().ok().filter(|set: &CpuSet| !set.is_all()),
        _ => None,
    };
    some.unwrap_or_else(|| every.clone())
}

/// What both name. Nothing in common is the set that names none.
fn both(one: &CpuSet, other: &CpuSet) -> CpuSet {
    one.iter().filter(|number| other.names(*number)).fold(CpuSet::ALL, CpuSet::with)
}

/// What `one` names and `other` does not.
fn minus(one: &CpuSet, other: &CpuSet) -> CpuSet {
    one.iter().filter(|number| !other.names(*number)).fold(CpuSet::ALL, CpuSet::with)
}

/// So many of `free`: those of `kept` first, and then the last ones.
fn last(kept: &CpuSet, free: &CpuSet, count: u32) -> CpuSet {
    let mut chosen = CpuSet::ALL;
    for number in kept.iter().rev().chain(minus(free, kept).iter().rev()) {
        if chosen.count() < count {
            chosen = chosen.with(number);
        }
    }
    chosen
}

/// Whole processors for so many cores, at least one.
#[expect(clippy::as_conversions, reason = "the cast saturates")]
fn cores(vcpus: f64) -> u32 {
    vcpus.ceil().max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Capabilities, InventoryChange, KindCapability, ResourceId, Topology, Verb};

    use super::*;
    use crate::Projection;

    /// What is done on a host with four processors, where `web` is the subject. `on` lists `name:cpus`.
    fn check(on: &str, vcpus: Option<f64>, release: bool) -> String {
        let id = |text: String| text.parse::<ResourceId>().unwrap();
        let mut host = Resource::named(id("host/h".into()));
        host.capacity.vcpus = Some(4.0);
        let mut resources = vec![host];
        for word in on.split_whitespace() {
            let (name, cpus) = word.split_once(':').unwrap();
            let mut tenant = Resource::named(id(format!("container/{name}")));
            tenant.on = Some(id("host/h".into()));
            tenant.capacity.vcpus = vcpus;
            if cpus != "all" {
                tenant.attributes.insert("cpus".into(), cpus.into());
            }
            resources.push(tenant);
        }
        let adapter: homeostat_model::AdapterName = homeostat_model::AdapterName::new("a").unwrap();
        let mut topology = Topology::default();
        topology.apply(InventoryChange::Snapshot { adapter: adapter.clone(), resources });
        let attributes = ["cpus".to_owned()].into();
        let offered = KindCapability { verbs: [Verb::Resize].into(), attributes, ..KindCapability::default() };
        let kinds = [(homeostat_model::Kind::new("container").unwrap(), offered)].into();
        let capabilities = [(adapter.clone(), Capabilities { adapter, kinds })].into();
        let projection = Projection::default();
        let around = Surroundings {
            topology: &topology,
            capabilities: &capabilities,
            projection: &projection,
            barred: &crate::ALL_WAYS_OPEN,
        };
        let subject = topology.get(&id("container/web".into())).unwrap();
        let drafted = if release { super::release(&around, subject) } else { draft(&around, subject) };
        match drafted {
            Ok(draft) => {
                let step = |step: &homeostat_model::Step| {
                    let after = if step.after.is_empty() { "" } else { "then " };
                    format!("{after}{} {}", step.resource.name(), step.action)
                };
                draft.steps.iter().map(step).collect::<Vec<_>>().join(", ")
            }
            Err(infeasible) => infeasible.to_string(),
        }
    }

    #[test]
    fn a_workload_gets_processors_of_its_own_and_gives_them_back() {
        let (all, lone) = (None, Some(2.0));
        for (on, vcpus, release, wanted) in [
            ("db:all web:all", all, false, "db resize to cpus 0-2, then web resize to cpus 3"),
            ("db:all web:all", lone, false, "db resize to cpus 0-1, then web resize to cpus 2-3"),
            ("web:all", all, false, "web resize to cpus 3"),
            ("db:0-1 web:all", all, false, "web resize to cpus 3"),
            ("db:3 new:all web:all", all, false, "new resize to cpus 0-1, then web resize to cpus 2"),
            ("db:0-2 new:all web:3", all, false, "new resize to cpus 0-2"),
            ("db:0-2 web:3", all, false, "it already has the processors 3 of host/h for itself"),
            (
                "a:2-3 db:0-1 web:0-1",
                lone,
                false,
                "host/h has 2 processors that nobody has for itself; 2 are needed, and one for all else",
            ),
            ("db:0-2 web:3", all, true, "db resize to cpus all, web resize to cpus all"),
            ("a:2 db:0-1 web:3", all, true, "db resize to cpus 0-1,3, web resize to cpus 0-1,3"),
            ("db:all web:all", all, true, "it has no processors of host/h for itself"),
        ] {
            assert_eq!(check(on, vcpus, release), wanted, "{on} {vcpus:?} release={release}");
        }
    }
}
