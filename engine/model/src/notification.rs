//! Notifications: what people are told, through which channels, and which of them have not got it yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    ChannelName, Entry, FindingRef, Generation, Otherwise, PlanId, Record, Timestamp,
    written::{numbered, written},
};

/// How urgent a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    #[default]
    Info,
    /// Somebody should look at it today.
    Warning,
    /// Somebody has to look at it now.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// The name of a notification, the same for every delivery of it: `n1-7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoticeId {
    /// The generation that made it.
    pub generation: Generation,
    /// Its number within that generation, from 1.
    pub number: u64,
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("n{}-{}", self.generation.0, self.number))
    }
}

written!(NoticeId, "notification id", "n1-7", |text| {
    numbered('n', text).map(|(generation, number)| Self { generation, number })
});

/// Something to tell people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its name.
    pub id: NoticeId,
    /// When it was decided.
    pub at: Timestamp,
    /// What it is about.
    pub finding: FindingRef,
    /// Which rung of the policy's ladder it is, from 1; none when it is about something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<u16>,
    /// The plan that people are asked about, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Question>,
    /// How urgent it is.
    pub severity: Severity,
    /// The message.
    pub message: String,
    /// The channels that are to deliver it; none: it is in the records only.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub to: BTreeSet<ChannelName>,
}

impl Notification {
    /// What it is about.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic { finding: self.finding.clone(), plan: self.asks.as_ref().map(|question| question.plan) }
    }
}

/// Whether a plan is to be carried out: what people are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The plan.
    pub plan: PlanId,
    /// The plan in short: who approves of it says which one they saw.
    pub hash: String,
    /// How many different people have to approve of it.
    pub quorum: u16,
    /// Until when they can say something; none: whenever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What becomes of it when that time is over.
    pub otherwise: Otherwise,
}

/// What notifications are about, which is over one day: a finding, or a plan for it that people are asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The finding.
    pub finding: FindingRef,
    /// The plan.
    pub plan: Option<PlanId>,
}

impl From<FindingRef> for Topic {
    fn from(finding: FindingRef) -> Self {
        Self { finding, plan: None }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.map_or(Ok(()), |plan| write!(f, "plan {plan} of "))?;
        self.finding.fmt(f)
    }
}

/// A channel, as the engine has to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// The least urgent notifications that it is given unless it is named.
    #[serde(default)]
    pub from: Severity,
}

/// What became of a notification at one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The notification.
    pub notification: NoticeId,
    /// The channel.
    pub channel: ChannelName,
    /// Why it was given up; `None`: it was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
}

/// Which notifications have not been delivered everywhere yet, as far as the records say: a fold of them.
///
/// What is kept of a notification names only the channels that are still to deliver it. It grows with what is undelivered, which the
/// engine bounds, not with the records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Notification>", into = "Vec<Notification>")]
pub struct Notices(BTreeMap<NoticeId, Notification>);

impl Notices {
    /// Takes in the next record.
    pub fn apply(&mut self, record: &Record) {
        match &record.entry {
            Entry::Notified(notification) => self.await_delivery(notification.as_ref().clone()),
            Entry::Delivered(delivery) => {
                self.settle(delivery);
            }
            _ => {}
        }
    }

    /// Waits for the delivery of a notification by the channels that it names.
    pub fn await_delivery(&mut self, notification: Notification) {
        if !notification.to.is_empty() {
            self.0.insert(notification.id, notification);
        }
    }

    /// A channel has delivered a notification, or has given up. False when that was not awaited.
    pub fn settle(&mut self, delivery: &Delivery) -> bool {
        let Some(notification) = self.0.get_mut(&delivery.notification) else { return false };
        let awaited = notification.to.remove(&delivery.channel);
        if notification.to.is_empty() {
            self.0.remove(&delivery.notification);
        }
        awaited
    }

    /// How many wait for `channel`.
    #[must_use]
    pub fn waiting_for(&self, channel: &ChannelName) -> usize {
        self.0.values().filter(|notification| notification.to.contains(channel)).count()
    }

    /// Whether `id` is undelivered somewhere.
    #[must_use]
    pub fn awaits(&self, id: NoticeId) -> bool {
        self.0.contains_key(&id)
    }

    /// The undelivered ones, each with the channels that are still to deliver it, in the order in which they were decided.
    pub fn iter(&self) -> impl Iterator<Item = &Notification> {
        self.0.values()
    }
}

impl From<Vec<Notification>> for Notices {
    fn from(notifications: Vec<Notification>) -> Self {
        let mut notices = Self::default();
        notifications.into_iter().for_each(|one| notices.await_delivery(one));
        notices
    }
}

impl From<Notices> for Vec<Notification> {
    fn from(notices: Notices) -> Self {
        notices.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(entry: Entry) -> Record {
        Record { at: Timestamp::from_millis(1), entry }
    }

    fn notification(number: u64, to: &[&str]) -> Notification {
        Notification {
            id: NoticeId { generation: Generation(2), number },
            at: Timestamp::from_millis(1),
            finding: serde_json::from_str(r#"{"policy": "p", "resource": "vm/a"}"#).unwrap(),
            rung: None,
            asks: None,
            severity: Severity::Warning,
            message: "m".into(),
            to: to.iter().map(|name| ChannelName::new(name).unwrap()).collect(),
        }
    }

    fn delivery(number: u64, channel: &str, given_up: Option<&str>) -> Delivery {
        Delivery {
            notification: NoticeId { generation: Generation(2), number },
            channel: ChannelName::new(channel).unwrap(),
            given_up: given_up.map(Into::into),
        }
    }

    #[test]
    fn what_is_undelivered_is_a_fold_of_the_records_and_is_kept_whole() {
        let mut notices = Notices::default();
        let left = |notices: &Notices| -> Vec<String> {
            let told = |one: &Notification| {
                let to: Vec<&str> = one.to.iter().map(ChannelName::as_str).collect();
                format!("{} {}", one.id, to.join("+"))
            };
            notices.iter().map(told).collect()
        };
        for (entry, expected) in [
            (Entry::Notified(notification(1, &[]).into()), vec![]),
            (Entry::Notified(notification(2, &["pager", "chat"]).into()), vec!["n2-2 chat+pager"]),
            (Entry::Notified(notification(10, &["chat"]).into()), vec!["n2-2 chat+pager", "n2-10 chat"]),
            (Entry::Delivered(delivery(2, "chat", None)), vec!["n2-2 pager", "n2-10 chat"]),
            (Entry::Delivered(delivery(2, "chat", None)), vec!["n2-2 pager", "n2-10 chat"]),
            (Entry::Delivered(delivery(10, "chat", Some("a day is over"))), vec!["n2-2 pager"]),
            (Entry::Delivered(delivery(3, "pager", None)), vec!["n2-2 pager"]),
            (Entry::Delivered(delivery(2, "pager", None)), vec![]),
        ] {
            notices.apply(&record(entry));
            assert_eq!(left(&notices), expected);
            let kept: Notices = serde_json::from_str(&serde_json::to_string(&notices).unwrap()).unwrap();
            assert_eq!(kept, notices);
        }
    }

    #[test]
    fn ids_are_read_as_they_are_printed() {
        let id: NoticeId = "n3-12".parse().unwrap();
        assert_eq!((id.generation, id.number, id.to_string()), (Generation(3), 12, "n3-12".into()));
        for text in ["p3-12", "n3", "n3-x", ""] {
            assert!(text.parse::<NoticeId>().is_err(), "{text}");
        }
    }
}
