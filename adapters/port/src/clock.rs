//! The clock that drivers, adapters and sources share. The only one: the engine has none.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use homeostat_model::{Duration, Timestamp};

/// How long is slept before the time is looked at again: while the machine is suspended, no timer runs.
const LONGEST_SLEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// Tells the time: the wall clock's, or one that runs faster from a chosen start.
///
/// It never goes backwards: it counts by a monotonic clock. When the wall clock is ahead of that, because it was set or because the
/// machine was suspended, it goes forward with it; when the wall clock is set back, it goes on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Timestamp,
    began: Instant,
    speed: u32,
    wall: Option<&'static Wall>,
}

/// The wall clock beside the monotonic one.
#[derive(Debug)]
struct Wall {
    start: Timestamp,
    began: Instant,
    /// By how many milliseconds it was ahead of what was counted since then, at most.
    ahead: AtomicU64,
}

/// One for all: what one clock has told, another one does not take back.
static WALL: LazyLock<Wall> = LazyLock::new(|| Wall::since(Wall::shows()));

impl Wall {
    fn since(start: Timestamp) -> Self {
        Self { start, began: Instant::now(), ahead: AtomicU64::new(0) }
    }

    fn shows() -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// The time, when so much was `counted` since the start and the wall clock shows this.
    fn follow(&self, counted: Timestamp, shows: Timestamp) -> Timestamp {
        let ahead = shows.since(counted).as_millis();
        counted + Duration::from_millis(self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead))
    }
}

impl Clock {
    /// Wall-clock time.
    #[must_use]
    pub fn system() -> Self {
        let wall: &'static Wall = &WALL;
        Self { start: wall.start, began: wall.began, speed: 1, wall: Some(wall) }
    }

    /// Starts at `start` and runs `speed` times as fast as the wall clock; a speed of 0 counts as 1.
    #[must_use]
    pub fn starting(start: Timestamp, speed: u32) -> Self {
        Self { start, began: Instant::now(), speed: speed.max(1), wall: None }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = self.began.elapsed().saturating_mul(self.speed);
        let counted = self.start + Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.wall.map_or(counted, |wall| wall.follow(counted, Wall::shows()))
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
            let rest = self.on_the_wall(until.since(self.now()));
            tokio::time::sleep(rest.clamp(std::time::Duration::from_millis(1), LONGEST_SLEEP)).await;
        }
    }

    /// Waits for a `duration` of this clock.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_wall_clock_forward_and_never_back() {
        let wall = Wall::since(Timestamp::from_millis(1000));
        for (counted, shows, told) in [
            (1000, 1000, 1000),
            // The machine was suspended: nothing was counted.
            (1010, 9000, 9000),
            (1020, 9010, 9010),
            // Set back, for good.
            (1030, 2000, 9020),
            (2030, 3000, 10_020),
            // Set forward again, by less than it was ahead.
            (2040, 9500, 10_030),
            (2050, 20_000, 20_000),
        ] {
            let told = Timestamp::from_millis(told);
            assert_eq!(wall.follow(Timestamp::from_millis(counted), Timestamp::from_millis(shows)), told, "{counted}");
        }
    }

    #[test]
    fn the_systems_clock_shows_what_the_wall_clock_does() {
        let (before, clock) = (Wall::shows(), Clock::system());
        let now = clock.now();
        assert!(before <= now && now.since(before) < Duration::from_secs(10), "{before:?} {now:?}");
        assert!(Clock::system().now() >= now);
    }
}
