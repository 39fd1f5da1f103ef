//! What policies cost a sample that they do not read: next to nothing, or a site could not have many.

use std::sync::Arc;

use homeostat_engine::Engine;
use homeostat_policy::Policy;

use super::{
    Extent,
    figure::{Bound, Figure},
    fleet::{self, Fleet, WARM_UP, inputs, take_in},
    stopwatch::{Rounds, rates, time},
};
use crate::report::Failure;

/// Policies that do not read the metric: a few, and many.
const FEW: u32 = 10;
const MANY: u32 = 1_000;

/// More rounds than elsewhere: what is looked for is small.
const ROUNDS: u32 = 21;

pub(super) fn measure(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let fleet = Fleet { resources: extent.of(2_000, 100), groups: 1, metrics: 1, readers: 10 };
    // A whole fleet in which every policy applies to every resource.
    let names = fleet.names()?;
    let mut engines = [MANY, FEW].map(|unrelated| engine(fleet, unrelated));
    let [Ok(many), Ok(few)] = &mut engines else {
        return Err(engines.into_iter().find_map(Result::err).unwrap_or_else(|| Failure::new("no engine")));
    };
    // Passes of one metric are short; several make one measurement.
    let passes = extent.of(25, 1);
    for engine in [&mut *many, &mut *few] {
        for pass in 0..WARM_UP {
            take_in(engine, inputs(&fleet.pass(&names, pass)), &mut Vec::new());
        }
    }
    let mut out = Vec::new();
    let mut measured = |engine: &mut Engine, round: u32| {
        let first = WARM_UP + round * passes;
        let inputs: Vec<_> = (first..first + passes).flat_map(|pass| inputs(&fleet.pass(&names, pass))).collect();
        time(|| {
            take_in(engine, inputs, &mut out);
            Ok(())
        })
    };
    let mut rounds = Rounds::default();
    for round in 0..extent.of(ROUNDS, 1) {
        // In turns, so that neither is always the one that comes after the other.
        if round.is_multiple_of(2) {
            rounds.ours.push(measured(many, round)?);
            rounds.baseline.push(measured(few, round)?);
        } else {
            rounds.baseline.push(measured(few, round)?);
            rounds.ours.push(measured(many, round)?);
        }
    }
    let count = fleet.samples() * passes;
    let percent: Vec<f64> = rounds.ratios().iter().map(|ratio| (ratio - 1.0) * 100.0).collect();
    let about = format!(
        "{} policies read each sample; beside them {MANY}, or {FEW}, that apply to the resource and do not",
        fleet.readers
    );
    Ok((
        about,
        vec![
            Figure::of(format!("beside {MANY}"), "samples/s", &rates(count, &rounds.ours)),
            Figure::of(format!("beside {FEW}"), "samples/s", &rates(count, &rounds.baseline)),
            Figure::of("slower by", "%", &percent).target(Bound::AtMost(10.0)),
        ],
    ))
}

fn engine(fleet: Fleet, unrelated: u32) -> Result<Engine, Failure> {
    let mut policies: Vec<Arc<Policy>> = fleet.load()?;
    let other = |number: u32| {
        let when = format!("when: avg(\"other\", 5m) > {}", 0.9 + f64::from(number) * 1e-5);
        fleet::policy(&format!("unrelated-{number}"), "{kind: vm}", &when)
    };
    policies.extend(fleet::load(&(0..unrelated).map(other).collect::<Vec<_>>())?);
    fleet.engine(&policies)
}
