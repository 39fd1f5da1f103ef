//! Holds the rules, their instances and the series they read, and turns inputs into changes of findings.

use std::{collections::BTreeMap, sync::Arc};

use homeostat_model::{
    Duration, Event, EventType, Evidence, FindingRef, MetricName, PolicyName, Resource, ResourceId, Sample, Timestamp,
    Topology, Truth,
};
use homeostat_policy::Policy;
use homeostat_script::Sandbox;
use rustc_hash::FxHashMap;
use slab::Slab;
use thiserror::Error;

use crate::{
    CompileError, Explained, Rule,
    instance::{Instance, Phase},
    intern::Interner,
    series::{Pushed, Series},
    timers::Timers,
};

/// How far ahead of the engine's time a sample may be: clocks of other machines differ by seconds, not by minutes.
const MAX_AHEAD: Duration = Duration::from_mins(1);
/// The greatest magnitude of a sample: no measurement comes near it, and sums over full windows stay finite.
const MAX_MAGNITUDE: f64 = 1e100;

/// A change of a finding.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A condition has come to hold long enough, or an event matched.
    Opened {
        /// Which.
        finding: FindingRef,
        /// Its policy.
        policy: Arc<Policy>,
        /// The values that made it.
        evidence: Evidence,
    },
    /// The condition of an open finding is known to hold again, after it was unknown.
    Known {
        /// Which.
        finding: FindingRef,
    },
    /// An event was not looked at: its condition did not become known in time, or too many came at once.
    Lost {
        /// Whose event it was.
        finding: FindingRef,
        /// Which event, and why.
        reason: String,
    },
    /// It holds no longer.
    Closed {
        /// Which.
        finding: FindingRef,
        /// Why.
        reason: String,
    },
}

/// A sample was not taken. Nothing else is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SampleRefused {
    /// The value is NaN, infinite, or too great to be a measurement.
    #[error("its value is not a finite number of a magnitude up to 1e100")]
    NotANumber,
    /// Its time lies too far ahead.
    #[error("its time is more than {MAX_AHEAD} ahead of the engine's; check the clock of the machine that sent it")]
    Ahead,
    /// Its time lies before everything that is looked at.
    #[error("it is older than the longest window over its metric")]
    TooLate,
    /// The resource does not exist. It is announced with [`Decider::resource_changed`], then the sample is sent again.
    #[error("its resource is not known")]
    UnknownResource,
}

/// A series and the instances that read it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) key: (u32, u32),
    pub(crate) series: Series,
    pub(crate) watchers: Vec<usize>,
}

/// Decides what is the case. See the head of the crate.
#[derive(Debug, Default)]
pub struct Decider {
    pub(crate) sandbox: Sandbox,
    pub(crate) rules: Slab<Rule>,
    pub(crate) by_name: BTreeMap<PolicyName, usize>,
    pub(crate) by_event: BTreeMap<EventType, Vec<usize>>,
    pub(crate) resources: Interner<ResourceId>,
    pub(crate) metrics: Interner<MetricName>,
    /// For each resource number: its instances, or `None` when it does not exist now.
    pub(crate) present: Vec<Option<Vec<usize>>>,
    pub(crate) instances: Slab<Instance>,
    pub(crate) series: Slab<Watched>,
    pub(crate) by_key: FxHashMap<(u32, u32), usize>,
    pub(crate) timers: Timers<usize>,
}

impl Decider {
    /// Replaces the policies. Those that are equal to a loaded one keep their state; findings of the others close.
    ///
    /// # Errors
    /// [`CompileError`]s of the policies whose scripts are refused; the rest is loaded.
    pub fn replace_policies(
        &mut self,
        at: Timestamp,
        policies: &[Arc<Policy>],
        topology: &Topology,
        out: &mut Vec<Change>,
    ) -> Result<(), Vec<CompileError>> {
        let wanted: BTreeMap<&PolicyName, &Arc<Policy>> =
            policies.iter().map(|policy| (&policy.name, policy)).collect();
        let loaded: Vec<(PolicyName, usize)> = self.by_name.iter().map(|(name, rule)| (name.clone(), *rule)).collect();
        let mut outdated = Vec::new();
        for (name, rule) in loaded {
            let unchanged = self.rule(rule).is_some_and(|rule| wanted.get(&name).is_some_and(|p| **p == rule.policy));
            if !unchanged {
                self.by_name.remove(&name);
                outdated.push(rule);
            }
        }
        // The new ones first: what both versions read is kept up without a gap.
        let mut errors = Vec::new();
        for policy in wanted.into_values() {
            if !self.by_name.contains_key(&policy.name) {
                match Rule::compile(policy.clone(), &self.sandbox) {
                    Ok(rule) => self.load(at, rule, topology, out),
                    Err(error) => errors.push(error),
                }
            }
        }
        for rule in outdated {
            self.unload(rule, out);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The loaded policies, in the order of their names.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.by_name.values().filter_map(|rule| self.rule(*rule)).map(|rule| &rule.policy)
    }

    /// Takes in that `id` is new, has changed, or (with `None`) is gone.
    pub fn resource_changed(
        &mut self,
        at: Timestamp,
        id: &ResourceId,
        resource: Option<&Resource>,
        out: &mut Vec<Change>,
    ) {
        let number = self.resources.intern(id);
        let Some(resource) = resource else {
            for key in self.of_resource(number) {
                self.remove(key, "the resource is gone", out);
            }
            if let Some(place) = self.present.get_mut(index(number)) {
                *place = None;
            }
            return;
        };
        if self.present.len() <= index(number) {
            self.present.resize_with(index(number) + 1, || None);
        }
        if let Some(place) = self.present.get_mut(index(number)) {
            place.get_or_insert_default();
        }
        let rules: Vec<usize> = self.by_name.values().copied().collect();
        for rule in rules {
            self.match_up(at, rule, number, resource, out);
        }
    }

    /// Takes in a sample.
    ///
    /// # Errors
    /// [`SampleRefused`], and then nothing has changed.
    pub fn sample(&mut self, at: Timestamp, sample: &Sample, out: &mut Vec<Change>) -> Result<(), SampleRefused> {
        if !sample.value.is_finite() || sample.value.abs() > MAX_MAGNITUDE {
            return Err(SampleRefused::NotANumber);
        }
        if sample.time > at + MAX_AHEAD {
            return Err(SampleRefused::Ahead);
        }
        let resource = self.resources.get(&sample.resource).ok_or(SampleRefused::UnknownResource)?;
        if !matches!(self.present.get(index(resource)), Some(Some(_))) {
            return Err(SampleRefused::UnknownResource);
        }
        let Some(metric) = self.metrics.get(&sample.metric) else { return Ok(()) };
        let Some(key) = self.by_key.get(&(resource, metric)).copied() else { return Ok(()) };
        let Some(watched) = self.series.get_mut(key) else { return Ok(()) };
        if watched.series.push(sample.time, sample.value) == Pushed::TooLate {
            return Err(SampleRefused::TooLate);
        }
        // Evaluating reads the series but never changes who watches it.
        let watchers = std::mem::take(&mut watched.watchers);
        for instance in &watchers {
            self.evaluate(at, *instance, out);
        }
        if let Some(watched) = self.series.get_mut(key) {
            watched.watchers = watchers;
        }
        Ok(())
    }

    /// Takes in an event.
    pub fn event(&mut self, at: Timestamp, event: &Event, out: &mut Vec<Change>) {
        let Some(resource) = self.resources.get(&event.resource) else { return };
        let Some(rules) = self.by_event.get(&event.event_type) else { return };
        let touched: Vec<usize> = self
            .of_resource(resource)
            .into_iter()
            .filter(|key| self.instance(*key).is_some_and(|i| rules.contains(&i.rule)))
            .collect();
        for key in touched {
            self.take_event(at, key, event.clone(), out);
        }
    }

    /// An event's finding has been answered (or given up): it closes, and the next event can open it again.
    pub fn answered(&mut self, at: Timestamp, finding: &FindingRef, reason: &str, out: &mut Vec<Change>) {
        let Some(key) = self.find(finding) else { return };
        let Some(instance) = self.instance_mut(key) else { return };
        if !matches!(instance.phase, Phase::Open { .. }) || instance.event.is_none() {
            return;
        }
        instance.phase = Phase::Idle;
        instance.event = None;
        out.push(Change::Closed { finding: finding.clone(), reason: reason.to_owned() });
        self.next_event(at, key, out);
    }

    /// Evaluates the condition of an open finding anew, before something is done about it; it may close by that.
    pub fn recheck(&mut self, at: Timestamp, finding: &FindingRef, out: &mut Vec<Change>) {
        if let Some(key) = self.find(finding) {
            self.evaluate(at, key, out);
        }
    }

    /// Whether the condition of `finding` holds at `at`, asked anew. True for an event policy without a condition.
    pub fn holds(&mut self, at: Timestamp, finding: &FindingRef) -> Truth {
        let Some(key) = self.find(finding) else { return Truth::False };
        self.read(at, key);
        self.truth(key)
    }

    /// The values behind the condition of `finding` at `at`.
    pub fn evidence(&mut self, at: Timestamp, finding: &FindingRef) -> Option<Evidence> {
        let key = self.find(finding)?;
        self.read(at, key);
        self.evidence_of(key)
    }

    /// What every policy that watches `resource` thinks of it at `at`, in the order of their names.
    pub fn explain(&self, at: Timestamp, resource: &ResourceId) -> Vec<Explained> {
        let Some(number) = self.resources.get(resource) else { return Vec::new() };
        let mut keys = self.of_resource(number);
        keys.sort_by(|a, b| self.instance(*a).map(|i| &i.finding).cmp(&self.instance(*b).map(|i| &i.finding)));
        keys.into_iter().filter_map(|key| self.explain_one(at, key)).collect()
    }

    /// The next moment at which time alone may change something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Lets time alone do its work at `at`: everything that falls due at that moment, and before.
    pub fn fire(&mut self, at: Timestamp, out: &mut Vec<Change>) {
        while let Some((due, key)) = self.timers.pop_due(at) {
            let Some(instance) = self.instance_mut(key) else { continue };
            if instance.armed == Some(due) {
                instance.armed = None;
            }
            match instance.wake {
                Some(wake) if wake <= at => self.evaluate(at, key, out),
                Some(wake) => self.arm(key, wake),
                None => {}
            }
        }
    }
}

/// Looking things up.
impl Decider {
    pub(crate) fn rule(&self, key: usize) -> Option<&Rule> {
        self.rules.get(key)
    }

    pub(crate) fn instance(&self, key: usize) -> Option<&Instance> {
        self.instances.get(key)
    }

    pub(crate) fn instance_mut(&mut self, key: usize) -> Option<&mut Instance> {
        self.instances.get_mut(key)
    }

    pub(crate) fn of_resource(&self, number: u32) -> Vec<usize> {
        self.present.get(index(number)).cloned().flatten().unwrap_or_default()
    }

    pub(crate) fn find(&self, finding: &FindingRef) -> Option<usize> {
        let number = self.resources.get(&finding.resource)?;
        self.of_resource(number).into_iter().find(|key| self.instance(*key).is_some_and(|i| i.finding == *finding))
    }

    pub(crate) fn arm(&mut self, key: usize, at: Timestamp) {
        let Some(instance) = self.instance_mut(key) else { return };
        if instance.armed.is_none_or(|armed| at < armed) {
            instance.armed = Some(at);
            self.timers.set(at, key);
        }
    }
}

pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
