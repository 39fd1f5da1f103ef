//! What a person writes to have engines driven.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use homeostat_model::{AdapterName, Duration};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where Docker listens unless it was told otherwise.
const DEFAULT_ENDPOINT: &str = "unix:///var/run/docker.sock";

/// The engines send one reading a second; nothing is gained below.
const SHORTEST_SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Hosts of one adapter. Each may hold a connection for every container that is measured; more hosts are for more adapters.
const MAX_HOSTS: usize = 64;

/// One container engine, or several that workloads move between.
///
/// ```yaml
/// name: docker
/// sampleEvery: 10s
/// endpoint: unix:///run/docker.sock        # one engine, or:
/// hosts:
///   - {name: left, endpoint: "unix:///run/docker.sock"}
///   - {name: right, endpoint: "tcp://10.0.0.2:2376", tls: {ca: ca.pem, cert: cert.pem, key: key.pem}}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ContainerConfig {
    /// The adapter's name: unique among the configured ones. Default `docker`.
    pub name: AdapterName,
    /// The API of the only engine, as [`HostConfig::endpoint`]. Not beside `hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The certificates for the only engine. Not beside `hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// The name of the only engine's host, when it is not to be the one that the engine gives. Not beside `hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// As [`HostConfig::prefix`], of the only engine. Not beside `hosts`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The hosts, at most 64. Default: one, by the fields above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostConfig>,
    /// How often each running container is sampled, at least `1s`. Default `10s`.
    pub sample_every: Duration,
    /// Where the figures of a container come from. Default `auto`.
    #[serde(skip_serializing_if = "Statistics::is_default")]
    pub statistics: Statistics,
}

/// Where the figures of a container come from. They mean the same either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Statistics {
    /// Its control groups, where the container is one of this machine and they can be read; else the engine. A reading costs
    /// some ten microseconds.
    #[default]
    Auto,
    /// The engine, which sends one reading a second of each container. That costs it and us about a millisecond each.
    Engine,
}

impl Statistics {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One engine and the host that it runs on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct HostConfig {
    /// The host's name, behind `host/`. Default: the one that the engine gives; needed where there are several hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The engine's API: `unix:///path/to/socket` or `tcp://host:port`, encrypted with `tls` and else not. Default: the
    /// environment variable `DOCKER_HOST`, else `unix:///var/run/docker.sock`. Podman's is that of `podman system service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Certificates for a `tcp://` endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Put before the name of each container: `edge1/` makes `container/edge1/web`. A container that moves to a host of
    /// another prefix is called by another name. Default: nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Labels of the host, such as `pool`: workloads move between hosts of one pool.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The files of a mutually authenticated connection, in PEM. They are read anew for each connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Who vouches for the engine.
    pub ca: PathBuf,
    /// Our certificate.
    pub cert: PathBuf,
    /// Our certificate's key.
    pub key: PathBuf,
}

impl ContainerConfig {
    /// Sees every path as `resolve` does.
    pub fn resolve(&mut self, resolve: impl Fn(&Path) -> PathBuf) {
        for tls in self.tls.iter_mut().chain(self.hosts.iter_mut().filter_map(|host| host.tls.as_mut())) {
            for path in [&mut tls.ca, &mut tls.cert, &mut tls.key] {
                *path = resolve(path);
            }
        }
    }
}

impl Default for ContainerConfig {
    #[expect(clippy::expect_used, reason = "the name is a literal, and a test makes this default")]
    fn default() -> Self {
        Self {
            name: AdapterName::new("docker").expect("`docker` is a name"),
            endpoint: None,
            tls: None,
            host: None,
            prefix: String::new(),
            hosts: Vec::new(),
            sample_every: Duration::from_secs(10),
            statistics: Statistics::default(),
        }
    }
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidContainerConfig {
    /// The endpoint is of a form that is not known.
    #[error("endpoint `{0}` is neither unix:///path/to/socket nor tcp://host:port")]
    Endpoint(String),
    /// Certificates are of use for a connection over a network only.
    #[error("endpoint `{0}` is no tcp://host:port, and only such a one has `tls`")]
    Tls(String),
    /// The name of the host or the prefix cannot be part of a resource id.
    #[error("{what} `{text}` cannot be part of a resource's name: letters, digits and -._:/@+ can")]
    Name {
        /// `host` or `prefix`.
        what: &'static str,
        /// As it was written.
        text: String,
    },
    /// One engine and several at once.
    #[error("`{0}` is for one engine; with `hosts` it stands in each of them")]
    Both(&'static str),
    /// One of several hosts has no name, or that of another one.
    #[error("{0}; give each of several hosts a name of its own")]
    HostNames(String),
    /// More hosts than one adapter can follow.
    #[error("{0} hosts are too many for one adapter, which takes {MAX_HOSTS}; make two adapters")]
    TooManyHosts(usize),
    /// Sampling is to be quicker than the engines are.
    #[error("sampleEvery is {0}; at least 1s is possible")]
    SampleEvery(Duration),
}

impl ContainerConfig {
    /// Every host, also the only one.
    #[must_use]
    pub fn all_hosts(&self) -> Vec<HostConfig> {
        if self.hosts.is_empty() {
            let Self { host, endpoint, tls, prefix, .. } = self.clone();
            return vec![HostConfig { name: host, endpoint, tls, prefix, labels: BTreeMap::new() }];
        }
        self.hosts.clone()
    }

    /// Checks all of it.
    ///
    /// # Errors
    /// The first thing that cannot work.
    pub(crate) fn check(&self) -> Result<(), InvalidContainerConfig> {
        let single = [
            ("endpoint", self.endpoint.is_some()),
            ("tls", self.tls.is_some()),
            ("host", self.host.is_some()),
            ("prefix", !self.prefix.is_empty()),
        ];
        if let Some((field, _)) = single.iter().find(|(_, given)| *given && !self.hosts.is_empty()) {
            return Err(InvalidContainerConfig::Both(field));
        }
        let hosts = self.all_hosts();
        hosts.iter().try_for_each(HostConfig::check)?;
        if hosts.len() > MAX_HOSTS {
            return Err(InvalidContainerConfig::TooManyHosts(hosts.len()));
        }
        if hosts.len() > 1 {
            let mut names = Vec::new();
            for host in &hosts {
                let problem = match &host.name {
                    None => Some(format!("the host at {} has no name", host.endpoint())),
                    Some(name) if names.contains(&name) => Some(format!("two hosts are called `{name}`")),
                    Some(name) => {
                        names.push(name);
                        None
                    }
                };
                problem.map_or(Ok(()), |problem| Err(InvalidContainerConfig::HostNames(problem)))?;
            }
        }
        if self.sample_every < SHORTEST_SAMPLE_EVERY {
            return Err(InvalidContainerConfig::SampleEvery(self.sample_every));
        }
        Ok(())
    }
}

impl HostConfig {
    /// The endpoint to use, here and now.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let set = self.endpoint.clone().or_else(|| std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()));
        set.unwrap_or_else(|| DEFAULT_ENDPOINT.into())
    }

    fn check(&self) -> Result<(), InvalidContainerConfig> {
        let endpoint = self.endpoint();
        let address = ["unix://", "tcp://", "http://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
        if address.is_none_or(str::is_empty) {
            return Err(InvalidContainerConfig::Endpoint(endpoint));
        }
        if self.tls.is_some() && !endpoint.starts_with("tcp://") {
            return Err(InvalidContainerConfig::Tls(endpoint));
        }
        for (what, text) in [("host", self.name.as_deref().unwrap_or("h")), ("prefix", &format!("{}c", self.prefix))] {
            if format!("host/{text}").parse::<homeostat_model::ResourceId>().is_err() {
                return Err(InvalidContainerConfig::Name { what, text: text.into() });
            }
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
        let tls = r#""tls": {"ca": "a", "cert": "b", "key": "c"}"#;
        let host = |name: &str| format!(r#"{{"name": "{name}", "endpoint": "unix:///run/{name}.sock"}}"#);
        let hosts = |names: &[&str]| {
            format!(r#"{{"hosts": [{}]}}"#, names.iter().map(|name| host(name)).collect::<Vec<_>>().join(","))
        };
        let names: Vec<String> = (0..65).map(|number| format!("h{number}")).collect();
        let many = hosts(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for (json, problem) in [
            ("{}", None),
            (r#"{"endpoint": "unix:///run/x.sock", "host": "h1", "prefix": "edge1/", "sampleEvery": "2s"}"#, None),
            (r#"{"endpoint": "tcp://10.0.0.1:2375", "statistics": "engine"}"#, None),
            (&format!(r#"{{"endpoint": "tcp://10.0.0.1:2376", {tls}}}"#), None),
            (&hosts(&["left", "right"]), None),
            (r#"{"hosts": [{"endpoint": "unix:///run/x.sock"}]}"#, None),
            (r#"{"endpoint": "/run/x.sock"}"#, Some("neither unix:///")),
            (r#"{"endpoint": "unix://"}"#, Some("neither unix:///")),
            (&format!(r#"{{"endpoint": "unix:///x", {tls}}}"#), Some("only such a one has `tls`")),
            (r#"{"endpoint": "tcp://a:1", "tls": {"ca": "a"}}"#, Some("missing field `cert`")),
            (r#"{"prefix": "edge 1"}"#, Some("prefix `edge 1c` cannot be part")),
            (r#"{"host": ""}"#, Some("host `` cannot be part")),
            (r#"{"host": "h", "hosts": [{"name": "a"}]}"#, Some("`host` is for one engine")),
            (&hosts(&["left", "left"]), Some("two hosts are called `left`")),
            (r#"{"hosts": [{"name": "a"}, {"endpoint": "tcp://b:1"}]}"#, Some("the host at tcp://b:1 has no name")),
            (&many, Some("65 hosts are too many")),
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
