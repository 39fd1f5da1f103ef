//! Samples into decisions, beside a loop that was written for just these conditions.

use super::{
    Extent,
    by_hand::ByHand,
    figure::{Bound, Figure},
    fleet::{Fleet, WARM_UP, inputs, take_in},
    stopwatch::{Rounds, rates, time},
};
use crate::report::Failure;

/// A round takes a tenth of a second: so many for each of the usual ones, since what else the machine does weighs on some of them.
const ROUNDS: u32 = 5;

/// Twenty policies read each sample.
pub(super) fn twenty_readers(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let fleet = Fleet { resources: extent.of(20_000, 200), groups: 10, metrics: 5, readers: 20 };
    let (about, rounds) = measure(fleet, extent)?;
    let ratio = Figure::of("time, homeostat / by hand", "x", &rounds.ratios()).target(Bound::AtMost(3.0));
    Ok((about, figures(fleet, &rounds, 1_000_000.0, ratio)))
}

/// Two hundred do; of a tenth of the resources, as the number of conditions that are kept is the same then.
pub(super) fn two_hundred_readers(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let fleet = Fleet { resources: extent.of(2_000, 20), groups: 1, metrics: 5, readers: 200 };
    let (about, rounds) = measure(fleet, extent)?;
    let ratio = Figure::of("time, homeostat / by hand", "x", &rounds.ratios());
    Ok((about, figures(fleet, &rounds, 250_000.0, ratio)))
}

fn figures(fleet: Fleet, rounds: &Rounds, least: f64, ratio: Figure) -> Vec<Figure> {
    let count = fleet.samples();
    vec![
        Figure::of("homeostat", "samples/s", &rates(count, &rounds.ours)).target(Bound::AtLeast(least)),
        Figure::of("by hand", "samples/s", &rates(count, &rounds.baseline)),
        ratio,
    ]
}

fn measure(fleet: Fleet, extent: Extent) -> Result<(String, Rounds), Failure> {
    // Names that come with samples are not those that either of the two keeps: nothing that arrives shares memory with what is there.
    let names = fleet.names()?;
    let (mut engine, mut by_hand) = (fleet.engine(&fleet.load()?)?, ByHand::new(fleet, &fleet.names()?));
    for pass in 0..WARM_UP {
        let samples = fleet.pass(&names, pass);
        take_in(&mut engine, inputs(&samples), &mut Vec::new());
        by_hand.take_in(samples);
    }
    let (mut decided, mut decided_by_hand) = (0, 0);
    let mut out = Vec::new();
    let ours = |round: u32| {
        let inputs = inputs(&fleet.pass(&names, WARM_UP + round));
        time(|| {
            decided += take_in(&mut engine, inputs, &mut out);
            Ok(())
        })
    };
    let baseline = |round: u32| {
        let samples = fleet.pass(&names, WARM_UP + round);
        time(|| {
            decided_by_hand += by_hand.take_in(samples);
            Ok(())
        })
    };
    let rounds = Rounds::measure(ROUNDS * extent.rounds(), ours, baseline)?;
    if decided != decided_by_hand {
        let what = format!("homeostat decided {decided} times, the loop written by hand {decided_by_hand} times");
        return Err(Failure::new(what).help("they do not do the same work, so their figures cannot be compared"));
    }
    let Fleet { resources, metrics, readers, .. } = fleet;
    let about = format!(
        "{resources} resources x {metrics} metrics, {} policies of which {readers} read each sample; {decided} decisions",
        fleet.policies()
    );
    Ok((about, rounds))
}
