//! Writes the story from a thread of its own: whoever reads it slowly, or not at all, holds nothing up.
//!
//! ```text
//!   loop --tell()--> text that waits (bounded) --> thread --> standard output
//!                    beyond that: counted, and told as a number when there is room again
//! ```

use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::report::Failure;

/// Text that may wait to be written. Some ten thousand decisions: a reader who is further behind has stopped reading.
const WAITING_BYTES: usize = 1 << 20;
/// How long the end of the program waits for the last lines to be written.
const FAREWELL: Duration = Duration::from_secs(2);

/// Hands text to the writing thread.
#[derive(Debug)]
pub(crate) struct Narrator {
    desk: Arc<Desk>,
    ended: oneshot::Receiver<()>,
}

/// What both sides share.
#[derive(Debug, Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    text: String,
    /// Lines that came after `text` and found no room. While it is not 0 nothing is added, so that the gap stays one gap.
    left_out: usize,
    closed: bool,
}

impl Narrator {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(out: impl Write + Send + 'static) -> Result<Self, Failure> {
        let desk = Arc::new(Desk::default());
        let (done, ended) = oneshot::channel();
        let theirs = desk.clone();
        std::thread::Builder::new()
            .name("narrator".into())
            .spawn(move || {
                theirs.write_all(out);
                // Nobody may be waiting for the end.
                let _ = done.send(());
            })
            .map_err(|error| Failure::new(format!("cannot start a thread to write with: {error}")))?;
        Ok(Self { desk, ended })
    }

    /// Has `lines` written, or counted when too much waits already. Never blocks.
    pub(crate) fn tell(&self, lines: &str) {
        let mut waiting = self.desk.lock();
        let fits = waiting.text.is_empty() || waiting.text.len() + lines.len() <= WAITING_BYTES;
        if fits && waiting.left_out == 0 {
            waiting.text.push_str(lines);
        } else {
            waiting.left_out += lines.lines().count();
        }
        self.desk.news.notify_one();
    }

    /// Waits a moment for what is not written yet.
    pub(crate) async fn close(self) {
        self.desk.lock().closed = true;
        self.desk.news.notify_one();
        // What nobody reads within that time is not read later either.
        let _ = tokio::time::timeout(FAREWELL, self.ended).await;
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until the end. A closed standard output is no reason to stop looking after the data centre.
    fn write_all(&self, mut out: impl Write) {
        while let Some((text, left_out)) = self.next() {
            let _ = out.write_all(text.as_bytes());
            if left_out > 0 {
                let _ = writeln!(out, "... {left_out} lines were left out here, because nobody read what came before");
            }
            let _ = out.flush();
        }
    }

    /// Waits for text; with the number of lines that are missing after it. `None` at the end.
    fn next(&self) -> Option<(String, usize)> {
        let idle = |waiting: &mut Waiting| waiting.text.is_empty() && waiting.left_out == 0 && !waiting.closed;
        let mut waiting = self.news.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let next = (std::mem::take(&mut waiting.text), std::mem::take(&mut waiting.left_out));
        (!next.0.is_empty() || next.1 > 0).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex, mpsc},
        time::Instant,
    };

    use super::{Narrator, WAITING_BYTES};

    /// An output that takes nothing in until it is let go.
    struct Blocked {
        release: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // After the sender is gone it is let go for good.
            let _ = self.release.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn blocked() -> (Narrator, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (release, written) = (mpsc::channel(), Arc::new(Mutex::default()));
        let narrator = Narrator::start(Blocked { release: release.1, written: Arc::clone(&written) }).unwrap();
        (narrator, release.0, written)
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_the_rest_is_written_in_order() {
        let (narrator, release, written) = blocked();
        let line = |number: usize| format!("{number:01023}\n");
        let told = 3 * WAITING_BYTES / 1024;
        (0..told).for_each(|number| narrator.tell(&line(number)));
        drop(release);
        narrator.close().await;
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (gap, kept) = lines.split_last().unwrap();
        assert!(kept.iter().enumerate().all(|(number, kept)| **kept == *line(number).trim_end()), "not in order");
        assert!((WAITING_BYTES / 1024..=2 * WAITING_BYTES / 1024 + 1).contains(&kept.len()), "{} kept", kept.len());
        assert_eq!(
            *gap,
            format!("... {} lines were left out here, because nobody read what came before", told - kept.len())
        );
    }

    #[tokio::test]
    async fn an_output_that_stays_blocked_does_not_keep_the_program() {
        let (narrator, _release, _) = blocked();
        narrator.tell("a line\n");
        let began = Instant::now();
        narrator.close().await;
        assert!((1900..4000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}
