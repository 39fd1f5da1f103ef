//! Recalls the past: the records since it was noted, one after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_guard::{Shock, approval::hash_of};
use homeostat_model::{
    BreakerState, Counting, Duration, Entry, FindingRef, Generation, Hold, Impact, Mode, Plan, PlanId, PlanResult,
    PolicyName, Record, StepResult, Timestamp,
};
use homeostat_policy::Policy;

use crate::{
    Engine, Output, Past,
    approval::TIME,
    asked::Asked,
    case::{Climbed, Settled},
    ending::Ending,
    engine::Alarm,
    ladder::{in_vain, pause_after, recurs_within},
    past::Ladder,
    quarantine::Quarantined,
};

/// How long after a start a resource may appear, and what had counted for it goes on: adapters and sources that take longer to come
/// back bring something new.
const APPEARS_WITHIN: Duration = Duration::from_mins(60);

/// What is known of the past, by what it is asked for.
struct Memory {
    at: Timestamp,
    generation: Generation,
    ladders: BTreeMap<FindingRef, Ladder>,
    /// What is open; also what was when an engine ended, as long as it is not known whether it still is.
    open: BTreeSet<FindingRef>,
    texts: BTreeMap<PolicyName, String>,
    quarantined: BTreeMap<PolicyName, String>,
    /// Those that wait or are in flight.
    plans: BTreeMap<PlanId, Arc<Plan>>,
    /// The findings besides their own for which they are.
    joined: BTreeMap<PlanId, BTreeSet<FindingRef>>,
    /// Those of them of which something began.
    begun: BTreeSet<PlanId>,
    /// Plans of which nobody knows what became of a step.
    doubtful: BTreeSet<PlanId>,
    counting: BTreeMap<FindingRef, Counting>,
    /// What each breaker is, as was said last.
    breakers: BTreeMap<String, BreakerState>,
    /// The modes that policies were promoted to or fell back to, as was said last.
    modes: BTreeMap<PolicyName, Mode>,
    /// The plans that the time limit has let through: nobody has agreed with them.
    by_time: BTreeSet<PlanId>,
}

impl Memory {
    /// The ladder of a finding that is open.
    fn ladder(&mut self, finding: &FindingRef) -> Option<&mut Ladder> {
        self.ladders.get_mut(finding).filter(|ladder| ladder.until.is_none())
    }

    fn in_flight(&self, finding: &FindingRef) -> bool {
        let joined = |plan: &Arc<Plan>| self.joined.get(&plan.id).is_some_and(|joined| joined.contains(finding));
        self.plans.values().any(|plan| plan.finding() == *finding || joined(plan))
    }
}

impl Engine {
    /// Takes over what an earlier engine knew. `since` are the records that it made after it knew `past`.
    pub(crate) fn recall(&mut self, past: Past, since: &[Record], out: &mut Vec<Output>) {
        let Past {
            at,
            generation,
            guard,
            paused,
            ladders,
            reopening,
            texts,
            quarantined,
            recommended,
            waiting,
            by_time,
            begun,
            joined,
            counting,
            left_alone,
            told,
            asked,
        } = past;
        let mut memory = Memory {
            at,
            generation,
            open: ladders
                .iter()
                .filter(|(_, ladder)| ladder.until.is_none())
                .map(|(finding, _)| finding.clone())
                .chain(reopening)
                .collect(),
            ladders: ladders.into_iter().collect(),
            texts,
            quarantined,
            joined: joined.into_iter().collect(),
            begun: begun.iter().map(|plan| plan.id).collect(),
            plans: waiting.into_iter().chain(begun).map(|plan| (plan.id, plan)).collect(),
            doubtful: BTreeSet::new(),
            counting: counting.into_iter().map(|one| (one.finding.clone(), one)).collect(),
            breakers: guard.tripped().map(|(guard, state)| (guard.to_owned(), state)).collect(),
            modes: BTreeMap::new(),
            by_time,
        };
        self.guard = guard.lasting();
        memory.modes = self.decider.policies().map(|policy| (policy.name.clone(), self.mode_of(policy))).collect();
        self.paused = paused;
        self.quarantined = left_alone.into_iter().collect();
        self.recommended = recommended.into_iter().collect();
        self.told = told.into_iter().collect();
        self.asked = asked.into_iter().collect();
        for record in since {
            self.recall_one(&mut memory, record);
            memory.at = memory.at.max(record.at);
        }
        self.guard = self.guard.lasting();
        self.forget_outdated();
        self.go_on_from(memory, out);
    }

    fn recall_one(&mut self, memory: &mut Memory, record: &Record) {
        let at = record.at;
        match &record.entry {
            Entry::PoliciesLoaded { generation, policies, texts } => {
                if *generation != memory.generation {
                    self.recall_restart(memory, at);
                    self.await_told(at);
                    memory.generation = *generation;
                }
                let texts: BTreeMap<_, _> = policies.iter().cloned().zip(texts.iter().cloned()).collect();
                // Another text has come nowhere yet, and nothing is said about that.
                memory.modes.retain(|policy, _| memory.texts.get(policy) == texts.get(policy));
                self.recommended.retain(|_, shown| texts.get(&shown.policy) == Some(&shown.text));
                memory.texts = texts;
            }
            Entry::FindingOpened { finding, .. } => self.recall_opened(memory, finding, at),
            Entry::FindingClosed { finding, .. } => self.recall_closed(memory, finding, at),
            Entry::HandedOver { finding, .. } => {
                if let Some(ladder) = memory.ladder(finding) {
                    ladder.settled = Some(Settled::HandedOver);
                }
            }
            Entry::Skipped { finding, next: Some(next), .. } => {
                let goes_on = memory.in_flight(finding);
                if let Some(ladder) = memory.ladder(finding) {
                    ladder.leave(usize::from(next.saturating_sub(1)), goes_on);
                }
            }
            Entry::Skipped { finding, reason, rung: Some(rung), unmet, next: None, .. } => {
                if let Some(ladder) = memory.ladder(finding) {
                    ladder.pass(usize::from(rung.saturating_sub(1)), reason, *unmet);
                }
            }
            Entry::Held { finding, hold: Hold::CalledOff } => {
                if let Some(ladder) = memory.ladder(finding) {
                    ladder.settled = Some(Settled::CalledOff);
                }
            }
            Entry::Delivered(delivery) => self.note_delivered(delivery),
            Entry::Notified(notification) if let Some(question) = &notification.asks => {
                self.asked.insert(question.plan, Asked::new(notification.as_ref().clone()));
            }
            Entry::Notified(notification) => {
                self.note_told(notification, memory.ladder(&notification.finding).is_some());
                if let Some(rung) = notification.rung {
                    self.recall_told(memory, &notification.finding, rung, at);
                }
            }
            Entry::PlanMade(plan) => self.recall_made(memory, plan, at),
            Entry::ResourceQuarantined { finding, lasts } => {
                let quarantined = Quarantined { since: at, by: finding.clone(), lasts: *lasts, closed: None };
                self.quarantined.insert(finding.resource.clone(), quarantined);
            }
            Entry::ResourceReleased { resource, .. } => {
                self.quarantined.remove(resource);
            }
            Entry::Paused { .. } => self.paused = true,
            Entry::Resumed { .. } => self.paused = false,
            Entry::Joined { finding, plan, rung } => {
                memory.joined.entry(*plan).or_default().insert(finding.clone());
                if let Some(ladder) = memory.ladder(finding) {
                    ladder.be_at(rung.map_or(ladder.rung, |rung| usize::from(rung.saturating_sub(1))));
                }
                if let Some(plan) = memory.plans.get(plan).filter(|plan| memory.begun.contains(&plan.id))
                    && let Some(ladder) = memory.ladders.get_mut(finding)
                {
                    ladder.begin(plan, at);
                }
            }
            Entry::PlanBegun { plan } | Entry::StepDispatched { plan, .. } => self.recall_begun(memory, *plan, at),
            Entry::StepFinished { plan, result, .. } => {
                // Its first step may have been refused rather than dispatched.
                self.recall_begun(memory, *plan, at);
                if matches!(result, StepResult::Unknown { .. }) {
                    memory.doubtful.insert(*plan);
                }
            }
            Entry::PlanFinished { plan, result } => self.recall_ended(memory, *plan, result, at),
            Entry::PolicyQuarantined { policy, reason } => {
                memory.quarantined.insert(policy.clone(), reason.clone());
            }
            Entry::Voted { plan, by, approve } => {
                self.note_vote(*plan, by, *approve, &mut Vec::new());
                if by == TIME {
                    memory.by_time.insert(*plan);
                } else {
                    self.recall_vote(memory, *plan, *approve);
                }
            }
            Entry::AutonomyChanged { policy, mode, .. } => {
                memory.modes.insert(policy.clone(), *mode);
                if let Some(policy) = self.same(memory, policy) {
                    let mut standing = self.guard.standing(&policy.name, &policy.text);
                    standing.mode = Some(*mode).filter(|mode| *mode != policy.mode);
                    self.guard.stand(&policy.name, &policy.text, standing);
                }
            }
            Entry::BreakerChanged { guard, state, .. } => {
                self.guard.set_breaker(guard, *state);
                memory.breakers.insert(guard.clone(), *state);
            }
            Entry::Counted { counting, ended } => {
                memory.counting.retain(|finding, _| !ended.contains(finding));
                memory.counting.extend(counting.iter().map(|one| (one.finding.clone(), one.clone())));
            }
            _ => {}
        }
    }

    fn recall_opened(&mut self, memory: &mut Memory, finding: &FindingRef, at: Timestamp) {
        memory.counting.remove(finding);
        self.told_of_open(finding);
        self.quarantine_recalls(finding, None);
        let going_on = memory.in_flight(finding);
        let ladder = memory.ladders.entry(finding.clone()).or_default();
        if ladder.until.is_some_and(|until| until <= at) && !going_on {
            *ladder = Ladder::default();
        }
        ladder.until = None;
        let new = memory.open.insert(finding.clone());
        if let Some(flap) = self.policy(&finding.policy).and_then(|policy| policy.limits.flap).filter(|_| new) {
            self.guard.opened(at, finding, &flap);
        }
    }

    /// The finding whose ladder has ended is open, or has closed.
    fn quarantine_recalls(&mut self, finding: &FindingRef, closed: Option<Timestamp>) {
        if let Some(found) = self.quarantined.get_mut(&finding.resource).filter(|one| one.by == *finding) {
            found.closed = closed;
        }
    }

    fn recall_closed(&mut self, memory: &mut Memory, finding: &FindingRef, at: Timestamp) {
        self.quarantine_recalls(finding, Some(at));
        self.told.remove(finding);
        memory.open.remove(finding);
        // It was open when an engine ended, and counted as having held since: it has to hold anew.
        memory.counting.remove(finding);
        let goes_on = memory.in_flight(finding);
        if !goes_on && memory.ladders.get(finding).is_some_and(|ladder| ladder.until.is_some_and(|until| until <= at)) {
            memory.ladders.remove(finding);
        }
        let policy = self.policy(&finding.policy);
        let Some(ladder) = memory.ladders.get_mut(finding) else { return };
        let counts = policy.filter(|policy| ladder.counts(policy));
        match counts.filter(|_| ladder.is_climbed()) {
            // Whatever it does is not continued when it opens again: see `close`.
            _ if goes_on => ladder.until = Some(at),
            Some(policy) => ladder.close(at, &policy),
            None => {
                memory.ladders.remove(finding);
            }
        }
    }

    fn recall_told(&mut self, memory: &mut Memory, finding: &FindingRef, rung: u16, at: Timestamp) {
        let policy = self.policy(&finding.policy);
        if let Some(ladder) = memory.ladder(finding) {
            ladder.go_to(usize::from(rung));
            // What stands after it may still wait for a guard.
            ladder.told = policy.as_ref().is_none_or(|policy| policy.then.len() <= usize::from(rung));
        }
        if let Some(policy) = policy {
            self.guard.rest(at, finding, pause_after(&policy, rung, &PlanResult::Succeeded, false).unwrap_or_default());
        }
    }

    fn recall_made(&mut self, memory: &mut Memory, plan: &Arc<Plan>, at: Timestamp) {
        let finding = plan.finding();
        let policy = self.policy(&plan.policy);
        if let Some(ladder) = memory.ladder(&finding) {
            ladder.be_at(usize::from(plan.rung.saturating_sub(1)));
            if plan.mode == Mode::Recommend {
                ladder.settled = Some(Settled::Mode);
            }
        }
        if plan.mode >= Mode::Approve {
            memory.plans.insert(plan.id, plan.clone());
            let others: BTreeSet<FindingRef> = plan.findings.iter().filter(|one| **one != finding).cloned().collect();
            if !others.is_empty() {
                memory.joined.insert(plan.id, others);
            }
            if plan.mode == Mode::Auto {
                self.recall_begun(memory, plan.id, at);
            }
        } else if let Some(policy) = policy {
            self.guard.rest(
                at,
                &finding,
                pause_after(&policy, plan.rung, &PlanResult::Succeeded, false).unwrap_or_default(),
            );
            if let Some(policy) = self.same(memory, &plan.policy) {
                self.recommend(plan, &policy);
            }
        }
    }

    fn recall_begun(&mut self, memory: &mut Memory, plan: PlanId, at: Timestamp) {
        self.asked.remove(&plan);
        let Some(plan) = memory.plans.get(&plan).filter(|plan| memory.begun.insert(plan.id)) else { return };
        self.guard.count(at, plan);
        let joined = memory.joined.get(&plan.id).into_iter().flatten();
        for finding in std::iter::once(&plan.finding()).chain(joined) {
            if let Some(ladder) = memory.ladders.get_mut(finding) {
                ladder.begin(plan, at);
            }
        }
        // A plan that waited and began was agreed with, unless only its time was over.
        if plan.mode == Mode::Approve
            && !memory.by_time.contains(&plan.id)
            && let Some(policy) = self.same(memory, &plan.policy)
        {
            self.recall_judged(&policy, true);
        }
    }

    fn recall_ended(&mut self, memory: &mut Memory, plan: PlanId, result: &PlanResult, at: Timestamp) {
        self.asked.remove(&plan);
        let Some(plan) = memory.plans.remove(&plan) else { return };
        memory.begun.remove(&plan.id);
        let doubt = memory.doubtful.remove(&plan.id);
        let ending = Ending::of(result, doubt);
        let failed = matches!(ending, Ending::Failed | Ending::Unknown);
        let same = self.same(memory, &plan.policy);
        if failed && let Some(policy) = same.filter(|policy| policy.limits.promotion.is_some()) {
            let mut standing = self.guard.standing(&policy.name, &policy.text);
            standing.failed();
            self.guard.stand(&policy.name, &policy.text, standing);
        }
        self.recall_shock(&plan, ending.shock(plan.id), at);
        let joined = memory.joined.remove(&plan.id).unwrap_or_default();
        for finding in std::iter::once(plan.finding()).chain(joined) {
            self.recall_tried(memory, &finding, result, doubt, at);
        }
    }

    /// The plan of a finding has ended.
    fn recall_tried(
        &mut self,
        memory: &mut Memory,
        finding: &FindingRef,
        result: &PlanResult,
        doubt: bool,
        at: Timestamp,
    ) {
        let Some(policy) = self.policy(&finding.policy) else { return };
        let Some(ladder) = memory.ladders.get_mut(finding) else { return };
        let rung = u16::try_from(ladder.rung.saturating_add(1)).unwrap_or(u16::MAX);
        let out_of_time = ladder.next.take().filter(|_| !doubt);
        if !doubt && let Some(pause) = pause_after(&policy, rung, result, out_of_time.is_some()) {
            self.guard.rest(at, finding, pause);
        }
        if !doubt {
            ladder.in_vain = in_vain(result, ladder.in_vain);
        }
        let counts = !doubt && out_of_time.is_none() && !matches!(result, PlanResult::Cancelled { .. });
        if counts {
            ladder.attempts = ladder.attempts.saturating_add(1);
            if policy.then.get(ladder.rung).is_none_or(|rung| ladder.attempts >= rung.attempts) {
                ladder.go_to(ladder.rung + 1);
            }
        }
        if let Some(next) = out_of_time {
            ladder.go_to(next);
        }
        if ladder.until.is_none() {
            return;
        }
        // It has closed meanwhile: see `plan_ended`.
        if ladder.counts(&policy) && ladder.is_climbed() {
            ladder.close(at, &policy);
        } else {
            memory.ladders.remove(finding);
        }
    }

    /// Breakers feel it as they did then. That one is something else by that is a record of its own, if that was not lost.
    fn recall_shock(&mut self, plan: &Plan, shock: Shock, at: Timestamp) {
        let guards: Vec<_> =
            self.guards_of(plan).filter_map(|guard| Some((guard.name.clone(), guard.breaker?))).collect();
        if plan.reach.impact != Impact::Restoring {
            for (guard, fuse) in guards {
                self.guard.feel(at, guard.as_str(), shock, &fuse);
            }
        }
    }

    fn recall_vote(&mut self, memory: &Memory, plan: PlanId, approve: bool) {
        let recommended = self.recommended.remove(&plan).map(|shown| shown.policy);
        let waiting = memory.plans.get(&plan).filter(|_| !approve).map(|plan| plan.policy.clone());
        if let Some(policy) = recommended.or(waiting).and_then(|policy| self.same(memory, &policy)) {
            self.recall_judged(&policy, approve);
        }
    }

    fn recall_judged(&mut self, policy: &Policy, agree: bool) {
        if let Some(rule) = policy.limits.promotion {
            let mut standing = self.guard.standing(&policy.name, &policy.text);
            standing.judged(agree, &rule);
            self.guard.stand(&policy.name, &policy.text, standing);
        }
    }

    /// The policy of that name, if it is written now as it was then.
    fn same(&self, memory: &Memory, name: &PolicyName) -> Option<Arc<Policy>> {
        let then = memory.texts.get(name)?;
        self.policy(name).filter(|policy| hash_of(&policy.text) == *then)
    }

    /// An engine ended, and the next one began at `at`. The time in between counts neither for nor against what is counted. What was open
    /// may open again at once, and its ladder goes on where it was, as that of what closed just now.
    fn recall_restart(&self, memory: &mut Memory, at: Timestamp) {
        for counting in memory.counting.values_mut() {
            (counting.before, counting.since) = (counting.held(memory.at), None);
        }
        let lasts = |finding: &FindingRef| self.policy(&finding.policy).is_some_and(|policy| !policy.answers_events());
        memory.open.retain(lasts);
        let in_flight: BTreeSet<FindingRef> =
            memory.ladders.keys().filter(|finding| memory.in_flight(finding)).cloned().collect();
        let Memory { ladders, counting, .. } = memory;
        ladders.retain(|finding, ladder| {
            let Some(policy) = self.policy(&finding.policy) else { return false };
            let goes_on = in_flight.contains(finding);
            if let Some(until) = &mut ladder.until {
                if goes_on {
                    *until = (*until).max(at + recurs_within(&policy));
                }
                return true;
            }
            if !policy.answers_events() {
                let held = Counting { finding: finding.clone(), before: policy.hold_for, since: None };
                counting.insert(finding.clone(), held);
            }
            ladder.until = Some(at + recurs_within(&policy));
            goes_on || ladder.is_climbed() || ladder.settled.is_some() || !ladder.passed.is_empty()
        });
    }

    /// Goes on with what is known: what was open may open again at once, and its ladder goes on where it was.
    fn go_on_from(&mut self, mut memory: Memory, out: &mut Vec<Output>) {
        let now = self.now;
        let edited = |finding: &&FindingRef| self.same(&memory, &finding.policy).is_none();
        for finding in memory.open.iter().filter(edited).cloned().collect::<Vec<_>>() {
            let reason = "the policy was changed or removed while homeostat did not run".to_owned();
            self.record(out, Entry::FindingClosed { finding: finding.clone(), reason });
            self.recall_closed(&mut memory, &finding, now);
        }
        self.recall_restart(&mut memory, now);
        self.await_told(now);
        let held = memory.counting.iter().map(|(finding, counting)| (finding.clone(), counting.before)).collect();
        let mut changes = Vec::new();
        for (policy, reason) in &memory.quarantined {
            if self.same(&memory, policy).is_some() {
                self.decider.quarantine_policy(policy, reason.clone(), &mut changes);
            }
        }
        for (finding, ladder) in std::mem::take(&mut memory.ladders) {
            let Some(policy) = self.same(&memory, &finding.policy) else { continue };
            let Ladder { rung, attempts, disrupted, in_vain, known, told, settled, passed, began, next, until } =
                ladder;
            // What a person knows of since before settles by that when it is looked at again, of which there is no record.
            let (told, settled) = (known, settled.or((told && !known).then_some(Settled::Told)));
            if let Some(until) = until.filter(|until| *until > now) {
                let climbed =
                    Climbed { policy, rung, attempts, disrupted, in_vain, told, settled, passed, began, next, until };
                self.climbed.insert(finding, climbed);
            }
        }
        // Whether what was open has closed is known when its condition is: a gap ends no quarantine.
        let closed = self.quarantined.iter_mut().filter(|(_, quarantined)| !memory.open.contains(&quarantined.by));
        for (resource, quarantined) in closed {
            let closed = *quarantined.closed.get_or_insert(now);
            self.alarms.insert((closed + quarantined.lasts, Alarm::Release(resource.clone())));
        }
        if !memory.open.is_empty() {
            self.alarms.insert((now + APPEARS_WITHIN, Alarm::Unseen));
        }
        self.decider.resume(held, std::mem::take(&mut memory.open), now + APPEARS_WITHIN);
        self.say_what_was_lost(&memory, out);
        self.go_on_telling(out);
        self.follow(changes, out);
    }

    /// What follows from the records, though its own record was lost as homeostat ended, is recorded now.
    fn say_what_was_lost(&mut self, memory: &Memory, out: &mut Vec<Output>) {
        let reason = || "it became that as homeostat ended, and its record was lost".to_owned();
        let felt: BTreeMap<String, BreakerState> =
            self.guard.tripped().map(|(guard, state)| (guard.to_owned(), state)).collect();
        for guard in felt.keys().chain(memory.breakers.keys()).cloned().collect::<BTreeSet<_>>() {
            let state = |all: &BTreeMap<String, BreakerState>| all.get(&guard).copied().unwrap_or(BreakerState::Closed);
            let (felt, said) = (state(&felt), state(&memory.breakers));
            if let (BreakerState::Open { until }, Ok(name)) = (felt, PolicyName::new(&guard)) {
                self.alarms.insert((until, Alarm::Breaker(name)));
            }
            if felt != said {
                self.record(out, Entry::BreakerChanged { guard, state: felt, reason: reason() });
            }
        }
        let promotable = self.decider.policies().filter(|policy| policy.limits.promotion.is_some());
        for policy in promotable.filter(|policy| self.same(memory, &policy.name).is_some()) {
            let (mode, said) = (self.mode_of(policy), memory.modes.get(&policy.name).copied().unwrap_or(policy.mode));
            if mode != said {
                let entry = Entry::AutonomyChanged { policy: policy.name.clone(), mode, reason: reason() };
                self.record(out, entry);
            }
        }
    }
}
