//! The generation of a start, by which plans, steps and notifications are told from those of all starts before.

use homeostat_engine::Generation;
use homeostat_model::Timestamp;

/// The first generation of what begins and ends with the program: nothing is left of another one.
const FIRST: u32 = 1;

/// One more than that of the start before, as the journal has it.
///
/// An empty journal begins at the seconds since 1970, which fit until 2106: systems remember what was done under the keys of a journal
/// that is gone, and would take a new step for one of those. `only_virtual`, the story of a scenario, is told by the same names each time.
pub(super) fn generation(last: Option<Generation>, now: Timestamp, only_virtual: bool) -> Generation {
    let seconds = || u32::try_from(now.as_millis().max(0) / 1000).unwrap_or(u32::MAX - 1).max(FIRST);
    Generation(match last {
        Some(last) => last.0.saturating_add(1),
        None if only_virtual => FIRST,
        None => seconds(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_begins_anew_names_nothing_as_the_one_before_did() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000 + 999);
        let begun = |seconds| generation(None, at(seconds), false);
        assert_eq!(begun(1_732_900_000), Generation(1_732_900_000));
        // Three starts in three seconds, and the journal is removed.
        let third = generation(Some(generation(Some(begun(1000)), at(1001), false)), at(1002), false);
        assert!(third < begun(1003), "{third:?}");
        // A clock that shows nothing, and one from after the end.
        assert_eq!((begun(-5), begun(0)), (Generation(FIRST), Generation(FIRST)));
        assert!(begun(1 << 40) < generation(Some(begun(1 << 40)), at(0), false));
    }

    #[test]
    fn a_journal_that_goes_on_counts_whatever_the_clock_shows_and_a_story_begins_at_one() {
        let now = Timestamp::from_millis(1_732_900_000_000);
        assert_eq!(generation(Some(Generation(7)), now, false), Generation(8), "as older versions began it");
        assert_eq!(generation(Some(Generation(1_800_000_000)), now, false), Generation(1_800_000_001));
        assert_eq!(generation(None, now, true), Generation(1));
        assert_eq!(generation(Some(Generation(1)), now, true), Generation(2));
    }
}
