//! References to secrets, and where they are given.

use homeostat_port::Secret;

use crate::Place;

/// A reference to a secret in a configuration.
#[derive(Debug, Clone)]
pub struct FoundSecret {
    /// The reference; its file's path is resolved.
    pub secret: Secret,
    /// Its path, such as `spec.sources[0].alertmanager.token`.
    pub path: String,
    /// Where it is given.
    pub place: Place,
}
