//! What a path names.

use homeostat_model::{PlanId, ResourceId};

use crate::Mistake;

/// A plan, such as `p1-7`.
///
/// # Errors
/// [`Mistake`] when it is no plan's id.
pub fn plan_id(text: &str) -> Result<PlanId, Mistake> {
    text.parse().map_err(|error| Mistake::new(format!("{error}"), "`homeostat plan list` shows the plans"))
}

/// A resource, such as `vm/web-1`.
///
/// # Errors
/// [`Mistake`] when it is no resource's id.
pub fn resource_id(text: &str) -> Result<ResourceId, Mistake> {
    text.parse().map_err(|error| Mistake::new(format!("{error}"), "names are kind/name, such as vm/web-1"))
}
