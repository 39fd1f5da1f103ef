//! Reading a page of metrics, beside what cannot be left out: to find the lines, and to read a number at the end of each.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, Throughput};
use homeostat_sources::{Entry, Exposition, ExpositionFormat};

/// Series of a page: a node exporter has a thousand.
const SERIES: u64 = 1_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let page = page();
    for (unit, throughput) in
        [("bytes", Throughput::Bytes(u64::try_from(page.len()).unwrap())), ("samples", Throughput::Elements(SERIES))]
    {
        let mut group = criterion.benchmark_group(format!("exposition, {unit}"));
        group.throughput(throughput);
        group.bench_function("lines and numbers only", |bencher| bencher.iter(|| lines_and_numbers(&page)));
        for (name, format) in [("text", ExpositionFormat::Text), ("OpenMetrics", ExpositionFormat::OpenMetrics)] {
            group.bench_function(name, |bencher| bencher.iter(|| assert_eq!(read(&page, format), SERIES)));
        }
        group.finish();
    }
    criterion.final_summary();
}

/// A page like that of a node exporter; a good one in both formats.
fn page() -> String {
    let mut page = String::new();
    for number in 0..SERIES {
        if number % 8 == 0 {
            writeln!(page, "# HELP node_cpu_{number}_seconds_total Seconds the CPUs spent in each mode.").unwrap();
            writeln!(page, "# TYPE node_cpu_{number}_seconds_total counter").unwrap();
        }
        let (family, mode) = (number / 8 * 8, number % 8);
        writeln!(page, "node_cpu_{family}_seconds_total{{cpu=\"{family}\",mode=\"mode{mode}\"}} {number}123.{number}")
            .unwrap();
    }
    page + "# EOF\n"
}

fn lines_and_numbers(page: &str) -> f64 {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn read(page: &str, format: ExpositionFormat) -> u64 {
    let mut exposition = Exposition::new(page.as_bytes(), format);
    let mut samples = 0;
    while let Some(entry) = exposition.next_entry() {
        if let Entry::Point(point) = entry.unwrap() {
            black_box(point);
            samples += 1;
        }
    }
    samples
}
