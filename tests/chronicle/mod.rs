//! What a journal says about all plans there ever were, and what has to be true of it however often homeostat was killed.

#![allow(dead_code, reason = "every test program compiles this module and uses a part of it")]

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use homeostat_journal::{History, Journal, Options};
use homeostat_model::{
    Action, Entry, IdempotencyKey, OpenPlans, Plan, PlanId, PlanResult, StepId, StepResult, Timestamp,
};

use crate::program::{homeostat, printed};

/// A try of a step, as it was written down.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) key: IdempotencyKey,
    pub(crate) step: StepId,
    pub(crate) dispatched: Timestamp,
    /// How it ended, and when.
    pub(crate) ended: Option<(Timestamp, StepResult)>,
}

/// A plan and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) plan: Arc<Plan>,
    pub(crate) deeds: Vec<Deed>,
    pub(crate) results: Vec<PlanResult>,
}

/// Everything that is in a journal about plans.
#[derive(Debug)]
pub(crate) struct Chronicle {
    pub(crate) stories: BTreeMap<PlanId, Story>,
    pub(crate) records: u64,
    /// What is wrong, in words.
    pub(crate) wrongs: Vec<String>,
}

/// How many plans there are in a journal at the moment, also while it is written.
pub(crate) fn count_plans(journal: &Path) -> usize {
    let Ok(mut history) = History::open(journal) else { return 0 };
    let mut plans = 0;
    while let Ok(Some(kept)) = history.next_record() {
        plans += usize::from(matches!(kept.record.entry, Entry::PlanMade(_)));
    }
    plans
}

/// Everything that was ever written to a journal: its segments under names of their own, which stay when the journal drops them.
#[derive(Debug)]
pub(crate) struct Archive {
    journal: PathBuf,
    folder: PathBuf,
}

impl Archive {
    /// That of `journal` in `folder`, which is on the same disk.
    pub(crate) fn of(journal: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let archive = Self { journal: journal.to_owned(), folder: folder.to_owned() };
        archive.keep();
        archive
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the segments that there are. What is written to them later is in the archive, too: they are the same files. Often enough,
    /// this misses none that comes and goes in between; the chain of hashes would show it.
    pub(crate) fn keep(&self) {
        for entry in fs::read_dir(&self.journal).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "journal")
                && let Err(error) = fs::hard_link(&path, self.folder.join(path.file_name().unwrap()))
            {
                // It is there by now, or was dropped at this moment, and there before.
                assert!(matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound), "{error}");
            }
        }
    }

    /// Whether the journal, which nobody writes any more, has dropped records, and nothing with them: what it carries over at its beginning,
    /// and with the segment that a start would replay, is what follows from all records that there ever were.
    pub(crate) fn covers_what_was_dropped(&self) {
        self.keep();
        verify(&self.journal);
        let (mut whole, mut kept) = (History::open(&self.folder).unwrap(), History::open(&self.journal).unwrap());
        let first = kept.first_record();
        assert!(first > 1, "no segment was dropped: the test is too short, or `maxBytes` too large");
        let mut open = OpenPlans::default();
        for _ in 1..first {
            open.apply(&whole.next_record().unwrap().unwrap().record);
        }
        let carried: Vec<&PlanId> = kept.plans_before().iter().map(|plan| &plan.id).collect();
        assert_eq!(carried, open.iter().map(|one| &one.made.id).collect::<Vec<_>>(), "plans before record {first}");
        while let Some(one) = whole.next_record().unwrap() {
            assert_eq!(kept.next_record().unwrap().as_ref(), Some(&one), "it differs from what was written");
            open.apply(&one.record);
        }
        assert!(kept.next_record().unwrap().is_none(), "the archive misses the end");
        let (_, recovered) = Journal::open(&self.journal, Options::default(), |_| ()).unwrap();
        assert_eq!(recovered.open, open, "the next start would go on with other plans");
    }
}

fn verify(journal: &Path) {
    let (status, told) = printed(&homeostat(&["audit", "--verify", journal.to_str().unwrap()]));
    assert_eq!(status, 0, "the journal does not verify: {told}");
}

impl Chronicle {
    /// Reads `journal`, which nobody writes any more, from its first record on; of one that drops segments that is its archive.
    pub(crate) fn read(journal: &Path) -> Self {
        verify(journal);
        let mut history = History::open(journal).unwrap();
        assert_eq!(history.first_record(), 1, "what was dropped is in the archive: the test has to see everything");
        let mut chronicle = Self { stories: BTreeMap::new(), records: 0, wrongs: Vec::new() };
        while let Some(kept) = history.next_record().unwrap() {
            chronicle.records += 1;
            chronicle.take(kept.record.at, kept.record.entry);
        }
        chronicle.finish();
        chronicle
    }

    fn take(&mut self, at: Timestamp, entry: Entry) {
        match entry {
            Entry::PlanMade(plan) => {
                let (id, story) = (plan.id, Story { plan, deeds: Vec::new(), results: Vec::new() });
                if self.stories.insert(id, story).is_some() {
                    self.wrongs.push(format!("{id} was made twice"));
                }
            }
            Entry::StepDispatched { plan, step, key } => {
                let twice = self.stories.values().flat_map(|story| &story.deeds).any(|deed| deed.key == key);
                let story = self.stories.get_mut(&plan).unwrap();
                if twice || !story.results.is_empty() {
                    self.wrongs.push(format!("{key} was begun twice, or after the end of its plan"));
                }
                story.deeds.push(Deed { key, step, dispatched: at, ended: None });
            }
            Entry::StepFinished { plan, step, result } => {
                let story = self.stories.get_mut(&plan).unwrap();
                let open = story.deeds.iter_mut().find(|deed| deed.step == step && deed.ended.is_none());
                match (open, result) {
                    (Some(deed), result) => deed.ended = Some((at, result)),
                    // Nothing was begun.
                    (None, StepResult::Refused { .. }) => {}
                    (None, result) => self.wrongs.push(format!("{plan}/{step} ended without begin: {result:?}")),
                }
            }
            Entry::PlanFinished { plan, result } => self.stories.get_mut(&plan).unwrap().results.push(result),
            _ => {}
        }
    }

    fn finish(&mut self) {
        for (id, story) in &self.stories {
            if story.results.len() != 1 {
                self.wrongs.push(format!("{id} has {} ends: {story:?}", story.results.len()));
            }
            for deed in story.deeds.iter().filter(|deed| deed.ended.is_none()) {
                self.wrongs.push(format!("nobody knows what became of {}", deed.key));
            }
        }
    }

    /// All tries of all steps, with what each was to do.
    pub(crate) fn deeds(&self) -> impl Iterator<Item = (&Plan, &Deed, Action)> {
        self.stories.values().flat_map(|story| {
            story.deeds.iter().map(|deed| {
                let step = story.plan.step(deed.step).unwrap();
                let undo = deed.key.attempt().undo;
                let action = if undo { step.compensation.as_deref().unwrap().clone() } else { step.action.clone() };
                (story.plan.as_ref(), deed, action)
            })
        })
    }

    /// How many plans ended like that: succeeded, unverified, failed, cancelled.
    pub(crate) fn results(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for result in self.stories.values().flat_map(|story| &story.results) {
            let number = match result {
                PlanResult::Succeeded => 0,
                PlanResult::Unverified { .. } => 1,
                PlanResult::Failed { .. } => 2,
                PlanResult::Cancelled { .. } | PlanResult::Expired { .. } => 3,
            };
            counts[number] += 1;
        }
        counts
    }
}
