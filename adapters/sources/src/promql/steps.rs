//! Which moments to ask for, and how long to wait after a failure.

use std::hash::Hasher;

use homeostat_model::{Duration, Timestamp};
use rustc_hash::FxHasher;

/// Steps of one question. A Prometheus refuses more than 11 000.
pub(super) const MAX_STEPS: u64 = 1000;

/// The wait after the first failure; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait: a server that comes back is noticed within this time.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The moments that are due: `first`, `last`, and those a step apart between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// How many steps before them were passed over.
    pub(super) passed_over: u64,
}

/// Where one query is.
#[derive(Debug)]
pub(super) struct Steps {
    step: Duration,
    delay: Duration,
    catch_up: Duration,
    /// The newest step that was answered or passed over.
    done: Option<Timestamp>,
    failures: u32,
    /// Steps that are asked for at once, at most: fewer where the answer to more was too much.
    at_once: u64,
}

impl Steps {
    pub(super) fn new(step: Duration, delay: Duration, catch_up: Duration) -> Self {
        Self { step, delay, catch_up, done: None, failures: 0, at_once: MAX_STEPS + 1 }
    }

    /// What is to be asked for at `now`; `None` when nothing is. At a start that is the newest step alone.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Due> {
        let newest = self.floor(now - self.delay);
        let Some(done) = self.done else { return Some(Due { first: newest, last: newest, passed_over: 0 }) };
        let next = done + self.step;
        if next > newest {
            // All is caught up with. After the next pause there may be less, or more room.
            self.at_once = MAX_STEPS + 1;
            return None;
        }
        let oldest = newest - Duration::from_millis(self.catch_up.as_millis() / self.millis() * self.millis());
        let first = next.max(oldest);
        let last = newest.min(first + Duration::from_millis(self.millis().saturating_mul(self.at_once - 1)));
        Some(Due { first, last, passed_over: first.since(next).as_millis() / self.millis() })
    }

    /// The answer to what was due was too much: fewer steps are asked for at once from now on. `false` when it was one step, of which
    /// there is no less.
    pub(super) fn too_much(&mut self, due: &Due) -> bool {
        let asked = due.last.since(due.first).as_millis() / self.millis() + 1;
        self.at_once = (asked / 2).max(1);
        asked > 1
    }

    /// When there will be something to ask for.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        self.done.map_or(now, |done| done + self.step + self.delay)
    }

    /// All up to `last` was answered.
    pub(super) fn answered(&mut self, last: Timestamp) {
        self.done = Some(last);
        self.failures = 0;
    }

    /// There was no answer: how long to wait. `seed` spreads those who wait for the same server, the same way each time.
    pub(super) fn failed(&mut self, due: &Due, seed: &str) -> Duration {
        // What could not be asked for is asked for later, together with what is due by then.
        self.done.get_or_insert(due.first - self.step);
        let doubled = FIRST_WAIT.as_millis().saturating_mul(1 << self.failures.min(16));
        let longest = doubled.min(LONGEST_WAIT.as_millis());
        self.failures = self.failures.saturating_add(1);
        let mut hasher = FxHasher::default();
        hasher.write(seed.as_bytes());
        hasher.write_u32(self.failures);
        Duration::from_millis(longest / 2 + hasher.finish() % (longest / 2))
    }

    fn floor(&self, time: Timestamp) -> Timestamp {
        let step = i64::try_from(self.millis()).unwrap_or(i64::MAX);
        time - Duration::from_millis(time.as_millis().rem_euclid(step).unsigned_abs())
    }

    fn millis(&self) -> u64 {
        self.step.as_millis().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn steps(delay: u64) -> Steps {
        Steps::new(Duration::from_secs(30), Duration::from_secs(delay), Duration::from_secs(120))
    }

    #[test]
    fn no_step_is_skipped_and_none_is_asked_for_twice() {
        let mut steps = steps(5);
        for (now, expected) in [
            // The newest that can be known.
            (1000, Some((990, 990, 0))),
            (1001, None),
            (1024, None),
            (1025, Some((1020, 1020, 0))),
            (1054, None),
            // A pause.
            (1126, Some((1050, 1120 / 30 * 30, 0))),
            // A long one.
            (2000, Some((1860, 1980, 24))),
            (2014, None),
            (2015, Some((2010, 2010, 0))),
        ] {
            let due = steps.due(at(now));
            let expected =
                expected.map(|(first, last, passed_over)| Due { first: at(first), last: at(last), passed_over });
            assert_eq!(due, expected, "at {now}");
            match due {
                Some(due) => steps.answered(due.last),
                None => assert!(steps.next(at(now)) > at(now) && steps.due(steps.next(at(now))).is_some(), "at {now}"),
            }
        }
    }

    #[test]
    fn what_failed_is_asked_for_again_with_what_is_due_by_then() {
        let mut steps = steps(0);
        let first = steps.due(at(1000)).unwrap();
        steps.failed(&first, "q");
        assert_eq!(steps.due(at(1019)), Some(first));
        let both = Due { first: at(990), last: at(1020), passed_over: 0 };
        assert_eq!(steps.due(at(1021)), Some(both));
        steps.failed(&both, "q");
        assert_eq!(steps.due(at(1021)), Some(both));
        steps.answered(both.last);
        assert_eq!(steps.due(at(1021)), None);
    }

    #[test]
    fn what_is_too_much_is_halved_until_all_is_caught_up_with() {
        let mut steps = steps(0);
        let first = steps.due(at(0)).unwrap();
        assert!(!steps.too_much(&first), "of one step there is no less");
        steps.answered(first.last);
        assert_eq!(steps.due(at(0)), None);
        let due = |first, last| Some(Due { first: at(first), last: at(last), passed_over: 0 });
        assert_eq!(steps.due(at(120)), due(30, 120));
        assert!(steps.too_much(&due(30, 120).unwrap()));
        assert_eq!(steps.due(at(120)), due(30, 60));
        steps.answered(at(60));
        assert_eq!(steps.due(at(120)), due(90, 120));
        assert!(steps.too_much(&due(90, 120).unwrap()));
        assert_eq!(steps.due(at(120)), due(90, 90));
        steps.answered(at(90));
        assert_eq!(steps.due(at(120)), due(120, 120));
        steps.answered(at(120));
        assert_eq!(steps.due(at(121)), None);
        assert_eq!(steps.due(at(240)), due(150, 240), "after the next pause all is tried at once again");
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let (mut one, mut other) = (steps(0), steps(0));
        let due = one.due(at(0)).unwrap();
        let mut differ = false;
        for failures in 0..40 {
            let longest = 60_000.min(1000 << failures.min(10));
            let (wait, others) = (one.failed(&due, "a").as_millis(), other.failed(&due, "b").as_millis());
            assert!((longest / 2..longest).contains(&wait), "{failures}: {wait}");
            differ |= wait != others;
        }
        assert!(differ, "two queries do not wait in step");
        one.answered(due.last);
        assert!(one.failed(&due, "a").as_millis() < 1000);
    }
}
