//! Whom a plan concerns: the groups in which budgets count it, and what it weighs there.
//!
//! ```text
//!   what a plan acts on     vm/1  vm/2  vm/3  vm/4  host/a            and it moves vm/1 .. vm/4 to host/b
//!   groups                  host/a, host/b, kind vm, kind host, ..    concerned: it counts there, as 1 at least
//!   lots                    4 in {host/a, kind vm, guard web}         counted alike: 4 for a budget of the guard on host/a
//!                           1 in {host/a, kind host, guard hosts}
//! ```
//!
//! Invariant: it is as things were when the plan was made; what came after, such as another host or another guard, changes nothing.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{Impact, PolicyName, ResourceId};

/// Resources that a budget counts together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Group {
    /// A host and what runs on it.
    Host(ResourceId),
    /// A rack and what is in it.
    Rack(ResourceId),
    /// All of a kind.
    Kind(String),
    /// All that have this label with this value.
    Label(String, String),
    /// All that the guard of this name selects.
    Guard(String),
    /// All that the policy of this name selects.
    Policy(PolicyName),
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(id) | Self::Rack(id) => id.fmt(f),
            Self::Kind(kind) => write!(f, "kind {kind}"),
            Self::Label(name, value) => write!(f, "label {name}={value}"),
            Self::Guard(name) => write!(f, "all of guard {name}"),
            Self::Policy(name) => write!(f, "all of policy {name}"),
        }
    }
}

/// Whom a plan concerns, as it was when the plan was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// The greatest impact of its steps.
    #[serde(default)]
    pub impact: Impact,
    /// What it takes away from which host.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub leaves: BTreeSet<(ResourceId, ResourceId)>,
    /// The groups of everything that it acts on, or moves something to, in order and each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// What it acts on, as far as budgets count it; none where it weighs 1 for all of them, as most plans do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<Lot>,
}

impl Reach {
    /// What the plan weighs for a budget of `owner` that counts in `group`, or counts all together.
    #[must_use]
    pub fn weight(&self, owner: &Group, group: Option<&Group>) -> u32 {
        Lot::weight(&self.lots, owner, group)
    }
}

/// Resources that a plan acts on and that all budgets count alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lot {
    /// What they are in: those who have budgets and select them, and what such budgets count by.
    pub groups: BTreeSet<Group>,
    /// How many they are.
    pub size: u32,
}

impl Lot {
    /// How many of these are what `owner` selects, and in `group` if there is one. What concerns a group counts there as 1, also where
    /// it acts on nothing in it: something is moved to it.
    #[must_use]
    pub fn weight(lots: &[Self], owner: &Group, group: Option<&Group>) -> u32 {
        let counted = |lot: &&Self| lot.groups.contains(owner) && group.is_none_or(|group| lot.groups.contains(group));
        lots.iter().filter(counted).fold(0, |sum: u32, lot| sum.saturating_add(lot.size)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Group {
        Group::Host(format!("host/{name}").parse().unwrap())
    }

    fn guard(name: &str) -> Group {
        Group::Guard(name.into())
    }

    #[test]
    fn a_weight_is_what_the_owner_selects_in_the_group_and_never_nothing() {
        let lots = vec![
            Lot { groups: BTreeSet::from([guard("web"), host("a")]), size: 4 },
            Lot { groups: BTreeSet::from([guard("web"), host("b")]), size: 2 },
            Lot { groups: BTreeSet::from([guard("hosts"), host("a")]), size: 1 },
        ];
        let reach = Reach { lots, ..Reach::default() };
        for (owner, group, weight) in [
            (guard("web"), None, 6),
            (guard("web"), Some(host("a")), 4),
            (guard("web"), Some(host("b")), 2),
            (guard("web"), Some(host("c")), 1),
            (guard("hosts"), Some(host("a")), 1),
            (guard("unknown"), None, 1),
        ] {
            assert_eq!(reach.weight(&owner, group.as_ref()), weight, "{owner} in {group:?}");
        }
    }

    #[test]
    fn what_was_written_before_there_were_weights_weighs_one() {
        let reach: Reach = serde_json::from_str(r#"{"impact":"live","groups":[{"guard":"web"}]}"#).unwrap();
        assert_eq!(reach.weight(&guard("web"), None), 1);
        assert_eq!(serde_json::to_string(&reach).unwrap(), r#"{"impact":"live","groups":[{"guard":"web"}]}"#);
    }
}
