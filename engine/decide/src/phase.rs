//! From a truth that comes and goes to a finding that is open or not.
//!
//! ```text
//!            true                 true for `for`
//!     Idle --------> Pending ----------------------> Open <------------- true again
//!      ^  <--false--    | unknown: the clock stands    |                      |
//!      |                                               +-- false, or `clear` --> Open, closing
//!      +------------------------------------------------- for `keepFiringFor` ------+
//!
//!     Idle --event, true--> Open --answered--> Idle           (event)
//!       \--event, unknown--> Waiting --true--> Open           gives up after EVENT_PATIENCE
//! ```

use homeostat_model::{Duration, Timestamp, Truth};

/// How long an event waits for its condition to become known, and a fact of the past still deserves an answer.
pub(crate) const EVENT_PATIENCE: Duration = Duration::from_mins(5);

/// Time that has to pass while something holds. It stands while that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// What has passed before `since`.
    before: Duration,
    /// Since when it holds without a break; `None` while that is not known.
    since: Option<Timestamp>,
}

impl Held {
    fn from(now: Timestamp) -> Self {
        Self { before: Duration::ZERO, since: Some(now) }
    }

    fn at(self, now: Timestamp) -> Duration {
        self.since.map_or(self.before, |since| self.before.plus(now.since(since)))
    }

    fn goes_on(self, now: Timestamp) -> Self {
        Self { since: Some(self.since.unwrap_or(now)), ..self }
    }

    fn stands(self, now: Timestamp) -> Self {
        Self { before: self.at(now), since: None }
    }

    /// When it will have been `wanted`, if it goes on.
    fn reaches(self, wanted: Duration) -> Option<Timestamp> {
        self.since.map(|since| since + wanted.minus(self.before))
    }

    /// How long it had held before [`Held::since`].
    pub(crate) fn before(self) -> Duration {
        self.before
    }

    /// Since when it holds without a break.
    pub(crate) fn since(self) -> Option<Timestamp> {
        self.since
    }
}

/// How long a condition has to hold, and how long not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) hold_for: Duration,
    pub(crate) keep_firing_for: Duration,
}

/// Where an instance is between truth and finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    /// The condition holds, but not for long enough yet.
    Pending(Held),
    /// An event came and its condition is not known yet.
    Waiting {
        until: Timestamp,
    },
    /// It is a finding; `closing` while its condition no longer holds.
    Open {
        since: Timestamp,
        closing: Option<Held>,
    },
}

/// What a step of the phase means to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    None,
    Opened,
    Closed,
}

impl Phase {
    /// What held for so long when something was last known of it.
    pub(crate) fn resumed(held: Duration) -> Self {
        Self::Pending(Held { before: held, since: None })
    }

    /// The next phase of a condition that is `truth` at `now`. `clear` is whether what closes a finding is the case.
    pub(crate) fn of_condition(self, truth: Truth, clear: Truth, now: Timestamp, times: Times) -> (Self, Transition) {
        match self {
            Self::Open { since, closing } => {
                let closing = match (clear, closing) {
                    (Truth::False, _) | (Truth::Unknown, None) => None,
                    (Truth::Unknown, Some(held)) => Some(held.stands(now)),
                    (Truth::True, held) => Some(held.unwrap_or(Held::from(now)).goes_on(now)),
                };
                match closing {
                    Some(held) if clear == Truth::True && held.at(now) >= times.keep_firing_for => {
                        (Self::Idle, Transition::Closed)
                    }
                    closing => (Self::Open { since, closing }, Transition::None),
                }
            }
            Self::Idle | Self::Waiting { .. } | Self::Pending(_) => match (self, truth) {
                (_, Truth::False) => (Self::Idle, Transition::None),
                (Self::Pending(held), Truth::Unknown) => (Self::Pending(held.stands(now)), Transition::None),
                (_, Truth::Unknown) => (self, Transition::None),
                (_, Truth::True) => {
                    let held = if let Self::Pending(held) = self { held.goes_on(now) } else { Held::from(now) };
                    if held.at(now) >= times.hold_for {
                        (Self::Open { since: now, closing: None }, Transition::Opened)
                    } else {
                        (Self::Pending(held), Transition::None)
                    }
                }
            },
        }
    }

    /// The next phase of an event policy whose condition is `truth` at `now`.
    pub(crate) fn of_event(self, truth: Truth, now: Timestamp) -> (Self, Transition) {
        match (self, truth) {
            (Self::Waiting { until }, _) if now >= until => (Self::Idle, Transition::None),
            (Self::Waiting { .. }, Truth::True) => (Self::Open { since: now, closing: None }, Transition::Opened),
            (Self::Waiting { .. }, Truth::False) => (Self::Idle, Transition::None),
            _ => (self, Transition::None),
        }
    }

    /// When time alone will change it, if the condition stays as it is.
    pub(crate) fn deadline(self, times: Times) -> Option<Timestamp> {
        match self {
            Self::Pending(held) => held.reaches(times.hold_for),
            Self::Open { closing: Some(held), .. } => held.reaches(times.keep_firing_for),
            Self::Waiting { until } => Some(until),
            Self::Idle | Self::Open { closing: None, .. } => None,
        }
    }

    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use Truth::{False, True, Unknown};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// Runs a script of (second, truth, clear) and gives what happened when.
    fn run_cleared(hold: u64, keep: u64, truths: &[(i64, Truth, Truth)]) -> Vec<(i64, Transition)> {
        let times = Times { hold_for: Duration::from_secs(hold), keep_firing_for: Duration::from_secs(keep) };
        let mut phase = Phase::Idle;
        let mut happened = Vec::new();
        for (second, truth, clear) in truths {
            let (next, transition) = phase.of_condition(*truth, *clear, at(*second), times);
            phase = next;
            if transition != Transition::None {
                happened.push((*second, transition));
            }
        }
        happened
    }

    /// The same where a finding closes when its condition is false.
    fn run(hold: u64, keep: u64, truths: &[(i64, Truth)]) -> Vec<(i64, Transition)> {
        let truths: Vec<_> = truths.iter().map(|(second, truth)| (*second, *truth, !*truth)).collect();
        run_cleared(hold, keep, &truths)
    }

    #[test]
    fn a_condition_has_to_hold_for_its_time() {
        assert_eq!(run(60, 0, &[(0, True), (30, True), (59, True), (60, True)]), [(60, Transition::Opened)]);
        assert_eq!(run(60, 0, &[(0, True), (59, False), (60, True), (119, True)]), []);
        assert_eq!(run(0, 0, &[(5, True), (6, False)]), [(5, Transition::Opened), (6, Transition::Closed)]);
    }

    #[test]
    fn a_gap_neither_opens_nor_closes_and_its_time_does_not_count() {
        assert_eq!(run(60, 0, &[(0, True), (40, Unknown), (400, Unknown)]), []);
        assert_eq!(
            run(60, 0, &[(0, True), (40, Unknown), (400, True), (419, True), (420, True)]),
            [(420, Transition::Opened)]
        );
        assert_eq!(
            run(0, 0, &[(0, True), (40, Unknown), (50, False)]),
            [(0, Transition::Opened), (50, Transition::Closed)]
        );
    }

    #[test]
    fn a_finding_is_kept_for_its_time_and_a_relapse_begins_it_anew() {
        let opened = (0, Transition::Opened);
        assert_eq!(run(0, 60, &[(0, True), (10, False), (69, False)]), [opened]);
        assert_eq!(run(0, 60, &[(0, True), (10, False), (70, False)]), [opened, (70, Transition::Closed)]);
        assert_eq!(
            run(0, 60, &[(0, True), (10, False), (50, True), (60, False), (119, False), (120, False)]),
            [opened, (120, Transition::Closed)]
        );
        assert_eq!(
            run(0, 60, &[(0, True), (10, False), (40, Unknown), (500, False), (529, False), (530, False)]),
            [opened, (530, Transition::Closed)],
            "a gap does not count towards keepFiringFor either"
        );
    }

    #[test]
    fn with_clear_only_that_closes() {
        let opened = (0, Transition::Opened);
        assert_eq!(
            run_cleared(0, 0, &[(0, True, False), (10, False, False), (20, Unknown, Unknown), (30, False, True)]),
            [opened, (30, Transition::Closed)]
        );
    }
}
