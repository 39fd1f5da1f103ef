//! Where something is posted.

use hyper::Uri;
use serde::Deserialize;
use thiserror::Error;

/// An absolute URL of http or https.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Url(pub(crate) Uri);

/// A text that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum InvalidUrl {
    #[error("`{0}` is not a URL; write http://host:port/path or https://host/path")]
    Malformed(String),
    #[error("the URL has credentials in it, which logs would show; give them as `token: {{env: NAME}}`")]
    Credentials,
}

impl TryFrom<String> for Url {
    type Error = InvalidUrl;

    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        let malformed = || InvalidUrl::Malformed(text.chars().take(100).collect());
        if text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@')) {
            return Err(InvalidUrl::Credentials);
        }
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        if !known || uri.host().is_none_or(str::is_empty) {
            return Err(malformed());
        }
        Ok(Self(uri))
    }
}

impl Url {
    /// This URL with `path` behind its own.
    ///
    /// # Errors
    /// [`InvalidUrl`] when it has a query, behind which nothing can be put.
    pub(crate) fn below(&self, path: &str) -> Result<Self, InvalidUrl> {
        let malformed = || InvalidUrl::Malformed(self.0.to_string());
        if self.0.query().is_some() {
            return Err(malformed());
        }
        let mut parts = self.0.clone().into_parts();
        let whole = format!("{}{path}", self.0.path().trim_end_matches('/'));
        parts.path_and_query = Some(whole.parse().map_err(|_| malformed())?);
        Ok(Self(Uri::from_parts(parts).map_err(|_| malformed())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_absolute_and_have_no_credentials() {
        for (text, expected) in [
            ("http://h1:9093", Ok("http://h1:9093/api")),
            ("https://h1/prefix/", Ok("https://h1/prefix/api")),
            ("h1:9093", Err("is not a URL")),
            ("ftp://h1", Err("is not a URL")),
            ("/path", Err("is not a URL")),
            ("http://me:secret@h1/", Err("credentials")),
            ("http://h1/?a=b", Err("is not a URL")),
        ] {
            let url = Url::try_from(text.to_owned()).and_then(|url| url.below("/api"));
            match (url, expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url.0.to_string(), expected),
                (Err(error), Err(part)) => {
                    let said = error.to_string();
                    assert!(said.contains(part) && !said.contains("secret"), "{said}");
                }
                (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
            }
        }
    }
}
