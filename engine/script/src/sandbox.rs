//! The sandbox: compiles a script once, evaluates it often.

use std::{
    cell::Cell,
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock},
    time::Duration,
};

use homeostat_model::{Data, Value};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Identifier, OptimizationLevel, Position, Scope};

use crate::{
    Budget, ScriptError, Stopwatch,
    budget::{
        MAX_CALL_LEVELS, MAX_COLLECTION, MAX_EXPRESSION_DEPTH, MAX_FUNCTIONS, MAX_INPUTS, MAX_OPERATIONS,
        MAX_SOURCE_BYTES, MAX_STRING_BYTES, MAX_VARIABLES,
    },
    error::offset_of,
    functions::with_pure_functions,
    meter::{self, Cut},
    result::{data_of, value_of},
    stopwatch::Watch,
    trial,
};

/// A compiled script over the inputs `in0`, `in1`, ...
#[derive(Debug, Clone)]
pub struct Script {
    ast: AST,
    /// The names of its inputs, so that an evaluation need not make them.
    names: Arc<[Identifier]>,
}

thread_local! {
    /// The inputs of the last evaluation, without their values: making the names again costs a third of a small condition.
    static SCOPE: Cell<Scope<'static>> = Cell::default();
}

/// Compiles and evaluates. Costly to build, so built once, and not before there is a script.
#[derive(Debug)]
pub struct Sandbox {
    engine: LazyLock<Engine>,
    watch: Watch,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { engine: LazyLock::new(build), watch: Watch::default() }
    }
}

fn build() -> Engine {
    let mut engine = with_pure_functions();
    // The meter counts more than Rhai does, so it is the first to end a script. The rest stays as a second fence.
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
    // Folding makes one operation of a list that is written out, whatever its length.
    engine.set_optimization_level(OptimizationLevel::None);
    engine.on_print(|_| ());
    engine.on_debug(|_, _, _| ());
    install_meter(&mut engine);
    engine
}

fn install_meter(engine: &mut Engine) {
    engine.on_progress(|_| meter::operation().err().map(|_| Dynamic::UNIT));
    #[expect(deprecated, reason = "it is not, Rhai only says that it may change; the tests tell when it does")]
    engine.on_var(|name, _, context| match context.scope().get(name).map_or(Ok(()), meter::read) {
        Ok(()) => Ok(None),
        Err(_) => Err(Box::new(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE))),
    });
}

impl Sandbox {
    /// One whose evaluations are timed. Time never ends an evaluation and changes no result; see [`Sandbox::take_overrun`].
    #[must_use]
    pub fn with_stopwatch(stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { watch: Watch::by(stopwatch), ..Self::default() }
    }

    /// Compiles `source`, which may read `in0` to `in<inputs - 1>`.
    ///
    /// # Errors
    /// [`ScriptError`] with the place when it is not Rhai, reads a name that does not exist, or is too large or too deep.
    pub fn compile(&self, source: &str, inputs: usize) -> Result<Script, ScriptError> {
        if source.len() > MAX_SOURCE_BYTES {
            let by = format!("while it was read: it has {} bytes, at most {MAX_SOURCE_BYTES} are read", source.len());
            return Err(ScriptError::cut_off(Budget::Memory, &by));
        }
        if inputs > MAX_INPUTS {
            return Err(ScriptError::refused(format!("the script reads {inputs} things, at most {MAX_INPUTS} may be")));
        }
        let names: Arc<[Identifier]> = (0..inputs).map(|index| format!("in{index}").into()).collect();
        let mut scope = Scope::new();
        for name in names.iter() {
            scope.push_dynamic(name.clone(), Dynamic::UNIT);
        }
        let ast = self.engine.compile_with_scope(&scope, source);
        let ast = ast.map_err(|error| ScriptError::of_compiler(&error, source))?;
        Ok(Script { ast, names })
    }

    /// Compiles `source`, and tries it out to find calls of functions that do not exist, which Rhai by itself finds only when
    /// it gets to them; and functions that read the list that calls them, for which Rhai waits 50 ms each time.
    ///
    /// A function is missing when no inputs of any types lead past its call. What only some inputs get to is not found.
    ///
    /// # Errors
    /// [`ScriptError`] as for [`Sandbox::compile`], or with the name of the missing function; for a wait,
    /// Rhai does not always know where.
    pub fn compile_and_try(&self, source: &str, inputs: usize) -> Result<Script, ScriptError> {
        let script = self.compile(source, inputs)?;
        let waits = Cell::new(None);
        let missing = trial::missing_function(inputs, |values| {
            self.run(&script, values, |_| ()).inspect_err(|failure| {
                if failure.waits() {
                    waits.set(failure.error.as_ref().map(|error| error.unwrap_inner().position()));
                }
            })
        });
        if let Some(missing) = missing {
            return Err(missing.into_error(source));
        }
        match waits.take() {
            Some(position) => Err(ScriptError {
                offset: offset_of(source, position),
                ..ScriptError::refused(
                    "a function reads the very list that calls it: give the list another name first".into(),
                )
            }),
            None => Ok(script),
        }
    }

    /// Evaluates `script` with the values of its inputs, in order, to a truth, a number or a text.
    ///
    /// # Errors
    /// [`ScriptError`] when it fails, exceeds its budget, or gives something else.
    pub fn evaluate(&self, script: &Script, inputs: &[Value]) -> Result<Value, ScriptError> {
        self.evaluate_to(script, inputs, value_of)
    }

    /// Evaluates `script` with the values of its inputs, in order, to nothing, a value, or lists and maps of such data, at
    /// most 8 levels deep.
    ///
    /// # Errors
    /// [`ScriptError`] when it fails, exceeds its budget, or gives something else, such as a function.
    pub fn evaluate_data(&self, script: &Script, inputs: &[Value]) -> Result<Data, ScriptError> {
        self.evaluate_to(script, inputs, data_of)
    }

    /// How long the longest evaluation since the last call took, if that was longer than [`crate::MAX_WALL_TIME`]. `None`
    /// without a stopwatch.
    pub fn take_overrun(&self) -> Option<Duration> {
        self.watch.take_overrun()
    }

    fn evaluate_to<T>(
        &self,
        script: &Script,
        inputs: &[Value],
        convert: impl FnOnce(&Dynamic) -> Result<T, ScriptError>,
    ) -> Result<T, ScriptError> {
        if inputs.len() != script.names.len() {
            let (has, given) = (script.names.len(), inputs.len());
            return Err(ScriptError::failed(format!("the script has {has} inputs, {given} were given")));
        }
        self.watch.measure(|| match self.run(script, inputs, convert) {
            Ok(converted) => converted,
            Err(failure) => Err(failure.into_error()),
        })
    }

    /// Runs `script`, and converts its result while what closures share is still there.
    fn run<T>(&self, script: &Script, inputs: &[Value], convert: impl FnOnce(&Dynamic) -> T) -> Result<T, Failure> {
        let mut scope = SCOPE.take();
        fill(&mut scope, &script.names, inputs);
        meter::reset();
        // Rhai says that some things cannot happen; should one, it is this script that fails and not the program.
        let evaluate = AssertUnwindSafe(|| self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &script.ast));
        let outcome = match std::panic::catch_unwind(evaluate) {
            Ok(Ok(result)) => Ok(convert(&result)),
            Ok(Err(error)) => Err(Failure { error: Some(error), cut: meter::cut() }),
            Err(_) => Err(Failure { error: None, cut: meter::cut() }),
        };
        meter::release();
        scope.rewind(script.names.len());
        script.names.iter().for_each(|name| put(&mut scope, name, Dynamic::UNIT));
        SCOPE.set(scope);
        outcome
    }
}

/// Makes `scope` one of just the inputs. Rhai finds variables by their place, counted from the end.
fn fill(scope: &mut Scope<'_>, names: &[Identifier], inputs: &[Value]) {
    scope.rewind(names.len());
    for (name, value) in names.iter().zip(inputs) {
        let value = match value {
            Value::Bool(value) => Dynamic::from_bool(*value),
            Value::Number(value) => Dynamic::from_float(*value),
            Value::Text(value) => value.as_str().into(),
        };
        put(scope, name, value);
    }
}

fn put(scope: &mut Scope<'_>, name: &Identifier, value: Dynamic) {
    match scope.get_mut(name) {
        Some(old) => *old = value,
        None => {
            scope.push_dynamic(name.clone(), value);
        }
    }
}

/// How a run ended without a result.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What Rhai says; `None` when it fell over.
    pub(crate) error: Option<Box<EvalAltResult>>,
    /// What the meter says.
    pub(crate) cut: Option<Cut>,
}

impl Failure {
    /// Whether a function needs what its caller holds.
    fn waits(&self) -> bool {
        let refused = |error: &EvalAltResult| matches!(error.unwrap_inner(), EvalAltResult::ErrorDataRace(..));
        self.cut == Some(Cut::Waiting) || self.error.as_deref().is_some_and(refused)
    }

    fn into_error(self) -> ScriptError {
        match (self.error, self.cut) {
            (Some(error), cut) => ScriptError::of_run(&error, cut),
            (None, Some(cut)) => cut.into(),
            (None, None) => ScriptError::failed("the interpreter does not cope with this script".into()),
        }
    }
}

#[cfg(test)]
mod tests;
