//! Runs the seeds once for all promises, on all processors.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    p02_projected_state, p03_budgets, p04_breaker, p05_escalation, p06_journalled, p07_verified, p08_fenced, p09_owned,
    p10_warm_start, p11_explained, p12_capabilities,
    watch::{Broken, Watch},
    world::World,
};

/// Seeds that are run unless told otherwise.
const SEEDS: u64 = 10_000;

/// Seeds that once showed a defect: they are always run.
const ONCE_BROKEN: [u64; 1] = [64_248];

/// Broken seeds that are enough to see that a promise is broken, and about how often.
const ENOUGH: u64 = 20;

/// Seeds that are told of one promise: the first says it all, the others help to find the pattern.
const TOLD: usize = 3;

fn watchers() -> Vec<Box<dyn Watch>> {
    vec![
        Box::new(p02_projected_state::Watcher::default()),
        Box::new(p03_budgets::Watcher),
        Box::new(p04_breaker::Watcher::default()),
        Box::new(p05_escalation::Watcher::default()),
        Box::new(p06_journalled::Watcher::default()),
        Box::new(p07_verified::Watcher::default()),
        Box::new(p08_fenced::Watcher::default()),
        Box::new(p09_owned::Watcher::default()),
        Box::new(p10_warm_start::Watcher::default()),
        Box::new(p11_explained::Watcher::default()),
        Box::new(p12_capabilities::Watcher),
    ]
}

/// What is broken in one seed.
pub(crate) fn one(seed: u64, story: bool) -> Vec<Broken> {
    let run = || {
        let mut world = World::new(seed, watchers());
        world.story = story.then(Vec::new);
        world.run();
        if let Some(story) = &world.story {
            println!("{}\n{}", crate::charter::charter(seed).0, story.join("\n"));
        }
        world.broken
    };
    // A panic breaks whatever was promised; it is told of the journal, which a program that ends so does not write any more.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| (2..=13).map(|promise| Broken { promise, seed, what: "the run panicked".into() }).collect())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What came of all seeds.
struct Swept {
    /// In the order of seeds.
    broken: Vec<Broken>,
    /// How many were run.
    seeds: u64,
}

/// Runs all seeds, from `HOMEOSTAT_FIRST_SEED` on as many as `HOMEOSTAT_SEEDS` says; where `HOMEOSTAT_ENOUGH_OF` names a promise, only until that is broken in [`ENOUGH`] of them.
fn all() -> &'static Swept {
    static ALL: OnceLock<Swept> = OnceLock::new();
    ALL.get_or_init(|| {
        if let Some(seed) = number("HOMEOSTAT_SEED") {
            return Swept { broken: one(seed, true), seeds: 1 };
        }
        let (seeds, enough_of) = (number("HOMEOSTAT_SEEDS").unwrap_or(SEEDS), number("HOMEOSTAT_ENOUGH_OF"));
        let first = number("HOMEOSTAT_FIRST_SEED").unwrap_or(0);
        let [next, run, fatal] = [0; 3].map(AtomicU64::new);
        let broken = Mutex::new(Vec::<Broken>::new());
        let work = || {
            while fatal.load(Ordering::Relaxed) < ENOUGH {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let seed = match ONCE_BROKEN.get(number as usize) {
                    Some(seed) => *seed,
                    None if number - (ONCE_BROKEN.len() as u64) < seeds => first + number - ONCE_BROKEN.len() as u64,
                    None => return,
                };
                // Before the lock is taken, not while it is held: all processors would wait for one.
                let found = one(seed, false);
                run.fetch_add(1, Ordering::Relaxed);
                if found.iter().any(|one| enough_of == Some(one.promise as u64)) {
                    fatal.fetch_add(1, Ordering::Relaxed);
                }
                broken.lock().unwrap().extend(found);
            }
        };
        thread::scope(|scope| {
            (0..thread::available_parallelism().map_or(1, usize::from)).for_each(|_| drop(scope.spawn(work)));
        });
        let mut broken = broken.into_inner().unwrap();
        broken.sort_by_key(|one| one.seed);
        Swept { broken, seeds: run.into_inner() }
    })
}

/// Fails if the promise is broken in any seed.
pub(crate) fn holds(promise: usize) {
    let Swept { broken, seeds: all } = all();
    let broken: Vec<&Broken> = broken.iter().filter(|one| one.promise == promise).collect();
    let told: Vec<String> = broken
        .iter()
        .take(TOLD)
        .map(|Broken { seed, what, .. }| {
            format!(
                "{what}\n  HOMEOSTAT_SEED={seed} cargo test -p homeostat-simulator --test promises -- --nocapture\n"
            )
        })
        .collect();
    assert!(broken.is_empty(), "promise {promise} is broken in {} of {all} seeds:\n{}", seeds(&broken), told.concat());
}

/// In how many seeds something is broken: one that is broken in several lives, or by several deeds, is still one.
fn seeds(broken: &[&Broken]) -> usize {
    broken.iter().map(|one| one.seed).collect::<BTreeSet<_>>().len()
}

#[test]
fn a_seed_that_is_broken_several_times_counts_once() {
    let broken = [3, 5, 3, 3].map(|seed| Broken { promise: 13, seed, what: "it differs".into() });
    assert_eq!(seeds(&broken.iter().collect::<Vec<_>>()), 2);
}
