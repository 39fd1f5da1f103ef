//! A set of a host's processors, by their numbers.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::InvalidName;

/// The processors that a set can name: as many as the kernel's own sets have by default (`CPU_SETSIZE`).
pub const MAX_CPUS: u16 = 1024;

/// Bits of one word of a set.
const WORD: u16 = 64;
/// Words of a set.
const WORDS: usize = 16;

/// Some processors of a host, written `0-3,8`; none of them stands for all of the host's, written `all`. Most amounts name none, so that
/// the names are apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CpuSet(Option<Arc<[u64; WORDS]>>);

impl CpuSet {
    /// All processors of a host, however many it has.
    pub const ALL: Self = Self(None);

    /// The processors from `first` up to and without `end`; those from [`MAX_CPUS`] on are left out.
    #[must_use]
    pub fn range(first: u16, end: u16) -> Self {
        (first..end.min(MAX_CPUS)).fold(Self::ALL, Self::with)
    }

    /// The same with processor `number`.
    #[must_use]
    pub fn with(mut self, number: u16) -> Self {
        if number < MAX_CPUS {
            let words = Arc::make_mut(self.0.get_or_insert_default());
            if let Some(word) = words.get_mut(usize::from(number / WORD)) {
                *word |= 1 << (number % WORD);
            }
        }
        self
    }

    /// Whether it names no processor, and so stands for all.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether processor `number` is named.
    #[must_use]
    pub fn names(&self, number: u16) -> bool {
        let word = self.0.as_ref().and_then(|words| words.get(usize::from(number / WORD)));
        word.is_some_and(|word| word & (1 << (number % WORD)) != 0)
    }

    /// The processors that it names, in order; none for all.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u16> {
        (0..MAX_CPUS).filter(|number| self.names(*number))
    }

    /// How many processors it names; 0 for all.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().flat_map(|words| words.iter()).map(|word| word.count_ones()).sum()
    }

    /// The greatest number that it names.
    #[must_use]
    pub fn last(&self) -> Option<u16> {
        self.iter().next_back()
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        let (mut separator, mut number) = ("", 0);
        while number < MAX_CPUS {
            if self.names(number) {
                let first = number;
                while self.names(number + 1) {
                    number += 1;
                }
                write!(f, "{separator}{first}")?;
                if number > first {
                    write!(f, "-{number}")?;
                }
                separator = ",";
            }
            number += 1;
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for CpuSet {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text == "all" {
            return Ok(Self::ALL);
        }
        let wrong = || InvalidName {
            what: "set of processors",
            text: text.chars().take(64).collect(),
            problem: format!("write numbers below {MAX_CPUS} and ranges, such as 0-3,8, or all"),
        };
        let mut set = Self::ALL;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<u16>().ok().filter(|number| *number < MAX_CPUS);
            let (first, last) =
                number(first).zip(number(last)).filter(|(first, last)| first <= last).ok_or_else(wrong)?;
            set = (first..=last).fold(set, Self::with);
        }
        Ok(set)
    }
}

impl TryFrom<String> for CpuSet {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<CpuSet> for String {
    fn from(set: CpuSet) -> Self {
        set.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_as_it_is_written() {
        for (text, written, count, last) in [
            ("all", "all", 0, None),
            ("0", "0", 1, Some(0)),
            ("0-3,8", "0-3,8", 5, Some(8)),
            ("8, 2,1,0-1", "0-2,8", 4, Some(8)),
            ("63-65,1023", "63-65,1023", 4, Some(1023)),
        ] {
            let set: CpuSet = text.parse().unwrap();
            assert_eq!((set.to_string().as_str(), set.count(), set.last()), (written, count, last), "{text}");
            assert_eq!(written.parse::<CpuSet>().unwrap(), set);
        }
        for text in ["", "1024", "3-1", "a", "1,", "-1", "0-"] {
            assert!(text.parse::<CpuSet>().is_err(), "{text}");
        }
        assert_eq!(CpuSet::range(1, 4).to_string(), "1-3");
        assert_eq!(CpuSet::range(1020, u16::MAX).count(), 4);
        assert!(CpuSet::range(3, 3).is_all());
    }
}
