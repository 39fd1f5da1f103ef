//! Changes of what exists, and what an adapter or a source can say at all.

use serde::{Deserialize, Serialize};

use crate::{AdapterName, Event, Resource, ResourceId, Sample};

/// A change of the inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InventoryChange {
    /// All that `adapter` has, as of now. Whatever it had before and is not listed is gone.
    Snapshot {
        /// The adapter that was asked.
        adapter: AdapterName,
        /// Everything it has.
        resources: Vec<Resource>,
    },
    /// One resource is new or has changed.
    Upsert(Resource),
    /// One resource of `adapter` is gone.
    Gone {
        /// The adapter that had it. A resource of another one stays.
        adapter: AdapterName,
        /// The resource.
        resource: ResourceId,
    },
}

/// One thing that an adapter or a source saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Observation {
    /// What exists has changed.
    Inventory(InventoryChange),
    /// Labels of a resource whose owner is not the one who saw it; they are added to those it has.
    Labels {
        /// The resource.
        resource: ResourceId,
        /// Labels to add or overwrite.
        labels: std::collections::BTreeMap<String, String>,
    },
    /// A measurement.
    Sample(Sample),
    /// A happening.
    Event(Event),
}
