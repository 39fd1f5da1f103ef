//! Samples that the engine refuses: people are told, now and then.

use homeostat_model::{Duration, ResourceId, Timestamp};

/// So long after one that was told the others are only counted: a clock that is wrong makes every sample wrong.
const QUIET: Duration = Duration::from_mins(1);

/// What was refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    told: Option<Timestamp>,
    untold: u64,
}

impl Refusals {
    /// A sample was refused at `now`.
    pub(super) fn add(&mut self, now: Timestamp, resource: &ResourceId, reason: &str) {
        if let Some(others) = self.tell(now) {
            tracing::warn!(%resource, reason, others, "a sample was refused");
        }
    }

    /// Whether one of `now` is to be told, and how many others there were that were not.
    fn tell(&mut self, now: Timestamp) -> Option<u64> {
        if self.told.is_some_and(|told| now.since(told) < QUIET) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_is_told_and_the_others_are_counted() {
        let mut refusals = Refusals::default();
        let mut told = |seconds: i64| refusals.tell(Timestamp::from_millis(seconds * 1000));
        assert_eq!([0, 1, 59, 60, 61, 200, 300].map(&mut told), [Some(0), None, None, Some(2), None, Some(1), Some(0)]);
    }
}
