//! Files in, policies and problems out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use expect_test::{Expect, expect};
use homeostat_model::{
    AdapterName, Capabilities, Kind, KindCapability, MetricDescription, MetricName, Mode, Unit, Verb,
};
use homeostat_policy::{Catalogue, Loaded, MAX_EXPRESSION_BYTES, MAX_FILE_BYTES, SourceText, UnknownMetrics, load};

#[path = "../catalogue/mod.rs"]
mod catalogue;
mod documents;
mod limits;
mod test_document;

pub(crate) fn file(name: &str, text: impl Into<String>) -> SourceText {
    SourceText { name: name.into(), text: text.into() }
}

/// A policy with this name and condition.
pub(crate) fn policy(name: &str, when: &str) -> String {
    format!(
        "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  select: {{kind: vm}}\n  \
         when: {when}\n  then: [restart]\n"
    )
}

pub(crate) fn load_all(sources: &[SourceText]) -> Loaded {
    load(sources, &catalogue::catalogue())
}

/// The names of the loaded policies, then the problems.
pub(crate) fn check(loaded: &Loaded, expected: Expect) {
    let names = loaded.policies.iter().map(|policy| policy.name.to_string());
    let problems = loaded.problems.iter().map(|problem| {
        let plain = problem.plain();
        format!("{}:{}:{} {} {}", plain.file, plain.line, plain.column, plain.code, plain.message)
    });
    expected.assert_eq(&names.chain(problems).collect::<Vec<_>>().join("\n"));
}

#[test]
fn one_call_says_everything_and_the_good_ones_still_load() {
    let sources = [
        file(
            "mixed.yaml",
            [
                policy("zebra", "state == \"running\""),
                policy("broken", "stat == \"running\" && avg(\"cpu.utilisation\", 5m) > 85%"),
                "kind: Policy\nmetadata: {name: [unclosed\n".into(),
                policy("apple", "last(\"node_load1\") > 4"),
                "apiVersion: homeostat.dev/v1alpha1\nkind: PolicyTest\nspec: {}\n".into(),
                "# only a comment\n".into(),
            ]
            .join("---\n"),
        ),
        file("empty.yaml", ""),
        file("again.yaml", policy("zebra", "state == \"stopped\"")),
        file("large.yaml", "#".repeat(MAX_FILE_BYTES + 1)),
        file("long.yaml", policy("long", &format!("state == \"{}\"", "a".repeat(MAX_EXPRESSION_BYTES)))),
        file("good.yaml", policy("middle", "'!absent(\"cpu.utilization\", 5m)'")),
    ];
    check(
        &load_all(&sources),
        expect![[r#"
            apple
            middle
            zebra
            mixed.yaml:14:9 homeostat::policy::unknown_attribute a vm has no attribute `stat`
            mixed.yaml:14:34 homeostat::policy::unknown_metric `cpu.utilisation` is not a metric that is known of a vm
            mixed.yaml:18:18 homeostat::policy::yaml_syntax this is not YAML: unclosed bracket '['
            again.yaml:3:18 homeostat::policy::duplicate_policy there is another policy named `zebra`
            large.yaml:1:1 homeostat::policy::file_too_large the file has 1048577 bytes, at most 1048576 are read
            long.yaml:6:9 homeostat::policy::expression_too_long the expression has 4107 bytes, at most 4096 are read"#]],
    );
    let Loaded { policies, .. } = load_all(&sources);
    assert!(
        policies[2].text.contains("\"running\""),
        "the first of two policies with one name is the one that is loaded"
    );
}

#[test]
fn anchors_and_merges_are_followed_and_what_is_said_twice_there_is_no_mistake() {
    let text = policy(
        "anchored",
        "&hot avg(\"cpu.utilization\", 5m) > 85%\n  <<: {priority: 3, mode: observe}\n  mode: approve",
    );
    let loaded = load_all(&[file("anchored.yaml", text)]);
    check(&loaded, expect!["anchored"]);
    assert_eq!((loaded.policies[0].priority, loaded.policies[0].mode), (3, Mode::Approve));
    let text = policy("aliased", "&hot avg(\"cpu.utilisation\", 5m) > 85%\n  description: *hot");
    check(
        &load_all(&[file("aliased.yaml", text)]),
        expect![
            "aliased.yaml:6:18 homeostat::policy::unknown_metric `cpu.utilisation` is not a metric that is known of a vm"
        ],
    );
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n\
                d: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e]\n\
                g: [*f, *f, *f, *f, *f, *f, *f, *f]\n";
    let problems = load_all(&[file("bomb.yaml", bomb)]).problems;
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the document is too large or too deeply nested"]
    );
}

#[test]
fn what_nobody_provides_is_allowed_where_only_the_input_knows() {
    let text = policy("future", "avg(\"no.such\", 5m) > 85% && weight > 3").replace("kind: vm", "kind: balloon");
    let sources = [file("future.yaml", text)];
    assert_eq!(load_all(&sources).policies.len(), 0);
    assert_eq!(load(&sources, &Catalogue::new(UnknownMetrics::Allow)).policies.len(), 1);
    assert_eq!(load(&sources, &Catalogue::new(UnknownMetrics::Refuse)).policies.len(), 1, "nothing is connected");
    // Types are checked all the same, with the units that are known.
    let text = policy("units", "last(\"my.metric\") > 5m");
    let description = MetricDescription { unit: Unit::Bytes, help: String::new() };
    let catalogue =
        Catalogue::new(UnknownMetrics::Allow).with_metric(MetricName::new("my.metric").unwrap(), description);
    check(
        &load(&[file("units.yaml", text)], &catalogue),
        expect![
            "units.yaml:6:9 homeostat::policy::unit_mismatch `>` puts a number of bytes and a number of seconds together, which are different units"
        ],
    );
}

#[test]
fn a_metric_that_two_adapters_measure_in_different_units_compares_with_any() {
    let offering = |adapter: &str, unit| {
        let name = MetricName::new("load").unwrap();
        let metrics = [(name, MetricDescription { unit, help: String::new() })].into();
        let kind = KindCapability { metrics, verbs: [Verb::Restart].into(), ..KindCapability::default() };
        let kinds = [(Kind::new("vm").unwrap(), kind)].into();
        Capabilities { adapter: AdapterName::new(adapter).unwrap(), kinds }
    };
    let sources = [file("load.yaml", policy("load", "last(\"load\") > 500Mi"))];
    let one = Catalogue::new(UnknownMetrics::Refuse).with(&offering("a", Unit::Watts));
    assert_eq!(load(&sources, &one).policies.len(), 0);
    let two = one.with(&offering("b", Unit::Ratio));
    assert_eq!(load(&sources, &two).policies.len(), 1);
}

#[test]
fn the_plain_form_is_json_for_programs() {
    let loaded = load_all(&[file("a.yaml", policy("a", "stat == \"x\""))]);
    let plain = loaded.problems[0].plain();
    assert_eq!(
        serde_json::to_string(&plain).unwrap(),
        r#"{"file":"a.yaml","line":6,"column":9,"code":"homeostat::policy::unknown_attribute","message":"a vm has no attribute `stat`","help":"did you mean `state`?"}"#
    );
}
