//! What the headers of a request say it is, and what those of its answer say.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::Refusal;
use crate::write_request::Message;

const MEDIA_TYPE: &str = "application/x-protobuf";
const ENCODING: &str = "snappy";
const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// Which message the body is. Without headers it is one of version 1, packed by snappy: the first senders left them out.
pub(super) fn message_of(headers: &HeaderMap) -> Result<Message, Refusal> {
    let unsupported = |what: String| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
    let text = |name| headers.get(name).map_or(Some(""), |value: &HeaderValue| value.to_str().ok());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or("?").trim();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case(ENCODING) {
        return Err(unsupported(format!("the content encoding is not known; only `{ENCODING}` is")));
    }
    let content_type = text(header::CONTENT_TYPE).unwrap_or("?");
    message_named(content_type).ok_or_else(|| {
        unsupported(format!(
            "the content type is not known; `{MEDIA_TYPE}` is, with proto=prometheus.WriteRequest or \
             proto=io.prometheus.write.v2.Request"
        ))
    })
}

fn message_named(content_type: &str) -> Option<Message> {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if !media_type.is_empty() && !media_type.eq_ignore_ascii_case(MEDIA_TYPE) {
        return None;
    }
    let mut message = Message::V1;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        if name.trim().eq_ignore_ascii_case("proto") {
            message = match value.trim().trim_matches('"') {
                "prometheus.WriteRequest" => Message::V1,
                "io.prometheus.write.v2.Request" => Message::V2,
                _ => return None,
            };
        }
    }
    Some(message)
}

/// Says how much was written, as version 2 asks for whatever the outcome; and what would be understood, if nothing was.
pub(super) fn add_headers(headers: &mut HeaderMap, message: Option<Message>, status: StatusCode, samples: u64) {
    if message == Some(Message::V2) {
        headers.insert(SAMPLES_WRITTEN, HeaderValue::from(samples));
        headers.insert(HISTOGRAMS_WRITTEN, HeaderValue::from(0));
        headers.insert(EXEMPLARS_WRITTEN, HeaderValue::from(0));
    }
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(ENCODING));
    }
}

/// The status as the label of a metric.
pub(super) fn label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        204 => "204",
        400 => "400",
        408 => "408",
        413 => "413",
        415 => "415",
        503 => "503",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_say_which_message_it_is() {
        let (v1, v2) = (Some(Message::V1), Some(Message::V2));
        for (content_type, encoding, expected) in [
            (Some("application/x-protobuf"), Some("snappy"), v1),
            (Some("application/x-protobuf;proto=prometheus.WriteRequest"), Some("snappy"), v1),
            (Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"), Some("snappy"), v2),
            (Some("Application/X-Protobuf ; Proto=\"io.prometheus.write.v2.Request\""), Some("Snappy"), v2),
            (Some("application/x-protobuf; charset=utf-8"), None, v1),
            (None, None, v1),
            (Some("application/x-protobuf;proto=io.prometheus.write.v3.Request"), Some("snappy"), None),
            (Some("application/json"), Some("snappy"), None),
            (Some("application/x-protobuf"), Some("gzip"), None),
            (Some("application/x-protobuf"), Some("zstd"), None),
            (Some("ä"), Some("snappy"), None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, encoding)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
                }
            }
            let message = message_of(&headers);
            assert_eq!(message.as_ref().ok().copied(), expected, "{content_type:?} {encoding:?}");
            assert!(message.err().is_none_or(|refusal| refusal.status == StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
    }
}
