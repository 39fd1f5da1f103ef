//! Ids that are written out as text, and read again as they were written.

use crate::Generation;

/// Reads `$type` with `$read`, which gives nothing for what is none; writes it as it displays.
macro_rules! written {
    ($type:ident, $what:literal, $example:literal, $read:expr) => {
        impl std::str::FromStr for $type {
            type Err = $crate::InvalidName;

            fn from_str(text: &str) -> Result<Self, $crate::InvalidName> {
                let read: fn(&str) -> Option<Self> = $read;
                read(text).ok_or_else(|| $crate::InvalidName {
                    what: $what,
                    text: text.chars().take(64).collect(),
                    problem: concat!("write it as it was printed, such as ", $example).into(),
                })
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::InvalidName;

            fn try_from(text: String) -> Result<Self, $crate::InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.to_string()
            }
        }
    };
}

pub(crate) use written;

/// Reads what is numbered within a generation, such as `p3-17`.
pub(crate) fn numbered(letter: char, text: &str) -> Option<(Generation, u64)> {
    let (generation, number) = text.strip_prefix(letter)?.split_once('-')?;
    Some((Generation(generation.parse().ok()?), number.parse().ok()?))
}
