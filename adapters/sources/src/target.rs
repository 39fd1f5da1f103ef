//! What is scraped: addresses from the configuration, and from a file that others write.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::Hasher,
    io::{self, Read},
    path::{Path, PathBuf},
};

use homeostat_model::{Duration, Timestamp};
use hyper::Uri;
use rustc_hash::FxHasher;
use serde::Deserialize;
use thiserror::Error;

use crate::mapping::shortened;

/// Longest file of targets: ten thousand with some labels each.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Targets of one source. Beyond, homeostat is the wrong place: let a Prometheus scrape, and ask it.
pub(crate) const MAX_TARGETS: usize = 4096;

/// Stands in front of a label of a page when the target has one of that name, as Prometheus does it.
const EXPORTED: &str = "exported_";

/// Where a page is: `host:port`, or a URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address {
    /// Without a path when none was given.
    uri: Uri,
    has_path: bool,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum InvalidAddress {
    #[error("`{0}` is not an address; write host:port, or http://host:port/path")]
    Malformed(String),
    #[error("`{0}` is not reached over plain http; TLS is not built in yet: use a plain listener on a trusted network")]
    Scheme(String),
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        let malformed = || InvalidAddress::Malformed(shortened(&text));
        match text.split_once("://") {
            Some((scheme, _)) if !scheme.eq_ignore_ascii_case("http") => {
                return Err(InvalidAddress::Scheme(shortened(&text)));
            }
            _ => {}
        }
        let url = if text.contains("://") { text.clone() } else { format!("http://{text}") };
        let uri: Uri = url.parse().map_err(|_| malformed())?;
        let authority = uri.authority().ok_or_else(malformed)?;
        // Credentials in an address would be shown in logs and labels.
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(malformed());
        }
        let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
        Ok(Self { has_path: after_scheme.contains(['/', '?']), uri })
    }
}

impl Address {
    /// The whole URL; `path` stands in when the address has none.
    pub(crate) fn with_path(&self, path: &str) -> Result<Uri, InvalidAddress> {
        if self.has_path {
            return Ok(self.uri.clone());
        }
        let mut parts = self.uri.clone().into_parts();
        let malformed = || InvalidAddress::Malformed(shortened(path));
        parts.path_and_query = Some(path.parse().map_err(|_| malformed())?);
        Uri::from_parts(parts).map_err(|_| malformed())
    }

    /// The URL with `path` behind its own.
    pub(crate) fn below(&self, path: &str) -> Result<Uri, InvalidAddress> {
        let mut parts = self.uri.clone().into_parts();
        let malformed = || InvalidAddress::Malformed(shortened(&self.uri.to_string()));
        if self.uri.query().is_some() {
            return Err(malformed());
        }
        let whole = format!("{}{path}", self.uri.path().trim_end_matches('/'));
        parts.path_and_query = Some(whole.parse().map_err(|_| malformed())?);
        Uri::from_parts(parts).map_err(|_| malformed())
    }

    /// `host:port`, as Prometheus labels the series of a target.
    fn instance(&self) -> String {
        let authority = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        if self.uri.port().is_some() { authority } else { format!("{authority}:80") }
    }
}

/// Targets with the labels that they all have: an entry of Prometheus' `file_sd_configs`, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetGroup {
    pub(crate) targets: Vec<Address>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

/// A page to scrape, and the labels of its series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// `instance` and `job` among them; in the order of names.
    pub(crate) labels: Vec<TargetLabel>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TargetLabel {
    pub(crate) name: String,
    pub(crate) value: String,
    /// What a label of the page of the same name is called instead.
    pub(crate) exported: String,
}

impl Target {
    /// The target at an address. Its own labels win over `instance` and `job`; an empty one removes it.
    pub(crate) fn new(
        address: &Address,
        path: &str,
        job: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Self, InvalidAddress> {
        let mut all = BTreeMap::from([("instance", address.instance()), ("job", job.to_owned())]);
        all.extend(labels.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let labels = all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| TargetLabel {
            name: name.to_owned(),
            value,
            exported: format!("{EXPORTED}{name}"),
        });
        Ok(Self { url: address.with_path(path)?.to_string(), labels: labels.collect() })
    }

    /// The first moment after `now` at which it is scraped. Targets are spread over the interval, each at a place of its own that
    /// is the same after every start.
    pub(crate) fn due_after(&self, now: Timestamp, interval: Duration) -> Timestamp {
        let mut hasher = FxHasher::default();
        hasher.write(self.url.as_bytes());
        for label in &self.labels {
            hasher.write(label.value.as_bytes());
        }
        aligned_after(now, interval, Duration::from_millis(hasher.finish()))
    }
}

/// The first moment after `now` that is a whole number of intervals after the epoch and an offset.
pub(crate) fn aligned_after(now: Timestamp, interval: Duration, offset: Duration) -> Timestamp {
    let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let offset = i64::try_from(offset.as_millis() % step.unsigned_abs()).unwrap_or(0);
    let into = now.as_millis().saturating_sub(offset).rem_euclid(step);
    now + Duration::from_millis(step.abs_diff(into))
}

/// A file of targets cannot be read.
#[derive(Debug, Error)]
pub(crate) enum TargetsError {
    #[error("cannot read the targets in {path}: {error}; check the path and its permissions")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path} has more than {MAX_FILE_BYTES} bytes; split it over several sources")]
    TooLong { path: PathBuf },
    #[error(
        "{path} is not a list of targets: {problem}; write `- {{targets: [\"10.0.0.1:9100\"], labels: {{rack: r1}}}}` for each group"
    )]
    Malformed { path: PathBuf, problem: String },
}

/// The groups in a file: YAML, or JSON, which is a part of it.
pub(crate) fn read_groups(path: &Path) -> Result<Vec<TargetGroup>, TargetsError> {
    let unreadable = |error| TargetsError::Unreadable { path: path.to_owned(), error };
    let mut text = String::new();
    File::open(path).map_err(unreadable)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(TargetsError::TooLong { path: path.to_owned() });
    }
    let malformed = |problem: String| {
        let problem = problem.lines().next().unwrap_or_default().to_owned();
        TargetsError::Malformed { path: path.to_owned(), problem }
    };
    serde_saphyr::from_str(&text).map_err(|error| malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Address, InvalidAddress> {
        Address::try_from(text.to_owned())
    }

    #[test]
    fn addresses_are_hosts_or_urls() {
        for (text, url, instance) in [
            ("h1:9100", "http://h1:9100/metrics", "h1:9100"),
            ("h1", "http://h1/metrics", "h1:80"),
            ("http://h1:9100", "http://h1:9100/metrics", "h1:9100"),
            ("HTTP://h1:9100/", "http://h1:9100/", "h1:9100"),
            ("http://h1:9100/probe?module=a&target=b", "http://h1:9100/probe?module=a&target=b", "h1:9100"),
            ("[::1]:9100", "http://[::1]:9100/metrics", "[::1]:9100"),
        ] {
            let target = Target::new(&address(text).unwrap(), "/metrics", "j", &BTreeMap::new()).unwrap();
            assert_eq!((&*target.url, &*target.labels[0].value), (url, instance), "{text}");
        }
        for (text, problem) in [
            ("https://h1:9100", "TLS is not built in"),
            ("", "is not an address"),
            ("http://", "is not an address"),
            ("a b:1", "is not an address"),
            ("http://me:secret@h1", "is not an address"),
        ] {
            let error = address(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn a_path_is_put_behind_that_of_a_server() {
        for (text, expected) in [
            ("h1:9090", Some("http://h1:9090/api/v1/query")),
            ("http://h1:9090/", Some("http://h1:9090/api/v1/query")),
            ("http://h1/prom/", Some("http://h1/prom/api/v1/query")),
            ("http://h1/?tenant=a", None),
        ] {
            let url = address(text).unwrap().below("/api/v1/query").ok().map(|uri| uri.to_string());
            assert_eq!(url.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn labels_of_a_target_win() {
        let labels = BTreeMap::from([("job".into(), "node".into()), ("rack".into(), "r1".into())]);
        let target = Target::new(&address("h1:1").unwrap(), "/m", "source", &labels).unwrap();
        let told: Vec<_> = target.labels.iter().map(|label| (&*label.name, &*label.value, &*label.exported)).collect();
        let expected = [
            ("instance", "h1:1", "exported_instance"),
            ("job", "node", "exported_job"),
            ("rack", "r1", "exported_rack"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_target_has_a_place_of_its_own_in_the_interval() {
        let target = |text: &str| Target::new(&address(text).unwrap(), "/", "j", &BTreeMap::new()).unwrap();
        let interval = Duration::from_secs(15);
        let mut places = std::collections::BTreeSet::new();
        for number in 0..100 {
            let target = target(&format!("h{number}:9100"));
            let now = Timestamp::from_millis(1_700_000_000_123);
            let first = target.due_after(now, interval);
            assert!(first > now && first <= now + interval);
            assert_eq!(target.due_after(first, interval), first + interval);
            assert_eq!(target.due_after(first - Duration::from_millis(1), interval), first);
            places.insert(first.as_millis() / 1000);
        }
        assert!(places.len() > 10, "all over the interval: {places:?}");
    }

    #[test]
    fn files_of_targets_are_those_of_prometheus() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("targets");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_groups(&path).map_err(|error| error.to_string())
        };
        let group = |labels: &[(&str, &str)]| TargetGroup {
            targets: vec![address("h1:9100").unwrap(), address("h2:9100").unwrap()],
            labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        assert_eq!(
            read(r#"[{"targets": ["h1:9100", "h2:9100"], "labels": {"rack": "r1"}}]"#),
            Ok(vec![group(&[("rack", "r1")])])
        );
        assert_eq!(read("- targets: [h1:9100, 'h2:9100']\n"), Ok(vec![group(&[])]));
        assert_eq!(read("[]"), Ok(vec![]));
        for (text, problem) in [
            ("- targets: ['https://h1']", "TLS is not built in"),
            ("- target: [h1]", "unknown field"),
            ("targets: [h1]", "is not a list of targets"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
        assert!(read(&" ".repeat(5_000_000)).unwrap_err().contains("more than"));
        assert!(read_groups(&folder.path().join("none")).unwrap_err().to_string().contains("cannot read"));
    }
}
