//! What a request with CloudEvents carries: the HTTP protocol binding, version 1.0.2, for the JSON event format.
//!
//! | `Content-Type` | mode | what is in the body |
//! | --- | --- | --- |
//! | `application/cloudevents-batch+json` | batched | a list of events |
//! | `application/cloudevents+json` | structured | an event |
//! | any other or none, with headers `ce-..` | binary | the data of an event; its attributes are the headers |
//!
//! An event in binary mode is written as one in structured mode and read as that, so that all are read by one code.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    LineError, LineProblem, Mapping, Reason, cloud_event,
    line::{Line, said_once},
    media_type::MediaType,
    names::Names,
    object::{Object, described, json_error, offset},
    percent,
    place::Places,
    reader::MAX_LINE_BYTES,
    refusal::{Malformed, Refusal},
};

/// What media types of CloudEvents begin with.
const CLOUD_EVENTS: &str = "application/cloudevents";
/// What headers with attributes begin with, in binary mode.
const PREFIX: &str = "ce-";
/// What is sent is not understood: what is.
const MODES: &str = "send application/cloudevents+json, application/cloudevents-batch+json, or the attributes as headers \
                     (ce-specversion, ce-id, ce-source, ce-type) and the data as the body";
/// What events are to be like.
const FORMAT: &str = "send it as the JSON event format of CloudEvents 1.0 says";

/// How events are put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Structured,
    Batched,
    Binary,
}

impl Mode {
    /// The mode of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let unsupported =
            |what: String| Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::Unsupported, what, MODES));
        if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|value| !is(value, "identity")) {
            return unsupported(format!("the body is encoded as {encoding:?}, and only plain ones are read"));
        }
        let text = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let text = text.unwrap_or_default();
        let begins = |prefix: &str| text.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        if !begins(CLOUD_EVENTS) {
            if headers.keys().any(|name| name.as_str().starts_with(PREFIX)) {
                return Ok(Self::Binary);
            }
            return unsupported("the request carries no CloudEvent".into());
        }
        let media = MediaType::parse(&text).filter(MediaType::is_utf8);
        match media.as_ref().map(MediaType::essence) {
            Some("application/cloudevents+json") => Ok(Self::Structured),
            Some("application/cloudevents-batch+json") => Ok(Self::Batched),
            _ => unsupported(format!("`{}` is not read", crate::mapping::shortened(&text))),
        }
    }
}

fn is(value: &HeaderValue, word: &str) -> bool {
    value.as_bytes().eq_ignore_ascii_case(word.as_bytes())
}

/// The text of a body.
pub(crate) fn text(body: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(body).map_err(|error| {
        let what = format!("the body is not UTF-8 from byte {} on", error.valid_up_to());
        Malformed::whole(Reason::Malformed, what, FORMAT)
    })
}

/// The one JSON value that a body of this `text` is.
pub(crate) fn single(text: &str) -> Result<&str, Malformed> {
    let value: &RawValue = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
    Ok(value.get())
}

/// The elements of the list that a body of this `text` is, one after the other: none of them is kept.
pub(crate) fn elements(text: &str) -> Result<impl Iterator<Item = &str>, Malformed> {
    // All of it is looked at first: of a torn batch nothing is taken.
    let _: IgnoredAny = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
    let Some(inside) = text.trim_start().strip_prefix('[') else {
        let what = format!("the batch is {}, not a list of events", described(text.trim()));
        return Err(Malformed::whole(Reason::Malformed, what, FORMAT));
    };
    let mut rest = inside;
    Ok(std::iter::from_fn(move || {
        // At the list's end there is no value before the bracket.
        let value = <&RawValue>::deserialize(&mut serde_json::Deserializer::from_str(rest)).ok()?.get();
        let after = rest.get(offset(rest, value) + value.len()..)?;
        let separator = after.find([',', ']'])?;
        rest = if after.get(separator..)?.starts_with(',') { after.get(separator + 1..)? } else { "" };
        Some(value)
    }))
}

fn not_json(text: &str, error: &serde_json::Error) -> Malformed {
    let (message, at) = json_error(text, error);
    let what = format!("it is not JSON: {message}");
    Malformed { place: Some(Places::new(text).of(at)), ..Malformed::whole(Reason::Malformed, what, FORMAT) }
}

/// Reads the event that `raw`, JSON of the right form, is.
pub(crate) fn event(raw: &str, mapping: &Mapping) -> Result<Line, LineError> {
    if raw.len() > MAX_LINE_BYTES {
        return Err(LineError::whole(LineProblem::TooLarge));
    }
    let object = Object::read(raw).map_err(|_| {
        let problem = LineProblem::WrongType { what: "the event".into(), found: described(raw), wanted: "an object" };
        LineError::at(raw, 0, problem)
    })?;
    said_once(raw, &object)?;
    // A line may give its time in milliseconds, an event in the JSON event format may not.
    if let Some(time) = object.get("time").filter(|time| !time.is_null() && !time.value.starts_with('"')) {
        return Err(cloud_event::wrong_type(raw, time, "a text such as \"2023-11-14T22:13:20Z\""));
    }
    cloud_event::read(raw, &object, mapping, &mut Names::forgotten())
}

/// What is wrong with the event `raw`, a part of the body that `places` finds places in and that has the path `path`.
pub(crate) fn misread(places: &mut Places<'_>, path: &str, raw: &str, error: &LineError) -> Malformed {
    let member = error.byte.and_then(|byte| member_at(raw, byte)).unwrap_or_default();
    let separator = if path.is_empty() || member.is_empty() { "" } else { "." };
    let place = error.byte.map(|byte| places.of(offset(places.body(), raw) + byte));
    Malformed { path: [path, separator, &member].concat(), place, ..told(error, FORMAT) }
}

/// The name of the member of `raw` in which `byte` is.
fn member_at(raw: &str, byte: usize) -> Option<String> {
    let object = Object::read(raw).ok()?;
    let member = object.0.iter().take_while(|field| field.name_at(raw) <= byte).last()?;
    Some(crate::mapping::shortened(&member.name))
}

fn told(error: &LineError, help: &str) -> Malformed {
    Malformed::whole(error.reason(), error.problem.to_string(), help)
}

/// Reads the event of a request in binary mode.
pub(crate) fn binary(headers: &HeaderMap, body: &[u8], mapping: &Mapping) -> Result<Line, Malformed> {
    let help =
        "in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, ..";
    let mut text = String::from("{");
    for name in headers.keys().filter(|name| name.as_str().starts_with(PREFIX)) {
        let wrong =
            |what: &str| Err(Malformed { path: name.to_string(), ..Malformed::whole(Reason::Malformed, what, help) });
        let attribute = name.as_str().get(PREFIX.len()..).unwrap_or_default();
        let mut values = headers.get_all(name).iter();
        let (value, more) = (values.next(), values.next());
        match attribute {
            "datacontenttype" => return wrong("the header must not be there; Content-Type is that attribute"),
            "data" | "data_base64" => return wrong("the header must not be there; the data is the body"),
            _ if more.is_some() => return wrong("the header is given twice"),
            _ => {}
        }
        let Some(value) = value.and_then(decoded) else {
            return wrong("the header's value is not printable ASCII with percent-encoded UTF-8 in it");
        };
        push(&mut text, attribute, &value);
    }
    let declared = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let Some(declared) = &declared {
        push(&mut text, "datacontenttype", declared);
    }
    let data = data_of(declared.as_deref(), body)?;
    if !data.is_empty() {
        text.extend([r#""data":"#, &data, ","]);
    }
    let text = format!("{}}}", text.trim_end_matches(','));
    event(&text, mapping).map_err(|error| {
        let path = match error.byte.and_then(|byte| member_at(&text, byte)).as_deref() {
            None | Some("data") => String::new(),
            Some("datacontenttype") => header::CONTENT_TYPE.to_string(),
            Some(attribute) => format!("{PREFIX}{attribute}"),
        };
        Malformed { path, ..told(&error, help) }
    })
}

/// Appends a member that is a text.
fn push(object: &mut String, name: &str, value: &str) {
    let text = serde_json::Value::from(value).to_string();
    object.extend(["\"", name, "\":", &text, ","]);
}

/// The data that the body is, as JSON; nothing when it is of a kind that has no attributes, as its type says.
fn data_of(declared: Option<&str>, body: &[u8]) -> Result<String, Malformed> {
    if body.is_empty() {
        return Ok(String::new());
    }
    let Some(declared) = declared else { return undeclared(body) };
    // What is no media type is refused as the attribute that it is.
    let Some(media) = MediaType::parse(declared) else { return Ok(String::new()) };
    if body.len() > MAX_LINE_BYTES && (media.is_json() || media.is_text()) {
        return Err(told(&LineError::whole(LineProblem::TooLarge), ""));
    }
    if !media.is_json() {
        // A text in another encoding has no attributes either.
        let text = std::str::from_utf8(body).ok().filter(|_| media.is_text() && media.is_utf8());
        return Ok(text.map(|text| serde_json::Value::from(text).to_string()).unwrap_or_default());
    }
    let help = "send the JSON that Content-Type says";
    let body = text(body).map_err(|malformed| Malformed { help: help.into(), ..malformed })?;
    let data = single(body).map_err(|malformed| Malformed { help: help.into(), ..malformed })?;
    Ok(data.to_owned())
}

/// The data that a body is of which no header says what it is: JSON, as in the JSON event format without `datacontenttype`. A recipient
/// may look for itself: RFC 9110, section 8.3.
fn undeclared(body: &[u8]) -> Result<String, Malformed> {
    if body.len() > MAX_LINE_BYTES {
        return Err(told(&LineError::whole(LineProblem::TooLarge), ""));
    }
    let data = std::str::from_utf8(body).ok().and_then(|text| single(text).ok());
    data.map(ToOwned::to_owned).ok_or_else(|| {
        let what = "the body is no JSON, and no Content-Type says what it is".to_owned();
        let path = header::CONTENT_TYPE.to_string();
        Malformed { path, ..Malformed::whole(Reason::Malformed, what, "send its media type as Content-Type") }
    })
}

/// The value of a header: what is in double quotes is taken out of them, then percent-encoding is decoded, once.
fn decoded(value: &HeaderValue) -> Option<String> {
    let value = value.as_bytes().trim_ascii();
    if !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let mut unquoted = Vec::with_capacity(value.len());
    let (mut quoted, mut bytes) = (false, value.iter().copied());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => unquoted.extend(bytes.next()),
            byte => unquoted.push(byte),
        }
    }
    String::from_utf8(percent::decoded(&unquoted)).ok()
}

/// The names of the headers of the handshake: HTTP 1.1 Web Hooks for Event Delivery, version 1.0.2, section 4.
pub(crate) const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
pub(crate) const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
pub(crate) const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
