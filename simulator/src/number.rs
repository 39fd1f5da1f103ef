//! Conversions between whole numbers and floats, in one place.

/// The nearest float; exact below 2^53.
#[must_use]
#[expect(clippy::as_conversions, reason = "there is no lossless conversion, and rounding is what is wanted")]
pub(crate) const fn from_u64(number: u64) -> f64 {
    number as f64
}

/// The whole number that `number` is, when it is one between 0 and 2^53.
#[must_use]
#[expect(clippy::as_conversions, reason = "range and wholeness are checked right before")]
pub(crate) fn whole(number: f64) -> Option<u64> {
    let exact = (0.0..=9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0;
    exact.then_some(number as u64)
}

/// To six decimals: what differs beyond them is the arithmetic of the machine, not the data centre.
#[must_use]
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_in_range_are_whole() {
        for (number, expected) in
            [(0.0, Some(0)), (4096.0, Some(4096)), (0.5, None), (-1.0, None), (f64::NAN, None), (1e300, None)]
        {
            assert_eq!(whole(number), expected, "{number}");
        }
        assert_eq!(from_u64(1 << 53), 9_007_199_254_740_992.0);
    }
}
