//! Whether what a plan took for granted is still so, in the engine's own topology.

use homeostat_model::{Precondition, ResourceId, Topology};

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
    }
}

#[cfg(test)]
mod tests {
    use homeostat_model::{AdapterName, InventoryChange, Resource};

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
