//! Carries one step through check, apply and probe, and says what became of it.

use homeostat_model::{StepCommand, StepResult};
use tokio_util::sync::CancellationToken;

use crate::{Adapter, ApplyError, Clock, Probe, ProgressSink, Refusal};

/// Times the system is asked again what became of a step while it says "running" or does not answer.
const PROBES: u32 = 5;

/// Does one step and finds out what became of it at the system itself. Never longer than the step's timeout plus the probes.
///
/// Done means that the probe said so, not that `apply` returned: an acknowledgement is not an outcome.
pub async fn execute(
    adapter: &dyn Adapter,
    command: &StepCommand,
    clock: &Clock,
    progress: &ProgressSink,
    cancel: &CancellationToken,
) -> StepResult {
    if let Err(Refusal { reason }) = adapter.check(command).await {
        return StepResult::Refused { reason };
    }
    let applied = tokio::select! {
        applied = adapter.apply(command, progress, cancel) => applied,
        () = clock.sleep(command.timeout) => {
            cancel.cancel();
            let why = format!("not done within {}", command.timeout);
            return judge(adapter, command, clock, why).await;
        }
    };
    match applied {
        Ok(()) => judge(adapter, command, clock, "the system acknowledged it, but it is not so".into()).await,
        Err(ApplyError::Cancelled) => StepResult::Cancelled,
        Err(error @ ApplyError::Stale { .. }) => StepResult::Refused { reason: error.to_string() },
        Err(ApplyError::Adapter(error)) => judge(adapter, command, clock, error.to_string()).await,
    }
}

/// Asks the system. `otherwise` is what to say when it is not done.
async fn judge(adapter: &dyn Adapter, command: &StepCommand, clock: &Clock, otherwise: String) -> StepResult {
    let mut unclear = String::new();
    for attempt in 0..PROBES {
        match adapter.probe(command).await {
            Ok(Probe::Done(observed)) => return StepResult::Done { observed },
            Ok(Probe::NotDone(seen)) => return StepResult::Failed { reason: format!("{otherwise}; seen: {seen}") },
            Ok(Probe::Running) => unclear = "the system says that it still runs".into(),
            Err(error) => unclear = error.to_string(),
        }
        clock.sleep(homeostat_model::Duration::from_millis(200 << attempt)).await;
    }
    StepResult::Unknown { reason: format!("{otherwise}; {unclear}") }
}
