//! The chain: each record's hash covers the one before, so that nothing in between can be exchanged unnoticed.

use std::fmt;

use sha2::{Digest, Sha256};

/// Bytes of a hash in hexadecimal.
pub(crate) const HEX_BYTES: usize = 64;

/// SHA-256 of the hash before and a record's JSON. The first record's hash before is all zeros.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of the record whose JSON is `json` and that follows the one with this hash.
    #[must_use]
    pub fn then(self, json: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(json).finalize().into())
    }

    /// Reads what `Display` writes; `None` for any other spelling.
    pub(crate) fn parse(hex: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != HEX_BYTES {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }
}

/// The value of a hexadecimal digit, in the one spelling that is written.
pub(crate) fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_sha_256_of_the_one_before_and_the_record() {
        // (head -c 32 /dev/zero; printf abc) | sha256sum
        let hash = Hash::default().then(b"abc");
        assert_eq!(hash.to_string(), "365aa7d8f7f9402c4b9434502b4cc89ddb09fe50d7cd95b493b834c62d5a5370");
        assert_eq!(Hash::parse(hash.to_string().as_bytes()), Some(hash));
        assert_eq!(Hash::parse(hash.to_string().to_uppercase().as_bytes()), None);
        assert_eq!(Hash::parse(b"00"), None);
        assert_ne!(hash.then(b""), hash);
    }
}
