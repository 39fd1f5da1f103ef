//! Expressions and what is made of them.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use homeostat_model::{
    AdapterName, Capabilities, Kind, KindCapability, MetricDescription, MetricName, Quantity, Unit, Value,
};
use proptest::prelude::*;

use super::*;
use crate::{Aggregate, Comparison, Input, UnknownMetrics};

mod clauses;
mod relatives;
mod windows;

fn catalogue() -> Catalogue {
    let metric = |(name, unit)| (MetricName::new(name).unwrap(), MetricDescription { unit, help: String::new() });
    let vm = KindCapability {
        metrics: [("cpu", Unit::Ratio), ("mem", Unit::Bytes), ("work", Unit::Seconds), ("n", Unit::None)]
            .map(metric)
            .into(),
        attributes: ["state", "image"].map(String::from).into(),
        ..KindCapability::default()
    };
    let host = KindCapability {
        metrics: [("cpu", Unit::Ratio), ("power", Unit::Watts), ("n", Unit::Bytes)].map(metric).into(),
        attributes: ["state", "vendor"].map(String::from).into(),
        ..KindCapability::default()
    };
    let kinds = BTreeMap::from([(Kind::new("vm").unwrap(), vm), (Kind::new("host").unwrap(), host)]);
    Catalogue::new(UnknownMetrics::Refuse).with(&Capabilities { adapter: AdapterName::new("test").unwrap(), kinds })
}

fn read(text: &str) -> Result<Expr, Vec<ExprProblem>> {
    read_of("vm", text)
}

fn read_of(kind: &str, text: &str) -> Result<Expr, Vec<ExprProblem>> {
    with(kind, |context| parse_expression(text, context))
}

fn with<T>(kind: &str, read: impl FnOnce(&ExprContext<'_>) -> T) -> T {
    let own = BTreeMap::from([(MetricName::new("own.rate").unwrap(), Unit::Watts)]);
    read(&ExprContext { catalogue: &catalogue(), kind, metrics: &own, event: true })
}

/// An expression in prefix notation, scripts in braces.
fn show(expr: &Expr) -> String {
    let all = |operator: &str, operands: &[Expr]| {
        format!("({operator} {})", operands.iter().map(show).collect::<Vec<_>>().join(" "))
    };
    match &expr.node {
        Node::Literal { value, unit: Unit::None } => value.to_string(),
        Node::Literal { value, unit } => format!("{value}:{unit}"),
        Node::Input(Input::Aggregate(aggregate)) => {
            let Aggregate { members, fold, each, .. } = &**aggregate;
            format!("[{} of {} of {members:?}]", fold.name(), show(each))
        }
        Node::Input(input) => input.to_string(),
        Node::Not(inner) => format!("(! {})", show(inner)),
        Node::Negate(inner) => format!("(- {})", show(inner)),
        Node::And(operands) => all("&&", operands),
        Node::Or(operands) => all("||", operands),
        Node::Compare(comparison, left, right) => {
            let operator = match comparison {
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
                Comparison::Equal => "==",
                Comparison::NotEqual => "!=",
            };
            format!("({operator} {} {})", show(left), show(right))
        }
        Node::Arithmetic(arithmetic, left, right) => format!("({arithmetic:?} {} {})", show(left), show(right)),
        Node::Otherwise(left, right) => format!("(?? {} {})", show(left), show(right)),
        Node::Script(script) => {
            let inputs: Vec<String> = script.inputs.iter().map(ToString::to_string).collect();
            format!("{{{} | {}}}", script.source, inputs.join("; "))
        }
    }
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&read(text).map_or_else(|problems| listed(&problems), |expr| show(&expr)));
}

fn listed(problems: &[ExprProblem]) -> String {
    problems.iter().map(|p| format!("{}..{} {p}", p.span.start, p.span.end)).collect::<Vec<_>>().join("\n")
}

/// Each text with what becomes of it: the expression, or each mistake with the part of the text and the help.
fn table(
    kind: &str,
    texts: &[&str],
    read: impl Fn(&str, &ExprContext<'_>) -> Result<Expr, Vec<ExprProblem>>,
) -> String {
    let mut rows = Vec::new();
    for text in texts {
        rows.push((*text).to_owned());
        match with(kind, |context| read(text, context)) {
            Ok(expr) => rows.push(format!("    {}", show(&expr))),
            Err(problems) => rows.extend(problems.iter().flat_map(|problem| explained(text, problem))),
        }
    }
    rows.join("\n") + "\n"
}

fn explained(text: &str, problem: &ExprProblem) -> Vec<String> {
    let mut rows = vec![format!("    ! {problem}"), format!("      at   `{}`", &text[problem.span()])];
    if let Some(help) = problem.mistake.help() {
        rows.push(format!("      help {help}"));
    }
    rows
}

#[test]
fn logic_over_signals_is_native() {
    check(
        r#"avg("cpu", 5m) > 85% && !absent("cpu", "1m") || state == "running""#,
        expect![[r#"(|| (&& (> avg(cpu, 5m) 0.85:ratio) (! absent(cpu, 1m))) (== state "running"))"#]],
    );
    check("a.b", expect!["0..1 a vm has no attribute `a`"]);
    check(
        r#"last("mem") + 500Mi < capacity.memory * 90%"#,
        expect!["(< (Add last(mem) 524288000:bytes) (Multiply capacity.memory 0.9:ratio))"],
    );
    check(
        r#"name != "x" && kind == "vm" && (image == "a" && state == "b")"#,
        expect![[r#"(&& (!= name "x") (== kind "vm") (== image "a") (== state "b"))"#]],
    );
    check(
        r#"labels.tier == "web" || labels["a/b"] == labels.c"#,
        expect![[r#"(|| (== labels.tier "web") (== labels.a/b labels.c))"#]],
    );
    check(
        "event.exitCode != 0 && -capacity.vcpus < -2",
        expect!["(&& (!= event.exitCode 0) (< (- capacity.vcpus) (- 2)))"],
    );
    check(
        r#"event.disk.slot.number > 3 && event["disk.slot"] == 1 && event.disk.name.contains("s")"#,
        expect![[r#"(&& (> event.disk.slot.number 3) (== event.disk.slot 1) {in0.contains("s") | event.disk.name})"#]],
    );
    check(
        r#"1 - 2 - 3 * 4 / 2 < last("n")"#,
        expect!["(< (Subtract (Subtract 1 2) (Divide (Multiply 3 4) 2)) last(n))"],
    );
    check(
        r#"rate("work", 5m) > 80% && last("own.rate") > 10kW"#,
        expect!["(&& (> rate(work, 5m) 0.8:ratio) (> last(own.rate) 10000:watts))"],
    );
    check(r#"((avg("cpu", 5m))) > (85%)"#, expect!["(> avg(cpu, 5m) 0.85:ratio)"]);
    check("a /* note */ // end", expect!["0..1 a vm has no attribute `a`"]);
}

#[test]
fn a_percent_sign_is_a_unit_only_where_nothing_follows_to_divide_by() {
    check(r#"last("cpu") > 85%"#, expect!["(> last(cpu) 0.85:ratio)"]);
    check(r#"last("cpu") > 85%&&true"#, expect!["(&& (> last(cpu) 0.85:ratio) true)"]);
    check(r#"last("cpu") > 85% - 5%"#, expect!["(> last(cpu) (Subtract 0.85:ratio 0.05:ratio))"]);
    check(r#"last("n") == 10 % 3"#, expect!["(== last(n) {10 % 3 | })"]);
    check(r#"last("n") == 10%3"#, expect!["(== last(n) {10%3 | })"]);
    check(r#"10%(3) == last("n") % 2"#, expect!["(== {10%(3) | } {in0 % 2 | last(n)})"]);
}

#[test]
fn what_only_rhai_understands_is_as_small_a_script_as_possible() {
    check(
        r#"avg("cpu", 5m) > 1 && labels.team.contains("x")"#,
        expect![[r#"(&& (> avg(cpu, 5m) 1) {in0.contains("x") | labels.team})"#]],
    );
    check(
        r#"state in ["running", "paused"] || !("x" in name)"#,
        expect![[r#"(|| {in0 in ["running", "paused"] | state} (! {("x" in in0) | name}))"#]],
    );
    check(r#"name !in ["a"] && true"#, expect![[r#"(&& {in0 !in ["a"] | name} true)"#]]);
    check(
        r#"sin(last("n")) > 0.5 && max(last("n"), 3) == 2 ** 3"#,
        expect!["(&& (> {sin(in0) | last(n)} 0.5) (== {max(in0, 3) | last(n)} {2 ** 3 | }))"],
    );
    check(
        r#"(if state == "a" { 85% } else { 1 }) < last("cpu")"#,
        expect![[r#"(< {(if in0 == "a" { 0.85 } else { 1 }) | state} last(cpu))"#]],
    );
    check("`n ${name} and ${labels.a}`== image", expect!["(== {`n ${in0} and ${in1}` | name; labels.a} image)"]);
    check(r#"last("n") * 2 + [1, 2].len() > 3"#, expect!["(> (Add (Multiply last(n) 2) {[1, 2].len() | }) 3)"]);
    check(
        r##"#{a: last("n"), b: 5m}.a > 3 && name == #"raw"#"##,
        expect![[r##"(&& (> {#{a: in0, b: 300.0}.a | last(n)} 3) (== name {#"raw"# | }))"##]],
    );
    check("image?.len ?? 3", expect!["(?? {in0?.len | image} 3)"]);
}

#[test]
fn what_the_parser_cannot_delimit_is_a_script_as_a_whole() {
    check(
        r#"if avg("cpu", 5m) > 85% { true } else { state == "x" }"#,
        expect![[r#"{if in0 > 0.85 { true } else { in1 == "x" } | avg(cpu, 5m); state}"#]],
    );
    check(r#"let x = last("n"); x > 3 && x < 5m"#, expect!["{let x = in0; x > 3 && x < 300.0 | last(n)}"]);
    check(
        r#"switch state { "a" => last("n") > 1, _ => false }"#,
        expect![[r#"{switch in0 { "a" => in1 > 1, _ => false } | state; last(n)}"#]],
    );
    check(
        r#"let f = |a, b| a + b + last("n"); f.call(1, 2) > 3"#,
        expect!["{let f = |a, b| a + b + in0; f.call(1, 2) > 3 | last(n)}"],
    );
    check(
        r#"let t = 0; for (x, i) in [1, 2] { t += x * i } t > last("n")"#,
        expect!["{let t = 0; for (x, i) in [1, 2] { t += x * i } t > in0 | last(n)}"],
    );
    check(r#"[1, 2].some(|v| v > last("n"))"#, expect!["{[1, 2].some(|v| v > in0) | last(n)}"]);
}

#[test]
fn an_input_that_is_read_twice_is_one_variable() {
    check(
        r#"[last("n"), last( "n" ), labels.a, labels["a"]].len() > 0"#,
        expect!["(> {[in0, in0, in1, in1].len() | last(n); labels.a} 0)"],
    );
}

#[test]
fn the_origins_of_a_script_lead_back_to_the_text() {
    let text = r#"[last("n"), 5m, foo].len() > 0 && [last("n"), 500Mi].len() > state"#;
    let expr = read(&text.replace("foo", "bar(1)")).unwrap();
    let text = text.replace("foo", "bar(1)");
    let Node::And(operands) = &expr.node else { panic!("{expr:?}") };
    let Node::Compare(_, script, _) = &operands[1].node else { panic!("{expr:?}") };
    let Node::Script(script) = &script.node else { panic!("{script:?}") };
    assert_eq!(script.source, "[in0, 524288000.0].len()");
    let origin = |part: &str| {
        let at = script.source.find(part).unwrap();
        let (source, start) = script.origins.iter().rev().find(|(source, _)| *source <= at).unwrap();
        start + at - source
    };
    assert_eq!(script.origins.len(), 5, "each replacement and each piece between them: {:?}", script.origins);
    let second = text.rfind("[last").unwrap();
    assert_eq!(origin("[in0"), second);
    assert_eq!(origin("in0"), second + 1);
    assert_eq!(origin("524288000.0"), text.find("500Mi").unwrap());
    assert_eq!(origin(".len"), text.rfind(".len").unwrap());
}

#[test]
fn the_end_of_a_script_leads_to_the_end_of_its_text() {
    for text in ["if true", "if 5 > 1m", "if state == image", "if 5 > state", "if last(\"n\")"] {
        let Node::Script(script) = read(text).unwrap().node else { panic!("{text} is no script") };
        let (source, start) = script.origins.last().unwrap();
        assert_eq!(start + script.source.len() - source, text.len(), "{text}: {script:?}");
    }
}

#[test]
fn several_mistakes_are_found_at_once() {
    check(
        r#"avg("cqu", 5m) > 85% && stat == "x" && last("mem") > 85% && event.a > 1"#,
        expect![[r#"
            4..9 `cqu` is not a metric that is known of a vm
            24..28 a vm has no attribute `stat`
            39..56 `>` puts a number of bytes and a ratio together, which are different units"#]],
    );
}

#[test]
fn a_near_miss_of_a_window_function_is_a_mistake_and_any_other_name_is_left_to_rhai() {
    check(r#"AVG("cpu", 5m) > 1"#, expect!["0..3 there is no function `AVG`"]);
    check(r#"absentt("cpu", 5m)"#, expect!["0..7 there is no function `absentt`"]);
    check(r#"abzenx("cpu") > 1"#, expect![[r#"(> {abzenx("cpu") | } 1)"#]]);
    check(r#"sin(1.0) > 1"#, expect!["(> {sin(1.0) | } 1)"]);
}

#[test]
fn types_and_units_go_through_operators() {
    check(r#"absent("cpu", 5m) < true"#, expect!["0..24 `<` cannot be applied to a truth and a truth"]);
    check(r#"absent("cpu", 5m) == true"#, expect!["(== absent(cpu, 5m) true)"]);
    check(
        r#"1 + last("mem") > 85%"#,
        expect!["0..21 `>` puts a number of bytes and a ratio together, which are different units"],
    );
    check(
        r#"50% * capacity.memory > 5m"#,
        expect!["0..26 `>` puts a number of bytes and a number of seconds together, which are different units"],
    );
    check(r#"state > 5m && state > "a""#, expect![[r#"(&& (> state 300:seconds) (> state "a"))"#]]);
}

#[test]
fn depth_counts_however_it_comes_about() {
    let sum = |terms| vec!["1"; terms].join(" + ");
    assert!(read(&sum(MAX_EXPRESSION_DEPTH)).is_ok());
    for text in [sum(MAX_EXPRESSION_DEPTH + 1), format!("-({})", sum(MAX_EXPRESSION_DEPTH))] {
        assert_eq!(read(&text).unwrap_err()[0].code(), "homeostat::policy::expression_too_deep", "{text}");
    }
}

#[test]
fn literals_are_read_as_rhai_and_people_write_them() {
    for (text, value) in [
        ("0x1F", Value::Number(31.0)),
        ("0b1_01", Value::Number(5.0)),
        ("1_000", Value::Number(1000.0)),
        ("1e3", Value::Number(1000.0)),
        ("2.5E-1", Value::Number(0.25)),
        ("1h30m", Value::Number(5400.0)),
        ("10kW", Value::Number(10_000.0)),
        (r#""a\tb\"c\\d""#, Value::Text("a\tb\"c\\d".into())),
        (r#""\x41\u00e9\U0001F600""#, Value::Text("Aé😀".into())),
        (r#""say ""no""""#, Value::Text("say \"no\"".into())),
        ("true", Value::Bool(true)),
    ] {
        let Node::Literal { value: found, .. } = read(text).unwrap().node else { panic!("{text} is no literal") };
        assert_eq!(found, value, "{text}");
    }
}

#[test]
fn the_longest_expressions_exhaust_neither_stack_nor_patience() {
    let fits = |part: &str| part.repeat(MAX_EXPRESSION_BYTES / part.len());
    for text in [
        fits("state == \"a\" && ") + "true",
        fits("max(min(1,"),
        fits("|"),
        fits("[("),
        fits("let a="),
        fits("`${"),
        fits("1 + "),
        fits("-"),
        fits("a."),
        fits("max(1,2);"),
        fits("children.count("),
        fits("children.sum(1)+"),
        fits("children.any(state == \"a\") && "),
        fits("host."),
        fits("group(\"a\")."),
        fits("1 ?? "),
        fits("state != \"a\" && ") + "true",
        fits("(state == \"a\" || state == \"b\") && ") + "true",
        fits("!(state == \"a\" && "),
    ] {
        let text = text.get(..MAX_EXPRESSION_BYTES.min(text.len())).unwrap();
        is_sound(text);
    }
    let names: String = (0..2_000).map(|name| format!("labels.a{name};")).collect();
    for part in [names.as_str(), "children.count(state == labels.a);", "(", "|a", "let a=", "last(\"n\")+", "`${"] {
        let long = part.repeat(MAX_SCRIPT_BYTES / part.len() + 1);
        let _ = with("vm", |context| parse_script(&long[..MAX_SCRIPT_BYTES], context));
    }
    let long = "a".repeat(MAX_EXPRESSION_BYTES + 1);
    assert_eq!(read(&long).unwrap_err()[0].code(), "homeostat::policy::expression_too_long");
}

/// Whatever comes of `text`, every place that is given lies within it.
fn is_sound(text: &str) {
    fn spans(expr: &Expr, out: &mut Vec<Range<usize>>) {
        out.push(expr.span.clone());
        match &expr.node {
            Node::Input(Input::Aggregate(aggregate)) => spans(&aggregate.each, out),
            Node::Literal { .. } | Node::Input(_) => {}
            Node::Script(script) => {
                assert!(script.origins.is_sorted());
                assert!(script.origins.first().is_some_and(|(source, _)| *source == 0), "{script:?}");
                assert!(script.origins.iter().all(|(source, _)| script.source.is_char_boundary(*source)));
                out.extend(script.origins.iter().map(|(_, start)| *start..*start));
            }
            Node::Not(inner) | Node::Negate(inner) => spans(inner, out),
            Node::And(operands) | Node::Or(operands) => {
                assert!(operands.len() > 1);
                operands.iter().for_each(|operand| spans(operand, out));
            }
            Node::Compare(_, left, right) | Node::Arithmetic(_, left, right) | Node::Otherwise(left, right) => {
                spans(left, out);
                spans(right, out);
            }
        }
    }
    let mut found = Vec::new();
    for read in [parse_expression, parse_condition, parse_script] {
        match with("vm", |context| read(text, context)) {
            Ok(expr) => {
                spans(&expr, &mut found);
                // A condition that was accepted can be true; one that is never was refused.
                assert!(overlap(&expr, &expr) || with("vm", |context| parse_condition(text, context)).is_err());
            }
            Err(problems) => {
                assert!(!problems.is_empty(), "{text:?} was refused without a reason");
                found.extend(problems.iter().filter_map(ExprProblem::other));
                found.extend(problems.into_iter().map(|problem| problem.span));
            }
        }
    }
    for span in found {
        assert!(text.get(span.clone()).is_some(), "{span:?} is not within {text:?}");
    }
}

/// What expressions are made of, and some of what they are not.
const PIECES: [&str; 85] = [
    "avg(\"cpu\", 5m)",
    "last(\"n\")",
    "absent(\"mem\", \"1m\")",
    "max(",
    "min(",
    "avg",
    "\"cpu\"",
    "'c'",
    "'cc",
    "`",
    "`a`",
    "${",
    "}",
    "{",
    "#{",
    "(",
    ")",
    "[",
    "]",
    "?[",
    "?.",
    ".",
    ",",
    ";",
    ":",
    "=>",
    "|",
    "||",
    "&&",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "**",
    "==",
    "=",
    "<",
    ">=",
    "in",
    "!in",
    "is",
    "if",
    "else",
    "let x =",
    "x",
    "for",
    "fn f(a)",
    "|a|",
    "true",
    "state",
    "labels",
    "labels.a",
    "event.b",
    "capacity.memory",
    "85%",
    "5m",
    "1e9",
    "0x",
    "//",
    "é",
    "quantile(\"cpu\", 95%, 5m)",
    "predict(\"mem\", 1h, 4h)",
    "count(",
    "sum(",
    "host",
    "host.",
    "host.avg(\"cpu\", 5m)",
    "host.labels[\"a\"]",
    "children",
    "children.",
    "children(\"vm\")",
    "children.count(",
    ".count(",
    ".sum(last(\"mem\"))",
    "group",
    "group(\"tier\")",
    "host.children.any(state == \"a\")",
    "time",
    "time.ofDay",
    "time.weekday",
    "\"monday\"",
    "??",
    "<= 1",
];

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        is_sound(&text);
    }

    #[test]
    fn any_heap_of_pieces_is_read_without_a_panic(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24),
        blank in prop::sample::select(&["", " "][..]),
    ) {
        is_sound(&pieces.join(blank));
    }

    #[test]
    fn a_number_is_read_as_it_was_printed(number in prop::num::f64::POSITIVE | prop::num::f64::ZERO) {
        for text in [format!("{number}"), format!("{number:?}"), format!("{number:e}")] {
            let found = read(&text).unwrap();
            prop_assert_eq!(&found.node, &Node::Literal { value: Value::Number(number), unit: Unit::None }, "{}", text);
        }
    }

    #[test]
    fn a_quantity_means_the_same_in_an_expression(
        number in 0_u32..1_000_000,
        unit in prop::sample::select(&["%", "Ki", "Mi", "Gi", "k", "M", "G", "W", "kW", "MW", "ms", "s", "m", "h", "d"][..]),
    ) {
        let text = format!("{number}{unit}");
        let quantity: Quantity = text.parse().unwrap();
        let expected = Node::Literal { value: Value::Number(quantity.number), unit: quantity.unit };
        prop_assert_eq!(read(&text).unwrap().node, expected);
    }

    #[test]
    fn a_text_is_read_as_it_was_written(text in "[ -~é\t]{0,20}") {
        let written = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t"));
        prop_assert_eq!(read(&written).unwrap().node, Node::Literal { value: Value::Text(text), unit: Unit::None });
    }
}
