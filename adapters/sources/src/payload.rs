//! The body that Alertmanager posts to a webhook: version "4" of it.
//!
//! ```json
//! {"version": "4", "truncatedAlerts": 0, "alerts": [{
//!    "status": "firing", "labels": {"alertname": ".."}, "annotations": {"summary": ".."},
//!    "startsAt": "2023-11-14T22:13:20Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "..", "fingerprint": ".."}]}
//! ```
//!
//! What else there is (receiver, group and common labels) repeats the alerts or is about the notification, and is not read.

use std::{borrow::Cow, collections::BTreeMap};

use homeostat_model::{Attributes, Event, EventType, Timestamp, Value};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    Mapping, event_data,
    intake::Reason,
    mapping::{Item, shortened},
    names::Names,
    object::{Object, described, json_error, offset},
    place::Places,
    refusal::Malformed,
};

/// The types of the events that alerts become.
pub const ALERT_EVENTS: [&str; 2] = ["alert.firing", "alert.resolved"];

/// The version that is read, as JSON: a text.
const VERSION: &str = "\"4\"";

/// A body whose alerts are not read yet.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) alerts: Vec<&'a RawValue>,
    /// Alerts that Alertmanager left out.
    #[serde(default)]
    pub(crate) truncated_alerts: u64,
}

impl<'a> Payload<'a> {
    /// Reads a body as far as it is the same for all alerts.
    pub(crate) fn read(body: &'a [u8]) -> Result<(&'a str, Self), Malformed> {
        let help = "post the JSON that Alertmanager's webhook_configs sends";
        let text = std::str::from_utf8(body).map_err(|error| {
            let what = format!("the body is not UTF-8 from byte {} on", error.valid_up_to());
            Malformed::whole(Reason::Malformed, what, help)
        })?;
        let mut places = Places::new(text);
        let whole: Object<'_> = read_part(&mut places, text, "", help)?;
        let version = whole.get("version");
        if version.is_none_or(|version| version.value != VERSION) {
            let found = version.map_or("not given".into(), |version| shortened(version.value));
            return Err(Malformed {
                reason: Reason::Unsupported,
                what: format!("the version is {found}"),
                path: "version".into(),
                place: version.map(|version| places.of(version.value_at(text))),
                help: format!(
                    "homeostat reads version {VERSION} of Alertmanager's webhook payload; post that, or look for a newer homeostat"
                ),
            });
        }
        read_part(&mut places, text, "", help).map(|payload| (text, payload))
    }
}

/// One alert of a body.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    status: Status,
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "instant")]
    starts_at: jiff::Timestamp,
    /// For a firing alert: when it would be over if nothing more was heard of it, or the year 1.
    #[serde(default, deserialize_with = "optional_instant")]
    ends_at: Option<jiff::Timestamp>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
    /// The same for the same labels.
    fingerprint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<jiff::Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let unreadable = || format!("`{}` is not a time such as 2023-11-14T22:13:20Z", shortened(&text));
    text.parse().map_err(|_| serde::de::Error::custom(unreadable()))
}

fn optional_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    instant(deserializer).map(Some)
}

impl Alert {
    /// Reads the alert number `index` of the body.
    pub(crate) fn read(places: &mut Places<'_>, index: usize, raw: &RawValue) -> Result<Self, Malformed> {
        let help = "an alert has status, labels, startsAt and fingerprint, as Alertmanager 0.17 and later send them";
        if !raw.get().starts_with('{') {
            return Err(Malformed {
                reason: Reason::Malformed,
                what: format!("the alert is {}, not an object", described(raw.get())),
                path: format!("alerts[{index}]"),
                place: Some(places.of(offset(places.body(), raw.get()))),
                help: help.into(),
            });
        }
        let alert: Self = read_part(places, raw.get(), &format!("alerts[{index}]"), help)?;
        if alert.fingerprint.is_empty() {
            return Err(alert.malformed(index, ".fingerprint", "the fingerprint is empty", help));
        }
        Ok(alert)
    }

    fn malformed(&self, index: usize, part: &str, what: &str, help: &str) -> Malformed {
        let path = format!("alerts[{index}]{part}");
        Malformed { path, ..Malformed::whole(Reason::Malformed, what, help) }
    }

    /// The event that it is, heard of at `now`.
    ///
    /// Its time is `now` and not `startsAt`, which may lie hours back when the alert is heard of for the first time: what is
    /// said is that the alert fires now. The attributes are the labels under their own names, the annotations with
    /// `annotation_` before theirs, `startsAt`, `endsAt` (resolved ones), `generatorURL` and `fingerprint`.
    pub(crate) fn event(&self, index: usize, mapping: &Mapping, now: Timestamp) -> Result<Event, Malformed> {
        let resource = mapping.resource_of(self, &mut Names::forgotten()).map_err(|unplaced| {
            let help = "labels are added in the alerting rule, under `labels:`";
            Malformed { reason: Reason::Unplaced, ..self.malformed(index, ".labels", &unplaced.to_string(), help) }
        })?;
        let [firing, resolved] = ALERT_EVENTS;
        let name = if self.status == Status::Firing { firing } else { resolved };
        let event_type =
            EventType::new(name).map_err(|invalid| self.malformed(index, "", &invalid.to_string(), "this is a bug"))?;
        let id = format!("{}@{}:{name}", self.fingerprint, self.starts_at);
        Ok(Event { resource, event_type, time: now, id, attributes: self.attributes() })
    }

    fn attributes(&self) -> Attributes {
        let labels = self.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
        let annotations = self.annotations.iter().flatten();
        let annotations = annotations.map(|(name, value)| (format!("annotation_{name}"), value.clone()));
        let ends_at = self.ends_at.filter(|_| self.status == Status::Resolved).map(|time| time.to_string());
        let own = [
            ("startsAt", Some(self.starts_at.to_string())),
            ("endsAt", ends_at),
            ("generatorURL", self.generator_url.clone().filter(|url| !url.is_empty())),
            ("fingerprint", Some(self.fingerprint.clone())),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let all = labels.chain(annotations).chain(own);
        let mut attributes: Attributes = all.map(|(name, value)| (name, Value::Text(value))).collect();
        event_data::bound(&mut attributes);
        attributes
    }
}

impl Item for Alert {
    const WHAT: &'static str = "alert";
    const OWN_ID: &'static str = "labels.resource";
    const OWN_ID_IS_MEANT: bool = false;

    fn variable(&self, path: &str) -> Option<Cow<'_, str>> {
        match (path.strip_prefix("labels."), path.strip_prefix("annotations.")) {
            (Some(label), _) => self.labels.get(label).map(Cow::from),
            (None, Some(annotation)) => self.annotations.as_ref()?.get(annotation).map(Cow::from),
            (None, None) => None,
        }
    }

    fn variables(&self) -> Vec<String> {
        let labels = self.labels.keys().map(|name| format!("labels.{name}"));
        let annotations = self.annotations.iter().flatten().map(|(name, _)| format!("annotations.{name}"));
        labels.chain(annotations).collect()
    }
}

/// Reads `part`, a slice of the body that is at `path`, and says where in the body it is wrong.
fn read_part<'a, T: Deserialize<'a>>(
    places: &mut Places<'_>,
    part: &'a str,
    path: &str,
    help: &str,
) -> Result<T, Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(part);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // The path is `.` at the root, and `?` where the JSON ends to be JSON.
        let inner = error.path().to_string().trim_matches(['.', '?']).to_owned();
        (inner, error.into_inner())
    });
    let read = read.and_then(|read| deserializer.end().map(|()| read).map_err(|error| (String::new(), error)));
    read.map_err(|(inner, error)| {
        let (message, at) = json_error(part, &error);
        let separator = if path.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        Malformed {
            reason: Reason::Malformed,
            what: if error.is_data() { message } else { format!("it is not JSON: {message}") },
            path: format!("{path}{separator}{inner}"),
            place: Some(places.of(offset(places.body(), part) + at)),
            help: help.into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn an_alert_takes_a_bounded_space() {
        let labels: BTreeMap<String, String> =
            (0..200).map(|label| (format!("l{label:03}"), "x".repeat(1000))).collect();
        let alert = serde_json::json!({
            "status": "firing", "labels": labels, "startsAt": "2023-11-14T22:13:20Z", "fingerprint": "f", "generatorURL": "u",
        });
        let body = format!("{{\"version\":\"4\",\"alerts\":[{alert}]}}");
        let (text, payload) = Payload::read(body.as_bytes()).unwrap();
        let alert = Alert::read(&mut Places::new(text), 0, payload.alerts[0]).unwrap();
        let attributes = alert.attributes();
        let size: usize = attributes.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        assert!((60_000..70_000).contains(&size), "{size} bytes");
        assert_eq!(attributes.get("fingerprint"), Some(&Value::Text("f".into())));
    }

    proptest! {
        #[test]
        fn no_body_panics(noise in vec(any::<u8>(), 0..200), pieces in vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", "\n", "null", "7", "\"\\ud800\":", "\"status\":", "\"firing\"", "\"labels\":{\"vm\":\"v1\"}",
            "\"startsAt\":\"2023-11-14T22:13:20Z\"", "\"endsAt\":\"-9999-01-01T00:00:00Z\"", "\"fingerprint\":\"ü\"",
        ]), 0..16)) {
            let alerts = format!("{{\"version\":\"4\",\"alerts\":[{}]}}", pieces.concat());
            for body in [noise, alerts.into_bytes()] {
                match Payload::read(&body) {
                    Err(malformed) => prop_assert!(!malformed.to_string().is_empty()),
                    Ok((text, payload)) => for (index, raw) in payload.alerts.iter().enumerate() {
                        let alert = Alert::read(&mut Places::new(text), index, raw);
                        let event = alert.and_then(|alert| alert.event(index, &Mapping::default(), Timestamp::default()));
                        if let Err(malformed) = event {
                            let lines = text.lines().count();
                            prop_assert!(malformed.place.is_none_or(|place| (1..=lines + 1).contains(&place.line)));
                        }
                    },
                }
            }
        }
    }
}
