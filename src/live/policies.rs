//! Loads policies: all of a set, or none.

use std::{path::PathBuf, sync::Arc};

use homeostat_policy::{Catalogue, Policy, SourceText};

use super::Message;
use crate::{command::check, files, recording::RecordedFile, report::Failure};

/// Where policies come from and what they are checked against.
#[derive(Debug, Clone)]
pub(crate) struct PolicyFiles {
    pub(crate) paths: Vec<PathBuf>,
    /// Policies that are part of the program.
    pub(crate) built_in: Vec<SourceText>,
    pub(crate) catalogue: Arc<Catalogue>,
}

impl PolicyFiles {
    /// Reads and checks them; with what was read.
    ///
    /// # Errors
    /// [`Failure`] with every problem, as it is shown to people.
    pub(crate) fn load(&self) -> Result<(Message, Vec<SourceText>), Failure> {
        let sources = self.sources()?;
        Ok((self.message(&sources)?, sources))
    }

    /// The policies alone.
    ///
    /// # Errors
    /// As for `load`.
    pub(crate) fn policies(&self) -> Result<Vec<Arc<Policy>>, Failure> {
        self.check(&self.sources()?)
    }

    /// Checks what was read.
    ///
    /// # Errors
    /// [`Failure`] with every problem, as it is shown to people.
    pub(crate) fn message(&self, sources: &[SourceText]) -> Result<Message, Failure> {
        let recorded = |SourceText { name, text }: &SourceText| RecordedFile { name: name.clone(), text: text.clone() };
        Ok(Message::Policies(self.check(sources)?, sources.iter().map(recorded).collect()))
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Failure`] when one cannot be read.
    pub(crate) fn sources(&self) -> Result<Vec<SourceText>, Failure> {
        let mut sources = self.built_in.clone();
        sources.extend(files::policy_sources(&self.paths)?);
        Ok(sources)
    }

    fn check(&self, sources: &[SourceText]) -> Result<Vec<Arc<Policy>>, Failure> {
        check::policies(sources, &self.catalogue)
    }
}
