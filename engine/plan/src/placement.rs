//! Room on hosts: how much there is, who fits where.
//!
//! Memory is hard: the sum of what is given never exceeds what there is. Processors may be given out several times: up to
//! the host's attribute `cpuOvercommit` (default 1) times its cores.

use std::{collections::BTreeSet, fmt};

use homeostat_model::{Amount, Resource, ResourceId, Value};

use crate::{Projection, Surroundings};

/// What a workload needs. What it has no limit for counts as nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Demand {
    /// Cores.
    pub vcpus: f64,
    /// Bytes.
    pub memory_bytes: u64,
}

/// What a host has left in the projected state, and has in all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Cores left to give out; `None`: not known, so not limited.
    pub vcpus: Option<f64>,
    /// Bytes left; `None`: not known, so not limited.
    pub memory_bytes: Option<u64>,
    /// The smaller of the shares that are left, from 0 to 1.
    pub share: f64,
}

/// A host has too little of something.
#[derive(Debug, Clone, PartialEq)]
pub struct NoRoom {
    host: ResourceId,
    lacking: String,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {}", self.host, self.lacking)
    }
}

impl Demand {
    /// What `workload` will have when the plans in flight are done.
    pub(crate) fn planned(around: &Surroundings<'_>, workload: &Resource) -> Self {
        Self::given(workload, &around.projection.amount(&workload.id))
    }

    /// What `workload` has at most until the plans in flight are done, or what they have done is undone.
    pub(crate) fn of(around: &Surroundings<'_>, workload: &Resource) -> Self {
        let Projection { amounts, had, .. } = around.projection;
        let planned = Self::planned(around, workload);
        if !amounts.contains_key(&workload.id) {
            return planned;
        }
        let before = Self::given(workload, had.get(&workload.id).unwrap_or(&Amount::default()));
        planned.most(Self::given(workload, &Amount::default())).most(before)
    }

    fn most(self, other: Self) -> Self {
        Self { vcpus: self.vcpus.max(other.vcpus), memory_bytes: self.memory_bytes.max(other.memory_bytes) }
    }

    /// What `workload` needs once it has been given `amount`.
    pub(crate) fn given(workload: &Resource, amount: &Amount) -> Self {
        Self {
            vcpus: amount.vcpus.or(workload.capacity.vcpus).unwrap_or_default(),
            memory_bytes: amount.memory_bytes.or(workload.capacity.memory_bytes).unwrap_or_default(),
        }
    }
}

/// What is left on `host`, not counting `except`.
pub(crate) fn room(around: &Surroundings<'_>, host: &Resource, except: Option<&ResourceId>) -> Room {
    room_beside(around, host, except, &[])
}

/// What is left on `host` once all have gone that are on their way to another one: nothing may be placed into that yet, but it is
/// what a further move away would be compared with. Here nothing is undone.
pub(crate) fn room_once_gone(around: &Surroundings<'_>, host: &Resource) -> Room {
    let stays = |tenant: &&Resource| {
        let arrives = around.projection.arriving.get(&host.id).is_some_and(|coming| coming.contains(&tenant.id));
        arrives || !around.projection.departing.contains(&tenant.id)
    };
    room_for(host, tenants(around, host).filter(stays).map(|tenant| Demand::planned(around, tenant)), &[])
}

/// What is left on `host`, not counting `except`, once `coming` have come too.
pub(crate) fn room_beside(
    around: &Surroundings<'_>,
    host: &Resource,
    except: Option<&ResourceId>,
    coming: &[Demand],
) -> Room {
    let others = tenants(around, host).filter(|tenant| Some(&tenant.id) != except);
    room_for(host, others.map(|tenant| Demand::of(around, tenant)), coming)
}

/// What `here` and `coming` leave on `host`.
fn room_for(host: &Resource, here: impl Iterator<Item = Demand>, coming: &[Demand]) -> Room {
    let mut used = Demand::default();
    let mut add = |demand: Demand| {
        used.vcpus += demand.vcpus;
        used.memory_bytes = used.memory_bytes.saturating_add(demand.memory_bytes);
    };
    here.chain(coming.iter().copied()).for_each(&mut add);
    let cores = host.capacity.vcpus.map(|cores| cores * overcommit(host));
    let vcpus = cores.map(|cores| cores - used.vcpus);
    let memory_bytes = host.capacity.memory_bytes.map(|memory| memory.saturating_sub(used.memory_bytes));
    let cpu_share = cores.zip(vcpus).map(|(all, left)| if all > 0.0 { left / all } else { 0.0 });
    let memory_share = host.capacity.memory_bytes.zip(memory_bytes).map(|(all, left)| ratio(left, all));
    let share = [cpu_share, memory_share].into_iter().flatten().fold(1.0, f64::min);
    Room { vcpus, memory_bytes, share }
}

/// Whether `demand` fits into `room` of `host`.
pub(crate) fn fits(host: &Resource, room: &Room, demand: Demand) -> Result<(), NoRoom> {
    let lacking = |lacking: String| Err(NoRoom { host: host.id.clone(), lacking });
    match (room.vcpus, room.memory_bytes) {
        (Some(left), _) if left + 1e-9 < demand.vcpus => {
            lacking(format!("{} vcpus left to give out, {} are needed", left.max(0.0), demand.vcpus))
        }
        (_, Some(left)) if left < demand.memory_bytes => {
            lacking(format!("{} MiB of memory left, {} MiB are needed", left >> 20, demand.memory_bytes >> 20))
        }
        _ => Ok(()),
    }
}

/// What is on `host`, on its way there, or may come back to it.
pub(crate) fn tenants<'a>(around: &'a Surroundings<'_>, host: &'a Resource) -> impl Iterator<Item = &'a Resource> {
    let Projection { arriving, returning, .. } = around.projection;
    let coming: BTreeSet<&ResourceId> =
        [arriving, returning].iter().filter_map(|to| to.get(&host.id)).flatten().collect();
    let coming = coming.into_iter().filter_map(|id| around.topology.get(id));
    around.topology.children(&host.id).chain(coming.filter(|tenant| tenant.on.as_ref() != Some(&host.id)))
}

/// Whether workloads can be placed on `host` at all: it is up, takes new ones, and will not be emptied.
pub(crate) fn open_to_new(around: &Surroundings<'_>, host: &Resource) -> bool {
    host.state() == Some("up")
        && !host.flag("cordoned")
        && !host.flag("fenced")
        && !around.projection.leaving.contains(&host.id)
}

/// The hosts that a workload of `from` can be moved to: same kind, same adapter and same pool, open to new ones; in the order of ids.
pub(crate) fn peers<'a>(around: &'a Surroundings<'_>, from: &'a Resource) -> impl Iterator<Item = &'a Resource> {
    let alike = move |host: &&Resource| {
        host.id != from.id && host.adapter == from.adapter && host.labels.get("pool") == from.labels.get("pool")
    };
    around.topology.of_kind(from.id.kind()).filter(alike).filter(|host| open_to_new(around, host))
}

/// Whether `workload` can move from one of these hosts to the other while it runs. A host whose attribute `liveMigration` is
/// false cannot give or take what runs: there it is ended and made anew.
pub(crate) fn moves_live(workload: &Resource, from: &Resource, to: &Resource) -> bool {
    workload.state() == Some("running") && !interrupts(from) && !interrupts(to)
}

/// What a move says beforehand about an interruption; empty when there is none.
pub(crate) fn interruption(workload: &Resource, from: &Resource, to: &Resource) -> String {
    match [from, to].into_iter().find(|host| interrupts(host)) {
        Some(host) if workload.state() == Some("running") => {
            format!("; it is stopped and made anew there, since {} moves nothing that runs", host.id)
        }
        _ => String::new(),
    }
}

fn interrupts(host: &Resource) -> bool {
    host.attributes.get("liveMigration") == Some(&Value::Bool(false))
}

/// How many times the cores of `host` may be given out.
fn overcommit(host: &Resource) -> f64 {
    match host.attributes.get("cpuOvercommit") {
        Some(Value::Number(ratio)) if *ratio > 0.0 => *ratio,
        _ => 1.0,
    }
}

#[expect(clippy::as_conversions, reason = "memory sizes stay far below 2^53 bytes")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
