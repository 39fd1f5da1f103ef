//! Sizes that go up and down for ever: a search through the sizes that a resource passes, with all loads at once.
//!
//! At a size, a load `l` means a utilization of `l / size`. The search carries the range of loads at which everything up to here
//! would happen; a response that would need a load out of it is not taken. It has found something when a size comes again.

use homeostat_model::{Change, Kind, MetricName, Resizing, Unit};

use super::condition::{Condition, Quantity, Range, shown};

/// What has whole processors only; elsewhere in the engine, the planner rounds them up.
const WHOLE: &str = "vm";
/// Most responses in a row: a resource that is resized as often and has not come to rest does not.
const MAX_STEPS: usize = 64;
/// Most sizes that are looked at for a pair, over all ways there: conditions that exclude each other need a few dozen for each size.
const MAX_LOOKS: usize = 20_000;
/// Loads that lie nearer together than this share of a size are one; no measurement tells them apart.
const NARROW: f64 = 1e-9;

/// What is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    Vcpus,
    Memory,
}

/// A response that resizes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Size(pub(super) Resizing);

/// One of two policies.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) when: &'a Condition,
    pub(super) size: &'a Size,
}

/// How two policies undo each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// At this size, and at these values, one makes it larger and the other smaller.
    Opposed { resource: Resource, size: f64, at: Condition, grows: usize },
    /// At this load, these responses follow upon each other: which of the two, and the size before. The size comes again, or never rests.
    Cycle { resource: Resource, load: f64, steps: Vec<(usize, f64)>, again: bool },
}

impl Resource {
    fn metric(self) -> Option<MetricName> {
        MetricName::new(match self {
            Self::Vcpus => "cpu.utilization",
            Self::Memory => "memory.utilization",
        })
        .ok()
    }

    /// The sizes from which it is looked: where a step matters most, and some usual ones.
    pub(super) fn sizes(self, whole: bool) -> Vec<f64> {
        let counts = (1..=32).map(f64::from);
        let parts = [0.25, 0.5];
        match self {
            Self::Vcpus if whole => counts.collect(),
            Self::Vcpus => parts.into_iter().chain(counts).collect(),
            Self::Memory => parts.into_iter().chain(counts).map(|gib| gib * f64::from(1 << 30)).collect(),
        }
    }

    /// No machine is larger: 512 cores, 4 TiB.
    fn largest(self) -> f64 {
        match self {
            Self::Vcpus => 512.0,
            Self::Memory => 4096.0 * f64::from(1 << 30),
        }
    }

    fn shown(self, size: f64) -> String {
        match self {
            Self::Vcpus => shown(size, Unit::None),
            Self::Memory => shown(size, Unit::Bytes),
        }
    }

    fn with(self, size: f64) -> String {
        match self {
            Self::Vcpus => format!("{} vcpus", self.shown(size)),
            Self::Memory => format!("{} of memory", self.shown(size)),
        }
    }
}

impl Size {
    /// The size after the response, as the planner has it; `None` where nothing changes.
    pub(super) fn after(&self, size: f64, whole: bool) -> Option<f64> {
        let Resizing { change, min, max } = self.0;
        let exact = change.apply(size);
        let changed = if whole { (exact - NARROW).ceil() } else { exact };
        let after = changed.max(min.unwrap_or(0.0)).min(max.unwrap_or(f64::MAX));
        // A bound does not turn growing into shrinking.
        let turned = !matches!(change, Change::To(_)) && (changed > size) != (after > size);
        (!turned && after > 0.0 && (after - size).abs() > NARROW * size).then_some(after)
    }
}

/// Whether the two can undo each other, on a resource of this kind.
pub(super) fn look(kind: &Kind, resource: Resource, sides: [Side<'_>; 2]) -> Option<Found> {
    let whole = resource == Resource::Vcpus && kind.as_str() == WHOLE;
    let sizes = resource.sizes(whole);
    sizes
        .iter()
        .find_map(|size| opposed(resource, *size, whole, sides))
        .or_else(|| oscillating(resource, &sizes, whole, sides))
}

/// Both conditions hold at once, and one makes it larger and the other smaller.
fn opposed(resource: Resource, size: f64, whole: bool, [one, other]: [Side<'_>; 2]) -> Option<Found> {
    let grows = |side: Side<'_>| side.size.after(size, whole).map(|after| after > size);
    let (ours, theirs) = (grows(one)?, grows(other)?);
    let at = one.when.and(other.when).filter(|_| ours != theirs && one.when.shares_a_metric(other.when))?;
    let fits = at.range(&resource.size()).is_none_or(|range| range.contains(size));
    fits.then_some(Found::Opposed { resource, size, at, grows: usize::from(theirs) })
}

fn oscillating(resource: Resource, sizes: &[f64], whole: bool, sides: [Side<'_>; 2]) -> Option<Found> {
    let utilization = Quantity::Metric(resource.metric()?);
    let mut ranges = [Range::ALL; 2];
    for (range, side) in ranges.iter_mut().zip(sides) {
        *range = side.when.range(&utilization)?;
    }
    // What a response does not change has to suit both all the time.
    let rest = sides.map(|side| side.when.without(&utilization).without(&resource.size()));
    rest[0].and(&rest[1])?;
    let mut search = Search { resource, whole, sides, ranges, looks: 0 };
    sizes.iter().find_map(|size| search.from(*size, Range { low: 0.0, ..Range::ALL }, &mut Vec::new()))
}

struct Search<'a> {
    resource: Resource,
    whole: bool,
    sides: [Side<'a>; 2],
    /// The utilization at which each responds.
    ranges: [Range; 2],
    looks: usize,
}

impl Search<'_> {
    /// Goes on from `size`, at all `loads` at once, after `steps`.
    fn from(&mut self, size: f64, loads: Range, steps: &mut Vec<(usize, f64)>) -> Option<Found> {
        let seen = steps.iter().position(|(_, before)| (before - size).abs() <= NARROW * size);
        if seen.is_some() || steps.len() == MAX_STEPS {
            // What does not come again has not come to rest when it still goes both ways.
            let cycle = steps.get(seen.unwrap_or(MAX_STEPS / 2)..).unwrap_or_default();
            let both = (0..2).all(|side| cycle.iter().any(|(who, _)| *who == side));
            let ways = cycle.iter().any(|step| self.grows(step)) && cycle.iter().any(|step| !self.grows(step));
            return (both && ways).then(|| self.found(loads, cycle, seen.is_some()));
        }
        self.looks += 1;
        for (index, (side, range)) in self.sides.into_iter().zip(self.ranges).enumerate() {
            let fits = side.when.range(&self.resource.size()).is_none_or(|range| range.contains(size));
            let after = side.size.after(size, self.whole).filter(|_| fits && self.looks < MAX_LOOKS);
            let loads = loads.and(range.times(size)).filter(|loads| loads.high - loads.low > NARROW * size);
            if let (Some(after), Some(loads)) = (after.filter(|after| *after <= self.resource.largest()), loads) {
                steps.push((index, size));
                let found = self.from(after, loads, steps);
                steps.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Whether this response makes it larger.
    fn grows(&self, (who, size): &(usize, f64)) -> bool {
        let after = self.sides.get(*who).and_then(|side| side.size.after(*size, self.whole));
        after.is_some_and(|after| after > *size)
    }

    /// The cycle, from the first response on that makes it larger.
    fn found(&self, loads: Range, cycle: &[(usize, f64)], again: bool) -> Found {
        let mut steps = cycle.to_vec();
        let smallest =
            steps.iter().enumerate().filter(|(_, step)| self.grows(step)).min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1));
        let (place, size) = smallest.map_or((0, 1.0), |(place, (_, size))| (place, *size));
        if again {
            steps.rotate_left(place);
        } else {
            steps.drain(..place);
        }
        Found::Cycle { resource: self.resource, load: loads.example(size), steps, again }
    }
}

/// The same in a sentence; `names` are those of the two.
pub(super) fn told(names: (&str, &str), found: &Found) -> Option<String> {
    let name = |who: usize| if who == 0 { names.0 } else { names.1 };
    match found {
        Found::Opposed { resource, size, at, grows } => {
            let at = at.example(Some(&resource.with(*size)));
            Some(format!("at {at} `{}` makes it larger and `{}` smaller", name(*grows), name(1 - grows)))
        }
        Found::Cycle { resource, load, steps, again } => {
            let metric = resource.metric()?;
            let (who, first) = steps.first()?;
            // What has more to do than it can is measured as busy, not as more than that.
            let at = |size: f64| shown((load / size).min(1.0), Unit::Ratio);
            let mut text = format!("at {metric} {} with {} ", at(*first), resource.with(*first));
            let mut who = *who;
            for (next, size) in steps.iter().skip(1).take(6) {
                text += &format!(
                    "`{}` makes it {}, which gives {}, at which ",
                    name(who),
                    resource.shown(*size),
                    at(*size)
                );
                who = *next;
            }
            let end = match again {
                true if steps.len() <= 7 => format!("`{}` makes it {} again", name(who), resource.shown(*first)),
                _ => format!("`{}` goes on, and so without end", name(who)),
            };
            Some(text + &end)
        }
    }
}
