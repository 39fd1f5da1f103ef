//! JSON lines over a socket, none longer than is allowed.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    longest: u64,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads from `reader` lines of at most `longest` bytes.
    pub(super) fn new(reader: R, longest: u64) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new(), longest }
    }

    /// The next one; `None` at the end. Nothing is lost when it is not waited for to the end.
    ///
    /// # Errors
    /// When the connection breaks, a line is too long, or it is not what it should be.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let room = self.longest.saturating_sub(u64::try_from(self.line.len()).unwrap_or(u64::MAX));
        // What was read before it was given up is in `line` already.
        (&mut self.reader).take(room).read_until(b'\n', &mut self.line).await?;
        let line = std::mem::take(&mut self.line);
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        match line.split_last() {
            None => Ok(None),
            Some((b'\n', line)) => serde_json::from_slice(line).map(Some).map_err(|error| invalid(error.to_string())),
            Some(_) if u64::try_from(line.len()).is_ok_and(|length| length >= self.longest) => {
                Err(invalid(format!("a line has more than {} bytes", self.longest)))
            }
            // Whoever wrote it is gone.
            Some(_) => Ok(None),
        }
    }
}

/// Writes one line.
///
/// # Errors
/// When nobody reads it.
pub(super) async fn write<W: AsyncWrite + Unpin>(writer: &mut W, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[tokio::test]
    async fn a_line_that_is_too_long_or_torn_or_nonsense_is_no_line() {
        for (text, expected) in [
            ("1\n22\n", vec![Ok(Some(1)), Ok(Some(22)), Ok(None)]),
            ("1234567\n", vec![Ok(Some(1_234_567))]),
            ("12345678\n", vec![Err("more than 8 bytes")]),
            ("1\n2", vec![Ok(Some(1)), Ok(None)]),
            ("x\n", vec![Err("expected value")]),
        ] {
            let mut lines = Lines::new(text.as_bytes(), 8);
            for expected in expected {
                match (lines.next::<u32>().await, expected) {
                    (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text:?}"),
                    (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text:?}: {error}"),
                    (read, expected) => panic!("{text:?}: {read:?}, not {expected:?}"),
                }
            }
        }
    }
}
