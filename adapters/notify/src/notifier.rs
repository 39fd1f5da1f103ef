//! What a channel has to be able to do.

use async_trait::async_trait;
use homeostat_model::{Notification, Topic};
use tokio_util::sync::CancellationToken;

use crate::DeliveryError;

/// One way to tell people. Every method may be called at any time and concurrently.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Delivers a notification once. It may be dropped at any moment, and what was begun ends with it.
    ///
    /// # Errors
    /// [`DeliveryError`] when it is not known to have arrived; it is tried again then.
    async fn deliver(&self, notification: &Notification) -> Result<(), DeliveryError>;

    /// A notification waits to be delivered from now on: what is said about its topic after this is said about it, too.
    fn handed(&self, _notification: &Notification) {}

    /// People were told this before, by whoever delivered it then, and it is not over: what is kept up is kept up from now on. Nobody is
    /// told anew.
    fn stands(&self, _notification: &Notification) {}

    /// What notifications were about is over.
    fn resolved(&self, _topic: &Topic) {}

    /// What the channel does by itself, until `stop`.
    async fn run(&self, stop: &CancellationToken) {
        stop.cancelled().await;
    }
}
