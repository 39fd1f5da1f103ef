//! The mean of everything ever seen, in which a value counts half as much as one that is a half-life newer.

use homeostat_model::{Duration, Timestamp};

use super::total::Total;

/// Two running sums as of the newest sample. No order is needed: a late sample adds what is left of its weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decaying {
    weighted: Total,
    weight: f64,
    newest: Timestamp,
}

impl Decaying {
    pub(super) fn new() -> Self {
        Self { weighted: Total::default(), weight: 0.0, newest: Timestamp::MIN }
    }

    /// Infinite values are left out: one would stay for ever.
    pub(super) fn enter(&mut self, time: Timestamp, value: f64, half_life: Duration) {
        if !value.is_finite() {
            return;
        }
        if time > self.newest {
            if self.weight > 0.0 {
                let left = halved(time.since(self.newest), half_life);
                self.weighted.scale(left);
                self.weight *= left;
            }
            self.newest = time;
        }
        let weight = halved(self.newest.since(time), half_life);
        self.weighted.add(weight * value);
        self.weight += weight;
    }

    /// Takes back a sample that is replaced by another of the same time.
    pub(super) fn take_back(&mut self, time: Timestamp, value: f64, half_life: Duration) {
        if !value.is_finite() {
            return;
        }
        let weight = halved(self.newest.since(time), half_life);
        self.weighted.add(-(weight * value));
        self.weight -= weight;
    }

    pub(super) fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.weighted.value() / self.weight)
    }
}

/// 2^(-age / half_life).
fn halved(age: Duration, half_life: Duration) -> f64 {
    if age.is_zero() {
        return 1.0;
    }
    half_to_the(age.as_secs_f64() / half_life.as_secs_f64())
}

/// 2^-2^n, for n from 9 down to 0, each with its exponent.
const HALVES: [(f64, f64); 10] = [
    (512.0, 7.458_340_731_200_207e-155),
    (256.0, 8.636_168_555_094_445e-78),
    (128.0, 2.938_735_877_055_719e-39),
    (64.0, 5.421_010_862_427_522e-20),
    (32.0, 2.328_306_436_538_696_3e-10),
    (16.0, 1.525_878_906_25e-5),
    (8.0, 0.003_906_25),
    (4.0, 0.062_5),
    (2.0, 0.25),
    (1.0, 0.5),
];

/// 1/14!, ..., 1/1!, 1/0!: the series of e^r. With |r| of at most ln 2 / 2, what is left out is below 2^-57.
const SERIES: [f64; 15] = [
    1.0 / 87_178_291_200.0,
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
    1.0,
    1.0,
];

/// 2^-x for x of at least 0; 0 from 1022 on. Additions and multiplications only: `f64::exp2` may differ in its last bit from
/// one machine to the next, and a recording has to replay to the same bytes everywhere.
fn half_to_the(x: f64) -> f64 {
    if !(0.0..1022.0).contains(&x) {
        return 0.0;
    }
    let mut whole = x.round();
    let rest = (whole - x) * std::f64::consts::LN_2;
    let mut power = SERIES.into_iter().fold(0.0, |power, coefficient| power * rest + coefficient);
    if whole < 1.0 {
        return power;
    }
    for (exponent, factor) in HALVES {
        if whole >= exponent {
            whole -= exponent;
            power *= factor;
        }
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_library() {
        for n in 0..100_000_u32 {
            let x = f64::from(n) / 98.0;
            let (ours, expected) = (half_to_the(x), (-x).exp2());
            assert!((ours - expected).abs() <= expected * 1e-15, "2^-{x}: {ours}, not {expected}");
        }
        assert_eq!((half_to_the(0.0), half_to_the(1.0), half_to_the(1021.0)), (1.0, 0.5, (-1021.0_f64).exp2()));
        assert_eq!((half_to_the(1e9), half_to_the(f64::NAN)), (0.0, 0.0));
    }
}
