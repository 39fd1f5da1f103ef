//! The token that senders show.

use axum::http::{HeaderMap, Uri, header};
use homeostat_port::{Secret, SecretError, SecretText};
use thiserror::Error;

use crate::percent;

/// Longest token: as long as signed ones get. One that is longer is another file.
const MAX_BYTES: usize = 8 * 1024;

/// What a sender has to show with each request: `Authorization: Bearer ..`, or `?access_token=..` in the URL where it cannot set
/// headers.
#[derive(Clone)]
pub struct Token(SecretText);

/// A secret that is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] SecretError),
    /// What is in it is no token.
    #[error(
        "{0} is no token; a token has 1 to {MAX_BYTES} printable characters without spaces, such as `openssl rand -hex 32` prints"
    )]
    Unusable(Secret),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// The token that `secret` refers to.
    ///
    /// # Errors
    /// [`TokenError`] when there is none.
    pub fn read(secret: &Secret) -> Result<Self, TokenError> {
        let text = secret.read()?;
        let fits = text.expose().len() <= MAX_BYTES && text.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(TokenError::Unusable(secret.clone())) }
    }

    /// Whether a request shows it.
    pub(crate) fn is_shown(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let parameters = uri.query().unwrap_or_default().split('&');
        let parameter = parameters.filter_map(|one| one.strip_prefix("access_token=")).next();
        match (header, parameter) {
            // Two ways at once are no way: RFC 6750, section 2.
            (Some(_), Some(_)) | (None, None) => false,
            (Some(shown), None) => self.0.is(shown),
            (None, Some(shown)) => self.0.is(&percent::decoded(shown.as_bytes())),
        }
    }
}

/// The token of an `Authorization` header whose scheme, of any case, is Bearer.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Token, TokenError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, text).unwrap();
        Token::read(&Secret::from_file(file))
    }

    #[test]
    fn a_token_is_one_word() {
        for good in ["s3cret", "s3cret\n", "a.b-c_d~e+f/g==", "x"] {
            assert!(token(good).is_ok(), "{good:?}");
        }
        let long = "x".repeat(MAX_BYTES + 1);
        for bad in ["two words", "two\nlines", "ü", &long] {
            assert!(matches!(token(bad), Err(TokenError::Unusable(_))), "{bad:?}");
        }
        assert!(matches!(token("\n"), Err(TokenError::Unreadable(_))));
        assert!(matches!(Token::read(&Secret::from_file("/nowhere/at/all")), Err(TokenError::Unreadable(_))));
        assert_eq!(format!("{:?}", token("s3cret").unwrap()), "Token(..)");
    }

    #[test]
    fn it_is_shown_in_a_header_or_in_the_url() {
        let token = token("a+b/c==").unwrap();
        for (header, uri, expected) in [
            (Some("Bearer a+b/c=="), "/", true),
            (Some("bearer   a+b/c== "), "/", true),
            (Some("Bearer a+b/c="), "/", false),
            (Some("Bearer a+b/c==a+b/c=="), "/", false),
            (Some("Bearer A+b/c=="), "/", false),
            (Some("Bearer "), "/", false),
            (Some("Basic a+b/c=="), "/", false),
            (Some("a+b/c=="), "/", false),
            (None, "/", false),
            (None, "/?access_token=a%2Bb/c%3d%3D", true),
            (None, "/?x=1&access_token=a+b/c==&y", true),
            (None, "/?access_token=", false),
            (None, "/?access_token=a%2Bb", false),
            (Some("Bearer a+b/c=="), "/?access_token=a+b/c==", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|value| (header::AUTHORIZATION, value.parse().unwrap())));
            assert_eq!(token.is_shown(&headers, &uri.parse().unwrap()), expected, "{header:?} {uri}");
        }
    }
}
