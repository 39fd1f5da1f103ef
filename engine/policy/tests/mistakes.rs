//! Typical mistakes: every file of `mistakes/` has one, and beside it stands what is said about it. All are loaded at once.
//!
//! `UPDATE_EXPECT=1 cargo test -p homeostat-policy --test mistakes` writes the reports anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use expect_test::expect_file;
use homeostat_policy::{Formula, Loaded, Node, SourceText, load};
use homeostat_script::Sandbox;
use miette::{GraphicalReportHandler, GraphicalTheme};

mod catalogue;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes")
}

/// The files below `path`, named as seen from `mistakes/`.
#[expect(clippy::disallowed_methods, reason = "the mistakes are files, so that people can read them")]
fn sources(path: &Path) -> Vec<SourceText> {
    let mut found = Vec::new();
    for entry in path.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "rhai") {
            let name = path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned();
            found.push(SourceText { name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// What the program does after loading: Rhai has the last word about scripts.
fn compile(loaded: &mut Loaded) {
    let sandbox = Sandbox::default();
    let refusal = |formula: &Formula| {
        let Node::Script(script) = &formula.expr.node else { return None };
        let error = sandbox.compile(&script.source, script.inputs.len()).err()?;
        let origin = error.offset.and_then(|offset| {
            let (source, text) = script.origins.iter().rev().find(|(source, _)| *source <= offset)?;
            Some(text + offset - source)
        });
        Some((origin, error.message))
    };
    let refused: Vec<_> = loaded
        .policies
        .iter()
        .flat_map(|policy| policy.formulas().enumerate().map(move |(index, formula)| (&policy.name, index, formula)))
        .filter_map(|(name, index, formula)| Some((name.clone(), index, refusal(formula)?)))
        .collect();
    for (name, index, (offset, message)) in refused {
        loaded.refuse_script(&name, index, offset, message);
    }
}

#[test]
fn every_typical_mistake_is_shown_with_its_place_and_what_to_do() {
    let sources = sources(&folder());
    let mut loaded = load(&sources, &catalogue::catalogue());
    compile(&mut loaded);
    // As `homeostat check` draws them where there is no colour.
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    let mut told = BTreeSet::new();
    for source in sources.iter().filter(|source| source.name.ends_with(".yaml")) {
        let problems: Vec<_> = loaded.problems.iter().filter(|problem| problem.file() == source.name).collect();
        let [problem] = problems.as_slice() else { panic!("{}: {problems:?}", source.name) };
        assert!(problem.help().is_some(), "{problem:?}");
        assert!(told.insert((problem.code(), problem.to_string())), "{} has the mistake of another", source.name);
        let mut report = String::new();
        handler.render_report(&mut report, *problem).unwrap();
        expect_file![folder().join(&source.name).with_extension("txt")].assert_eq(&report);
    }
    assert_eq!(told.len(), loaded.problems.len(), "problems elsewhere: {:?}", loaded.problems);
    // A file with two documents still gives the good one.
    let names: Vec<&str> = loaded.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["restart-web"]);
}
