//! A connection whose other end has to read what it has asked for.
//!
//! ```text
//!   write, flush --pending--> a clock runs --something was taken--> it stands again
//!                                    |
//!                                    +--`within` is over--> an error, and the connection ends
//! ```
//!
//! Invariant: who does not read holds a connection, and the answer on it, for a bounded time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// The connection `stream`.
pub(super) struct Patient<S> {
    stream: S,
    within: Duration,
    /// Runs while nothing is taken.
    clock: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// One on which something of what waits has to be taken `within` this time, again and again.
    pub(super) fn new(stream: S, within: Duration) -> Self {
        Self { stream, within, clock: None }
    }

    fn judged<T>(&mut self, context: &mut Context<'_>, came: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if came.is_ready() {
            self.clock = None;
            return came;
        }
        let within = self.within;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(within)));
        clock.as_mut().poll(context).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let came = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judged(context, came)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let came = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judged(context, came)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let came = Pin::new(&mut self.stream).poll_flush(context);
        self.judged(context, came)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let came = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judged(context, came)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn who_does_not_read_is_waited_for_once() {
        let (ours, theirs) = duplex(64);
        let mut patient = Patient::new(ours, SHORT);
        let error = tokio::time::timeout(SHORT * 50, patient.write_all(&[0; 1000])).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn who_reads_slowly_is_waited_for_as_long_as_something_is_taken() {
        let (ours, mut theirs) = duplex(64);
        let reader = tokio::spawn(async move {
            let (mut all, mut part) = (0, [0; 64]);
            while let Ok(read @ 1..) = theirs.read(&mut part).await {
                all += read;
                tokio::time::sleep(SHORT / 4).await;
            }
            all
        });
        let mut patient = Patient::new(ours, SHORT);
        patient.write_all(&[0; 1000]).await.unwrap();
        patient.shutdown().await.unwrap();
        assert_eq!(reader.await.unwrap(), 1000);
    }
}
