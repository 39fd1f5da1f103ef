//! Tells people, and keeps account of what has not reached them yet.
//!
//! ```text
//!   notify, onUnknown, hand-over, a plan that waits --> Notified {to: channels} --> Output::Notify
//!                                                          | waits, also over a restart (Input::Undelivered)
//!                                                          v
//!                                        Input::Delivered --> Delivered, or given up
//! ```

use std::collections::BTreeSet;

use homeostat_model::{Channel, ChannelName, Delivery, Entry, FindingRef, NoticeId, Notification, Response, Severity};

use crate::{Engine, Output, arbitration::number};

/// Notifications that wait for one channel at most. Nobody reads more, and what is carried from one segment of the journal to the
/// next stays small. Beyond that a new one is given up at once: those that wait longest tell how it began.
pub const MAX_UNDELIVERED: usize = 1_000;

impl Engine {
    /// Takes note of the channels that there are, instead of those before.
    pub(crate) fn channels_are(&mut self, channels: Vec<Channel>, out: &mut Vec<Output>) {
        self.channels = channels.into_iter().map(|channel| (channel.name, channel.from)).collect();
        self.what_stands(out);
    }

    /// Tells people about a finding: through the channels that are named; if none is, through all that want to know of something so urgent.
    /// `rung` is that of the ladder, from 1, if it is one.
    pub(crate) fn tell(
        &mut self,
        finding: &FindingRef,
        rung: Option<u16>,
        severity: Severity,
        message: &str,
        named: &BTreeSet<ChannelName>,
        out: &mut Vec<Output>,
    ) {
        let message =
            message.replace("${resource}", finding.resource.as_str()).replace("${policy}", finding.policy.as_str());
        let notification = Notification { rung, ..self.compose(finding, severity, message, named) };
        // Whom a hand-over would tell.
        let enough = severity >= Severity::Critical && self.wanting(Severity::Critical).is_subset(&notification.to);
        let open = self.cases.get_mut(finding).is_some_and(|case| {
            case.told_last |= enough;
            !case.closed
        });
        let stands = self.note_told(&notification, open);
        self.send(notification, out);
        if !stands {
            // It is about no open finding, so that nothing will ever close it.
            out.push(Output::Resolved(finding.clone().into()));
        }
    }

    /// A notification of now with a name of its own, for the channels that are named; if none is, for all that want to know of it.
    pub(crate) fn compose(
        &mut self,
        finding: &FindingRef,
        severity: Severity,
        message: String,
        named: &BTreeSet<ChannelName>,
    ) -> Notification {
        let to = if named.is_empty() { self.wanting(severity) } else { named.clone() };
        self.notices_made += 1;
        let id = NoticeId { generation: self.generation, number: self.notices_made };
        let finding = finding.clone();
        Notification { id, at: self.now, finding, rung: None, asks: None, severity, message, to }
    }

    /// The channels that want to know of something so urgent.
    fn wanting(&self, severity: Severity) -> BTreeSet<ChannelName> {
        self.channels.iter().filter(|(_, from)| **from <= severity).map(|(name, _)| name.clone()).collect()
    }

    /// Records a notification, and hands it to its channels.
    pub(crate) fn send(&mut self, notification: Notification, out: &mut Vec<Output>) {
        self.record(out, Entry::Notified(notification.clone().into()));
        self.hand(notification, out);
    }

    /// People are told by a rung.
    pub(crate) fn tell_rung(&mut self, finding: &FindingRef, rung: usize, response: &Response, out: &mut Vec<Output>) {
        let Response::Notify { severity, message, to } = response else { return };
        self.tell(finding, Some(number(rung)), *severity, message, to, out);
        let Some(case) = self.cases.get_mut(finding) else { return };
        case.answering = true;
        let policy = case.policy.clone();
        let own = policy.then.get(rung).and_then(|rung| rung.cooldown);
        self.guard.rest(self.now, finding, own.unwrap_or(policy.cooldown));
        self.tried(&policy, rung);
    }

    /// Hands a notification to its channels, as far as they have room.
    fn hand(&mut self, mut notification: Notification, out: &mut Vec<Output>) {
        let full = |channel: &ChannelName| self.notices.waiting_for(channel) >= MAX_UNDELIVERED;
        let crowded: Vec<ChannelName> = notification.to.iter().filter(|channel| full(channel)).cloned().collect();
        for channel in crowded {
            notification.to.remove(&channel);
            let given_up = Some(format!("{MAX_UNDELIVERED} others wait for this channel already"));
            let delivery = Delivery { notification: notification.id, channel, given_up };
            self.note_delivered(&delivery);
            self.record(out, Entry::Delivered(delivery));
        }
        self.notices.await_delivery(notification.clone());
        out.push(Output::Notify(notification));
    }

    /// A channel has delivered something, or has given up.
    pub(crate) fn delivered(&mut self, delivery: Delivery, out: &mut Vec<Output>) {
        if self.notices.settle(&delivery) {
            self.note_delivered(&delivery);
            self.record(out, Entry::Delivered(delivery));
        } else {
            let input = format!("delivery of {} by {}", delivery.notification, delivery.channel);
            self.record(out, Entry::InputRefused { input, reason: "it is not awaited".into() });
        }
    }

    /// Something was not delivered when the program last ended: its channels are handed it again.
    pub(crate) fn undelivered(&mut self, notification: Notification, out: &mut Vec<Output>) {
        let id = notification.id;
        if id.generation >= self.generation || notification.to.is_empty() || self.notices.awaits(id) {
            let reason = "it is none of an earlier start, or waits already".into();
            return self.record(out, Entry::InputRefused { input: format!("notification {id}"), reason });
        }
        let topic = notification.topic();
        self.hand(notification, out);
        if !self.stands(&topic) {
            // It was over when homeostat last ended.
            out.push(Output::Resolved(topic));
        }
    }
}
