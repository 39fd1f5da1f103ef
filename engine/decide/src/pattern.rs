//! Patterns of events: so many within a time, one after the other, one of each, none for a while.
//!
//! A pattern is complete with its last event; then it begins anew. Events count at the time at which they happened, so that one
//! that arrives late is put where it belongs.

use homeostat_model::{Duration, Timestamp, Truth};
use homeostat_policy::On;

/// How far a pattern has come on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// The times of the matching events, in order; fewer than are wanted.
    Count(Vec<Timestamp>),
    /// For each entry but the last: the latest start of a run that has come that far, and its end.
    Sequence(Vec<Option<(Timestamp, Timestamp)>>),
    /// For each entry the newest event that matches it.
    All(Vec<Option<Timestamp>>),
    /// The newest matching event, and from when on it was looked for.
    Absence { seen: Option<Timestamp>, since: Timestamp },
}

impl Pattern {
    /// Nothing has come yet; looked for from `at` on.
    pub(crate) fn new(on: &On, at: Timestamp) -> Self {
        match on {
            On::Count { .. } => Self::Count(Vec::new()),
            On::Sequence { of, .. } => Self::Sequence(vec![None; of.len()]),
            On::All { of, .. } => Self::All(vec![None; of.len()]),
            On::Absence { .. } => Self::Absence { seen: None, since: at },
        }
    }

    /// Whether it is as it was at the beginning, so that it need not be kept.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Count(times) => times.is_empty(),
            Self::Sequence(runs) => runs.iter().all(Option::is_none),
            Self::All(times) => times.iter().all(Option::is_none),
            Self::Absence { .. } => false,
        }
    }

    /// Takes in an event of `time` that matches the entries for which `matches` says so; gives whether it completes the pattern.
    pub(crate) fn take(&mut self, on: &On, time: Timestamp, matches: &[bool]) -> bool {
        let fits = |entry: usize| matches.get(entry).copied().unwrap_or(false);
        match (self, on) {
            (Self::Count(times), On::Count { count, within, .. }) if fits(0) => {
                if *count == 1 {
                    return true;
                }
                let place = times.partition_point(|other| *other <= time);
                times.insert(place, time);
                let newest = times.last().copied().unwrap_or(time);
                times.retain(|other| newest.since(*other) <= *within);
                let complete = times.len() >= usize::try_from(*count).unwrap_or(usize::MAX);
                if complete {
                    times.clear();
                }
                complete
            }
            (Self::Sequence(runs), On::Sequence { of, within }) => {
                // From the last entry to the first, so that one event takes a run one entry further and not more.
                for entry in (0..of.len()).rev().filter(|entry| fits(*entry)) {
                    let before = entry.checked_sub(1).map(|before| runs.get(before).copied().flatten());
                    let start = match before {
                        None => time,
                        Some(Some((start, end))) if end <= time && time.since(start) <= *within => start,
                        Some(_) => continue,
                    };
                    if entry + 1 == of.len() {
                        runs.fill(None);
                        return true;
                    }
                    if let Some(run) = runs.get_mut(entry)
                        && run.is_none_or(|(known, _)| known <= start)
                    {
                        *run = Some((start, time));
                    }
                }
                false
            }
            (Self::All(times), On::All { within, .. }) => {
                for (entry, newest) in times.iter_mut().enumerate() {
                    if fits(entry) {
                        *newest = Some(newest.map_or(time, |known| known.max(time)));
                    }
                }
                let known: Vec<Timestamp> = times.iter().copied().flatten().collect();
                let (first, last) = (known.iter().min(), known.iter().max());
                let complete = known.len() == times.len()
                    && first.zip(last).is_some_and(|(first, last)| last.since(*first) <= *within);
                if complete {
                    times.fill(None);
                }
                complete
            }
            (Self::Absence { seen, .. }, On::Absence { .. }) if fits(0) => {
                *seen = Some(seen.map_or(time, |known| known.max(time)));
                false
            }
            _ => false,
        }
    }

    /// Of an absence: whether nothing has come for the time that the policy says, and when that changes by time alone.
    pub(crate) fn absent(&self, window: Duration, now: Timestamp) -> (Truth, Option<Timestamp>) {
        let Self::Absence { seen, since } = self else { return (Truth::True, None) };
        let from = seen.map_or(*since, |seen| seen.max(*since));
        let due = from + window;
        match seen {
            _ if due <= now => (Truth::True, None),
            Some(_) => (Truth::False, Some(due)),
            None => (Truth::Unknown, Some(due)),
        }
    }

    /// When the newest event came, of an absence.
    pub(crate) fn seen(&self) -> Option<Timestamp> {
        match self {
            Self::Absence { seen, .. } => *seen,
            Self::Count(_) | Self::Sequence(_) | Self::All(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use homeostat_policy::EventMatch;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn entry(event: &str) -> EventMatch {
        EventMatch { types: vec![event.parse().unwrap()], filter: None }
    }

    /// Runs `a@1 b@5 ..` through a pattern over entries named by letters and gives the seconds at which it was complete.
    fn complete(on: &On, events: &str) -> Vec<i64> {
        let mut pattern = Pattern::new(on, at(0));
        let mut complete = Vec::new();
        for event in events.split(' ') {
            let (name, second) = event.split_once('@').unwrap();
            let second = second.parse().unwrap();
            let matches: Vec<bool> =
                on.matches().map(|one| one.types.iter().any(|known| known.as_str() == name)).collect();
            if pattern.take(on, at(second), &matches) {
                complete.push(second);
            }
        }
        complete
    }

    #[test]
    fn so_many_within_a_time() {
        let on = |count| On::Count { of: entry("a"), count, within: Duration::from_secs(10) };
        for (count, events, expected) in [
            (1, "a@1 a@2", &[1, 2][..]),
            (3, "a@1 a@2 a@3 a@4 a@5 a@6", &[3, 6]),
            (3, "a@1 a@6 a@12 a@14", &[14]),
            (3, "a@1 a@6 a@11", &[11]),
            (2, "a@1 b@2 a@30 a@31", &[31]),
            // Arrives late, but happened in time.
            (3, "a@10 a@20 a@12 a@11", &[12]),
        ] {
            assert_eq!(complete(&on(count), events), expected, "{count} of {events}");
        }
    }

    #[test]
    fn one_after_the_other() {
        let on = On::Sequence { of: vec![entry("a"), entry("b"), entry("c")], within: Duration::from_secs(10) };
        for (events, expected) in [
            ("a@1 b@2 c@3", &[3][..]),
            ("a@1 x@2 b@3 b@4 c@5 c@6", &[5]),
            ("b@1 a@2 c@3", &[]),
            ("a@1 b@2 c@12", &[]),
            // The later start is still in time.
            ("a@1 a@5 b@6 c@14", &[14]),
            ("a@1 b@2 a@5 c@12 b@13 c@14", &[14]),
        ] {
            assert_eq!(complete(&on, events), expected, "{events}");
        }
        let twice = On::Sequence { of: vec![entry("a"), entry("a")], within: Duration::from_secs(10) };
        assert_eq!(complete(&twice, "a@1 a@2 a@3"), [2], "one event is one entry");
    }

    #[test]
    fn one_of_each() {
        let on = On::All { of: vec![entry("a"), entry("b")], within: Duration::from_secs(10) };
        for (events, expected) in
            [("b@1 a@2 b@3", &[2][..]), ("a@1 b@12 a@13", &[13]), ("a@1 a@2", &[]), ("a@1 b@2 a@3 b@4", &[2, 4])]
        {
            assert_eq!(complete(&on, events), expected, "{events}");
        }
    }

    #[test]
    fn none_for_a_while() {
        let on = On::Absence { of: entry("beat"), window: Duration::from_secs(60) };
        let mut pattern = Pattern::new(&on, at(0));
        let window = Duration::from_secs(60);
        assert_eq!(pattern.absent(window, at(59)), (Truth::Unknown, Some(at(60))));
        assert_eq!(pattern.absent(window, at(60)), (Truth::True, None));
        pattern.take(&on, at(70), &[true]);
        assert_eq!(pattern.absent(window, at(129)), (Truth::False, Some(at(130))));
        assert_eq!(pattern.absent(window, at(130)), (Truth::True, None));
    }
}
