//! Which plans are asked for.

use crate::{
    Mistake,
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
}

impl Which {
    /// What a query says.
    ///
    /// # Errors
    /// [`Mistake`] when it cannot be read.
    pub fn read(query: &str) -> Result<Self, Mistake> {
        let mut found = parameters(query, &["state", "limit"])?;
        let limit = limit(found.get("limit"), LISTED, MAX_LISTED)?;
        let states = found.remove("state").map(|states| states.split(',').map(str::to_owned).collect());
        Ok(Self { states, limit })
    }
}
