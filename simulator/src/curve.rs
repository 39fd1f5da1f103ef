//! How much a workload wants over time: a level with steps and ramps, a sine, and noise, added up.

use homeostat_model::Duration;

use crate::random;

/// A quantity over time, in the unit of its use: cores, or bytes. Never below zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// The level until the first step.
    pub base: f64,
    /// Later levels, in the order of their time.
    pub steps: Vec<Step>,
    /// A swing around the level.
    pub sine: Option<Sine>,
    /// The greatest amount by which seeded noise adds or takes away; it changes every second.
    pub noise: f64,
}

/// From `at` on, the level goes to `to`: at once, or in a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When it begins, since the start of the scenario.
    pub at: Duration,
    /// The level it goes to.
    pub to: f64,
    /// How long it takes; zero for a jump.
    pub over: Duration,
}

/// A swing that begins upwards from zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sine {
    /// The greatest amount it adds or takes away.
    pub amplitude: f64,
    /// How long one swing up, down and back takes.
    pub period: Duration,
}

impl Curve {
    /// Always the same.
    #[must_use]
    pub fn constant(base: f64) -> Self {
        Self { base, ..Self::default() }
    }

    /// What is wanted after `elapsed` time, with the noise of `seed`.
    #[must_use]
    pub fn at(&self, elapsed: Duration, seed: u64) -> f64 {
        let swing = self.sine.map_or(0.0, |sine| {
            let turns = elapsed.as_secs_f64() / sine.period.as_secs_f64();
            sine.amplitude * (turns.fract() * std::f64::consts::TAU).sin()
        });
        let noise = if self.noise == 0.0 { 0.0 } else { self.noise * random::noise(seed, elapsed.as_millis() / 1000) };
        (level(self.base, &self.steps, elapsed) + swing + noise).max(0.0)
    }

    /// Adds a step that begins now and forgets those that have begun before; those to come stay.
    ///
    /// So a curve never has more steps than its scenario gave it and one.
    pub fn turn(&mut self, now: Duration, to: f64, over: Duration) {
        self.base = level(self.base, &self.steps, now);
        self.steps.retain(|step| step.at > now);
        self.steps.insert(0, Step { at: now, to, over });
    }
}

/// The level after `elapsed` time: the last step that has begun decides, and starts where those before it had led.
fn level(base: f64, steps: &[Step], elapsed: Duration) -> f64 {
    let mut level = base;
    for (index, step) in steps.iter().enumerate() {
        if step.at > elapsed {
            break;
        }
        // A step that is cut short by the next one has led only as far as it came by then.
        let until = steps.get(index + 1).map_or(elapsed, |next| next.at.min(elapsed));
        let gone = until.minus(step.at);
        let share = if gone >= step.over { 1.0 } else { gone.as_secs_f64() / step.over.as_secs_f64() };
        level += (step.to - level) * share;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_curve_steps_ramps_and_swings() {
        let step = |at, to, over| Step { at: secs(at), to, over: secs(over) };
        let steps = vec![step(10, 3.0, 0), step(20, 5.0, 20), step(30, 0.0, 10)];
        let stepped = Curve { base: 1.0, steps, ..Curve::default() };
        for (at, expected) in [(0, 1.0), (9, 1.0), (10, 3.0), (20, 3.0), (25, 3.5), (30, 4.0), (35, 2.0), (99, 0.0)] {
            assert_eq!(stepped.at(secs(at), 0), expected, "after {at}s");
        }
        let sine = Some(Sine { amplitude: 2.0, period: secs(40) });
        let swinging = Curve { base: 1.0, sine, ..Curve::default() };
        for (at, expected) in [(0, 1.0), (10, 3.0), (20, 1.0), (30, 0.0), (50, 3.0)] {
            assert!((swinging.at(secs(at), 0) - expected).abs() < 1e-9, "after {at}s");
        }
    }

    #[test]
    fn noise_stays_within_its_bound_and_depends_on_the_seed() {
        let noisy = Curve { base: 1.0, noise: 0.2, ..Curve::default() };
        let values: Vec<f64> = (0..100).map(|at| noisy.at(secs(at), 7)).collect();
        assert!(values.iter().all(|value| (0.8..=1.2).contains(value)));
        assert!(values.iter().any(|value| *value > 1.1) && values.iter().any(|value| *value < 0.9));
        assert_ne!(values[0], noisy.at(secs(0), 8));
    }

    #[test]
    fn a_turn_starts_where_the_curve_was_and_keeps_what_is_to_come() {
        let to_come = Step { at: secs(100), to: 9.0, over: secs(0) };
        let running = Step { at: secs(0), to: 4.0, over: secs(20) };
        let mut curve = Curve { base: 0.0, steps: vec![running, to_come], ..Curve::default() };
        curve.turn(secs(10), 6.0, secs(4));
        for (at, expected) in [(10, 2.0), (12, 4.0), (14, 6.0), (99, 6.0), (100, 9.0)] {
            assert_eq!(curve.at(secs(at), 0), expected, "after {at}s");
        }
        assert_eq!(curve.steps.len(), 2);
    }
}
