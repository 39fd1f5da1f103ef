//! What users of other systems complain about, each as a scenario: that it cannot be made here, and that the scenario would notice.
//!
//! ```text
//!   the same world twice --+-- with what guards against it -----> it does not happen
//!                          `-- without ------------------------> it does
//! ```
//!
//! Beside each stand the threads in which people reported it; what happened there is told in our own words.
//!
//! Invariant: each of them is named after its complaint, and fails when its guard does nothing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

#[path = "../bench/mod.rs"]
mod bench;
mod ladders;
mod limits;
mod locks;
mod moves;
mod outcomes;
mod reasons;
mod signals;
mod starts;
mod storms;

use std::sync::Arc;

use bench::Bench;
use homeostat_engine::Explanation;
use homeostat_model::{Entry, Hold, Plan, PlanId, PlanResult, Record, Verb};

/// The plans that were made until `seconds`, and the second of each.
fn plans(bench: &mut Bench, seconds: u64) -> Vec<(u64, Arc<Plan>)> {
    made(records(bench, seconds))
}

fn made(records: &[Record]) -> Vec<(u64, Arc<Plan>)> {
    let made = |record: &Record| match &record.entry {
        Entry::PlanMade(plan) => Some((second(record), plan.clone())),
        _ => None,
    };
    records.iter().filter_map(made).collect()
}

fn records(bench: &mut Bench, seconds: u64) -> &[Record] {
    bench.driver.run_until(bench::at(seconds));
    bench.driver.records()
}

fn second(record: &Record) -> u64 {
    record.at.as_millis() as u64 / 1000
}

/// The seconds at which plans began.
fn times(plans: &[(u64, Arc<Plan>)]) -> Vec<u64> {
    plans.iter().map(|(second, _)| *second).collect()
}

/// Why nothing was done until now, in the order in which it was recorded.
fn holds(records: &[Record]) -> Vec<(u64, Hold)> {
    let held = |record: &Record| match &record.entry {
        Entry::Held { hold, .. } => Some((second(record), hold.clone())),
        _ => None,
    };
    records.iter().filter_map(held).collect()
}

/// How plan `number` of the first generation ended, if it has.
fn result(records: &[Record], number: u64) -> Option<PlanResult> {
    let of = |id: &PlanId| id.generation.0 == 1 && id.number == number;
    records.iter().find_map(|record| match &record.entry {
        Entry::PlanFinished { plan, result } if of(plan) => Some(result.clone()),
        _ => None,
    })
}

fn verbs(plans: &[(u64, Arc<Plan>)]) -> Vec<Verb> {
    plans.iter().flat_map(|(_, plan)| &plan.steps).map(|step| step.action.verb()).collect()
}

fn handed_over(records: &[Record]) -> Vec<u64> {
    let over = |record: &&Record| matches!(record.entry, Entry::HandedOver { .. });
    records.iter().filter(over).map(second).collect()
}

/// Why things are as they are on `resource`, at `seconds`.
fn explain(bench: &mut Bench, seconds: u64, resource: &str) -> Vec<Explanation> {
    bench.driver.run_until(bench::at(seconds));
    bench.driver.engine().explain(&bench::id(resource))
}
