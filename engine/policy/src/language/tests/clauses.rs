//! Clauses that cannot matter.

use super::*;

#[test]
fn clauses_that_exclude_or_repeat_each_other_are_found() {
    let texts = [
        // Neither.
        r#"avg("cpu", 5m) > 90% && avg("cpu", 1m) < 10%"#,
        r#"avg("cpu", 5m) > 10% && avg("cpu", 5m) < 90% && avg("cpu", 5m) != 50%"#,
        r#"avg("cpu", 5m) < 10% || avg("cpu", 5m) > 90%"#,
        r#"avg("cpu", 5m) > 90% && host.avg("cpu", 5m) < 10%"#,
        r#"state == "a" || state == "b""#,
        r#"state != "a" && state != "b""#,
        r#"(state == "a" && last("n") > 1) || (state == "b" && last("n") > 2)"#,
        r#"absent("cpu", 5m) || avg("cpu", 5m) > 90%"#,
        r#"absent("cpu", 1m) && avg("cpu", 5m) > 90%"#,
        r#"absent("cpu", 5m) && last("cpu") > 90% && count("cpu", 5m) == 0 && avg("mem", 5m) > 1"#,
        r#"!absent("cpu", 5m) && avg("cpu", 5m) > 90%"#,
        r#"absent("cpu", 5m) && (avg("cpu", 5m) ?? 0 < 1)"#,
        r#"avg("cpu", 5m) > 120% || rate("work", 5m) > 300%"#,
        "time.ofDay >= 22h || time.ofDay < 6h",
        r#"min("cpu", 5m) < max("cpu", 5m) && min("cpu", 5m) > max("cpu", 1h)"#,
        // Contradictions.
        r#"avg("cpu", 5m) > 90% && avg("cpu", 5m) < 10%"#,
        r#"90% < avg("cpu", 5m) && !(avg("cpu",5m) > 90% - 10%)"#,
        r#"avg("cpu", 5m) >= 5% && state == "a" && avg("cpu", 5m) <= 5% && avg("cpu", 5m) != 5%"#,
        r#"state == "a" && state == "b""#,
        r#"state == "a" && state > 5"#,
        r#"state == "a" && labels.a != "x" && !(state == "a")"#,
        r#"absent("cpu", 5m) && !absent("cpu", 5m)"#,
        r#"absent("cpu", 5m) && avg("cpu", 1m) > 90%"#,
        r#"1 < 2 * host.max("cpu", 5m) && host.absent("cpu", "5m")"#,
        r#"last("n") > 5 && (last("n") < 3 || state == "a")"#,
        r#"!(last("n") > 5 || !(state == "a" && last("n") > 7))"#,
        r#"absent("cpu", 5m) && (state == "a" || avg("cpu", 5m) > 1)"#,
        r#"last("n") > last("work") && last("work") > last("n")"#,
        r#"[1, last("n")].len() > 3 && [1, last("n")].len() < 3"#,
        r#"children.count(state == "a") > 3 && children.count( state=="a" ) < 2"#,
        r#"children.any(state == "a" && state == "b")"#,
        r#"if children.count(state == "a" && state == "b") > 3 { true }"#,
        // Redundant.
        r#"avg("cpu", 5m) > 90% && avg("cpu", 5m) > 80%"#,
        r#"avg("cpu", 5m) > 80% && state == "a" && avg("cpu", 5m) > 90%"#,
        r#"avg("cpu", 5m) > 90% || avg("cpu", 5m) > 80%"#,
        r#"avg("cpu", 5m) > 80% || avg("cpu", 5m) > 90%"#,
        r#"state == "a" || labels.x == "y" || (state == "a")"#,
        r#"state == "a" && state != "b""#,
        r#"name.contains("x") && name.contains("x")"#,
        r#"(state == "a" && last("n") > 1) || (state == "a" && last("n") > 1)"#,
        r#"last("n") > 5 && (last("n") > 3 || state == "a")"#,
        r#"count("cpu", 5m) > 0 && count("cpu", 5m) != 0"#,
        // Always.
        r#"last("n") > 1 || last("n") <= 1"#,
        r#"last("n") > 1 || state == "a" || last("n") < 3"#,
        r#"state != "a" || state != "b""#,
        r#"absent("cpu", 5m) || !absent("cpu", 5m)"#,
        r#"!(last("n") > 1 && last("n") < 3) && !(state == "a")"#,
        r#"!(last("n") > 1 && last("n") < 1)"#,
        r#"!(absent("cpu", 5m) && !absent("cpu", 5m))"#,
        // Beyond the bounds of the value.
        r#"count("cpu", 5m) < 0"#,
        r#"changes("cpu", 5m) >= 0 && state == "a""#,
        r#"!(stddev("cpu", 5m) < 0) || state == "a""#,
        r#"rate("work", 5m) < 0 || increase("work", 5m) == -1"#,
        "children.count(true) > -1 && capacity.vcpus < 0",
        r#"min("cpu", 5m) > max("cpu", 5m)"#,
        r#"max("cpu", 5m) >= quantile("cpu", 95%, 5m) || avg("cpu", 5m) < min("cpu", 5m)"#,
        r#"last("n") > last("n") || last("n") == last("n")"#,
        "time.ofDay >= 24h || time.ofDay < 24h || time.ofDay == 25h || time.ofDay > -1h",
        "time.ofDay > 8h && time.ofDay < 25h && time.ofDay < 8h",
        // Nothing to stand in for.
        r#"name ?? "x" == "y" || time.ofDay ?? 3h > 5h"#,
        "children.all(true) && children.count(1 > 2) > 3 && children.any(true)",
        "5 ?? 3 > 1",
    ];
    expect_test::expect_file!["clauses.txt"].assert_eq(&table("vm", &texts, parse_condition));
}

#[test]
fn two_conditions_overlap_unless_a_value_speaks_against_it() {
    let both = |a: &str, b: &str| overlap(&read(a).unwrap(), &read(b).unwrap());
    for (a, b, expected) in [
        (r#"avg("cpu", 5m) > 85%"#, r#"avg("cpu", 5m) < 60%"#, false),
        (r#"avg("cpu", 5m) > 85%"#, r#"avg("cpu", 5m) < 90%"#, true),
        (r#"avg("cpu", 5m) > 85%"#, r#"avg("cpu", 10m) < 60%"#, true),
        (r#"avg("cpu", 5m) > 85% && !absent("cpu", 1m)"#, r#"avg("cpu", 5m) < 60% && state == "a""#, false),
        (r#"avg("cpu", 5m) > 85% || state == "a""#, r#"avg("cpu", 5m) < 60%"#, true),
        (r#"avg("cpu", 5m) > 85% || state == "a""#, r#"avg("cpu", 5m) < 60% && state == "b""#, false),
        (r#"avg("cpu", 5m) < 60% && state == "b""#, r#"avg("cpu", 5m) > 85% || state == "a""#, false),
        (r#"!(avg("cpu", 5m) <= 85% && state != "a")"#, r#"!(avg("cpu", 5m) >= 60% || state != "b")"#, false),
        (r#"absent("cpu", 5m)"#, r#"max("cpu", 1m) > 1"#, false),
        (r#"[1].len() > 2 && state == "a""#, r#"state != "a""#, false),
        ("true", "true", true),
    ] {
        assert_eq!(both(a, b), expected, "{a} and {b}");
        assert_eq!(both(b, a), expected, "{b} and {a}");
    }
}

/// What `expr` comes to; `None` is unknown. `n` and `work` are all that it reads.
fn evaluate(expr: &Expr, n: Option<f64>, work: Option<f64>) -> Option<bool> {
    let all = |operands: &[Expr], decisive: bool| {
        let truths: Vec<Option<bool>> = operands.iter().map(|operand| evaluate(operand, n, work)).collect();
        if truths.contains(&Some(decisive)) {
            return Some(decisive);
        }
        truths.iter().all(Option::is_some).then_some(!decisive)
    };
    let number = |expr: &Expr| match &expr.node {
        Node::Literal { value: Value::Number(number), .. } => Some(*number),
        Node::Input(input) if input.to_string() == "last(n)" => n,
        Node::Input(input) if input.to_string() == "last(work)" => work,
        other => panic!("{other:?} is no number"),
    };
    match &expr.node {
        Node::Literal { value: Value::Bool(truth), .. } => Some(*truth),
        Node::Not(inner) => evaluate(inner, n, work).map(|truth| !truth),
        Node::And(operands) => all(operands, false),
        Node::Or(operands) => all(operands, true),
        Node::Compare(comparison, left, right) => {
            let (left, right) = (number(left)?, number(right)?);
            Some(match comparison {
                Comparison::Less => left < right,
                Comparison::LessOrEqual => left <= right,
                Comparison::Greater => left > right,
                Comparison::GreaterOrEqual => left >= right,
                Comparison::Equal => left == right,
                Comparison::NotEqual => left != right,
            })
        }
        other => panic!("{other:?} is no truth"),
    }
}

/// Where `expr` is true, for all values, and for none unless they are to be `known`. Literals are whole, so that halves stand
/// for all between them.
fn truths(expr: &Expr, known: bool) -> Vec<bool> {
    let unknown = (!known).then_some(None);
    let values: Vec<Option<f64>> = (-1..8).map(|half| Some(f64::from(half) / 2.0)).chain(unknown).collect();
    let pairs = values.iter().flat_map(|n| values.iter().map(|work| (*n, *work)));
    pairs.map(|(n, work)| evaluate(expr, n, work) == Some(true)).collect()
}

/// Conditions over two values.
fn conditions() -> impl Strategy<Value = String> {
    let symbol = prop::sample::select(&["<", "<=", ">", ">=", "==", "!="][..]);
    let subject = prop::sample::select(&["last(\"n\")", "last(\"work\")"][..]);
    let other = prop_oneof![4 => (0_u8..4).prop_map(|literal| literal.to_string()), 1 => subject.clone().prop_map(String::from)];
    let clause = (subject, symbol, other).prop_map(|(left, symbol, right)| format!("{left} {symbol} {right}"));
    clause.prop_recursive(4, 12, 3, |inner| {
        let joined = |operator: &'static str| {
            prop::collection::vec(inner.clone(), 2..4).prop_map(move |parts| format!("({})", parts.join(operator)))
        };
        prop_oneof![joined(" && "), joined(" || "), inner.clone().prop_map(|part| format!("!({part})"))]
    })
}

proptest! {
    /// Whatever is refused would have been the same with a constant in its place; what is said of all values, wherever they
    /// are known.
    #[test]
    fn what_is_refused_can_be_replaced_by_a_constant(text in conditions()) {
        let whole = read(&text).unwrap();
        for problem in consistency::problems(&whole, &text) {
            let known = matches!(problem.mistake, Mistake::Tautology { .. } | Mistake::BeyondBounds { .. });
            let same = ["true", "false"].into_iter().any(|constant| {
                let mut other = text.clone();
                other.replace_range(problem.span(), constant);
                truths(&read(&other).unwrap(), known) == truths(&whole, known)
            });
            prop_assert!(same, "{}: {}", text, problem);
        }
    }

    #[test]
    fn what_does_not_overlap_is_never_true_together(a in conditions(), b in conditions()) {
        let (a, b) = (read(&a).unwrap(), read(&b).unwrap());
        if !overlap(&a, &b) {
            prop_assert!(!truths(&a, false).iter().zip(truths(&b, false)).any(|(a, b)| *a && b));
        }
    }

    /// A conjunction of clauses about one value is decided exactly.
    #[test]
    fn single_values_overlap_when_one_of_them_fits_both(
        bounds in prop::collection::vec((prop::sample::select(&["<", "<=", ">", ">=", "==", "!="][..]), 0_u8..4), 2..6)
    ) {
        let clauses: Vec<String> = bounds.iter().map(|(symbol, literal)| format!("last(\"n\") {symbol} {literal}")).collect();
        let (a, b) = clauses.split_at(1);
        let (a, b) = (read(&a.join(" && ")).unwrap(), read(&b.join(" && ")).unwrap());
        let together = truths(&a, false).iter().zip(truths(&b, false)).any(|(a, b)| *a && b);
        prop_assert_eq!(overlap(&a, &b), together);
    }
}
