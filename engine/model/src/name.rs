//! Names: short text with a checked alphabet, cheap to clone.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest name accepted, in bytes: as long as a Kubernetes object name (253), so that any of those fits.
const MAX_NAME_BYTES: usize = 253;

/// A text that is not a name of the wanted sort.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a {what}: {problem}")]
pub struct InvalidName {
    /// What it was to be the name of.
    pub what: &'static str,
    /// The text as it was given, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Checks length and alphabet: printable ASCII of names, with `extra` characters allowed besides letters and digits.
pub(crate) fn check(what: &'static str, text: &str, extra: &str) -> Result<(), InvalidName> {
    let invalid = |problem: String| InvalidName { what, text: text.chars().take(64).collect(), problem };
    if text.is_empty() {
        return Err(invalid("it is empty".into()));
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(invalid(format!("it has {} bytes, at most {MAX_NAME_BYTES} are allowed", text.len())));
    }
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !extra.contains(*c)) {
        Some(bad) => Err(invalid(format!("the character {bad:?} is not allowed; letters, digits and `{extra}` are"))),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks `text` and takes it as a name.
            ///
            /// # Errors
            /// [`InvalidName`] when it is empty, too long, or has a character outside the alphabet.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                check($what, text.as_ref(), $extra)?;
                Ok(Self(text.as_ref().into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().into()
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of a policy: unique among the loaded ones.
    PolicyName, "policy name", "-._"
);
name!(
    /// The name of a metric, such as `cpu.utilization` or `node_load1`.
    MetricName, "metric name", "._:-/"
);
name!(
    /// The name of a configured adapter, such as `docker` or `datacentre`.
    AdapterName, "adapter name", "-._"
);
name!(
    /// The name of a configured channel of notifications, such as `pager`.
    ChannelName, "channel name", "-._"
);
name!(
    /// The type of an event, such as `container.died`: CloudEvents' `type`.
    EventType, "event type", "-._/:"
);
name!(
    /// What sort of thing a resource is: `rack`, `host`, `vm`, `container`, `pod`, ...
    Kind, "resource kind", "-_"
);
