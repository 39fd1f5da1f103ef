//! One policy on one resource, as far as there is anything to be remembered of it.
//!
//! Almost all policies hold for almost none of the resources: such an instance is not kept, it is made when something happens.

use std::collections::VecDeque;

use homeostat_model::{Event, Timestamp, Truth};

use crate::{pattern::Pattern, phase::Phase};

/// Events of one policy and resource that wait for their turn. A crash loop fills it; what matters then is in the newest ones.
pub(crate) const MAX_QUEUE: usize = 16;

/// What is remembered of one policy on one resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Instance {
    pub(crate) phase: Phase,
    /// The event that is being looked at. Apart, as the pattern is: conditions, which are most, have none.
    pub(crate) event: Option<Box<Event>>,
    /// Those that came while another was being looked at or answered, oldest first; at most [`MAX_QUEUE`].
    #[expect(clippy::box_collection, reason = "almost all instances have none, and there may be a great many")]
    pub(crate) queue: Option<Box<VecDeque<Event>>>,
    /// How far its pattern of events has come.
    pub(crate) pattern: Option<Box<Pattern>>,
    /// The truth at the last evaluation.
    pub(crate) truth: Truth,
    /// Since when it is unknown without a break, if people are to be told.
    pub(crate) unknown_since: Option<Timestamp>,
    /// Whether they were told.
    pub(crate) told: bool,
    /// When it has to be looked at again though nothing comes in.
    pub(crate) wake: Option<Timestamp>,
    /// The earliest timer that is set for it.
    pub(crate) armed: Option<Timestamp>,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            phase: Phase::Idle,
            event: None,
            queue: None,
            pattern: None,
            truth: Truth::Unknown,
            unknown_since: None,
            told: false,
            wake: None,
            armed: None,
        }
    }
}

impl Instance {
    /// Whether nothing changes as long as its condition goes on holding: it was true when last looked at, and it waits for a time
    /// that its timer knows, or is open.
    pub(crate) fn is_steady(&self) -> bool {
        self.truth == Truth::True
            && match self.phase {
                Phase::Pending(held) => held.since().is_some(),
                Phase::Open { closing, .. } => closing.is_none(),
                Phase::Idle | Phase::Waiting { .. } => false,
            }
    }

    /// Whether one that is made anew would do as well.
    pub(crate) fn is_blank(&self) -> bool {
        self.phase == Phase::Idle
            && self.event.is_none()
            && self.queue.as_ref().is_none_or(|queue| queue.is_empty())
            && self.pattern.as_deref().is_none_or(Pattern::is_blank)
            && self.unknown_since.is_none()
            && self.wake.is_none()
    }
}
