//! The plan linter: looks at the steps of a plan once more, with other eyes than whoever drafted them, before anything is done.
//!
//! ```text
//!   Draft --> order        numbered in order, and after what comes before
//!         --> twice        no resource is acted on by two steps at a time
//!         --> unproven     nothing is started that may still run elsewhere
//!         --> evacuating   nothing goes to a host that is being emptied, or is none
//!         --> overload     no host is given more than it has
//!         --> budget       no more is acted on than a budget ever allows
//! ```
//!
//! A rule a file; each says all that it finds. The linter shares no arithmetic with the drafts: an error in one is seen by the other.
//! The idea is that of Blippy, which lints blueprints (Oxide Computer, omicron, `nexus/reconfigurator/blippy`).

mod budget;
mod evacuating;
mod order;
mod overload;
mod twice;
mod unproven;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use homeostat_model::{Action, ResourceId, Step, StepId};

pub use budget::Allowance;

use crate::Surroundings;

/// Something that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lint {
    /// The rule that was broken.
    pub rule: &'static str,
    /// The first step that breaks it; `None` when it is all of them together.
    pub step: Option<StepId>,
    /// In what way.
    pub problem: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "{}: step {step}: {}", self.rule, self.problem),
            None => write!(f, "{}: {}", self.rule, self.problem),
        }
    }
}

/// Everything that is wrong with a plan of these steps for `subject`, in the order of rules; nothing when it may be carried out.
#[must_use]
pub fn lint(around: &Surroundings<'_>, subject: &ResourceId, steps: &[Step], allowances: &[Allowance]) -> Vec<Lint> {
    let steps = Steps::of(subject, steps, allowances);
    type Rule = fn(&Surroundings<'_>, &Steps<'_>) -> Vec<(Option<StepId>, String)>;
    let rules: [(&'static str, Rule); 6] = [
        ("order", order::check),
        ("twice", twice::check),
        ("unproven", unproven::check),
        ("evacuating", evacuating::check),
        ("overload", overload::check),
        ("budget", budget::check),
    ];
    let found = rules.iter().flat_map(|(rule, check)| {
        check(around, &steps).into_iter().map(|(step, problem)| Lint { rule, step, problem })
    });
    found.collect()
}

/// The steps, for whom they are, what budgets allow, and who comes before whom.
struct Steps<'a> {
    subject: &'a ResourceId,
    all: &'a [Step],
    allowances: &'a [Allowance],
    /// For each step, all that are done before it begins.
    before: BTreeMap<StepId, BTreeSet<StepId>>,
}

impl<'a> Steps<'a> {
    fn of(subject: &'a ResourceId, all: &'a [Step], allowances: &'a [Allowance]) -> Self {
        let mut before: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
        for step in all {
            let earlier = step.after.iter().filter_map(|id| before.get(id)).flatten().copied();
            let all = step.after.iter().copied().chain(earlier).collect();
            before.insert(step.id, all);
        }
        Self { subject, all, allowances, before }
    }

    /// Whether `first` is done before `second` begins.
    fn precedes(&self, first: &Step, second: &Step) -> bool {
        self.before.get(&second.id).is_some_and(|before| before.contains(&first.id))
    }
}

/// The host that a step brings its resource to.
fn target(step: &Step) -> Option<&ResourceId> {
    match &step.action {
        Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => Some(to),
        _ => None,
    }
}
