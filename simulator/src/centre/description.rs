//! Resources as they are seen from outside.

use homeostat_model::{Capacity, Resource, ResourceId, Value};

use super::{DataCentre, host::Host, workload::Workload};

impl DataCentre {
    /// `id` as it is now; `None` when there is no such resource.
    pub(super) fn describe(&self, id: &ResourceId) -> Option<Resource> {
        let mut resource = if let Some(workload) = self.workloads.get(id) {
            self.describe_workload(id, workload)
        } else if let Some(host) = self.hosts.get(id) {
            describe_host(id, host)
        } else {
            let labels = self.racks.get(id)?.clone();
            Resource { labels, ..Resource::named(id.clone()) }
        };
        resource.adapter = Some(self.adapter.clone());
        Some(resource)
    }

    /// The state of a workload as it is known outside.
    pub(super) fn state_of(&self, workload: &Workload) -> &'static str {
        let silent = self.hosts.get(&workload.host).is_some_and(Host::is_silent);
        if silent { "unknown" } else { workload.state() }
    }

    fn describe_workload(&self, id: &ResourceId, workload: &Workload) -> Resource {
        Resource {
            on: Some(workload.host.clone()),
            labels: workload.labels.clone(),
            attributes: [("state".to_owned(), Value::from(self.state_of(workload)))].into(),
            capacity: Capacity { vcpus: Some(workload.vcpus), memory_bytes: Some(workload.memory_bytes) },
            ..Resource::named(id.clone())
        }
    }
}

fn describe_host(id: &ResourceId, host: &Host) -> Resource {
    let attributes = [
        ("state", Value::from(host.state())),
        ("cordoned", Value::from(host.cordoned)),
        ("fenced", Value::from(host.fenced)),
        ("cpuOvercommit", Value::from(host.overcommit)),
    ];
    Resource {
        on: Some(host.rack.clone()),
        labels: host.labels.clone(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        capacity: Capacity { vcpus: Some(host.cores), memory_bytes: Some(host.memory_bytes) },
        ..Resource::named(id.clone())
    }
}
