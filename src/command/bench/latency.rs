//! How long a decision takes when samples keep coming.

use std::time::{Duration, Instant};

use homeostat_engine::{Input, Output};
use homeostat_model::{Sample, Timestamp};

use super::{
    Extent,
    by_hand::ByHand,
    figure::{Bound, Figure},
    fleet::{Fleet, WARM_UP, inputs, take_in},
};
use crate::report::Failure;

/// From one arrival to the next: 100,000 samples a second.
const APART: Duration = Duration::from_micros(10);

/// Arrivals are fixed beforehand (an open loop), and the latency counts from the arrival that was due: a sample that had to
/// wait because one before it took long has waited, and that counts.
pub(super) fn measure(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let fleet = Fleet { resources: extent.of(20_000, 200), groups: 10, metrics: 5, readers: 20 };
    let passes: u32 = extent.of(3, 1);
    let names = fleet.names()?;
    let (mut engine, mut by_hand) = (fleet.engine(&fleet.load()?)?, ByHand::new(fleet, &fleet.names()?));
    let mut out: Vec<Output> = Vec::new();
    for pass in 0..WARM_UP {
        let samples = fleet.pass(&names, pass);
        take_in(&mut engine, inputs(&samples), &mut out);
        by_hand.take_in(samples);
    }
    let samples: Vec<Sample> = (WARM_UP..WARM_UP + passes).flat_map(|pass| fleet.pass(&names, pass)).collect();
    let arriving: Vec<(Timestamp, Input)> = inputs(&samples);
    let ours = latencies(arriving, |(at, input)| {
        engine.handle(at, input, &mut out);
        out.clear();
    });
    let baseline = latencies(samples, |sample| by_hand.take_one(&sample));
    let count = fleet.samples() * passes;
    let figures = [("homeostat", &ours), ("by hand", &baseline)].into_iter().flat_map(|(who, latencies)| {
        [("p50", 500), ("p99", 990), ("p99.9", 999), ("max", 1000)].map(|(what, per_mille)| {
            let figure = Figure::of(format!("{who}, {what}"), "us", &[microseconds(latencies, per_mille)]);
            if who == "homeostat" && what == "p99" { figure.target(Bound::AtMost(1_000.0)) } else { figure }
        })
    });
    let about =
        format!("{count} samples at 100,000/s, {} policies of which {} read each", fleet.policies(), fleet.readers);
    Ok((about, figures.collect()))
}

/// The time from each scheduled arrival until it was dealt with, in order of length.
fn latencies<T>(arriving: Vec<T>, mut deal_with: impl FnMut(T)) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(arriving.len());
    let mut due = Instant::now();
    for one in arriving {
        due += APART;
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        deal_with(one);
        latencies.push(due.elapsed());
    }
    latencies.sort_unstable();
    latencies
}

/// The latency that so many in a thousand do not exceed.
fn microseconds(sorted: &[Duration], per_mille: usize) -> f64 {
    let index = (sorted.len() * per_mille).div_ceil(1000).saturating_sub(1);
    sorted.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_that_waits_for_another_one_has_waited() {
        // The first takes as long as many arrivals; those behind it are late although they take no time themselves.
        let mut first = true;
        let measured = latencies(vec![(); 100], |()| {
            if std::mem::take(&mut first) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(measured[50] > Duration::from_millis(3), "{measured:?}");
    }

    #[test]
    fn a_percentile_is_exceeded_by_no_more_than_the_rest() {
        let sorted: Vec<Duration> = (1..=1000).map(Duration::from_micros).collect();
        for (per_mille, expected) in [(500, 500.0), (990, 990.0), (1000, 1000.0)] {
            assert!((microseconds(&sorted, per_mille) - expected).abs() < 1e-6, "{per_mille}");
        }
        assert!(microseconds(&[], 500).is_nan());
    }
}
