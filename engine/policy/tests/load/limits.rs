//! Too much, and anything at all, ends in policies and problems.

use homeostat_policy::{Catalogue, Loaded, SourceText, UnknownMetrics, load, load_tests};
use proptest::prelude::*;

use crate::{file, load_all, policy};

#[test]
fn what_is_too_much_is_said_and_not_read() {
    let times = |count: usize, text: &str| vec![text; count].join(", ");
    let full = policy("large", "state == \"x\"");
    let with = |from: &str, to: String| full.replace(from, &to);
    let lines = "${state}\n            ".repeat(40_000);
    for (text, expected) in [
        (
            with(
                "{kind: vm}",
                format!("{{kind: vm, matchExpressions: [\n{}]}}", "      {key: a, operator: Exists},\n".repeat(65)),
            ),
            "out_of_range",
        ),
        (
            with(
                "{kind: vm}",
                format!(
                    "{{kind: vm, matchExpressions: [{{key: a, operator: In, values: [\n{}]}}]}}",
                    "      x1,\n".repeat(257)
                ),
            ),
            "out_of_range",
        ),
        (
            with("  when:", format!("  on: {{event: [\n{}]}}\n  when:", "      vm.crashed,\n".repeat(65))),
            "out_of_range",
        ),
        (with("[restart]", format!("\n    - notify:\n        message: |\n            {lines}")), "out_of_range"),
        (with("[restart]", format!("[{}]", times(33, "restart"))), "too_many_responses"),
    ] {
        let loaded = load_all(&[file("large.yaml", text)]);
        assert!(loaded.policies.is_empty());
        let codes: Vec<String> = loaded.problems.iter().map(homeostat_policy::Problem::code).collect();
        assert!(codes.iter().any(|code| code.ends_with(expected)), "{expected}: {codes:?}");
    }
}

/// What documents are made of, and some of what they are not.
const PIECES: [&str; 52] = [
    "apiVersion: homeostat.dev/v1alpha1\n",
    "kind: Policy\n",
    "kind: PolicyTest\n",
    "metadata: {name: a}\n",
    "spec:\n",
    "  select: {kind: vm}\n",
    "  on: vm.crashed\n",
    "  when: state == \"x\"\n",
    "  when: >\n    state ==\n    \"é\n",
    "  when: \"a \\\"b\\\" \\u00e9 == stat\"\n",
    "  when: 'it''s'\n",
    "  then:\n",
    "    - restart\n",
    "    - resize: {vcpus: +2}\n",
    "      attempts: 2\n",
    "  then: [notify: {message: ${x}}]\n",
    "    - notify: {message: 'é ${labels[\"}\"]} ${state'}\n",
    "    - if: state == \"é\"\n",
    "      else:\n",
    "      else: [migrate]\n",
    "        - script: |\n            let x = state;\n            x\n",
    "    - resize: {vcpus: + capacity.vcpus, memory: é}\n",
    "  on: {event: [vm.crashed], where: event.x, count: 3, within: 1m}\n",
    "  on: {sequence: [vm.crashed, {event: vm.started}], within: 1m}\n",
    "  on: {absent: vm.started, for: 1m}\n",
    "  clear: state == \"é\"\n",
    "  select: {kind: vm, within: {kind: host, matchExpressions: [{key: a, operator: In, values: [b]}]}}\n",
    "  when: {file: heap.rhai}\n",
    "---\n",
    "...\n",
    "--- ",
    "%YAML 1.2\n",
    "\u{feff}",
    "&a ",
    "*a ",
    "<<: ",
    "!x ",
    "!!str ",
    "? ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "\t",
    "\r\n",
    "é",
    "\"",
    "'",
    "|\n",
    "  expect: [{at: 5m}]\n",
    "  policies: [a.yaml]\n",
];

proptest! {
    #[test]
    fn any_heap_of_yaml_is_loaded_without_a_panic(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)) {
        let sources = [file("heap.yaml", pieces.concat()), file("heap.rhai", pieces.concat())];
        let Loaded { policies, mut problems, .. } = load_all(&sources);
        let (tests, more) = load_tests(&sources);
        problems.extend(more);
        for problem in &problems {
            prop_assert!(sources[0].text.get(problem.span()).is_some(), "{:?} of {:?}", problem.span(), sources[0].text);
            prop_assert!(!problem.code().is_empty() && problem.line() > 0 && problem.column() > 0);
            prop_assert!(problem.help().is_some_and(|help| !help.is_empty()), "{problem:?}");
            let mut rendered = String::new();
            prop_assert!(miette::NarratableReportHandler::new().render_report(&mut rendered, problem).is_ok());
        }
        // Nothing is passed over in silence: a document of ours is loaded or refused.
        let ours = sources[0].text.lines().any(|line| line == "kind: Policy");
        prop_assert!(!ours || !policies.is_empty() || !tests.is_empty() || !problems.is_empty(), "{}", sources[0].text);
    }
}

#[test]
fn a_script_that_rhai_refuses_is_shown_where_it_stands() {
    let text = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  select: {kind: vm}\n  \
                when: state.oops() == 1\n  then: [restart]\n";
    let source = SourceText { name: "p.yaml".into(), text: text.into() };
    let mut loaded = load(&[source], &Catalogue::new(UnknownMetrics::Allow));
    assert_eq!((loaded.policies.len(), loaded.problems.len()), (1, 0));
    let name = loaded.policies[0].name.clone();
    loaded.refuse_script(&name, 0, Some(6), "Function not found: oops".into());
    assert!(loaded.policies.is_empty());
    let plain = loaded.problems[0].plain();
    assert_eq!((plain.line, plain.column), (6, 15), "{plain:?}");
    assert_eq!(plain.code, "homeostat::policy::script");
}
