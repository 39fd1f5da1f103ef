//! Actions: one verb on one resource, as an adapter is told to do it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CpuSet, ResourceId};

/// What an adapter can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Stop and start again where it is, or start on another host after the old one was fenced.
    Restart,
    /// Start what is stopped.
    Start,
    /// Stop what runs, in good order.
    Stop,
    /// Change the share of processors or memory, without a restart.
    Resize,
    /// Let what runs stand still, or go on.
    Pause,
    /// End what runs at once.
    Kill,
    /// Make it anew from its own description.
    Recreate,
    /// Move to another host.
    Migrate,
    /// Make sure that a host runs nothing any more.
    Fence,
    /// Switch a host on or off.
    Power,
    /// Keep new workloads off a host, or let them come again.
    Cordon,
}

impl Verb {
    /// Every verb, once.
    pub const ALL: [Self; 11] = [
        Self::Restart,
        Self::Start,
        Self::Stop,
        Self::Resize,
        Self::Pause,
        Self::Kill,
        Self::Recreate,
        Self::Migrate,
        Self::Fence,
        Self::Power,
        Self::Cordon,
    ];
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Resize => "resize",
            Self::Pause => "pause",
            Self::Kill => "kill",
            Self::Recreate => "recreate",
            Self::Migrate => "migrate",
            Self::Fence => "fence",
            Self::Power => "power",
            Self::Cordon => "cordon",
        })
    }
}

/// A wanted amount of processors and memory, and which processors. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// (Virtual) cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<f64>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Its weight where processors are scarce, beside those of others: 1024 is that of one who was given none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// The host's processors that it may run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<CpuSet>,
}

/// One verb with its parameters. Everything is absolute (`vcpus: 4`, not `+2`), so that doing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Restart in place, or on `on` when the host it ran on was fenced.
    Restart {
        /// The host to start it on; `None`: where it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<ResourceId>,
    },
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Give it this much.
    Resize(Box<Amount>),
    /// Let it stand still, or go on.
    Pause {
        /// Still, or on again.
        on: bool,
    },
    /// End it at once, without leave to end in good order.
    Kill,
    /// Make it anew from its own description, with its volumes; it is interrupted.
    Recreate {
        /// The image to make it from; `None`: the one its image's name stands for now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
    },
    /// Move it.
    Migrate {
        /// The host to move it to.
        to: ResourceId,
        /// Whether it has to go on running while it moves.
        live: bool,
    },
    /// Make sure that this host runs nothing.
    Fence,
    /// Switch it.
    Power {
        /// On, or off.
        on: bool,
    },
    /// Keep new workloads off it.
    Cordon {
        /// On, or off again.
        on: bool,
    },
}

impl Action {
    /// Its verb, without parameters.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Restart { .. } => Verb::Restart,
            Self::Start => Verb::Start,
            Self::Stop => Verb::Stop,
            Self::Resize(_) => Verb::Resize,
            Self::Pause { .. } => Verb::Pause,
            Self::Kill => Verb::Kill,
            Self::Recreate { .. } => Verb::Recreate,
            Self::Migrate { .. } => Verb::Migrate,
            Self::Fence => Verb::Fence,
            Self::Power { .. } => Verb::Power,
            Self::Cordon { .. } => Verb::Cordon,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == (Self::Pause { on: false }) {
            return f.write_str("unpause");
        }
        write!(f, "{}", self.verb())?;
        match self {
            Self::Restart { on: Some(host) } => write!(f, " on {host}"),
            Self::Recreate { image: Some(image) } => write!(f, " from {image}"),
            Self::Restart { on: None } | Self::Start | Self::Stop | Self::Fence => Ok(()),
            Self::Pause { .. } | Self::Kill | Self::Recreate { image: None } => Ok(()),
            Self::Resize(amount) => write!(f, " to {amount}"),
            Self::Migrate { to, live } => write!(f, " to {to}{}", if *live { "" } else { " with an interruption" }),
            Self::Power { on } | Self::Cordon { on } => f.write_str(if *on { " on" } else { " off" }),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(vcpus) = self.vcpus {
            write!(f, "{vcpus} vcpus")?;
            separator = ", ";
        }
        if let Some(bytes) = self.memory_bytes {
            write!(f, "{separator}{} MiB", bytes / (1 << 20))?;
            separator = ", ";
        }
        if let Some(shares) = self.cpu_shares {
            write!(f, "{separator}{shares} cpu shares")?;
            separator = ", ";
        }
        if let Some(cpus) = &self.cpus {
            write!(f, "{separator}cpus {cpus}")?;
        }
        Ok(())
    }
}
