//! Turns a finding's response into an immutable plan. Pure: (topology, capabilities, plans in flight, response) -> steps.
//!
//! ```text
//!   Response (resize +2, migrate, evacuate, ...)          what the policy wants
//!       | draft(): picks hosts, computes absolute amounts against the projected state
//!       v
//!   Draft: a DAG of steps    or    Infeasible: why not, so that the ladder can go on
//! ```
//!
//! The projected state is the topology as it will be when every plan in flight has succeeded; while something moves, it
//! counts on both hosts. A place is taken only if it is free in that state.
//!
//! A plan is carried out by a [`Run`]: the states of its steps (`step_state.rs` draws them), what may begin, what is undone.
//! [`Lanes`] bound how much is done at a time. Before, [`lint()`] looks at every draft with other eyes.
//!
//! Invariant: equal inputs give byte-equal drafts; ties between hosts are broken by their ids.
//! Invariant: a step says everything absolutely; nothing is left for execution to choose.
//! Invariant: this crate knows no policy language, no guard and no adapter.

mod backoff;
mod compensation;
mod cost;
mod draft;
mod evacuate;
mod fisicalize;
mod lanes;
mod lint;
mod migrate;
mod phase;
mod placement;
mod precondition;
mod processors;
mod projection;
mod resize;
mod run;
mod step_state;

pub use draft::{ALL_WAYS_OPEN, Barred, Draft, Infeasible, Surroundings, draft};
pub use lanes::{Full, Lanes, Place, Width, concerned};
pub use lint::{Allowance, Lint, lint};
pub use migrate::gain;
pub use phase::{IllegalPhase, Phase};
pub use placement::{Demand, NoRoom, Room};
pub use precondition::unmet;
pub use projection::Projection;
pub use run::{Deed, Run};
pub use step_state::{IllegalTransition, StepState};
