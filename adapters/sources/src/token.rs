//! The token that senders show, read from a file.

use std::{fs, hint::black_box, io, path::Path};

use axum::http::{HeaderMap, Uri, header};
use thiserror::Error;

/// Longest token: as long as signed ones get. One that is longer is another file.
const MAX_BYTES: usize = 8 * 1024;

/// What a sender has to show with each request: `Authorization: Bearer ..`, or `?access_token=..` in the URL where it cannot set
/// headers.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

/// A file with a token that cannot be used.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("the file with the token cannot be read: {0}; check tokenFile and the file's permissions")]
    Unreadable(#[from] io::Error),
    /// What is in it is no token.
    #[error(
        "the file with the token has to hold one line of 1 to {MAX_BYTES} printable characters without spaces, such as `openssl rand -hex 32` prints"
    )]
    Unusable,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// Reads the token in the file at `path`; white space around it does not count.
    ///
    /// # Errors
    /// [`TokenError`] when there is none.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        Self::new(&fs::read(path)?)
    }

    fn new(bytes: &[u8]) -> Result<Self, TokenError> {
        let token = bytes.trim_ascii();
        if token.is_empty() || token.len() > MAX_BYTES || !token.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::Unusable);
        }
        Ok(Self(token.into()))
    }

    /// Whether a request shows it.
    pub(crate) fn is_shown(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let parameters = uri.query().unwrap_or_default().split('&');
        let parameter = parameters.filter_map(|one| one.strip_prefix("access_token=")).next();
        match (header, parameter) {
            // Two ways at once are no way: RFC 6750, section 2.
            (Some(_), Some(_)) | (None, None) => false,
            (Some(shown), None) => self.is(shown),
            (None, Some(shown)) => self.is(&unescaped(shown.as_bytes())),
        }
    }

    /// Compares in a time that depends on the length of what is shown only: how much of it is right cannot be measured.
    fn is(&self, shown: &[u8]) -> bool {
        let mut difference = u8::from(shown.len() != self.0.len());
        for (index, byte) in shown.iter().enumerate() {
            let own = self.0.get(index % self.0.len()).copied().unwrap_or_default();
            difference = black_box(difference | (byte ^ own));
        }
        difference == 0
    }
}

/// The token of an `Authorization` header whose scheme, of any case, is Bearer.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
}

/// What is percent-encoded in a URL.
fn unescaped(text: &[u8]) -> Vec<u8> {
    crate::percent::decoded(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        for good in ["s3cret", " s3cret\n", "a.b-c_d~e+f/g==", "x"] {
            assert!(Token::new(good.as_bytes()).is_ok(), "{good:?}");
        }
        let long = "x".repeat(MAX_BYTES + 1);
        for bad in ["", "\n", "two words", "two\nlines", "ü", &long] {
            assert!(matches!(Token::new(bad.as_bytes()), Err(TokenError::Unusable)), "{bad:?}");
        }
        assert!(matches!(Token::read(Path::new("/nowhere/at/all")), Err(TokenError::Unreadable(_))));
        assert_eq!(format!("{:?}", Token::new(b"s3cret").unwrap()), "Token(..)");
    }

    #[test]
    fn it_is_shown_in_a_header_or_in_the_url() {
        let token = Token::new(b"a+b/c==").unwrap();
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
