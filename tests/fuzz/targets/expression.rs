//! A condition of any content is refused with places in it, or it is compiled and evaluated, the same each time.
#![no_main]

use std::{collections::BTreeMap, sync::Arc, sync::LazyLock};

use homeostat_decide::{Decider, Rule};
use homeostat_fuzz::{catalogue, vm};
use homeostat_model::{
    Duration, Evidence, FindingRef, Kind, MetricName, Mode, PolicyName, Resource, Response, Sample, Timestamp, Topology,
};
use homeostat_policy::{
    Catalogue, Condition, Expr, ExprContext, Policy, Rung, Selector, UnknownMetrics, parse_condition,
};
use homeostat_script::Sandbox;
use libfuzzer_sys::fuzz_target;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| catalogue(UnknownMetrics::Allow).unwrap());
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(Sandbox::default);
static VM: LazyLock<Resource> = LazyLock::new(|| vm().unwrap());

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let metrics = BTreeMap::new();
    let context = ExprContext { catalogue: &CATALOGUE, kind: "vm", metrics: &metrics, event: false };
    match parse_condition(text, &context) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                assert!(text.get(problem.span()).is_some(), "{:?} is no part of it: {problem}", problem.span());
                assert!(!problem.code().is_empty() && !problem.to_string().is_empty());
            }
        }
        Ok(expr) => evaluate(Arc::new(policy(text, expr))),
    }
});

fn policy(text: &str, expr: Expr) -> Policy {
    Policy {
        name: PolicyName::new("fuzzed").unwrap(),
        labels: BTreeMap::new(),
        description: String::new(),
        select: Selector { kind: Kind::new("vm").unwrap(), match_labels: BTreeMap::new() },
        on: None,
        when: Some(Condition { text: text.to_owned(), expr }),
        hold_for: Duration::ZERO,
        stale_after: Duration::from_mins(2),
        mode: Mode::Auto,
        priority: 0,
        cooldown: Duration::ZERO,
        then: vec![Rung { response: Response::Restart, attempts: 1 }],
        text: String::new(),
    }
}

fn evaluate(policy: Arc<Policy>) {
    if let Err(error) = Rule::compile(policy.clone(), &SANDBOX) {
        let text = &policy.when.as_ref().unwrap().text;
        assert!(error.offset.is_none_or(|offset| offset <= text.len()), "{offset:?}: {error}", offset = error.offset);
        return;
    }
    let first = watched(&policy);
    let second = watched(&policy);
    // As text, in which one that is not a number is equal to itself.
    assert_eq!(format!("{first:?}"), format!("{second:?}"), "two evaluations of one condition differ");
}

/// What the condition says of a VM with two samples of each metric.
fn watched(policy: &Arc<Policy>) -> Evidence {
    let mut decider = Decider::default();
    let mut changes = Vec::new();
    decider.replace_policies(NOW, std::slice::from_ref(policy), &Topology::default(), &mut changes).unwrap();
    decider.resource_changed(NOW, &VM.id, Some(&VM), &mut changes);
    for (seconds, value) in [(0, 0.9), (30, 1e9)] {
        let at = NOW + Duration::from_secs(seconds);
        for metric in ["cpu.utilization", "memory.used", "cpu.seconds", "power.watts", "requests.total"] {
            let metric = MetricName::new(metric).unwrap();
            let sample = Sample { resource: VM.id.clone(), metric, time: at, value };
            decider.sample(at, &sample, &mut changes).unwrap();
        }
    }
    let finding = FindingRef { policy: policy.name.clone(), resource: VM.id.clone() };
    let evidence = decider.evidence(NOW + Duration::from_secs(31), &finding).unwrap();
    assert!(!evidence.clauses.is_empty() && !evidence.to_string().is_empty(), "nothing to show of a condition");
    evidence
}
