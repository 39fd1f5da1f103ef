//! How a plan ended, for all that counts failures: breakers, and policies that were promoted.

use homeostat_guard::Shock;
use homeostat_model::{PlanId, PlanResult};

/// How a plan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It did what it was for.
    Succeeded,
    /// It did not.
    Failed,
    /// Nobody knows what became of it.
    Unknown,
    /// It was called off, or too few approved of it: that says nothing about it.
    CalledOff,
}

impl Ending {
    /// Of a plan with this result; `doubt`: nobody knows what became of it.
    pub(crate) fn of(result: &PlanResult, doubt: bool) -> Self {
        match result {
            _ if doubt => Self::Unknown,
            PlanResult::Succeeded => Self::Succeeded,
            PlanResult::Failed { .. } | PlanResult::Unverified { .. } => Self::Failed,
            PlanResult::Cancelled { .. } | PlanResult::Expired { .. } => Self::CalledOff,
        }
    }

    /// What the breakers feel of it.
    pub(crate) fn shock(self, plan: PlanId) -> Shock {
        match self {
            Self::Succeeded => Shock::Succeeded(plan),
            Self::Failed | Self::Unknown => Shock::Failed(plan),
            Self::CalledOff => Shock::CalledOff(plan),
        }
    }
}
