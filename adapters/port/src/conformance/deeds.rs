//! Promises about what is done: checks, single effects, generations.

use homeostat_model::{Action, StepCommand, Verb};
use tokio_util::sync::CancellationToken;

use super::{
    Subject, Suite,
    report::{Stop, Verdict, ensure},
};
use crate::{ApplyError, Probe, ProgressSink};

/// Applies of one key that run at the same time: more than a driver and its restarted successor would start.
const CONCURRENT: usize = 4;

/// What is offered and not tried is said, so that nobody takes it for checked.
pub(super) async fn coverage(suite: &Suite<'_>) -> Verdict {
    let mut missing = Vec::new();
    for (kind, verb) in suite.offered().await? {
        if suite.harness.subject(&kind, verb).await.is_none() {
            missing.push(format!("{verb} of a {kind}"));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Stop::Skip(format!("the harness has no subject for {}; no promise is checked for it", missing.join(", "))))
}

pub(super) async fn unknown_resource(suite: &Suite<'_>) -> Verdict {
    for mut subject in suite.subjects().await? {
        let unknown = format!("{}/there-is-no-such-resource", subject.resource.kind());
        subject.resource = unknown.parse().map_err(Stop::broken("the suite's own name is refused"))?;
        let command = suite.command(&subject);
        ensure!(suite.adapter.check(&command).await.is_err(), "check allowed {} of {unknown}", subject.action);
        ensure!(apply(suite, &command).await?.is_err(), "apply claims to have done {} to {unknown}", subject.action);
    }
    Ok(())
}

pub(super) async fn undeclared_verb(suite: &Suite<'_>) -> Verdict {
    let capabilities = suite.adapter.capabilities().await.map_err(Stop::broken("capabilities failed"))?;
    let resources = suite.adapter.discover().await.map_err(Stop::broken("discover failed"))?;
    let mut tried = 0;
    for kind in capabilities.kinds.keys() {
        let Some(resource) = resources.iter().find(|resource| resource.id.kind() == kind.as_str()) else { continue };
        for verb in Verb::ALL.into_iter().filter(|verb| !capabilities.can(kind.as_str(), *verb)) {
            let action = match verb {
                Verb::Restart => Action::Restart { on: None },
                Verb::Start => Action::Start,
                Verb::Stop => Action::Stop,
                Verb::Resize => Action::Resize(
                    homeostat_model::Amount { vcpus: Some(1.0), ..homeostat_model::Amount::default() }.into(),
                ),
                Verb::Pause => Action::Pause { on: true },
                Verb::Kill => Action::Kill,
                Verb::Recreate => Action::Recreate { image: None },
                Verb::Migrate => Action::Migrate { to: resource.id.clone(), live: true },
                Verb::Fence => Action::Fence,
                Verb::Power => Action::Power { on: true },
                Verb::Cordon => Action::Cordon { on: true },
            };
            let command = suite.command(&Subject { resource: resource.id.clone(), action });
            ensure!(suite.adapter.check(&command).await.is_err(), "check allowed {verb} of {}", resource.id);
            tried += 1;
        }
    }
    if tried == 0 { Err(Stop::skip("every verb is offered for every kind")) } else { Ok(()) }
}

pub(super) async fn impossible(suite: &Suite<'_>) -> Verdict {
    let Some(subject) = suite.harness.impossible_subject().await else {
        return Err(Stop::skip("the harness knows nothing that is impossible"));
    };
    let before = suite.harness.effects(&subject).await;
    let command = suite.command(&subject);
    let Err(refusal) = suite.adapter.check(&command).await else {
        return Err(Stop::Broken(format!("check allowed {} of {}", subject.action, subject.resource)));
    };
    ensure!(!refusal.reason.is_empty(), "check refused it and did not say why");
    ensure!(suite.harness.effects(&subject).await == before, "check refused it and did it");
    Ok(())
}

pub(super) async fn probe(suite: &Suite<'_>) -> Verdict {
    for subject in suite.subjects().await? {
        let what = format!("{} of {}", subject.action, subject.resource);
        let before = suite.harness.effects(&subject).await;
        let command = suite.command(&subject);
        suite.adapter.check(&command).await.map_err(Stop::broken(&format!("check refused {what}")))?;
        ensure!(suite.harness.effects(&subject).await == before, "check did {what}");
        match suite.probe(&command).await? {
            Probe::NotDone(_) => {}
            other => return Err(Stop::Broken(format!("probe said {other:?} before {what} was begun"))),
        }
        apply(suite, &command).await?.map_err(Stop::broken(&what))?;
        match suite.probe(&command).await? {
            Probe::Done(_) => {}
            other => return Err(Stop::Broken(format!("probe said {other:?} after {what} was done"))),
        }
        one_effect(suite, &subject, before).await?;
    }
    Ok(())
}

pub(super) async fn once(suite: &Suite<'_>) -> Verdict {
    for subject in suite.subjects().await? {
        let before = suite.harness.effects(&subject).await;
        let command = suite.command(&subject);
        for _ in 0..3 {
            apply(suite, &command)
                .await?
                .map_err(Stop::broken(&format!("{} of {}", subject.action, subject.resource)))?;
        }
        one_effect(suite, &subject, before).await?;
    }
    Ok(())
}

pub(super) async fn concurrent(suite: &Suite<'_>) -> Verdict {
    for subject in suite.subjects().await? {
        let before = suite.harness.effects(&subject).await;
        let command = suite.command(&subject);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..CONCURRENT {
            let (adapter, command) = (suite.adapter.clone(), command.clone());
            tasks.spawn(async move {
                let (progress, _watched) = ProgressSink::new();
                adapter.apply(&command, &progress, &CancellationToken::new()).await
            });
        }
        let ends = suite.within("one of several concurrent applies", tasks.join_all()).await?;
        let failed = ends.into_iter().find_map(Result::err);
        if let Some(error) = failed {
            let what = format!("one of several concurrent applies of {} to {}", subject.action, subject.resource);
            return Err(Stop::Broken(format!("{what} failed: {error}")));
        }
        one_effect(suite, &subject, before).await?;
    }
    Ok(())
}

pub(super) async fn stale(suite: &Suite<'_>) -> Verdict {
    for subject in suite.subjects().await? {
        let older = suite.next_generation();
        // The newer generation is known as soon as it has asked for anything that was let through.
        apply(suite, &suite.command(&subject)).await?.map_err(Stop::broken("the newer generation's step"))?;
        let Some(subject) = suite.harness.subject(&kind_of(&subject)?, subject.action.verb()).await else { continue };
        let before = suite.harness.effects(&subject).await;
        let command = suite.command_of(&subject, older);
        ensure!(
            suite.adapter.check(&command).await.is_err(),
            "check allowed {} of an older generation",
            subject.action
        );
        match apply(suite, &command).await? {
            Err(ApplyError::Stale { given, newest }) => {
                ensure!(given == older.0 && newest > given, "Stale says {given} < {newest}, given was {}", older.0);
            }
            other => return Err(Stop::Broken(format!("apply of an older generation gave {other:?}, not Stale"))),
        }
        ensure!(suite.harness.effects(&subject).await == before, "{} of an older generation was done", subject.action);
    }
    Ok(())
}

pub(super) async fn remembered(suite: &Suite<'_>) -> Verdict {
    let mut tried = 0;
    for subject in suite.subjects().await? {
        // A restart leaves nothing behind by which every system could tell it from one that somebody else asked for.
        if subject.action.verb() == Verb::Restart {
            continue;
        }
        let before = suite.harness.effects(&subject).await;
        let command = suite.command(&subject);
        apply(suite, &command).await?.map_err(Stop::broken("apply"))?;
        let Some(second) = suite.harness.reconnected().await else {
            return Err(Stop::skip("the harness has no second adapter"));
        };
        let probed = second.probe(&command).await.map_err(Stop::broken("probe failed"))?;
        let what = format!("{} of {}", subject.action, subject.resource);
        ensure!(matches!(probed, Probe::Done(_)), "after {what} the second adapter's probe says {probed:?}");
        one_effect(suite, &subject, before).await?;
        tried += 1;
    }
    if tried == 0 { Err(Stop::skip("restart is all it offers")) } else { Ok(()) }
}

impl Suite<'_> {
    /// What became of the step, asked until it no longer runs.
    pub(super) async fn settled(&self, command: &StepCommand) -> Result<Probe, Stop> {
        let settle = async {
            loop {
                match self.probe(command).await {
                    Ok(Probe::Running) => tokio::time::sleep(self.harness.half_way()).await,
                    other => return other,
                }
            }
        };
        self.within("a step that was cut off", settle).await?
    }

    pub(super) async fn probe(&self, command: &StepCommand) -> Result<Probe, Stop> {
        self.adapter.probe(command).await.map_err(Stop::broken("probe failed"))
    }
}

pub(super) async fn apply(suite: &Suite<'_>, command: &StepCommand) -> Result<Result<(), ApplyError>, Stop> {
    let (progress, _watched) = ProgressSink::new();
    let cancel = CancellationToken::new();
    suite.within("apply", suite.adapter.apply(command, &progress, &cancel)).await
}

pub(super) async fn one_effect(suite: &Suite<'_>, subject: &Subject, before: u64) -> Verdict {
    let effects = suite.harness.effects(subject).await.saturating_sub(before);
    ensure!(effects == 1, "the system has done {} to {} {effects} times, not once", subject.action, subject.resource);
    Ok(())
}

fn kind_of(subject: &Subject) -> Result<homeostat_model::Kind, Stop> {
    homeostat_model::Kind::new(subject.resource.kind()).map_err(Stop::broken("a resource of no kind"))
}
