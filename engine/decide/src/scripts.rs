//! Runs the scripts of one policy, and notices when one exceeds its budget, or takes too much of a clock's time.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use homeostat_model::{Data, Value};
use homeostat_script::{ErrorKind, Sandbox, Script, ScriptError};

/// The sandbox as one policy may use it.
#[derive(Debug)]
pub(crate) struct Scripts<'a> {
    sandbox: &'a Sandbox,
    /// Why the policy's scripts are not run any more, if so.
    quarantined: Option<&'a str>,
    /// What a script has just been cut off for.
    cut_off: RefCell<Option<String>>,
    /// How long one took that took too long.
    overran: Cell<Option<Duration>>,
}

/// What went wrong with the scripts of one policy in one evaluation.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// What one was cut off for.
    pub(crate) cut_off: Option<String>,
    /// How long one took that took too long.
    pub(crate) overran: Option<Duration>,
}

impl<'a> Scripts<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, quarantined: Option<&'a str>) -> Self {
        Self { sandbox, quarantined, cut_off: RefCell::new(None), overran: Cell::new(None) }
    }

    pub(crate) fn evaluate(&self, script: &Script, inputs: &[Value]) -> Result<Value, String> {
        self.run(|sandbox| sandbox.evaluate(script, inputs))
    }

    pub(crate) fn evaluate_data(&self, script: &Script, inputs: &[Value]) -> Result<Data, String> {
        self.run(|sandbox| sandbox.evaluate_data(script, inputs))
    }

    /// What went wrong since this was made.
    pub(crate) fn into_trouble(self) -> Trouble {
        Trouble { cut_off: self.cut_off.into_inner(), overran: self.overran.get() }
    }

    fn run<T>(&self, evaluate: impl FnOnce(&Sandbox) -> Result<T, ScriptError>) -> Result<T, String> {
        if let Some(reason) = self.quarantined {
            return Err(format!("the policy is in quarantine: {reason}"));
        }
        // One that was cut off is not tried again in the same evaluation: a condition may ask for it several times.
        if let Some(reason) = &*self.cut_off.borrow() {
            return Err(reason.clone());
        }
        let result = evaluate(self.sandbox);
        if let Some(took) = self.sandbox.take_overrun() {
            self.overran.set(Some(took));
        }
        result.map_err(|error| {
            if matches!(error.kind, ErrorKind::Budget(_)) {
                *self.cut_off.borrow_mut() = Some(error.message.clone());
            }
            error.message
        })
    }
}
