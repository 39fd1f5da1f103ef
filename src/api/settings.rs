//! `api:` of a configuration: who may ask what over HTTP, and TLS.

use std::path::PathBuf;

use homeostat_request::TokenHash;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::Role;

/// Longest name of who has a token: that of a person or a program.
const MAX_NAME: usize = 64;

/// Who may ask what over HTTP.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiConfig {
    /// Tokens, by their hashes; without any nobody may.
    #[serde(default)]
    pub(crate) tokens: Vec<TokenConfig>,
    /// With it, `listen` speaks HTTPS only.
    #[serde(default)]
    pub(crate) tls: Option<TlsConfig>,
}

/// Who has a token, and may do what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenConfig {
    /// Who: people's words are recorded under it. May be there twice, while a token is replaced.
    #[serde(deserialize_with = "name")]
    pub(crate) name: String,
    /// The token's hash.
    pub(crate) hash: TokenHash,
    /// What they may do.
    pub(crate) role: Role,
}

/// Files in PEM, relative to the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// The certificate, and those between it and a root.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// The name of who has a token.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn checked_name(name: &str) -> Result<&str, String> {
    let fits = !name.trim().is_empty() && name.trim() == name && name.chars().count() <= MAX_NAME;
    if fits && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(format!("a name has 1 to {MAX_NAME} characters, none of them a control character, and no space at its ends"))
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    checked_name(&name).map(str::to_owned).map_err(D::Error::custom)
}
