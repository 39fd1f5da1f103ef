//! `budget`: no plan acts on more by itself than a budget ever lets be acted on. Held back, it would wait for good; refused, it makes way
//! for what is next in the ladder.
//!
//! A budget with room for none is no allowance: it is how people freeze things, and then what is wanted waits until they end it.

use std::collections::BTreeSet;

use homeostat_model::{Duration, ResourceId, StepId};

use super::Steps;
use crate::Surroundings;

/// What a budget in force allows, of what is counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whose budget it is, such as `guard web`.
    pub of: String,
    /// What is counted together, such as `host/a`.
    pub counted: String,
    /// How many resources it allows, with none before them.
    pub most: u32,
    /// In any stretch of this length; `None`: at a time.
    pub per: Option<Duration>,
    /// The resources that count there.
    pub resources: BTreeSet<ResourceId>,
}

pub(super) fn check(_around: &Surroundings<'_>, steps: &Steps<'_>) -> Vec<(Option<StepId>, String)> {
    let acted_on: BTreeSet<&ResourceId> =
        std::iter::once(steps.subject).chain(steps.all.iter().map(|step| &step.resource)).collect();
    let exceeded = |allowance: &Allowance| {
        let weight = acted_on.iter().filter(|id| allowance.resources.contains(**id)).count();
        let Allowance { of, counted, most, per, .. } = allowance;
        let when = per.map_or("in flight".to_owned(), |per| format!("within {per}"));
        let fits = u32::try_from(weight).is_ok_and(|weight| weight <= *most);
        (!fits)
            .then(|| (None, format!("it acts on {weight} for {counted}, and the budget of {of} allows {most} {when}")))
    };
    steps.allowances.iter().filter_map(exceeded).collect()
}
