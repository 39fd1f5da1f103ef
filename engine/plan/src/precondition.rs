//! Whether what a plan took for granted is still so, in the engine's own topology.

use std::collections::BTreeMap;

use homeostat_model::{Amount, Precondition, Resource, ResourceId, Topology};

use crate::{
    ALL_WAYS_OPEN, Demand, Projection, Surroundings,
    placement::{fits, room},
};

/// Why `precondition` of a step on `resource` is not so; `None` when it is.
#[must_use]
pub fn unmet(topology: &Topology, resource: &ResourceId, precondition: &Precondition) -> Option<String> {
    let host = |id: &ResourceId| topology.get(id).ok_or_else(|| format!("{id} does not exist any more"));
    match precondition {
        Precondition::On(wanted) => {
            let Some(resource) = topology.get(resource) else {
                return Some(format!("{resource} does not exist any more"));
            };
            match &resource.on {
                Some(on) if on == wanted => None,
                Some(on) => Some(format!("it is on {on} by now, no longer on {wanted}")),
                None => Some(format!("it is not known any more which host it is on; it was on {wanted}")),
            }
        }
        Precondition::Open(id) => match host(id) {
            Err(gone) => Some(gone),
            Ok(host) if host.state() != Some("up") => {
                Some(format!("{id} is {}, no longer up", host.state().unwrap_or("in a state that is not known")))
            }
            Ok(host) if host.flag("fenced") => Some(format!("{id} was fenced meanwhile")),
            Ok(host) if host.flag("cordoned") => Some(format!("{id} was cordoned meanwhile")),
            Ok(_) => None,
        },
        // One that is gone from the inventory says nothing about whether it runs.
        Precondition::Down(id) => match host(id).map(|host| host.state()) {
            Ok(Some("up" | "booting")) => Some(format!("{id} runs again")),
            _ => None,
        },
        Precondition::Room { on, amount } => no_room(topology, topology.get(resource)?, on.as_ref(), amount),
    }
}

/// Why there is no room on a host, or where it is, for a resource that has as much as that. What is not known says nothing against it, and
/// what gets no more has its room.
fn no_room(topology: &Topology, resource: &Resource, on: Option<&ResourceId>, amount: &Amount) -> Option<String> {
    let host = topology.get(on.or(resource.on.as_ref())?)?;
    let (now, then) = (Demand::given(resource, &Amount::default()), Demand::given(resource, amount));
    let grows = then.vcpus > now.vcpus || then.memory_bytes > now.memory_bytes;
    if !grows && resource.on.as_ref() == Some(&host.id) {
        return None;
    }
    let (capabilities, projection) = (BTreeMap::new(), Projection::default());
    let around =
        Surroundings { topology, capabilities: &capabilities, projection: &projection, barred: &ALL_WAYS_OPEN };
    fits(host, &room(&around, host, Some(&resource.id)), then).err().map(|no_room| no_room.to_string())
}

#[cfg(test)]
mod tests {
    use homeostat_model::{AdapterName, InventoryChange};

    use super::*;

    /// `vm/one` on `host/a`; `host/b` with this state and flag.
    fn check(state: &str, flag: &str, precondition: Precondition) -> String {
        let mut vm = Resource::named("vm/one".parse().unwrap());
        vm.on = Some("host/a".parse().unwrap());
        let mut host = Resource::named("host/b".parse().unwrap());
        host.attributes.insert("state".into(), state.into());
        host.attributes.insert(flag.into(), true.into());
        let mut topology = Topology::default();
        let adapter = AdapterName::new("a").unwrap();
        topology.apply(InventoryChange::Snapshot { adapter, resources: vec![vm, host] });
        unmet(&topology, &"vm/one".parse().unwrap(), &precondition).unwrap_or_else(|| "met".into())
    }

    /// `vm/one` with 8 of the 32 GiB of `host/a`, on which others have `used`; `host/b` has `spare`.
    #[test]
    fn what_would_be_given_more_than_there_is_by_now_is_said() {
        let sized = |name: &str, on: Option<&str>, gib: u64| {
            let mut one = Resource::named(name.parse().unwrap());
            one.on = on.map(|on| on.parse().unwrap());
            one.capacity.memory_bytes = Some(gib << 30);
            one
        };
        let gib = |gib: u64| Amount { memory_bytes: Some(gib << 30), ..Amount::default() };
        let here = |amount| Precondition::Room { on: None, amount };
        let there = || Precondition::Room { on: Some("host/b".parse().unwrap()), amount: Amount::default() };
        for (used, spare, precondition, wanted) in [
            (8, 0, here(gib(24)), "met"),
            (9, 0, here(gib(24)), "host/a has 23552 MiB of memory left, 24576 MiB are needed"),
            // It is too full already, but what gets less does not make that worse.
            (30, 0, here(gib(4)), "met"),
            (8, 8, there(), "met"),
            (8, 7, there(), "host/b has 7168 MiB of memory left, 8192 MiB are needed"),
        ] {
            let mut topology = Topology::default();
            let resources = vec![
                sized("host/a", None, 32),
                sized("host/b", None, spare),
                sized("vm/one", Some("host/a"), 8),
                sized("vm/two", Some("host/a"), used),
            ];
            topology.apply(InventoryChange::Snapshot { adapter: AdapterName::new("a").unwrap(), resources });
            let unmet = unmet(&topology, &"vm/one".parse().unwrap(), &precondition);
            assert_eq!(unmet.unwrap_or_else(|| "met".into()), wanted, "{precondition:?}");
        }
    }

    #[test]
    fn what_is_no_longer_so_is_said() {
        let id = |text: &str| text.parse::<ResourceId>().unwrap();
        for (state, flag, precondition, wanted) in [
            ("up", "x", Precondition::On(id("host/a")), "met"),
            ("up", "x", Precondition::On(id("host/b")), "it is on host/a by now, no longer on host/b"),
            ("up", "x", Precondition::Open(id("host/b")), "met"),
            ("down", "x", Precondition::Open(id("host/b")), "host/b is down, no longer up"),
            ("up", "cordoned", Precondition::Open(id("host/b")), "host/b was cordoned meanwhile"),
            ("up", "fenced", Precondition::Open(id("host/b")), "host/b was fenced meanwhile"),
            ("up", "x", Precondition::Open(id("host/c")), "host/c does not exist any more"),
            ("down", "x", Precondition::Down(id("host/b")), "met"),
            ("off", "x", Precondition::Down(id("host/b")), "met"),
            ("up", "fenced", Precondition::Down(id("host/b")), "host/b runs again"),
        ] {
            assert_eq!(check(state, flag, precondition.clone()), wanted, "{state} {flag} {precondition:?}");
        }
    }
}
