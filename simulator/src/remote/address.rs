//! Where a data centre is served.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What stands before the path.
const SCHEME: &str = "unix:";

/// A unix socket: `unix:` and its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CentreAddress(PathBuf);

/// This is no address of a data centre.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the address of a data centre; write unix: and the path of a socket, such as unix:/run/datacentre.sock"
)]
pub struct InvalidAddress(String);

impl CentreAddress {
    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The same, seen from `folder` if it is relative.
    #[must_use]
    pub fn seen_from(&self, folder: &Path) -> Self {
        Self(folder.join(&self.0))
    }
}

impl FromStr for CentreAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let path = text.strip_prefix(SCHEME).filter(|path| !path.is_empty() && !path.contains('\0'));
        path.map(|path| Self(path.into())).ok_or_else(|| InvalidAddress(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for CentreAddress {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<CentreAddress> for String {
    fn from(address: CentreAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for CentreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_path_of_a_socket() {
        let address: CentreAddress = "unix:centre.sock".parse().unwrap();
        assert_eq!(address.seen_from(Path::new("/run")).to_string(), "unix:/run/centre.sock");
        for wrong in ["", "unix:", "/run/centre.sock", "tcp:localhost:1", "unix:a\0b"] {
            assert!(wrong.parse::<CentreAddress>().is_err(), "{wrong:?}");
        }
    }
}
