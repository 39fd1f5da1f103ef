//! How long is waited before a notification is tried again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use homeostat_model::NoticeId;

/// The first pause: as long as a daemon takes to start again.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: whoever comes back has everything a minute later.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);
/// Doublings after which the longest is reached for certain.
const MAX_DOUBLINGS: u32 = 16;

/// The pause after so many tries of `id`, from 1: it doubles, and up to half of it is drawn, so that not everything that failed
/// together comes again together.
pub(crate) fn pause(id: NoticeId, tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(MAX_DOUBLINGS);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let mut hasher = DefaultHasher::new();
    (id, tries).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 1024).unwrap_or_default();
    whole / 2 + (whole / 2) * share / 1024
}

#[cfg(test)]
mod tests {
    use homeostat_model::Generation;

    use super::*;

    #[test]
    fn it_doubles_up_to_a_minute_and_is_drawn() {
        let id = |number| NoticeId { generation: Generation(1), number };
        for (tries, most) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (50, 60), (u32::MAX, 60)] {
            let pauses: std::collections::BTreeSet<Duration> =
                (0..100).map(|number| pause(id(number), tries)).collect();
            let most = Duration::from_secs(most);
            assert!(pauses.iter().all(|pause| *pause >= most / 2 && *pause <= most), "{tries}: {pauses:?}");
            assert!(pauses.len() > 50, "{tries}: they are not drawn");
        }
    }
}
