//! How many steps may be in flight where one begins, as guards say, and who waits for that.
//!
//! ```text
//!   guards that select what a deed concerns --least of what they say--> its width --> lanes: it begins, or its plan waits
//!   a deed ends, guards are replaced --> plans that wait are called, in their order
//! ```

use homeostat_model::{PlanId, StepId};
use homeostat_plan::{Deed, Full, Place, Width, concerned};
use homeostat_policy::{Parallel, Safeguard};

use crate::{Engine, Output, admission::title};

impl Engine {
    /// Below how many steps in flight at its places a deed may begin: the least that a guard says of that; as is usual where none does.
    pub(crate) fn width_of(&self, deed: &Deed) -> Width {
        let guards: Vec<Parallel> = self.narrowing(deed).map(|guard| guard.parallel).collect();
        let least = |of: fn(&Parallel) -> Option<usize>, usual| guards.iter().filter_map(of).min().unwrap_or(usual);
        let Width { host, rack, adapter } = Width::default();
        Width {
            host: least(|parallel| parallel.host, host),
            rack: least(|parallel| parallel.rack, rack),
            adapter: least(|parallel| parallel.adapter, adapter),
        }
    }

    /// The guards that say how much may be done at a time where a deed is done, in the order of their names.
    fn narrowing<'a>(&'a self, deed: &'a Deed) -> impl Iterator<Item = &'a Safeguard> {
        let says = |guard: &&Safeguard| guard.parallel != Parallel::default();
        let selects =
            |guard: &Safeguard| concerned(&self.topology, deed).any(|one| guard.select.matches(one, &self.topology));
        self.safeguards.values().filter(says).filter(move |guard| selects(guard))
    }

    /// A deed has left these places: who waited there takes them, or waits for something else by now.
    pub(crate) fn call_next(&mut self, left: impl IntoIterator<Item = Place>, out: &mut Vec<Output>) {
        for place in left {
            let mut last = None;
            while let Some(next) = self.lanes.next_in(&place, last) {
                last = Some(next);
                self.go_on(next, out);
            }
        }
    }

    /// Guards have changed: who waits may have room by now, or waits for less.
    pub(crate) fn call_all(&mut self, out: &mut Vec<Output>) {
        for plan in self.lanes.call_all() {
            self.go_on(plan, out);
        }
    }

    /// The steps of a plan in flight that could begin, and the place where each has no room.
    pub(crate) fn without_lane(&self, id: PlanId) -> Vec<(StepId, String)> {
        let Some(run) = self.runs.get(&id).filter(|_| !self.is_blind(id)) else { return Vec::new() };
        let ready = run.ready(self.now);
        let full = |deed: &Deed| {
            let full = self.lanes.full(&self.topology, deed, &self.width_of(deed))?;
            let said = |guard: &&Safeguard| said_of(&full, &guard.parallel) == Some(full.most);
            let by = self.narrowing(deed).find(said).map_or_else(String::new, |guard| format!(" ({})", title(guard)));
            Some((deed.step.id, format!("it waits for a lane: {full}{by}")))
        };
        ready.iter().filter_map(full).collect()
    }
}

fn said_of(full: &Full, parallel: &Parallel) -> Option<usize> {
    match full.place {
        Place::Adapter(_) => parallel.adapter,
        Place::Host(_) => parallel.host,
        Place::Rack(_) => parallel.rack,
    }
}
