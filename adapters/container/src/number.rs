//! Conversions between the engine's integers and the model's floating point numbers.

/// The nearest floating point number: exact below 2^53, which is 9 PB, or 104 days of nanoseconds.
#[expect(clippy::as_conversions, reason = "std has no other conversion; the rounding above 2^53 does not matter here")]
pub(crate) fn float(integer: u64) -> f64 {
    integer as f64
}

/// The nearest integer from 0 to `i64::MAX`; 0 for what is not a number.
#[expect(clippy::as_conversions, reason = "std has no other conversion; it saturates, and the sign is taken care of")]
pub(crate) fn integer(float: f64) -> i64 {
    float.round().max(0.0) as i64
}

/// A count that the engine gives as a signed number, in which 0 and less stand for none.
pub(crate) fn positive(count: Option<i64>) -> Option<u64> {
    count.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0)
}
