//! Labels that were already sent, so that they are sent again only when something about them is new.

use std::collections::BTreeMap;

use homeostat_model::{Duration, Observation, ResourceId, Timestamp};

use crate::recent::Recent;

/// Resources whose labels are remembered: more than one process watches. Beyond, labels are sent more often than needed.
const MAX_RESOURCES: usize = 65_536;

/// Labels remembered of one resource; those of objects with the most have some dozens.
const MAX_LABELS: usize = 256;

/// Labels are sent again after this long: the resource may have gone and come back without them.
const REFRESH: Duration = Duration::from_mins(5);

/// Remembers what was sent. The engine adds labels to those it has, and so does this.
#[derive(Debug)]
pub(crate) struct SentLabels(Recent<ResourceId, Sent>);

#[derive(Debug)]
struct Sent {
    at: Timestamp,
    labels: BTreeMap<String, String>,
}

impl Default for SentLabels {
    fn default() -> Self {
        Self(Recent::new(MAX_RESOURCES))
    }
}

impl SentLabels {
    /// Whether `observation` has to be sent at `now`; if so it counts as sent. Only labels that say nothing new do not.
    pub(crate) fn is_new(&mut self, observation: &Observation, now: Timestamp) -> bool {
        let Observation::Labels { resource, labels } = observation else { return true };
        if let Some(sent) = self.0.get(resource) {
            let known = labels.iter().all(|(name, value)| sent.labels.get(name) == Some(value));
            if known && now.since(sent.at) < REFRESH {
                return false;
            }
            if sent.labels.len() + labels.len() <= MAX_LABELS {
                sent.labels.extend(labels.clone());
                sent.at = now;
                return true;
            }
        }
        self.0.insert(resource.clone(), Sent { at: now, labels: labels.clone() });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sent_when_they_say_something_new() {
        let mut sent = SentLabels::default();
        for (minute, resource, labels, expected) in [
            (0, "vm/a", vec![("tier", "web")], true),
            (0, "vm/a", vec![("tier", "web")], false),
            (1, "vm/b", vec![("tier", "web")], true),
            (1, "vm/a", vec![("rack", "r1")], true),
            (1, "vm/a", vec![("tier", "web")], false),
            (1, "vm/a", vec![("tier", "db")], true),
            (2, "vm/a", vec![("tier", "web")], true),
            (2, "vm/a", vec![], false),
            (7, "vm/a", vec![("tier", "web")], true),
        ] {
            let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            let observation = Observation::Labels { resource: resource.parse().unwrap(), labels };
            let now = Timestamp::default() + Duration::from_mins(minute);
            assert_eq!(sent.is_new(&observation, now), expected, "minute {minute}: {observation:?}");
        }
    }
}
