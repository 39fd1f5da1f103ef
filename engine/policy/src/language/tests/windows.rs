//! Window functions, the clock, `??`, whole scripts and types.

use super::*;

#[test]
fn every_window_function_has_its_parameters_and_unit() {
    let texts = [
        r#"sum("mem", 5m) + 1Gi"#,
        r#"count("mem", 5m) + 1"#,
        r#"increase("work", 1h) > 30m"#,
        r#"delta("mem", 1h) > 1Gi"#,
        r#"stddev("cpu", 5m) > 10%"#,
        r#"quantile("cpu", 95%, 10m) > 90%"#,
        r#"quantile("cpu", 0.999, "10m") > 90%"#,
        r#"quantile("cpu", 0%, 10m) > quantile("cpu", 100%, 10m)"#,
        r#"ewma("cpu", 5m) > 90%"#,
        r#"slope("work", 5m) > 90%"#,
        r#"slope("mem", 5m) > 1Mi"#,
        r#"predict("mem", 1h, 4h) > capacity.memory"#,
        r#"predict("mem", 7d, 30d) > capacity.memory"#,
        r#"changes("mem", 5m) > 3"#,
        r#"sum(1, 2) > 3"#,
        r#"[1, 2].sum() > 3 && [1].count(|x| x > 1) == 1"#,
        r#"let sum = 0; let count = |a| a; sum + count.call(1) > last("n")"#,
        r#"quantile("cpu", 10m) > 1"#,
        r#"quantile("cpu", 10m, 95%) > 1"#,
        r#"quantile("cpu", 95, 10m) > 1"#,
        r#"quantile("cpu", 101%, 10m) > 1"#,
        r#"quantile("cpu", 1.5, 10m) > 1"#,
        r#"quantile("cpu", 95%) > 1"#,
        r#"quantile("cpu") > 1"#,
        r#"quantile("cpu", 95%, 10m, 3) > 1"#,
        r#"predict("mem", 1h) > 1"#,
        r#"predict("mem", 1h, 31d) > 1"#,
        r#"predict("mem", 1h, 0s) > 1"#,
        r#"predict("mem", 8d, 1h) > 1"#,
        r#"predict("mem", 1h, soon) > 1"#,
        r#"predict("mem", 1h, 4h, 5m) > 1"#,
        r#"count("cpu", 5m) > 50%"#,
        r#"changes("work", 5m) > 5m"#,
        r#"sum("mem", 5m) > 50%"#,
        r#"stdev("cpu", 5m) > 1"#,
        r#"slop("cpu", 5m) > 1"#,
    ];
    expect_test::expect_file!["windows.txt"].assert_eq(&table("vm", &texts, parse_expression));
}

#[test]
fn the_clock_is_read_with_units_and_names_of_days() {
    let texts = [
        "time.ofDay >= 22h || time.ofDay < 6h30m",
        r#"time.weekday == "saturday" || "sunday" == time.weekday"#,
        r#"time.weekday in ["saturday", "sunday"]"#,
        "time.ofDay - 1h > last(\"work\")",
        "time",
        "time.ofday > 1h",
        "time.hour > 1",
        "time() > 1",
        "time.ofDay > 22",
        "time.ofDay > 22%",
        "time.weekday > 1",
        r#"time.weekday == "sundy""#,
        r#"time.weekday != "Sunday""#,
        r#"time.weekday == "so""#,
        r#"time.weekday in ["saturday", "sundey"]"#,
        r#"time.weekday < "sunday""#,
        r#"time.weekday !in ["Sunday", "monday", name]"#,
        r#""sondag" == time.weekday"#,
        r#"if time.weekday == "fryday" { true }"#,
        r#"if state == "fryday" && "monday" != time.weekday { true }"#,
        r#"let time = 3; time > last("n")"#,
    ];
    expect_test::expect_file!["clock.txt"].assert_eq(&table("vm", &texts, parse_expression));
}

#[test]
fn otherwise_stands_between_values_of_one_type() {
    let texts = [
        r#"avg("cpu", 5m) ?? 0.5 > 85%"#,
        r#"last("mem") ?? 1Gi + 1Gi > 2Gi"#,
        r#"labels.tier ?? "none" == "web""#,
        r#"(avg("cpu", 5m) > 5) ?? false && true"#,
        r#"last("n") ?? last("work") ?? 3s > 1m"#,
        r#"state ?? "gone" == "gone""#,
        r#"[1, 2].len() ?? 3 > sin(last("n") ?? 1)"#,
        r#"{ last("n") ?? 1 }"#,
        r#"last("mem") ?? 50% > 1"#,
        r#"last("cpu") ?? 50 > 1"#,
        r#"labels.tier ?? 5 == 1"#,
        r#"absent("cpu", 5m) ?? "x""#,
    ];
    expect_test::expect_file!["otherwise.txt"].assert_eq(&table("vm", &texts, parse_expression));
}

#[test]
fn a_whole_script_is_rhai_with_its_inputs_cut_out() {
    let texts = [
        "let grown = last(\"mem\") * 1.25; // note\nif grown > 2Gi { #{resize: #{memory: grown}} } else { \"restart\" }",
        "last(\"n\") > 5m",
        "if children.count(state == \"running\") > 3 && host.state == \"up\" { time.ofDay }",
        "children.sum(last(\"mem\")) + children.sum( last(\"mem\") ) + children.sum(last(\"mem\"))",
        "",
        "if last(\"mme\") > 1 { stat }",
        "if true { (1 }",
        "let in0 = 1;",
    ];
    expect_test::expect_file!["scripts.txt"].assert_eq(&table("vm", &texts, parse_script));
    let long = " ".repeat(MAX_SCRIPT_BYTES);
    assert!(with("vm", |context| parse_script(&long, context)).is_ok());
    let problems = with("vm", |context| parse_script(&(long + " "), context)).unwrap_err();
    assert_eq!(problems[0].code(), "homeostat::policy::expression_too_long");
}

#[test]
fn the_type_of_an_expression_is_told() {
    for (text, expected) in [
        (r#"avg("cpu", 5m) > 1"#, ExprType::Truth),
        (r#"last("mem") * 2"#, ExprType::Number(Unit::Bytes)),
        (r#"slope("work", 5m)"#, ExprType::Number(Unit::Ratio)),
        (r#"children.count(true)"#, ExprType::Number(Unit::None)),
        (r#"children("vm").sum(last("mem"))"#, ExprType::Number(Unit::Bytes)),
        (r#"children("vm").any(state == "a")"#, ExprType::Truth),
        ("labels.tier ?? state", ExprType::Text),
        ("time.weekday", ExprType::Text),
        ("time.ofDay", ExprType::Number(Unit::Seconds)),
        ("state", ExprType::Any),
        ("[1].len()", ExprType::Any),
    ] {
        assert_eq!(with("vm", |context| parse_typed(text, context)).unwrap().1, expected, "{text}");
    }
}
