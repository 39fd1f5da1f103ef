//! What homeostat measures of itself, for Prometheus.

mod deliveries;
mod intakes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::SystemTime,
};

use deliveries::Deliveries;
use homeostat_model::{Entry, Mode, PlanResult, StepResult};
use homeostat_notify::Tally;
use homeostat_sources::Intake;
use intakes::Intakes;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Policy {
    policy: String,
}

/// Two labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PolicyResult {
    policy: String,
    result: String,
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    result: String,
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AdapterLabel {
    adapter: String,
}

/// Everything that is counted. Labels are names of policies, adapters and sources only, so their number is bounded by the
/// configuration.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) samples: Counter,
    pub(crate) samples_refused: Counter,
    pub(crate) events: Counter,
    pub(crate) decision_seconds: Histogram,
    pub(crate) journal_seconds: Histogram,
    pub(crate) policies: Gauge<i64, AtomicI64>,
    pub(crate) findings_open: Gauge<i64, AtomicI64>,
    pub(crate) plans_in_flight: Gauge<i64, AtomicI64>,
    pub(crate) resources: Gauge<i64, AtomicI64>,
    findings: Family<Policy, Counter>,
    plans: Family<Policy, Counter>,
    plans_finished: Family<PolicyResult, Counter>,
    steps: Family<Outcome, Counter>,
    reloads: Family<Outcome, Counter>,
    configuration_successful: Gauge<i64, AtomicI64>,
    configuration_success_seconds: Gauge<i64, AtomicI64>,
    adapter_up: Family<AdapterLabel, Gauge<i64, AtomicI64>>,
    connects: Family<AdapterLabel, Counter<u64, AtomicU64>>,
    intakes: Intakes,
    deliveries: Deliveries,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // From 10 microseconds to 10 seconds: a decision takes microseconds, a synced write to a slow disk tens of milliseconds.
        let buckets = || prometheus_client::metrics::histogram::exponential_buckets(1e-5, 4.0, 11);
        let mut metrics = Self {
            registry: Registry::with_prefix("homeostat"),
            samples: Counter::default(),
            samples_refused: Counter::default(),
            events: Counter::default(),
            decision_seconds: Histogram::new(buckets()),
            journal_seconds: Histogram::new(buckets()),
            policies: Gauge::default(),
            findings_open: Gauge::default(),
            plans_in_flight: Gauge::default(),
            resources: Gauge::default(),
            findings: Family::default(),
            plans: Family::default(),
            plans_finished: Family::default(),
            steps: Family::default(),
            reloads: Family::default(),
            configuration_successful: Gauge::default(),
            configuration_success_seconds: Gauge::default(),
            adapter_up: Family::default(),
            connects: Family::default(),
            intakes: Intakes::default(),
            deliveries: Deliveries::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("samples", "Samples taken in", self.samples.clone());
        registry.register("samples_refused", "Samples refused by the engine", self.samples_refused.clone());
        registry.register("events", "Events taken in", self.events.clone());
        registry.register(
            "decision_seconds",
            "Time from taking an input to the decisions it led to",
            self.decision_seconds.clone(),
        );
        registry.register("journal_append_seconds", "Time to make decisions durable", self.journal_seconds.clone());
        registry.register("policies", "Policies loaded", self.policies.clone());
        registry.register("findings_open", "Findings that are open", self.findings_open.clone());
        registry.register("plans_in_flight", "Plans that are being carried out", self.plans_in_flight.clone());
        registry.register("resources", "Resources known", self.resources.clone());
        registry.register("findings", "Findings opened", self.findings.clone());
        registry.register("plans", "Plans made", self.plans.clone());
        registry.register("plans_finished", "Plans ended", self.plans_finished.clone());
        registry.register("steps_finished", "Steps ended", self.steps.clone());
        registry.register("policy_reloads", "Times the policies were loaded", self.reloads.clone());
        registry.register(
            "configuration_reload_successful",
            "Whether the configuration, as it was last read, is in force",
            self.configuration_successful.clone(),
        );
        registry.register(
            "configuration_reload_success_timestamp_seconds",
            "When a configuration was last put into force, in seconds since the epoch",
            self.configuration_success_seconds.clone(),
        );
        registry.register("adapter_up", "Whether the adapter is connected", self.adapter_up.clone());
        registry.register("adapter_connects", "Times the adapter connected", self.connects.clone());
        registry.register_collector(Box::new(self.intakes.clone()));
        registry.register_collector(Box::new(self.deliveries.clone()));
    }

    /// Where the source called `name` counts what came in. Sources of the same name share it.
    pub(crate) fn intake(&self, name: &str) -> Arc<Intake> {
        self.intakes.of(name)
    }

    /// Where the channel called `name` counts what became of notifications.
    pub(crate) fn tally(&self, name: &str) -> Arc<Tally> {
        self.deliveries.of(name)
    }

    /// Counts a decision.
    pub(crate) fn count(&self, entry: &Entry) {
        match entry {
            Entry::FindingOpened { finding, .. } => {
                self.findings.get_or_create(&Policy { policy: finding.policy.to_string() }).inc();
            }
            Entry::PlanMade(plan) if plan.mode != Mode::Observe => {
                self.plans.get_or_create(&Policy { policy: plan.policy.to_string() }).inc();
            }
            Entry::StepFinished { result, .. } => {
                let result = match result {
                    StepResult::Done { .. } => "done",
                    StepResult::Refused { .. } => "refused",
                    StepResult::Failed { .. } => "failed",
                    StepResult::Cancelled => "cancelled",
                    StepResult::Unknown { .. } => "unknown",
                };
                self.steps.get_or_create(&Outcome { result: result.into() }).inc();
            }
            _ => {}
        }
    }

    /// Counts the end of a plan of `policy`.
    pub(crate) fn plan_finished(&self, policy: &str, result: &PlanResult) {
        let result = match result {
            PlanResult::Succeeded => "succeeded",
            PlanResult::Failed { .. } => "failed",
            PlanResult::Unverified { .. } => "unverified",
            PlanResult::Cancelled { .. } => "cancelled",
            PlanResult::Expired { .. } => "expired",
        };
        self.plans_finished.get_or_create(&PolicyResult { policy: policy.into(), result: result.into() }).inc();
    }

    /// Counts a reload of the policies.
    pub(crate) fn reloaded(&self, good: bool) {
        self.reloads.get_or_create(&Outcome { result: if good { "success" } else { "failure" }.into() }).inc();
    }

    /// Says that a configuration was put into force.
    pub(crate) fn configured(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.configuration_success_seconds.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        self.configuration_successful.set(1);
    }

    /// Says whether what is in the configuration's files is what is in force.
    pub(crate) fn configuration_is(&self, good: bool) {
        self.configuration_successful.set(i64::from(good));
    }

    /// Says whether an adapter is connected.
    pub(crate) fn adapter(&self, name: &str, up: bool) {
        let label = AdapterLabel { adapter: name.into() };
        self.adapter_up.get_or_create(&label).set(i64::from(up));
        if up {
            self.connects.get_or_create(&label).inc();
        }
    }

    /// All of it, in OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
