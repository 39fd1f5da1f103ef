//! A ticket for an append: it is answered when the records are on the disk, or when they will never be.

use std::{
    pin::Pin,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::JournalError;

/// Resolves when an append is durable. Wait for it with `.await`, or with [`Durable::wait`] on a thread of its own.
#[derive(Debug)]
#[must_use = "nothing may depend on the records before this resolves"]
pub struct Durable {
    slot: Arc<Slot>,
}

/// The writer's end of a ticket. One that is dropped answers that the writer has ended.
#[derive(Debug)]
pub(crate) struct Promise {
    slot: Arc<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    answer: Option<Result<(), JournalError>>,
    waker: Option<Waker>,
}

impl Durable {
    /// A ticket, and who answers it.
    pub(crate) fn promised() -> (Self, Promise) {
        let slot = Arc::new(Slot::default());
        (Self { slot: slot.clone() }, Promise { slot })
    }

    /// A ticket for nothing.
    pub(crate) fn at_once() -> Self {
        let (durable, promise) = Self::promised();
        promise.answer(Ok(()));
        durable
    }

    /// Blocks until the records are on the disk.
    ///
    /// # Errors
    /// Those of the write; nothing of the append may be relied on then.
    pub fn wait(self) -> Result<(), JournalError> {
        let mut state = self.slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            state = self.slot.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Durable {
    type Output = Result<(), JournalError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.answer {
            Some(answer) => Poll::Ready(answer.clone()),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Promise {
    pub(crate) fn answer(&self, answer: Result<(), JournalError>) {
        let waker = {
            let mut state = self.slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            // The first answer counts.
            state.answer.get_or_insert(answer);
            state.waker.take()
        };
        self.slot.answered.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let why = "its writer has ended".into();
        self.answer(Err(JournalError::Poisoned { path: std::path::PathBuf::from("the journal"), why }));
    }
}

#[cfg(test)]
mod tests {
    use std::{task::Waker, thread, time::Duration};

    use super::*;

    #[test]
    fn a_ticket_is_answered_once_and_by_a_writer_that_is_gone_too() {
        Durable::at_once().wait().unwrap();
        let (durable, promise) = Durable::promised();
        let waiting = thread::spawn(move || durable.wait());
        thread::sleep(Duration::from_millis(10));
        promise.answer(Ok(()));
        drop(promise);
        waiting.join().unwrap().unwrap();
        let (durable, promise) = Durable::promised();
        drop(promise);
        assert!(matches!(durable.wait(), Err(JournalError::Poisoned { .. })));
    }

    #[test]
    fn a_task_that_waits_is_woken() {
        let (mut durable, promise) = Durable::promised();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut durable).poll(&mut context).is_pending());
        promise.answer(Ok(()));
        // It may be asked more than once, as `select!` does.
        for _ in 0..2 {
            assert!(matches!(Pin::new(&mut durable).poll(&mut context), Poll::Ready(Ok(()))));
        }
    }
}
