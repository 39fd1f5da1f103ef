//! Tries a script out with inputs of every type, to find calls of functions that do not exist.

use homeostat_model::Value;
use rhai::{EvalAltResult, Position};

use crate::{ScriptError, error::offset_of, sandbox::Failure};

/// Evaluations of one trial: some seconds if each ends with its budget. With more than a dozen inputs a missing function may
/// then be overlooked; evidence says so when it is called.
const MAX_TRIES: usize = 81;
/// Inputs that are tried in all combinations of types: 27 for three.
const MAX_COMBINED: usize = 3;
/// The types that an input may have: number, text, truth.
const KINDS: u8 = 3;

/// A call that no inputs lead past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    name: String,
    position: Position,
}

impl Missing {
    /// As an error of the script `source`.
    pub(crate) fn into_error(self, source: &str) -> ScriptError {
        let message = format!("there is no function `{}` for such arguments", self.name);
        ScriptError { offset: offset_of(source, self.position), ..ScriptError::refused(message) }
    }

    /// The missing function at which a run ended, if that is how it ended.
    fn of(failure: &Failure) -> Option<Self> {
        match failure.error.as_ref()?.unwrap_inner() {
            EvalAltResult::ErrorFunctionNotFound(signature, position) => {
                let name = signature.split(" (").next().unwrap_or(signature).to_owned();
                Some(Self { name, position: *position })
            }
            _ => None,
        }
    }
}

/// The function that is missing, if `run` ends at one with all inputs that are tried.
pub(crate) fn missing_function(inputs: usize, run: impl Fn(&[Value]) -> Result<(), Failure>) -> Option<Missing> {
    let mut trial = Trial { run, left: MAX_TRIES };
    if inputs <= MAX_COMBINED { trial.all_combinations(inputs) } else { trial.step_by_step(inputs) }.err()
}

/// There is a way through, or nobody knows.
#[derive(Debug)]
struct Passes;

struct Trial<F> {
    run: F,
    left: usize,
}

impl<F: Fn(&[Value]) -> Result<(), Failure>> Trial<F> {
    /// The missing function at which `kinds` end. That the tries are used up counts as a way through.
    fn missing(&mut self, kinds: &[u8]) -> Result<Missing, Passes> {
        self.left = self.left.checked_sub(1).ok_or(Passes)?;
        let values: Vec<Value> = kinds.iter().map(|kind| of_kind(*kind)).collect();
        match (self.run)(&values) {
            Ok(()) => Err(Passes),
            Err(failure) => Missing::of(&failure).ok_or(Passes),
        }
    }

    fn all_combinations(&mut self, inputs: usize) -> Result<(), Missing> {
        let mut samples = vec![Vec::new()];
        for _ in 0..inputs {
            let longer = |sample: Vec<u8>| (0..KINDS).map(move |kind| [sample.as_slice(), &[kind]].concat());
            samples = samples.into_iter().flat_map(longer).collect();
        }
        let mut last = None;
        for sample in samples {
            match self.missing(&sample) {
                Ok(missing) => last = Some(missing),
                Err(Passes) => return Ok(()),
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// From all inputs of one type, changes one at a time, as long as that leads past the call at which it ended. A function
    /// of Rhai takes at most two types, so that this finds the way to it.
    fn step_by_step(&mut self, inputs: usize) -> Result<(), Missing> {
        let mut last = None;
        for start in 0..KINDS {
            match self.climb(vec![start; inputs]) {
                Ok(missing) => last = Some(missing),
                Err(Passes) => return Ok(()),
            }
        }
        last.map_or(Ok(()), Err)
    }

    fn climb(&mut self, mut sample: Vec<u8>) -> Result<Missing, Passes> {
        let mut at = self.missing(&sample)?;
        'further: loop {
            for input in 0..sample.len() {
                for kind in 0..KINDS {
                    let mut changed = sample.clone();
                    match changed.get_mut(input) {
                        Some(old) if *old != kind => *old = kind,
                        _ => continue,
                    }
                    let missing = self.missing(&changed)?;
                    if place(&missing) > place(&at) {
                        (sample, at) = (changed, missing);
                        continue 'further;
                    }
                }
            }
            return Ok(at);
        }
    }
}

/// Where a call stands, in an order.
fn place(missing: &Missing) -> (Option<usize>, Option<usize>) {
    (missing.position.line(), missing.position.position())
}

fn of_kind(kind: u8) -> Value {
    match kind {
        0 => Value::Number(1.0),
        1 => Value::Text("text".into()),
        _ => Value::Bool(true),
    }
}
