//! How long one try may take: in no time at all nothing is delivered.

use homeostat_model::Duration;
use serde::{Deserialize, Deserializer, de::Error};

/// A length that is not nothing.
pub(crate) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match Duration::deserialize(deserializer)? {
        Duration::ZERO => Err(D::Error::custom("within 0s nothing is delivered; write a time such as 10s")),
        length => Ok(length),
    }
}
