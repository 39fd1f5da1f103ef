//! What is sent with a request: too much of it, or a part of it, is refused as everything else is.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
    response::IntoResponse,
};
use homeostat_request::MAX_BODY;

use super::{Api, refusal::Refusal};

/// The body of a request.
#[derive(Debug)]
pub(super) struct Sent(pub(super) Bytes);

impl FromRequest<Api> for Sent {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let refused = |rejection: BytesRejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let why = format!("the body is longer than {MAX_BODY} bytes");
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why, "send the plan's hash and nothing else")
            }
            _ => Refusal::bad("the body did not come as a whole", "send it again"),
        };
        Bytes::from_request(request, api).await.map(Self).map_err(refused)
    }
}
