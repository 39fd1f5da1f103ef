//! The clock that drivers, adapters and sources share. The only one: the engine has none.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use homeostat_model::{Duration, Timestamp};

/// Tells the time: the wall clock's, or one that runs faster from a chosen start.
///
/// It never goes backwards: it reads the wall clock once and counts a monotonic clock from there.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Timestamp,
    began: Instant,
    speed: u32,
}

impl Clock {
    /// Wall-clock time.
    #[must_use]
    pub fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Self::starting(Timestamp::from_millis(millis), 1)
    }

    /// Starts at `start` and runs `speed` times as fast as the wall clock; a speed of 0 counts as 1.
    #[must_use]
    pub fn starting(start: Timestamp, speed: u32) -> Self {
        Self { start, began: Instant::now(), speed: speed.max(1) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = self.began.elapsed().saturating_mul(self.speed);
        self.start + Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    /// How many times as fast as the wall clock it runs.
    #[must_use]
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// How long a `duration` of this clock takes on the wall.
    #[must_use]
    pub fn on_the_wall(&self, duration: Duration) -> std::time::Duration {
        std::time::Duration::from_millis(duration.as_millis()) / self.speed
    }

    /// Waits until this clock shows `until`.
    pub async fn sleep_until(&self, until: Timestamp) {
        // A timer of a millisecond's resolution may wake a little early; then the rest is waited for.
        while self.now() < until {
            tokio::time::sleep(self.on_the_wall(until.since(self.now())).max(std::time::Duration::from_millis(1)))
                .await;
        }
    }

    /// Waits for a `duration` of this clock.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}
