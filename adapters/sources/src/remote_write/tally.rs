//! What became of the samples of one request.

use std::collections::BTreeMap;

use crate::{
    series::Fate,
    source_counts::Counted,
    write_request::{BadSeries, Ignored},
};

/// Different complaints about one request that are kept. More are one mistake many times over.
const MAX_COMPLAINTS: usize = 16;

/// What became of a sample, as metrics say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Became {
    Written,
    Repeated,
    Unmapped,
    Stale,
    NotFinite,
    Ahead,
    Ambiguous,
    Unplaced,
    Invalid,
}

impl Became {
    pub(super) const ALL: [Self; 9] = [
        Self::Written,
        Self::Repeated,
        Self::Unmapped,
        Self::Stale,
        Self::NotFinite,
        Self::Ahead,
        Self::Ambiguous,
        Self::Unplaced,
        Self::Invalid,
    ];

    /// As the label of a metric.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Repeated => "repeated",
            Self::Unmapped => "unmapped",
            Self::Stale => "stale",
            Self::NotFinite => "not_finite",
            Self::Ahead => "ahead",
            Self::Ambiguous => "ambiguous",
            Self::Unplaced => "unplaced",
            Self::Invalid => "invalid",
        }
    }
}

/// Counts of one request.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<Became, u64>,
    pub(super) ignored: Ignored,
    /// What was wrong, and how often.
    pub(super) complaints: BTreeMap<String, u64>,
    /// What is wrong with the first series that the sender should have sent otherwise.
    first_bad: Option<String>,
}

impl Tally {
    pub(super) fn add(&mut self, fate: Fate) {
        if let Some(why) = fate.problem() {
            self.complain(&why);
            if fate == Fate::Ahead {
                self.first_bad.get_or_insert_with(|| why.to_string());
            }
        }
        let became = match fate {
            Fate::Taken => Became::Written,
            Fate::TakenLate => Became::Repeated,
            Fate::Unmapped => Became::Unmapped,
            Fate::Stale => Became::Stale,
            Fate::NotFinite => Became::NotFinite,
            Fate::Ahead => Became::Ahead,
            Fate::Ambiguous(_) => Became::Ambiguous,
            Fate::Unplaced(_) => Became::Unplaced,
        };
        *self.counts.entry(became).or_default() += 1;
    }

    /// A series with so many samples cannot be taken.
    pub(super) fn bad(&mut self, bad: &BadSeries, samples: usize) {
        let why = format!("a series is refused: {bad}; correct it at the sender");
        self.complain(&why);
        self.first_bad.get_or_insert_with(|| bad.to_string());
        *self.counts.entry(Became::Invalid).or_default() += u64::try_from(samples).unwrap_or(u64::MAX);
    }

    fn complain(&mut self, why: &str) {
        if let Some(count) = self.complaints.get_mut(why) {
            *count += 1;
        } else if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.insert(why.to_owned(), 1);
        }
    }

    pub(super) fn of(&self, became: Became) -> u64 {
        self.counts.get(&became).copied().unwrap_or(0)
    }

    /// All samples.
    pub(super) fn samples(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Those that the sender has done its part for. What the mapping leaves out counts: the sender is not to try otherwise.
    pub(super) fn written(&self) -> u64 {
        self.samples() - self.bad_samples()
    }

    /// Those that the sender has to send otherwise.
    fn bad_samples(&self) -> u64 {
        self.of(Became::Invalid) + self.of(Became::Ahead)
    }

    /// All of it, for metrics.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (Counted, &'static str, u64)> {
        let samples = Became::ALL.into_iter().map(|became| (Counted::Samples, became.label(), self.of(became)));
        let Ignored { exemplars, histograms, metadata } = self.ignored;
        let ignored = [("exemplars", exemplars), ("histograms", histograms), ("metadata", metadata)];
        samples.chain(ignored.into_iter().map(|(what, count)| (Counted::Ignored, what, count)))
    }

    /// What the sender is told, if it has to be told something.
    pub(super) fn refused(&self) -> Option<String> {
        let first = self.first_bad.as_ref()?;
        let (bad, samples) = (self.bad_samples(), self.samples());
        Some(format!("{bad} of {samples} samples are refused, the others were taken; the first: {first}\n"))
    }
}
