//! Observations as text, and mappings out of it.

use homeostat_model::Observation;
use homeostat_sources::Mapping;

/// A mapping as a person writes it.
pub(crate) fn mapping(json: &str) -> Mapping {
    serde_json::from_str(json).unwrap()
}

/// An observation on one line.
pub(crate) fn told(observation: &Observation) -> String {
    match observation {
        Observation::Labels { resource, labels } => format!("{resource} labels {labels:?}"),
        Observation::Sample(sample) => {
            format!("{} {} = {} at {}", sample.resource, sample.metric, sample.value, sample.time.as_millis())
        }
        Observation::Event(event) => {
            let (time, id) = (event.time.as_millis(), &event.id);
            format!("{} {} at {time}, id {id}, {:?}", event.resource, event.event_type, event.attributes)
        }
        Observation::Inventory(change) => format!("{change:?}"),
    }
}
