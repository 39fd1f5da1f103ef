//! One line of JSON: a sample line or a CloudEvent.
//!
//! `{"resource":"vm/v1","time":1700000000000,"metrics":{"cpu":0.91},"labels":{"tier":"web"}}`, any part of which may be left
//! out, as may be whatever is `null`. What has `specversion` is a CloudEvent.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use homeostat_model::{Attributes, Event, EventType, MetricName, Observation, ResourceId, Sample, Timestamp};
use serde_json::value::RawValue;

use crate::{
    LineError, LineProblem, Mapping, cloud_event,
    mapping::{Item, shortened},
    names::Names,
    object::{Field, Object, described, json_error, scalar_text},
    scan,
    seen::Key,
    time::read_time,
};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) resource: ResourceId,
    /// Its own time, if it gives one.
    pub(crate) time: Option<Timestamp>,
    pub(crate) said: Said,
}

/// What a line says of its resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// The metrics are in the order of their names.
    Samples { labels: Option<BTreeMap<String, String>>, metrics: Vec<(MetricName, f64)> },
    Event {
        event_type: EventType,
        /// Its source and its own id, joined by `#`.
        id: String,
        /// The length of its source in bytes.
        source_bytes: usize,
        attributes: Attributes,
    },
}

/// Reads one line: labels first, then samples, in the order of their metrics; or one event. What gives no time of its own
/// has that of its reading. An empty line says nothing.
///
/// # Errors
/// [`LineError`] with the column where it is known.
pub fn parse_line(line: &str, mapping: &Mapping, read_at: Timestamp) -> Result<Vec<Observation>, LineError> {
    Ok(read(line, mapping, &mut Names::forgotten())?.map(|line| line.observations(read_at)).unwrap_or_default())
}

/// Reads one line; `None` when it is empty.
pub(crate) fn read(text: &str, mapping: &Mapping, names: &mut Names) -> Result<Option<Line>, LineError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let object = object(text)?;
    if object.get("specversion").is_some() {
        cloud_event::read(text, &object, mapping, names).map(Some)
    } else {
        samples(text, &object, mapping, names).map(Some)
    }
}

impl Line {
    /// What names it, when it is an event: an id is unique within its source only.
    pub(crate) fn key(&self) -> Option<Key> {
        match &self.said {
            Said::Event { id, source_bytes, .. } => Some(Key::new(*source_bytes, id)),
            Said::Samples { .. } => None,
        }
    }

    /// What the engine is told; `otherwise` is the time when the line gives none.
    pub(crate) fn observations(self, otherwise: Timestamp) -> Vec<Observation> {
        let Self { resource, time, said } = self;
        let time = time.unwrap_or(otherwise);
        match said {
            Said::Samples { labels, metrics } => {
                let labels = labels.map(|labels| Observation::Labels { resource: resource.clone(), labels });
                let samples = metrics.into_iter().map(|(metric, value)| {
                    Observation::Sample(Sample { resource: resource.clone(), metric, time, value })
                });
                labels.into_iter().chain(samples).collect()
            }
            Said::Event { event_type, id, attributes, .. } => {
                vec![Observation::Event(Event { resource, event_type, time, id, attributes })]
            }
        }
    }
}

fn object(text: &str) -> Result<Object<'_>, LineError> {
    let object = match Object::plain(text) {
        Some(object) => object,
        None => any_object(text)?,
    };
    said_once(text, &object)?;
    Ok(object)
}

/// Refuses an object that says something twice.
pub(crate) fn said_once(text: &str, object: &Object<'_>) -> Result<(), LineError> {
    object.twice().map_or(Ok(()), |field| Err(twice(text, field)))
}

/// The object that `text` is, however it is written, or what it is instead.
fn any_object(text: &str) -> Result<Object<'_>, LineError> {
    // What is no object is told from what is no JSON.
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
        let (message, at) = json_error(text, &error);
        LineError::at(text, at, LineProblem::NotJson(message))
    })?;
    let wanted = "an object such as {\"resource\":\"vm/v1\",\"metrics\":{\"cpu\":0.91}}";
    members(text, &"the line", raw.get(), wanted)
}

fn members<'a>(text: &str, what: &dyn Display, raw: &'a str, wanted: &'static str) -> Result<Object<'a>, LineError> {
    Object::read(raw).map_err(|_| {
        let problem = LineProblem::WrongType { what: what.to_string(), found: described(raw), wanted };
        LineError::at(text, crate::object::offset(text, raw), problem)
    })
}

fn twice(text: &str, field: &Field<'_>) -> LineError {
    LineError::at(text, field.name_at(text), LineProblem::Twice(format!("`{}`", shortened(&field.name))))
}

/// A sample line as templates see it.
struct SampleItem<'a> {
    object: &'a Object<'a>,
    labels_field: &'a str,
}

impl Item for SampleItem<'_> {
    const WHAT: &'static str = "line";
    const OWN_ID: &'static str = "resource";

    fn variable(&self, path: &str) -> Option<Cow<'_, str>> {
        match path.strip_prefix("labels.") {
            Some(label) => self.object.scalar(&format!("{}.{label}", self.labels_field)),
            None => self.object.scalar(path),
        }
    }

    fn variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        for field in &self.object.0 {
            match Object::read(field.value) {
                Ok(inner) if field.name == self.labels_field => {
                    names.extend(inner.0.iter().map(|label| format!("labels.{}", label.name)));
                }
                Ok(inner) if field.name != "metrics" => {
                    names.extend(inner.0.iter().map(|member| format!("{}.{}", field.name, member.name)));
                }
                Ok(_) => {}
                Err(_) => names.push(field.name.clone().into_owned()),
            }
        }
        names
    }
}

fn samples(text: &str, object: &Object<'_>, mapping: &Mapping, names: &mut Names) -> Result<Line, LineError> {
    let mut time = None;
    let mut labels = None;
    let mut metrics = Metrics { text, mapping, names, found: Vec::new() };
    for field in &object.0 {
        let name = field.name.as_ref();
        if mapping.ignores(name) || field.is_null() && is_known(name, mapping) {
            continue;
        }
        if name == mapping.time.name {
            time = Some(read_time(field.value, mapping.time.unit).map_err(|problem| {
                LineError::at(text, field.value_at(text), LineProblem::Time { field: name.into(), problem })
            })?);
        } else if name == mapping.labels_field() {
            labels = Some(read_labels(text, field)?);
        } else if name == "metrics" {
            let wanted = "an object of numbers, such as {\"cpu\":0.91}";
            for metric in members(text, &"`metrics`", field.value, wanted)?.0 {
                metrics.add(&metric)?;
            }
        } else if mapping.metrics.contains_key(name) {
            metrics.add(field)?;
        } else if !is_known(name, mapping) && !mapping.ignores_others() {
            let problem = LineProblem::UnknownKey { key: shortened(name), help: help_with(name, mapping) };
            return Err(LineError::at(text, field.name_at(text), problem));
        }
    }
    let metrics = metrics.in_order()?;
    let item = SampleItem { object, labels_field: mapping.labels_field() };
    let resource = mapping.resource_of(&item, names).map_err(|unplaced| {
        // The id's own field is the only one that has a place.
        let at = object.get("resource").map(|field| field.value_at(text));
        match (&unplaced, at) {
            (crate::Unplaced::NotAnId { template, .. }, Some(at)) if template == "${resource}" => {
                LineError::at(text, at, unplaced)
            }
            _ => LineError::whole(unplaced),
        }
    })?;
    // A line that says nothing else says that there is such a resource.
    let labels = labels.or_else(|| metrics.is_empty().then(BTreeMap::new));
    Ok(Line { resource, time, said: Said::Samples { labels, metrics } })
}

struct Metrics<'a> {
    text: &'a str,
    mapping: &'a Mapping,
    names: &'a mut Names,
    /// With the byte at which each is named.
    found: Vec<(MetricName, f64, usize)>,
}

impl Metrics<'_> {
    /// Takes one number, under the name that the mapping gives it.
    fn add(&mut self, field: &Field<'_>) -> Result<(), LineError> {
        if field.is_null() {
            return Ok(());
        }
        let at = field.name_at(self.text);
        let metric = match self.mapping.metrics.get(field.name.as_ref()) {
            Some(metric) => metric.clone(),
            None => self.names.metrics.read(&field.name).map_err(|invalid| LineError::at(self.text, at, invalid))?,
        };
        let Some(value) = scan::number(field.value) else {
            let (what, found) = (format!("metric `{metric}`"), described(field.value));
            let problem = LineProblem::WrongType {
                what,
                found,
                wanted: "a number such as 0.91; leave out what was not measured",
            };
            return Err(LineError::at(self.text, field.value_at(self.text), problem));
        };
        self.found.push((metric, value, at));
        Ok(())
    }

    /// All of them in the order of their names, if none is given twice.
    fn in_order(mut self) -> Result<Vec<(MetricName, f64)>, LineError> {
        // Stable: of two with the same name the second is the later one.
        self.found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let pairs = self.found.iter().zip(self.found.iter().skip(1));
        let second = pairs.filter(|(one, other)| one.0 == other.0).map(|(_, second)| second).min_by_key(|(.., at)| at);
        if let Some((metric, _, at)) = second {
            return Err(LineError::at(self.text, *at, LineProblem::Twice(format!("metric `{metric}`"))));
        }
        Ok(self.found.into_iter().map(|(metric, value, _)| (metric, value)).collect())
    }
}

/// Labels are texts; numbers and truths are taken as they are written.
fn read_labels(text: &str, field: &Field<'_>) -> Result<BTreeMap<String, String>, LineError> {
    let mut labels = BTreeMap::new();
    let wanted = "an object of texts, such as {\"tier\":\"web\"}";
    let object = members(text, &format_args!("`{}`", field.name), field.value, wanted)?;
    if let Some(label) = object.twice() {
        return Err(twice(text, label));
    }
    for label in object.0.into_iter().filter(|label| !label.is_null()) {
        let Some(value) = scalar_text(label.value) else {
            let (what, found) = (format!("label `{}`", shortened(&label.name)), described(label.value));
            let problem = LineProblem::WrongType { what, found, wanted: "a text such as \"web\"" };
            return Err(LineError::at(text, label.value_at(text), problem));
        };
        labels.insert(label.name.into_owned(), value.into_owned());
    }
    Ok(labels)
}

fn is_known(name: &str, mapping: &Mapping) -> bool {
    known(mapping).any(|known| known == name) || mapping.reads(name)
}

fn known(mapping: &Mapping) -> impl Iterator<Item = &str> {
    let fixed = ["resource", "metrics", mapping.labels_field(), mapping.time.name.as_str()];
    fixed.into_iter().chain(mapping.metrics.keys().map(String::as_str))
}

fn help_with(name: &str, mapping: &Mapping) -> String {
    let candidates: BTreeSet<&str> = known(mapping).chain(["specversion"]).collect();
    near_miss(name, candidates)
        .unwrap_or_else(|| "name it in the mapping, under `metrics` or under `ignore`, or leave it out".into())
}

/// `did you mean ..?`, when one of the candidates is close to what was written.
pub(crate) fn near_miss<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// More edits than one in three letters make another word.
    const LETTERS_AN_EDIT: usize = 3;
    let given = shortened(given).to_lowercase();
    let allowed = (given.chars().count() / LETTERS_AN_EDIT).clamp(1, 3);
    let near = candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&given, &candidate.to_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)?;
    Some(format!("did you mean `{}`?", near.1))
}
