//! Reads the control groups of containers, each at a place of its own in the interval, so that no reading waits for many.
//!
//! ```text
//!   every 100 ms: those that are due --> a thread that may block: read their files --> samples, if still followed
//! ```

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use homeostat_model::{Observation, ResourceId, Sample};
use homeostat_port::Clock;
use tokio::{
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    group::{Group, Unreadable, is_gone},
    inventory::Container,
    limits::Limits,
    mounts::Mounts,
    usage::{self, Reading},
};

/// How often is looked for what is due: a tenth of the shortest interval, and rare enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Between the first two readings of a container, so that something is known soon.
const SOON: Duration = Duration::from_secs(1);

/// Where a container's place in the interval is: the next one is this share of the interval further on, which spreads any
/// number of them evenly (the golden ratio; additive recurrence, Kronecker's sequence).
const STEP: f64 = 0.618_033_988_749_895;

/// All containers of one host that are measured by their control groups.
pub(crate) struct Meter {
    clock: Clock,
    every: Duration,
    host_cores: Option<f64>,
    mounts: Mounts,
    metered: BTreeMap<String, Metered>,
    /// The time of readings is counted from here.
    began: Instant,
    /// Of the next container, in shares of the interval.
    place: f64,
    look: Interval,
    reading: Option<JoinHandle<Vec<Taken>>>,
}

/// One container.
struct Metered {
    group: Arc<Group>,
    resource: ResourceId,
    limits: Limits,
    started_at: String,
    earlier: Option<Reading>,
    due: Instant,
    /// How much later than soon its second reading is.
    offset: Duration,
}

/// A reading that was asked for.
struct Taken {
    id: String,
    group: Arc<Group>,
    reading: io::Result<Reading>,
}

impl Meter {
    pub(crate) fn new(clock: Clock, every: Duration, host_cores: Option<f64>) -> Self {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (metered, mounts) = (BTreeMap::new(), Mounts::here());
        Self { clock, every, host_cores, mounts, metered, began: Instant::now(), place: 0.0, look, reading: None }
    }

    /// Measures a container that runs, with its limits as they are now.
    ///
    /// # Errors
    /// [`Unreadable`]: it is not measured.
    pub(crate) fn follow(&mut self, container: &Container) -> Result<(), Unreadable> {
        if let Some(metered) = self.metered.get_mut(&container.id)
            && metered.started_at == container.started_at
        {
            metered.limits = container.limits.clone();
            return Ok(());
        }
        self.metered.remove(&container.id);
        let group = Group::find(&self.mounts, container.pid, &container.id, container.network)?;
        self.place = (self.place + STEP).fract();
        let metered = Metered {
            group: Arc::new(group),
            resource: container.resource.id.clone(),
            limits: container.limits.clone(),
            started_at: container.started_at.clone(),
            earlier: None,
            due: Instant::now(),
            offset: self.every.mul_f64(self.place),
        };
        self.metered.insert(container.id.clone(), metered);
        Ok(())
    }

    /// Measures the container with the engine's `id` no more. No sample of it comes after this.
    pub(crate) fn leave(&mut self, id: &str) {
        self.metered.remove(id);
    }

    /// The next samples. Nothing is lost when this is given up before it ends.
    pub(crate) async fn next(&mut self) -> Vec<Observation> {
        loop {
            if let Some(reading) = &mut self.reading {
                let taken = reading.await;
                self.reading = None;
                // A reading that panicked is one that is missing.
                return self.samples(taken.unwrap_or_default());
            }
            self.look.tick().await;
            let due = self.due(Instant::now());
            if !due.is_empty() {
                let began = self.began;
                self.reading = Some(tokio::task::spawn_blocking(move || read(due, began)));
            }
        }
    }

    /// Those that are due at `now`, which are not due again before the interval has passed.
    fn due(&mut self, now: Instant) -> Vec<(String, Arc<Group>)> {
        let due = self.metered.iter_mut().filter(|(_, metered)| metered.due <= now);
        due.map(|(id, metered)| {
            let after = if metered.earlier.is_none() { SOON.min(self.every) + metered.offset } else { self.every };
            // One that could not be read for a while is not read several times for that.
            metered.due = [metered.due, now].into_iter().map(|from| from + after).find(|due| *due > now).unwrap_or(now);
            (id.clone(), Arc::clone(&metered.group))
        })
        .collect()
    }

    fn samples(&mut self, taken: Vec<Taken>) -> Vec<Observation> {
        let time = self.clock.now();
        let mut observations = Vec::new();
        for Taken { id, group, reading } in taken {
            let Some(metered) = self.metered.get_mut(&id).filter(|metered| Arc::ptr_eq(&metered.group, &group)) else {
                continue;
            };
            let now = match reading {
                Ok(now) => now,
                Err(error) => {
                    if !is_gone(&error) {
                        tracing::warn!(container = %metered.resource, %error, "is measured no more until it is started again");
                    }
                    // The engine tells what became of it.
                    self.metered.remove(&id);
                    continue;
                }
            };
            let samples = usage::samples(&now, metered.earlier.as_ref(), &metered.limits, self.host_cores);
            observations.extend(samples.map(|(metric, value)| {
                Observation::Sample(Sample { resource: metered.resource.clone(), metric, time, value })
            }));
            metered.earlier = now.if_counted().or(metered.earlier);
        }
        observations
    }
}

/// Reads each group. Blocks.
fn read(due: Vec<(String, Arc<Group>)>, began: Instant) -> Vec<Taken> {
    let mut buffer = Vec::new();
    let taken = due.into_iter().map(|(id, group)| {
        let at = began.elapsed().as_secs_f64();
        let reading = group.read(&mut buffer).map(|reading| Reading { at: Some(at), ..reading });
        Taken { id, group, reading }
    });
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Fact;

    fn metered(meter: &mut Meter, name: &str, folder: &std::path::Path) {
        std::fs::write(folder.join("cpu"), "1000000000").unwrap();
        std::fs::write(folder.join("memory"), "10").unwrap();
        let files = vec![(Fact::CpuNanos, folder.join("cpu")), (Fact::Memory, folder.join("memory"))];
        meter.place = (meter.place + STEP).fract();
        let metered = Metered {
            group: Arc::new(Group::open(files).unwrap()),
            resource: format!("container/{name}").parse().unwrap(),
            limits: Limits::default(),
            started_at: String::new(),
            earlier: None,
            due: Instant::now(),
            offset: meter.every.mul_f64(meter.place),
        };
        meter.metered.insert(name.into(), metered);
    }

    fn told(observations: Vec<Observation>) -> Vec<String> {
        let samples = observations.into_iter().filter_map(|observation| match observation {
            Observation::Sample(sample) => {
                Some(format!("{} {}={}", sample.resource.name(), sample.metric, sample.value))
            }
            _ => None,
        });
        samples.collect()
    }

    #[tokio::test]
    async fn what_is_left_while_it_is_read_is_not_told_and_rates_come_with_the_second_reading() {
        let folder = tempfile::tempdir().unwrap();
        let mut meter = Meter::new(Clock::system(), Duration::from_millis(100), Some(2.0));
        metered(&mut meter, "a", folder.path());
        assert_eq!(told(meter.next().await), ["a memory.used=10"]);
        std::fs::write(folder.path().join("memory"), "20").unwrap();
        assert_eq!(
            told(meter.next().await),
            ["a cpu.utilization=0", "a cpu.cores=0", "a memory.used=20"],
            "as much processor time as before"
        );
        let due = meter.due(Instant::now() + meter.every);
        assert_eq!(due.len(), 1);
        meter.leave("a");
        assert!(meter.samples(read(due, meter.began)).is_empty());
    }

    #[tokio::test]
    async fn containers_that_come_together_are_not_read_together() {
        let folder = tempfile::tempdir().unwrap();
        let every = Duration::from_secs(10);
        let mut meter = Meter::new(Clock::system(), every, None);
        (0..100).for_each(|number| metered(&mut meter, &number.to_string(), folder.path()));
        let now = Instant::now();
        // Making them took its time.
        meter.metered.values_mut().for_each(|metered| metered.due = now);
        assert_eq!(meter.due(now).len(), 100, "the first reading is at once");
        let mut now = now;
        // The time of the second reading, and then that of one interval after it.
        let mut numbers = Vec::new();
        for _ in 0..20 {
            now += every / 10;
            numbers.push(meter.due(now).len());
            meter.metered.values_mut().for_each(|metered| metered.earlier = Some(Reading::default()));
        }
        assert_eq!(numbers[10..].iter().sum::<usize>(), 100, "{numbers:?}");
        assert!(numbers[10..].iter().all(|number| (8..=12).contains(number)), "{numbers:?}");
    }
}
