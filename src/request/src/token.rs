//! Tokens as they are known here: by their hashes.
//!
//! A token is 256 random bits. Nobody finds one by trying, so its hash need not be slow, as that of a password people chose would have
//! to be: SHA-256 once is enough, and nobody can keep the daemon busy with wrong ones.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::{Digest, Sha256};

/// What the text of a hash begins with.
const ALGORITHM: &str = "sha256:";

/// The hash of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// That of `token`.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether both are the same, in a time that does not tell how much of them is.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        std::hint::black_box(self.0.iter().zip(&other.0).fold(0, |differs, (a, b)| differs | (a ^ b))) == 0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parsed(&text).ok_or_else(|| {
            D::Error::custom("it is no hash of a token; write the line that `homeostat token create` printed, with sha256: and 64 digits")
        })
    }
}

fn parsed(text: &str) -> Option<TokenHash> {
    let digits = text.strip_prefix(ALGORITHM)?;
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, place) in hash.iter_mut().zip((0..digits.len()).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(place..place + 2)?, 16).ok()?;
    }
    Some(TokenHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_what_sha256sum_prints_and_nothing_else_is_one() {
        // printf abc | sha256sum
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of(b"abc").to_string(), abc);
        assert!(parsed(abc).unwrap().is(&TokenHash::of(b"abc")));
        assert!(!parsed(abc).unwrap().is(&TokenHash::of(b"abd")));
        let short = &abc[..abc.len() - 2];
        for wrong in
            ["", "sha256:", "ba78", short, &abc.replace("sha256", "md5"), &abc.replace('f', "g"), &format!("{short}+f")]
        {
            assert!(parsed(wrong).is_none(), "{wrong}");
        }
    }
}
