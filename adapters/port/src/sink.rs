//! Where observations and progress go. Bounded: a slow engine slows its sources down instead of filling the memory.

use homeostat_model::Observation;
use thiserror::Error;
use tokio::sync::mpsc;

/// Nobody listens any more: the program is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the receiver is gone")]
pub struct Closed;

/// Takes observations, and makes the sender wait while the engine is behind.
#[derive(Debug, Clone)]
pub struct ObservationSink(mpsc::Sender<Observation>);

impl ObservationSink {
    /// A sink that holds at most `capacity` observations, and its other end.
    #[must_use]
    pub fn bounded(capacity: usize) -> (Self, mpsc::Receiver<Observation>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(sender), receiver)
    }

    /// Waits for room, then sends.
    ///
    /// # Errors
    /// [`Closed`] when nobody listens any more.
    pub async fn send(&self, observation: Observation) -> Result<(), Closed> {
        self.0.send(observation).await.map_err(|_| Closed)
    }

    /// Waits for room for all of them, then sends them in order: all or, when it is given up before, none. Of more than the sink
    /// holds at all, as many as it holds at a time.
    ///
    /// # Errors
    /// [`Closed`] when nobody listens any more.
    pub async fn send_all(&self, observations: Vec<Observation>) -> Result<(), Closed> {
        let mut observations = observations.into_iter();
        while observations.len() > 0 {
            let count = observations.len().min(self.0.max_capacity());
            let permits = self.0.reserve_many(count).await.map_err(|_| Closed)?;
            for (permit, observation) in permits.zip(observations.by_ref()) {
                permit.send(observation);
            }
        }
        Ok(())
    }

    /// Waits for room for one observation, and keeps it: what is sent into it does not wait.
    ///
    /// # Errors
    /// [`Closed`] when nobody listens any more.
    pub async fn reserve(&self) -> Result<Room<'_>, Closed> {
        self.0.reserve().await.map(Room).map_err(|_| Closed)
    }

    /// How many observations would be taken at once; 0 means that a sender has to wait.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.capacity()
    }
}

/// Room for one observation. Given back when it is dropped unused.
#[derive(Debug)]
pub struct Room<'a>(mpsc::Permit<'a, Observation>);

impl Room<'_> {
    /// Sends at once.
    pub fn send(self, observation: Observation) {
        self.0.send(observation);
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// From 0 to 1, where it is known.
    pub share: Option<f64>,
}

/// Takes progress; only the newest counts.
#[derive(Debug, Clone)]
pub struct ProgressSink(Option<tokio::sync::watch::Sender<Progress>>);

impl ProgressSink {
    /// A sink and its other end.
    #[must_use]
    pub fn new() -> (Self, tokio::sync::watch::Receiver<Progress>) {
        let (sender, receiver) = tokio::sync::watch::channel(Progress { share: None });
        (Self(Some(sender)), receiver)
    }

    /// One to which nobody listens: it takes no memory.
    #[must_use]
    pub const fn unheard() -> Self {
        Self(None)
    }

    /// Says how far the step is, from 0 to 1.
    pub fn report(&self, share: f64) {
        if let Some(sender) = &self.0 {
            sender.send_replace(Progress { share: Some(share.clamp(0.0, 1.0)) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use homeostat_model::{Event, EventType, Timestamp};

    use super::*;

    fn events(ids: std::ops::Range<usize>) -> Vec<Observation> {
        let event = |id: usize| {
            Observation::Event(Event {
                resource: "vm/a".parse().unwrap(),
                event_type: EventType::new("t").unwrap(),
                time: Timestamp::default(),
                id: id.to_string(),
                attributes: homeostat_model::Attributes::default(),
            })
        };
        ids.map(event).collect()
    }

    #[test]
    fn many_are_sent_together_or_not_at_all() {
        let (sink, mut received) = ObservationSink::bounded(4);
        let mut context = Context::from_waker(Waker::noop());
        let mut sends = |ids| pin!(sink.send_all(events(ids))).poll(&mut context).is_ready();
        let mut receives = || std::iter::from_fn(|| received.try_recv().ok()).collect::<Vec<_>>();
        assert!(sends(0..3));
        // There is room for one, and none is sent.
        assert!(!sends(3..5));
        assert_eq!(receives(), events(0..3));
        assert!(sends(3..7));
        assert_eq!(receives(), events(3..7));
        // More than there ever is room for: the first four.
        assert!(!sends(0..6));
        assert_eq!(receives(), events(0..4));
        drop(received);
        let closed = pin!(sink.send_all(events(0..1))).poll(&mut context);
        assert_eq!(closed, std::task::Poll::Ready(Err(Closed)));
    }
}
