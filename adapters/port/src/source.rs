//! The source trait: brings observations from elsewhere.

use async_trait::async_trait;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::ObservationSink;

/// A source cannot go on.
#[derive(Debug, Error)]
#[error("source {name}: {reason}")]
pub struct SourceError {
    /// The source.
    pub name: String,
    /// Why, and what to do about it where that is known.
    pub reason: String,
}

/// Brings samples and events from elsewhere.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Its configured name.
    fn name(&self) -> &str;

    /// Sends observations until `stop`, or until there are no more.
    ///
    /// A single bad item is reported and skipped; it does not end the source.
    ///
    /// # Errors
    /// [`SourceError`] when nothing more can be read.
    async fn run(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), SourceError>;
}
