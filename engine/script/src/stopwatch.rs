//! Wall time, watched from outside: the sandbox has no clock, a driver may lend it one.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// An evaluation that takes longer holds up its neighbours: samples arrive in batches every few seconds, with hundreds of
/// conditions to each. The budget ends the worst script known within half of this.
pub const MAX_WALL_TIME: Duration = Duration::from_millis(50);

/// Time that passes, as a driver measures it.
pub trait Stopwatch: Debug + Send + Sync {
    /// Nanoseconds since any fixed moment; never fewer than before.
    fn now_nanos(&self) -> u64;
}

/// The longest evaluation since it was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    stopwatch: Option<Arc<dyn Stopwatch>>,
    longest_nanos: AtomicU64,
}

impl Watch {
    /// One that measures by `stopwatch`.
    pub(crate) fn by(stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { stopwatch: Some(stopwatch), longest_nanos: AtomicU64::new(0) }
    }

    /// Does `work`, and remembers how long it took if anybody measures.
    pub(crate) fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(stopwatch) = &self.stopwatch else { return work() };
        let began = stopwatch.now_nanos();
        let done = work();
        self.longest_nanos.fetch_max(stopwatch.now_nanos().saturating_sub(began), Ordering::Relaxed);
        done
    }

    /// The longest since the last call, if it was longer than [`MAX_WALL_TIME`].
    pub(crate) fn take_overrun(&self) -> Option<Duration> {
        let longest = Duration::from_nanos(self.longest_nanos.swap(0, Ordering::Relaxed));
        (longest > MAX_WALL_TIME).then_some(longest)
    }
}
