//! A draft: the steps of a plan before it has a name.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{
    Action, AdapterName, Capabilities, Cost, Duration, Precondition, Resource, ResourceId, Response, Retry, Step,
    StepId, Topology, Verb,
};
use thiserror::Error;

use crate::{Projection, compensation, cost, evacuate, fisicalize, migrate, processors, resize};

/// What a planner looks at.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// What exists.
    pub topology: &'a Topology,
    /// What each adapter can do.
    pub capabilities: &'a BTreeMap<AdapterName, Capabilities>,
    /// What the plans in flight will change.
    pub projection: &'a Projection,
    /// Where nothing is sent.
    pub barred: &'a Barred,
}

/// Where nothing is sent as long as there is another way: guards would hold back whoever goes there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Barred {
    /// Ways, of a workload to a host.
    pub ways: BTreeSet<(ResourceId, ResourceId)>,
    /// Hosts, for every workload.
    pub hosts: BTreeSet<ResourceId>,
}

/// No way is barred.
pub static ALL_WAYS_OPEN: Barred = Barred { ways: BTreeSet::new(), hosts: BTreeSet::new() };

impl Barred {
    /// Whether every way is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty() && self.hosts.is_empty()
    }
}

/// The steps that carry out a response, and what they are expected to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// In the order of their ids; a step comes after those it depends on.
    pub steps: Vec<Step>,
    /// The expected change, in a sentence.
    pub effect: String,
}

impl Draft {
    /// What it is expected to cost.
    #[must_use]
    pub fn cost(&self, around: &Surroundings<'_>) -> Cost {
        cost::cost(around, &self.steps)
    }

    /// The same with steps that nothing undoes.
    #[must_use]
    pub fn for_good(mut self) -> Self {
        self.steps.iter_mut().for_each(|step| step.compensation = None);
        self
    }

    /// The same with steps that may take so long and are tried so often, where that is said. What undoes them is done as ever.
    #[must_use]
    pub fn carried_out(mut self, timeout: Option<Duration>, retry: Option<Retry>) -> Self {
        for step in &mut self.steps {
            step.timeout = timeout.unwrap_or(step.timeout);
            step.retry = retry.unwrap_or(step.retry);
        }
        self
    }
}

/// A response cannot be carried out here and now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Infeasible(pub String);

/// Works out the steps of `response` for `subject`.
///
/// # Errors
/// [`Infeasible`] with the reason when it cannot be done here and now. [`Response::Notify`] has no steps and is refused too.
pub fn draft(around: &Surroundings<'_>, subject: &ResourceId, response: &Response) -> Result<Draft, Infeasible> {
    let subject =
        around.topology.get(subject).ok_or_else(|| Infeasible(format!("{subject} does not exist any more")))?;
    match response {
        Response::Restart => {
            single(around, subject, Action::Restart { on: None }, "it is to run again where it is", "runs again")
        }
        Response::Resize { vcpus, memory } => resize::draft(around, subject, vcpus.as_ref(), memory.as_ref()),
        Response::Start => single(around, subject, Action::Start, "it is to run", "runs"),
        Response::Stop => single(around, subject, Action::Stop, "it is to end in good order", "is stopped"),
        Response::Pause => single(around, subject, Action::Pause { on: true }, "it is to stand still", "stands still"),
        Response::Unpause => single(around, subject, Action::Pause { on: false }, "it is to go on", "goes on"),
        Response::Kill => single(around, subject, Action::Kill, "it is to end at once", "is stopped"),
        Response::Recreate { image } => {
            let action = Action::Recreate { image: image.clone() };
            single(around, subject, action, "it is interrupted, and keeps its volumes only", "runs anew")
        }
        Response::Migrate => migrate::draft(around, subject),
        Response::Evacuate => evacuate::draft(around, subject),
        Response::Fisicalize { pool: Some(pool) } => fisicalize::draft(around, subject, pool),
        Response::Fisicalize { pool: None } => processors::draft(around, subject),
        Response::Release => processors::release(around, subject),
        Response::Notify { .. } => Err(Infeasible("a notification needs no plan".into())),
    }
}

/// One step on the subject, after which it `then` is so.
fn single(
    around: &Surroundings<'_>,
    subject: &Resource,
    action: Action,
    reason: &str,
    then: &str,
) -> Result<Draft, Infeasible> {
    let mut steps = Steps::default();
    steps.add(around, subject, action, &[], reason.into())?;
    Ok(Draft { steps: steps.done(), effect: format!("{} {then}", subject.id) })
}

/// Collects steps, numbers them and refuses what an adapter cannot do.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    /// Adds one action on `resource` after the steps in `after`.
    pub(crate) fn add(
        &mut self,
        around: &Surroundings<'_>,
        resource: &Resource,
        action: Action,
        after: &[StepId],
        reason: String,
    ) -> Result<StepId, Infeasible> {
        let adapter = around.driver(resource, action.verb())?;
        let id =
            StepId(u16::try_from(self.0.len() + 1).map_err(|_| Infeasible("it would take over 65,535 steps".into()))?);
        self.0.push(Step {
            id,
            after: after.to_vec(),
            resource: resource.id.clone(),
            adapter: adapter.clone(),
            timeout: timeout(&action),
            preconditions: self.preconditions(resource, &action),
            retry: retry(&action),
            compensation: compensation::inverse(resource, &action).map(Box::new),
            action,
            reason,
        });
        Ok(id)
    }

    /// Nothing undoes the last step.
    pub(crate) fn for_good(&mut self) {
        if let Some(step) = self.0.last_mut() {
            step.compensation = None;
        }
    }

    /// What an action takes for granted, as far as no earlier step brings it about.
    fn preconditions(&self, resource: &Resource, action: &Action) -> Vec<Precondition> {
        let is_switched_on = |host: &ResourceId| {
            self.0.iter().any(|step| step.resource == *host && step.action == Action::Power { on: true })
        };
        let open = |host: &ResourceId| (!is_switched_on(host)).then(|| Precondition::Open(host.clone()));
        let on = || resource.on.clone().map(Precondition::On);
        match action {
            Action::Migrate { to, .. } => on().into_iter().chain(open(to)).collect(),
            Action::Restart { on: Some(to) } => {
                let dead = resource.on.clone().filter(|from| from != to).map(Precondition::Down);
                on().into_iter().chain(dead).chain(open(to)).collect()
            }
            // One that runs again is not switched off: what is on it is alive.
            Action::Fence => vec![Precondition::Down(resource.id.clone())],
            // Its room was found on that host.
            Action::Resize(_) => on().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn done(mut self) -> Vec<Step> {
        // Most plans have one step, and a list keeps room for four.
        self.0.shrink_to_fit();
        self.0
    }
}

impl Surroundings<'_> {
    /// Whether `workload` may be sent to `host`.
    pub(crate) fn leads(&self, workload: &Resource, host: &Resource) -> bool {
        let Barred { ways, hosts } = self.barred;
        // The ids are cloned only where something is barred, which is seldom.
        !hosts.contains(&host.id) && (ways.is_empty() || !ways.contains(&(workload.id.clone(), host.id.clone())))
    }

    /// The adapter that can do `verb` to `resource`.
    pub(crate) fn driver<'a>(&self, resource: &'a Resource, verb: Verb) -> Result<&'a AdapterName, Infeasible> {
        let Some(adapter) = &resource.adapter else {
            return Err(Infeasible(format!("{} is known from samples only; no adapter drives it", resource.id)));
        };
        if self.can(resource, verb) {
            Ok(adapter)
        } else {
            Err(Infeasible(format!("adapter {adapter} cannot {verb} a {}", resource.id.kind())))
        }
    }

    /// Whether the adapter of `resource` can do `verb` to it.
    pub(crate) fn can(&self, resource: &Resource, verb: Verb) -> bool {
        let adapter = resource.adapter.as_ref().and_then(|adapter| self.capabilities.get(adapter));
        adapter.is_some_and(|capabilities| capabilities.can(resource.id.kind(), verb))
    }

    /// Whether the adapter of `resource` can keep it to some of its host's processors, and says where it may run.
    pub(crate) fn pins(&self, resource: &Resource) -> bool {
        let adapter = resource.adapter.as_ref().and_then(|adapter| self.capabilities.get(adapter));
        let kind = adapter.and_then(|capabilities| capabilities.kinds.get(resource.id.kind()));
        self.can(resource, Verb::Resize) && kind.is_some_and(|kind| kind.attributes.contains("cpus"))
    }

    /// The host that `resource` is on now.
    pub(crate) fn host_of(&self, resource: &Resource) -> Result<&Resource, Infeasible> {
        let host = resource.on.as_ref().and_then(|host| self.topology.get(host));
        host.ok_or_else(|| Infeasible(format!("it is not known which host {} is on", resource.id)))
    }
}

/// Changes of state are tried three times within about a quarter of a minute: an API that hiccups has come back by then, one that
/// says no for good is not asked for long. What interrupts a guest is tried once; how often it is to be, its policy says (`attempts`).
pub(crate) fn retry(action: &Action) -> Retry {
    match action {
        Action::Resize(_)
        | Action::Migrate { .. }
        | Action::Restart { on: Some(_) }
        | Action::Fence
        | Action::Power { .. }
        | Action::Cordon { .. } => Retry { attempts: 3, pause: Duration::from_secs(5) },
        Action::Restart { on: None }
        | Action::Start
        | Action::Stop
        | Action::Pause { .. }
        | Action::Kill
        | Action::Recreate { .. } => Retry::ONCE,
    }
}

/// How long an action may take. Generous: a step that is cut off has to be looked into, one that is slow does not.
pub(crate) fn timeout(action: &Action) -> Duration {
    Duration::from_mins(match action.verb() {
        Verb::Migrate => 60,
        Verb::Power => 10,
        Verb::Recreate => 15,
        Verb::Restart | Verb::Start | Verb::Stop | Verb::Kill | Verb::Pause | Verb::Resize | Verb::Fence => 5,
        Verb::Cordon => 1,
    })
}
