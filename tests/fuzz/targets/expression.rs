//! A condition of any content is refused with places in it, or it is compiled and evaluated, the same each time.
#![no_main]

use std::sync::{Arc, LazyLock};

use homeostat_decide::{Decider, Rule};
use homeostat_fuzz::{catalogue, vm};
use homeostat_model::{
    Duration, Evidence, FindingRef, InventoryChange, MetricName, Resource, Sample, Timestamp, Topology,
};
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics, load};
use homeostat_script::Sandbox;
use libfuzzer_sys::fuzz_target;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| catalogue(UnknownMetrics::Allow).unwrap());
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(Sandbox::default);
static VM: LazyLock<Resource> = LazyLock::new(|| vm().unwrap());

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let document = document(text);
    let loaded = load(&[SourceText { name: "fuzzed.yaml".into(), text: document.clone() }], &CATALOGUE);
    for problem in &loaded.problems {
        assert!(document.get(problem.span()).is_some(), "{:?} is no part of it: {problem}", problem.span());
        assert!(!problem.code().is_empty() && !problem.to_string().is_empty());
    }
    assert!(!loaded.policies.is_empty() || !loaded.problems.is_empty(), "refused without a reason");
    loaded.policies.into_iter().for_each(|policy| evaluate(&Arc::new(policy)));
});

/// A policy with the condition `text`. JSON's texts are YAML's as well.
fn document(text: &str) -> String {
    format!(
        "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: fuzzed}}\n\
         spec:\n  select: {{kind: vm}}\n  when: {}\n  then: [restart]\n",
        serde_json::to_string(text).unwrap()
    )
}

fn evaluate(policy: &Arc<Policy>) {
    if Rule::compile(policy.clone(), &SANDBOX).is_err() {
        return;
    }
    let first = watched(policy);
    let second = watched(policy);
    // As text, in which one that is not a number is equal to itself.
    assert_eq!(format!("{first:?}"), format!("{second:?}"), "two evaluations of one condition differ");
}

/// What the condition says of a VM with two samples of each metric, on a host of which nothing is measured.
fn watched(policy: &Arc<Policy>) -> Evidence {
    let mut decider = Decider::default();
    let mut changes = Vec::new();
    let mut topology = Topology::default();
    decider.replace_policies(NOW, std::slice::from_ref(policy), &topology, &mut changes).unwrap();
    let host = VM.on.clone().map(Resource::named);
    for resource in host.into_iter().chain([VM.clone()]) {
        let id = resource.id.clone();
        topology.apply(InventoryChange::Upsert(resource));
        decider.resource_changed(NOW, &id, &topology, &mut changes);
    }
    for (seconds, value) in [(0, 0.9), (30, 1e9)] {
        let at = NOW + Duration::from_secs(seconds);
        for metric in ["cpu.utilization", "memory.used", "cpu.seconds", "power.watts", "requests.total"] {
            let metric = MetricName::new(metric).unwrap();
            let sample = Sample { resource: VM.id.clone(), metric, time: at, value };
            decider.sample(at, &sample, &mut changes).unwrap();
        }
    }
    decider.fire(NOW + Duration::from_secs(31), &mut changes);
    for one in decider.explain(NOW + Duration::from_secs(31), &VM.id) {
        assert!(!one.evidence.to_string().is_empty(), "nothing to explain a condition with");
    }
    let finding = FindingRef { policy: policy.name.clone(), resource: VM.id.clone() };
    let evidence = decider.evidence(NOW + Duration::from_secs(31), &finding).unwrap();
    assert!(!evidence.clauses.is_empty() && !evidence.to_string().is_empty(), "nothing to show of a condition");
    evidence
}
