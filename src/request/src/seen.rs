//! What somebody has seen of a plan: the body of what they say about it.

use serde::Deserialize;

use crate::Mistake;

/// Most bytes of a body that people send: a hash and a name.
pub const MAX_BODY: usize = 16 * 1024;

/// What somebody has seen of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The hash that it was shown with.
    pub hash: Option<String>,
}

impl Seen {
    /// What a body says; nothing says nothing.
    ///
    /// # Errors
    /// [`Mistake`] when it cannot be read.
    pub fn read(body: &[u8]) -> Result<Self, Mistake> {
        let help = "send a JSON object such as {\"hash\": \"0123456789abcdef\"}";
        if body.len() > MAX_BODY {
            return Err(Mistake::new(format!("the body has more than {MAX_BODY} bytes"), help));
        }
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(body).map_err(|error| Mistake::new(format!("the body cannot be read: {error}"), help))
    }

    /// The hash, which there has to be.
    ///
    /// # Errors
    /// [`Mistake`] when there is none.
    pub fn hash(self) -> Result<String, Mistake> {
        let help =
            "send {\"hash\": \"..\"} with the hash that the plan was shown with, so that nothing else is approved of";
        self.hash.ok_or_else(|| Mistake::new("the hash of what was seen is missing", help))
    }
}
