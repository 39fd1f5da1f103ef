//! A generated fleet: resources in groups, policies over their metrics, and what the metrics say.

use std::sync::Arc;

use homeostat_engine::{Engine, Input, Output};
use homeostat_model::{
    Duration, Entry, Generation, InventoryChange, MetricName, Observation, Resource, ResourceId, Sample, Timestamp,
};
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics};

use crate::{command::check, report::Failure};

/// When the first samples were measured.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// From one sample of a series to the next.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// Samples of a series until the longest window, five minutes, is full and begins to lose samples.
pub(super) const WARM_UP: u32 = 11;

/// One sample in this many is a peak. A peak opens a finding and the next sample closes it, so twice as many change one.
const PEAK_EVERY: u64 = 200;

/// Between what is usual (below 0.7) and a peak.
const BETWEEN: f64 = 0.95;
const PEAK: f64 = 0.97;

/// How a policy sums up the samples that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Last,
    Average5m,
    Maximum5m,
    Average1m,
}

/// One condition over one metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) window: Window,
    pub(super) above: f64,
}

/// What is generated: as many policies as groups x metrics x readers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fleet {
    pub(super) resources: u32,
    pub(super) groups: u32,
    pub(super) metrics: u32,
    /// Policies that read each sample.
    pub(super) readers: u32,
}

impl Fleet {
    /// Samples of one pass over the fleet.
    pub(super) fn samples(self) -> u32 {
        self.resources * self.metrics
    }

    /// Policies that are in force.
    pub(super) fn policies(self) -> u32 {
        self.groups * self.metrics * self.readers
    }

    /// The conditions that read a metric. The first one sees every peak; the others see that nothing happens.
    pub(super) fn conditions(self) -> Vec<Condition> {
        let windows = [Window::Last, Window::Average5m, Window::Maximum5m, Window::Average1m];
        let usual = windows.into_iter().cycle().zip(0..self.readers).skip(1);
        let usual = usual.map(|(window, number)| Condition { window, above: 0.98 + f64::from(number) * 1e-5 });
        std::iter::once(Condition { window: Window::Last, above: BETWEEN }).chain(usual).collect()
    }

    /// The policies, checked.
    ///
    /// # Errors
    /// What is wrong with them, which is a mistake in what is generated.
    pub(super) fn load(self) -> Result<Vec<Arc<Policy>>, Failure> {
        let mut sources = Vec::new();
        for (group, metric) in (0..self.groups).flat_map(|group| (0..self.metrics).map(move |metric| (group, metric))) {
            for (number, condition) in self.conditions().iter().enumerate() {
                let name = format!("g{group}-m{metric}-{number}");
                let select = format!("{{kind: vm, matchLabels: {{tier: g{group}}}}}");
                sources.push(policy(&name, &select, &format!("when: {}", condition.written(&format!("m{metric}")))));
            }
        }
        load(&sources)
    }

    /// An engine with these policies that knows the resources.
    pub(super) fn engine(self, policies: &[Arc<Policy>]) -> Result<Engine, Failure> {
        let mut engine = Engine::new(Generation(1));
        let mut out = Vec::new();
        engine.replace_policies(START, policies, &mut out).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::new(errors.join("\n"))
        })?;
        for number in 0..self.resources {
            let mut resource = Resource::named(id(number)?);
            resource.labels.insert("tier".into(), format!("g{}", number % self.groups));
            let change = InventoryChange::Upsert(resource);
            engine.handle(START, Input::Observed(Observation::Inventory(change)), &mut out);
            out.clear();
        }
        Ok(engine)
    }

    /// The ids of the resources, and the names of the metrics.
    pub(super) fn names(self) -> Result<(Vec<ResourceId>, Vec<MetricName>), Failure> {
        let metric = |number: u32| MetricName::new(format!("m{number}")).map_err(invalid);
        let ids = (0..self.resources).map(id).collect::<Result<_, _>>()?;
        Ok((ids, (0..self.metrics).map(metric).collect::<Result<_, _>>()?))
    }

    /// What is measured in one pass, resource by resource.
    pub(super) fn pass(self, names: &(Vec<ResourceId>, Vec<MetricName>), number: u32) -> Vec<Sample> {
        let time = moment(number);
        let (ids, metrics) = names;
        let mut samples = Vec::new();
        for (series, (resource, metric)) in
            (0_u64..).zip(ids.iter().flat_map(|id| metrics.iter().map(move |metric| (id, metric))))
        {
            let (resource, metric) = (resource.clone(), metric.clone());
            samples.push(Sample { resource, metric, time, value: reading(series, number) });
        }
        samples
    }
}

impl Condition {
    /// As it stands in a policy.
    fn written(self, metric: &str) -> String {
        let signal = match self.window {
            Window::Last => format!("last(\"{metric}\")"),
            Window::Average5m => format!("avg(\"{metric}\", 5m)"),
            Window::Maximum5m => format!("max(\"{metric}\", 5m)"),
            Window::Average1m => format!("avg(\"{metric}\", 1m)"),
        };
        format!("{signal} > {}", self.above)
    }
}

/// When the samples of a pass are measured.
pub(super) fn moment(pass: u32) -> Timestamp {
    START + Duration::from_millis(INTERVAL.as_millis() * (u64::from(pass) + 1))
}

/// The id of a resource.
pub(super) fn id(number: u32) -> Result<ResourceId, Failure> {
    format!("vm/v{number}").parse().map_err(invalid)
}

/// A policy that only says what it finds. `trigger` is its `when`, and its `on` if it has one.
pub(super) fn policy(name: &str, select: &str, trigger: &str) -> SourceText {
    let text = format!(
        "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  select: {select}\n  {trigger}\n  \
         mode: observe\n  then: [{{notify: {{severity: warning, message: high}}}}]\n"
    );
    SourceText { name: format!("{name}.yaml"), text }
}

/// Checks generated policies.
///
/// # Errors
/// What is wrong with them.
pub(super) fn load(sources: &[SourceText]) -> Result<Vec<Arc<Policy>>, Failure> {
    check::policies(sources, &Catalogue::new(UnknownMetrics::Allow))
}

/// Takes in samples of one moment. Gives how many findings opened or closed.
pub(super) fn take_in(engine: &mut Engine, inputs: Vec<(Timestamp, Input)>, out: &mut Vec<Output>) -> u64 {
    let mut changes = 0;
    for (at, input) in inputs {
        engine.handle(at, input, out);
        if !out.is_empty() {
            changes += changed(out);
            out.clear();
        }
    }
    changes
}

/// Samples as the engine is told them.
pub(super) fn inputs(samples: &[Sample]) -> Vec<(Timestamp, Input)> {
    samples.iter().map(|sample| (sample.time, Input::Observed(Observation::Sample(sample.clone())))).collect()
}

/// Findings that opened or closed.
pub(super) fn changed(out: &[Output]) -> u64 {
    let is_change = |output: &&Output| match output {
        Output::Record(record) => matches!(record.entry, Entry::FindingOpened { .. } | Entry::FindingClosed { .. }),
        _ => false,
    };
    out.iter().filter(is_change).map(|_| 1).sum()
}

/// The same for the same series and pass; evenly spread below 0.7, and a peak now and then.
fn reading(series: u64, pass: u32) -> f64 {
    let noise = mixed(series.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(pass));
    if noise.is_multiple_of(PEAK_EVERY) {
        return PEAK;
    }
    // The upper half of the bits.
    let part = u32::try_from(noise >> 32).unwrap_or_default();
    0.2 + 0.5 * f64::from(part) / f64::from(u32::MAX)
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): every bit depends on every other.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn invalid(error: homeostat_model::InvalidName) -> Failure {
    Failure::new(error.to_string())
}
