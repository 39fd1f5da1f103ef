//! Policy files and test files of any content end in policies, tests and problems that can be shown.
#![no_main]

use std::{collections::BTreeSet, sync::LazyLock};

use homeostat_fuzz::catalogue;
use homeostat_policy::{CODES, Catalogue, Problem, SourceText, UnknownMetrics, load, load_tests};
use libfuzzer_sys::fuzz_target;
use miette::{GraphicalReportHandler, GraphicalTheme};

static REFUSING: LazyLock<Catalogue> = LazyLock::new(|| catalogue(UnknownMetrics::Refuse).unwrap());
static ALLOWING: LazyLock<Catalogue> = LazyLock::new(|| catalogue(UnknownMetrics::Allow).unwrap());

/// Problems of one file that are drawn: drawing costs as much as the file is long, and the first ones are of all sorts.
const DRAWN: usize = 8;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sources = [SourceText { name: "fuzzed.yaml".into(), text: text.to_owned() }];
    let refused = load(&sources, &REFUSING);
    let allowed = load(&sources, &ALLOWING);
    let (_, in_tests) = load_tests(&sources);
    for problems in [&refused.problems, &allowed.problems, &in_tests] {
        can_be_shown(text, problems);
    }
    let names: BTreeSet<_> = allowed.policies.iter().map(|policy| &policy.name).collect();
    for policy in &refused.policies {
        assert!(policy.on.is_some() || policy.when.is_some(), "{} has no trigger", policy.name);
        assert!(!policy.then.is_empty(), "{} does nothing", policy.name);
        assert!(names.contains(&policy.name), "{} is refused by the catalogue that allows more", policy.name);
    }
});

fn can_be_shown(text: &str, problems: &[Problem]) {
    let drawing = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    for (number, problem) in problems.iter().enumerate() {
        let span = problem.span();
        assert!(text.get(span.clone()).is_some(), "{span:?} is no part of the file: {problem}");
        assert!(CODES.iter().any(|code| *code == problem.code()), "{} is not a known code", problem.code());
        assert!(!problem.to_string().is_empty());
        if number < DRAWN {
            let mut drawn = String::new();
            drawing.render_report(&mut drawn, problem).unwrap();
            assert!(problem.plain().line >= 1 && problem.plain().column >= 1);
        }
    }
}
