//! Where a homeostat is.

use std::{fmt, net::IpAddr, path::PathBuf};

use hyper::Uri;

use crate::{api::Place, config::Bearings, report::Failure};

/// Where a homeostat is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// Behind a unix socket.
    Socket(PathBuf),
    /// At a host and port.
    Network {
        /// By TLS.
        tls: bool,
        /// The name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// What stands before every path, without a slash at its end.
        base: String,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Network { tls, base, .. } => {
                write!(f, "{}://{}{base}", if *tls { "https" } else { "http" }, self.authority())
            }
        }
    }
}

impl Address {
    /// The one that is said, or where a homeostat of this folder or user would be.
    pub(super) fn find(server: Option<&str>) -> Result<Self, Failure> {
        if let Some(server) = server {
            return Self::parse(server).ok_or_else(|| {
                Failure::new(format!("`{server}` is not where a homeostat can be"))
                    .help("write unix:/path/homeostat.sock, http://host:9393 or https://host:9393")
            });
        }
        let help = "or say where homeostat is with --server or HOMEOSTAT_SERVER";
        let bearings = Bearings::find(None).map_err(|failure| failure.help(help))?;
        Ok(Self::Socket(Place::of(&bearings).path().to_owned()))
    }

    /// Without a scheme it is HTTP.
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return (!path.is_empty()).then(|| Self::Socket(path.into()));
        }
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        if host.is_empty() || uri.query().is_some() || uri.authority()?.as_str().contains('@') {
            return None;
        }
        Some(Self::Network { tls, host, port, base: uri.path().trim_end_matches('/').to_owned() })
    }

    /// Whether what is sent there can be read on the way: not where it stays on this machine.
    pub(super) fn is_in_clear(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Network { tls, host, .. } => {
                let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
                !tls && !here
            }
        }
    }

    /// What the `Host` header says.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Socket(_) => "localhost".into(),
            Self::Network { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Network { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn what_leaves_this_machine_without_tls_is_in_clear() {
        for (text, clear) in [
            ("unix:h.sock", false),
            ("127.0.0.1:9393", false),
            ("http://[::1]:9393", false),
            ("http://localhost", false),
            ("https://h1", false),
            ("http://h1", true),
            ("192.0.2.1:9393", true),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.is_in_clear()), Some(clear), "{text}");
        }
    }

    #[test]
    fn addresses_are_what_people_write_and_nothing_else_is_one() {
        for (text, expected) in [
            ("unix:/run/h.sock", Some("unix:/run/h.sock")),
            ("unix:///run/h.sock", Some("unix:/run/h.sock")),
            ("unix:h.sock", Some("unix:h.sock")),
            ("unix:", None),
            ("127.0.0.1:9393", Some("http://127.0.0.1:9393")),
            ("http://h1:9393/", Some("http://h1:9393")),
            ("https://h1", Some("https://h1:443")),
            ("https://h1/homeostat/", Some("https://h1:443/homeostat")),
            ("http://[::1]:9393", Some("http://[::1]:9393")),
            ("ftp://h1", None),
            ("http://ann:secret@h1", None),
            ("http://h1/?a=b", None),
            ("http://", None),
            ("", None),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }
}
