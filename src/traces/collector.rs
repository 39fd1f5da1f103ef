//! The way to the collector: OTLP over HTTP, with protobuf.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};

use super::TracesConfig;
use crate::report::Failure;

/// The environment variables of OpenTelemetry that name a collector.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Where a collector takes traces in.
const PATH: &str = "/v1/traces";

/// An answer longer than this is not a collector's.
const MAX_ANSWER: u64 = 1 << 20;

/// How long one batch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What sends spans to where `config` says, or else the environment; `None` when neither does.
///
/// # Errors
/// When the endpoint is not one.
pub(super) fn exporter(config: Option<&TracesConfig>) -> Result<Option<SpanExporter>, Failure> {
    let named = VARIABLES.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let mut builder = SpanExporter::builder().with_http().with_http_client(Client::new());
    match config {
        Some(config) => builder = builder.with_endpoint(whole(&config.endpoint)?),
        None if named => {}
        None => return Ok(None),
    }
    let unusable = |error| Failure::new(format!("traces cannot be sent: {error}"));
    builder.build().map(Some).map_err(unusable)
}

/// The URL that traces are sent to.
fn whole(endpoint: &str) -> Result<String, Failure> {
    let wrong = |what: &str| {
        Failure::new(format!("spec.traces.endpoint: `{endpoint}` {what}"))
            .help("give the collector's OTLP over HTTP, such as http://127.0.0.1:4318")
    };
    let rest = endpoint.strip_prefix("http://").ok_or_else(|| wrong("does not begin with http://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        return Err(wrong("names no host"));
    }
    Ok(if path.is_empty() { format!("http://{host}{PATH}") } else { endpoint.to_owned() })
}

/// HTTP for the exporter, which has a thread of its own: it may block.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        Self(agent.build().into())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let mut answer = self.0.run(Request::from_parts(head, body.to_vec()))?;
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
        let (head, _) = answer.into_parts();
        Ok(Response::from_parts(head, Bytes::from(body)))
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn an_endpoint_is_completed_or_refused() {
        let urls = ["http://c:4318", "http://c:4318/", "http://c/other/v1/traces"].map(|url| whole(url).ok());
        let expected = ["http://c:4318/v1/traces", "http://c:4318/v1/traces", "http://c/other/v1/traces"];
        assert_eq!(urls, expected.map(|url| Some(url.to_owned())));
        for wrong in ["", "c:4318", "https://c:4318", "http://", "http:///v1/traces"] {
            assert!(whole(wrong).is_err(), "{wrong}");
        }
    }
}
