//! Whatever comes in, nothing panics, and what is read is what was meant.

use homeostat_model::{Observation, Timestamp};
use homeostat_sources::{Mapping, parse_line, read_all};
use proptest::{collection::vec, prelude::*};

use super::told::mapping;

/// Pieces of lines, so that what is generated is nearly right more often than noise is.
fn nearly_a_line() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"resource\":\"vm/v1\"",
        "\"time\":",
        "\"metrics\":{",
        "\"labels\":{",
        "\"cpu\"",
        "0.5",
        "-1e400",
        "null",
        "true",
        "\"specversion\":\"1.0\"",
        "\"id\":\"1\"",
        "\"source\":\"s\"",
        "\"type\":\"t\"",
        "\"subject\":\"vm/v1\"",
        "\"data\":{",
        "\"ts\":",
        "\"tags\":{",
        "\u{1f600}",
        "ü",
        "\u{0}",
        "\n",
    ]);
    vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_line_panics(line in prop_oneof![any::<String>(), nearly_a_line()]) {
        let foreign = mapping(r#"{"resource": ["vm/${tags.vm|host}"], "time": "ts|seconds", "labels": "tags", "metrics": {"cpu": "c"}, "ignore": ["*"]}"#);
        for mapping in [Mapping::default(), foreign] {
            if let Err(error) = parse_line(&line, &mapping, Timestamp::default()) {
                prop_assert!(!error.to_string().is_empty());
                let characters = line.lines().map(|line| line.chars().count()).max().unwrap_or_default();
                prop_assert!(error.column.is_none_or(|column| (1..=characters + 1).contains(&column)), "{error}");
            }
        }
    }

    #[test]
    fn no_bytes_panic_and_every_line_is_told_of_once(bytes in vec(any::<u8>(), 0..512), capacity in 1_usize..64) {
        let reader = std::io::BufReader::with_capacity(capacity, bytes.as_slice());
        let mut last = 0;
        for line in read_all(reader, &Mapping::default()) {
            let number = match line {
                Ok(line) => line.number,
                Err(error) => error.line.unwrap(),
            };
            prop_assert!(number > last);
            last = number;
        }
        prop_assert!(last <= bytes.split(|byte| *byte == b'\n').count());
    }

    #[test]
    fn a_sample_comes_out_as_it_went_in(name in "[a-z][a-z0-9-]{0,20}", value in -1e300_f64..1e300, time in 0_i64..253_402_207_200_000) {
        let line = serde_json::json!({"resource": format!("vm/{name}"), "time": time, "metrics": {"m": value}}).to_string();
        let read = parse_line(&line, &Mapping::default(), Timestamp::default()).unwrap();
        let [Observation::Sample(sample)] = read.as_slice() else { panic!("{read:?}") };
        prop_assert_eq!((sample.resource.name(), sample.time.as_millis()), (name.as_str(), time));
        prop_assert_eq!(sample.value, value);
    }
}
