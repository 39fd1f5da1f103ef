//! Reads YAML documents that are not policies: configurations, mappings.

use serde::de::DeserializeOwned;

use crate::report::Flaw;

/// Reads `text`; what is wrong with it is told with its place in the file called `name`, under `code`.
pub(crate) fn read<T: DeserializeOwned>(code: &'static str, name: &str, text: &str) -> Result<T, Box<Flaw>> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let said = error.to_string();
        // The place is shown with the source; the parser's own words end in it.
        let message = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message);
        let flaw = Flaw::new(code, name, message);
        match error.location() {
            Some(location) => flaw.at(text, location.line(), location.column()).into(),
            None => flaw.into(),
        }
    })
}
