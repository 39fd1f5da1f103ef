//! What a response may not go beyond: the ceiling on its impact, and the least that a move has to gain. What does is passed over.
//! And where nothing is to be sent, so that another host is chosen.

use std::collections::BTreeSet;

use homeostat_model::{Action, Impact, ResourceId, Response};
use homeostat_plan::{Barred, Draft, Projection, Surroundings, gain};
use homeostat_policy::{Policy, Prescription, Rung};

use crate::{Engine, admission::title, reach::impact};

impl Engine {
    /// What a planner looks at.
    pub(crate) fn around<'a>(&'a self, projection: &'a Projection, barred: &'a Barred) -> Surroundings<'a> {
        Surroundings { topology: &self.topology, capabilities: &self.capabilities, projection, barred }
    }

    /// Where guards would hold back what `policy` sends there of `subject` and what is on it.
    pub(crate) fn barred(&self, policy: &Policy, subject: &ResourceId) -> Barred {
        if !policy.then.iter().any(moves) {
            return Barred::default();
        }
        Barred { ways: self.ways_back(policy, subject), hosts: self.left_alone_beside(subject) }
    }

    /// Back to where they left not long ago.
    fn ways_back(&self, policy: &Policy, subject: &ResourceId) -> BTreeSet<(ResourceId, ResourceId)> {
        let Some(after) = policy.limits.return_after else { return BTreeSet::new() };
        let on_it = self.topology.children(subject).map(|resource| &resource.id);
        self.guard.ways_back(self.now, std::iter::once(subject).chain(on_it), after)
    }

    /// The hosts of the kind of `subject`, or of that on which it is, on which people work, that are marked, or in quarantine. One that is
    /// empty for that has the most room of all.
    fn left_alone_beside(&self, subject: &ResourceId) -> BTreeSet<ResourceId> {
        let host = self.topology.get(subject).and_then(|resource| resource.on.as_ref());
        let kinds: BTreeSet<&str> = host.into_iter().chain([subject]).map(ResourceId::kind).collect();
        let hosts = kinds.into_iter().flat_map(|kind| self.topology.of_kind(kind)).map(|host| &host.id);
        hosts.filter(|host| self.left_alone(host).is_err()).cloned().collect()
    }

    /// Why a draft for `subject` goes beyond what its policy and the guards let happen; `None` when it does not.
    pub(crate) fn out_of_bounds(
        &self,
        policy: &Policy,
        subject: &ResourceId,
        response: &Response,
        draft: &Draft,
        around: &Surroundings<'_>,
    ) -> Option<String> {
        self.above_ceiling(policy, subject, response, draft).or_else(|| too_little(policy, response, draft, around))
    }

    fn above_ceiling(
        &self,
        policy: &Policy,
        subject: &ResourceId,
        response: &Response,
        draft: &Draft,
    ) -> Option<String> {
        let impact = impact(&draft.steps, response);
        let concerned = || std::iter::once(subject).chain(draft.steps.iter().map(|step| &step.resource));
        let own = policy.limits.ceiling.map(|ceiling| (ceiling, format!("policy {}", policy.name)));
        let guards = self.safeguards.values().filter_map(|guard| {
            let ceiling = guard.ceiling?;
            let selects = |id: &ResourceId| {
                self.topology.get(id).is_some_and(|resource| guard.select.matches(resource, &self.topology))
            };
            concerned().any(selects).then(|| (ceiling, title(guard)))
        });
        let (ceiling, of) = own.into_iter().chain(guards).find(|(ceiling, _)| impact > *ceiling)?;
        let what = match impact {
            Impact::Restoring | Impact::Live => "changes what runs",
            Impact::Restart => "interrupts what runs",
            Impact::Power => "switches a host off",
        };
        Some(format!("it {what}, and the ceiling of {of} is {ceiling}"))
    }
}

/// Whether a rung may send something to another host.
fn moves(rung: &Rung) -> bool {
    match &rung.response {
        Prescription::Fixed(response) => {
            matches!(response, Response::Migrate | Response::Evacuate | Response::Fisicalize { .. })
        }
        Prescription::Script(_) => true,
        Prescription::Resize { .. } | Prescription::Notify { .. } => false,
    }
}

/// A move has to be worth it; leaving a host that is emptied always is.
fn too_little(policy: &Policy, response: &Response, draft: &Draft, around: &Surroundings<'_>) -> Option<String> {
    let wanted = policy.limits.min_gain.filter(|_| *response == Response::Migrate)?;
    draft.steps.iter().find_map(|step| {
        let Action::Migrate { to, .. } = &step.action else { return None };
        let gained = gain(around, &step.resource, to)?;
        // What is the share itself but for the last bits counts as it.
        let short = gained + 1e-9 < wanted;
        short
            .then(|| format!("it would gain {}% of room on {to}, and minGain is {}%", percent(gained), percent(wanted)))
    })
}

fn percent(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}
