//! A configuration of any content, with what it includes, ends in a value or in problems that can be shown.
//!
//! The input is several files: a line `=== path` begins one; what stands before the first is the main file.
#![no_main]

use std::{collections::BTreeMap, path::Path};

use homeostat_configuration::{Files, MAX_FILES, MAX_PROBLEMS, PREFIX, Place, Reading, gather};
use homeostat_policy::SourceText;
use homeostat_port::Secret;
use homeostat_sources::{AlertmanagerConfig, JsonLinesConfig};
use libfuzzer_sys::fuzz_target;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Deserialize;

/// Problems that are drawn: drawing costs as much as the file is long, and the first ones are of all sorts.
const DRAWN: usize = 8;

/// What the program's configuration consists of, and forms that it may come to have.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "shown by Debug")]
struct Spec {
    #[serde(default)]
    policies: Vec<String>,
    listen: Option<std::net::SocketAddr>,
    #[serde(default)]
    speed: u32,
    token: Option<Secret>,
    #[serde(default)]
    sources: Vec<Source>,
    #[serde(default)]
    limits: BTreeMap<String, f64>,
    unit: Option<homeostat_model::Unit>,
    until: Option<homeostat_model::Duration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "shown by Debug")]
enum Source {
    Alertmanager(AlertmanagerConfig),
    JsonLines(JsonLinesConfig),
    Guarded { token: Secret },
    Bare,
}

/// The files of one input.
struct Fixed<'a>(BTreeMap<&'a str, String>);

impl Files for Fixed<'_> {
    fn read(&self, path: &Path) -> Result<String, String> {
        path.to_str().and_then(|path| self.0.get(path)).cloned().ok_or("it is not there".into())
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, String> {
        let here = self.0.keys().map(Path::new).filter(|path| path.parent() == Some(folder));
        Ok(here.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let mut name = "main.yaml";
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("=== ") {
            Some(other) => name = other.trim(),
            None => files.entry(name).or_default().push_str(line),
        }
    }
    let main = SourceText { name: "main.yaml".into(), text: files.get("main.yaml").cloned().unwrap_or_default() };
    let fixed = Fixed(files);
    let read = || gather(&main, Path::new("main.yaml"), &fixed);
    let gathered = read();
    assert!(gathered.files.len() <= MAX_FILES);
    let reading: Reading<Spec> = gathered.read();
    shown(&reading, &fixed);
    let again: Reading<Spec> = read().read();
    assert_eq!(format!("{reading:?}"), format!("{again:?}"), "equal files, but other readings");
});

/// Checks that all of a reading can be told to people.
fn shown(reading: &Reading<Spec>, files: &Fixed<'_>) {
    let within = |place: &Place| {
        let text = files.0.get(place.file()).map(String::as_str).unwrap_or_default();
        assert!(text.get(place.span()).is_some(), "{place:?} is no part of the file");
        assert!(place.line() >= 1 && place.column() >= 1);
    };
    assert!(reading.value.is_some() || !reading.problems.is_empty(), "neither a value nor a problem");
    let typed = reading.problems.iter().filter(|problem| problem.code().ends_with("unknown_word")).count();
    assert!(typed <= MAX_PROBLEMS * (MAX_FILES + 1), "{typed} problems");
    let drawing = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    for (number, problem) in reading.problems.iter().enumerate() {
        within(problem.place());
        assert!(problem.code().len() > PREFIX.len() && problem.code().starts_with(PREFIX), "{}", problem.code());
        assert!(!problem.to_string().is_empty());
        if number < DRAWN {
            drawing.render_report(&mut String::new(), problem).unwrap();
        }
    }
    for setting in reading.origins.settings() {
        within(&setting.place);
        assert!(reading.origins.given(&setting.path).is_some(), "{} was not given", setting.path);
    }
    for found in &reading.secrets {
        within(&found.place);
        assert!(reading.origins.settings().iter().any(|setting| setting.secret.as_ref() == Some(&found.secret)));
    }
}
