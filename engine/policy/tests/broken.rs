//! Every case below `broken/` is a document with mistakes, next to the report that it gets.
//!
//! `UPDATE_EXPECT=1 cargo test -p homeostat-policy --test broken` writes the reports anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{collections::BTreeSet, fmt::Write, path::PathBuf};

use expect_test::expect_file;
use homeostat_policy::{CODES, Problem, SourceText, load, load_tests};
use miette::{GraphicalReportHandler, GraphicalTheme};

mod catalogue;

/// The documents of `broken/`, in the order of their names.
#[expect(clippy::disallowed_methods, reason = "the cases are files, so that people can read them")]
fn cases() -> Vec<(PathBuf, SourceText)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (path.with_extension("txt"), SourceText { name, text })
    };
    paths.into_iter().map(read).collect()
}

fn problems(source: SourceText) -> Vec<Problem> {
    let sources = [source];
    let (_, of_tests) = load_tests(&sources);
    let loaded = load(&sources, &catalogue::catalogue());
    assert!(loaded.warnings.iter().all(Problem::is_warning) && !loaded.problems.iter().any(Problem::is_warning));
    let mut problems = loaded.problems;
    problems.extend(loaded.warnings);
    // What is wrong with the file itself, both say.
    problems.extend(of_tests.into_iter().filter(|problem| problem.file().ends_with(".test.yaml")));
    problems
}

#[test]
fn every_mistake_is_explained_at_its_place() {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110);
    for (report, source) in cases() {
        let mut text = String::new();
        for problem in problems(source) {
            assert!(problem.help().is_some_and(|help| !help.is_empty()), "{problem:?}");
            handler.render_report(&mut text, &problem).expect("a report is written into a text");
            writeln!(text).unwrap();
        }
        assert!(!text.is_empty(), "{} has no mistake", report.display());
        expect_file![report].assert_eq(&text);
    }
}

#[test]
fn every_code_is_listed_and_has_a_case() {
    let found: BTreeSet<String> =
        cases().into_iter().flat_map(|(_, source)| problems(source)).map(|p| p.code()).collect();
    let unlisted: Vec<_> = found.iter().filter(|code| !CODES.contains(&code.as_str())).collect();
    assert_eq!(unlisted, Vec::<&String>::new(), "codes that are not listed");
    // Files of these sizes are made by other tests.
    let elsewhere = [
        "file_too_large",
        "line_too_long",
        "too_many_documents",
        "too_many_values",
        "expression_too_long",
        "policy::script",
        "not_a_literal",
    ];
    let shown = |code: &str| found.contains(code) || elsewhere.iter().any(|name| code.ends_with(name));
    let without: Vec<_> = CODES.iter().filter(|code| !shown(code)).collect();
    assert_eq!(without, Vec::<&&str>::new(), "codes without a case");
}
