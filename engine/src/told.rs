//! What people were told and is not over yet. Channels that keep it up, as an Alertmanager's alerts, go on with it after homeostat was
//! started anew, until it is known whether it is over.
//!
//! ```text
//!   Notified, its finding is open --> told --FindingClosed--> over: Output::Resolved
//!                 started anew: Output::Stands |  ^ FindingOpened
//!                                              v  |
//!                                           awaited --known not to hold, or nobody knows for too long--> FindingClosed
//! ```
//!
//! All of it follows from the records.

use std::collections::BTreeMap;

use homeostat_decide::Standing;
use homeostat_model::{Delivery, Duration, Entry, FindingRef, Notification, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Engine, Output, engine::Alarm, ladder::recurs_within};

/// How long a finding may stay away after a start at least before what people were told of it is over, where nobody knows whether it
/// holds: what is scraped every few minutes is measured by then, and an adapter that is out of reach is back.
const AWAITED: Duration = Duration::from_mins(15);
/// How long a start is left alone before it is looked whether a finding holds, and how often that is. What has been measured by then
/// is known; an alert that ends a minute late harms nobody.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What people were told of a finding since it opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The last of each severity: to an Alertmanager they are alerts of their own.
    pub(crate) notices: BTreeMap<Severity, Notification>,
    /// Until when the finding may open again before it is over; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl Engine {
    /// Takes note of what people were told, if its finding is `open` or may be so still; whether that is so.
    pub(crate) fn note_told(&mut self, notification: &Notification, open: bool) -> bool {
        let stands = open || self.told.contains_key(&notification.finding);
        if stands {
            let told = self.told.entry(notification.finding.clone()).or_default();
            told.notices.insert(notification.severity, notification.clone());
        }
        stands
    }

    /// A channel that has given up has told nobody, so it has nothing to keep up.
    pub(crate) fn note_delivered(&mut self, delivery: &Delivery) {
        if delivery.given_up.is_none() {
            return;
        }
        let told = self.told.values_mut().flat_map(|told| told.notices.values_mut());
        let notices = told.chain(self.asked.values_mut().map(|asked| &mut asked.notice));
        for notice in notices.filter(|notice| notice.id == delivery.notification) {
            notice.to.remove(&delivery.channel);
        }
    }

    /// A finding is open, maybe again: what people were told of it stands.
    pub(crate) fn told_of_open(&mut self, finding: &FindingRef) {
        if let Some(told) = self.told.get_mut(finding) {
            told.until = None;
        }
    }

    /// An engine ended, and the next one began at `at`: whatever was open may open again.
    pub(crate) fn await_told(&mut self, at: Timestamp) {
        let mut all = std::mem::take(&mut self.told);
        for (finding, told) in &mut all {
            let within = self.policy(&finding.policy).map(|policy| recurs_within(&policy)).unwrap_or_default();
            told.until = Some(at + within.max(AWAITED));
        }
        self.told = all;
    }

    /// What people were told still stands, as far as is known.
    pub(crate) fn go_on_telling(&mut self, out: &mut Vec<Output>) {
        let awaited = self.told.iter().filter(|(_, told)| told.until.is_some());
        self.alarms.extend(awaited.map(|(finding, _)| (self.now + LOOK_EVERY, Alarm::Told(finding.clone().into()))));
        self.what_stands(out);
    }

    /// Looks whether a finding is over that was open when homeostat last ended.
    pub(crate) fn look_at_told(&mut self, finding: &FindingRef, out: &mut Vec<Output>) {
        let Some(until) = self.told.get(finding).and_then(|told| told.until) else { return };
        match self.why_over(finding, until) {
            None => drop(self.alarms.insert((self.now + LOOK_EVERY, Alarm::Told(finding.clone().into())))),
            Some(reason) => {
                self.record(out, Entry::FindingClosed { finding: finding.clone(), reason });
                self.told_is_over(finding, out);
                self.quarantine_sees(finding, true);
                self.closed_unopened(finding);
            }
        }
    }

    /// A finding has closed: so is over what people were told of it.
    pub(crate) fn told_is_over(&mut self, finding: &FindingRef, out: &mut Vec<Output>) {
        if self.told.remove(finding).is_some() {
            out.push(Output::Resolved(finding.clone().into()));
        }
    }

    /// Why a finding is over that may open again until `until`; none as long as it may.
    fn why_over(&self, finding: &FindingRef, until: Timestamp) -> Option<String> {
        if self.policy(&finding.policy).is_none() {
            return Some("homeostat was started anew without its policy".into());
        }
        if self.cases.contains_key(finding) {
            // Its plan goes on, which was begun while it was open.
            return None;
        }
        if self.decider.reopening().any(|one| one == finding) {
            // It closes, or opens again, when its condition is known: a gap resolves nothing.
            return None;
        }
        // Before adapters have described what there is, what is false may only be unknown.
        if self.capabilities.keys().all(|adapter| self.listed.contains(adapter)) {
            let explained = self.decider.explain(self.now, &finding.resource);
            match explained.iter().find(|one| one.policy.name == finding.policy) {
                Some(one) if one.standing == Standing::No => {
                    return Some("it was open when homeostat last ended, and does not hold any more".into());
                }
                None if self.decider.knows(&finding.resource) => {
                    return Some("homeostat was started anew, and its policy is not for this resource any more".into());
                }
                _ => {}
            }
        }
        (until <= self.now).then(|| "it has not opened again since homeostat was started anew".into())
    }
}
