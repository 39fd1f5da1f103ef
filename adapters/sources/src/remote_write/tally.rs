//! What became of the samples of one request.

use std::collections::BTreeMap;

use crate::{
    intake::{Became, Intake, Reason},
    series::Fate,
    write_request::{BadSeries, Ignored},
};

/// Different complaints about one request that are kept. More are one mistake many times over.
const MAX_COMPLAINTS: usize = 16;

/// A sample of a series that the sender has to correct.
const INVALID: Became = Became::Refused(Reason::Malformed);

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
        *self.counts.entry(fate.became()).or_default() += 1;
    }

    /// A series with so many samples cannot be taken.
    pub(super) fn bad(&mut self, bad: &BadSeries, samples: usize) {
        let why = format!("a series is refused: {bad}; correct it at the sender");
        self.complain(&why);
        self.first_bad.get_or_insert_with(|| bad.to_string());
        *self.counts.entry(INVALID).or_default() += u64::try_from(samples).unwrap_or(u64::MAX);
    }

    fn complain(&mut self, why: &str) {
        if let Some(count) = self.complaints.get_mut(why) {
            *count += 1;
        } else if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.insert(why.to_owned(), 1);
        }
    }

    fn of(&self, became: Became) -> u64 {
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
        self.of(INVALID) + self.of(Became::Refused(Reason::Ahead))
    }

    /// Counts all of it.
    pub(super) fn count(&self, intake: &Intake) {
        self.counts.iter().for_each(|(became, count)| intake.count(*became, *count));
        let Ignored { exemplars, histograms, metadata } = self.ignored;
        for (what, parts) in [("exemplars", exemplars), ("histograms", histograms), ("metadata", metadata)] {
            if parts > 0 {
                intake.ignore(what, parts);
            }
        }
    }

    /// What the sender is told, if it has to be told something.
    pub(super) fn refused(&self) -> Option<String> {
        let first = self.first_bad.as_ref()?;
        let (bad, samples) = (self.bad_samples(), self.samples());
        Some(format!("{bad} of {samples} samples are refused, the others were taken; the first: {first}\n"))
    }
}
