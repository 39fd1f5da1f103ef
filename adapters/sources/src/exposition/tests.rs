use expect_test::{Expect, expect};
use proptest::{collection::vec, prelude::*};

use super::*;

/// What a page says, one string for each thing.
fn told(page: &[u8], format: ExpositionFormat) -> Vec<String> {
    let mut exposition = Exposition::new(page, format);
    let mut told = Vec::new();
    while let Some(entry) = exposition.next_entry() {
        told.push(entry.map_or_else(|error| error.to_string(), |entry| described(&entry)));
    }
    told
}

fn described(entry: &Entry<'_, '_>) -> String {
    let value = |labels: &[Label<'_>], value: f64, time: Option<Timestamp>| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name:?}: {value:?}")).collect();
        let time = time.map(|time| format!(" @{}", time.as_millis())).unwrap_or_default();
        format!("{{{}}} {value:?}{time}", labels.join(", "))
    };
    match entry {
        Entry::Help { family, text } => format!("help {family:?} {text:?}"),
        Entry::Type { family, family_type } => format!("type {family:?} {family_type:?}"),
        Entry::Unit { family, unit } => format!("unit {family:?} {unit:?}"),
        Entry::Point(point) => {
            let exemplar = point.exemplar.as_ref().map(|e| format!(" # {}", value(e.labels, e.value, e.time)));
            let own = value(point.labels, point.value, point.time);
            format!("{:?} {own}{}", point.name, exemplar.unwrap_or_default())
        }
    }
}

fn check(page: &[u8], format: ExpositionFormat, expected: &Expect) {
    expected.assert_eq(&(told(page, format).join("\n") + "\n"));
}

#[test]
fn the_text_format_is_read() {
    let page = br#"# HELP http_requests_total The "total" number of\nrequests \\ \".
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\" \d"} 1.458255915e9

   # just a comment
#not even that
metric_without_timestamp_and_labels 12.47
# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="+Inf",} 144320
http_request_duration_seconds_sum 53423
# TYPE rpc summary
rpc{quantile="0.01"} NaN
 	spaced:out  { a = "1" ,	b="" , }	-Inf	-1 	
empty{} 1e-3
# TYPE u untyped
# HELP nothing
# UNIT nothing seconds
# EOF
{"http.requests", method="GET", "a b"="\u"} 5
{"only.name"} 6
# TYPE "http.requests" gauge
# HELP "a\"b" x
windows 1
no_line_feed 2"#;
    let page = String::from_utf8_lossy(page).replace("windows 1\n", "windows 1\r\n");
    check(
        page.as_bytes(),
        ExpositionFormat::Text,
        &expect![[r#"
        help "http_requests_total" "The \"total\" number of\nrequests \\ \\\"."
        type "http_requests_total" Counter
        "http_requests_total" {"method": "post", "code": "200"} 1027.0 @1395066363000
        "http_requests_total" {"method": "post", "code": "400"} 3.0 @1395066363000
        "msdos_file_access_time_seconds" {"path": "C:\\DIR\\FILE.TXT", "error": "Cannot find file:\n\"FILE.TXT\" \\d"} 1458255915.0
        "metric_without_timestamp_and_labels" {} 12.47
        "something_weird" {"problem": "division by zero"} inf @-3982045
        type "http_request_duration_seconds" Histogram
        "http_request_duration_seconds_bucket" {"le": "+Inf"} 144320.0
        "http_request_duration_seconds_sum" {} 53423.0
        type "rpc" Summary
        "rpc" {"quantile": "0.01"} NaN
        "spaced:out" {"a": "1", "b": ""} -inf @-1
        "empty" {} 0.001
        type "u" Unknown
        help "nothing" ""
        "http.requests" {"method": "GET", "a b": "\\u"} 5.0
        "only.name" {} 6.0
        type "http.requests" Gauge
        help "a\"b" "x"
        "windows" {} 1.0
        "no_line_feed" {} 2.0
    "#]],
    );
}

#[test]
fn openmetrics_is_read() {
    let page = br#"# TYPE acme_http_router_request_seconds summary
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency of "all" \"quoted\" requests.
acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32
acme_http_router_request_seconds_created{path="/api/v1",method="GET"} 1605281325.0
# TYPE foo counter
foo_total 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67
foo_created 1520430000.123
# TYPE foo histogram
foo_bucket{le="0.01"} 0 # {} 0.67
foo_bucket{le="+Inf"} 17 1.5 # {trace_id="o",span_id="\"\n"} 9.8 1520879607.789
# TYPE s stateset
s{s="a"} 1
# TYPE i info
i_info{version="8.2.7"} 1
# TYPE g gaugehistogram
# TYPE u unknown
# UNIT bare 
{"http.requests", method="GET"} 5 # {a="b"} 1

# EOF
"#;
    check(
        page,
        ExpositionFormat::OpenMetrics,
        &expect![[r#"
        type "acme_http_router_request_seconds" Summary
        unit "acme_http_router_request_seconds" "seconds"
        help "acme_http_router_request_seconds" "Latency of \"all\" \"quoted\" requests."
        "acme_http_router_request_seconds_sum" {"path": "/api/v1", "method": "GET"} 9036.32
        "acme_http_router_request_seconds_created" {"path": "/api/v1", "method": "GET"} 1605281325.0
        type "foo" Counter
        "foo_total" {} 17.0 @1520879607789 # {"trace_id": "KOO5S4vxi0o"} 0.67
        "foo_created" {} 1520430000.123
        type "foo" Histogram
        "foo_bucket" {"le": "0.01"} 0.0 # {} 0.67
        "foo_bucket" {"le": "+Inf"} 17.0 @1500 # {"trace_id": "o", "span_id": "\"\n"} 9.8 @1520879607789
        type "s" StateSet
        "s" {"s": "a"} 1.0
        type "i" Info
        "i_info" {"version": "8.2.7"} 1.0
        type "g" GaugeHistogram
        type "u" Unknown
        unit "bare" ""
        "http.requests" {"method": "GET"} 5.0 # {"a": "b"} 1.0
    "#]],
    );
}

#[test]
fn a_bad_line_is_refused_alone() {
    let long = format!("{{{}}} 1", (0..=MAX_LABELS).map(|number| format!("l{number}=\"\",")).collect::<String>());
    let page = [
        "fine 1",
        "9lives 1",
        "no_value",
        "no_value{a=\"b\"}",
        "text x",
        "big 1e999",
        "hex 0x10",
        "{a=\"b\"} 1",
        "a{\"b\"} 1",
        "{\"a\",\"b\"} 1",
        "{\"\"} 1",
        "open{a=\"b",
        "open{a=\"b\\\"} 1",
        "open{a=\"b\"",
        "braces{a=\"b\" c=\"d\"} 1",
        "quotes{a=b} 1",
        "colon{a:b=\"c\"} 1",
        "bare{a} 1",
        "{,\"a\"} 1",
        "twice{a=\"1\",b=\"2\",a=\"1\"} 1",
        "late 1 2.5",
        "late 1 x",
        "more 1 2 3",
        "exemplar 1 # {a=\"b\"} 1",
        "a-1",
        "grün{a=\"ü\",a=\"b\"} 1",
        "gr{a=\"ü\",a=\"b\"} 1",
        &format!("many{long}"),
        "# TYPE",
        "# TYPE a",
        "# TYPE a metre",
        "# TYPE a gauge more",
        "# HELP 9a b",
        "# HELP a{ b",
        &"l".repeat(MAX_LINE_BYTES + 1),
        "fine 2",
    ]
    .join("\n");
    check(
        page.as_bytes(),
        ExpositionFormat::Text,
        &expect![[r#"
        "fine" {} 1.0
        line 2, column 1: there is '9' where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
        line 3, column 9: there is the end of the line where a value has to be; look at what the exporter writes here
        line 4, column 16: there is the end of the line where a value has to be; look at what the exporter writes here
        line 5, column 6: `x` is not a value; write a decimal number that 64 bits can hold, NaN, +Inf or -Inf
        line 6, column 5: `1e999` is not a value; write a decimal number that 64 bits can hold, NaN, +Inf or -Inf
        line 7, column 5: `0x10` is not a value; write a decimal number that 64 bits can hold, NaN, +Inf or -Inf
        line 8, column 8: the sample has no name; write it in front of the braces, or quoted as the first thing in them
        line 9, column 3: the sample has a second name, `b`; leave one of them out
        line 10, column 6: the sample has a second name, `b`; leave one of them out
        line 11, column 2: there is an empty text where a name that has characters has to be; look at what the exporter writes here
        line 12, column 8: the text that begins here has no closing quote; write \n for a line feed and \" for a quote within it
        line 13, column 8: the text that begins here has no closing quote; write \n for a line feed and \" for a quote within it
        line 14, column 11: there is the end of the line where , or } behind a label has to be; look at what the exporter writes here
        line 15, column 14: there is 'c' where , or } behind a label has to be; look at what the exporter writes here
        line 16, column 10: there is 'b' where a text in double quotes has to be; look at what the exporter writes here
        line 17, column 8: there is ':' where = behind the name of a label has to be; look at what the exporter writes here
        line 18, column 7: there is '}' where = behind the name of a label has to be; look at what the exporter writes here
        line 19, column 2: there is ',' where the name of a label, or } has to be; look at what the exporter writes here
        line 20, column 19: the label `a` is given twice; leave one of them out
        line 21, column 8: `2.5` is not a time; write milliseconds since the epoch (1700000000123), or nothing
        line 22, column 8: `x` is not a time; write milliseconds since the epoch (1700000000123), or nothing
        line 23, column 10: `3` follows where the line has to end; leave it out
        line 24, column 12: `#` is not a time; write milliseconds since the epoch (1700000000123), or nothing
        line 25, column 2: there is '-' where a blank or { behind the name has to be; look at what the exporter writes here
        line 26, column 3: there is 'ü' where a blank or { behind the name has to be; look at what the exporter writes here
        line 27, column 10: the label `a` is given twice; leave one of them out
        line 28, column 920: it has more than 128 labels; drop those that nobody asks for
        line 29, column 7: there is the end of the line where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
        line 30, column 9: `` is not a type of metrics; write counter, gauge, histogram, summary or untyped
        line 31, column 10: `metre` is not a type of metrics; write counter, gauge, histogram, summary or untyped
        line 32, column 16: `more` follows where the line has to end; leave it out
        line 33, column 8: there is '9' where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
        line 34, column 9: there is '{' where a blank behind the name has to be; look at what the exporter writes here
        line 35: the line is longer than 65536 bytes; shorten its labels or its help text
        "fine" {} 2.0
    "#]],
    );
    check(
        b"fine 1\n\xff 1\nfine\xc3\xa4 2\nfine 3\n",
        ExpositionFormat::Text,
        &expect![[r#"
        "fine" {} 1.0
        line 2: the line is not UTF-8; mend the exporter, or what its labels are made of
        line 3, column 5: there is 'ä' where a blank or { behind the name has to be; look at what the exporter writes here
        "fine" {} 3.0
    "#]],
    );
    let page = [
        "fine 1",
        "a 1 # 1",
        "a 1 # {a=\"b\"}",
        "a 1 # {a=\"b\"} x",
        "a 1 # {\"a\"} 1",
        "a 1 # {a=\"b\",a=\"c\"} 1",
        &format!("a 1 # {{a=\"{}\"}} 1", "ü".repeat(128)),
        "a 1 # {a=\"b\"} 1 2 3",
        "a 1 NaN",
        "# UNIT a s s",
        "# EOF ",
        "",
        "more 1",
        "more 2",
    ]
    .join("\n");
    check(
        page.as_bytes(),
        ExpositionFormat::OpenMetrics,
        &expect![[r#"
        "fine" {} 1.0
        line 2, column 7: there is '1' where the labels of the exemplar, such as {trace_id="1f"} has to be; look at what the exporter writes here
        line 3, column 14: there is the end of the line where a value has to be; look at what the exporter writes here
        line 4, column 15: `x` is not a value; write a decimal number that 64 bits can hold, NaN, +Inf or -Inf
        line 5, column 8: the sample has a second name, `a`; leave one of them out
        line 6, column 14: the label `a` is given twice; leave one of them out
        line 7, column 5: the labels of the exemplar have more than 128 characters; shorten them
        line 8, column 19: `3` follows where the line has to end; leave it out
        line 9, column 5: `NaN` is not a time; write seconds since the epoch (1700000000.123), or nothing
        line 10, column 12: `s` follows where the line has to end; leave it out
        line 13: the page goes on behind `# EOF`; what follows is not read: write `# EOF` last, and once
    "#]],
    );
}

#[test]
fn a_page_that_was_cut_off_is_said_to_be() {
    let whole = "a 12\nb 345\n# EOF\n";
    for end in 0..whole.len() {
        let said = told(&whole.as_bytes()[..end], ExpositionFormat::OpenMetrics);
        let (last, before) = said.split_last().unwrap();
        if whole[..end].ends_with("# EOF") {
            assert_eq!(said, ["\"a\" {} 12.0", "\"b\" {} 345.0"], "the last line feed may be missing");
        } else {
            assert!(last.contains("cut off"), "{end}: {said:?}");
            // Half a number is not taken for a number.
            assert!(before.iter().all(|entry| entry.ends_with("12.0") || entry.ends_with("345.0")), "{end}: {said:?}");
        }
    }
}

#[test]
fn the_content_type_says_the_format() {
    for (content_type, expected) in [
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", ExpositionFormat::OpenMetrics),
        ("Application/OpenMetrics-Text", ExpositionFormat::OpenMetrics),
        ("text/plain; version=0.0.4; charset=utf-8", ExpositionFormat::Text),
        ("text/plain", ExpositionFormat::Text),
        ("", ExpositionFormat::Text),
    ] {
        assert_eq!(ExpositionFormat::of_content_type(content_type), expected, "{content_type}");
    }
}

/// A sample as it is written, and as it has to be read.
#[derive(Debug, Clone)]
struct Written {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
    millis: Option<i64>,
    exemplar: Option<(Vec<(String, String)>, f64)>,
}

fn bare_name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_]{0,8}"
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![bare_name(), "[^\r]{1,8}"]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), prop::sample::select(vec![0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY])]
}

fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map(name(), any::<String>(), 0..4).prop_map(|labels| labels.into_iter().collect())
}

fn written() -> impl Strategy<Value = Written> {
    let millis = prop::option::of(-99_999_999_999_i64..9_999_999_999_999);
    let exemplar = prop::option::of((prop::collection::btree_map(bare_name(), "[^\r]{0,8}", 0..3), number()));
    (name(), labels(), number(), millis, exemplar).prop_map(|(name, labels, value, millis, exemplar)| Written {
        name,
        labels,
        value,
        millis,
        exemplar: exemplar.map(|(labels, value)| (labels.into_iter().collect(), value)),
    })
}

fn is_bare(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\""))
}

fn printed_labels(labels: &[(String, String)]) -> Vec<String> {
    let name = |name: &str| if is_bare(name) { name.to_owned() } else { quoted(name) };
    labels.iter().map(|(label, value)| format!("{}={}", name(label), quoted(value))).collect()
}

fn printed(written: &Written, format: ExpositionFormat) -> String {
    let mut inner = printed_labels(&written.labels);
    let mut line = if is_bare(&written.name) {
        written.name.clone()
    } else {
        inner.insert(0, quoted(&written.name));
        String::new()
    };
    line += &format!("{{{}}} {}", inner.join(","), written.value);
    let open = format == ExpositionFormat::OpenMetrics;
    if let Some(millis) = written.millis {
        let sign = if millis < 0 { "-" } else { "" };
        let (seconds, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
        line += &if open { format!(" {sign}{seconds}.{rest:03}") } else { format!(" {millis}") };
    }
    if let Some((labels, value)) = written.exemplar.as_ref().filter(|_| open) {
        line += &format!(" # {{{}}} {value}", printed_labels(labels).join(","));
    }
    line + "\n"
}

fn same_number(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan()
}

fn same_labels(read: &[Label<'_>], written: &[(String, String)]) -> bool {
    read.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).eq(written.iter().map(|(n, v)| (&**n, &**v)))
}

proptest! {
    #[test]
    fn what_is_printed_is_read(samples in vec(written(), 0..6)) {
        for format in [ExpositionFormat::Text, ExpositionFormat::OpenMetrics] {
            let mut page: String = samples.iter().map(|written| printed(written, format)).collect();
            page += "# EOF\n";
            let mut exposition = Exposition::new(page.as_bytes(), format);
            for written in &samples {
                let Some(Ok(Entry::Point(point))) = exposition.next_entry() else {
                    panic!("{written:?} is not read from\n{page}");
                };
                prop_assert_eq!(point.name.as_ref(), &written.name);
                prop_assert!(same_labels(point.labels, &written.labels), "{:?} of {:?}", point, written);
                prop_assert!(same_number(point.value, written.value), "{:?} of {:?}", point, written);
                prop_assert_eq!(point.time.map(Timestamp::as_millis), written.millis);
                let wanted = written.exemplar.as_ref().filter(|_| format == ExpositionFormat::OpenMetrics);
                prop_assert_eq!(point.exemplar.is_some(), wanted.is_some());
                if let (Some(read), Some((labels, value))) = (&point.exemplar, wanted) {
                    prop_assert!(same_labels(read.labels, labels) && same_number(read.value, *value));
                }
            }
            prop_assert!(exposition.next_entry().is_none());
        }
    }

    #[test]
    fn no_page_panics_and_no_line_is_told_of_twice(page in vec(prop_oneof![Just(b'\n'), Just(b'"'), Just(b'{'), Just(b' '), Just(b'#'), any::<u8>()], 0..200)) {
        for format in [ExpositionFormat::Text, ExpositionFormat::OpenMetrics] {
            let mut exposition = Exposition::new(&page, format);
            let mut last = 0;
            while let Some(entry) = exposition.next_entry() {
                if let Err(error) = entry {
                    prop_assert!(error.line > last, "{error}");
                    last = error.line;
                }
            }
            prop_assert!(last <= page.split(|byte| *byte == b'\n').count());
        }
    }
}
