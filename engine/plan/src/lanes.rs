//! How much is done at a time: bounds on the steps in flight of all plans together, by host, by rack and by adapter.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Action, AdapterName, IdempotencyKey, PlanId, ResourceId, Topology};

use crate::Deed;

/// Steps at a time on one host, or towards it: enough to empty it quickly, few enough for its one network card.
const PER_HOST: usize = 4;
/// Steps at a time on the hosts of one rack: what four hosts may do at a time is about what the uplink of a rack carries.
const PER_RACK: usize = 16;
/// Steps at a time of one adapter: its system has one API, and one that is asked for more at once answers all of it late.
const PER_ADAPTER: usize = 32;

/// What a deed is a burden to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The system that is asked.
    Adapter(AdapterName),
    /// A host.
    Host(ResourceId),
    /// A rack.
    Rack(ResourceId),
}

/// The places that are taken by deeds in flight, and the plans that wait for one. A deed keeps the places that it took when it began,
/// wherever its resource is by the time that it ends.
#[derive(Debug, Default)]
pub struct Lanes {
    taken: BTreeMap<Place, usize>,
    held: BTreeMap<IdempotencyKey, BTreeSet<Place>>,
    /// At most one entry for each deed that is ready.
    waiting: BTreeMap<Place, BTreeSet<PlanId>>,
}

impl Lanes {
    /// Takes the places of a deed, whether there is room or not: it is in flight already.
    pub fn take(&mut self, topology: &Topology, key: &IdempotencyKey, deed: &Deed) {
        let places = places(topology, deed);
        for place in &places {
            *self.taken.entry(place.clone()).or_default() += 1;
        }
        self.held.insert(key.clone(), places);
    }

    /// Takes the places of a deed of `plan` if all of them are free, and says whether they were; otherwise the plan waits for the first
    /// that is not.
    pub fn admit(&mut self, topology: &Topology, plan: PlanId, key: &IdempotencyKey, deed: &Deed) -> bool {
        let full = places(topology, deed).into_iter().find(|place| !self.has_room(place));
        match full {
            None => self.take(topology, key, deed),
            Some(ref place) => {
                self.waiting.entry(place.clone()).or_default().insert(plan);
            }
        }
        full.is_none()
    }

    /// A deed has ended; gives the places that it leaves.
    pub fn leave(&mut self, key: &IdempotencyKey) -> BTreeSet<Place> {
        let places = self.held.remove(key).unwrap_or_default();
        for place in &places {
            let left = self.taken.get(place).copied().unwrap_or_default().saturating_sub(1);
            if left == 0 {
                self.taken.remove(place);
            } else {
                self.taken.insert(place.clone(), left);
            }
        }
        places
    }

    /// The next plan that waits for `place`, if there is room; it waits no longer.
    pub fn next_in(&mut self, place: &Place) -> Option<PlanId> {
        if !self.has_room(place) {
            return None;
        }
        let waiting = self.waiting.get_mut(place)?;
        let next = waiting.pop_first();
        if waiting.is_empty() {
            self.waiting.remove(place);
        }
        next
    }

    fn has_room(&self, place: &Place) -> bool {
        let most = match place {
            Place::Adapter(_) => PER_ADAPTER,
            Place::Host(_) => PER_HOST,
            Place::Rack(_) => PER_RACK,
        };
        self.taken.get(place).copied().unwrap_or_default() < most
    }
}

/// All that a deed is a burden to.
fn places(topology: &Topology, deed: &Deed) -> BTreeSet<Place> {
    let target = match &deed.action {
        Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => Some(to),
        _ => None,
    };
    let mut places = BTreeSet::from([Place::Adapter(deed.step.adapter.clone())]);
    for start in std::iter::once(&deed.step.resource).chain(target) {
        let itself = topology.get(start).into_iter();
        places.extend(itself.chain(topology.ancestors(start)).filter_map(|one| match one.id.kind() {
            "host" => Some(Place::Host(one.id.clone())),
            "rack" => Some(Place::Rack(one.id.clone())),
            _ => None,
        }));
    }
    places
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Attempt, Duration, Generation, InventoryChange, Resource, Retry, Step, StepId};

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

    fn deed(number: u16, resource: &str, action: Action) -> (IdempotencyKey, Deed) {
        let step = Step {
            id: StepId(number),
            after: Vec::new(),
            resource: id(resource),
            adapter: AdapterName::new("a").unwrap(),
            action: action.clone(),
            timeout: Duration::ZERO,
            reason: String::new(),
            preconditions: Vec::new(),
            retry: Retry::ONCE,
            compensation: None,
        };
        let (preconditions, timeout, retry) = (Vec::new(), Duration::ZERO, Retry::ONCE);
        let deed = Deed { step, attempt: Attempt::FIRST, action, preconditions, timeout, retry };
        (IdempotencyKey::new(PLAN, StepId(number)), deed)
    }

    const PLAN: PlanId = PlanId { generation: Generation(1), number: 1 };

    /// How many of these are let through.
    fn admitted(deeds: impl Iterator<Item = (String, Action)>) -> usize {
        let (mut lanes, topology) = (Lanes::default(), topology());
        let mut admit = |(number, (resource, action)): (u16, (String, Action))| {
            let (key, deed) = deed(number, &resource, action);
            lanes.admit(&topology, PLAN, &key, &deed)
        };
        (1..).zip(deeds).filter(|one| admit(one.clone())).count()
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

    #[test]
    fn who_found_no_lane_is_next_when_one_is_left() {
        let (mut lanes, topology) = (Lanes::default(), topology());
        let plan = |number| PlanId { number, ..PLAN };
        let first: Vec<_> = (1..=4).map(|n| deed(n, &format!("vm/h1v{n}"), Action::Start)).collect();
        assert!(first.iter().all(|(key, deed)| lanes.admit(&topology, plan(1), key, deed)));
        let (key, fifth) = deed(5, "vm/h1v5", Action::Start);
        assert!(!lanes.admit(&topology, plan(9), &key, &fifth));
        assert!(!lanes.admit(&topology, plan(2), &key, &fifth));
        let host = Place::Host(id("host/h1"));
        assert_eq!(lanes.next_in(&host), None, "there is no room");
        let left = lanes.leave(&first[0].0);
        assert_eq!(left.len(), 3);
        assert!(lanes.leave(&first[0].0).is_empty(), "it leaves once");
        assert_eq!(
            [lanes.next_in(&host), lanes.next_in(&host), lanes.next_in(&host)],
            [Some(plan(2)), Some(plan(9)), None]
        );
        assert!(lanes.admit(&topology, plan(2), &key, &fifth));
        assert!(!lanes.admit(&topology, plan(9), &deed(6, "vm/h1v6", Action::Start).0, &fifth));
    }
}
