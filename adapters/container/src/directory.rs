//! Which container is called what: a container's name is unique in its engine only, a resource's in all of them.
//!
//! The first container of a name that is seen is `container/<name>`, with the hosts taken in the order of the configuration;
//! another one of that name on another host is `container/<host>/<name>` for as long as it exists. A container that is
//! moved takes its id along.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use homeostat_model::ResourceId;

use crate::parts::own_name;

/// Containers that are remembered to have been replaced: the engines tell of their end within moments, and many more than
/// are replaced in that time.
const MAX_MOVING: usize = 1024;

/// A host by its place in the configuration.
pub(crate) type HostNumber = usize;

/// The ids that are given out. As many as the engines have containers.
#[derive(Debug, Default)]
pub(crate) struct Directory(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    ids: BTreeMap<(HostNumber, String), ResourceId>,
    holders: BTreeMap<ResourceId, (HostNumber, String)>,
    /// The engines' ids of containers that are being replaced, or have been: what happens to them is our own doing. An id
    /// never comes up again.
    moving: VecDeque<String>,
}

impl Directory {
    /// The id of the container called `name` on `host`: the one it has, or else `short` if that is free, or else `long`.
    pub(crate) fn assign(
        &self,
        host: HostNumber,
        name: &str,
        short: ResourceId,
        long: Option<ResourceId>,
    ) -> Option<ResourceId> {
        let mut pages = self.pages();
        let place = (host, name.to_owned());
        if let Some(id) = pages.ids.get(&place) {
            return Some(id.clone());
        }
        let id = [Some(short), long].into_iter().flatten().find(|id| !pages.holders.contains_key(id))?;
        pages.ids.insert(place.clone(), id.clone());
        pages.holders.insert(id.clone(), place);
        Some(id)
    }

    /// Which host has the container `id`, and by what name, if that is known.
    pub(crate) fn holder(&self, id: &ResourceId) -> Option<(HostNumber, String)> {
        self.pages().holders.get(id).cloned()
    }

    /// The container `id` of `host` is gone. Gives whether it was there, and has not been moved elsewhere.
    pub(crate) fn release(&self, host: HostNumber, id: &ResourceId) -> bool {
        let mut pages = self.pages();
        match pages.holders.get(id) {
            Some(place) if place.0 == host => {
                let place = place.clone();
                pages.holders.remove(id);
                pages.ids.remove(&place);
                true
            }
            Some(_) => false,
            None => true,
        }
    }

    /// The container `id` is on `host` from now on, and called `name` there.
    pub(crate) fn hand_over(&self, id: &ResourceId, host: HostNumber, name: &str) {
        let mut pages = self.pages();
        let place = (host, name.to_owned());
        if let Some(before) = pages.holders.insert(id.clone(), place.clone()) {
            pages.ids.remove(&before);
        }
        if let Some(other) = pages.ids.insert(place, id.clone()).filter(|other| other != id) {
            pages.holders.remove(&other);
        }
    }

    /// Forgets the containers of `host` that have none of these names.
    pub(crate) fn keep_only(&self, host: HostNumber, names: &BTreeSet<String>) {
        let mut pages = self.pages();
        let Pages { ids, holders, .. } = &mut *pages;
        // What is being replaced has its name in those of its parts.
        let own: BTreeSet<&str> = names.iter().map(|name| own_name(name)).collect();
        ids.retain(|(of, name), id| {
            let stays = *of != host || names.contains(name) || own.contains(name.as_str());
            if !stays {
                holders.remove(id);
            }
            stays
        });
    }

    /// The container with the engine's `id` is being moved, until [`Directory::moved`].
    pub(crate) fn moving(&self, id: &str) {
        let mut pages = self.pages();
        if pages.moving.len() >= MAX_MOVING {
            pages.moving.pop_front();
        }
        pages.moving.push_back(id.to_owned());
    }

    /// It is not being moved any more.
    pub(crate) fn moved(&self, id: &str) {
        self.pages().moving.retain(|moving| moving != id);
    }

    /// Whether the container with the engine's `id` is being moved.
    pub(crate) fn is_moving(&self, id: &str) -> bool {
        self.pages().moving.iter().any(|moving| moving == id)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(directory: &Directory, host: usize, name: &str) -> String {
        let id = |text: String| text.parse().unwrap();
        let (short, long) = (id(format!("container/{name}")), id(format!("container/h{host}/{name}")));
        directory.assign(host, name, short, Some(long)).unwrap().to_string()
    }

    #[test]
    fn a_name_on_two_hosts_is_two_resources() {
        let directory = Directory::default();
        for (host, name, id) in [
            (0, "web", "container/web"),
            (1, "web", "container/h1/web"),
            (1, "db", "container/db"),
            (0, "db", "container/h0/db"),
            (1, "web", "container/h1/web"),
            (0, "web", "container/web"),
        ] {
            assert_eq!(assign(&directory, host, name), id, "{name} on {host}");
        }
        // The long name stays when the other one is gone, and the short one is free for the next.
        assert!(directory.release(0, &"container/web".parse().unwrap()));
        assert_eq!(assign(&directory, 1, "web"), "container/h1/web");
        assert_eq!(assign(&directory, 2, "web"), "container/web");
    }

    #[test]
    fn what_is_moved_keeps_its_id_and_is_not_gone_where_it_was() {
        let directory = Directory::default();
        let id: ResourceId = assign(&directory, 0, "web").parse().unwrap();
        directory.hand_over(&id, 1, "web");
        assert_eq!(directory.holder(&id), Some((1, "web".into())));
        assert!(!directory.release(0, &id), "it has gone from host 0 by being moved");
        assert_eq!(assign(&directory, 1, "web"), "container/web");
        assert!(directory.release(1, &id));
        assert_eq!(directory.holder(&id), None);
    }
}
