//! Drives a data centre that another process serves.

use std::{io, time::Duration};

use async_trait::async_trait;
use homeostat_model::{AdapterName, Capabilities, Observation, Resource, StepCommand};
use homeostat_port::{Adapter, AdapterError, ApplyError, ObservationSink, Probe, ProgressSink, Refusal};
use tokio::{
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    address::CentreAddress,
    lines::{Lines, write},
    protocol::{Answer, MAX_ANSWER_BYTES, Question, Statement},
};
use crate::{Fault, Incident};

/// How long an answer may take that is given at once: the server is on this machine, and may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Drives a data centre that another process serves. A connection is made for each question, so that one that broke needs no care.
#[derive(Debug, Clone)]
pub struct RemoteCentre {
    name: AdapterName,
    address: CentreAddress,
}

/// A connection on which one question was asked.
struct Asked {
    answers: Lines<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl RemoteCentre {
    /// The data centre that is served at `address` under that name; it need not be there yet.
    #[must_use]
    pub fn new(name: AdapterName, address: CentreAddress) -> Self {
        Self { name, address }
    }

    /// What was really done to it.
    ///
    /// # Errors
    /// [`AdapterError`] when it does not answer. Here and below.
    pub async fn ledger(&self) -> Result<Statement, AdapterError> {
        match self.answer(&Question::Ledger).await? {
            Answer::Stated(statement) => Ok(statement),
            other => Err(self.unexpected("ledger", &other)),
        }
    }

    /// Lets something happen to it now. What cannot happen (the crash of what does not run) does not.
    pub async fn inject(&self, incident: &Incident) -> Result<(), AdapterError> {
        self.note("incident", &Question::Inject(incident.clone())).await
    }

    /// Lets the next `times` applies go wrong in this way, after those that were told so before.
    pub async fn go_wrong(&self, fault: Fault, times: usize) -> Result<(), AdapterError> {
        self.note("fault", &Question::GoWrong { fault, times }).await
    }

    async fn note(&self, what: &str, question: &Question) -> Result<(), AdapterError> {
        match self.answer(question).await? {
            Answer::Noted => Ok(()),
            other => Err(self.unexpected(what, &other)),
        }
    }

    async fn ask(&self, question: &Question) -> Result<Asked, AdapterError> {
        let stream = UnixStream::connect(self.address.path()).await.map_err(|error| {
            let hint = "; start it with `homeostat datacentre serve`";
            let hint = if error.kind() == io::ErrorKind::NotFound { hint } else { "" };
            self.unreachable(format!("{error}{hint}"))
        })?;
        let (reader, mut writer) = stream.into_split();
        write(&mut writer, question).await.map_err(|error| self.unreachable(error.to_string()))?;
        Ok(Asked { answers: Lines::new(reader, MAX_ANSWER_BYTES), writer })
    }

    /// The one answer to a question.
    async fn answer(&self, question: &Question) -> Result<Answer, AdapterError> {
        let answered = async {
            let mut asked = self.ask(question).await?;
            self.next(&mut asked).await
        };
        timeout(PATIENCE, answered)
            .await
            .unwrap_or_else(|_| Err(self.unreachable(format!("no answer within {PATIENCE:?}"))))
    }

    async fn next(&self, asked: &mut Asked) -> Result<Answer, AdapterError> {
        match asked.answers.next().await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.unreachable("the connection was closed".into())),
            Err(error) => Err(self.unreachable(error.to_string())),
        }
    }

    fn unreachable(&self, reason: String) -> AdapterError {
        AdapterError::Unreachable { endpoint: self.address.to_string(), reason }
    }

    fn unexpected(&self, operation: &str, answer: &Answer) -> AdapterError {
        let reason = match answer {
            Answer::Wrong { reason } => reason.clone(),
            other => format!("{} gave another answer than this version of homeostat expects: {other:?}", self.address),
        };
        AdapterError::Failed { operation: operation.into(), reason }
    }
}

#[async_trait]
impl Adapter for RemoteCentre {
    fn name(&self) -> &AdapterName {
        &self.name
    }

    async fn capabilities(&self) -> Result<Capabilities, AdapterError> {
        match self.answer(&Question::Capabilities).await? {
            Answer::Capabilities(capabilities) if capabilities.adapter == self.name => Ok(capabilities),
            Answer::Capabilities(other) => {
                let (name, other) = (&self.name, other.adapter);
                let reason = format!("the data centre there is called {other}, not {name}; give both the same name");
                Err(AdapterError::Failed { operation: "connecting".into(), reason })
            }
            other => Err(self.unexpected("capabilities", &other)),
        }
    }

    async fn discover(&self) -> Result<Vec<Resource>, AdapterError> {
        match self.answer(&Question::Discover).await? {
            Answer::Resources(resources) => Ok(resources),
            other => Err(self.unexpected("discovery", &other)),
        }
    }

    async fn observe(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), AdapterError> {
        let mut asked = self.ask(&Question::Observe).await?;
        loop {
            let answer = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                answer = self.next(&mut asked) => answer?,
            };
            let Answer::Observed(observations) = answer else { return Err(self.unexpected("observing", &answer)) };
            if !send(sink, observations, stop).await {
                return Ok(());
            }
        }
    }

    async fn check(&self, command: &StepCommand) -> Result<(), Refusal> {
        let refusal = |reason: String| Refusal { reason };
        match self.answer(&Question::Check(command.clone())).await {
            Ok(Answer::Checked { refusal: None }) => Ok(()),
            Ok(Answer::Checked { refusal: Some(reason) }) => Err(refusal(reason)),
            Ok(other) => Err(refusal(self.unexpected("check", &other).to_string())),
            Err(error) => Err(refusal(error.to_string())),
        }
    }

    async fn apply(
        &self,
        command: &StepCommand,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), ApplyError> {
        let mut called_off = cancel.is_cancelled();
        let mut asked = self.ask(&Question::Apply { command: command.clone(), called_off }).await?;
        loop {
            let answer = tokio::select! {
                answer = self.next(&mut asked) => answer?,
                () = cancel.cancelled(), if !called_off => {
                    called_off = true;
                    let told = write(&mut asked.writer, &Question::Cancel).await;
                    told.map_err(|error| self.unreachable(error.to_string()))?;
                    continue;
                }
            };
            match answer {
                Answer::Progress(share) => progress.report(share),
                Answer::Applied(applied) => return applied.into(),
                other => return Err(self.unexpected("apply", &other).into()),
            }
        }
    }

    async fn probe(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        match self.answer(&Question::Probe(command.clone())).await? {
            Answer::Probed(probed) => probed.into(),
            other => Err(self.unexpected("probe", &other)),
        }
    }
}

/// Hands observations on; says whether there is anybody who wants more.
async fn send(sink: &ObservationSink, observations: Vec<Observation>, stop: &CancellationToken) -> bool {
    for observation in observations {
        let sent = tokio::select! {
            biased;
            () = stop.cancelled() => return false,
            sent = sink.send(observation) => sent,
        };
        if sent.is_err() {
            return false;
        }
    }
    true
}
