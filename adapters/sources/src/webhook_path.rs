//! Where a source listens.

use serde::Deserialize;
use thiserror::Error;

/// Longest path of a webhook; those in use are a tenth of it.
const MAX_PATH_BYTES: usize = 256;

/// The path of a URL without variables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookPath(String);

/// A text that is not the path of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the path of a webhook; it begins with / and has letters, digits and -._~/, at most {MAX_PATH_BYTES}, such as /webhook/alertmanager"
)]
pub struct InvalidWebhookPath(String);

impl WebhookPath {
    /// The path of a source whose user names no other.
    pub(crate) fn by_default(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WebhookPath {
    type Error = InvalidWebhookPath;

    fn try_from(text: String) -> Result<Self, InvalidWebhookPath> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if text.starts_with('/') && text.len() <= MAX_PATH_BYTES && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err(InvalidWebhookPath(crate::mapping::shortened(&text)))
        }
    }
}
