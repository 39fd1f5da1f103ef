//! The suite every adapter has to pass, run against the real system it drives.
//!
//! ```text
//!   Harness (the adapter's tests)                 the suite
//!     adapter() ------------------------------->  discover, observe, check, apply, probe
//!     subject(), slow_subject(), workload() --->  something to act on, fresh for every promise
//!     effects() ------------------------------->  what the system itself says was done, and how often
//!     fail() ---------------------------------->  a failure that nobody asked for
//! ```
//!
//! A promise is kept, broken (with what was seen) or skipped (with why). Nothing here trusts the adapter about what it
//! did: `effects` asks the system behind it.

mod deeds;
mod interruption;
mod inventory;
mod observed;
mod report;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use homeostat_model::{
    Action, EventType, Generation, IdempotencyKey, Kind, PlanId, ResourceId, StepCommand, StepId, Verb,
};

use crate::Adapter;
pub use report::{Outcome, Report};
use report::{Stop, Verdict};

/// How long `observe` may take to return after its stop: a person who presses Ctrl-C does not wait longer.
const PROMPT: Duration = Duration::from_secs(5);

/// A promise that has not been judged after this many times the harness' patience hangs: none waits more often in a row
/// than once for each of its verbs and steps.
const PATIENCES_A_PROMISE: u32 = 50;

/// Something that can be done now and has not been done.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What is acted on.
    pub resource: ResourceId,
    /// What is done to it.
    pub action: Action,
}

/// What the tests of an adapter provide. The suite is run once with each harness, on an adapter that nobody used before.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The adapter under test: always the same one.
    fn adapter(&self) -> Arc<dyn Adapter>;

    /// Another adapter on the same system that remembers nothing of the first, as after a crash of the program.
    /// `None` skips what needs it.
    async fn reconnected(&self) -> Option<Arc<dyn Adapter>> {
        None
    }

    /// A resource of `kind`, made (or made ready) for this call, on which `verb` can be done now and has an effect: a
    /// running one to stop, a stopped one to start. `None` skips this verb on this kind.
    async fn subject(&self, kind: &Kind, verb: Verb) -> Option<Subject>;

    /// Like [`Harness::subject`], and the action takes at least three times [`Harness::half_way`] here. `None` skips
    /// what needs it.
    async fn slow_subject(&self) -> Option<Subject> {
        None
    }

    /// An action on an existing resource that is of an offered verb but cannot be done, such as more memory than there is.
    async fn impossible_subject(&self) -> Option<Subject> {
        None
    }

    /// How often the system itself has done what `subject` asks for to its resource, by anybody, since the resource was
    /// made. Only differences count. Asks the system, not the adapter.
    async fn effects(&self, subject: &Subject) -> u64;

    /// A fresh running workload that is sampled.
    async fn workload(&self) -> ResourceId;

    /// Makes it fail from outside, behind the adapter's back.
    async fn fail(&self, workload: &ResourceId);

    /// The event by which such a failure is seen.
    fn failure_event(&self) -> EventType;

    /// Wall time after which an action that has begun is cut off or called off.
    fn half_way(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// Wall time within which what has to come has come: a sample, an event, the end of an action.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// Checks every promise and tells what became of each.
pub async fn run(harness: &dyn Harness) -> Report {
    let suite = Suite::new(harness);
    let mut report = Report::default();
    macro_rules! promise {
        ($($text:literal => $check:path),+ $(,)?) => {
            $(report.add($text, suite.judge($check(&suite)).await);)+
        };
    }
    promise! {
        "discovered ids are unique and of declared kinds" => inventory::ids,
        "observe begins with a snapshot that equals discover" => inventory::snapshot,
        "all that is seen was declared, and a failure from outside is seen" => inventory::failure,
        "observe stops promptly" => inventory::stop,
        "observe begins anew with a snapshot" => inventory::again,
        "every verb that is offered can be tried here" => deeds::coverage,
        "check refuses an unknown resource" => deeds::unknown_resource,
        "check refuses a verb that is not declared" => deeds::undeclared_verb,
        "check refuses what is impossible, without effect" => deeds::impossible,
        "check has no effect, and probe says not done before, done after" => deeds::probe,
        "apply under one key has one effect, however often" => deeds::once,
        "concurrent applies of one key have one effect" => deeds::concurrent,
        "a stale generation is refused" => deeds::stale,
        "a lasting deed is recognised by an adapter that remembers nothing" => deeds::remembered,
        "a step called off before it began leaves the truth" => interruption::cancelled_before,
        "a step called off half-way leaves it done or not done, and probe says which" => interruption::cancelled,
        "a step cut off half-way and applied again has one effect" => interruption::dropped,
        "a slow step tells how far it is, or ends soon when called off" => interruption::slow,
    }
    report
}

/// The harness, and commands that have never been used before.
struct Suite<'a> {
    harness: &'a dyn Harness,
    adapter: Arc<dyn Adapter>,
    number: AtomicU64,
    generation: AtomicU32,
}

impl<'a> Suite<'a> {
    fn new(harness: &'a dyn Harness) -> Self {
        let adapter = harness.adapter();
        Self { harness, adapter, number: AtomicU64::new(0), generation: AtomicU32::new(1) }
    }

    /// Ends a promise that hangs, and turns its end into an outcome.
    async fn judge(&self, check: impl Future<Output = Verdict>) -> Outcome {
        let longest = self.harness.patience().saturating_mul(PATIENCES_A_PROMISE);
        match tokio::time::timeout(longest, check).await {
            Ok(Ok(())) => Outcome::Kept,
            Ok(Err(Stop::Skip(why))) => Outcome::Skipped(why),
            Ok(Err(Stop::Broken(what))) => Outcome::Broken(what),
            Err(_) => Outcome::Broken(format!("it did not end within {longest:?}")),
        }
    }

    /// A command for `subject` under a key that was never used.
    fn command(&self, subject: &Subject) -> StepCommand {
        self.command_of(subject, Generation(self.generation.load(Ordering::SeqCst)))
    }

    fn command_of(&self, subject: &Subject, generation: Generation) -> StepCommand {
        let plan = PlanId { generation, number: self.number.fetch_add(1, Ordering::SeqCst) + 1 };
        let step = StepId(1);
        StepCommand {
            plan,
            step,
            key: IdempotencyKey::new(plan, step),
            generation,
            adapter: self.adapter.name().clone(),
            resource: subject.resource.clone(),
            action: subject.action.clone(),
            timeout: homeostat_model::Duration::from_millis(
                u64::try_from(self.harness.patience().as_millis()).unwrap_or(u64::MAX),
            ),
            begun: crate::Clock::system().now(),
        }
    }

    /// Goes over to the next generation, as a restarted engine does, and gives the one before.
    fn next_generation(&self) -> Generation {
        Generation(self.generation.fetch_add(1, Ordering::SeqCst))
    }

    /// What is offered, pair by pair.
    async fn offered(&self) -> Result<Vec<(Kind, Verb)>, Stop> {
        let offered = self.adapter.capabilities().await.map_err(Stop::broken("capabilities failed"))?;
        let pairs = |(kind, capability): (Kind, homeostat_model::KindCapability)| {
            capability.verbs.into_iter().map(move |verb| (kind.clone(), verb))
        };
        Ok(offered.kinds.into_iter().flat_map(pairs).collect())
    }

    /// One fresh subject of each pair that is offered and that the harness has a subject for; at least one.
    async fn subjects(&self) -> Result<Vec<Subject>, Stop> {
        let mut subjects = Vec::new();
        for (kind, verb) in self.offered().await? {
            subjects.extend(self.harness.subject(&kind, verb).await);
        }
        if subjects.is_empty() {
            Err(Stop::skip("no verb is offered that the harness has a subject for"))
        } else {
            Ok(subjects)
        }
    }

    async fn within<T>(&self, what: &str, future: impl Future<Output = T>) -> Result<T, Stop> {
        let patience = self.harness.patience();
        tokio::time::timeout(patience, future)
            .await
            .map_err(|_| Stop::Broken(format!("{what} did not end within {patience:?}")))
    }
}
