//! The engine: a pure, deterministic state machine that is told what happens and says what to do.
//!
//! ```text
//!   observations, step reports, operator commands, capabilities, policies, the time
//!                                |
//!                                v   handle() / replace_policies() / advance()
//!        +--------------------------------------------------------+
//!        | decide: signals -> findings      plan: response -> DAG |
//!        | guard: owned? rested? within      run: steps in flight  |
//!        |   budgets?                                             |
//!        +--------------------------------------------------------+
//!                                |
//!                                v   Vec<Output>, in order
//!   records to journal, steps to dispatch or call off, notifications, refusals
//! ```
//!
//! # The driver's contract
//!
//! Three drivers use the engine: the live one, the one in virtual time (simulation, backtest) and the policy tests. All
//! that they have to do is this:
//!
//! - **Time.** Every call gives the time. It never runs backwards (a smaller time counts as the last one). A driver calls
//!   [`Engine::advance`] at or after [`Engine::next_deadline`]; how late or how often does not matter, because whatever
//!   fell due is decided as of its own deadline, in the order of deadlines, before anything else happens at the new time.
//!   So a recording of the inputs and their times replays to the same outputs, with any pattern of ticks.
//! - **Order.** Outputs are carried out in their order. A [`Output::Record`] is durable before a later
//!   [`Output::Dispatch`] of the same call leaves the program.
//! - **Steps.** Each dispatched step is reported exactly once, with [`Input::Report`], under its idempotency key, within its timeout and
//!   [`REPORT_GRACE`](homeostat_model::REPORT_GRACE). After that [`Output::Probe`] asks for it: a driver that still carries it out goes
//!   on, another one finds out what became of it. Where nobody answers either, the outcome is not known. A report that comes twice,
//!   late or from another generation is refused and changes nothing.
//! - **After a restart.** What the engine before knew, and recorded since, is told with [`Input::Recalled`]: cooldowns, budgets, ladders go on.
//!   Every few seconds the driver keeps what [`Engine::counted`] gives.
//! - **After a crash.** What was in flight is told with [`Input::Recovered`], after the policies and before anything is observed. Of what
//!   was dispatched and never reported, [`Output::Probe`] asks; only when the adapters have described what there is does a plan
//!   go on.
//! - **Notifications.** What [`Output::Notify`] hands out is delivered at least once by every channel that it names, and each says so with
//!   [`Input::Delivered`]. What was not delivered before a crash is told with [`Input::Undelivered`], after [`Input::Channels`].
//!   What was, and is not over, is said with [`Output::Stands`] after every [`Input::Channels`] and [`Input::Recalled`].
//! - **Generation.** Each start of a driver that acts uses a greater [`Generation`] than every start before. Plans and
//!   keys contain it, adapters refuse an older one.
//! - **Explanations** are questions, not inputs: they change no decision.
//!
//! Invariant: no clock, no I/O, no randomness, no thread; equal inputs give byte-equal outputs.
//! Invariant: a plan never changes after it was made; it is carried out, called off, or it fails.
//! Invariant: one plan at a time owns a resource, from its first record to its last.
//! Invariant: a bad input is refused by itself; nothing else is affected.

mod admission;
mod approval;
mod arbitration;
mod asked;
mod bound;
mod carry_out;
mod case;
mod coverage;
mod drafting;
mod ending;
mod engine;
mod explain;
mod fenced;
mod flight;
mod input;
mod ladder;
mod mark;
mod output;
mod overdue;
mod past;
mod patience;
mod progress;
mod quarantine;
mod reach;
mod recall;
mod recent;
mod recover;
mod refusal;
mod standing;
mod storm;
mod tell;
mod told;
mod waiting;
mod width;

pub use coverage::PolicyCoverage;
pub use engine::Engine;
pub use explain::{Explanation, Status, Unconcerned};
pub use homeostat_decide::{ClauseCoverage, CompileError, Stopwatch};
pub use homeostat_model::Generation;
pub use input::{Input, OperatorCommand};
pub use output::Output;
pub use past::Past;
pub use progress::{Overview, PlanState, PlanView, StepView};
pub use refusal::CommandRefused;
pub use tell::MAX_UNDELIVERED;
