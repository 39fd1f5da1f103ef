//! Asks people about plans: each is told once that it waits for them, and that is over when nobody has to say anything any more.
//!
//! ```text
//!   PlanMade, mode approve --> Notified {asks} --> Output::Notify
//!                                 | asked, also over a restart: Output::Stands
//!                                 v
//!        enough have Voted, PlanBegun, PlanFinished --> Output::Resolved
//! ```
//!
//! All of it follows from the records.

use std::{collections::BTreeSet, sync::Arc};

use homeostat_guard::approval::hash;
use homeostat_model::{Approval, Notification, Otherwise, Plan, PlanId, Question, Severity, Topic};
use serde::{Deserialize, Serialize};

use crate::{Engine, Output, approval::TIME};

/// What people were asked about a plan, and who has approved of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) notice: Notification,
    approved: BTreeSet<String>,
}

impl Asked {
    pub(crate) fn new(notice: Notification) -> Self {
        Self { notice, approved: BTreeSet::new() }
    }
}

impl Engine {
    /// People are asked about a plan that waits for them from now on.
    pub(crate) fn ask_people(&mut self, plan: &Plan, rule: Option<&Approval>, out: &mut Vec<Output>) {
        let within = rule.and_then(|rule| rule.within);
        let otherwise = rule.map(|rule| rule.otherwise).unwrap_or_default();
        let quorum = rule.map_or(1, |rule| rule.quorum.max(1));
        let (id, hash) = (plan.id, hash(plan));
        let steps = if plan.steps.len() == 1 { "1 step".into() } else { format!("{} steps", plan.steps.len()) };
        let people = if quorum > 1 { format!(" by {quorum} people") } else { String::new() };
        let limit = within.map_or_else(String::new, |within| {
            let then = match otherwise {
                Otherwise::Reject => "is dropped",
                Otherwise::Approve => "begins all the same",
            };
            format!(" within {within}, after which it {then}")
        });
        let message = format!(
            "plan {id} waits for approval{people}{limit}: {} {}, {steps}; then {}; its hash is {hash}",
            plan.response, plan.subject, plan.effect
        );
        let mut notice = self.compose(&plan.finding(), Severity::Info, message, &BTreeSet::new());
        let until = within.map(|within| self.now + within);
        notice.asks = Some(Question { plan: id, hash, quorum, until, otherwise });
        self.asked.insert(id, Asked::new(notice.clone()));
        self.send(notice, out);
    }

    /// Takes a plan out of those that wait for people, whatever becomes of it.
    pub(crate) fn wait_no_more(&mut self, id: PlanId, out: &mut Vec<Output>) -> Option<Arc<Plan>> {
        self.asked_no_more(id, out);
        self.proposals.remove(&id)
    }

    /// Nobody is asked about a plan any more.
    pub(crate) fn asked_no_more(&mut self, id: PlanId, out: &mut Vec<Output>) {
        if let Some(asked) = self.asked.remove(&id) {
            out.push(Output::Resolved(asked.notice.topic()));
        }
    }

    /// Somebody has said something about a plan, or its time limit has. When enough have approved of it, nobody is asked any more, though a
    /// guard may hold it back.
    pub(crate) fn note_vote(&mut self, id: PlanId, by: &str, approve: bool, out: &mut Vec<Output>) {
        let Some(asked) = self.asked.get_mut(&id).filter(|_| approve) else { return };
        asked.approved.insert(by.to_owned());
        let quorum = asked.notice.asks.as_ref().map_or(1, |asks| asks.quorum);
        if by == TIME || asked.approved.len() >= usize::from(quorum) {
            self.asked_no_more(id, out);
        }
    }

    /// Whether what people were told or asked about this is not over yet.
    pub(crate) fn stands(&self, topic: &Topic) -> bool {
        topic.plan.map_or_else(|| self.told.contains_key(&topic.finding), |plan| self.asked.contains_key(&plan))
    }

    /// Says what people were told and asked and is not over: to channels that do not know it yet.
    pub(crate) fn what_stands(&self, out: &mut Vec<Output>) {
        let told = self.told.values().flat_map(|told| told.notices.values());
        let asked = self.asked.values().map(|asked| &asked.notice);
        out.extend(told.chain(asked).filter(|notice| !notice.to.is_empty()).cloned().map(Output::Stands));
    }
}
