//! What is promised of compiling, evaluating and trying out.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::{ErrorKind, MAX_WALL_TIME};

fn evaluate(source: &str, inputs: &[Value]) -> Result<Value, String> {
    let sandbox = Sandbox::default();
    let script = sandbox.compile(source, inputs.len()).map_err(|error| format!("compile: {error}"))?;
    sandbox.evaluate(&script, inputs).map_err(|error| error.to_string())
}

fn data(source: &str) -> Result<Data, ScriptError> {
    let sandbox = Sandbox::default();
    sandbox.evaluate_data(&sandbox.compile(source, 0)?, &[])
}

#[test]
fn evaluates_over_its_inputs() {
    assert_eq!(evaluate("in0 > 0.85 && in1.contains(\"web\")", &[0.9.into(), "web-1".into()]), Ok(Value::Bool(true)));
    assert_eq!(evaluate("if in0 > 1 { 2 } else { 3 }", &[0.5.into()]), Ok(Value::Number(3.0)));
}

#[test]
fn an_evaluation_sees_nothing_of_the_one_before() {
    let sandbox = Sandbox::default();
    let script = |source, inputs| sandbox.compile(source, inputs).unwrap();
    let many = script("let in1 = 7; let more = [in0, in1, in2]; in0 = more; in3 = 1; in2", 4);
    let few = script("let x = in0; x", 1);
    let none = script("let x = 5; x", 0);
    for _ in 0..3 {
        assert_eq!(sandbox.evaluate(&few, &["a".into()]), Ok("a".into()));
        let inputs = [1.0, 2.0, 3.0, 4.0].map(Value::from);
        assert_eq!(sandbox.evaluate(&many, &inputs), Ok(3.0.into()));
        assert_eq!(sandbox.evaluate(&none, &[]), Ok(5.0.into()));
    }
    // One that was cut off leaves neither variables nor what it used up.
    let cut_off = script("let in0 = 1; let f = || in0; let deep = [f]; loop { in0 += 1; }", 2);
    assert!(sandbox.evaluate(&cut_off, &[1.0.into(), 2.0.into()]).is_err());
    assert_eq!(sandbox.evaluate(&few, &[true.into()]), Ok(true.into()));
}

#[test]
fn gives_data_of_any_shape() {
    let text = |text: &str| Data::Value(text.into());
    for (source, expected) in [
        ("()", Data::Nothing),
        ("let x = 1;", Data::Nothing),
        ("40 + 2", Data::Value(42.0.into())),
        (
            "[1.5, true, \"a\", (), []]",
            Data::List(vec![
                Data::Value(1.5.into()),
                Data::Value(true.into()),
                text("a"),
                Data::Nothing,
                Data::List(vec![]),
            ]),
        ),
        (
            "let tiers = []; for tier in [\"web\", \"db\"] { tiers.push(#{resize: tier}); } #{steps: tiers}",
            Data::Map(BTreeMap::from([(
                "steps".to_owned(),
                Data::List(vec![
                    Data::Map(BTreeMap::from([("resize".to_owned(), text("web"))])),
                    Data::Map(BTreeMap::from([("resize".to_owned(), text("db"))])),
                ]),
            )])),
        ),
        // What a closure shares is data like any other.
        (
            "let x = [1]; let f = |y| x.push(y); f.call(2); x",
            Data::List(vec![Data::Value(1.0.into()), Data::Value(2.0.into())]),
        ),
        ("let s = \"a\"; let f = || s; f.call(); s", text("a")),
    ] {
        assert_eq!(data(source), Ok(expected), "{source}");
    }
}

#[test]
fn what_is_no_data_is_refused_by_its_type() {
    for (source, found) in
        [("|x| x", "Fn"), ("[1, [|x| x]]", "Fn"), ("#{a: 0..9}", "Range"), ("'c'", "char"), ("['c']", "char")]
    {
        let error = data(source).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{source}: {error}");
        assert!(error.message.to_lowercase().contains(&found.to_lowercase()), "{source}: {error}");
    }
    assert!(data("[[[[[[[[1]]]]]]]]").is_ok());
    assert!(data("[[[[[[[[[1]]]]]]]]]").unwrap_err().message.contains("8 levels"));
}

#[test]
fn a_function_that_does_not_exist_is_found_by_trying() {
    let sandbox = Sandbox::default();
    let tried =
        |source: &str, inputs| sandbox.compile_and_try(source, inputs).map(drop).map_err(|e| (e.message, e.offset));
    let missing = |name: &str, offset| Err((format!("there is no function `{name}` for such arguments"), Some(offset)));
    assert_eq!(tried("frob(in0) > 1", 1), missing("frob", 0));
    assert_eq!(tried("in4.contains(\"z\") || frob(in0) > 1", 9), missing("frob", 21));
    assert!(tried("in0 > 1.0 || in0.frob()", 1).is_err());
    for (good, inputs) in [
        ("in0.contains(\"web\")", 1),
        ("in0.round() > 1.0", 1),
        ("in0 && in1 > 2.0", 2),
        ("if in0 > 1.0 { in1.len() > 1 } else { false }", 2),
        // No inputs of all the same type lead through.
        ("in0.round() > 1.0 && in1.len() > 1 && in2", 3),
        ("in0.round() > 1.0 && in1.contains(in2) && in3 && in5.floor() > in4.len()", 6),
        ("in0.index_of(in7) > 1 && in3.round() > 2.0", 40),
    ] {
        assert_eq!(tried(good, inputs), Ok(()), "{good}");
    }
}

#[test]
fn a_function_that_reads_the_list_that_calls_it_is_found_by_trying() {
    let sandbox = Sandbox::default();
    let error = sandbox.compile_and_try("let l = [2, 1];\nl.sort(|a, b| l.len); in0", 1).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("reads the very list"), "{error:?}");
    assert!(sandbox.compile_and_try("let l = [2, 1]; let n = l.len; l.sort(|a, b| a - b + n); in0", 1).is_ok());
}

#[test]
fn trying_out_ends_however_many_inputs_there_are() {
    let tries = std::cell::Cell::new(0);
    let stuck = |_: &[Value]| {
        tries.set(tries.get() + 1);
        let error = EvalAltResult::ErrorFunctionNotFound("frob (f64)".into(), Position::new(1, 1));
        Err(Failure { error: Some(Box::new(error)), cut: None })
    };
    for (inputs, found, most) in [(0, true, 1), (1, true, 3), (3, true, 27), (8, true, 51), (64, false, 81)] {
        tries.set(0);
        assert_eq!(trial::missing_function(inputs, stuck).is_some(), found, "{inputs} inputs");
        assert_eq!(tries.get(), most, "{inputs} inputs");
    }
}

#[test]
fn says_where_a_script_is_broken() {
    let error = Sandbox::default().compile("let x = 1;\nx + nobody", 0).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::Refused, Some(15)), "{error}");
    assert!(error.message.contains("nobody"), "{error}");
}

#[test]
fn as_many_inputs_as_are_allowed_leave_room_for_variables() {
    let sandbox = Sandbox::default();
    let inputs = vec![Value::Number(1.0); MAX_INPUTS];
    let script = sandbox.compile("let sum = 0.0; for x in [in0, in63] { sum += x; } sum", MAX_INPUTS).unwrap();
    assert_eq!(sandbox.evaluate(&script, &inputs), Ok(Value::Number(2.0)));
    assert_eq!(sandbox.compile("1", MAX_INPUTS + 1).unwrap_err().kind, ErrorKind::Refused);
}

#[test]
fn the_size_of_a_source_is_bounded() {
    let sandbox = Sandbox::default();
    let padded = |length: usize| format!("{:<length$}", "1 + 1");
    assert!(sandbox.compile(&padded(MAX_SOURCE_BYTES), 0).is_ok());
    let error = sandbox.compile(&padded(MAX_SOURCE_BYTES + 1), 0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Budget(Budget::Memory));
}

/// Time that passes by a step with each look at it.
#[derive(Debug)]
struct Steps {
    now: AtomicU64,
    step: AtomicU64,
}

impl Stopwatch for Steps {
    fn now_nanos(&self) -> u64 {
        self.now.fetch_add(self.step.load(Ordering::Relaxed), Ordering::Relaxed)
    }
}

#[test]
fn an_overrun_is_told_once_and_changes_no_result() {
    let steps = Arc::new(Steps { now: AtomicU64::new(0), step: AtomicU64::new(0) });
    let sandbox = Sandbox::with_stopwatch(steps.clone());
    let script = sandbox.compile("in0 > 1.0", 1).unwrap();
    let bound = u64::try_from(MAX_WALL_TIME.as_nanos()).unwrap();
    for (durations, overrun) in
        [(vec![], None), (vec![1, bound], None), (vec![bound + 7, 3, bound + 1], Some(bound + 7)), (vec![1], None)]
    {
        for duration in &durations {
            steps.step.store(*duration, Ordering::Relaxed);
            assert_eq!(sandbox.evaluate(&script, &[2.0.into()]), Ok(Value::Bool(true)));
        }
        assert_eq!(sandbox.take_overrun(), overrun.map(Duration::from_nanos), "{durations:?}");
    }
    assert_eq!(Sandbox::default().take_overrun(), None);
}
