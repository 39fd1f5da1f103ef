//! What outlasts the program, besides the plans in flight: what guards remember, how far ladders were climbed, what people said, and
//! what counts towards its `for`.
//!
//! ```text
//!   Past, as it was when the journal's segment began --.
//!                                                       >-- recall --> an engine that goes on as the one before would have
//!   the records since then, in order                 --'
//! ```
//!
//! All of it follows from the records, so that nothing is lost that was recorded. Only what counts towards its `for` changes too often
//! for a record of each change: the driver asks for it now and then ([`Engine::counted`]) and keeps that as a record.
//!
//! Invariant: what was known at any moment, and the records since, give what was known at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_guard::Guard;
use homeostat_model::{
    Counting, Entry, FindingRef, Generation, Impact, Plan, PlanId, PolicyName, Record, ResourceId, Timestamp,
};
use homeostat_policy::Policy;
use serde::{Deserialize, Serialize};

use crate::{
    Engine,
    approval::Shown,
    asked::Asked,
    case::{Began, Climbed, Settled, passes},
    ladder::recurs_within,
    quarantine::Quarantined,
    told::Told,
};

/// Most that is said in one record of what counts: a hundred kilobytes, far below what a journal takes.
const IN_A_RECORD: usize = 1_000;

/// What an engine knows that outlasts it. Made by [`Engine::past`], given to the next engine with [`crate::Input::Recalled`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// When it was so.
    pub(crate) at: Timestamp,
    /// Whose past it is.
    pub(crate) generation: Generation,
    pub(crate) guard: Guard,
    /// Whether a person has paused it.
    #[serde(default)]
    pub(crate) paused: bool,
    /// How far ladders are climbed.
    pub(crate) ladders: Vec<(FindingRef, Ladder)>,
    /// What was open when homeostat ended before, and of which it was not known yet whether it still was.
    #[serde(default)]
    pub(crate) reopening: BTreeSet<FindingRef>,
    /// The hashes of the texts of the policies in force.
    pub(crate) texts: BTreeMap<PolicyName, String>,
    /// The policies whose scripts are run no more, and why.
    pub(crate) quarantined: BTreeMap<PolicyName, String>,
    /// Plans that people can still agree with.
    pub(crate) recommended: Vec<(PlanId, Shown)>,
    /// Plans that wait for people.
    pub(crate) waiting: Vec<Arc<Plan>>,
    /// Those of them that only the time limit has let through, and a guard still holds back.
    #[serde(default)]
    pub(crate) by_time: BTreeSet<PlanId>,
    /// Plans in flight.
    pub(crate) begun: Vec<Arc<Plan>>,
    /// The findings besides their own for which those plans are.
    pub(crate) joined: Vec<(PlanId, BTreeSet<FindingRef>)>,
    pub(crate) counting: Vec<Counting>,
    /// Resources that are left alone.
    #[serde(default)]
    pub(crate) left_alone: Vec<(ResourceId, Quarantined)>,
    /// What people were told of and is not over.
    #[serde(default)]
    pub(crate) told: Vec<(FindingRef, Told)>,
    /// What people were asked about plans that wait for them.
    #[serde(default)]
    pub(crate) asked: Vec<(PlanId, Asked)>,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            at: Timestamp::MIN,
            generation: Generation(0),
            guard: Guard::default(),
            paused: false,
            ladders: Vec::new(),
            reopening: BTreeSet::new(),
            texts: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            recommended: Vec::new(),
            waiting: Vec::new(),
            by_time: BTreeSet::new(),
            begun: Vec::new(),
            joined: Vec::new(),
            counting: Vec::new(),
            left_alone: Vec::new(),
            told: Vec::new(),
            asked: Vec::new(),
        }
    }
}

/// How far the ladder of a finding is climbed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ladder {
    pub(crate) rung: usize,
    pub(crate) attempts: u16,
    /// A plan of it has interrupted something.
    #[serde(default)]
    pub(crate) disrupted: bool,
    /// Its last plan has not brought about what it was for.
    #[serde(default)]
    pub(crate) in_vain: bool,
    /// A person knows of it since an earlier time that it was open.
    #[serde(default)]
    pub(crate) known: bool,
    /// The last rung that was tried told people.
    #[serde(default)]
    pub(crate) told: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) settled: Option<Settled>,
    /// The rungs that were passed over since it opened, and why: that is said once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) passed: Vec<(usize, String)>,
    /// Since when the time of its rung runs, and that of all of it.
    #[serde(flatten)]
    pub(crate) began: Began,
    /// The rung at which it goes on when the plan in flight has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<usize>,
    /// Until when it counts, of a finding that has closed; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

impl Ladder {
    /// Whether it goes on where it was when its finding, which has closed, opens again before long.
    pub(crate) fn counts(&self, policy: &Policy) -> bool {
        self.in_vain
            || policy.answers_events()
            || self.disrupted
            || self.known
            || self.settled == Some(Settled::HandedOver)
    }

    /// Whether anything of it was tried.
    pub(crate) fn is_climbed(&self) -> bool {
        self.rung > 0 || self.attempts > 0
    }

    /// Goes on at this rung, from its beginning.
    pub(crate) fn go_to(&mut self, rung: usize) {
        (self.rung, self.attempts, self.began.rung) = (rung, 0, None);
    }

    /// A rung was passed over: the ladder goes on after it, unless all that stands before was not meant either ([`Case::place`]).
    pub(crate) fn pass(&mut self, rung: usize, reason: &str, unmet: bool) {
        passes(&mut self.passed, rung, reason);
        if (!unmet || self.is_climbed()) && self.rung <= rung {
            self.go_to(rung + 1);
        }
    }

    /// A plan was made for it at this rung.
    pub(crate) fn be_at(&mut self, rung: usize) {
        if self.rung != rung {
            self.go_to(rung);
        }
        self.told = false;
    }

    /// A plan of it begins.
    pub(crate) fn begin(&mut self, plan: &Plan, at: Timestamp) {
        self.disrupted |= plan.reach.impact >= Impact::Restart;
        self.began.rung.get_or_insert(at);
        self.began.ladder.get_or_insert(at);
    }

    /// The time of its rung is over: it goes on at this one, when the plan in flight has ended.
    pub(crate) fn leave(&mut self, next: usize, in_flight: bool) {
        if in_flight {
            self.next = Some(next);
        } else {
            self.go_to(next);
        }
    }

    /// Its finding has closed, or may have: it goes on when that opens again before long.
    pub(crate) fn close(&mut self, at: Timestamp, policy: &Policy) {
        self.known |= std::mem::take(&mut self.told) || self.settled == Some(Settled::HandedOver);
        self.settled = None;
        self.passed.clear();
        self.until = Some(at + recurs_within(policy));
    }
}

impl Past {
    /// Whether a record says something that outlasts the program: the others need not be given with [`crate::Input::Recalled`].
    #[must_use]
    pub fn concerns(entry: &Entry) -> bool {
        // Those of older versions do not say which rung they are about.
        let unplaced = matches!(entry, Entry::Skipped { rung: None, next: None, .. });
        !unplaced && !matches!(entry, Entry::Verifying { .. } | Entry::InputRefused { .. })
    }
}

impl Engine {
    /// What is known now that outlasts this engine.
    #[must_use]
    pub fn past(&self) -> Past {
        // One that has closed is there as long as its plan is in flight.
        let cases = self.cases.iter().map(|(finding, case)| {
            let ladder = Ladder {
                rung: case.place(),
                attempts: case.attempts,
                disrupted: case.disrupted,
                in_vain: case.in_vain,
                known: case.known_to_people,
                told: case.settled == Some(Settled::Told),
                settled: case.settled.clone().filter(|settled| *settled != Settled::Told),
                passed: case.passed.clone(),
                began: case.began,
                next: case.out_of_time,
                until: case.closed.then_some(self.now),
            };
            (finding.clone(), ladder)
        });
        let climbed = self.climbed.iter().filter(|(_, climbed)| climbed.until > self.now).map(|(finding, climbed)| {
            let Climbed {
                rung, attempts, disrupted, in_vain, told: known, settled, passed, began, next, until, ..
            } = climbed.clone();
            let until = Some(until);
            let (told, settled) = (settled == Some(Settled::Told), settled.filter(|settled| *settled != Settled::Told));
            (
                finding.clone(),
                Ladder { rung, attempts, disrupted, in_vain, known, told, settled, passed, began, next, until },
            )
        });
        Past {
            at: self.now,
            generation: self.generation,
            guard: self.guard.lasting(),
            paused: self.paused,
            ladders: cases.chain(climbed).collect(),
            reopening: self.decider.reopening().cloned().collect(),
            texts: self.texts(),
            quarantined: self
                .decider
                .quarantined()
                .map(|(policy, why)| (policy.name.clone(), why.to_owned()))
                .collect(),
            recommended: self.recommended.iter().map(|(id, of)| (*id, of.clone())).collect(),
            waiting: self.proposals.values().cloned().collect(),
            by_time: self
                .agreed
                .iter()
                .filter(|(id, by)| by.by_time() && self.is_agreed(**id))
                .map(|(id, _)| *id)
                .collect(),
            begun: self.runs.values().map(|run| run.shared()).collect(),
            joined: self.joined.iter().map(|(id, joined)| (*id, joined.clone())).collect(),
            counting: self.decider.counting(),
            left_alone: self.quarantined.iter().map(|(id, of)| (id.clone(), of.clone())).collect(),
            told: self.told.iter().map(|(finding, told)| (finding.clone(), told.clone())).collect(),
            asked: self.asked.iter().map(|(id, asked)| (*id, asked.clone())).collect(),
        }
    }

    /// What counts towards its `for`, as far as that has changed since this was last asked: to be kept like any record. While something
    /// counts it says so each time, since the last record is when it is known to have counted.
    pub fn counted(&mut self) -> Vec<Record> {
        let (counting, ended) = self.decider.counted();
        let mut records: Vec<Record> = Vec::new();
        let mut keep = |counting: &[Counting], ended: &[FindingRef]| {
            let entry = Entry::Counted { counting: counting.to_vec(), ended: ended.to_vec() };
            records.push(Record { at: self.now, entry });
        };
        counting.chunks(IN_A_RECORD).for_each(|some| keep(some, &[]));
        ended.chunks(IN_A_RECORD).for_each(|some| keep(&[], some));
        if counting.is_empty() && ended.is_empty() && self.decider.counts_any() {
            keep(&[], &[]);
        }
        records
    }
}
