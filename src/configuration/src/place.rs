//! A place in one of several files.

use std::{fmt, ops::Range, sync::Arc};

use miette::NamedSource;

/// Some bytes of a file.
#[derive(Clone)]
pub struct Place {
    pub(crate) source: Arc<NamedSource<String>>,
    at: Range<usize>,
}

impl Place {
    /// The bytes `at` of the file called `name` with this `text`.
    #[must_use]
    pub fn new(name: &str, text: &str, at: Range<usize>) -> Self {
        Self::in_source(&Arc::new(NamedSource::new(name, text.to_owned())), at)
    }

    pub(crate) fn in_source(source: &Arc<NamedSource<String>>, at: Range<usize>) -> Self {
        let end = at.end.min(source.inner().len());
        Self { source: Arc::clone(source), at: at.start.min(end)..end }
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Its bytes in the file.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Its line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// Its column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.before().rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    fn before(&self) -> &str {
        self.source.inner().get(..self.at.start).unwrap_or_default()
    }

    /// The same place of the file as `source` has it.
    pub(crate) fn in_other(&self, source: &Arc<NamedSource<String>>) -> Self {
        Self::in_source(source, self.at.clone())
    }
}

/// `homeostat.yaml:7`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file(), self.line())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.column())
    }
}
