//! Takes inputs in, lets time pass, and hands changes on to the ladder.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use homeostat_decide::{Change, CompileError, Decider, SampleRefused, Stopwatch, earliest};
use homeostat_guard::{Guard, approval::hash_of};
use homeostat_model::{
    AdapterName, Capabilities, ChannelName, Duration, Entry, FindingRef, Generation, Hold, IdempotencyKey,
    InventoryChange, Notices, Observation, Plan, PlanId, PolicyName, Record, Resource, ResourceId, Sample, Severity,
    Timestamp, Topology,
};
use homeostat_plan::Lanes;
use homeostat_policy::{Policy, Safeguard};

use crate::{
    CommandRefused, Input, OperatorCommand, Output,
    approval::Shown,
    asked::Asked,
    case::{Cases, Climbed},
    flight::Flight,
    quarantine::Quarantined,
    recent::Recent,
    told::Told,
    waiting::Agreed,
};

/// What the engine itself waits for. Ordered, so that equal moments are handled in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// An open breaker of this guard may have been open for long enough. Before what it holds back is considered.
    Breaker(PolicyName),
    /// The time of this rung of a ladder is over, counted from this moment. Before anything more of it begins.
    RungOver(Box<FindingRef>, usize, Timestamp),
    /// The time of a whole ladder is over, counted from this moment.
    LadderOver(Box<FindingRef>, Timestamp),
    /// A finding that was held back is to be considered again.
    Reconsider(Box<FindingRef>),
    /// The time of a plan that waits for people is over.
    Ballot(PlanId),
    /// What was begun under this key, at this moment, should have been reported by now.
    Overdue(IdempotencyKey, Timestamp),
    /// What was asked about it should have been answered.
    Unheard(IdempotencyKey),
    /// A step that has failed may be tried again.
    TryAgain(PlanId),
    /// It is looked whether a plan has helped.
    Look(PlanId),
    /// A finding that people were told of, and that was open when homeostat last ended, may be over.
    Told(Box<FindingRef>),
    /// A resource may have been in quarantine for long enough.
    Release(ResourceId),
    /// Resources that only samples and events speak of may have fallen silent.
    Forget,
    /// What has not come back since homeostat was started anew does not.
    Unseen,
}

/// How long nothing is heard of a resource that no adapter owns until it is forgotten. Batch jobs that come every night are kept,
/// names that are used once (of containers, of pods) do not add up.
const FORGET_AFTER: Duration = Duration::from_secs(36 * 3600);
/// How often it is looked for such resources.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// The engine. See the head of the crate for what a driver has to do.
#[derive(Debug)]
pub struct Engine {
    pub(crate) generation: Generation,
    pub(crate) now: Timestamp,
    pub(crate) decider: Decider,
    pub(crate) guard: Guard,
    /// What holds for the plans of all policies, by name.
    pub(crate) safeguards: BTreeMap<PolicyName, Safeguard>,
    /// When the first thing was heard.
    pub(crate) started: Option<Timestamp>,
    /// The adapters that have listed what there is.
    pub(crate) listed: BTreeSet<AdapterName>,
    /// The least time of silence of hosts that holds something back.
    pub(crate) listening: Option<Duration>,
    pub(crate) topology: Topology,
    pub(crate) capabilities: BTreeMap<AdapterName, Capabilities>,
    pub(crate) cases: Cases,
    /// Ladders of event findings that have closed not long ago.
    pub(crate) climbed: BTreeMap<FindingRef, Climbed>,
    /// Plans in flight.
    pub(crate) runs: Flight,
    /// What may have been done of plans that have ended, until a person has looked: it counts as done.
    pub(crate) doubtful: BTreeMap<PlanId, Plan>,
    /// Hosts that plans in flight have fenced since the program began, and that were not seen to run since.
    pub(crate) fenced: BTreeSet<(PlanId, ResourceId)>,
    pub(crate) lanes: Lanes,
    /// Overdue steps that were asked about, as long as nothing has been heard since, and how long each may take.
    pub(crate) inquiries: BTreeMap<IdempotencyKey, Duration>,
    /// The plans in flight of which it was recorded that it is looked whether they helped.
    pub(crate) verifying: BTreeSet<PlanId>,
    /// Plans of an earlier generation, and the adapters that have not described yet what there is.
    pub(crate) recovered: BTreeMap<PlanId, BTreeSet<AdapterName>>,
    /// Plans in flight of which a step waits, since what it concerns is left alone.
    pub(crate) standing: BTreeSet<PlanId>,
    /// Those besides their own for which the plans in flight and those that wait are.
    pub(crate) joined: BTreeMap<PlanId, BTreeSet<FindingRef>>,
    /// Plans that wait for a person.
    pub(crate) proposals: BTreeMap<PlanId, Arc<Plan>>,
    /// Those of them of which enough have approved: only a guard still holds them back.
    pub(crate) agreed: BTreeMap<PlanId, Agreed>,
    pub(crate) alarms: BTreeSet<(Timestamp, Alarm)>,
    pub(crate) plans_made: u64,
    pub(crate) plans_begun: u64,
    /// Plans that were recommended lately: people may say whether they are right.
    pub(crate) recommended: BTreeMap<PlanId, Shown>,
    /// Plans that are over, or were only shown, for people to look at.
    pub(crate) recent: Recent,
    pub(crate) paused: bool,
    /// The program ends: no plan begins any more.
    pub(crate) stopping: bool,
    /// The channels by which people can be told, and the least urgent that they want to know of.
    pub(crate) channels: BTreeMap<ChannelName, Severity>,
    /// What has not reached people yet.
    pub(crate) notices: Notices,
    pub(crate) notices_made: u64,
    /// What people were told of and is not over: as much as findings are open, or were when homeostat last ended.
    pub(crate) told: BTreeMap<FindingRef, Told>,
    /// What people were asked about the plans that wait for them.
    pub(crate) asked: BTreeMap<PlanId, Asked>,
    /// Resources that are left alone since a ladder has come to its end there.
    pub(crate) quarantined: BTreeMap<ResourceId, Quarantined>,
    /// How often each rung was tried, if somebody looks.
    pub(crate) rungs_tried: Option<BTreeMap<(PolicyName, usize), u64>>,
    /// Whether it will be looked for resources that have fallen silent.
    forgetting: bool,
    /// Labels that sources know of resources that adapters own.
    labels: BTreeMap<ResourceId, BTreeMap<String, String>>,
}

impl Engine {
    /// An engine without policies, at the beginning of time.
    #[must_use]
    pub fn new(generation: Generation) -> Self {
        Self {
            generation,
            now: Timestamp::MIN,
            decider: Decider::default(),
            guard: Guard::default(),
            safeguards: BTreeMap::new(),
            started: None,
            listed: BTreeSet::new(),
            listening: None,
            topology: Topology::default(),
            capabilities: BTreeMap::new(),
            cases: Cases::default(),
            climbed: BTreeMap::new(),
            runs: Flight::default(),
            doubtful: BTreeMap::new(),
            fenced: BTreeSet::new(),
            lanes: Lanes::default(),
            inquiries: BTreeMap::new(),
            verifying: BTreeSet::new(),
            recovered: BTreeMap::new(),
            standing: BTreeSet::new(),
            joined: BTreeMap::new(),
            proposals: BTreeMap::new(),
            agreed: BTreeMap::new(),
            alarms: BTreeSet::new(),
            plans_made: 0,
            plans_begun: 0,
            recommended: BTreeMap::new(),
            recent: Recent::default(),
            paused: false,
            stopping: false,
            channels: BTreeMap::new(),
            notices: Notices::default(),
            notices_made: 0,
            told: BTreeMap::new(),
            asked: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            rungs_tried: None,
            forgetting: false,
            labels: BTreeMap::new(),
        }
    }

    /// The same, with a clock by which the scripts of policies are watched. It changes no decision: see [`Output::Overran`].
    #[must_use]
    pub fn with_stopwatch(generation: Generation, stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { decider: Decider::with_stopwatch(stopwatch), ..Self::new(generation) }
    }

    /// Replaces the policies; those that are unchanged keep their state.
    ///
    /// # Errors
    /// The policies whose scripts Rhai refuses; the others are loaded. A driver checks policies before, so this does not happen.
    pub fn replace_policies(
        &mut self,
        at: Timestamp,
        policies: &[Arc<Policy>],
        out: &mut Vec<Output>,
    ) -> Result<(), Vec<CompileError>> {
        self.hear(at, out);
        let mut changes = Vec::new();
        let before = self.texts();
        let loaded = self.decider.replace_policies(self.now, policies, &self.topology, &mut changes);
        let (policies_now, texts) = self.texts().into_iter().unzip();
        self.record(out, Entry::PoliciesLoaded { generation: self.generation, policies: policies_now, texts });
        let guards = policies.iter().flat_map(|policy| policy.safeguards.0.iter());
        self.safeguards = guards.map(|guard| (guard.name.clone(), guard.clone())).collect();
        self.forget_outdated();
        self.follow(changes, out);
        self.withdraw_edited(&before, out);
        self.call_all(out);
        self.stir_standing(out);
        // What a guard held back, another may let pass.
        self.reconsider_held(Hold::is_a_guards, out);
        loaded
    }

    /// Forgets what was remembered of policies and guards that are no more.
    pub(crate) fn forget_outdated(&mut self) {
        let texts = self.texts();
        let Self { decider, guard, safeguards, recommended, .. } = self;
        recommended.retain(|_, shown| texts.get(&shown.policy) == Some(&shown.text));
        guard.keep_standings(|name| decider.policies().any(|policy| policy.name == *name));
        guard.keep_breakers(|name| safeguards.values().any(|one| one.name.as_str() == name && one.breaker.is_some()));
    }

    /// The texts of the loaded policies, in short.
    pub(crate) fn texts(&self) -> BTreeMap<PolicyName, String> {
        self.decider.policies().map(|policy| (policy.name.clone(), hash_of(&policy.text))).collect()
    }

    /// The loaded policy of that name.
    pub(crate) fn policy(&self, name: &PolicyName) -> Option<Arc<Policy>> {
        self.decider.policies().find(|policy| policy.name == *name).cloned()
    }

    /// Takes in one input at `at`.
    pub fn handle(&mut self, at: Timestamp, input: Input, out: &mut Vec<Output>) {
        self.hear(at, out);
        match input {
            Input::Capabilities(capabilities) => {
                self.capabilities.insert(capabilities.adapter.clone(), capabilities);
            }
            Input::Observed(observation) => self.observe(observation, out),
            Input::Recalled { past, since } => self.recall(*past, &since, out),
            Input::Recovered(open) => self.recover(&open, out),
            Input::Channels(channels) => self.channels_are(channels, out),
            Input::Undelivered(notification) => self.undelivered(*notification, out),
            Input::Delivered(delivery) => self.delivered(delivery, out),
            Input::Report(report) => self.reported(&report, out),
            // What is refused is recorded, which is all that whoever replays it needs.
            Input::Operator(command) => drop(self.command(command, out)),
        }
    }

    /// Takes in what a person wants at `at`, as [`Engine::handle`] does, and says what came of it.
    ///
    /// # Errors
    /// Why it is not done; that is recorded as well.
    pub fn operate(
        &mut self,
        at: Timestamp,
        command: OperatorCommand,
        out: &mut Vec<Output>,
    ) -> Result<(), CommandRefused> {
        self.hear(at, out);
        self.command(command, out)
    }

    /// Lets time pass: whatever fell due until `at` is decided as of its own moment.
    pub fn advance(&mut self, at: Timestamp, out: &mut Vec<Output>) {
        while let Some(due) = self.next_deadline().filter(|due| *due <= at) {
            self.now = self.now.max(due);
            if self.decider.next_deadline() == Some(due) {
                let mut changes = Vec::new();
                self.decider.fire(due, &mut changes);
                self.follow(changes, out);
            } else if let Some((_, alarm)) = self.alarms.pop_first() {
                self.ring(alarm, out);
            }
        }
        self.now = self.now.max(at);
    }

    /// The next moment at which time alone may change something; the driver calls [`Engine::advance`] then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        earliest(self.decider.next_deadline(), alarm)
    }

    /// What exists, as far as the engine knows.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The plans in flight, in the order of their ids.
    pub fn in_flight(&self) -> impl Iterator<Item = &Plan> {
        self.runs.values().map(|run| run.plan())
    }

    /// The plans of which what they do counts as done, as far as it matters to others: those in flight, and what is not known of others.
    pub(crate) fn projected(&self) -> impl Iterator<Item = &Plan> {
        self.runs.projected().chain(self.doubtful.values())
    }

    /// The open findings, in order.
    pub fn findings(&self) -> impl Iterator<Item = &FindingRef> {
        self.cases.iter().filter(|(_, case)| !case.closed).map(|(finding, _)| finding)
    }

    fn observe(&mut self, observation: Observation, out: &mut Vec<Output>) {
        match observation {
            Observation::Inventory(change) => self.inventory(change, out),
            Observation::Labels { resource, labels } => {
                let mut described =
                    self.topology.get(&resource).cloned().unwrap_or_else(|| Resource::named(resource.clone()));
                described.labels.extend(labels.clone());
                self.labels.entry(resource).or_default().extend(labels);
                self.inventory(InventoryChange::Upsert(described), out);
            }
            Observation::Sample(sample) => self.sample(&sample, out),
            Observation::Event(mut event) => {
                // It has happened, whatever the clock of its machine says.
                event.time = event.time.min(self.now);
                if !self.decider.knows(&event.resource) {
                    self.inventory(InventoryChange::Upsert(Resource::named(event.resource.clone())), out);
                }
                let (mut changes, silent) = (Vec::new(), self.is_silent(&event.resource));
                self.decider.event(self.now, &event, &mut changes);
                self.follow(changes, out);
                if silent {
                    self.heard_again(out);
                }
            }
        }
    }

    fn sample(&mut self, sample: &Sample, out: &mut Vec<Output>) {
        let (mut changes, silent) = (Vec::new(), self.is_silent(&sample.resource));
        let mut taken = self.decider.sample(self.now, sample, &mut changes);
        if taken == Err(SampleRefused::UnknownResource) {
            self.inventory(InventoryChange::Upsert(Resource::named(sample.resource.clone())), out);
            taken = self.decider.sample(self.now, sample, &mut changes);
        }
        if let Err(refused) = taken {
            out.push(Output::SampleRefused { resource: sample.resource.clone(), reason: refused.to_string() });
        }
        self.follow(changes, out);
        if silent {
            self.heard_again(out);
        }
    }

    fn inventory(&mut self, mut change: InventoryChange, out: &mut Vec<Output>) {
        let mut listed = false;
        match &mut change {
            InventoryChange::Snapshot { adapter, resources } => {
                listed = self.listed.insert(adapter.clone());
                resources.iter_mut().for_each(|r| self.add_labels(r));
            }
            InventoryChange::Upsert(resource) => self.add_labels(resource),
            InventoryChange::Gone { resource, .. } => {
                self.labels.remove(resource);
            }
        }
        let described = match &change {
            InventoryChange::Snapshot { adapter, .. } => Some(adapter.clone()),
            _ => None,
        };
        let (changed, refused) = self.topology.apply(change);
        for id in refused {
            let owner = self.topology.get(&id).and_then(|resource| resource.adapter.as_ref());
            let reason = match owner {
                Some(owner) => format!("it belongs to adapter {owner}; give one of the two a domain of its own"),
                None => "it belongs to another adapter".into(),
            };
            self.record(out, Entry::InputRefused { input: format!("inventory of {id}"), reason });
        }
        let mut changes = Vec::new();
        for id in &changed {
            self.fenced_no_more(id);
            if self.topology.get(id).is_some_and(|resource| resource.adapter.is_none()) {
                self.forget_later(FORGET_AFTER);
            }
            self.decider.resource_changed(self.now, id, &self.topology, &mut changes);
        }
        self.follow(changes, out);
        if let Some(adapter) = described {
            self.described(&adapter, out);
        }
        if listed {
            self.reconsider_held(|hold| matches!(hold, Hold::Settling { .. }), out);
        }
        if !changed.is_empty() {
            self.eased(out);
        }
    }

    /// Forgets the resources that no adapter owns and of which nothing was heard for long.
    fn forget_silent(&mut self, out: &mut Vec<Output>) {
        self.forgetting = false;
        let now = self.now;
        let ownerless = self.topology.iter().filter(|resource| resource.adapter.is_none());
        let (silent, heard): (Vec<ResourceId>, Vec<ResourceId>) = ownerless
            .map(|resource| resource.id.clone())
            .partition(|id| self.decider.heard(id).is_none_or(|heard| heard + FORGET_AFTER <= now));
        let mut changes = Vec::new();
        for id in &silent {
            self.topology.forget(id);
            self.labels.remove(id);
            self.decider.resource_changed(now, id, &self.topology, &mut changes);
        }
        if !heard.is_empty() {
            self.forget_later(FORGET_EVERY);
        }
        self.follow(changes, out);
        if !silent.is_empty() {
            self.eased(out);
        }
    }

    fn forget_later(&mut self, after: Duration) {
        if !self.forgetting {
            self.forgetting = true;
            self.alarms.insert((self.now + after, Alarm::Forget));
        }
    }

    fn add_labels(&self, resource: &mut Resource) {
        if let Some(labels) = self.labels.get(&resource.id) {
            resource.labels.extend(labels.clone());
        }
    }

    fn command(&mut self, command: OperatorCommand, out: &mut Vec<Output>) -> Result<(), CommandRefused> {
        match command {
            // Who says it once more changes nothing, and is not recorded.
            OperatorCommand::Pause { by } => {
                if !self.paused {
                    self.record(out, Entry::Paused { by });
                }
                self.paused = true;
            }
            OperatorCommand::Resume { by } => {
                if self.paused {
                    self.record(out, Entry::Resumed { by });
                }
                self.paused = false;
                self.reconsider_all(out);
            }
            OperatorCommand::Stop => self.stopping = true,
            OperatorCommand::Approve(plan) => self.unnamed_vote(plan, true, out)?,
            OperatorCommand::Reject(plan) => self.unnamed_vote(plan, false, out)?,
            OperatorCommand::Vote { plan, by, approve, hash } => {
                self.vote(plan, &by, approve, hash.as_deref(), out)?;
            }
            OperatorCommand::Cancel { plan, by } => self.call_off(plan, &format!("cancelled by {by}"), out)?,
            OperatorCommand::Release { resource, by } => self.release_by(&resource, &by, out)?,
            OperatorCommand::Quarantine { policy, reason } => {
                let mut changes = Vec::new();
                self.decider.quarantine_policy(&policy, reason, &mut changes);
                self.follow(changes, out);
            }
        }
        Ok(())
    }

    fn ring(&mut self, alarm: Alarm, out: &mut Vec<Output>) {
        match alarm {
            Alarm::Reconsider(finding) => {
                if let Some(case) = self.cases.get_mut(&finding) {
                    case.alarm = None;
                }
                self.woken(&finding, out);
            }
            Alarm::Ballot(plan) => self.ballot_due(plan, out),
            Alarm::Overdue(key, begun) => self.overdue(key, begun, out),
            Alarm::Unheard(key) => self.unheard(key, out),
            Alarm::TryAgain(plan) => self.go_on(plan, out),
            Alarm::Look(plan) => self.look(plan, out),
            Alarm::RungOver(finding, rung, since) => self.rung_over(&finding, rung, since, out),
            Alarm::LadderOver(finding, since) => self.ladder_over(&finding, since, out),
            Alarm::Told(finding) => self.look_at_told(&finding, out),
            Alarm::Release(resource) => self.release_due(&resource, out),
            Alarm::Breaker(guard) => self.breaker_due(&guard, out),
            Alarm::Forget => self.forget_silent(out),
            Alarm::Unseen => {
                let mut changes = Vec::new();
                self.decider.resume_no_more(&mut changes);
                self.follow(changes, out);
            }
        }
    }

    /// Follows changes of findings to their end, those of higher priority first.
    pub(crate) fn follow(&mut self, changes: Vec<Change>, out: &mut Vec<Output>) {
        if changes.is_empty() {
            return;
        }
        let mut queue = VecDeque::from(in_order(changes));
        // All that opens at one moment is open before the first of it is acted upon: what speaks against a deed must not depend on the
        // order of what was found.
        let mut opened = Vec::new();
        let mut closed = BTreeSet::new();
        while let Some(change) = queue.pop_front() {
            let mut more = Vec::new();
            match change {
                Change::Opened { finding, policy, evidence, resumed } => {
                    self.record(out, Entry::FindingOpened { finding: finding.clone(), evidence });
                    self.cases.open(&finding, &policy);
                    self.told_of_open(&finding);
                    if let Some(flap) = policy.limits.flap.filter(|_| !resumed) {
                        self.guard.opened(self.now, &finding, &flap);
                    }
                    self.quarantine_sees(&finding, false);
                    self.remember(&finding);
                    self.pursue_again(&finding);
                    opened.push(finding);
                }
                Change::Known { finding } => self.consider_into(&finding, &mut more, out),
                Change::Lost { finding, reason } => {
                    let input = format!("event for {finding}");
                    self.record(out, Entry::InputRefused { input, reason });
                }
                Change::Blind { finding, evidence } => {
                    let message = format!("policy {} cannot see {}: {evidence}", finding.policy, finding.resource);
                    self.tell(&finding, None, Severity::Warning, &message, &BTreeSet::new(), out);
                }
                Change::Quarantined { policy, reason } => self.record(out, Entry::PolicyQuarantined { policy, reason }),
                Change::Overran { policy, took } => out.push(Output::Overran { policy, took }),
                Change::Closed { finding, reason } => {
                    self.record(out, Entry::FindingClosed { finding: finding.clone(), reason });
                    self.told_is_over(&finding, out);
                    self.closed_unopened(&finding);
                    self.close(&finding, out);
                    self.quarantine_sees(&finding, true);
                    closed.insert(finding);
                }
            }
            if !matches!(queue.front(), Some(Change::Opened { .. })) {
                for finding in opened.drain(..) {
                    self.times_go_on(&finding, out);
                    self.consider_into(&finding, &mut more, out);
                }
            }
            queue.extend(in_order(more));
        }
        if !closed.is_empty() {
            self.healthier(out);
            self.reconsider_held(|hold| hold.opponent().is_some_and(|by| closed.contains(by)), out);
        }
    }

    pub(crate) fn record(&self, out: &mut Vec<Output>, entry: Entry) {
        out.push(Output::Record(Record { at: self.now, entry }));
    }
}

/// What closes comes first, then what opens by priority; the order in which policies were loaded plays no part.
///
/// What opens and closes at the same moment, as when many resources are described at once, has never been.
fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    if changes.len() < 2 {
        return changes;
    }
    let mut opened: BTreeMap<FindingRef, (usize, bool)> = BTreeMap::new();
    let mut dropped = BTreeSet::new();
    for (place, change) in changes.iter().enumerate() {
        match change {
            Change::Opened { finding, resumed, .. } => {
                opened.insert(finding.clone(), (place, *resumed));
            }
            Change::Closed { finding, .. } => {
                if let Some((before, resumed)) = opened.remove(finding) {
                    dropped.insert(before);
                    // What was open before has closed all the same.
                    dropped.extend((!resumed).then_some(place));
                }
            }
            _ => {}
        }
    }
    let mut place = 0;
    changes.retain(|_| {
        place += 1;
        !dropped.contains(&(place - 1))
    });
    changes.sort_by_key(|change| match change {
        Change::Closed { finding, .. }
        | Change::Known { finding }
        | Change::Lost { finding, .. }
        | Change::Blind { finding, .. } => (Reverse(i32::MAX), Some(finding.clone())),
        Change::Quarantined { .. } | Change::Overran { .. } => (Reverse(i32::MAX), None),
        Change::Opened { finding, policy, .. } => (Reverse(policy.priority), Some(finding.clone())),
    });
    changes
}
