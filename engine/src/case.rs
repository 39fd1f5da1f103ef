//! A case: an open finding and what has been done about it.

mod cases;

use std::sync::Arc;

use homeostat_guard::arbitration::Wish;
use homeostat_model::{PlanId, Timestamp};
use homeostat_policy::Policy;
use serde::{Deserialize, Serialize};

pub(crate) use cases::Cases;

/// What is being done about an open finding.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) policy: Arc<Policy>,
    /// Index into the policy's ladder.
    pub(crate) rung: usize,
    /// Attempts already made at this rung.
    pub(crate) attempts: u16,
    /// The plan that waits for approval or is in flight.
    pub(crate) plan: Option<PlanId>,
    /// What its plans have brought about since it opened: for each resource and verb the last. No other policy takes it back meanwhile.
    pub(crate) pursued: Vec<Wish>,
    /// Nothing more is done by itself until the finding closes.
    pub(crate) settled: Option<Settled>,
    /// Not to be tried again before this moment.
    pub(crate) rests_until: Option<Timestamp>,
    /// The rungs that were passed over, and why, as they were last recorded.
    pub(crate) passed: Vec<(usize, String)>,
    /// How many rungs, from the first on, were passed over since their `if` was not met, while nothing else was done: as long as it is at the
    /// next one, nothing was tried.
    pub(crate) unmeant: usize,
    /// Since when it is not known what to do.
    pub(crate) undecided_since: Option<Timestamp>,
    /// When it is looked at again by itself; one alarm at a time.
    pub(crate) alarm: Option<Timestamp>,
    pub(crate) began: Began,
    /// The time of its rung is over, and this one follows when its plan has ended: what was called off for that is no person's word.
    pub(crate) out_of_time: Option<usize>,
    /// A plan of the ladder has interrupted something.
    pub(crate) disrupted: bool,
    /// Its last plan has not brought about what it was for.
    pub(crate) in_vain: bool,
    /// A person was told of it not long ago, at the end of the ladder.
    pub(crate) known_to_people: bool,
    /// All were told whom a hand-over tells, as urgently, and nothing was done since.
    pub(crate) told_last: bool,
    /// Something was done about it since it opened, or people were told: what follows is part of the same answer.
    pub(crate) answering: bool,
    /// The finding has closed while a plan was in flight.
    pub(crate) closed: bool,
}

/// When a plan of its rung first began, and one of its ladder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Began {
    #[serde(default, rename = "rungBegan", skip_serializing_if = "Option::is_none")]
    pub(crate) rung: Option<Timestamp>,
    #[serde(default, rename = "ladderBegan", skip_serializing_if = "Option::is_none")]
    pub(crate) ladder: Option<Timestamp>,
}

/// Why a case rests for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Settled {
    /// Every rung was tried; a person has to go on.
    HandedOver,
    /// People were told, and that was the last rung.
    Told,
    /// The policy may not act by itself.
    Mode,
    /// An operator called the plan off.
    CalledOff,
}

/// How far a policy has climbed for a resource. What comes again soon after shows that what was done did not help, so that the ladder
/// goes on where it was: always of an event; of a condition when its last plan was in vain, something was interrupted, or a person has taken
/// over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Climbed {
    /// As it was then: the ladder of another one begins anew.
    pub(crate) policy: Arc<Policy>,
    pub(crate) rung: usize,
    pub(crate) attempts: u16,
    /// Something was interrupted.
    pub(crate) disrupted: bool,
    /// The last plan has not brought about what it was for.
    pub(crate) in_vain: bool,
    /// A person knows of it.
    pub(crate) told: bool,
    /// Nothing more is to be done, of a finding that was open when homeostat last ended.
    pub(crate) settled: Option<Settled>,
    /// The rungs that were passed over, and why, of a finding that was open when homeostat last ended.
    pub(crate) passed: Vec<(usize, String)>,
    /// Since when its times run: they go on too.
    pub(crate) began: Began,
    /// The rung at which it goes on when the plan in flight has ended.
    pub(crate) next: Option<usize>,
    pub(crate) until: Timestamp,
}

impl Case {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            rung: 0,
            attempts: 0,
            plan: None,
            pursued: Vec::new(),
            settled: None,
            rests_until: None,
            passed: Vec::new(),
            unmeant: 0,
            undecided_since: None,
            alarm: None,
            began: Began::default(),
            out_of_time: None,
            disrupted: false,
            in_vain: false,
            known_to_people: false,
            told_last: false,
            answering: false,
            closed: false,
        }
    }

    /// Takes over a changed policy, whose ladder begins anew; gives whether it has changed.
    fn adopt(&mut self, policy: &Arc<Policy>) -> bool {
        let changed = self.policy != *policy;
        if changed {
            self.policy = policy.clone();
            self.rung = 0;
            self.attempts = 0;
            self.settled = None;
            self.pursued.clear();
            self.passed.clear();
            self.unmeant = 0;
            self.undecided_since = None;
            self.in_vain = false;
            self.began = Began::default();
            self.out_of_time = self.out_of_time.map(|_| 0);
        }
        changed
    }

    /// Goes on where the ladder was.
    pub(crate) fn go_on_from(&mut self, climbed: Climbed) {
        if self.policy == climbed.policy {
            (self.rung, self.attempts) = (climbed.rung, climbed.attempts);
            (self.disrupted, self.in_vain) = (climbed.disrupted, climbed.in_vain);
            self.known_to_people = climbed.told;
            (self.settled, self.passed) = (climbed.settled, climbed.passed);
            (self.began, self.out_of_time) = (climbed.began, climbed.next);
        }
    }

    /// It is at this rung, as it may have been.
    pub(crate) fn be_at(&mut self, rung: usize) {
        if self.rung != rung {
            self.go_to(rung);
        }
    }

    /// Goes on at this rung, from its beginning.
    pub(crate) fn go_to(&mut self, rung: usize) {
        (self.rung, self.attempts, self.began.rung) = (rung, 0, None);
    }

    /// A plan of it brings this about.
    pub(crate) fn pursue(&mut self, wishes: Vec<Wish>) {
        let replaced = |old: &Wish| {
            wishes.iter().any(|new| new.resource == old.resource && new.action.verb() == old.action.verb())
        };
        self.pursued.retain(|old| !replaced(old));
        self.pursued.extend(wishes);
        self.pursued.shrink_to_fit();
    }

    /// One attempt is over; gives whether the next one is at a new rung.
    pub(crate) fn attempted(&mut self) -> bool {
        self.attempts += 1;
        self.undecided_since = None;
        let exhausted = self.policy.then.get(self.rung).is_none_or(|rung| self.attempts >= rung.attempts);
        if exhausted {
            self.next_rung();
        }
        exhausted
    }

    /// Its rung is passed over; `unmet`: since its `if` is not met.
    pub(crate) fn pass(&mut self, unmet: bool) {
        if unmet && self.is_untried() {
            self.unmeant += 1;
        }
        self.next_rung();
    }

    /// Whether nothing of the ladder was done, and nothing found to be impossible.
    pub(crate) fn is_untried(&self) -> bool {
        self.rung == self.unmeant && self.attempts == 0
    }

    /// The rung at which it goes on after a restart. Where nothing was tried it begins anew: what was not meant then may be meant now.
    pub(crate) fn place(&self) -> usize {
        if self.plan.is_none() && self.is_untried() { 0 } else { self.rung }
    }

    pub(crate) fn next_rung(&mut self) {
        self.go_to(self.rung + 1);
    }
}

/// Notes in `passed` why a rung was passed over; gives whether that is new.
pub(crate) fn passes(passed: &mut Vec<(usize, String)>, rung: usize, reason: &str) -> bool {
    if passed.iter().any(|(known, why)| *known == rung && why == reason) {
        return false;
    }
    passed.retain(|(known, _)| *known != rung);
    passed.push((rung, reason.to_owned()));
    true
}
