//! Seeded noise that is a function of (seed, name, time) and not of how often it was asked for.
//!
//! The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014). Because nothing is drawn from a stream, one resource more or one look more changes nothing
//! for the others.

use crate::number;

/// Odd, and near 2^64 divided by the golden ratio: consecutive multiples of it are spread evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// One 64-bit number for each input, neighbours being unlike each other.
fn mix(input: u64) -> u64 {
    let mut z = input.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A seed of its own for what is called `name`.
#[must_use]
pub(crate) fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(mix(seed), |state, byte| mix(state ^ u64::from(byte)))
}

/// A number from -1 up to, but not including, 1: the one of this seed at this millisecond.
#[must_use]
pub(crate) fn noise(seed: u64, millis: u64) -> f64 {
    // 53 bits are all that a double can tell apart below 1.
    let bits = mix(seed ^ mix(millis)) >> 11;
    number::from_u64(bits) / 4_503_599_627_370_496.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_repeatable_centred_and_differs_by_seed_and_time() {
        let seed = seed_of(1, "vm/web-1");
        let series: Vec<f64> = (0..10_000).map(|second| noise(seed, second * 1000)).collect();
        assert_eq!(series, (0..10_000).map(|second| noise(seed, second * 1000)).collect::<Vec<_>>());
        assert!(series.iter().all(|value| (-1.0..1.0).contains(value)));
        let mean = series.iter().sum::<f64>() / 10_000.0;
        // The standard error of the mean of 10,000 such numbers is 0.0058; five of those.
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!(series.windows(2).all(|pair| pair[0] != pair[1]));
        assert_ne!(noise(seed_of(1, "vm/web-2"), 0), series[0]);
        assert_ne!(noise(seed_of(2, "vm/web-1"), 0), series[0]);
    }
}
