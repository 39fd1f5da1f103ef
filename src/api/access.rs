//! Who asks, and what they may do.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use homeostat_request::{TokenHash, bearer};
use serde::{Deserialize, Serialize};

use super::{
    refusal::Refusal,
    settings::{ApiConfig, TokenConfig},
};

/// What somebody may do: each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Look at everything, change nothing.
    View,
    /// Approve of plans and reject them.
    Approve,
    /// Cancel plans, pause, resume.
    Admin,
}

impl Role {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    role: Role,
}

/// Through what a connection came.
#[derive(Debug, Clone)]
pub(super) enum Peer {
    /// The socket, by the user of this name: the file system has said that they may.
    Socket(String),
    /// The network.
    Network,
}

/// The tokens that count. They may be replaced while homeostat runs.
#[derive(Debug)]
pub(crate) struct Access {
    tokens: RwLock<Arc<Vec<TokenConfig>>>,
}

impl Access {
    /// Those of a configuration.
    pub(crate) fn new(config: Option<&ApiConfig>) -> Self {
        let access = Self { tokens: RwLock::default() };
        access.replace(config);
        access
    }

    /// Others from now on.
    pub(crate) fn replace(&self, config: Option<&ApiConfig>) {
        let tokens = config.map(|config| config.tokens.clone()).unwrap_or_default();
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }

    fn tokens(&self) -> Arc<Vec<TokenConfig>> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who asks.
    fn person(&self, peer: &Peer, headers: &HeaderMap) -> Result<Person, Refusal> {
        if let Peer::Socket(name) = peer {
            return Ok(Person { name: name.clone(), role: Role::Admin });
        }
        let tokens = self.tokens();
        if tokens.is_empty() {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "nobody may use the API over HTTP: there are no tokens",
                "use the unix socket (--server unix:PATH), or make a token with `homeostat token create` and put its line under \
                 spec.api.tokens of the configuration",
            ));
        }
        let unauthorized = |why: &str| {
            let help = "give a token with --token-file or HOMEOSTAT_TOKEN (header `Authorization: Bearer TOKEN`)";
            Refusal::new(StatusCode::UNAUTHORIZED, why, help)
        };
        let shown = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let shown = bearer(shown).ok_or_else(|| unauthorized("no token was shown"))?;
        let hash = TokenHash::of(shown);
        // All of them are looked at: the time does not tell which one it is.
        let known = tokens.iter().fold(None, |known, token| if token.hash.is(&hash) { Some(token) } else { known });
        let known = known.ok_or_else(|| unauthorized("the token is not known"))?;
        Ok(Person { name: known.name.clone(), role: known.role })
    }
}

/// What a route takes.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) access: Arc<Access>,
    pub(super) role: Role,
    pub(super) within: Duration,
}

/// Lets a request through whose sender may send it, with who that is.
pub(super) async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or(Peer::Network);
    let person = match gate.access.person(&peer, request.headers()) {
        Ok(person) => person,
        Err(refusal) => return refusal.into_response(),
    };
    if person.role < gate.role {
        let (name, has, takes) = (&person.name, person.role.word(), gate.role.word());
        return Refusal::new(
            StatusCode::FORBIDDEN,
            format!("{name} has the role {has}, and this takes {takes}"),
            format!("ask somebody with the role {takes}, or for a token of that role"),
        )
        .into_response();
    }
    request.extensions_mut().insert(person);
    match tokio::time::timeout(gate.within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let why = format!("the request took longer than {:?}", gate.within);
            Refusal::new(StatusCode::REQUEST_TIMEOUT, why, "send it at once, or ask for less").into_response()
        }
    }
}
