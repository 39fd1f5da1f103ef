//! One HTTP request over a unix socket: all that is needed to fill an engine with an image and to empty it again.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// How long an engine may be silent. Removing a container that does not want to end takes it ten seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// Sends a request and gives the status and the body.
///
/// It speaks HTTP/1.0, to which a server answers in one piece and then closes the connection.
pub(crate) fn request(socket: &Path, method: &str, path: &str, body: &[u8]) -> Result<(u16, String), String> {
    let context = |error: std::io::Error| format!("{method} {path} at {}: {error}", socket.display());
    let mut stream = UnixStream::connect(socket).map_err(context)?;
    stream.set_read_timeout(Some(SILENCE)).map_err(context)?;
    stream.set_write_timeout(Some(SILENCE)).map_err(context)?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).map_err(context)?;
    stream.write_all(body).map_err(context)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(context)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("{method} {path} at {}: no HTTP answer", socket.display()))?;
    Ok((status, body.to_owned()))
}
