//! Promise 13: equal inputs give equal decisions, whatever the pattern of ticks and the order in which policies were loaded.

use std::sync::Arc;

use homeostat_engine::{Engine, Output};
use homeostat_model::{Generation, Timestamp};
use homeostat_policy::Policy;

use crate::{draw::Draw, scene::Scene, site::START, world::Told};

#[test]
fn equal_inputs_give_equal_outputs_with_any_pattern_of_ticks() {
    crate::sweep::holds(13);
}

/// Tells another engine what one was told, with other ticks, and compares every output.
pub(crate) fn repeat(
    seed: u64,
    scene: &Scene,
    policies: &[Arc<Policy>],
    heard: &[(Timestamp, Told)],
    said: &[Output],
) -> Result<(), String> {
    let mut draw = Draw::new(seed, 13);
    let mut engine = Engine::new(Generation(scene.life));
    let mut out = Vec::new();
    let reversed: Vec<Arc<Policy>> = policies.iter().rev().cloned().collect();
    let mut last = heard.first().map_or(START, |(at, _)| *at);
    for (at, told) in heard {
        if draw.chance(20) && *at > last {
            engine.advance(last + draw.seconds(0, at.since(last).as_millis() / 1000), &mut out);
        }
        match told {
            Told::Policies => engine.replace_policies(*at, &reversed, &mut out).unwrap(),
            Told::Input(input) => engine.handle(*at, (**input).clone(), &mut out),
        }
        last = *at;
    }
    engine.advance(scene.now, &mut out);
    let same = |(one, other): (&Output, &Output)| one == other;
    if out.len() == said.len() && out.iter().zip(said).all(same) {
        return Ok(());
    }
    let place = out.iter().zip(said).take_while(|(one, other)| one == other).count();
    Err(format!("life {}: output {place} was {:?}, and is {:?}", scene.life, said.get(place), out.get(place)))
}
