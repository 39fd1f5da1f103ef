//! The recent samples of one metric of one resource, and the windows over them.
//!
//! ```text
//!   push(time, value)                                advance(now)
//!        |                                               |
//!        v        oldest                    newest       v
//!   Samples  [ o  o  o  o  o  o  o  o  o  o  o ]     what left every window is forgotten
//!   Windows        |<---- avg, 5m ---------->|
//!                            |<- max, 2m --->|       value(window, now)
//! ```
//!
//! A window is (`now` - span, `now`]. A clock that is ahead is not waited for: a sample up to [`LEAD`] ahead of `now` is inside
//! at once, and the window then reaches as far as that. As of a sample, `now` has come to within [`LEAD`] of it at least.
//!
//! Out of order: a late sample is put in its place, one at the time of another replaces it, one older than the longest window
//! is refused. What windows know is adjusted, not computed again; only where the replaced sample was an extreme, or where
//! digits would be lost, is it made anew.
//!
//! Invariant: a value is that of a computation from scratch, but for the order in which floats are added.
//! Invariant: amortised work for a sample is constant for each window (quantile: a bisection and a move).
//! Invariant: no more samples are kept than the longest window needs, and never more than [`MAX_SAMPLES`]; the newest always.
//! Invariant: asking changes nothing, not even the last bit of a later value.

mod counter;
mod decay;
mod extremes;
mod layout;
mod samples;
mod sorted;
mod spread;
mod total;
mod window;

use homeostat_model::{Duration, Timestamp};

use self::samples::{Sample, Samples};
pub(crate) use self::{layout::Layout, window::Window};

/// Samples kept for one series: a seven-day window at a sample every ten seconds is 60,480.
pub(crate) const MAX_SAMPLES: usize = 65_536;

/// How far ahead of the present a sample may lie: clocks that are kept in step differ by less.
const LEAD: Duration = Duration::from_mins(1);

/// What became of a pushed sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It counts wherever it is inside.
    Taken,
    /// It is older than anything a window looks at.
    TooLate,
}

/// Samples of one metric of one resource. Every call is given the same [`Layout`] and the same windows, those of
/// [`Layout::begin`]: they are kept elsewhere, so that all windows of a resource lie side by side.
#[derive(Debug)]
pub(crate) struct Series {
    samples: Samples,
    /// As of when the windows are kept up.
    now: Timestamp,
}

impl Series {
    /// Without samples.
    pub(crate) fn new(since: Timestamp) -> Self {
        Self { samples: Samples::new(), now: since }
    }

    /// Takes in a sample.
    pub(crate) fn push(&mut self, layout: &Layout, windows: &mut [Window], time: Timestamp, value: f64) -> Pushed {
        match self.newest() {
            Some(newest) if time == newest => self.replace(layout, windows, self.samples.len() - 1, value),
            Some(newest) if time < newest => return self.insert(layout, windows, time, value),
            _ => self.append(layout, windows, time, value),
        }
        Pushed::Taken
    }

    /// The time of the newest sample.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.samples.newest()
    }

    /// Lets go of what has left the windows as of `now`. Time that goes backwards changes nothing.
    pub(crate) fn advance(&mut self, layout: &Layout, windows: &mut [Window], now: Timestamp) {
        if now <= self.now {
            return;
        }
        self.now = now;
        for (window, (_, span)) in windows.iter_mut().zip(layout.windows()) {
            window.expire(&self.samples, *span, now);
        }
        self.forget(layout, windows);
    }

    /// The value of the window at the place `window`, as of the last [`Series::advance`], which was to `now`. `None` when what
    /// is inside is not enough, and for `absent`: see [`Series::absent`]. Staleness is the caller's business.
    pub(crate) fn value(&self, layout: &Layout, windows: &[Window], window: usize, now: Timestamp) -> Option<f64> {
        let (function, span) = *layout.windows().get(window)?;
        windows.get(window)?.value(&self.samples, function, span, now)
    }

    /// The value after an [`Series::advance`] to `now`, without doing it.
    pub(crate) fn peek(&self, layout: &Layout, windows: &[Window], window: usize, now: Timestamp) -> Option<f64> {
        let (function, span) = *layout.windows().get(window)?;
        let kept = windows.get(window)?;
        if now <= self.now || !kept.is_due(&self.samples, span, now) {
            return kept.value(&self.samples, function, span, now);
        }
        let mut later = kept.clone();
        later.expire(&self.samples, span, now);
        later.value(&self.samples, function, span, now)
    }

    /// For `absent`: whether there is no sample in the window, and when that changes by time alone. Not known (`None`) until it
    /// was looked for as long as the span: a start is no absence, whatever old samples come with it.
    pub(crate) fn absent(
        &self,
        layout: &Layout,
        windows: &[Window],
        window: usize,
        now: Timestamp,
    ) -> (Option<bool>, Option<Timestamp>) {
        let Some((_, span)) = layout.windows().get(window) else { return (None, None) };
        let leaves = self.newest().map(|newest| newest + *span).filter(|leaves| *leaves > now);
        let since = windows.get(window).and_then(Window::looks_since);
        let known = since.map(|since| since + *span).filter(|known| *known > now);
        match (leaves, known) {
            (Some(leaves), _) => (Some(false), Some(leaves)),
            (None, Some(known)) => (None, Some(known)),
            (None, None) => (Some(true), None),
        }
    }

    /// The same samples under another layout, and its windows: equal ones keep their state, new ones are filled from what is kept.
    pub(crate) fn relayout(self, old: (&Layout, &[Window]), new: &Layout, at: Timestamp) -> (Self, Vec<Window>) {
        let Self { samples, now } = self;
        let (old, kept) = old;
        let window = |(function, span): &(_, _)| {
            let same = old.position(*function, *span).and_then(|place| kept.get(place));
            same.cloned().unwrap_or_else(|| Window::filled(*function, *span, &samples, now, at))
        };
        let mut windows: Vec<Window> = new.windows().iter().map(window).collect();
        let mut fresh = Self { samples, now };
        fresh.advance(new, &mut windows, at);
        fresh.forget(new, &mut windows);
        (fresh, windows)
    }

    fn append(&mut self, layout: &Layout, windows: &mut [Window], time: Timestamp, value: f64) {
        self.advance(layout, windows, time - LEAD);
        if self.samples.len() == MAX_SAMPLES {
            self.forget_oldest(windows);
        }
        let offset = self.reach(layout, windows, time).unwrap_or_default();
        let index = self.samples.len();
        self.samples.insert(index, Sample::new(offset, value));
        self.enter(layout, windows, index);
        // The one before may have stayed only for being the newest.
        self.forget(layout, windows);
    }

    fn insert(&mut self, layout: &Layout, windows: &mut [Window], time: Timestamp, value: f64) -> Pushed {
        if time + layout.longest() <= self.now || layout.longest().is_zero() {
            return Pushed::TooLate;
        }
        if time <= self.floor(layout) {
            // Only `absent` looks back as far, and it has seen a newer one.
            return Pushed::Taken;
        }
        let Some(offset) = self.reach(layout, windows, time) else { return Pushed::TooLate };
        match self.samples.locate(offset) {
            Ok(index) => self.replace(layout, windows, index, value),
            Err(0) if self.samples.len() == MAX_SAMPLES => return Pushed::TooLate,
            Err(index) if self.samples.len() == MAX_SAMPLES => {
                self.forget_oldest(windows);
                self.samples.insert(index - 1, Sample::new(offset, value));
                self.enter(layout, windows, index - 1);
            }
            Err(index) => {
                self.samples.insert(index, Sample::new(offset, value));
                self.enter(layout, windows, index);
            }
        }
        Pushed::Taken
    }

    fn enter(&mut self, layout: &Layout, windows: &mut [Window], index: usize) {
        for (window, (_, span)) in windows.iter_mut().zip(layout.windows()) {
            window.enter(&self.samples, index, *span, self.now);
        }
    }

    fn replace(&mut self, layout: &Layout, windows: &mut [Window], index: usize, value: f64) {
        if self.samples.get(index).is_some_and(|sample| sample.value().to_bits() == value.to_bits()) {
            return;
        }
        for (window, (_, span)) in windows.iter_mut().zip(layout.windows()) {
            window.leave_for_another(&self.samples, index, *span);
        }
        self.samples.replace(index, value);
        for (window, (_, span)) in windows.iter_mut().zip(layout.windows()) {
            window.enter_instead(&self.samples, index, *span);
        }
    }

    /// The offset of `time`. Every few weeks the base has to follow, and go back for a late sample of a window that came later.
    /// `None` when `time` is too far before the newest sample for both to be kept.
    fn reach(&mut self, layout: &Layout, windows: &mut [Window], time: Timestamp) -> Option<u32> {
        if let Some(offset) = self.samples.offset(time).filter(|_| self.samples.len() > 0) {
            return Some(offset);
        }
        // So far back that nothing that is not too late lies before it.
        let back = layout.longest().plus(LEAD).as_millis().min(u64::from(u32::MAX / 2));
        let base = time - Duration::from_millis(back);
        if self.newest().is_some_and(|newest| newest.since(base).as_millis() > u64::from(u32::MAX))
            && self.newest() > Some(time)
        {
            return None;
        }
        while self.samples.oldest().is_some_and(|oldest| oldest < base) {
            self.forget_oldest(windows);
        }
        self.samples.rebase(base);
        for window in windows.iter_mut() {
            window.rebuild(&self.samples);
        }
        self.samples.offset(time)
    }

    /// Samples of this time and older are of no use.
    fn floor(&self, layout: &Layout) -> Timestamp {
        match self.newest() {
            Some(newest) if layout.keep().is_zero() => newest,
            _ => self.now - layout.keep(),
        }
    }

    /// Drops what no window needs, but never the newest: `last` needs it.
    #[inline]
    fn forget(&mut self, layout: &Layout, windows: &mut [Window]) {
        let floor = self.floor(layout);
        if self.samples.len() < 2 || self.samples.oldest().is_none_or(|oldest| oldest > floor) {
            return;
        }
        let before = self.samples.len();
        while self.samples.len() > 1 && self.samples.oldest().is_some_and(|oldest| oldest <= floor) {
            self.forget_oldest(windows);
        }
        if self.samples.len() < before {
            self.samples.shrink();
        }
    }

    fn forget_oldest(&mut self, windows: &mut [Window]) {
        for window in windows {
            window.forget_oldest(&self.samples);
        }
        self.samples.pop_oldest();
    }
}

#[cfg(test)]
mod tests;
