//! Events: something that happened.

use serde::{Deserialize, Serialize};

use crate::{Attributes, EventType, ResourceId, Timestamp};

/// Something of `event_type` happened to `resource` at `time`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The resource it is about.
    pub resource: ResourceId,
    /// What happened, such as `vm.crashed`.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// When it happened.
    pub time: Timestamp,
    /// Names the event within its source: the same id is the same event. Empty when the source gives none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Details, readable in expressions as `event.NAME`.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}
