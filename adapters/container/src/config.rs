//! What a person writes to have an engine driven.

use homeostat_model::{AdapterName, Duration};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where Docker listens unless it was told otherwise.
const DEFAULT_ENDPOINT: &str = "unix:///var/run/docker.sock";

/// The engines send one reading a second; nothing is gained below.
const SHORTEST_SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// One container engine.
///
/// ```yaml
/// name: docker
/// endpoint: unix:///run/docker.sock
/// sampleEvery: 10s
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ContainerConfig {
    /// The adapter's name: unique among the configured ones. Default `docker`.
    pub name: AdapterName,
    /// Its API: `unix:///path/to/socket`, or `tcp://host:port` without encryption. Default: the environment variable
    /// `DOCKER_HOST`, else `unix:///var/run/docker.sock`. Podman's is that of `podman system service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The name of the host that the engine runs on, when it is not to be the one that the engine gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Put before the name of each container, for several engines with containers of the same name: `edge1/` makes
    /// `container/edge1/web`. Default: nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// How often each running container is sampled, at least `1s`. Default `10s`.
    pub sample_every: Duration,
}

impl Default for ContainerConfig {
    #[expect(clippy::expect_used, reason = "the name is a literal, and a test makes this default")]
    fn default() -> Self {
        Self {
            name: AdapterName::new("docker").expect("`docker` is a name"),
            endpoint: None,
            host: None,
            prefix: String::new(),
            sample_every: Duration::from_secs(10),
        }
    }
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidContainerConfig {
    /// The endpoint is of a form that is not known.
    #[error("endpoint `{0}` is neither unix:///path/to/socket nor tcp://host:port")]
    Endpoint(String),
    /// The name of the host or the prefix cannot be part of a resource id.
    #[error("{what} `{text}` cannot be part of a resource's name: letters, digits and -._:/@+ can")]
    Name {
        /// `host` or `prefix`.
        what: &'static str,
        /// As it was written.
        text: String,
    },
    /// Sampling is to be quicker than the engines are.
    #[error("sampleEvery is {0}; at least 1s is possible")]
    SampleEvery(Duration),
}

impl ContainerConfig {
    /// The endpoint to use, here and now.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let set = self.endpoint.clone().or_else(|| std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()));
        set.unwrap_or_else(|| DEFAULT_ENDPOINT.into())
    }

    /// Checks all of it.
    ///
    /// # Errors
    /// The first thing that cannot work.
    pub(crate) fn check(&self) -> Result<(), InvalidContainerConfig> {
        let endpoint = self.endpoint();
        let address = ["unix://", "tcp://", "http://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
        if address.is_none_or(str::is_empty) {
            return Err(InvalidContainerConfig::Endpoint(endpoint));
        }
        for (what, text) in [("host", self.host.as_deref().unwrap_or("h")), ("prefix", &format!("{}c", self.prefix))] {
            if format!("host/{text}").parse::<homeostat_model::ResourceId>().is_err() {
                return Err(InvalidContainerConfig::Name { what, text: text.into() });
            }
        }
        if self.sample_every < SHORTEST_SAMPLE_EVERY {
            return Err(InvalidContainerConfig::SampleEvery(self.sample_every));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ContainerConfig, String> {
        let config: ContainerConfig = serde_json::from_str(json).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string()).map(|()| config)
    }

    #[test]
    fn reads_what_can_work_and_says_what_cannot() {
        for (json, problem) in [
            ("{}", None),
            (r#"{"endpoint": "unix:///run/x.sock", "host": "h1", "prefix": "edge1/", "sampleEvery": "2s"}"#, None),
            (r#"{"endpoint": "tcp://10.0.0.1:2375"}"#, None),
            (r#"{"endpoint": "/run/x.sock"}"#, Some("neither unix:///")),
            (r#"{"endpoint": "unix://"}"#, Some("neither unix:///")),
            (r#"{"prefix": "edge 1"}"#, Some("prefix `edge 1c` cannot be part")),
            (r#"{"host": ""}"#, Some("host `` cannot be part")),
            (r#"{"sampleEvery": "500ms"}"#, Some("at least 1s")),
            (r#"{"sampelEvery": "5s"}"#, Some("unknown field `sampelEvery`")),
        ] {
            match (read(json), problem) {
                (Ok(_), None) => {}
                (Err(found), Some(wanted)) => assert!(found.contains(wanted), "{json}: {found}"),
                (found, wanted) => panic!("{json}: {found:?}, wanted {wanted:?}"),
            }
        }
        assert_eq!(read("{}").unwrap(), ContainerConfig::default());
    }
}
