//! A line of any content is refused with a column in it, or says something usable, with and without a foreign mapping.
#![no_main]

use std::sync::LazyLock;

use homeostat_model::{Observation, Timestamp};
use homeostat_sources::{Mapping, parse_line, read_all};
use libfuzzer_sys::fuzz_target;

static FOREIGN: LazyLock<Mapping> = LazyLock::new(|| {
    let mapping = r#"{
        "resource": ["vm/${tags.vm|host}", "host/${meta.node.name}"], "time": "ts|seconds", "labels": "tags",
        "metrics": {"cpu": "cpu.utilization", "mem": "memory.used"}, "ignore": ["*"]
    }"#;
    serde_json::from_str(mapping).unwrap()
});

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fuzz_target!(|data: &[u8]| {
    for mapping in [&Mapping::default(), &*FOREIGN] {
        if let Ok(text) = std::str::from_utf8(data) {
            one_line(text, mapping);
        }
        recording(data, mapping);
    }
});

fn one_line(text: &str, mapping: &Mapping) {
    match parse_line(text, mapping, NOW) {
        Ok(observations) => usable(&observations),
        Err(error) => {
            let longest = text.split('\n').map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(error.column.is_none_or(|column| (1..=longest + 1).contains(&column)), "no such column: {error}");
            assert!(!error.problem.to_string().is_empty(), "refused without a reason");
        }
    }
}

fn recording(data: &[u8], mapping: &Mapping) {
    let mut last = 0;
    for line in read_all(data, mapping) {
        let number = match line {
            Ok(line) => {
                usable(&line.observations);
                line.number
            }
            Err(error) => error.line.expect("a recording's errors have the number of their line"),
        };
        assert!(number > last, "line {number} comes after line {last}");
        last = number;
    }
    assert!(last <= data.split(|byte| *byte == b'\n').count(), "there is no line {last}");
}

fn usable(observations: &[Observation]) {
    for observation in observations {
        if let Observation::Sample(sample) = observation {
            assert!(sample.value.is_finite(), "{sample:?}");
        }
    }
}
