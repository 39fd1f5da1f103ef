//! Posts JSON over HTTP/1.1, with TLS where the URL says https: bounded in time and in bytes. Trusted is what the system trusts
//! (`SSL_CERT_FILE` names another bundle).

use std::{collections::BTreeMap, time::Duration};

use homeostat_port::{Secret, with_causes};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{DeliveryError, url::Url};

/// Connections that are kept open for the next notification.
const IDLE_CONNECTIONS: usize = 1;
/// Bytes of an answer that are read: what a receiver says about a refusal stands at its begin.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Characters of it that are told.
const TOLD: usize = 200;

/// Where and how something is posted.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) url: Url,
    pub(crate) token: Option<Secret>,
    pub(crate) headers: Headers,
    /// Bounds the whole of it.
    pub(crate) timeout: Duration,
    pub(crate) content_type: &'static str,
}

/// Headers as they are configured: neither those of HTTP itself nor the one that a token is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const OURS: [&str; 6] =
            ["authorization", "connection", "content-length", "content-type", "host", "transfer-encoding"];
        let given: BTreeMap<String, String> = Deserialize::deserialize(deserializer)?;
        let headers = given.into_iter().map(|(name, value)| {
            if OURS.contains(&name.to_ascii_lowercase().as_str()) {
                let problem = format!("the header `{name}` is set by homeostat; give a secret as `token`");
                return Err(D::Error::custom(problem));
            }
            let malformed =
                || D::Error::custom(format!("`{name}` cannot be a header; names and values are one line of ASCII"));
            let parsed = HeaderName::try_from(&name).map_err(|_| malformed())?;
            Ok((parsed, HeaderValue::from_str(&value).map_err(|_| malformed())?))
        });
        Ok(Self(headers.collect::<Result<_, _>>()?))
    }
}

/// Posts to one address.
#[derive(Debug, Clone)]
pub(crate) enum Poster {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Secure(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
    /// There is nobody that could be trusted.
    Untrusting(String),
}

impl Poster {
    /// One for `url`, with connections of its own.
    pub(crate) fn new(url: &Url) -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_max_idle_per_host(IDLE_CONNECTIONS);
        if url.0.scheme_str() != Some("https") {
            return Self::Plain(client.build_http());
        }
        match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(builder) => Self::Secure(client.build(builder.https_only().enable_http1().build())),
            Err(error) => Self::Untrusting(format!("the system's certificates cannot be read: {error}")),
        }
    }

    /// Posts once. Any 2xx is well.
    pub(crate) async fn post(&self, post: &Post, body: String) -> Result<(), DeliveryError> {
        let posted = tokio::time::timeout(post.timeout, self.answer(post, body));
        posted.await.unwrap_or(Err(DeliveryError::TimedOut(post.timeout)))
    }

    async fn answer(&self, post: &Post, body: String) -> Result<(), DeliveryError> {
        let request = request(post, body)?;
        let response = match self {
            Self::Plain(client) => client.request(request).await,
            Self::Secure(client) => client.request(request).await,
            Self::Untrusting(why) => return Err(DeliveryError::Unreachable(why.clone())),
        };
        let response = response.map_err(|error| DeliveryError::Unreachable(with_causes(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
            let to = to.unwrap_or_else(|| "nowhere".into()).chars().take(TOLD).collect();
            return Err(DeliveryError::Redirected { status, to });
        }
        Err(DeliveryError::Refused { status, said: first_line(response).await })
    }
}

fn request(post: &Post, body: String) -> Result<Request<Full<Bytes>>, DeliveryError> {
    let mut request = Request::post(&post.url.0).header(CONTENT_TYPE, post.content_type);
    request = request.header(USER_AGENT, concat!("homeostat/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &post.headers.0 {
        request = request.header(name, value);
    }
    if let Some(token) = &post.token {
        // Read anew each time: secrets are replaced while we run.
        let text = format!("Bearer {}", token.read()?.expose());
        let mut value = HeaderValue::from_str(&text).map_err(|_| DeliveryError::NotALine)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request.body(Full::from(body)).map_err(|error| DeliveryError::Malformed(error.to_string()))
}

/// The first line of an answer; nothing when it is too long or breaks off: the status has said it.
async fn first_line(response: Response<Incoming>) -> String {
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    text.trim().lines().next().unwrap_or_default().chars().take(TOLD).collect()
}
