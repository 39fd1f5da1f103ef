//! `handOver`: how a ladder ends.

use std::collections::BTreeSet;

use homeostat_model::{ChannelName, Duration, Severity};

use crate::{
    Catalogue,
    fields::{Fields, duration, text},
    language::MAX_WINDOW,
    message::{channels, severity_of},
    report::Report,
    yaml::{Node, Yaml},
};

/// How long a finding has to stay closed until its resource leaves quarantine by itself, unless the policy says otherwise: twice the usual
/// pause between two plans.
pub(crate) const QUARANTINE_FOR: Duration = Duration::from_mins(10);
/// The shortest time after which a ladder, or a rung, may be left.
pub(crate) const LEAST: Duration = Duration::from_secs(1);

/// How a person takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// Through which channels people are told; none named: through all that want to know.
    pub to: BTreeSet<ChannelName>,
    /// How urgent that is.
    pub severity: Severity,
    /// How long after its first plan the ladder ends, however far it is; `None`: when everything was tried.
    pub after: Option<Duration>,
    /// What becomes of the resource.
    pub quarantine: Quarantine,
}

/// Whether nothing acts on a resource any more after a ladder has ended there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantine {
    /// As it is said: it is left alone, until its finding has been closed for so long or a person releases it; `None`: it is not.
    Said(Option<Duration>),
    /// Nothing is said: it is left alone when a plan of the ladder has interrupted something there.
    Disrupted,
}

impl Quarantine {
    /// How long the finding has to stay closed; `None`: there is no quarantine. `disrupted`: whether something was interrupted.
    #[must_use]
    pub fn lasts(self, disrupted: bool) -> Option<Duration> {
        match self {
            Self::Said(lasts) => lasts,
            Self::Disrupted => disrupted.then_some(QUARANTINE_FOR),
        }
    }
}

impl Default for HandOver {
    fn default() -> Self {
        Self { to: BTreeSet::new(), severity: Severity::Critical, after: None, quarantine: Quarantine::Disrupted }
    }
}

/// Reads `handOver`.
pub(crate) fn hand_over(node: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<HandOver> {
    let mut fields = Fields::open(node, "handOver", report)?;
    let (to, severity) = (fields.take("to"), fields.take("severity"));
    let (after, quarantine) = (fields.take("after"), fields.take("quarantine"));
    fields.finish(report);
    let to = to.map_or(Some(BTreeSet::new()), |node| channels(node, catalogue, report));
    let severity = severity.map_or(Some(Severity::Critical), |node| severity_of(node, report));
    let after = after.and_then(|node| duration(node, "after", (LEAST, MAX_WINDOW), report));
    let quarantine = quarantine.map_or(Some(Quarantine::Disrupted), |node| self::quarantine(node, report));
    Some(HandOver { to: to?, severity: severity?, after, quarantine: quarantine? })
}

/// Reads `quarantine`: `false`, or how long the finding has to stay closed.
fn quarantine(node: &Node, report: &mut Report) -> Option<Quarantine> {
    if let Yaml::Scalar { text: given, .. } = &node.value
        && given == "false"
    {
        return Some(Quarantine::Said(None));
    }
    text(node, "quarantine", report)?;
    duration(node, "quarantine", (Duration::ZERO, MAX_WINDOW), report).map(|lasts| Quarantine::Said(Some(lasts)))
}
