//! What became of the steps of each key: kept apart from the state, for whoever asks whether anything was done twice.

use std::collections::{BTreeMap, VecDeque};

use homeostat_model::{Generation, IdempotencyKey, ResourceId, StepCommand, StepResult, Verb};
use serde::{Deserialize, Serialize};

/// Keys that are kept: a day of a step a second, at some two hundred bytes each.
const MAX_KEYS: usize = 100_000;

/// What became of the steps of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// What it was done to.
    pub resource: ResourceId,
    /// What was to be done.
    pub verb: Verb,
    /// The generation that began it last.
    pub generation: Generation,
    /// How often it was begun.
    #[serde(default)]
    pub begun: u64,
    /// How often it had its effect: once, if all is well.
    #[serde(default)]
    pub applied: u64,
    /// How often everything was found to be so already, and nothing was done.
    #[serde(default)]
    pub found: u64,
    /// How often it ended without success after it was begun.
    #[serde(default)]
    pub failed: u64,
    /// How often it was called off after it was begun.
    #[serde(default)]
    pub called_off: u64,
}

/// The accounts of the keys, in their order; of too many, the newest.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    accounts: BTreeMap<IdempotencyKey, Account>,
    order: VecDeque<IdempotencyKey>,
    forgotten: u64,
}

impl Ledger {
    /// The accounts, in the order of their keys.
    #[must_use]
    pub fn accounts(&self) -> &BTreeMap<IdempotencyKey, Account> {
        &self.accounts
    }

    /// How many of the oldest accounts are no longer kept.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn begun(&mut self, command: &StepCommand) {
        self.account(command).begun += 1;
    }

    pub(super) fn found(&mut self, command: &StepCommand) {
        self.account(command).found += 1;
    }

    pub(super) fn applied(&mut self, command: &StepCommand, times: u64) {
        self.account(command).applied += times;
    }

    pub(super) fn ended(&mut self, command: &StepCommand, result: &StepResult) {
        match result {
            StepResult::Failed { .. } => self.account(command).failed += 1,
            StepResult::Cancelled => self.account(command).called_off += 1,
            StepResult::Done { .. } | StepResult::Refused { .. } | StepResult::Unknown { .. } => {}
        }
    }

    fn account(&mut self, command: &StepCommand) -> &mut Account {
        if !self.accounts.contains_key(&command.key) {
            self.order.push_back(command.key.clone());
            if self.order.len() > MAX_KEYS
                && let Some(oldest) = self.order.pop_front()
            {
                self.accounts.remove(&oldest);
                self.forgotten += 1;
            }
        }
        let account = self.accounts.entry(command.key.clone()).or_insert_with(|| Account {
            resource: command.resource.clone(),
            verb: command.action.verb(),
            generation: command.generation,
            begun: 0,
            applied: 0,
            found: 0,
            failed: 0,
            called_off: 0,
        });
        account.generation = command.generation;
        account
    }
}
