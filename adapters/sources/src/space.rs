//! The space that bodies have together.
//!
//! Invariant: a body takes as much of it as has arrived. So whoever sends slowly, or nothing, keeps nobody else out.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in which space is counted: what arrives at once is seldom less.
const UNIT_BYTES: usize = 1 << 10;

/// Space for bodies.
#[derive(Debug, Clone)]
pub(crate) struct Space(Arc<Semaphore>);

/// A body that has arrived. Its space is given back with it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    space: Option<OwnedSemaphorePermit>,
}

/// A body that did not arrive whole.
#[derive(Debug, Error)]
pub(crate) enum CollectError<E> {
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    #[error("other bodies take all the space that there is for them at the moment")]
    NoSpace,
    #[error("{0}")]
    BrokeOff(E),
}

impl Space {
    /// Space for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for a body of at most `max_bytes`. Nobody waits for space: those who hold some may be waiting, too.
    pub(crate) async fn collect<B>(&self, mut body: B, max_bytes: usize) -> Result<Held, CollectError<B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut held = Held::default();
        while let Some(frame) = body.frame().await {
            // What is no data is at the end, and of no use.
            let Ok(data) = frame.map_err(CollectError::BrokeOff)?.into_data() else { continue };
            let bytes = held.bytes.len().saturating_add(data.len());
            if bytes > max_bytes {
                return Err(CollectError::TooLarge(max_bytes));
            }
            held.grow(bytes, &self.0).ok_or(CollectError::NoSpace)?;
            held.bytes.extend_from_slice(&data);
        }
        Ok(held)
    }
}

impl Held {
    /// Takes the space that so many bytes need; `None` when there is not as much left.
    fn grow(&mut self, bytes: usize, space: &Arc<Semaphore>) -> Option<()> {
        let taken = self.space.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(UNIT_BYTES).saturating_sub(taken);
        let more = space.clone().try_acquire_many_owned(u32::try_from(more).ok()?).ok()?;
        match &mut self.space {
            Some(space) => space.merge(more),
            none => *none = Some(more),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn bodies_have_no_more_space_together_and_give_it_back() {
        let space = Space::new(10 << 10);
        let body = |bytes: usize| Full::from(vec![7; bytes]);
        let first = space.collect(body(6 << 10), 8 << 10).await.unwrap();
        assert_eq!(first.bytes.len(), 6 << 10);
        assert!(matches!(space.collect(body(5 << 10), 8 << 10).await, Err(CollectError::NoSpace)));
        let second = space.collect(body((4 << 10) - 1), 8 << 10).await.unwrap();
        assert!(matches!(space.collect(body(1), 8 << 10).await, Err(CollectError::NoSpace)));
        assert!(space.collect(body(0), 8 << 10).await.is_ok(), "what is empty takes nothing");
        drop((first, second));
        assert!(matches!(space.collect(body((8 << 10) + 1), 8 << 10).await, Err(CollectError::TooLarge(8192))));
        assert_eq!(space.collect(body(8 << 10), 8 << 10).await.unwrap().bytes.len(), 8 << 10);
    }
}
