//! Actions: one verb on one resource, as an adapter is told to do it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ResourceId;

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
    /// Move to another host.
    Migrate,
    /// Make sure that a host runs nothing any more.
    Fence,
    /// Switch a host on or off.
    Power,
    /// Keep new workloads off a host, or let them come again.
    Cordon,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Resize => "resize",
            Self::Migrate => "migrate",
            Self::Fence => "fence",
            Self::Power => "power",
            Self::Cordon => "cordon",
        })
    }
}

/// A wanted amount of processors and memory. What is absent stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// (Virtual) cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<f64>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
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
    Resize(Amount),
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
            Self::Migrate { .. } => Verb::Migrate,
            Self::Fence => Verb::Fence,
            Self::Power { .. } => Verb::Power,
            Self::Cordon { .. } => Verb::Cordon,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verb())?;
        match self {
            Self::Restart { on: Some(host) } => write!(f, " on {host}"),
            Self::Restart { on: None } | Self::Start | Self::Stop | Self::Fence => Ok(()),
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
        }
        Ok(())
    }
}
