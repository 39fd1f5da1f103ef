//! Asks the engine's loop, and tells it what people want.

use std::time::Duration;

use homeostat_engine::{Engine, OperatorCommand};
use tokio::sync::{mpsc, oneshot};

use super::{Api, refusal::Refusal};
use crate::live::{Message, Question};

/// How long the engine's loop may take to answer. A decision takes microseconds and a slow disk tens of milliseconds: a loop
/// that does not answer by then is stuck. Whoever asks for readiness waits a few seconds at least.
const ANSWER: Duration = Duration::from_secs(2);
/// How long what is wanted may take to be durable: a disk that takes longer is as good as gone.
const DURABLE: Duration = Duration::from_secs(8);

impl Api {
    /// Whether the loop turns.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ping(&self) -> Result<(), String> {
        send(&self.messages, ANSWER, Message::Ping).await
    }

    /// Asks the engine.
    ///
    /// # Errors
    /// 503 when there is no answer in time.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let question = |reply: oneshot::Sender<T>| {
            Question(Box::new(move |engine| {
                // Whoever asked may have gone; then nothing is looked up.
                if !reply.is_closed() {
                    let _ = reply.send(question(engine));
                }
            }))
        };
        send(&self.questions, ANSWER, question).await.map_err(|why| Refusal::unavailable(&why, "try again in a moment"))
    }

    /// Tells the engine what somebody wants, and waits until what came of it is durable.
    ///
    /// # Errors
    /// Why it is not done.
    pub(super) async fn tell(&self, command: OperatorCommand) -> Result<(), Refusal> {
        let answer = send(&self.messages, DURABLE, |reply| Message::Command(command, reply)).await;
        let unknown = "it is not known whether it was done: look with `homeostat plan list` before trying again";
        answer.map_err(|why| Refusal::unavailable(&why, unknown))?.map_err(|refused| Refusal::of(&refused))
    }
}

/// Sends what there is to answer, and waits for the answer.
async fn send<T, M>(
    to: &mpsc::Sender<M>,
    within: Duration,
    message: impl FnOnce(oneshot::Sender<T>) -> M,
) -> Result<T, String> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        to.send(message(reply)).await.ok()?;
        answer.await.ok()
    };
    match tokio::time::timeout(within, asked).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err("homeostat is shutting down".into()),
        Err(_) => Err(format!("the engine has not answered within {within:?}")),
    }
}
