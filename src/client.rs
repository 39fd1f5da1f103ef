//! Asks a running homeostat, through its socket or over the network.
//!
//! ```text
//!   --server, HOMEOSTAT_SERVER --> Address --> unix socket | TCP | TCP, TLS --> one request, one answer
//!   nothing of it --> ./homeostat.yaml's socket, or that of a homeostat without a configuration
//! ```

mod address;
mod connection;

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    api::Told,
    cli::{Credentials, ServerArgs},
    printable::printable,
    report::Failure,
};
use address::Address;

/// How long an answer may take: a bit longer than the server takes at most, so that it says itself what took so long.
const PATIENCE: Duration = Duration::from_secs(65);
/// The variable with the token, where no file is given.
const TOKEN: &str = "HOMEOSTAT_TOKEN";
/// Most bytes of a file with a token.
const MAX_TOKEN: u64 = 4096;

/// A running homeostat.
#[derive(Debug)]
pub(crate) struct Client {
    address: Address,
    token: Option<String>,
    ca: Option<PathBuf>,
}

impl Client {
    /// The one that is meant.
    ///
    /// # Errors
    /// [`Failure`] when it is not clear which one that is, or there is no token in the file.
    pub(crate) fn new(server: &ServerArgs) -> Result<Self, Failure> {
        Self::at(server.server.as_deref(), &server.credentials)
    }

    /// The one at `server`.
    ///
    /// # Errors
    /// As of `new`.
    pub(crate) fn at(server: Option<&str>, credentials: &Credentials) -> Result<Self, Failure> {
        let address = Address::find(server)?;
        let token = match (&address, &credentials.token_file) {
            // Who opens the socket is known already.
            (Address::Socket(_), _) => None,
            (_, Some(file)) => Some(read_token(file)?),
            (_, None) => token_of_environment()?,
        };
        if token.is_some() && address.is_in_clear() {
            // Nothing can be done when standard error is closed.
            let _ = writeln!(
                io::stderr().lock(),
                "warning: the token goes to {address} in clear, for whoever listens on the way; write https:// where homeostat speaks TLS"
            );
        }
        Ok(Self { address, token, ca: credentials.ca.clone() })
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// [`Failure`] with what is wrong and what to do.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.request(Method::GET, path, None)
    }

    /// What came of something that is wanted.
    ///
    /// # Errors
    /// As of `get`.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.request(Method::POST, path, Some(body.to_string()))
    }

    fn request<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<String>) -> Result<T, Failure> {
        let cannot = |why: String| Failure::new(format!("cannot ask homeostat at {}: {why}", self.address));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| cannot(error.to_string()))?;
        let asked = connection::ask(&self.address, self.token.as_deref(), self.ca.as_deref(), method, path, body);
        let answered = runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await });
        let (status, body) =
            answered.unwrap_or_else(|_| Err(cannot(format!("there is no answer within {PATIENCE:?}"))))?;
        let foreign = || {
            Failure::new(format!("{}{path} gave an answer (status {status}) that is not homeostat's", self.address))
                .help("something else listens there; say where homeostat is with --server or HOMEOSTAT_SERVER")
        };
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| foreign());
        }
        let Told { error, help } = serde_json::from_slice(&body).map_err(|_| foreign())?;
        let failure = Failure::new(printable(&error));
        let failure = if help.is_empty() { failure } else { failure.help(printable(&help)) };
        // What was asked about is not there, or not as it was seen: that is an answer.
        Err(if matches!(status, 404 | 409) { failure.found() } else { failure })
    }
}

/// The token in the variable, if there is one.
fn token_of_environment() -> Result<Option<String>, Failure> {
    let Ok(text) = std::env::var(TOKEN) else { return Ok(None) };
    match text.trim() {
        "" => Ok(None),
        token if is_token(token) => Ok(Some(token.to_owned())),
        _ => Err(Failure::new(format!("{TOKEN} holds no token"))
            .help("it has to hold a token alone, without spaces and on one line")),
    }
}

/// Whether it can be shown as one.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The token in a file that only its owner may read.
fn read_token(file: &PathBuf) -> Result<String, Failure> {
    let unusable = |why: String| Failure::new(format!("the token's file {} cannot be used: {why}", file.display()));
    let found = fs::metadata(file).map_err(|error| {
        unusable(error.to_string()).help("give the file that `homeostat token create --token-file` wrote")
    })?;
    if found.mode() & 0o077 != 0 {
        return Err(unusable(format!("others may read it (mode {:o})", found.mode() & 0o777))
            .help(format!("chmod 600 {}", file.display())));
    }
    if found.len() > MAX_TOKEN {
        return Err(unusable(format!("it has {} bytes, more than {MAX_TOKEN}", found.len()))
            .help("it has to hold a token alone"));
    }
    let text = fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let token = text.trim();
    if !is_token(token) {
        return Err(unusable("there is no token in it".into()).help("it has to hold a token alone, on one line"));
    }
    Ok(token.to_owned())
}

/// `text` as a part of a URL.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}
