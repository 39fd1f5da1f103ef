//! Carries one step through check, apply and probe, and says what became of it.

use std::time::Duration;

use homeostat_model::{StepCommand, StepResult};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{Adapter, ApplyError, Clock, Probe, ProgressSink, Refusal};

/// Times the system is asked again what became of a step while it says "running" or does not answer.
const PROBES: u32 = 5;

/// How long the system may take over an answer, on the wall: no clock that runs faster makes a system answer faster.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// For saying whether a step can be done.
    check: Duration,
    /// For coming back from a step that ran out of time and was called off.
    grace: Duration,
    /// For saying what became of a step, each time it is asked.
    probe: Duration,
}

/// An API that needs more than half a minute to say whether something can be done cannot do it now. One that was told to stop
/// needs a few calls to undo what it began. Together with the probes and the pauses between them this stays below
/// [`REPORT_GRACE`](homeostat_model::REPORT_GRACE), for which the engine waits beyond the step's timeout.
static LIMITS: Limits =
    Limits { check: Duration::from_secs(30), grace: Duration::from_secs(10), probe: Duration::from_secs(5) };

/// Pauses between two questions about a step that was begun before a crash: a system that comes up together with homeostat needs
/// seconds, one that is out of reach is not to be asked all the time.
const FIRST_PAUSE: homeostat_model::Duration = homeostat_model::Duration::from_millis(200);
const LONGEST_PAUSE: homeostat_model::Duration = homeostat_model::Duration::from_secs(10);

/// Does one step and finds out what became of it at the system itself. Never longer than the check, the step's timeout, the
/// time it is given to come back when it is called off, and the probes. However the wall clock is set meanwhile, the step has its time.
///
/// Done means that the probe said so, not that `apply` returned: an acknowledgement is not an outcome.
pub fn execute<'a>(
    adapter: &'a dyn Adapter,
    command: &'a StepCommand,
    clock: &'a Clock,
    progress: &'a ProgressSink,
    cancel: &'a CancellationToken,
) -> impl Future<Output = StepResult> + Send + 'a {
    execute_within(&LIMITS, adapter, command, clock, progress, cancel)
}

/// Finds out what became of a step that was begun, and of which nothing was heard; begins nothing. While the system says that it still runs, or does not
/// answer, it is asked again, as long as the step may take.
pub async fn ascertain(adapter: &dyn Adapter, command: &StepCommand, clock: &Clock) -> StepResult {
    ascertain_within(&LIMITS, adapter, command, clock).await
}

async fn ascertain_within(limits: &Limits, adapter: &dyn Adapter, command: &StepCommand, clock: &Clock) -> StepResult {
    let asked_from = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let unclear = match timeout(limits.probe, adapter.probe(command)).await {
            Ok(Ok(Probe::Done(observed))) => return StepResult::Done { observed },
            Ok(Ok(Probe::NotDone(seen))) => {
                return StepResult::Failed { reason: format!("its end was not heard; seen: {seen}") };
            }
            Ok(Ok(Probe::Running)) => "the system says that it still runs".into(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the system did not say within {:?} what became of it", limits.probe),
        };
        if asked_from.elapsed() >= clock.on_the_wall(command.timeout) {
            return StepResult::Unknown { reason: format!("its end was not heard; {unclear}") };
        }
        sleep(clock.on_the_wall(pause)).await;
        pause = pause.plus(pause).min(LONGEST_PAUSE);
    }
}

/// There are as many of these in memory as steps in flight, nearly all of them waiting for `apply`: they keep what they are given once,
/// and what comes after that in a box of its own.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
fn execute_within<'a>(
    limits: &'a Limits,
    adapter: &'a dyn Adapter,
    command: &'a StepCommand,
    clock: &'a Clock,
    progress: &'a ProgressSink,
    cancel: &'a CancellationToken,
) -> impl Future<Output = StepResult> + Send + 'a {
    async move {
        match timeout(limits.check, adapter.check(command)).await {
            Ok(Ok(())) => {}
            Ok(Err(Refusal { reason })) => return StepResult::Refused { reason },
            Err(_) => {
                let reason = format!("the system did not say within {:?} whether it can be done", limits.check);
                return StepResult::Refused { reason };
            }
        }
        let mut applying = adapter.apply(command, progress, cancel);
        let applied = tokio::select! {
            biased;
            applied = &mut applying => applied,
            () = sleep(clock.on_the_wall(command.timeout)) => {
                cancel.cancel();
                // Cut off at once, an adapter could not undo what it began; after this while it is cut off nevertheless.
                let why = match timeout(limits.grace, applying).await {
                    Ok(Err(ApplyError::Adapter(error))) => format!("not done within {}; {error}", command.timeout),
                    Ok(_) => format!("not done within {}", command.timeout),
                    Err(_) => format!("not done within {}, and it did not stop when it was called off", command.timeout),
                };
                return Box::pin(judge(limits, adapter, command, clock, why)).await;
            }
        };
        match applied {
            Ok(()) => {
                let otherwise = "the system acknowledged it, but it is not so".into();
                Box::pin(judge(limits, adapter, command, clock, otherwise)).await
            }
            Err(ApplyError::Cancelled) => StepResult::Cancelled,
            Err(error @ ApplyError::Stale { .. }) => StepResult::Refused { reason: error.to_string() },
            Err(ApplyError::Adapter(error)) => {
                Box::pin(judge(limits, adapter, command, clock, error.to_string())).await
            }
        }
    }
}

/// The pause after so many probes of a step that has just ended.
fn pause_after(probes: u32) -> homeostat_model::Duration {
    homeostat_model::Duration::from_millis(200 << probes)
}

/// Asks the system. `otherwise` is what to say when it is not done.
async fn judge(
    limits: &Limits,
    adapter: &dyn Adapter,
    command: &StepCommand,
    clock: &Clock,
    otherwise: String,
) -> StepResult {
    let mut unclear = String::new();
    for attempt in 0..PROBES {
        match timeout(limits.probe, adapter.probe(command)).await {
            Ok(Ok(Probe::Done(observed))) => return StepResult::Done { observed },
            Ok(Ok(Probe::NotDone(seen))) => {
                return StepResult::Failed { reason: format!("{otherwise}; seen: {seen}") };
            }
            Ok(Ok(Probe::Running)) => unclear = "the system says that it still runs".into(),
            Ok(Err(error)) => unclear = error.to_string(),
            Err(_) => unclear = format!("the system did not say within {:?} what became of it", limits.probe),
        }
        sleep(clock.on_the_wall(pause_after(attempt))).await;
    }
    StepResult::Unknown { reason: format!("{otherwise}; {unclear}") }
}

#[cfg(test)]
mod tests;
