//! Series of a Prometheus as they come in: each is mapped once, its samples after that cost one look at a table.
//!
//! ```text
//!   labels --> known? --no--> SeriesMapping --> target, or why there is none --+
//!                 \--yes-------------------------------------------------------+--> samples --> observations
//! ```
//!
//! Invariant: of the series that a mapping makes one of, one is heard; the others are told apart and counted.
//! Invariant: who is heard depends on when samples arrive, and never on the times that senders give them.

use std::{
    collections::{BTreeSet, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Arc, LazyLock},
};

use homeostat_model::{Duration, InventoryChange, MetricName, Observation, Resource, ResourceId, Sample, Timestamp};

use crate::{
    generations::Generations,
    intake::{Became, PassedOver, Reason},
    mapping::shortened,
    series_mapping::{NAME, SeriesMapping, Target},
};

/// Series whose mapping is remembered for sure, and half of those remembered at most: more than one process watches. Of those that
/// fall out the rules are gone through again.
const REMEMBERED: usize = 131_072;

/// Bytes of the labels of those, so that long ones do not fill the memory: they have a few hundred each. Beyond, fewer are remembered.
const REMEMBERED_BYTES: usize = 64 << 20;

/// A series may take the place of another one that has been silent for so long: the time after which Prometheus takes a series
/// for gone, unless it was told so by a stale marker.
const SILENT: Duration = Duration::from_mins(5);

/// What a resource runs on and its labels are told again after this long: it may have been forgotten meanwhile.
const REFRESH: Duration = Duration::from_mins(5);

/// A sample that is further ahead of its arrival is refused, as the engine refuses it: a clock is wrong.
pub(crate) const MAX_AHEAD: Duration = Duration::from_mins(1);

/// Deliveries that did not arrive and are remembered one by one: many more than are under way at a time. Beyond, everything is told again.
const UNDELIVERED: usize = 1024;

/// The NaN by which a Prometheus says that a series has ended: `StaleNaN` in its package `value`.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Ends each text of a key. No text in UTF-8 contains it, so that no two sets of labels have one key.
const END: u8 = 0xff;

/// Whether `value` says that its series has ended. Any other NaN is a value, and not a number.
#[must_use]
pub fn is_stale_marker(value: f64) -> bool {
    value.to_bits() == STALE
}

/// What became of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is among the observations.
    Taken,
    /// So it is, but it is not newer than one before: sent again, or out of order.
    TakenLate,
    /// Its series is of no use: no rule applies, or one that drops it.
    Unmapped,
    /// It says that its series has ended.
    Stale,
    /// Its value is a NaN or infinite: nothing to decide by.
    NotFinite,
    /// Its time lies too far ahead of its arrival.
    Ahead,
    /// Another series is mapped to the same metric of the same resource, and is heard already. Says which one they are and what to do.
    Ambiguous(Arc<str>),
    /// Its series should be of use and is not. Says why and what to do.
    Unplaced(Arc<str>),
}

impl Fate {
    /// As it is counted.
    pub(crate) fn became(&self) -> Became {
        match self {
            Self::Taken => Became::Taken,
            Self::TakenLate => Became::Repeated,
            Self::Unmapped => Became::PassedOver(PassedOver::Unmapped),
            Self::Stale => Became::PassedOver(PassedOver::Ended),
            Self::NotFinite => Became::PassedOver(PassedOver::NotFinite),
            Self::Ahead => Became::Refused(Reason::Ahead),
            Self::Ambiguous(_) => Became::Refused(Reason::Ambiguous),
            Self::Unplaced(_) => Became::Refused(Reason::Unplaced),
        }
    }

    /// What is wrong and what to do, if a person should do something.
    pub(crate) fn problem(&self) -> Option<Arc<str>> {
        match self {
            Self::Ahead => Some(Arc::clone(&AHEAD)),
            Self::Ambiguous(why) | Self::Unplaced(why) => Some(why.clone()),
            Self::Taken | Self::TakenLate | Self::Unmapped | Self::Stale | Self::NotFinite => None,
        }
    }
}

/// Of all alike: a clock that is wrong makes all samples wrong, and a text for each would cost time.
static AHEAD: LazyLock<Arc<str>> = LazyLock::new(|| {
    let help = "correct the clock of the sender, or homeostat's";
    format!("it is more than {MAX_AHEAD} ahead of homeostat's time; {help}").into()
});

/// Reads the series of one sender, or of several.
#[derive(Debug)]
pub struct SeriesReader {
    mapping: SeriesMapping,
    hashes: RandomState,
    known: Generations<Box<[u8]>, Known>,
    /// Which series is heard as which metric of which resource.
    heard: Generations<(ResourceId, MetricName), Heard>,
    /// The labels looked for; kept, so that nothing is allocated for each series.
    key: Vec<u8>,
    now: Timestamp,
    deliveries: Deliveries,
}

/// What is read together, and arrives together or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery(u64);

/// Which deliveries there were, and which of them did not arrive.
#[derive(Debug)]
struct Deliveries {
    last: Delivery,
    /// What was told before this one is told again.
    told_since: Delivery,
    undelivered: BTreeSet<Delivery>,
}

#[derive(Debug, Clone)]
struct Known {
    /// Stands for its labels.
    number: u64,
    target: Result<Option<Arc<Target>>, Arc<str>>,
    /// Why it is not heard, once that was found out.
    ambiguous: Option<Arc<str>>,
    /// When it was told what the resource runs on, and its labels; and in which delivery.
    told: Option<(Timestamp, Delivery)>,
}

#[derive(Debug, Clone)]
struct Heard {
    series: u64,
    /// Its labels.
    key: Box<[u8]>,
    /// The latest time that a sample had.
    newest: Timestamp,
    /// When one arrived last.
    arrived: Timestamp,
    ended: bool,
}

/// A series, whose samples can be read.
#[derive(Debug)]
pub struct Series<'a> {
    known: Option<&'a mut Known>,
    heard: &'a mut Generations<(ResourceId, MetricName), Heard>,
    key: &'a [u8],
    now: Timestamp,
    deliveries: &'a Deliveries,
}

impl SeriesReader {
    /// Reads by `mapping`.
    #[must_use]
    pub fn new(mapping: SeriesMapping) -> Self {
        Self {
            mapping,
            hashes: RandomState::new(),
            known: Generations::new(REMEMBERED, REMEMBERED_BYTES),
            heard: Generations::new(REMEMBERED, REMEMBERED_BYTES),
            key: Vec::new(),
            now: Timestamp::default(),
            deliveries: Deliveries { last: Delivery(0), told_since: Delivery(0), undelivered: BTreeSet::new() },
        }
    }

    /// Begins to read what arrives together at `now`.
    pub fn begin(&mut self, now: Timestamp) -> Delivery {
        self.now = now;
        let Delivery(last) = self.deliveries.last;
        self.deliveries.last = Delivery(last + 1);
        self.deliveries.last
    }

    /// The observations of a delivery were not given on: what it told of resources, and nothing else, is told again.
    pub fn undelivered(&mut self, delivery: Delivery) {
        let Deliveries { last, told_since, undelivered } = &mut self.deliveries;
        undelivered.insert(delivery);
        if undelivered.len() > UNDELIVERED {
            undelivered.clear();
            *told_since = Delivery(last.0 + 1);
        }
    }

    /// How many series are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.known.len()
    }

    /// The series with these labels, its name among them as `__name__`, in any order. Each name is there once.
    pub fn series(&mut self, labels: &[(&str, &str)]) -> Series<'_> {
        let sorted = labels.is_sorted_by_key(|(name, _)| name);
        if sorted {
            return self.sorted(labels);
        }
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        self.sorted(&labels)
    }

    fn sorted(&mut self, labels: &[(&str, &str)]) -> Series<'_> {
        self.key.clear();
        for (name, value) in labels {
            for text in [name, value] {
                self.key.extend_from_slice(text.as_bytes());
                self.key.push(END);
            }
        }
        let place = self.known.find(&*self.key).unwrap_or_else(|| {
            let target = self.mapping.target_of(labels);
            let target = target.map(|target| target.map(Arc::new)).map_err(Arc::from);
            let number = self.hashes.hash_one(&*self.key);
            let known = Known { number, target, ambiguous: None, told: None };
            self.known.insert(self.key.as_slice().into(), known, self.key.len())
        });
        let Self { known, heard, key, now, deliveries, .. } = self;
        Series { known: known.at(place), heard, key, now: *now, deliveries }
    }
}

impl Series<'_> {
    /// Whether its samples are of use: a rule applies, and says where they go.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        self.known.as_ref().is_some_and(|known| matches!(known.target, Ok(Some(_))))
    }

    /// Adds the sample to the observations, when it is of use; before it, what is to be told of its resource.
    pub fn observe(&mut self, time: Timestamp, value: f64, out: &mut Vec<Observation>) -> Fate {
        let Some(known) = self.known.as_deref_mut() else { return Fate::Unmapped };
        let target = match &known.target {
            Ok(Some(target)) => target.clone(),
            Ok(None) => return Fate::Unmapped,
            Err(why) => return Fate::Unplaced(why.clone()),
        };
        let now = self.now;
        if time > now + MAX_AHEAD {
            return Fate::Ahead;
        }
        if is_stale_marker(value) {
            if let Some(heard) = self.heard.get(&target.place).filter(|heard| heard.series == known.number) {
                heard.ended = true;
            }
            return Fate::Stale;
        }
        let value = value * target.scale;
        if !value.is_finite() {
            return Fate::NotFinite;
        }
        let fate = match self.heard.get(&target.place) {
            Some(heard) if heard.series == known.number => {
                let late = time <= heard.newest;
                heard.newest = heard.newest.max(time);
                heard.arrived = now;
                heard.ended = false;
                if late { Fate::TakenLate } else { Fate::Taken }
            }
            Some(heard) if !heard.ended && now.since(heard.arrived) < SILENT => {
                let other = &heard.key;
                let why = known.ambiguous.get_or_insert_with(|| ambiguous(&target, self.key, other));
                return Fate::Ambiguous(why.clone());
            }
            _ => {
                let heard =
                    Heard { series: known.number, key: self.key.into(), newest: time, arrived: now, ended: false };
                self.heard.insert(target.place.clone(), heard, self.key.len());
                Fate::Taken
            }
        };
        let arrived = |delivery| self.deliveries.arrived(delivery);
        if !known.told.is_some_and(|(told, delivery)| arrived(delivery) && now.since(told) < REFRESH) {
            known.told = Some((now, self.deliveries.last));
            tell(&target, out);
        }
        let (resource, metric) = target.place.clone();
        out.push(Observation::Sample(Sample { resource, metric, time, value }));
        fate
    }
}

impl Deliveries {
    /// Whether what was told in `delivery` was told, as far as is known.
    fn arrived(&self, delivery: Delivery) -> bool {
        delivery >= self.told_since && !self.undelivered.contains(&delivery)
    }
}

/// What the resource runs on, and its labels.
fn tell(target: &Target, out: &mut Vec<Observation>) {
    let resource = &target.place.0;
    if target.on.is_some() {
        let described = Resource { on: target.on.clone(), ..Resource::named(resource.clone()) };
        out.push(Observation::Inventory(InventoryChange::Upsert(described)));
    }
    if !target.labels.is_empty() {
        out.push(Observation::Labels { resource: resource.clone(), labels: target.labels.clone() });
    }
}

fn ambiguous(target: &Target, key: &[u8], other: &[u8]) -> Arc<str> {
    let (resource, metric) = &target.place;
    format!(
        "{} is mapped to {metric} of {resource}, and so is {}; put a label by which they differ into the `when`, the `part` or the `metric` of their rule",
        written(key),
        written(other)
    )
    .into()
}

/// A series as Prometheus writes it.
fn written(key: &[u8]) -> String {
    let mut texts = key.split(|byte| *byte == END).map(String::from_utf8_lossy);
    let (mut series, mut labels) = (String::new(), Vec::new());
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        if name == NAME {
            series.push_str(&shortened(&value));
        } else {
            labels.push(format!("{name}={:?}", shortened(&value)));
        }
    }
    format!("{series}{{{}}}", labels.join(", "))
}

#[cfg(test)]
mod tests;
