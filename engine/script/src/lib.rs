//! The Rhai sandbox: compiles and evaluates the pieces of policies that are not native, within a budget.
//!
//! ```text
//!   source + names of inputs --compile--> Script --evaluate(values)--> Value, or an error; never a hang
//! ```
//!
//! Invariant: a script reaches nothing but its inputs: no files, no modules, no clock, no `eval`, no printing, no sleep.
//! Invariant: operations, call depth, text, arrays and maps are bounded, so that evaluation ends and memory stays small.
//! Invariant: this crate knows no policy; a script is a text to it.

use homeostat_model::Value;
use rhai::{
    AST, Dynamic, Engine, EvalAltResult, OptimizationLevel, Scope,
    packages::{
        ArithmeticPackage, BasicArrayPackage, BasicBlobPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
        BasicMathPackage, BasicStringPackage, BitFieldPackage, LogicPackage, MoreStringPackage, Package,
    },
};
use thiserror::Error;

/// Operations of one evaluation; a condition takes tens. One operation may be a call that goes through the longest text or
/// list, so that the budget is the product of this and those: 10,000 end within 3 ms as a rule, and within 200 ms when each
/// writes out the longest list of numbers (measured, see `tests/budget.rs`).
const MAX_OPERATIONS: u64 = 10_000;
/// Calls within calls. Conditions have no reason to recurse.
const MAX_CALL_LEVELS: usize = 16;
/// Nesting of one expression, at the top and within functions: deeper ones threaten the stack of the parser.
const MAX_EXPRESSION_DEPTH: usize = 64;
/// Bytes of one text: as long as the longest condition.
const MAX_STRING_BYTES: usize = 4 * 1024;
/// Elements of one array or map: more than a resource has labels.
const MAX_COLLECTION: usize = 256;
/// Variables in scope at a time.
const MAX_VARIABLES: usize = 128;
/// Functions that a script may define.
const MAX_FUNCTIONS: usize = 16;

/// Inputs that are tried out in all combinations of types: 27 evaluations for three.
const MAX_COMBINED: usize = 3;

/// A script was refused, or did not come to a result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ScriptError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start of the source, where it is known.
    pub offset: Option<usize>,
}

/// A compiled script over the inputs `in0`, `in1`, ...
#[derive(Debug, Clone)]
pub struct Script {
    ast: AST,
    inputs: usize,
}

/// Compiles and evaluates. Costly to build, so built once.
#[derive(Debug)]
pub struct Sandbox {
    engine: Engine,
}

impl Default for Sandbox {
    fn default() -> Self {
        let mut engine = with_pure_functions();
        engine.set_max_operations(MAX_OPERATIONS);
        engine.set_max_call_levels(MAX_CALL_LEVELS);
        engine.set_max_expr_depths(MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_DEPTH);
        engine.set_max_string_size(MAX_STRING_BYTES);
        engine.set_max_array_size(MAX_COLLECTION);
        engine.set_max_map_size(MAX_COLLECTION);
        engine.set_max_variables(MAX_VARIABLES);
        engine.set_max_functions(MAX_FUNCTIONS);
        engine.set_strict_variables(true);
        engine.set_fail_on_invalid_map_property(true);
        engine.set_optimization_level(OptimizationLevel::Simple);
        engine.disable_symbol("eval");
        // Rhai waits 50 ms for a list that its own closure holds, then it is an error: that one must end the script.
        engine.disable_symbol("try");
        engine.on_print(|_| ());
        engine.on_debug(|_, _, _| ());
        Self { engine }
    }
}

/// Rhai's own functions but those of its core package: that one has `sleep`, which holds up whoever evaluates, and panics for
/// some numbers. Switching off the word would not do, as `Fn("sl" + "eep")` calls it by a text.
fn with_pure_functions() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BitFieldPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicBlobPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    engine
}

impl Sandbox {
    /// Compiles `source`, which may read `in0` to `in<inputs - 1>`.
    ///
    /// # Errors
    /// [`ScriptError`] with the place when it is not Rhai, or reads a name that does not exist.
    pub fn compile(&self, source: &str, inputs: usize) -> Result<Script, ScriptError> {
        let mut scope = Scope::new();
        for index in 0..inputs {
            scope.push_dynamic(format!("in{index}"), Dynamic::UNIT);
        }
        let ast = self.engine.compile_with_scope(&scope, source).map_err(|error| ScriptError {
            message: error.err_type().to_string(),
            offset: offset_of(source, error.position()),
        })?;
        Ok(Script { ast, inputs })
    }

    /// Compiles `source`, and tries it out to find calls of functions that do not exist, which Rhai by itself finds only when
    /// it gets to them.
    ///
    /// A function is missing when no inputs of any types lead past its call. What only some inputs get to is not found.
    ///
    /// # Errors
    /// [`ScriptError`] as for [`Sandbox::compile`], or with the name of the missing function.
    pub fn compile_and_try(&self, source: &str, inputs: usize) -> Result<Script, ScriptError> {
        let script = self.compile(source, inputs)?;
        let mut missing = None;
        for values in samples(inputs) {
            match self.run(&script, &values).as_ref().map_err(|error| error.unwrap_inner()) {
                Err(EvalAltResult::ErrorFunctionNotFound(signature, position)) => {
                    let name = signature.split(" (").next().unwrap_or(signature).to_owned();
                    missing = Some((name, *position));
                }
                Ok(_) | Err(_) => return Ok(script),
            }
        }
        match missing {
            Some((name, position)) => Err(ScriptError {
                message: format!("there is no function `{name}` for such arguments"),
                offset: offset_of(source, position),
            }),
            None => Ok(script),
        }
    }

    /// Evaluates `script` with the values of its inputs, in order.
    ///
    /// # Errors
    /// [`ScriptError`] when it fails, exceeds its budget, or gives neither a truth, a number nor a text.
    pub fn evaluate(&self, script: &Script, inputs: &[Value]) -> Result<Value, ScriptError> {
        if inputs.len() != script.inputs {
            let message = format!("the script has {} inputs, {} were given", script.inputs, inputs.len());
            return Err(ScriptError { message, offset: None });
        }
        let result =
            self.run(script, inputs).map_err(|error| ScriptError { message: error.to_string(), offset: None })?;
        value_of(&result)
    }

    fn run(&self, script: &Script, inputs: &[Value]) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut scope = Scope::new();
        for (index, value) in inputs.iter().enumerate() {
            let value = match value {
                Value::Bool(value) => Dynamic::from_bool(*value),
                Value::Number(value) => Dynamic::from_float(*value),
                Value::Text(value) => value.clone().into(),
            };
            scope.push_dynamic(format!("in{index}"), value);
        }
        self.engine.eval_ast_with_scope(&mut scope, &script.ast)
    }
}

/// Inputs to try a script out with: each of every type, in all combinations as long as these are few.
fn samples(inputs: usize) -> Vec<Vec<Value>> {
    let types = || [Value::Number(1.0), Value::Text("text".into()), Value::Bool(true)];
    if inputs > MAX_COMBINED {
        return types().map(|value| vec![value; inputs]).into();
    }
    let mut samples = vec![Vec::new()];
    for _ in 0..inputs {
        let longer = |sample: Vec<Value>| types().map(|value| [sample.clone(), vec![value]].concat());
        samples = samples.into_iter().flat_map(longer).collect();
    }
    samples
}

fn value_of(result: &Dynamic) -> Result<Value, ScriptError> {
    if let Ok(value) = result.as_bool() {
        return Ok(Value::Bool(value));
    }
    if let Ok(value) = result.as_float() {
        return Ok(Value::Number(value));
    }
    if let Ok(value) = result.as_int() {
        #[expect(
            clippy::as_conversions,
            reason = "an i64 of more than 2^53 loses its last digits, which no metric has"
        )]
        return Ok(Value::Number(value as f64));
    }
    match result.clone().into_string() {
        Ok(value) => Ok(Value::Text(value)),
        Err(found) => Err(ScriptError {
            message: format!("the script gave a {found}; it has to give true, false, a number or a text"),
            offset: None,
        }),
    }
}

/// Rhai counts lines and characters from 1.
fn offset_of(source: &str, position: rhai::Position) -> Option<usize> {
    let line = position.line()?;
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let column = position.position().unwrap_or(1).saturating_sub(1);
    let within: usize = source.get(start..)?.chars().take(column).map(char::len_utf8).sum();
    Some(start + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(source: &str, inputs: &[Value]) -> Result<Value, String> {
        let sandbox = Sandbox::default();
        let script = sandbox.compile(source, inputs.len()).map_err(|error| format!("compile: {error}"))?;
        sandbox.evaluate(&script, inputs).map_err(|error| error.to_string())
    }

    #[test]
    fn evaluates_over_its_inputs() {
        assert_eq!(
            evaluate("in0 > 0.85 && in1.contains(\"web\")", &[0.9.into(), "web-1".into()]),
            Ok(Value::Bool(true))
        );
        assert_eq!(evaluate("if in0 > 1 { 2 } else { 3 }", &[0.5.into()]), Ok(Value::Number(3.0)));
    }

    #[test]
    fn a_function_that_does_not_exist_is_found_by_trying() {
        let sandbox = Sandbox::default();
        let tried =
            |source: &str, inputs| sandbox.compile_and_try(source, inputs).map(drop).map_err(|e| (e.message, e.offset));
        let missing =
            |name: &str, offset| Err((format!("there is no function `{name}` for such arguments"), Some(offset)));
        assert_eq!(tried("frob(in0) > 1", 1), missing("frob", 0));
        assert!(tried("in0 > 1.0 || in0.frob()", 1).is_err());
        for good in [
            "in0.contains(\"web\")",
            "in0.round() > 1.0",
            "in0 && in1 > 2.0",
            "if in0 > 1.0 { in1.len() > 1 } else { false }",
        ] {
            assert_eq!(tried(good, 2), Ok(()), "{good}");
        }
    }

    #[test]
    fn says_where_a_script_is_broken() {
        let error = Sandbox::default().compile("let x = 1;\nx + nobody", 0).unwrap_err();
        assert_eq!(error.offset, Some(15), "{error}");
        assert!(error.message.contains("nobody"), "{error}");
    }

    #[test]
    fn hostile_scripts_end_within_their_budget() {
        for source in [
            "loop { }",
            "let x = \"a\"; loop { x += x; }",
            "let x = []; loop { x.push(1); }",
            "fn f(n) { f(n + 1) } f(0)",
            "eval(\"40 + 2\")",
            "let m = #{}; m.nothing",
            "import \"os\" as os; 1",
            "sleep(1); 1",
            "sleep(1e300)",
            "Fn(\"sl\" + \"eep\").call(1); 1",
            "try { 1 } catch { 2 }",
        ] {
            let refused = evaluate(source, &[]);
            assert!(refused.is_err(), "{source} gave {refused:?}");
        }
    }
}
