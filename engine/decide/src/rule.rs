//! A policy made ready to run: its formulas compiled to native code over numbered inputs.

use std::sync::Arc;

use homeostat_model::PolicyName;
use homeostat_policy::{Formula, Function, Input, On, OnUnknown, Policy, Rung};
use homeostat_script::Sandbox;
use thiserror::Error;

use crate::{
    clock::Zone,
    predicate::{Compiler, Predicate, Refused, Term},
};

/// A formula has a script that Rhai refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("policy {policy}: {message}")]
pub struct CompileError {
    /// The policy.
    pub policy: PolicyName,
    /// Which of [`Policy::formulas`].
    pub formula: usize,
    /// What Rhai says.
    pub message: String,
    /// Where in the formula's text, in bytes, where it is known.
    pub offset: Option<usize>,
}

/// A policy and its compiled formulas.
#[derive(Debug)]
pub struct Rule {
    pub(crate) policy: Arc<Policy>,
    /// What the formulas read, each once.
    pub(crate) inputs: Vec<Input>,
    pub(crate) condition: Option<Predicate>,
    pub(crate) clear: Option<Predicate>,
    /// One for each of [`On::matches`].
    pub(crate) filters: Vec<Option<Predicate>>,
    /// One for each of the policy's rungs.
    pub(crate) rungs: Vec<RungProgram>,
    pub(crate) zone: Zone,
    /// Whether time alone can make it hold, or something has to be done when it becomes unknown.
    pub(crate) time_driven: bool,
    /// Why its scripts are not run any more.
    pub(crate) quarantined: Option<String>,
}

/// The formulas of a rung: those that decide whether it is tried, those that it is made of, whether it helped, in the order of
/// [`Policy::formulas`].
#[derive(Debug)]
pub(crate) struct RungProgram {
    pub(crate) guards: Vec<Predicate>,
    pub(crate) terms: Vec<Term>,
    /// When it has helped.
    pub(crate) verify: Option<Predicate>,
}

/// Compiles the formulas of one policy in the order of [`Policy::formulas`], counting them for errors.
struct Counting<'a> {
    compiler: Compiler<'a>,
    policy: &'a Policy,
    formula: usize,
}

impl Counting<'_> {
    fn next<T>(&mut self, compiled: Result<T, Refused>) -> Result<T, CompileError> {
        let formula = self.formula;
        self.formula += 1;
        let policy = self.policy.name.clone();
        compiled.map_err(|(message, offset)| CompileError { policy, formula, message, offset })
    }

    fn condition(&mut self, formula: &Formula) -> Result<Predicate, CompileError> {
        let compiled = self.compiler.condition(formula);
        self.next(compiled)
    }

    fn term(&mut self, formula: &Formula) -> Result<Term, CompileError> {
        let compiled = self.compiler.formula(formula);
        self.next(compiled)
    }

    fn rung(&mut self, rung: &Rung) -> Result<RungProgram, CompileError> {
        let guards = rung.guards.iter().map(|guard| self.condition(&guard.condition)).collect::<Result<_, _>>()?;
        let terms = rung.response.formulas().map(|formula| self.term(formula)).collect::<Result<_, _>>()?;
        let verify = rung.verify.as_ref().map(|verify| self.condition(&verify.that)).transpose()?;
        Ok(RungProgram { guards, terms, verify })
    }
}

impl Rule {
    /// Compiles the formulas of `policy`.
    ///
    /// # Errors
    /// [`CompileError`] when a script in one of them is refused by Rhai.
    pub fn compile(policy: Arc<Policy>, sandbox: &Sandbox) -> Result<Self, CompileError> {
        let mut counting = Counting { compiler: Compiler::new(sandbox), policy: &policy, formula: 0 };
        let condition = policy.when.as_ref().map(|formula| counting.condition(formula)).transpose()?;
        let clear = policy.clear.as_ref().map(|formula| counting.condition(formula)).transpose()?;
        let filters = policy.on.iter().flat_map(On::matches);
        let filters = filters
            .map(|one| one.filter.as_ref().map(|formula| counting.condition(formula)).transpose())
            .collect::<Result<_, _>>()?;
        let rungs = policy.then.iter().map(|rung| counting.rung(rung)).collect::<Result<_, _>>()?;
        let inputs = counting.compiler.into_inputs();
        let time_driven = matches!(policy.on, Some(On::Absence { .. }))
            || policy.on_unknown != OnUnknown::Hold
            || inputs.iter().any(changes_by_time)
            || [&condition, &clear].into_iter().flatten().any(Predicate::has_otherwise);
        let zone = Zone::named(&policy.time_zone);
        Ok(Self { inputs, condition, clear, filters, rungs, zone, time_driven, quarantined: None, policy })
    }
}

fn changes_by_time(input: &Input) -> bool {
    match input {
        Input::Clock(_) => true,
        Input::Signal(_, signal) => signal.function == Function::Absent,
        // Its members are looked at when their signals change by time, and whoever reads it is told.
        Input::Aggregate(_) | Input::Attribute(..) => false,
    }
}
