//! A page of the journal's records: as much as fits, and sent a piece at a time by whoever reads the journal.
//!
//! ```text
//!   records --> Newest: a line of JSON each, the oldest go when it is full --> Sent --pieces--> the connection
//!                                                                                |
//!                                                          the reader's place, free when the last piece is taken
//! ```

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use hyper::body::{Bytes, Frame, SizeHint};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

/// Most bytes of records, or of plans, in a page: some thousands of usual ones. With as many readers as there may be it is a part of what the engine
/// itself takes.
pub(super) const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that are handed to the connection at once: it asks for more when it has passed most of them on.
const PIECE: usize = 64 * 1024;

/// Records of the journal, as they are read by whoever asked.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// The newest that are asked for, in the order in which they were made.
    pub(crate) records: Vec<Value>,
    #[serde(flatten)]
    pub(crate) about: About,
}

/// What is to be known about a page.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct About {
    /// How many older records were left out.
    #[serde(rename = "leftOut")]
    pub(crate) left_out: usize,
    /// What is damaged, after which nothing can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) damage: Option<String>,
    /// What to know about what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// The newest records, as they are written.
#[derive(Debug)]
pub(super) struct Newest {
    records: VecDeque<String>,
    bytes: usize,
    limit: usize,
    max_bytes: usize,
    pub(super) about: About,
}

impl Newest {
    /// At most `limit` of them.
    pub(super) fn new(limit: usize) -> Self {
        Self { records: VecDeque::new(), bytes: 0, limit, max_bytes: MAX_BYTES, about: About::default() }
    }

    /// One more. The newest one has a place in any case.
    pub(super) fn add(&mut self, record: &Value) {
        let record = record.to_string();
        self.bytes = self.bytes.saturating_add(record.len());
        self.records.push_back(record);
        let full = |page: &Self| page.records.len() > page.limit || page.bytes > page.max_bytes;
        while self.records.len() > 1 && full(self) {
            let gone = self.records.pop_front().unwrap_or_default();
            self.bytes = self.bytes.saturating_sub(gone.len());
            self.about.left_out = self.about.left_out.saturating_add(1);
        }
    }

    /// The page as JSON.
    fn text(mut self) -> String {
        let about = serde_json::to_string(&self.about).unwrap_or_default();
        let mut text = String::with_capacity(self.bytes.saturating_add(self.records.len()).saturating_add(1024));
        text.push_str("{\"records\":[");
        let mut between = "";
        while let Some(record) = self.records.pop_front() {
            text.push_str(between);
            text.push_str(&record);
            between = ",";
        }
        text.push_str("],");
        // What is about it follows, as fields of the same object.
        text.push_str(about.strip_prefix('{').unwrap_or("}"));
        text
    }

    /// The same as an answer. `reader` has its place until it has been sent.
    pub(super) fn answer(self, reader: OwnedSemaphorePermit) -> Response {
        let body = Sent { rest: self.text().into(), _reader: reader };
        let kind = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, kind)], Body::new(body)).into_response()
    }
}

/// A body that is handed out in pieces.
struct Sent {
    rest: Bytes,
    _reader: OwnedSemaphorePermit,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt;
    use serde_json::json;
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_long() {
        let page = |limit, max_bytes| {
            let mut newest = Newest { max_bytes, ..Newest::new(limit) };
            (0..10).for_each(|number| newest.add(&json!({ "number": number, "told": "x".repeat(80) })));
            let page: Page = serde_json::from_str(&newest.text()).unwrap();
            (
                page.records.iter().map(|record| record["number"].as_u64().unwrap()).collect::<Vec<_>>(),
                page.about.left_out,
            )
        };
        assert_eq!(page(3, MAX_BYTES), (vec![7, 8, 9], 7));
        assert_eq!(page(100, 250), (vec![8, 9], 8));
        assert_eq!(page(100, 1), (vec![9], 9), "the newest one is always shown");
    }

    #[test]
    fn what_is_about_it_goes_with_it() {
        let mut newest = Newest::new(1);
        newest.about.damage = Some("segment 2".into());
        let page: Page = serde_json::from_str(&newest.text()).unwrap();
        assert_eq!((page.records.len(), page.about.damage.as_deref()), (0, Some("segment 2")));
    }

    #[tokio::test]
    async fn a_reader_has_its_place_until_the_last_piece_is_taken() {
        let places = Arc::new(Semaphore::new(1));
        let mut newest = Newest::new(1);
        newest.add(&json!("x".repeat(PIECE)));
        let mut body = newest.answer(places.clone().try_acquire_owned().unwrap()).into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(places.available_permits(), 0, "half of it has not been taken yet");
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(places.available_permits(), 1);
    }
}
