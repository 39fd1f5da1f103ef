//! Processor time of this thread, and two things measured in turn.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::report::Failure;

/// The processor time that `work` takes of this thread. Waiting, and whatever else runs on the machine, do not count.
///
/// # Errors
/// Those of `work`.
pub(super) fn time(work: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let before = processor_time();
    work()?;
    Ok(processor_time().saturating_sub(before))
}

/// What one thing and its baseline took in each round.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    pub(super) ours: Vec<Duration>,
    pub(super) baseline: Vec<Duration>,
}

impl Rounds {
    /// Measures both in turn.
    ///
    /// # Errors
    /// The first one of the two.
    pub(super) fn measure(
        rounds: u32,
        mut ours: impl FnMut(u32) -> Result<Duration, Failure>,
        mut baseline: impl FnMut(u32) -> Result<Duration, Failure>,
    ) -> Result<Self, Failure> {
        let mut measured = Self::default();
        for round in 0..rounds {
            measured.ours.push(ours(round)?);
            measured.baseline.push(baseline(round)?);
        }
        Ok(measured)
    }

    /// How many times as long ours took, round by round.
    pub(super) fn ratios(&self) -> Vec<f64> {
        let ratio = |(ours, baseline): (&Duration, &Duration)| {
            ours.as_secs_f64() / baseline.as_secs_f64().max(f64::MIN_POSITIVE)
        };
        self.ours.iter().zip(&self.baseline).map(ratio).collect()
    }
}

/// How many of `count` a second each of `durations` makes.
pub(super) fn rates(count: u32, durations: &[Duration]) -> Vec<f64> {
    durations.iter().map(|took| f64::from(count) / took.as_secs_f64().max(f64::MIN_POSITIVE)).collect()
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}
