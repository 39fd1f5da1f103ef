//! Flapping: a finding that opens again and again is not mended by doing the same again.

use std::collections::{BTreeMap, VecDeque};

use homeostat_model::{FindingRef, Flap, Hold, Timestamp};
use serde::{Deserialize, Serialize};

/// When findings opened, as often as it takes to call them flapping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Openings {
    #[serde(with = "crate::pairs")]
    recent: BTreeMap<FindingRef, Recent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recent {
    /// The oldest first.
    opened: VecDeque<Timestamp>,
    /// When the newest is forgotten.
    until: Timestamp,
}

impl Openings {
    /// `finding` opens.
    pub(crate) fn opened(&mut self, at: Timestamp, finding: &FindingRef, flap: &Flap) {
        self.recent.retain(|_, recent| recent.until > at);
        let until = at + flap.within;
        let recent = self.recent.entry(finding.clone()).or_insert_with(|| Recent { opened: VecDeque::new(), until });
        recent.until = until;
        recent.opened.push_back(at);
        while recent.opened.len() > usize::from(flap.changes) {
            recent.opened.pop_front();
        }
    }

    /// Whether `finding` is quiet enough for something to be done about it.
    pub(crate) fn quiet(&self, at: Timestamp, finding: &FindingRef, flap: &Flap) -> Result<(), Hold> {
        let Some(recent) = self.recent.get(finding) else { return Ok(()) };
        let newest = recent.opened.iter().rev().take_while(|opened| **opened + flap.within > at);
        match newest.take(usize::from(flap.changes)).enumerate().last() {
            Some((last, oldest)) if last + 1 == usize::from(flap.changes) => {
                Err(Hold::Flapping { opened: flap.changes, within: flap.within, until: *oldest + flap.within })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Duration, PolicyName};

    use super::*;

    #[test]
    fn what_opens_too_often_is_left_alone_until_it_is_quiet() {
        let at = |seconds| Timestamp::from_millis(0) + Duration::from_secs(seconds);
        let finding = FindingRef { policy: PolicyName::new("p").unwrap(), resource: "vm/one".parse().unwrap() };
        let flap = Flap { changes: 3, within: Duration::from_secs(100) };
        let mut openings = Openings::default();
        for (second, until) in [(0, None), (10, None), (99, Some(100)), (100, None), (105, Some(110)), (300, None)] {
            if second != 100 {
                openings.opened(at(second), &finding, &flap);
            }
            let quiet = openings.quiet(at(second), &finding, &flap);
            let expected =
                until.map_or(Ok(()), |until| Err(Hold::Flapping { opened: 3, within: flap.within, until: at(until) }));
            assert_eq!(quiet, expected, "{second}");
        }
    }
}
