//! What a path names, as text: a part of it that is no text is refused as everything else is.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use super::{Api, refusal::Refusal};

/// The name in a path.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl FromRequestParts<Api> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, api)
            .await
            .map_err(|error| Refusal::bad(format!("the path cannot be read: {error}"), "names are ASCII"))?;
        Ok(Self(name))
    }
}
