//! One request over one connection.

use std::{io, path::Path, sync::Arc};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::address::Address;
use crate::report::Failure;

/// Most bytes of an answer: ten thousand records of a journal are a fraction of it.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The status and body that the homeostat at `address` answers with.
///
/// # Errors
/// [`Failure`] when it cannot be reached.
pub(super) async fn ask(
    address: &Address,
    token: Option<&str>,
    ca: Option<&Path>,
    method: Method,
    path: &str,
    body: Option<String>,
) -> Result<(u16, Bytes), Failure> {
    let unreachable = |why: &dyn std::fmt::Display| {
        Failure::new(format!("cannot reach homeostat at {address}: {why}"))
            .help("start it with `homeostat run`, or say where it is with --server or HOMEOSTAT_SERVER")
    };
    let base = match address {
        Address::Socket(_) => "",
        Address::Network { base, .. } => base,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{base}{path}"))
        .header(header::HOST, address.authority())
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request =
        request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(|error| unreachable(&error))?;
    match address {
        Address::Socket(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| not_running(path, &error))?;
            send(stream, request).await.map_err(|error| unreachable(&error))
        }
        Address::Network { tls, host, port, .. } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| unreachable(&error))?;
            if !tls {
                let speaks_tls = |error| {
                    unreachable(&error).help(format!("if it speaks TLS there, write https://{}", address.authority()))
                };
                return send(stream, request).await.map_err(speaks_tls);
            }
            let name = ServerName::try_from(host.clone()).map_err(|error| unreachable(&error))?;
            let connector = TlsConnector::from(Arc::new(client_config(ca)?));
            let stream = connector.connect(name, stream).await.map_err(|error| {
                Failure::new(format!("cannot trust homeostat at {address}: {error}"))
                    .help("give the certificate that vouches for it with --ca, and the name that it is made for with --server")
            })?;
            send(stream, request).await.map_err(|error| unreachable(&error))
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let running = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?.to_bytes();
    running.abort();
    Ok((status, body))
}

/// Nobody listens there.
fn not_running(path: &Path, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::ConnectionRefused => "the homeostat that listened there has ended".to_owned(),
        io::ErrorKind::PermissionDenied => "it belongs to another user".to_owned(),
        _ => error.to_string(),
    };
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "ask as that user, or over HTTP with a token: --server http://HOST:PORT --token-file FILE"
        }
        _ => "start it with `homeostat run`, or say where it is with --server or HOMEOSTAT_SERVER",
    };
    Failure::new(format!("homeostat is not running here: cannot reach unix:{}: {why}", path.display())).help(help)
}

fn client_config(ca: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let unusable = |why: String| Failure::new(format!("--ca {} cannot be used: {why}", file.display()));
            let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect)
                .map_err(|error| unusable(error.to_string()))?;
            if found.is_empty() {
                return Err(unusable("there is no certificate in it".into()));
            }
            for certificate in found {
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
        }
        // Those that cannot be used vouch for nobody.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("TLS is not possible: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
