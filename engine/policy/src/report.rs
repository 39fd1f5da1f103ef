//! Collects the problems of one file.

use std::{ops::Range, sync::Arc};

use miette::NamedSource;

use crate::{SourceText, mistake::Mistake, problem::Problem};

/// Most problems kept of one file: nobody reads further, and a file of another format makes one a line.
const MAX_PROBLEMS: usize = 1_000;

/// The problems of one file, in the order they were found.
#[derive(Debug)]
pub(crate) struct Report {
    source: Arc<NamedSource<String>>,
    problems: Vec<Problem>,
    found: usize,
}

impl Report {
    pub(crate) fn new(source: &SourceText) -> Self {
        Self { source: Arc::new(NamedSource::new(&source.name, source.text.clone())), problems: Vec::new(), found: 0 }
    }

    /// The whole file.
    pub(crate) fn text(&self) -> &str {
        self.source.inner()
    }

    /// The file, to be named in problems that are found later.
    pub(crate) fn source(&self) -> Arc<NamedSource<String>> {
        Arc::clone(&self.source)
    }

    /// How many were found, kept or not; to tell whether there are more than before.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// Records that `mistake` was made at the bytes `at` of the file.
    pub(crate) fn add(&mut self, at: Range<usize>, mistake: Mistake) {
        let problem = self.problem(at, mistake);
        self.push(problem);
    }

    /// Records a problem that was put together elsewhere.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.found += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// A problem of this file that is not recorded yet.
    pub(crate) fn problem(&self, at: Range<usize>, mistake: Mistake) -> Problem {
        Problem::new(Arc::clone(&self.source), at, mistake)
    }

    /// All of them, in the order of the file; those of scripts that it names come after its own.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        let own = self.source.name();
        self.problems.sort_by_key(|problem| (problem.file() != own, problem.span().start));
        self.problems
    }
}
