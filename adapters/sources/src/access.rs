//! What a source shows at a door: a name with a password, or a token. Secrets stand in files of their own.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::HeaderValue;
use serde::Deserialize;
use thiserror::Error;

/// Longest secret: tokens of clusters have a few kB.
const MAX_SECRET_BYTES: u64 = 1 << 16;

/// Credentials of a source; none unless given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever asks is answered.
    #[default]
    Open,
    /// A name with a password.
    Basic(BasicAuth),
    /// A token, in a file.
    Bearer(PathBuf),
}

/// A name, and a file with the password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BasicAuth {
    username: String,
    password_file: PathBuf,
}

/// Credentials that cannot be shown.
#[derive(Debug, Error)]
pub(crate) enum AccessError {
    #[error("cannot read {path}: {error}; check the path and its permissions")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{0} has to hold one line of text, of at most {MAX_SECRET_BYTES} bytes")]
    NotASecret(PathBuf),
}

/// Both sorts of credentials are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it has both `basicAuth` and `bearerTokenFile`; leave one of them out")]
pub(crate) struct TwoCredentials;

impl Access {
    /// From the two fields of a configuration.
    pub(crate) fn new(basic: Option<BasicAuth>, bearer: Option<PathBuf>) -> Result<Self, TwoCredentials> {
        match (basic, bearer) {
            (None, None) => Ok(Self::Open),
            (Some(basic), None) => Ok(Self::Basic(basic)),
            (None, Some(bearer)) => Ok(Self::Bearer(bearer)),
            (Some(_), Some(_)) => Err(TwoCredentials),
        }
    }

    /// Makes paths absolute.
    pub(crate) fn resolve(&mut self, absolute: &impl Fn(&Path) -> PathBuf) {
        match self {
            Self::Open => {}
            Self::Basic(basic) => basic.password_file = absolute(&basic.password_file),
            Self::Bearer(file) => *file = absolute(file),
        }
    }

    /// The value of the header `Authorization`. Read anew each time: secrets are replaced while we run.
    ///
    /// # Errors
    /// [`AccessError`] when a file does not hold a secret.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, AccessError> {
        let (file, text) = match self {
            Self::Open => return Ok(None),
            Self::Basic(BasicAuth { username, password_file }) => {
                let credentials = format!("{username}:{}", secret(password_file)?);
                (password_file, format!("Basic {}", BASE64_STANDARD.encode(credentials)))
            }
            Self::Bearer(file) => (file, format!("Bearer {}", secret(file)?)),
        };
        let mut header = HeaderValue::from_str(&text).map_err(|_| AccessError::NotASecret(file.clone()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

fn secret(path: &Path) -> Result<String, AccessError> {
    let unreadable = |error| AccessError::Unreadable { path: path.to_owned(), error };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    let line = text.trim_end_matches(['\n', '\r']);
    let fits = u64::try_from(text.len()).is_ok_and(|length| length <= MAX_SECRET_BYTES);
    if !fits || line.is_empty() || line.contains('\n') {
        return Err(AccessError::NotASecret(path.to_owned()));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_files_and_are_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let basic = BasicAuth { username: "scraper".into(), password_file: path.clone() };
        let (basic, bearer) = (Access::Basic(basic), Access::Bearer(path.clone()));
        assert!(basic.header().unwrap_err().to_string().contains("cannot read"));
        for (content, as_basic, as_bearer) in [
            ("open sesame\n", Some("Basic c2NyYXBlcjpvcGVuIHNlc2FtZQ=="), Some("Bearer open sesame")),
            ("next", Some("Basic c2NyYXBlcjpuZXh0"), Some("Bearer next")),
            ("", None, None),
            ("two\nlines", None, None),
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
        let basic = BasicAuth { username: "a".into(), password_file: "b".into() };
        assert_eq!(Access::new(None, None), Ok(Access::Open));
        assert_eq!(Access::new(Some(basic), Some("c".into())), Err(TwoCredentials));
    }
}
