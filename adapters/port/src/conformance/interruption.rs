//! Promises about steps that do not run to their end undisturbed.

use homeostat_model::StepCommand;
use tokio_util::sync::CancellationToken;

use super::{
    Subject, Suite,
    deeds::{apply, one_effect},
    report::{Stop, Verdict, ensure},
};
use crate::{ApplyError, Probe, ProgressSink};

pub(super) async fn cancelled_before(suite: &Suite<'_>) -> Verdict {
    for subject in suite.subjects().await? {
        let before = suite.harness.effects(&subject).await;
        let command = suite.command(&subject);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let (progress, _watched) = ProgressSink::new();
        let applied = suite.within("apply", suite.adapter.apply(&command, &progress, &cancel)).await?;
        truth(suite, &subject, &command, before, &applied).await?;
    }
    Ok(())
}

pub(super) async fn cancelled(suite: &Suite<'_>) -> Verdict {
    let (subject, before, command) = slow_step(suite).await?;
    let cancel = CancellationToken::new();
    let (progress, _watched) = ProgressSink::new();
    let caller = async {
        tokio::time::sleep(suite.harness.half_way()).await;
        cancel.cancel();
    };
    let apply = suite.within("apply", suite.adapter.apply(&command, &progress, &cancel));
    let (applied, ()) = tokio::join!(apply, caller);
    truth(suite, &subject, &command, before, &applied?).await
}

pub(super) async fn dropped(suite: &Suite<'_>) -> Verdict {
    let mut subjects = suite.subjects().await?;
    subjects.extend(suite.harness.slow_subject().await);
    for subject in subjects {
        let before = suite.harness.effects(&subject).await;
        let command = suite.command(&subject);
        let (progress, _watched) = ProgressSink::new();
        let cancel = CancellationToken::new();
        let cut = tokio::time::timeout(suite.harness.half_way(), suite.adapter.apply(&command, &progress, &cancel));
        // Whether it was cut off or had ended already: the system is asked, and then asked for the same thing again.
        let _ = cut.await;
        let what = format!("{} of {}", subject.action, subject.resource);
        if matches!(suite.settled(&command).await?, Probe::NotDone(_)) {
            let effects = suite.harness.effects(&subject).await.saturating_sub(before);
            ensure!(effects == 0, "{what} was cut off and done, and probe says that it is not done");
        }
        apply(suite, &command).await?.map_err(Stop::broken(&format!("{what}, again after it was cut off")))?;
        one_effect(suite, &subject, before).await?;
    }
    Ok(())
}

/// On a machine that stands still for a moment a slow step is over before it can say anything: it is tried with another one then.
const ATTEMPTS: usize = 3;

pub(super) async fn slow(suite: &Suite<'_>) -> Verdict {
    let mut verdict = Ok(());
    for _ in 0..ATTEMPTS {
        verdict = slow_once(suite).await;
        if !matches!(verdict, Err(Stop::Broken(_))) {
            break;
        }
    }
    verdict
}

async fn slow_once(suite: &Suite<'_>) -> Verdict {
    let (_, _, command) = slow_step(suite).await?;
    let cancel = CancellationToken::new();
    let (progress, mut watched) = ProgressSink::new();
    let apply = suite.adapter.apply(&command, &progress, &cancel);
    tokio::pin!(apply);
    // Progress that comes only at the end is none.
    let informed = async {
        let partial = watched.wait_for(|progress| progress.share.is_some_and(|share| share < 1.0)).await;
        partial.is_ok()
    };
    tokio::select! {
        biased;
        told = informed => ensure!(told, "progress was closed"),
        ended = &mut apply => return Err(Stop::Broken(format!("the slow step ended ({ended:?}) without a word"))),
        () = tokio::time::sleep(suite.harness.half_way()) => {
            cancel.cancel();
            let ended = suite.within("a slow step that says nothing and was called off", &mut apply).await?;
            ensure!(matches!(ended, Err(ApplyError::Cancelled)), "a slow step that says nothing, called off: {ended:?}");
            return Ok(());
        }
    }
    suite.within("the slow step", apply).await?.map_err(Stop::broken("the slow step"))
}

async fn slow_step(suite: &Suite<'_>) -> Result<(Subject, u64, StepCommand), Stop> {
    let Some(subject) = suite.harness.slow_subject().await else {
        return Err(Stop::skip("nothing is slow here"));
    };
    let before = suite.harness.effects(&subject).await;
    let command = suite.command(&subject);
    Ok((subject, before, command))
}

/// What apply and probe say has to agree with the system.
async fn truth(
    suite: &Suite<'_>,
    subject: &Subject,
    command: &StepCommand,
    before: u64,
    applied: &Result<(), ApplyError>,
) -> Verdict {
    let probed = suite.settled(command).await?;
    let effects = suite.harness.effects(subject).await.saturating_sub(before);
    let seen = format!("apply gave {applied:?}, probe {probed:?}, and the system has done it {effects} times");
    let done = matches!(probed, Probe::Done(_));
    ensure!(effects == u64::from(done), "{seen}");
    match applied {
        Ok(()) => ensure!(done, "{seen}"),
        Err(ApplyError::Cancelled) => ensure!(!done, "{seen}"),
        Err(ApplyError::Stale { .. }) => ensure!(false, "{seen}"),
        Err(ApplyError::Adapter(_)) => {}
    }
    Ok(())
}
