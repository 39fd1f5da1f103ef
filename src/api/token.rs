//! New tokens: made at random, and shown once.

use rustix::rand::{GetRandomFlags, getrandom};

/// What a token begins with, so that people and scanners for secrets know it.
const PREFIX: &str = "hst_";
/// Random bytes of a token.
const BYTES: usize = 32;

/// A new token, from the operating system's random source.
///
/// # Errors
/// When that gives nothing.
pub(crate) fn fresh() -> std::io::Result<String> {
    let mut bytes = [0_u8; BYTES];
    // So few bytes are given at once or not at all.
    let given = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if given < BYTES {
        return Err(std::io::Error::other("the random source gave too little"));
    }
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{PREFIX}{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_are_never_the_same() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert!(one != other && one.len() == PREFIX.len() + 2 * BYTES && one.starts_with(PREFIX), "{one} {other}");
    }
}
