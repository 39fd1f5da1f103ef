//! Reading lines: samples and events, plain ones and those that need a second look, known resources and new ones.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::{fmt::Write, hint::black_box};

use criterion::{BenchmarkId, Criterion, Throughput};
use homeostat_sources::{Mapping, read_all};

/// Lines that are read at a time.
const LINES: u64 = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("lines");
    group.throughput(Throughput::Elements(LINES));
    let foreign: Mapping = serde_json::from_str(
        r#"{"resource": ["vm/${tags.vm}"], "labels": "tags", "metrics": {"cpu": "load"}, "ignore": ["*"]}"#,
    )
    .unwrap();
    for (name, is_foreign, line) in LINES_OF {
        let mapping = if *is_foreign { &foreign } else { &Mapping::default() };
        let mut text = String::new();
        for number in 0..LINES {
            writeln!(text, "{}", line(number)).unwrap();
        }
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                for line in read_all(text.as_bytes(), mapping) {
                    black_box(line.unwrap());
                }
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

/// A line by its number, and whether it needs the mapping.
type Case = (&'static str, bool, fn(u64) -> String);

const LINES_OF: &[Case] = &[
    ("sample", false, |number| {
        format!(r#"{{"resource":"vm/v{}","time":{},"metrics":{{"cpu":0.{number}}}}}"#, number % 1000, time(number))
    }),
    ("sample of a new resource", false, |number| {
        format!(r#"{{"resource":"vm/v{number}","time":{},"metrics":{{"cpu":0.{number}}}}}"#, time(number))
    }),
    ("five samples with labels", false, |number| {
        format!(
            r#"{{"resource":"vm/v{}","time":{},"metrics":{{"a":0.1,"b":2e9,"c":3,"d":0.4,"e":{number}}},"labels":{{"tier":"web","rack":"r1"}}}}"#,
            number % 1000,
            time(number)
        )
    }),
    ("foreign sample", true, |number| {
        format!(r#"{{"time":{},"tags":{{"vm":"v{}"}},"cpu":0.{number},"version":"x"}}"#, time(number), number % 1000)
    }),
    ("event", false, |number| event(number, &format!(r#"{{"cpu":{number}.5}}"#))),
    ("event with nested data", false, |number| {
        event(number, &format!(r#"{{"cpu":{number}.5,"by":{{"name":"kernel","pid":{number}}}}}"#))
    }),
    ("event with a list and an escape", false, |number| {
        event(number, &format!(r#"{{"cpu":{number}.5,"l":[1],"t":"\n"}}"#))
    }),
];

fn event(number: u64, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{number}","source":"/hv/1","type":"reading","subject":"vm/v{}","time":"2026-11-23T12:{:02}:{:02}Z","data":{data}}}"#,
        number % 1000,
        number / 60 % 60,
        number % 60
    )
}

fn time(number: u64) -> u64 {
    1_700_000_000_000 + number
}
