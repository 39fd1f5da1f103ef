//! What is known to be true where a clause is looked at.

use std::collections::BTreeMap;

use homeostat_model::Duration;

use super::clause::{Clause, Part, Place, needs, says_absent};

/// Most clauses about one value, side by side, that others are set against, so that time stays in proportion to the length of
/// the text. People write two, a lower and an upper bound; a list of texts that something is not may have ten.
const MAX_CLAUSES_OF_ONE_VALUE: usize = 32;

/// Clauses that have to be true together.
pub(super) struct Facts<'f> {
    /// Those that have to be true around them.
    outer: Option<&'f Facts<'f>>,
    /// By what they are about.
    clauses: BTreeMap<String, Vec<Clause>>,
    /// The longest window in which there is no sample, by stream.
    absent: BTreeMap<String, (Duration, Place)>,
    /// The shortest window in which there is one, by stream.
    present: BTreeMap<String, (Duration, Place)>,
}

/// Why something cannot be true as well.
pub(super) enum Conflict {
    /// No value allows both.
    With(Place),
    /// One says that there is nothing for so long, and the other needs something in that time.
    Absent { other: Place, absence: Duration, window: Duration },
}

impl<'f> Facts<'f> {
    pub(super) fn within(outer: Option<&'f Facts<'f>>) -> Self {
        Self { outer, clauses: BTreeMap::new(), absent: BTreeMap::new(), present: BTreeMap::new() }
    }

    /// The clauses about the same value.
    pub(super) fn about(&self, clause: &Clause) -> impl Iterator<Item = &Clause> {
        self.levels().flat_map(|facts| facts.here_about(clause))
    }

    /// Those of them that stand side by side with it.
    pub(super) fn here_about(&self, clause: &Clause) -> impl Iterator<Item = &Clause> {
        self.clauses.get(&clause.subject).into_iter().flatten()
    }

    /// Adds `clause`, which `part` is.
    pub(super) fn add(&mut self, clause: Clause, part: &Part<'_>) {
        if let Some((stream, window)) = says_absent(part) {
            let longest = self.absent.entry(stream).or_insert((window, clause.place.clone()));
            if window > longest.0 {
                *longest = (window, clause.place.clone());
            }
        }
        for (stream, window) in needs(part.expr) {
            let shortest = self.present.entry(stream).or_insert((window, clause.place.clone()));
            if window < shortest.0 {
                *shortest = (window, clause.place.clone());
            }
        }
        let same = self.clauses.entry(clause.subject.clone()).or_default();
        if same.len() < MAX_CLAUSES_OF_ONE_VALUE {
            same.push(clause);
        }
    }

    /// What makes it impossible that `clause`, which `part` is, is true as well.
    pub(super) fn against(&self, clause: &Clause, part: &Part<'_>) -> Option<Conflict> {
        // One that suffices by itself says most; else it is the last of several.
        if let Some(other) = self.about(clause).find(|other| !clause.agrees_with(other)) {
            return Some(Conflict::With(other.place.clone()));
        }
        let mut left = clause.interval();
        for other in self.about(clause) {
            left.restrict(other.comparison, &other.value);
            if left.is_empty() {
                return Some(Conflict::With(other.place.clone()));
            }
        }
        match says_absent(part) {
            Some((stream, absence)) => self.needed(&stream, absence),
            None => needs(part.expr).into_iter().find_map(|(stream, window)| self.missing(&stream, window)),
        }
    }

    /// Whether there is nothing of `stream` where something in `window` is needed.
    fn missing(&self, stream: &str, window: Duration) -> Option<Conflict> {
        let mut said = self.levels().filter_map(|facts| facts.absent.get(stream));
        let (absence, other) = said.find(|(absence, _)| *absence >= window)?;
        Some(Conflict::Absent { other: other.clone(), absence: *absence, window })
    }

    /// Whether something of `stream` is needed where there is nothing in `absence`.
    fn needed(&self, stream: &str, absence: Duration) -> Option<Conflict> {
        let mut needed = self.levels().filter_map(|facts| facts.present.get(stream));
        let (window, other) = needed.find(|(window, _)| *window <= absence)?;
        Some(Conflict::Absent { other: other.clone(), absence, window: *window })
    }

    /// From the innermost to the outermost.
    fn levels(&self) -> impl Iterator<Item = &Facts<'f>> {
        std::iter::successors(Some(self), |facts| facts.outer)
    }
}
