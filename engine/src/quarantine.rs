//! Resources that are left alone because a ladder has come to its end there.
//!
//! ```text
//!   ladder at its end --> in quarantine: no policy acts on it --finding closed for long enough--> released
//!                                   ^-- it opens again: counted anew          \-- a person says so --> released
//! ```

use homeostat_model::{Duration, Entry, FindingRef, Hold, ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{CommandRefused, Engine, Output, engine::Alarm};

/// Why and until when a resource is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quarantined {
    pub(crate) since: Timestamp,
    /// Whose ladder has ended.
    pub(crate) by: FindingRef,
    /// How long that finding has to stay closed.
    pub(crate) lasts: Duration,
    /// Since when it is closed.
    pub(crate) closed: Option<Timestamp>,
}

impl Engine {
    /// From now on no policy acts on the resource of `finding`.
    pub(crate) fn quarantine(&mut self, finding: &FindingRef, lasts: Duration, out: &mut Vec<Output>) {
        let resource = finding.resource.clone();
        if self.quarantined.contains_key(&resource) {
            return;
        }
        let quarantined = Quarantined { since: self.now, by: finding.clone(), lasts, closed: None };
        self.quarantined.insert(resource, quarantined);
        self.record(out, Entry::ResourceQuarantined { finding: finding.clone(), lasts });
    }

    /// Whether `id` is not in quarantine.
    ///
    /// # Errors
    /// [`Hold::Quarantined`]
    pub(crate) fn at_large(&self, id: &ResourceId) -> Result<(), Hold> {
        match self.quarantined.get(id) {
            None => Ok(()),
            Some(Quarantined { since, by, closed, lasts }) => Err(Hold::Quarantined {
                resource: id.clone(),
                since: *since,
                by: by.policy.clone(),
                until: closed.map(|closed| closed + *lasts),
            }),
        }
    }

    /// The finding is open, or is closed, which is what a quarantine waits for.
    pub(crate) fn quarantine_sees(&mut self, finding: &FindingRef, closed: bool) {
        let now = self.now;
        let Some(found) = self.quarantined.get_mut(&finding.resource).filter(|one| one.by == *finding) else { return };
        found.closed = closed.then_some(now);
        if closed {
            self.alarms.insert((now + found.lasts, Alarm::Release(finding.resource.clone())));
        }
    }

    /// The finding may have been closed for long enough.
    pub(crate) fn release_due(&mut self, resource: &ResourceId, out: &mut Vec<Output>) {
        let now = self.now;
        let quiet = |one: &Quarantined| one.closed.is_some_and(|closed| closed + one.lasts <= now);
        if let Some(lasts) = self.quarantined.get(resource).filter(|one| quiet(one)).map(|one| one.lasts) {
            self.release(resource, format!("its finding has been closed for {lasts}"), out);
        }
    }

    /// A person says that policies may act on `resource` again.
    ///
    /// # Errors
    /// [`CommandRefused::AtLarge`]
    pub(crate) fn release_by(
        &mut self,
        resource: &ResourceId,
        by: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), CommandRefused> {
        if !self.quarantined.contains_key(resource) {
            let why = CommandRefused::AtLarge { resource: resource.clone() };
            return self.refuse_command(format!("release of {resource} by {by}"), why, out);
        }
        self.release(resource, format!("{by} has released it"), out);
        Ok(())
    }

    fn release(&mut self, resource: &ResourceId, reason: String, out: &mut Vec<Output>) {
        self.quarantined.remove(resource);
        self.record(out, Entry::ResourceReleased { resource: resource.clone(), reason });
        self.stir_standing(out);
        let held = |hold: &Hold| matches!(hold, Hold::Quarantined { resource: held, .. } if held == resource);
        self.reconsider_held(held, out);
    }
}
