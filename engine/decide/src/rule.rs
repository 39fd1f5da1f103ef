//! A policy made ready to run: its condition compiled to a native predicate over numbered slots.

use std::sync::Arc;

use homeostat_policy::{Input, Policy};
use homeostat_script::Sandbox;
use thiserror::Error;

use crate::predicate::{Compiler, Predicate};

/// A condition has a script that Rhai refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("policy {policy}: {message}")]
pub struct CompileError {
    /// The policy.
    pub policy: homeostat_model::PolicyName,
    /// What Rhai says.
    pub message: String,
    /// Where in the condition's text, in bytes, where it is known.
    pub offset: Option<usize>,
}

/// A policy and its compiled condition.
#[derive(Debug)]
pub struct Rule {
    pub(crate) policy: Arc<Policy>,
    /// What the predicate reads, each once; a slot is an index into this.
    pub(crate) inputs: Vec<Input>,
    pub(crate) predicate: Option<Predicate>,
}

impl Rule {
    /// Compiles the condition of `policy`, if it has one.
    ///
    /// # Errors
    /// [`CompileError`] when a script in it is refused by Rhai.
    pub fn compile(policy: Arc<Policy>, sandbox: &Sandbox) -> Result<Self, CompileError> {
        let mut compiler = Compiler::new(sandbox);
        let predicate = match &policy.when {
            Some(condition) => Some(compiler.predicate(condition).map_err(|(message, offset)| CompileError {
                policy: policy.name.clone(),
                message,
                offset,
            })?),
            None => None,
        };
        Ok(Self { inputs: compiler.into_inputs(), predicate, policy })
    }
}
