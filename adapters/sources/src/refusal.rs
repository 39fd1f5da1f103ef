//! What is answered to a request, or told of one of its items, that is not taken: what is wrong, where, and what to do next.

use std::fmt;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{intake::Reason, place::Place};

/// After how many seconds a sender is asked to try again: the engine takes a full sink in less.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Refused items that an answer tells of in full; the others are counted. More are one mistake many times over.
const TOLD: usize = 100;

/// What is wrong with a body, or with one of its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Malformed {
    /// What it is counted as.
    #[serde(skip)]
    pub(crate) reason: Reason,
    /// What.
    #[serde(rename = "error")]
    pub(crate) what: String,
    /// Which part of the JSON, such as `alerts[0].labels`, or which header.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// Where in the body.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Place>,
    /// What to do next.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) help: String,
}

impl Malformed {
    /// Something that is wrong as a whole.
    pub(crate) fn whole(reason: Reason, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { reason, what: what.into(), path: String::new(), place: None, help: help.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), self.place) {
            ("", None) => {}
            ("", Some(Place { line, column })) => write!(f, "line {line}, column {column}: ")?,
            (path, Some(Place { line, column })) => write!(f, "{path} (line {line}, column {column}): ")?,
            (path, None) => write!(f, "{path}: ")?,
        }
        f.write_str(&self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

/// A request that is refused as a whole. What was taken of it before is remembered.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) malformed: Malformed,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: Reason, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status, malformed: Malformed::whole(reason, what, help) }
    }

    /// There is no room, for a reason that passes.
    pub(crate) fn busy(what: &'static str) -> Self {
        let help = "send the same again later; what was taken already is known and not taken twice";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Reason::Busy, what, help)
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self { status: StatusCode::BAD_REQUEST, malformed }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, malformed } = self;
        let mut response = (status, Json(malformed)).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(header::RETRY_AFTER, RETRY_AFTER),
            StatusCode::UNAUTHORIZED => headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            _ => None,
        };
        response
    }
}

/// What became of the items of a body that was read.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Answer {
    /// Items that were taken.
    pub(crate) accepted: usize,
    /// Items that had been taken before.
    pub(crate) repeated: usize,
    /// The first of those that were refused.
    refused: Vec<RefusedItem>,
    /// How many were refused besides.
    #[serde(rename = "moreRefused", skip_serializing_if = "is_zero")]
    more_refused: u64,
}

#[derive(Debug, Serialize)]
struct RefusedItem {
    index: usize,
    reason: String,
}

impl Answer {
    /// The item number `index` is refused. Why is not asked for when it is not told of.
    pub(crate) fn refuse(&mut self, index: usize, why: impl FnOnce() -> Malformed) {
        if self.refused.len() < TOLD {
            self.refused.push(RefusedItem { index, reason: why().to_string() });
        } else {
            self.more_refused += 1;
        }
    }

    /// What was refused and is told of in full, and how many more were refused.
    pub(crate) fn refused(&self) -> (impl Iterator<Item = &String>, u64) {
        (self.refused.iter().map(|item| &item.reason), self.more_refused)
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
