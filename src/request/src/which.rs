//! Which plans are asked for.

use homeostat_model::PlanId;

use crate::{
    Mistake,
    named::plan_id,
    query::{limit, parameters},
};

/// Plans that are listed unless said otherwise: what a person reads.
const LISTED: usize = 100;
/// Most plans that are listed at once.
pub const MAX_LISTED: usize = 1000;

/// Which plans are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// In states with these names; without them those that are open.
    pub states: Option<Vec<String>>,
    /// How many at most.
    pub limit: usize,
    /// Only those that are older than this one, which a list before has ended with.
    pub after: Option<PlanId>,
}

impl Which {
    /// What a query says.
    ///
    /// # Errors
    /// [`Mistake`] when it cannot be read.
    pub fn read(query: &str) -> Result<Self, Mistake> {
        let mut found = parameters(query, &["state", "limit", "continue"])?;
        let limit = limit(found.get("limit"), LISTED, MAX_LISTED)?;
        let states = found.remove("state").map(|states| states.split(',').map(str::to_owned).collect());
        let after = found.remove("continue").map(|id| plan_id(&id)).transpose()?;
        Ok(Self { states, limit, after })
    }
}
