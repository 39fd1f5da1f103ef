//! The parts of a decision, one at a time: each window function, a condition of each sort, a replacement of policies.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a benchmark that cannot go on has failed"
)]

use std::{hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion, Throughput};
use homeostat_engine::{Engine, Generation, Input};
use homeostat_model::{Duration, InventoryChange, Observation, Resource, Sample, Timestamp};
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics, load};

/// Resources that take turns, so that what is measured is not one line of the processor's cache.
const RESOURCES: usize = 1_000;

/// The conditions that are measured, by name.
const CONDITIONS: [(&str, &str); 20] = [
    ("window/last", r#"last("m") > 2"#),
    ("window/avg", r#"avg("m", 5m) > 2"#),
    ("window/min", r#"min("m", 5m) > 2"#),
    ("window/max", r#"max("m", 5m) > 2"#),
    ("window/sum", r#"sum("m", 5m) > 200"#),
    ("window/count", r#"count("m", 5m) > 200"#),
    ("window/rate", r#"rate("m", 5m) > 200"#),
    ("window/increase", r#"increase("m", 5m) > 2000"#),
    ("window/delta", r#"delta("m", 5m) > 2"#),
    ("window/stddev", r#"stddev("m", 5m) > 2"#),
    ("window/quantile", r#"quantile("m", 95%, 5m) > 2"#),
    ("window/ewma", r#"ewma("m", 5m) > 2"#),
    ("window/slope", r#"slope("m", 5m) > 2"#),
    ("window/predict", r#"predict("m", 5m, 1h) > 200"#),
    ("window/changes", r#"changes("m", 5m) > 200"#),
    ("window/absent", r#"absent("m", 5m)"#),
    ("condition/two windows", r#"avg("m", 5m) > 2 && max("m", 1m) > 2"#),
    ("condition/of its host", r#"last("m") > 2 && host.last("m") > 2"#),
    ("condition/arithmetic", r#"(last("m") ?? 0) * 2 + 1 > capacity.vcpus + 9"#),
    ("condition/script", r#"(if last("m") > 2.0 { true } else { false })"#),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    samples(&mut criterion);
    swaps(&mut criterion);
    criterion.final_summary();
}

fn samples(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sample");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for (name, condition) in CONDITIONS {
        let mut engine = engine(&policies(&[policy("one", condition)]));
        let mut out = Vec::new();
        let mut turn = 0_usize;
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                let now = at(turn / RESOURCES);
                let sample = Sample {
                    resource: id(turn % RESOURCES),
                    metric: "m".parse().unwrap(),
                    time: now,
                    value: (turn % 7) as f64 / 7.0,
                };
                engine.handle(now, Input::Observed(Observation::Sample(sample)), &mut out);
                turn += 1;
                black_box(&out);
                out.clear();
            });
        });
    }
    group.finish();
}

/// One policy of a hundred is replaced, on a thousand resources.
fn swaps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replace one of 100 policies");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    let set = |threshold: usize| {
        let changed = policy("changed", &format!(r#"avg("m", 5m) > {threshold}"#));
        let kept =
            (0..99).map(|number| policy(&format!("kept-{number}"), &format!(r#"avg("m", 5m) > {}"#, number + 10)));
        policies(&kept.chain([changed]).collect::<Vec<_>>())
    };
    let sets = [set(2), set(3)];
    let mut engine = engine(&sets[0]);
    let (mut out, mut turn) = (Vec::new(), 1_usize);
    group.bench_function(BenchmarkId::from_parameter("1,000 resources"), |bencher| {
        bencher.iter(|| {
            engine.replace_policies(at(turn), &sets[turn % 2], &mut out).unwrap();
            turn += 1;
            out.clear();
        });
    });
    group.finish();
}

fn engine(policies: &[Arc<Policy>]) -> Engine {
    let mut engine = Engine::new(Generation(1));
    let mut out = Vec::new();
    engine.replace_policies(at(0), policies, &mut out).unwrap();
    let host = Resource::named("host/h".parse().unwrap());
    engine.handle(at(0), Input::Observed(Observation::Inventory(InventoryChange::Upsert(host))), &mut out);
    for number in 0..RESOURCES {
        let mut resource = Resource::named(id(number));
        resource.on = Some("host/h".parse().unwrap());
        engine.handle(at(0), Input::Observed(Observation::Inventory(InventoryChange::Upsert(resource))), &mut out);
    }
    engine
}

fn policy(name: &str, when: &str) -> String {
    format!(
        "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  select: {{kind: vm}}\n  when: '{when}'\n  \
         mode: observe\n  then: [restart]\n"
    )
}

fn policies(texts: &[String]) -> Vec<Arc<Policy>> {
    let sources: Vec<SourceText> =
        texts.iter().map(|text| SourceText { name: "bench.yaml".into(), text: text.clone() }).collect();
    let loaded = load(&sources, &Catalogue::new(UnknownMetrics::Allow));
    if let Some(problem) = loaded.problems.first() {
        panic!("{problem:?}");
    }
    loaded.policies.into_iter().map(Arc::new).collect()
}

fn id(number: usize) -> homeostat_model::ResourceId {
    format!("vm/{number}").parse().unwrap()
}

/// A sample of each resource every fifteen seconds.
fn at(turn: usize) -> Timestamp {
    Timestamp::from_millis(0) + Duration::from_secs(15 * turn as u64)
}
