//! Serves one data centre to whoever connects.

use std::{io, os::unix::fs::PermissionsExt, sync::Arc};

use homeostat_model::{Observation, StepCommand};
use homeostat_port::{Adapter, ObservationSink, ProgressSink, Refusal};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    address::CentreAddress,
    lines::{Lines, write},
    protocol::{Answer, MAX_QUESTION_BYTES, Question, Statement},
};
use crate::{Incident, SimAdapter};

/// Connections at a time: the deeds of two programs with a thousand steps in flight each. Others wait until there is room.
const MAX_CONNECTIONS: usize = 2_048;
/// Observations on their way to one observer, and at most so many in one line.
const OBSERVATIONS: usize = 1_024;

/// Serves the data centre of `sim` at `address` until `stop`.
///
/// # Errors
/// When it cannot listen there, or somebody else does already.
pub async fn serve(sim: SimAdapter, address: &CentreAddress, stop: &CancellationToken) -> io::Result<()> {
    let listener = listen(address).await?;
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let outcome = loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let stream = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => break Err(error),
            },
        };
        while connections.try_join_next().is_some() {}
        let sim = sim.clone();
        connections.spawn(async move {
            // Whoever went away needs no answer.
            let _ = answer(&sim, stream).await;
            drop(permit);
        });
    };
    // Another one may listen there from now on.
    let _ = std::fs::remove_file(address.path());
    outcome
}

/// Listens at `address`; what a process left there that is gone is taken away.
async fn listen(address: &CentreAddress) -> io::Result<UnixListener> {
    let path = address.path();
    match UnixStream::connect(path).await {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "a data centre is served there already")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    // Whoever may write to it may do anything to the data centre.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers what is asked on one connection, one question after the other.
async fn answer(sim: &SimAdapter, stream: UnixStream) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut questions = Lines::new(reader, MAX_QUESTION_BYTES);
    loop {
        let question = match questions.next().await {
            Ok(Some(question)) => question,
            Ok(None) => return Ok(()),
            Err(error) => return write(&mut writer, &Answer::Wrong { reason: error.to_string() }).await,
        };
        match question {
            Question::Observe => return observe(sim, &mut questions, &mut writer).await,
            Question::Apply { command, called_off } => {
                let cancel = CancellationToken::new();
                if called_off {
                    cancel.cancel();
                }
                apply(sim, &command, &cancel, &mut questions, &mut writer).await?;
            }
            other => write(&mut writer, &at_once(sim, other).await).await?,
        }
    }
}

/// The answer to what is answered at once.
async fn at_once(sim: &SimAdapter, question: Question) -> Answer {
    let wrong = |reason: String| Answer::Wrong { reason };
    match question {
        Question::Capabilities => match sim.capabilities().await {
            Ok(capabilities) => Answer::Capabilities(capabilities),
            Err(error) => wrong(error.to_string()),
        },
        Question::Discover => Answer::Resources(sim.with(|centre| centre.snapshot())),
        Question::Check(command) => {
            Answer::Checked { refusal: sim.check(&command).await.err().map(|Refusal { reason }| reason) }
        }
        Question::Probe(command) => Answer::Probed(sim.probe(&command).await.into()),
        Question::Ledger => Answer::Stated(sim.with(|centre| Statement::of(centre))),
        Question::Inject(incident) => inject(sim, &incident),
        Question::GoWrong { fault, times } => {
            sim.go_wrong(fault, times);
            Answer::Noted
        }
        Question::Cancel => wrong("no step is applied on this connection".into()),
        Question::Observe | Question::Apply { .. } => wrong("one answer is not enough for this".into()),
    }
}

fn inject(sim: &SimAdapter, incident: &Incident) -> Answer {
    let resource = incident.resource();
    sim.with(|centre| {
        if centre.snapshot().iter().all(|found| found.id != *resource) {
            return Answer::Wrong { reason: format!("there is no {resource} here") };
        }
        centre.inject(incident);
        Answer::Noted
    })
}

/// Tells everything that is seen, until whoever listens goes away.
async fn observe<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    sim: &SimAdapter,
    questions: &mut Lines<R>,
    writer: &mut W,
) -> io::Result<()> {
    let (sink, mut observations) = ObservationSink::bounded(OBSERVATIONS);
    let stop = CancellationToken::new();
    let _stopped_at_the_end = stop.clone().drop_guard();
    let observer = sim.clone();
    tokio::spawn(async move { observer.observe(&sink, &stop).await });
    let mut batch: Vec<Observation> = Vec::new();
    loop {
        tokio::select! {
            received = observations.recv_many(&mut batch, OBSERVATIONS) => {
                if received == 0 {
                    return Ok(());
                }
                write(writer, &Answer::Observed(std::mem::take(&mut batch))).await?;
            }
            // Nothing is asked here any more: this is the end.
            _ = questions.next::<Question>() => return Ok(()),
        }
    }
}

/// Does a step, says how far it is, and calls it off when it is told to. When nobody listens any more, it goes on.
async fn apply<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    sim: &SimAdapter,
    command: &StepCommand,
    cancel: &CancellationToken,
    questions: &mut Lines<R>,
    writer: &mut W,
) -> io::Result<()> {
    let (progress, mut shares) = ProgressSink::new();
    let mut applying = sim.apply(command, &progress, cancel);
    loop {
        tokio::select! {
            applied = &mut applying => return write(writer, &Answer::Applied(applied.into())).await,
            Ok(()) = shares.changed() => {
                let share = shares.borrow_and_update().share;
                if let Some(share) = share {
                    write(writer, &Answer::Progress(share)).await?;
                }
            }
            asked = questions.next::<Question>(), if !cancel.is_cancelled() => match asked? {
                Some(Question::Cancel) => cancel.cancel(),
                Some(_) => write(writer, &Answer::Wrong { reason: "a step is applied here at the moment".into() }).await?,
                None => return Err(io::ErrorKind::ConnectionReset.into()),
            },
        }
    }
}
