//! What has been done under which key, and for which generation.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use homeostat_model::{Generation, IdempotencyKey};
use homeostat_port::ApplyError;

/// Keys that are remembered: more than a driver can have open, and a few hundred bytes each.
const MAX_KEYS: usize = 4096;

/// How far the deed of one key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It was asked about, and not begun.
    NotBegun,
    /// It is being done.
    Running,
    /// The engine was told. `before` is when the container had been started before that; an error says why it is not known
    /// whether it is done.
    Told { before: String, problem: Option<String> },
}

/// The deed of one key.
#[derive(Debug)]
pub(crate) struct Deed {
    /// Held by whoever does it, so that it is done by one at a time.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    progress: Mutex<Progress>,
}

impl Deed {
    pub(crate) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    pub(crate) fn set(&self, progress: Progress) {
        *lock(&self.progress) = progress;
    }
}

/// All deeds that are remembered, and the newest generation. It is gone with the process: `probe` then asks the engine.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    newest: Generation,
    deeds: BTreeMap<IdempotencyKey, Arc<Deed>>,
    order: VecDeque<IdempotencyKey>,
}

impl Ledger {
    /// Refuses an older generation than the newest seen, and remembers a newer one.
    pub(crate) fn admit(&self, given: Generation) -> Result<(), ApplyError> {
        let mut pages = lock(&self.0);
        if given < pages.newest {
            return Err(ApplyError::Stale { given: given.0, newest: pages.newest.0 });
        }
        pages.newest = given;
        Ok(())
    }

    /// The deed of `key`, if it is remembered.
    pub(crate) fn find(&self, key: &IdempotencyKey) -> Option<Arc<Deed>> {
        lock(&self.0).deeds.get(key).cloned()
    }

    /// The deed of `key`, which is remembered from now on.
    pub(crate) fn deed(&self, key: &IdempotencyKey) -> Arc<Deed> {
        let mut pages = lock(&self.0);
        if let Some(deed) = pages.deeds.get(key) {
            return Arc::clone(deed);
        }
        pages.make_room();
        let deed = Arc::new(Deed { turn: Arc::default(), progress: Mutex::new(Progress::NotBegun) });
        pages.deeds.insert(key.clone(), Arc::clone(&deed));
        pages.order.push_back(key.clone());
        deed
    }
}

impl Pages {
    /// Forgets the oldest, except what is being done.
    fn make_room(&mut self) {
        for _ in 0..self.order.len() {
            if self.order.len() < MAX_KEYS {
                return;
            }
            let Some(oldest) = self.order.pop_front() else { return };
            if self.deeds.get(&oldest).is_some_and(|deed| deed.progress() == Progress::Running) {
                self.order.push_back(oldest);
            } else {
                self.deeds.remove(&oldest);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use homeostat_model::{PlanId, StepId};

    use super::*;

    fn key(number: u64) -> IdempotencyKey {
        IdempotencyKey::new(PlanId { generation: Generation(1), number }, StepId(1))
    }

    #[test]
    fn an_older_generation_is_refused_once_a_newer_was_seen() {
        let ledger = Ledger::default();
        for (given, admitted) in [(1, true), (3, true), (2, false), (3, true), (4, true), (3, false)] {
            assert_eq!(ledger.admit(Generation(given)).is_ok(), admitted, "generation {given}");
        }
        assert!(matches!(ledger.admit(Generation(1)), Err(ApplyError::Stale { given: 1, newest: 4 })));
    }

    #[test]
    fn the_oldest_is_forgotten_unless_it_runs() {
        let ledger = Ledger::default();
        ledger.deed(&key(0)).set(Progress::Running);
        ledger.deed(&key(1)).set(Progress::Told { before: String::new(), problem: None });
        for number in 2..u64::try_from(MAX_KEYS).unwrap() + 1 {
            ledger.deed(&key(number));
        }
        assert_eq!(ledger.find(&key(0)).map(|deed| deed.progress()), Some(Progress::Running));
        assert!(ledger.find(&key(1)).is_none());
        assert!(ledger.find(&key(2)).is_some());
        assert_eq!(lock(&ledger.0).deeds.len(), MAX_KEYS);
    }

    #[test]
    fn the_same_key_is_the_same_deed() {
        let ledger = Ledger::default();
        ledger.deed(&key(1)).set(Progress::Running);
        assert_eq!(ledger.deed(&key(1)).progress(), Progress::Running);
        assert_eq!(ledger.deed(&key(2)).progress(), Progress::NotBegun);
    }
}
