//! Problems as people and programs see them: what, where, and what next.

use std::{collections::BTreeMap, fmt, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

use crate::Place;

/// What all codes of problems begin with.
pub const PREFIX: &str = "homeostat::configuration::";

/// One thing that is wrong with a configuration, with its place in a file.
///
/// As a [`miette::Diagnostic`] it prints itself with the lines it is about.
#[derive(Debug, Clone)]
pub struct Problem {
    code: String,
    message: String,
    help: Option<String>,
    place: Place,
    /// Other places that have to do with it. They have no code.
    related: Vec<Problem>,
}

impl Problem {
    /// Something that is wrong at `place`; `code` is the last part of the code, such as `unknown_field`.
    #[must_use]
    pub fn new(place: Place, code: &str, message: impl Into<String>) -> Self {
        Self { code: format!("{PREFIX}{code}"), message: message.into(), help: None, place, related: Vec::new() }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with another place that has to do with it, and what is there.
    #[must_use]
    pub fn relate(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push(Self { code: String::new(), ..Self::new(place, "", message) });
        self
    }

    /// One of policies' reader, which reads the YAML for everybody.
    pub(crate) fn of_yaml(problem: &homeostat_policy::Problem, source: &Arc<NamedSource<String>>) -> Self {
        let code = problem.code();
        let code = code.rsplit("::").next().unwrap_or_default();
        let found = Self::new(Place::in_source(source, problem.span()), code, problem.to_string());
        Self { help: problem.help(), ..found }
    }

    /// What sort of problem it is, for good.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The same, showing files as they are in `sources`, by their names.
    pub(crate) fn shown_in(mut self, sources: &BTreeMap<String, Arc<NamedSource<String>>>) -> Self {
        if let Some(source) = sources.get(self.place.file()) {
            self.place = self.place.in_other(source);
        }
        self.related = self.related.into_iter().map(|problem| problem.shown_in(sources)).collect();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.code.is_empty()).then(|| -> Box<dyn fmt::Display> { Box::new(&self.code) })
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.code.is_empty() { Severity::Advice } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| -> Box<dyn fmt::Display> { Box::new(help) })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.place.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_primary_with_span(Some("here".into()), self.place.span());
        Some(Box::new(std::iter::once(label)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(self.related.iter().map(|problem| -> &dyn Diagnostic { problem })))
    }
}
