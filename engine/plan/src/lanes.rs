//! How much is done at a time: bounds on the steps in flight of all plans together, by host, by rack and by adapter.

use std::collections::BTreeMap;

use homeostat_model::{Action, AdapterName, ResourceId, Topology};

/// Steps at a time on one host, or towards it: enough to empty it quickly, few enough for its one network card.
const PER_HOST: usize = 4;
/// Steps at a time on the hosts of one rack: what four hosts may do at a time is about what the uplink of a rack carries.
const PER_RACK: usize = 16;
/// Steps at a time of one adapter: its system has one API, and one that is asked for more at once answers all of it late.
const PER_ADAPTER: usize = 32;

/// The places that are taken by steps in flight.
#[derive(Debug, Default)]
pub struct Lanes {
    /// Hosts and racks alike.
    places: BTreeMap<ResourceId, usize>,
    adapters: BTreeMap<AdapterName, usize>,
}

impl Lanes {
    /// Takes the places of a deed that is in flight, whether there is room or not.
    pub fn take(&mut self, topology: &Topology, adapter: &AdapterName, resource: &ResourceId, action: &Action) {
        for (place, _) in places(topology, resource, action) {
            *self.places.entry(place).or_default() += 1;
        }
        *self.adapters.entry(adapter.clone()).or_default() += 1;
    }

    /// Takes the places of a deed if all of them are free, and says whether they were.
    pub fn admit(
        &mut self,
        topology: &Topology,
        adapter: &AdapterName,
        resource: &ResourceId,
        action: &Action,
    ) -> bool {
        let free = self.adapters.get(adapter).copied().unwrap_or_default() < PER_ADAPTER
            && places(topology, resource, action)
                .iter()
                .all(|(place, most)| self.places.get(place).copied().unwrap_or_default() < *most);
        if free {
            self.take(topology, adapter, resource, action);
        }
        free
    }
}

/// The hosts and racks that a deed is a burden to, each once, with how much each bears.
fn places(topology: &Topology, resource: &ResourceId, action: &Action) -> BTreeMap<ResourceId, usize> {
    let target = match action {
        Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => Some(to),
        _ => None,
    };
    let mut places = BTreeMap::new();
    for start in std::iter::once(resource).chain(target) {
        let itself = topology.get(start).into_iter();
        for place in itself.chain(topology.ancestors(start)) {
            match place.id.kind() {
                "host" => places.insert(place.id.clone(), PER_HOST),
                "rack" => places.insert(place.id.clone(), PER_RACK),
                _ => None,
            };
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use homeostat_model::{InventoryChange, Resource};

    use super::*;

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    /// Racks r0 and r1, hosts h0 to h9 of which the even ones are in r0, ten VMs on each.
    fn topology() -> Topology {
        let on = |name: String, on: String| Resource { on: Some(id(&on)), ..Resource::named(id(&name)) };
        let mut resources = vec![Resource::named(id("rack/r0")), Resource::named(id("rack/r1"))];
        for host in 0..10 {
            resources.push(on(format!("host/h{host}"), format!("rack/r{}", host % 2)));
            resources.extend((0..10).map(|vm| on(format!("vm/h{host}v{vm}"), format!("host/h{host}"))));
        }
        let mut topology = Topology::default();
        topology.apply(InventoryChange::Snapshot { adapter: AdapterName::new("a").unwrap(), resources });
        topology
    }

    /// How many of these are let through.
    fn admitted(deeds: impl Iterator<Item = (String, Action)>) -> usize {
        let (mut lanes, topology, adapter) = (Lanes::default(), topology(), AdapterName::new("a").unwrap());
        deeds.filter(|(resource, action)| lanes.admit(&topology, &adapter, &id(resource), action)).count()
    }

    #[test]
    fn hosts_racks_and_adapters_have_their_bounds() {
        let restart = || Action::Restart { on: None };
        let on_host = |host: usize, count: usize| (0..count).map(move |vm| (format!("vm/h{host}v{vm}"), restart()));
        assert_eq!(admitted(on_host(1, 10)), PER_HOST);
        assert_eq!(admitted((0..5).flat_map(|host| on_host(host * 2, 4))), PER_RACK);
        assert_eq!(admitted((0..10).flat_map(|host| on_host(host, 4))), PER_RACK * 2);
        // A move is a burden to where it goes too.
        let to_one = (1..9).map(|host| (format!("vm/h{host}v0"), Action::Migrate { to: id("host/h9"), live: true }));
        assert_eq!(admitted(to_one), PER_HOST);
        // What is on no host is still asked of somebody.
        assert_eq!(admitted((0..99).map(|number| (format!("volume/v{number}"), restart()))), PER_ADAPTER);
    }
}
