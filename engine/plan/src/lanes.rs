//! How much is done at a time: bounds on the steps in flight of all plans together, by host, by rack and by adapter.
//!
//! ```text
//!   deed, its width -- room in all its places --> it takes them, and leaves them when it has ended
//!                   \- one of them is full ----> its plan waits there, until a deed leaves it
//! ```
//!
//! Every deed has a width of its own, so that a place may be full for one and have room for the next one that waits: who asks for a
//! place that is emptier than it is keeps nobody else waiting.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound,
};

use homeostat_model::{Action, AdapterName, IdempotencyKey, PlanId, Resource, ResourceId, Topology};

use crate::Deed;

/// Below how many deeds in flight at a place a deed may begin there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// On one host, or towards it.
    pub host: usize,
    /// On the hosts of one rack.
    pub rack: usize,
    /// Of one adapter.
    pub adapter: usize,
}

impl Default for Width {
    /// On a host, enough to empty it quickly and few enough for its one network card; what four hosts may do at a time is about what
    /// the uplink of a rack carries; an adapter's system has one API, and one that is asked for more at once answers all of it late.
    fn default() -> Self {
        Self { host: 4, rack: 16, adapter: 32 }
    }
}

impl Width {
    fn of(&self, place: &Place) -> usize {
        match place {
            Place::Adapter(_) => self.adapter,
            Place::Host(_) => self.host,
            Place::Rack(_) => self.rack,
        }
    }
}

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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adapter(adapter) => write!(f, "adapter {adapter}"),
            Self::Host(id) | Self::Rack(id) => id.fmt(f),
        }
    }
}

/// A place that is full for a deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    /// Which.
    pub place: Place,
    /// How many deeds are in flight there.
    pub taken: usize,
    /// Below how many it may begin.
    pub most: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, taken, most } = self;
        write!(f, "{taken} of {most} steps are in flight on {place}")
    }
}

/// The plans that wait for a place, by the width of what they would do there.
type Waiting = BTreeMap<usize, BTreeSet<PlanId>>;

/// The places that are taken by deeds in flight, and the plans that wait for one. A deed keeps the places that it took when it began,
/// wherever its resource is by the time that it ends.
#[derive(Debug, Default)]
pub struct Lanes {
    taken: BTreeMap<Place, usize>,
    held: BTreeMap<IdempotencyKey, Box<[Place]>>,
    /// At most one entry for each deed that is ready.
    waiting: BTreeMap<Place, Waiting>,
}

impl Lanes {
    /// Takes the places of a deed, whether there is room or not: it is in flight already.
    pub fn take(&mut self, topology: &Topology, key: &IdempotencyKey, deed: &Deed) {
        let places = places(topology, deed);
        for place in &places {
            *self.taken.entry(place.clone()).or_default() += 1;
        }
        self.held.insert(key.clone(), places.into_iter().collect());
    }

    /// Takes the places of a deed of `plan` if all of them have room for it, and says whether they had; otherwise the plan waits for
    /// the first that has not.
    pub fn admit(
        &mut self,
        topology: &Topology,
        plan: PlanId,
        key: &IdempotencyKey,
        deed: &Deed,
        width: &Width,
    ) -> bool {
        let Some(Full { place, most, .. }) = self.full(topology, deed, width) else {
            self.take(topology, key, deed);
            return true;
        };
        self.waiting.entry(place).or_default().entry(most).or_default().insert(plan);
        false
    }

    /// The first place that is full for a deed.
    #[must_use]
    pub fn full(&self, topology: &Topology, deed: &Deed, width: &Width) -> Option<Full> {
        let full = |place: Place| {
            let (taken, most) = (self.taken(&place), width.of(&place));
            (taken >= most).then_some(Full { place, taken, most })
        };
        places(topology, deed).into_iter().find_map(full)
    }

    /// A deed has ended; gives the places that it leaves.
    pub fn leave(&mut self, key: &IdempotencyKey) -> Box<[Place]> {
        let places = self.held.remove(key).unwrap_or_default();
        for place in &places {
            let left = self.taken(place).saturating_sub(1);
            if left == 0 {
                self.taken.remove(place);
            } else {
                self.taken.insert(place.clone(), left);
            }
        }
        places
    }

    /// The first plan after `last`, or of all, that waits for `place` and has room there now; it waits there no longer. Whoever asks
    /// again gives the plan that it was given, so that one that has to wait anew is not called for ever.
    pub fn next_in(&mut self, place: &Place, last: Option<PlanId>) -> Option<PlanId> {
        let wide_enough = (Bound::Excluded(self.taken(place)), Bound::Unbounded);
        let later = (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let waiting = self.waiting.get_mut(place)?;
        let next = waiting.range(wide_enough).filter_map(|(_, plans)| plans.range(later).next()).min().copied()?;
        for (_, plans) in waiting.range_mut(wide_enough) {
            plans.remove(&next);
        }
        waiting.retain(|_, plans| !plans.is_empty());
        if waiting.is_empty() {
            self.waiting.remove(place);
        }
        Some(next)
    }

    /// All plans that wait; they wait no longer. For when widths have changed.
    pub fn call_all(&mut self) -> BTreeSet<PlanId> {
        std::mem::take(&mut self.waiting).into_values().flat_map(BTreeMap::into_values).flatten().collect()
    }

    fn taken(&self, place: &Place) -> usize {
        self.taken.get(place).copied().unwrap_or_default()
    }
}

/// What a deed concerns: its resource, the host that this goes to, and all that the two are on.
pub fn concerned<'a>(topology: &'a Topology, deed: &'a Deed) -> impl Iterator<Item = &'a Resource> {
    let target = match &deed.action {
        Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => Some(to),
        _ => None,
    };
    let from = std::iter::once(&deed.step.resource).chain(target);
    from.flat_map(|start| topology.get(start).into_iter().chain(topology.ancestors(start)))
}

/// All that a deed is a burden to.
fn places(topology: &Topology, deed: &Deed) -> BTreeSet<Place> {
    let place = |one: &Resource| match one.id.kind() {
        "host" => Some(Place::Host(one.id.clone())),
        "rack" => Some(Place::Rack(one.id.clone())),
        _ => None,
    };
    let adapter = Place::Adapter(deed.step.adapter.clone());
    std::iter::once(adapter).chain(concerned(topology, deed).filter_map(place)).collect()
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Attempt, Duration, Generation, InventoryChange, Retry, Step, StepId};

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

    const USUAL: Width = Width { host: 4, rack: 16, adapter: 32 };

    /// How many of these are let through.
    fn admitted(deeds: impl Iterator<Item = (String, Action)>, width: Width) -> usize {
        let (mut lanes, topology) = (Lanes::default(), topology());
        let mut admit = |(number, (resource, action)): (u16, (String, Action))| {
            let (key, deed) = deed(number, &resource, action);
            lanes.admit(&topology, PLAN, &key, &deed, &width)
        };
        (1..).zip(deeds).filter(|one| admit(one.clone())).count()
    }

    #[test]
    fn hosts_racks_and_adapters_have_their_bounds() {
        let restart = || Action::Restart { on: None };
        let on_host = |host: usize, count: usize| (0..count).map(move |vm| (format!("vm/h{host}v{vm}"), restart()));
        for width in [USUAL, Width { host: 2, rack: 7, adapter: 9 }, Width { host: 10, rack: 30, adapter: 90 }] {
            assert_eq!(admitted(on_host(1, 10), width), width.host);
            assert_eq!(admitted((0..5).flat_map(|host| on_host(host * 2, 10)), width), width.rack);
            let most = width.adapter.min(width.rack * 2);
            assert_eq!(admitted((0..10).flat_map(|host| on_host(host, 10)), width), most);
            // A move is a burden to where it goes too.
            let to_one = || Action::Migrate { to: id("host/h9"), live: true };
            let others = (0..9).map(|host| (format!("vm/h{host}v0"), to_one()));
            let more = (0..9).map(|host| (format!("vm/h{host}v1"), to_one()));
            assert_eq!(admitted(others.chain(more), width), width.host);
            // What is on no host is still asked of somebody.
            assert_eq!(admitted((0..99).map(|number| (format!("volume/v{number}"), restart())), width), width.adapter);
        }
        assert_eq!(Width::default(), USUAL);
    }

    fn plan(number: u64) -> PlanId {
        PlanId { number, ..PLAN }
    }

    /// Host h1 with as many deeds of plan 1 as are usual there.
    fn busy() -> (Lanes, Topology, Place, Vec<(IdempotencyKey, Deed)>) {
        let (mut lanes, topology) = (Lanes::default(), topology());
        let first: Vec<_> = (1..=4).map(|n| deed(n, &format!("vm/h1v{n}"), Action::Start)).collect();
        assert!(first.iter().all(|(key, deed)| lanes.admit(&topology, plan(1), key, deed, &USUAL)));
        (lanes, topology, Place::Host(id("host/h1")), first)
    }

    #[test]
    fn who_found_no_lane_is_next_when_one_is_left() {
        let (mut lanes, topology, host, first) = busy();
        let (key, fifth) = deed(5, "vm/h1v5", Action::Start);
        assert!(!lanes.admit(&topology, plan(9), &key, &fifth, &USUAL));
        assert!(!lanes.admit(&topology, plan(2), &key, &fifth, &USUAL));
        let full = lanes.full(&topology, &fifth, &USUAL).map(|full| full.to_string());
        assert_eq!(full.as_deref(), Some("4 of 4 steps are in flight on host/h1"));
        assert_eq!(lanes.next_in(&host, None), None, "there is no room");
        let left = lanes.leave(&first[0].0);
        assert_eq!(left.len(), 3);
        assert!(lanes.leave(&first[0].0).is_empty(), "it leaves once");
        assert_eq!(
            [lanes.next_in(&host, None), lanes.next_in(&host, None), lanes.next_in(&host, None)],
            [Some(plan(2)), Some(plan(9)), None]
        );
        assert!(lanes.admit(&topology, plan(2), &key, &fifth, &USUAL));
        assert!(!lanes.admit(&topology, plan(9), &deed(6, "vm/h1v6", Action::Start).0, &fifth, &USUAL));
    }

    #[test]
    fn who_asks_for_more_room_keeps_nobody_waiting_and_has_its_turn() {
        let (mut lanes, topology, host, first) = busy();
        let narrow = Width { host: 2, ..USUAL };
        let of = |n: u16| deed(n, &format!("vm/h1v{n}"), Action::Start);
        // Plan 2 asks for less on the host than plans 3 and 4.
        for (number, width) in [(2, &narrow), (3, &USUAL), (4, &USUAL)] {
            let (key, deed) = of(5);
            assert!(!lanes.admit(&topology, plan(number), &key, &deed, width));
        }
        lanes.leave(&first[0].0);
        let (key, third) = of(6);
        assert_eq!(lanes.next_in(&host, None), Some(plan(3)), "plan 2 has no room yet");
        assert!(lanes.admit(&topology, plan(3), &key, &third, &USUAL));
        assert_eq!(lanes.next_in(&host, Some(plan(3))), None, "there is no room for plan 4 any more");
        for (key, _) in &first[1..] {
            lanes.leave(key);
        }
        let called = [lanes.next_in(&host, None), lanes.next_in(&host, Some(plan(2)))];
        assert_eq!(called, [Some(plan(2)), Some(plan(4))]);
    }

    #[test]
    fn who_has_to_wait_anew_is_called_once_for_one_lane() {
        let (mut lanes, topology, host, first) = busy();
        let (key, fifth) = deed(5, "vm/h1v5", Action::Start);
        for number in [2, 3] {
            assert!(!lanes.admit(&topology, plan(number), &key, &fifth, &USUAL));
        }
        lanes.leave(&first[0].0);
        let (mut last, mut called) = (None, Vec::new());
        while let Some(next) = lanes.next_in(&host, last) {
            // Guards have changed meanwhile, or it has other deeds: it finds no room after all.
            lanes.waiting.entry(host.clone()).or_default().entry(4).or_default().insert(next);
            called.push(next);
            last = Some(next);
            assert!(called.len() < 9, "{called:?}");
        }
        assert_eq!(called, [plan(2), plan(3)]);
        assert_eq!(lanes.call_all(), BTreeSet::from([plan(2), plan(3)]), "they wait still");
        assert_eq!(lanes.call_all(), BTreeSet::new());
    }
}
