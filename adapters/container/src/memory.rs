//! What was there when the engine was last seen, to tell what was missed while it was not.

use std::{collections::BTreeMap, sync::Arc};

use homeostat_model::{Resource, ResourceId};

use crate::{connection::Facts, inventory::Container};

/// One container as it was last seen.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    id: String,
    resource: Resource,
    runs: bool,
    started_at: String,
}

/// What became of a container unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    /// It is new, and does not run.
    Created,
    /// It was started, or another one that is running has its name.
    Started,
    /// It ended, and was started again.
    Restarted,
    /// It ran, and does no more.
    Died,
    /// It is gone.
    Removed,
}

/// All containers as they were last seen, by name. As many as the engine has.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    seen: Option<BTreeMap<ResourceId, Seen>>,
    facts: Option<Arc<Facts>>,
}

impl Memory {
    /// Takes the engine's containers as of now, and tells what was missed, in the order of names. The first time, nothing.
    pub(crate) fn replace(&mut self, containers: &[Container]) -> Vec<(ResourceId, String, Missed)> {
        let now: BTreeMap<ResourceId, Seen> =
            containers.iter().map(|container| (container.resource.id.clone(), seen(container))).collect();
        let Some(before) = self.seen.replace(now.clone()) else { return Vec::new() };
        let mut names: Vec<&ResourceId> = before.keys().chain(now.keys()).collect();
        names.sort();
        names.dedup();
        let missed = names.into_iter().filter_map(|name| {
            let (was, is) = (before.get(name), now.get(name));
            let id = is.or(was)?.id.clone();
            Some((name.clone(), id, missed(was, is)?))
        });
        missed.collect()
    }

    /// One container as of now. Gives the name that it had before, if it had another one.
    pub(crate) fn update(&mut self, container: &Container) -> Option<ResourceId> {
        let before = self.name_of(&container.id).filter(|name| *name != container.resource.id);
        if let Some(name) = &before {
            self.remove(name);
        }
        let all = self.seen.get_or_insert_default();
        all.insert(container.resource.id.clone(), seen(container));
        before
    }

    /// Remembers what is known about the engine.
    pub(crate) fn learn(&mut self, facts: &Arc<Facts>) {
        self.facts = Some(Arc::clone(facts));
    }

    /// What was last known about the engine.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.as_deref()
    }

    /// The containers as they were last seen, in the order of names.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        self.seen.iter().flat_map(BTreeMap::values).map(|seen| seen.resource.clone()).collect()
    }

    /// The name of the container with the engine's `id`.
    pub(crate) fn name_of(&self, id: &str) -> Option<ResourceId> {
        self.seen.as_ref()?.iter().find(|(_, seen)| seen.id == id).map(|(name, _)| name.clone())
    }

    /// Forgets the container with the engine's `id`.
    pub(crate) fn forget(&mut self, id: &str) {
        if let Some(seen) = &mut self.seen {
            seen.retain(|_, seen| seen.id != id);
        }
    }

    /// Forgets the container called `name`.
    pub(crate) fn remove(&mut self, name: &ResourceId) {
        if let Some(seen) = &mut self.seen {
            seen.remove(name);
        }
    }
}

fn seen(container: &Container) -> Seen {
    let resource = container.resource.clone();
    Seen { id: container.id.clone(), resource, runs: container.runs, started_at: container.started_at.clone() }
}

fn missed(was: Option<&Seen>, is: Option<&Seen>) -> Option<Missed> {
    match (was, is) {
        (None, None) => None,
        (Some(_), None) => Some(Missed::Removed),
        (None, Some(is)) => Some(if is.runs { Missed::Started } else { Missed::Created }),
        (Some(was), Some(is)) if was.runs && !is.runs => Some(Missed::Died),
        (Some(was), Some(is)) if was.runs && is.runs && was.id == is.id && was.started_at != is.started_at => {
            Some(Missed::Restarted)
        }
        (Some(was), Some(is)) if is.runs && (!was.runs || was.started_at != is.started_at) => Some(Missed::Started),
        // It ran and ended unseen, or was made anew and has not run: nothing that runs has changed.
        (Some(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    /// `name:id:started`, with nothing as the time of the start for one that does not run.
    fn containers(text: &str) -> Vec<Container> {
        let one = |word: &str| {
            let parts: Vec<&str> = word.split(':').collect();
            Container {
                id: parts[1].into(),
                name: parts[0].into(),
                resource: homeostat_model::Resource::named(format!("container/{}", parts[0]).parse().unwrap()),
                limits: Limits::default(),
                runs: !parts[2].is_empty(),
                pid: None,
                network: false,
                created: String::new(),
                started_at: parts[2].into(),
                stop_seconds: None,
            }
        };
        text.split_whitespace().map(one).collect()
    }

    #[test]
    fn what_was_missed_is_told_once() {
        for (before, after, wanted) in [
            ("a:1:t1", "a:1:t1", ""),
            ("a:1:t1", "a:1:", "a Died"),
            ("a:1:t1", "a:1:t2", "a Restarted"),
            ("a:1:", "a:1:t1", "a Started"),
            ("a:1:t1", "a:2:t2", "a Started"),
            ("a:1:t1", "a:2:", "a Died"),
            ("a:1:", "a:2:", ""),
            ("a:1:t1", "", "a Removed"),
            ("", "a:1:t1 b:2:", "a Started, b Created"),
            ("b:1:t1 a:2:t1", "b:1: a:2:", "a Died, b Died"),
        ] {
            let mut memory = Memory::default();
            assert!(memory.replace(&containers(before)).is_empty(), "the first time: {before}");
            let missed = memory.replace(&containers(after));
            let missed: Vec<String> =
                missed.iter().map(|(name, _, what)| format!("{} {what:?}", name.name())).collect();
            assert_eq!(missed.join(", "), wanted, "{before} -> {after}");
            assert!(memory.replace(&containers(after)).is_empty(), "again: {after}");
        }
    }

    #[test]
    fn a_renamed_container_gives_up_its_name() {
        let mut memory = Memory::default();
        memory.replace(&containers("a:1:t1"));
        let renamed = memory.update(&containers("b:1:t1")[0]);
        assert_eq!(renamed.unwrap().as_str(), "container/a");
        assert!(memory.replace(&containers("b:1:t1")).is_empty());
        assert_eq!(memory.update(&containers("b:1:t1")[0]), None);
        assert_eq!(memory.name_of("1").unwrap().as_str(), "container/b");
    }
}
