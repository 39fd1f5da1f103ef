//! Serves connections: a bounded number of them, none of which may take for ever to say what it wants or to take the answer.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixStream},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{access::Peer, patience::Patient, socket::Socket};
use crate::report::Failure;

/// Connections from the network at a time: a process may have 1024 files open on most machines, and the journal, the adapters and the
/// sources need some. Who comes next waits until another one has gone.
const MAX_CONNECTIONS: usize = 512;
/// The same through the socket: people at a machine.
const MAX_LOCAL: usize = 64;
/// How long a head may take to come, also of the next request on a connection; and a TLS handshake. Prometheus and Alertmanager begin
/// another connection when they are told that one has ended.
const HEAD: Duration = Duration::from_secs(30);
/// How long nothing of an answer may be taken: who reads nothing for so long has gone, or means harm.
const TAKEN: Duration = Duration::from_secs(30);
/// Bytes that are read ahead of a request; its head has to fit.
const BUFFER: usize = 128 * 1024;
/// How long nothing is accepted when the system has no room for a connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Where connections come from.
pub(crate) enum Door {
    /// The network, by TLS if it is configured.
    Network(TcpListener, Option<TlsAcceptor>),
    /// The socket.
    Socket(Socket),
}

enum Accepted {
    Network(TcpStream, Option<TlsAcceptor>),
    Socket(UnixStream),
}

/// Answers by the routes as they are at the moment, until `stop`; requests that have begun are answered.
///
/// # Errors
/// [`Failure`] when nothing can be accepted any more.
pub(crate) async fn serve(door: Door, routes: watch::Receiver<Router>, stop: CancellationToken) -> Result<(), Failure> {
    let room = Arc::new(Semaphore::new(match door {
        Door::Network(..) => MAX_CONNECTIONS,
        Door::Socket(_) => MAX_LOCAL,
    }));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok((door.accept().await?, permit))
        };
        let accepted: io::Result<_> = tokio::select! {
            () = stop.cancelled() => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((accepted, permit)) => {
                let (routes, stop) = (routes.clone(), stop.clone());
                connections.spawn(async move {
                    connection(accepted, routes, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

impl Door {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Network(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                // An answer is small, and waits for nothing.
                stream.set_nodelay(true)?;
                Ok(Accepted::Network(stream, tls.clone()))
            }
            Self::Socket(socket) => Ok(Accepted::Socket(socket.listener.accept().await?.0)),
        }
    }
}

async fn connection(accepted: Accepted, routes: watch::Receiver<Router>, stop: CancellationToken) {
    match accepted {
        Accepted::Network(stream, None) => requests(stream, Peer::Network, routes, stop).await,
        Accepted::Network(stream, Some(tls)) => match tokio::time::timeout(HEAD, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, Peer::Network, routes, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
            Err(_) => tracing::debug!("no TLS came about in time"),
        },
        Accepted::Socket(stream) => match Socket::user(&stream) {
            Ok(user) => requests(stream, Peer::Socket(user), routes, stop).await,
            Err(error) => tracing::warn!(%error, "nobody knows who opened the socket"),
        },
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    routes: watch::Receiver<Router>,
    stop: CancellationToken,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (router, peer) = (routes.borrow().clone(), peer.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let response: Result<Response, Infallible> = router.oneshot(request).await;
            response
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(Patient::new(stream, TAKEN)), answer));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
