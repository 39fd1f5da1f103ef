//! What a source shows at a door: a name with a password, or a token.

use base64::{Engine, prelude::BASE64_STANDARD};
use homeostat_port::{Secret, SecretError};
use hyper::header::HeaderValue;
use serde::Deserialize;
use thiserror::Error;

/// Credentials of a source; none unless given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever asks is answered.
    #[default]
    Open,
    /// A name with a password.
    Basic(BasicAuth),
    /// A token.
    Bearer(Secret),
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BasicAuth {
    username: String,
    password: Secret,
}

/// Credentials that cannot be shown.
#[derive(Debug, Error)]
pub(crate) enum AccessError {
    #[error(transparent)]
    Unreadable(#[from] SecretError),
    #[error("{0} has to be one line of text")]
    NotALine(Secret),
}

/// Both sorts of credentials are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it has both `basicAuth` and `bearerToken`; leave one of them out")]
pub(crate) struct TwoCredentials;

impl Access {
    /// From the two fields of a configuration.
    pub(crate) fn new(basic: Option<BasicAuth>, bearer: Option<Secret>) -> Result<Self, TwoCredentials> {
        match (basic, bearer) {
            (None, None) => Ok(Self::Open),
            (Some(basic), None) => Ok(Self::Basic(basic)),
            (None, Some(bearer)) => Ok(Self::Bearer(bearer)),
            (Some(_), Some(_)) => Err(TwoCredentials),
        }
    }

    /// The value of the header `Authorization`. Read anew each time: secrets are replaced while we run.
    ///
    /// # Errors
    /// [`AccessError`] when there is no secret, or none that can be sent.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, AccessError> {
        let (secret, text) = match self {
            Self::Open => return Ok(None),
            Self::Basic(BasicAuth { username, password }) => {
                let credentials = format!("{username}:{}", password.read()?.expose());
                (password, format!("Basic {}", BASE64_STANDARD.encode(credentials)))
            }
            Self::Bearer(token) => (token, format!("Bearer {}", token.read()?.expose())),
        };
        let mut header = HeaderValue::from_str(&text).map_err(|_| AccessError::NotALine(secret.clone()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let basic = BasicAuth { username: "scraper".into(), password: Secret::from_file(&path) };
        let (basic, bearer) = (Access::Basic(basic), Access::Bearer(Secret::from_file(&path)));
        assert!(basic.header().unwrap_err().to_string().contains("cannot be read"));
        for (content, as_basic, as_bearer) in [
            ("open sesame\n", Some("Basic c2NyYXBlcjpvcGVuIHNlc2FtZQ=="), Some("Bearer open sesame")),
            ("next", Some("Basic c2NyYXBlcjpuZXh0"), Some("Bearer next")),
            ("", None, None),
            ("two\nlines", Some("Basic c2NyYXBlcjp0d28KbGluZXM="), None),
            (&"x".repeat(70_000), None, None),
        ] {
            std::fs::write(&path, content).unwrap();
            for (access, expected) in [(&basic, as_basic), (&bearer, as_bearer)] {
                let header = access.header().ok().flatten();
                assert_eq!(header.as_ref().map(|header| header.to_str().unwrap()), expected);
                assert!(header.is_none_or(|header| header.is_sensitive()));
            }
        }
        assert_eq!(Access::Open.header().unwrap(), None);
    }

    #[test]
    fn one_sort_of_credentials_is_enough() {
        let basic = BasicAuth { username: "a".into(), password: Secret::from_environment("B") };
        assert_eq!(Access::new(None, None), Ok(Access::Open));
        assert_eq!(Access::new(Some(basic), Some(Secret::from_environment("C"))), Err(TwoCredentials));
    }
}
