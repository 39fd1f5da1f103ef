//! The body of a request: received and unpacked, within bounds.

use std::time::Duration;

use axum::{
    extract::Request,
    http::{StatusCode, header},
};
use tokio::time::timeout;

use super::Refusal;
use crate::space::{CollectError, Held, Space};

/// Longest body as it arrives: that of ten thousand samples with many labels, badly packed.
pub(super) const MAX_BODY_BYTES: usize = 8 << 20;

/// Longest body when it is unpacked: twice what senders with large requests send (vmagent: 8 MiB).
const MAX_UNPACKED_BYTES: usize = 16 << 20;

/// A snappy block is at most so many times as long when it is unpacked: its densest element makes 64 bytes out of 3. So a few bytes
/// that promise many are found out before any room is made.
const MAX_RATIO: usize = 22;

/// How long a body may take to arrive: the longest comes in over a line of 10 Mbit/s.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The body as it arrives. What does not arrive, or has no space, is asked for again: a sender gives up for good at other statuses.
pub(super) async fn of(request: Request, space: &Space) -> Result<Held, Refusal> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let again = |what: String| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what);
    match timeout(TIMEOUT, space.collect(request.into_body(), MAX_BODY_BYTES)).await {
        Ok(Ok(packed)) => Ok(packed),
        Ok(Err(CollectError::TooLarge(_))) => Err(too_large()),
        Ok(Err(error @ CollectError::NoSpace)) => Err(again(error.to_string())),
        Ok(Err(CollectError::BrokeOff(error))) => Err(again(format!("the body could not be read: {error}"))),
        Err(_) => Err(again(format!("the body did not arrive within {} seconds", TIMEOUT.as_secs()))),
    }
}

/// The unpacked body.
pub(super) fn unpacked(packed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let not_snappy = |why: &dyn std::fmt::Display| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("the body is not in snappy's block format: {why}"))
    };
    let length = snap::raw::decompress_len(packed).map_err(|error| not_snappy(&error))?;
    if length > packed.len().saturating_mul(MAX_RATIO) {
        return Err(not_snappy(&format_args!("{} bytes cannot become the {length} that they promise", packed.len())));
    }
    if length > MAX_UNPACKED_BYTES {
        return Err(too_large());
    }
    snap::raw::Decoder::new().decompress_vec(packed).map_err(|error| not_snappy(&error))
}

fn too_large() -> Refusal {
    let what = format!(
        "the body is larger than {MAX_BODY_BYTES} bytes, or {MAX_UNPACKED_BYTES} when it is unpacked; set max_samples_per_send of \
         the sender's queue lower"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_body_that_promises_much_is_refused_before_room_is_made() {
        let status = |packed: &[u8]| unpacked(packed).map(|body| body.len()).map_err(|refusal| refusal.status.as_u16());
        let pack = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
        assert_eq!(status(&pack(b"hello")), Ok(5));
        assert_eq!(status(&pack(b"")), Ok(0));
        assert_eq!(status(b""), Err(400));
        // Four gigabytes less one, and 16 MiB, out of a few bytes.
        assert_eq!(status(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x']), Err(400));
        assert_eq!(status(&[0x80, 0x80, 0x80, 0x08, 0, b'x']), Err(400));
        // What is packed best is taken all the same, up to the bound.
        assert_eq!(status(&pack(&vec![0; MAX_UNPACKED_BYTES])), Ok(MAX_UNPACKED_BYTES));
        assert_eq!(status(&pack(&vec![0; MAX_UNPACKED_BYTES + 1])), Err(413));
        let mut torn = pack(&[7; 1000]);
        torn.truncate(torn.len() - 1);
        assert_eq!(status(&torn), Err(400));
    }
}
