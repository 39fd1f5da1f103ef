//! What exists: the kinds, metrics, events, attributes and verbs that policies may speak of.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{
    Capabilities, ChannelName, EventType, Kind, KindCapability, MetricDescription, MetricName, Unit, Verb,
};

use crate::nearest::hint;

/// What to make of names that nobody provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownMetrics {
    /// They are mistakes: everything that could provide them is connected.
    Refuse,
    /// They may turn up: a backtest knows only its input. Holds for kinds, events and attributes as well.
    Allow,
}

/// What connected systems offer, all together, plus declared metrics.
///
/// While nothing is connected at all, everything is allowed.
#[derive(Debug, Clone)]
pub struct Catalogue {
    unknown_metrics: UnknownMetrics,
    kinds: BTreeMap<Kind, KindCapability>,
    declared: BTreeMap<MetricName, MetricDescription>,
    declared_events: BTreeSet<EventType>,
    /// `None`: nobody knows yet.
    channels: Option<BTreeSet<ChannelName>>,
}

impl Catalogue {
    /// Nothing yet.
    #[must_use]
    pub fn new(unknown_metrics: UnknownMetrics) -> Self {
        Self {
            unknown_metrics,
            kinds: BTreeMap::new(),
            declared: BTreeMap::new(),
            declared_events: BTreeSet::new(),
            channels: None,
        }
    }

    /// Adds what one adapter offers. Where two describe a metric with different units, its numbers compare with any.
    #[must_use]
    pub fn with(mut self, capabilities: &Capabilities) -> Self {
        for (kind, offered) in &capabilities.kinds {
            let known = self.kinds.entry(kind.clone()).or_default();
            known.verbs.extend(&offered.verbs);
            known.events.extend(offered.events.iter().cloned());
            known.attributes.extend(offered.attributes.iter().cloned());
            for (name, description) in &offered.metrics {
                let metric = known.metrics.entry(name.clone()).or_insert_with(|| description.clone());
                if metric.unit != description.unit {
                    metric.unit = Unit::None;
                }
            }
        }
        self
    }

    /// Adds a metric that resources of any kind may have.
    #[must_use]
    pub fn with_metric(mut self, name: MetricName, description: MetricDescription) -> Self {
        self.declared.insert(name, description);
        self
    }

    /// Adds a type of events that may happen to resources of any kind.
    #[must_use]
    pub fn with_event(mut self, event: EventType) -> Self {
        self.declared_events.insert(event);
        self
    }

    /// Says which channels of notifications there are; until then, any name may be one.
    #[must_use]
    pub fn with_channels(mut self, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        self.channels = Some(channels.into_iter().collect());
        self
    }

    /// Whether there is a channel of that name; else, what may have been meant.
    pub(crate) fn check_channel(&self, name: &str) -> Result<(), Option<String>> {
        match &self.channels {
            Some(known) if !known.contains(name) => {
                let none = || Some("the configuration has none; add one under `spec.notifications`".to_owned());
                Err(if known.is_empty() { none() } else { hint(name, known.iter().map(ChannelName::as_str)) })
            }
            _ => Ok(()),
        }
    }

    /// Whether names and units are taken as they come, because nobody knows them yet.
    pub(crate) fn allows_unknown(&self) -> bool {
        self.unknown_metrics == UnknownMetrics::Allow || self.kinds.is_empty()
    }

    /// Whether there are resources of `kind`; else, what may have been meant.
    pub(crate) fn check_kind(&self, kind: &str) -> Result<(), Option<String>> {
        if self.kinds.contains_key(kind) || self.allows_unknown() {
            return Ok(());
        }
        Err(hint(kind, self.kinds.keys().map(Kind::as_str)))
    }

    /// The unit of a metric of `kind`, also looking at what a policy declares itself; else, what may have been meant.
    pub(crate) fn unit_of(
        &self,
        kind: &str,
        metric: &str,
        own: &BTreeMap<MetricName, Unit>,
    ) -> Result<Unit, Option<String>> {
        let offered = self.kinds.get(kind).map(|kind| &kind.metrics);
        if let Some(unit) = own.get(metric) {
            return Ok(*unit);
        }
        if let Some(known) = offered.and_then(|metrics| metrics.get(metric)).or_else(|| self.declared.get(metric)) {
            return Ok(known.unit);
        }
        // An unknown kind is said once, at `select`; what it measures cannot be known then.
        let Some(offered) = offered.filter(|_| !self.allows_unknown()) else { return Ok(Unit::None) };
        let names: BTreeSet<&str> =
            offered.keys().chain(self.declared.keys()).chain(own.keys()).map(MetricName::as_str).collect();
        Err(hint(metric, names))
    }

    /// The unit of a metric of resources of any kind: that of all kinds that have it, if they agree; else, what may have been
    /// meant.
    pub(crate) fn unit_of_any(&self, metric: &str, own: &BTreeMap<MetricName, Unit>) -> Result<Unit, Option<String>> {
        if let Some(unit) = own.get(metric) {
            return Ok(*unit);
        }
        let offered = self.kinds.values().filter_map(|kind| kind.metrics.get(metric));
        let units: BTreeSet<Unit> = offered.chain(self.declared.get(metric)).map(|known| known.unit).collect();
        match (units.first(), units.last()) {
            (Some(first), Some(last)) => Ok(if first == last { *first } else { Unit::None }),
            _ if self.allows_unknown() => Ok(Unit::None),
            _ => {
                let offered = self.kinds.values().flat_map(|kind| kind.metrics.keys());
                let names: BTreeSet<&str> =
                    offered.chain(self.declared.keys()).chain(own.keys()).map(MetricName::as_str).collect();
                Err(hint(metric, names))
            }
        }
    }

    /// Whether resources of some kind carry `attribute`; else, what may have been meant among those and `also`.
    pub(crate) fn check_attribute_of_any(&self, attribute: &str, also: &[&str]) -> Result<(), Option<String>> {
        if self.allows_unknown() || self.kinds.values().any(|kind| kind.attributes.contains(attribute)) {
            return Ok(());
        }
        let carried = self.kinds.values().flat_map(|kind| &kind.attributes).map(String::as_str);
        let names: BTreeSet<&str> = carried.chain(also.iter().copied()).collect();
        Err(hint(attribute, names))
    }

    /// Whether `event` can happen to resources of `kind`; else, what may have been meant.
    pub(crate) fn check_event(&self, kind: &str, event: &str) -> Result<(), Option<String>> {
        match self.kinds.get(kind).filter(|_| !self.allows_unknown()) {
            Some(known) if !known.events.contains(event) && !self.declared_events.contains(event) => {
                let names: BTreeSet<&str> =
                    known.events.iter().chain(&self.declared_events).map(EventType::as_str).collect();
                Err(hint(event, names))
            }
            _ => Ok(()),
        }
    }

    /// Whether resources of `kind` carry `attribute`; else, what may have been meant among those and `also`.
    pub(crate) fn check_attribute(&self, kind: &str, attribute: &str, also: &[&str]) -> Result<(), Option<String>> {
        match self.kinds.get(kind).filter(|_| !self.allows_unknown()) {
            Some(known) if !known.attributes.contains(attribute) => {
                let names: Vec<&str> =
                    known.attributes.iter().map(String::as_str).chain(also.iter().copied()).collect();
                Err(hint(attribute, names))
            }
            _ => Ok(()),
        }
    }

    /// Whether `verb` can be done to resources of `kind`; else, the kinds it can be done to.
    pub(crate) fn check_verb(&self, kind: &str, verb: Verb) -> Result<(), Option<String>> {
        match self.kinds.get(kind) {
            Some(known) if !known.verbs.contains(&verb) => {
                let able: Vec<&str> = self
                    .kinds
                    .iter()
                    .filter(|(_, known)| known.verbs.contains(&verb))
                    .map(|(kind, _)| kind.as_str())
                    .collect();
                Err((!able.is_empty()).then(|| format!("it can be done to: {}", able.join(", "))))
            }
            _ => Ok(()),
        }
    }
}
