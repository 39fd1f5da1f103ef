//! A page of any content, in both formats: a refused line has a number and a column in it, and what is read reads the same
//! when it is written again.
#![no_main]

use std::fmt::Write;

use homeostat_sources::{Entry, Exposition, ExpositionFormat, Point};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for format in [ExpositionFormat::Text, ExpositionFormat::OpenMetrics] {
        page(data, format);
    }
});

fn page(data: &[u8], format: ExpositionFormat) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let mut exposition = Exposition::new(data, format);
    let (mut last, mut entries) = (0, 0);
    while let Some(entry) = exposition.next_entry() {
        entries += 1;
        match entry {
            Ok(Entry::Point(point)) => written_again(&point, format),
            Ok(_) => {}
            Err(error) => {
                assert!(error.line > last, "line {} comes after line {last}", error.line);
                last = error.line;
                let line = lines.get(error.line - 1).expect("there is no such line");
                let characters = String::from_utf8_lossy(line).chars().count();
                assert!(error.column.is_none_or(|column| (1..=characters + 1).contains(&column)), "no such column: {error}");
                assert!(!error.problem.to_string().is_empty(), "refused without a reason");
            }
        }
    }
    assert!(entries <= lines.len(), "more is said than there are lines");
}

fn written_again(point: &Point<'_, '_>, format: ExpositionFormat) {
    assert!(!point.name.is_empty());
    let mut text = format!("{{{}", quoted(&point.name));
    for (name, value) in point.labels {
        write!(text, ",{}={}", quoted(name), quoted(value)).unwrap();
    }
    write!(text, "}} {}", point.value).unwrap();
    if let Some(time) = point.time {
        let millis = time.as_millis();
        let sign = if millis < 0 { "-" } else { "" };
        match format {
            ExpositionFormat::Text => write!(text, " {millis}").unwrap(),
            ExpositionFormat::OpenMetrics => {
                write!(text, " {sign}{}.{:03}", millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000).unwrap();
            }
        }
    }
    text.push_str("\n# EOF\n");
    if text.lines().next().unwrap_or_default().len() > 1 << 16 {
        return;
    }
    let mut exposition = Exposition::new(text.as_bytes(), format);
    let Some(Ok(Entry::Point(again))) = exposition.next_entry() else { panic!("not read again: {text}") };
    assert_eq!((&again.name, again.labels, again.time), (&point.name, point.labels, point.time), "{text}");
    assert!(again.value == point.value || again.value.is_nan() && point.value.is_nan(), "{text}");
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\""))
}
