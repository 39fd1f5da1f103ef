//! The inventory as a tree: what exists, and what runs on what.

use std::collections::{BTreeMap, BTreeSet};

use crate::{AdapterName, InventoryChange, Resource, ResourceId};

/// Steps from a resource to what it runs on in the end: container, vm, host, rack, room, site leave as many to spare.
/// Whoever follows the links stops there: foreign systems may describe circles.
pub const MAX_DEPTH: usize = 12;

/// Everything that exists, as last described. Iterates in the order of ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topology {
    /// In boxes: the tree has room to spare in each of its nodes.
    resources: BTreeMap<ResourceId, Box<Resource>>,
    children: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
}

impl Topology {
    /// Applies `change` and gives the ids of what is new, changed or gone, in order and once each.
    ///
    /// An adapter cannot take over or remove what another adapter owns: such parts of a change are left out and returned
    /// as the second list.
    pub fn apply(&mut self, change: InventoryChange) -> (BTreeSet<ResourceId>, Vec<ResourceId>) {
        let mut changed = BTreeSet::new();
        let mut refused = Vec::new();
        match change {
            InventoryChange::Snapshot { adapter, resources } => {
                let listed: BTreeSet<ResourceId> = resources.iter().map(|resource| resource.id.clone()).collect();
                for id in self.owned_by(&adapter).filter(|id| !listed.contains(*id)).cloned().collect::<Vec<_>>() {
                    self.remove(&id);
                    changed.insert(id);
                }
                for mut resource in resources {
                    resource.adapter = Some(adapter.clone());
                    self.upsert(resource, &mut changed, &mut refused);
                }
            }
            InventoryChange::Upsert(resource) => self.upsert(resource, &mut changed, &mut refused),
            InventoryChange::Gone { adapter, resource } => {
                let owner = self.resources.get(&resource).map(|known| &known.adapter);
                if owner == Some(&Some(adapter)) {
                    self.remove(&resource);
                    changed.insert(resource);
                } else if owner.is_some() {
                    refused.push(resource);
                }
            }
        }
        (changed, refused)
    }

    /// Removes a resource that no adapter owns. Gives whether there was one.
    pub fn forget(&mut self, id: &ResourceId) -> bool {
        let ownerless = self.get(id).is_some_and(|resource| resource.adapter.is_none());
        if ownerless {
            self.remove(id);
        }
        ownerless
    }

    /// The resource named `id`.
    #[must_use]
    pub fn get(&self, id: &ResourceId) -> Option<&Resource> {
        self.resources.get(id).map(|resource| &**resource)
    }

    /// All resources, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values().map(|resource| &**resource)
    }

    /// All resources of `kind`, in the order of their ids.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.iter().filter(move |resource| resource.id.kind() == kind)
    }

    /// What runs directly on `id`, in the order of ids.
    pub fn children(&self, id: &ResourceId) -> impl Iterator<Item = &Resource> {
        self.children.get(id).into_iter().flatten().filter_map(|child| self.get(child))
    }

    /// What `id` runs on, directly and then indirectly, as far as it is known; at most [`MAX_DEPTH`] steps up, since foreign
    /// systems may describe circles.
    pub fn ancestors(&self, id: &ResourceId) -> impl Iterator<Item = &Resource> {
        let above = |resource: &Resource| resource.on.as_ref().and_then(|parent| self.get(parent));
        std::iter::successors(self.get(id).and_then(above), move |resource| above(resource)).take(MAX_DEPTH)
    }

    /// How many resources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    fn owned_by<'a>(&'a self, adapter: &'a AdapterName) -> impl Iterator<Item = &'a ResourceId> {
        self.resources.values().filter(move |r| r.adapter.as_ref() == Some(adapter)).map(|r| &r.id)
    }

    fn upsert(&mut self, resource: Resource, changed: &mut BTreeSet<ResourceId>, refused: &mut Vec<ResourceId>) {
        if let Some(old) = self.resources.get(&resource.id) {
            if **old == resource {
                return;
            }
            if old.adapter.is_some() && old.adapter != resource.adapter {
                refused.push(resource.id);
                return;
            }
        }
        let id = resource.id.clone();
        self.remove(&id);
        if let Some(parent) = &resource.on {
            self.children.entry(parent.clone()).or_default().insert(id.clone());
        }
        self.resources.insert(id.clone(), Box::new(resource));
        changed.insert(id);
    }

    fn remove(&mut self, id: &ResourceId) {
        let Some(old) = self.resources.remove(id) else { return };
        if let Some(siblings) = old.on.as_ref().and_then(|parent| self.children.get_mut(parent)) {
            siblings.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(id: &str, parent: &str) -> Resource {
        Resource { on: Some(parent.parse().unwrap()), ..Resource::named(id.parse().unwrap()) }
    }

    fn snapshot(adapter: &str, resources: Vec<Resource>) -> InventoryChange {
        InventoryChange::Snapshot { adapter: AdapterName::new(adapter).unwrap(), resources }
    }

    #[test]
    fn a_snapshot_removes_what_it_does_not_list_and_nothing_of_others() {
        let mut topology = Topology::default();
        topology.apply(snapshot("a", vec![on("vm/one", "host/h1"), on("vm/two", "host/h1")]));
        topology.apply(snapshot("b", vec![on("vm/three", "host/h1")]));
        let (changed, refused) =
            topology.apply(snapshot("a", vec![on("vm/two", "host/h2"), on("vm/three", "host/h9")]));
        assert_eq!(changed.iter().map(ResourceId::as_str).collect::<Vec<_>>(), ["vm/one", "vm/two"]);
        assert_eq!(refused.iter().map(ResourceId::as_str).collect::<Vec<_>>(), ["vm/three"]);
        let on_h1: Vec<_> = topology.children(&"host/h1".parse().unwrap()).map(|r| r.id.as_str()).collect();
        assert_eq!(on_h1, ["vm/three"]);
    }

    #[test]
    fn what_another_adapter_has_does_not_go() {
        let mut topology = Topology::default();
        topology.apply(snapshot("a", vec![on("vm/one", "host/h1")]));
        let gone = |adapter: &str| InventoryChange::Gone {
            adapter: AdapterName::new(adapter).unwrap(),
            resource: "vm/one".parse().unwrap(),
        };
        let (changed, refused) = topology.apply(gone("b"));
        assert_eq!((changed.len(), refused.len(), topology.len()), (0, 1, 1));
        let (changed, refused) = topology.apply(gone("a"));
        assert_eq!((changed.len(), refused.len(), topology.len()), (1, 0, 0));
    }

    #[test]
    fn an_unchanged_resource_is_no_change() {
        let mut topology = Topology::default();
        topology.apply(snapshot("a", vec![on("vm/one", "host/h1")]));
        let (changed, _) = topology.apply(snapshot("a", vec![on("vm/one", "host/h1")]));
        assert!(changed.is_empty());
    }
}
