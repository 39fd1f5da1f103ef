//! The clock that the engine is lent to watch scripts with.

use std::time::Instant;

use homeostat_engine::Stopwatch;

/// Time since it was made.
#[derive(Debug)]
pub(crate) struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Stopwatch for Monotonic {
    fn now_nanos(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
