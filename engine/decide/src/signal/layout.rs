//! What is kept of one metric, shared by all resources that are watched alike, so that a series itself stays small.

use homeostat_model::{Duration, Timestamp};
use homeostat_policy::Function;

use super::window::Window;

/// The windows over one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    windows: Box<[(Function, Duration)]>,
    longest: Duration,
    keep: Duration,
}

impl Layout {
    /// Of these windows; which is which is told by their place.
    pub(crate) fn new(windows: Vec<(Function, Duration)>) -> Self {
        let longest = |counts: fn(Function) -> bool| {
            windows.iter().filter(|(function, _)| counts(*function)).map(|(_, span)| *span).max().unwrap_or_default()
        };
        let keep = longest(|function| !matches!(function, Function::Last | Function::Absent));
        Self { longest: longest(Function::has_window), keep, windows: windows.into() }
    }

    /// The windows over nothing yet; from `since` on, absence can be known.
    pub(crate) fn begin(&self, since: Timestamp) -> impl Iterator<Item = Window> {
        self.windows.iter().map(move |(function, _)| Window::new(*function, since))
    }

    /// In their order.
    pub(crate) fn windows(&self) -> &[(Function, Duration)] {
        &self.windows
    }

    /// The place of the window of `function` over `span`.
    pub(crate) fn position(&self, function: Function, span: Duration) -> Option<usize> {
        self.windows.iter().position(|window| *window == (function, span))
    }

    /// How far back anything looks.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// How far back samples are kept; zero when the newest is enough.
    pub(super) fn keep(&self) -> Duration {
        self.keep
    }
}
