//! Loading a thousand policies: what a start costs, and a change of one of them while it runs.

#![expect(clippy::panic, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use homeostat_policy::{Catalogue, SourceText, UnknownMetrics, load};

/// Policies that are loaded at a time.
const POLICIES: u32 = 1_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("load");
    group.throughput(Throughput::Elements(POLICIES.into())).sample_size(10);
    let catalogue = Catalogue::new(UnknownMetrics::Allow);
    let texts: Vec<String> = (0..POLICIES).map(policy).collect();
    let a_file_each = texts
        .iter()
        .enumerate()
        .map(|(number, text)| SourceText { name: format!("{number}.yaml"), text: text.clone() })
        .collect();
    let in_one_file = vec![SourceText { name: "all.yaml".into(), text: texts.join("---\n") }];
    for (name, sources) in [("a file each", a_file_each), ("in one file", in_one_file)] {
        let sources: Vec<SourceText> = sources;
        let loaded = load(&sources, &catalogue);
        if let Some(problem) = loaded.problems.first() {
            panic!("{problem:?}");
        }
        assert_eq!(u32::try_from(loaded.policies.len()), Ok(POLICIES));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(load(&sources, &catalogue)));
        });
    }
    group.finish();
    criterion.final_summary();
}

fn policy(number: u32) -> String {
    format!(
        "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: policy-{number}}}\nspec:\n  \
         select: {{kind: vm, matchLabels: {{tier: g{}}}}}\n  \
         when: avg(\"cpu.utilization\", 5m) > {}% && !absent(\"cpu.utilization\", 1m)\n  for: 2m\n  cooldown: 10m\n  then:\n    \
         - resize: {{vcpus: +2, maxVcpus: 16}}\n    - restart\n    - notify: {{severity: warning, message: \"${{resource}} is hot\"}}\n",
        number % 10,
        50 + number % 50,
    )
}
