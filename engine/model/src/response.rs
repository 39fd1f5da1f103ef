//! Responses: what a policy wants done about a finding, before a planner has made steps of it.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{ChannelName, Severity};

/// A wanted change of an amount, as policies write it: `+2`, `-1`, `4`, `+25%`, `+512Mi`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// To this amount.
    To(f64),
    /// By this amount; negative to shrink.
    By(f64),
    /// By this share of what it has; negative to shrink.
    ByShare(f64),
}

impl Change {
    /// The amount that `current` becomes.
    #[must_use]
    pub fn apply(self, current: f64) -> f64 {
        match self {
            Self::To(amount) => amount,
            Self::By(amount) => current + amount,
            Self::ByShare(share) => current * (1.0 + share),
        }
    }
}

/// One wanted change with its bounds, all in the same unit (cores, or bytes).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resizing {
    /// The change.
    pub change: Change,
    /// Never less than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Never more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What a policy wants done to the resource of a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Response {
    /// Restart it where it is.
    Restart,
    /// Change its processors or memory while it runs.
    Resize {
        /// In cores.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vcpus: Option<Resizing>,
        /// In bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory: Option<Resizing>,
    },
    /// Start it where it is.
    Start,
    /// Stop it in good order.
    Stop,
    /// Let it stand still.
    Pause,
    /// Let it go on.
    Unpause,
    /// End it at once.
    Kill,
    /// Make it anew from its own description, with its volumes.
    Recreate {
        /// The image to make it from; `None`: the one its image's name stands for now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
    },
    /// Move it to the host with the most room.
    Migrate,
    /// Move everything off this host; off a dead one, after it was fenced.
    Evacuate,
    /// Give it a physical machine of its own from `pool`: a host labelled `pool: <pool>` that runs nothing else. Without a
    /// pool, processors of its own on its host.
    Fisicalize {
        /// The value of the hosts' label `pool`; `None`: it stays on its host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pool: Option<String>,
    },
    /// Take back the processors that it was given for itself.
    Release,
    /// Tell people.
    Notify {
        /// How urgent it is.
        severity: Severity,
        /// What to say.
        message: String,
        /// Through which channels; none named: through all that want to know.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        to: BTreeSet<ChannelName>,
    },
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Restart => "restart",
            Self::Resize { .. } => "resize",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Kill => "kill",
            Self::Recreate { .. } => "recreate",
            Self::Migrate => "migrate",
            Self::Evacuate => "evacuate",
            Self::Fisicalize { .. } => "fisicalize",
            Self::Release => "release",
            Self::Notify { .. } => "notify",
        })
    }
}
