//! Asks other systems over HTTP/1.1: bounded in time and in bytes, each answer and all that arrive at one time together. Without TLS,
//! which no light dependency brings yet.

use std::{error::Error, io::Read, time::Duration};

use flate2::read::MultiGzDecoder;
use homeostat_port::with_causes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, USER_AGENT,
    },
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;

use crate::{
    access::{Access, AccessError},
    space::{CollectError, Held, Space},
};

/// Connections that are kept open for the next question, for each server.
const IDLE_CONNECTIONS: usize = 2;

/// Characters of a refusing answer that are told of: the first line of most.
const TOLD_OF_BODY: usize = 120;

/// Asks.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    space: Space,
}

/// A question.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) accept: &'a str,
    pub(crate) access: &'a Access,
    /// More headers.
    pub(crate) headers: &'a [(&'static str, String)],
    /// What is posted, as a form; nothing when it is a GET.
    pub(crate) form: Option<String>,
    /// Bounds the whole of it, the answer included.
    pub(crate) timeout: Duration,
    /// Of the answer, also when it is packed.
    pub(crate) max_bytes: usize,
}

/// An answer as it arrived.
#[derive(Debug)]
pub(crate) struct Packed {
    status: StatusCode,
    headers: HeaderMap,
    body: Held,
    max_bytes: usize,
}

/// An answer, good or not.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// There was no answer, or not a whole one.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    #[error("it cannot be reached: {0}; check the address, and that it runs")]
    Unreachable(String),
    #[error(
        "too many files and connections are open here: {0}; let homeostat have more, with `ulimit -n` or systemd's LimitNOFILE"
    )]
    TooManyOpen(String),
    #[error("it has not answered within {0:?}; raise `timeout`, or ask for less")]
    TimedOut(Duration),
    #[error("its answer broke off: {0}; look at its log")]
    BrokeOff(String),
    #[error("its answer has more than {0} bytes; ask for less, or raise the limit")]
    TooLarge(usize),
    #[error("its answer is packed as `{0}`, which was not asked for; gzip can be read")]
    Packed(String),
    #[error("its answer cannot be unpacked: {0}; look at its log")]
    Unpackable(std::io::Error),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("other answers take all the space that there is for them at the moment; ask fewer at a time, or for less")]
    NoSpace,
    #[error("it cannot be asked: {0}")]
    Malformed(#[from] hyper::http::Error),
}

impl HttpError {
    /// Whether the fault lies here, so that nothing is known of who was to be asked.
    pub(crate) fn is_our_own(&self) -> bool {
        matches!(self, Self::Access(_) | Self::NoSpace | Self::TooManyOpen(_))
    }
}

impl Http {
    /// One whose answers have at most so many `bytes` together, as they arrive.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_max_idle_per_host(IDLE_CONNECTIONS);
        Self { client: client.build_http(), space: Space::new(bytes) }
    }

    /// Asks once.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Packed, HttpError> {
        let asked = tokio::time::timeout(question.timeout, self.answer(question));
        asked.await.unwrap_or(Err(HttpError::TimedOut(question.timeout)))
    }

    async fn answer(&self, question: &Question<'_>) -> Result<Packed, HttpError> {
        let response = self.client.request(request(question)?).await;
        let (head, body) = response.map_err(|error| unreachable(&error))?.into_parts();
        let max_bytes = question.max_bytes;
        let body = self.space.collect(body, max_bytes).await.map_err(|error| match error {
            CollectError::TooLarge(bytes) => HttpError::TooLarge(bytes),
            CollectError::NoSpace => HttpError::NoSpace,
            CollectError::BrokeOff(error) => HttpError::BrokeOff(with_causes(&error)),
        })?;
        Ok(Packed { status: head.status, headers: head.headers, body, max_bytes })
    }
}

impl Packed {
    /// What it is unpacked. That takes its time; it is nothing for a thread that others wait for.
    pub(crate) fn unpacked(self) -> Result<Answer, HttpError> {
        let content_type = self.header(CONTENT_TYPE).unwrap_or_default();
        let packing = self.header(CONTENT_ENCODING).map(|packing| packing.to_lowercase());
        let body = unpack(packing.as_deref(), self.body.bytes, self.max_bytes)?;
        Ok(Answer { status: self.status, content_type, body })
    }

    fn header(&self, name: HeaderName) -> Option<String> {
        Some(String::from_utf8_lossy(self.headers.get(name)?.as_bytes()).into_owned())
    }
}

impl Answer {
    /// What a refusing answer says, shortened.
    pub(crate) fn refusal(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line: String = text.trim().lines().next().unwrap_or_default().chars().take(TOLD_OF_BODY).collect();
        if line.is_empty() { self.status.to_string() } else { format!("{}: {line}", self.status) }
    }
}

fn request(question: &Question<'_>) -> Result<Request<Full<Bytes>>, HttpError> {
    let mut request = Request::builder().uri(question.uri).header(ACCEPT, question.accept);
    request = request.header(ACCEPT_ENCODING, "gzip");
    request = request.header(USER_AGENT, concat!("homeostat/", env!("CARGO_PKG_VERSION")));
    for (name, value) in question.headers {
        request = request.header(*name, value);
    }
    if let Some(authorization) = question.access.header()? {
        request = request.header(AUTHORIZATION, authorization);
    }
    Ok(match &question.form {
        None => request.body(Full::default())?,
        Some(form) => {
            let request = request.method("POST").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            request.body(Full::from(form.clone()))?
        }
    })
}

fn unpack(packing: Option<&str>, body: Vec<u8>, max_bytes: usize) -> Result<Vec<u8>, HttpError> {
    match packing {
        None | Some("" | "identity") => Ok(body),
        Some("gzip" | "x-gzip") => {
            // A small packet may hold a huge page.
            let more = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
            let mut page = Vec::new();
            MultiGzDecoder::new(&*body).take(more).read_to_end(&mut page).map_err(HttpError::Unpackable)?;
            if page.len() > max_bytes { Err(HttpError::TooLarge(max_bytes)) } else { Ok(page) }
        }
        Some(other) => Err(HttpError::Packed(other.into())),
    }
}

/// Why nobody was reached.
fn unreachable(error: &(dyn Error + 'static)) -> HttpError {
    /// `ENFILE` and `EMFILE`: the system, or the process, has no more descriptors.
    const NO_DESCRIPTOR: [i32; 2] = [23, 24];
    let (mut number, mut cause) = (None, Some(error));
    while let Some(error) = cause {
        number = number.or_else(|| error.downcast_ref::<std::io::Error>()?.raw_os_error());
        cause = error.source();
    }
    let told = with_causes(error);
    match number {
        Some(number) if NO_DESCRIPTOR.contains(&number) => HttpError::TooManyOpen(told),
        _ => HttpError::Unreachable(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("it does not connect")]
    struct Wrapped(#[source] std::io::Error);

    #[test]
    fn to_have_no_descriptor_is_no_fault_of_who_is_asked() {
        for (number, our_own) in [(23, true), (24, true), (111, false)] {
            let error = unreachable(&Wrapped(std::io::Error::from_raw_os_error(number)));
            assert_eq!(error.is_our_own(), our_own, "{error}");
            assert!(error.to_string().contains("it does not connect: "), "{error}");
        }
    }
}
