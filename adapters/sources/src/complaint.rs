//! Warnings about what was refused, bounded in their rate: a broken sender does not flood the log.

use std::fmt::Display;

use homeostat_model::{Duration, Timestamp};
use homeostat_port::Clock;

/// Warnings in a row that are written in full: enough to see what is wrong, and that it is not one thing only.
const TOLD: u64 = 10;

/// After this long, warnings are written in full again and the others are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// Tells of what was refused.
#[derive(Debug)]
pub(crate) struct Complaints {
    source: String,
    clock: Clock,
    since: Timestamp,
    in_window: u64,
    total: u64,
}

impl Complaints {
    pub(crate) fn new(source: &str, clock: Clock) -> Self {
        Self { source: source.into(), clock, since: clock.now(), in_window: 0, total: 0 }
    }

    /// Something was refused, with what is wrong, where and what to do.
    pub(crate) fn refused(&mut self, why: &dyn Display) {
        let now = self.clock.now();
        if now.since(self.since) >= WINDOW {
            self.count();
            self.since = now;
            self.in_window = 0;
        }
        self.total += 1;
        self.in_window += 1;
        if self.in_window <= TOLD {
            tracing::warn!(source = %self.source, "refused: {why}");
        }
    }

    /// So many more were refused of what was told of last; they are counted only.
    pub(crate) fn also(&mut self, more: u64) {
        self.total += more;
        self.in_window += more;
    }

    /// How many were refused until now.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Tells how many were not told of in full.
    fn count(&self) {
        if let Some(more) = self.in_window.checked_sub(TOLD).filter(|more| *more > 0) {
            tracing::warn!(source = %self.source, more, total = self.total, "refused more of the like");
        }
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        self.count();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged while `complain` runs, as lines.
    fn logged(complain: impl FnOnce()) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Log {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, complain);
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let lines = logged(|| {
            let mut complaints = Complaints::new("here", Clock::starting(Timestamp::default(), 1));
            (0..1000).for_each(|number| complaints.refused(&format!("number {number}")));
            assert_eq!(complaints.total(), 1000);
        });
        assert_eq!(lines.len(), 11, "{lines:#?}");
        assert!(lines[9].contains("refused: number 9") && lines[9].contains("source=here"), "{}", lines[9]);
        assert!(lines[10].contains("more=990 total=1000"), "{}", lines[10]);
    }

    #[test]
    fn later_ones_are_written_again() {
        let lines = logged(|| {
            // A millisecond is more than the window.
            let mut complaints = Complaints::new("here", Clock::starting(Timestamp::default(), 100_000));
            (0..20).for_each(|number| {
                complaints.refused(&number);
                std::thread::sleep(std::time::Duration::from_millis(2));
            });
        });
        assert_eq!(lines.len(), 20, "{lines:#?}");
    }
}
