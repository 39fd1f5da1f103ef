//! Files in, policies and problems out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use expect_test::{Expect, expect};
use homeostat_model::{
    AdapterName, Capabilities, Change, Duration, Kind, KindCapability, MetricDescription, MetricName, Mode, Resizing,
    Response, Severity, Unit, Verb,
};
use homeostat_policy::{
    Catalogue, Loaded, MAX_EXPRESSION_BYTES, MAX_FILE_BYTES, Rung, SourceText, UnknownMetrics, load, load_tests,
};
use proptest::prelude::*;

mod catalogue;

fn file(name: &str, text: impl Into<String>) -> SourceText {
    SourceText { name: name.into(), text: text.into() }
}

/// A policy with this name and condition.
fn policy(name: &str, when: &str) -> String {
    format!(
        "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  select: {{kind: vm}}\n  \
         when: {when}\n  then: [restart]\n"
    )
}

fn load_all(sources: &[SourceText]) -> Loaded {
    load(sources, &catalogue::catalogue())
}

/// The names of the loaded policies, then the problems.
fn check(loaded: &Loaded, expected: Expect) {
    let names = loaded.policies.iter().map(|policy| policy.name.to_string());
    let problems = loaded.problems.iter().map(|problem| {
        let plain = problem.plain();
        format!("{}:{}:{} {} {}", plain.file, plain.line, plain.column, plain.code, plain.message)
    });
    expected.assert_eq(&names.chain(problems).collect::<Vec<_>>().join("\n"));
}

const WHOLE: &str = r#"# Grows what is hot.
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: vm-cpu-pressure, labels: {team: web}}
spec:
  description: >
    Grow a hot VM,
    or move it.
  metrics: [{name: my.metric, unit: ratio}]
  select: {kind: vm, matchLabels: {tier: web, version: 1.10}}
  when: >-
    avg("cpu.utilization", 5m) > 85%
    && state == "running" && last("my.metric") < 10%
  for: 2m
  staleAfter: 90s
  mode: approve
  priority: 50
  cooldown: 10m
  then:
    - resize: {vcpus: +2, maxVcpus: 16, memory: +512Mi, minMemory: 1Gi}
      attempts: 2
    - resize: {memory: 2Gi}
    - resize: {vcpus: -25%}
    - migrate: {}
    - migrate
    - fisicalize: {pool: microservers}
    - notify: {severity: warning, message: "no room for ${resource}"}
    - restart:
"#;

#[test]
fn a_whole_policy_is_read_field_by_field() {
    let loaded = load_all(&[file("whole.yaml", WHOLE)]);
    check(&loaded, expect!["vm-cpu-pressure"]);
    let policy = &loaded.policies[0];
    assert_eq!(policy.labels["team"], "web");
    assert_eq!(policy.description, "Grow a hot VM, or move it.");
    assert_eq!(policy.select.kind.as_str(), "vm");
    assert_eq!(policy.select.match_labels["version"], "1.10", "a label is text, also when it looks like a number");
    assert_eq!(policy.on, None);
    let when = policy.when.as_ref().unwrap();
    assert_eq!(&when.text[when.expr.span.clone()], when.text);
    assert!(when.text.starts_with("avg(\"cpu.utilization\", 5m) > 85% && state"), "{}", when.text);
    assert_eq!((policy.hold_for, policy.stale_after), (Duration::from_mins(2), Duration::from_secs(90)));
    assert_eq!((policy.mode, policy.priority, policy.cooldown), (Mode::Approve, 50, Duration::from_mins(10)));
    assert_eq!(policy.text, WHOLE);
    let resizing = |change| Resizing { change, min: None, max: None };
    let gib = 1024.0 * 1024.0 * 1024.0;
    let responses = [
        Response::Resize {
            vcpus: Some(Resizing { max: Some(16.0), ..resizing(Change::By(2.0)) }),
            memory: Some(Resizing { min: Some(gib), ..resizing(Change::By(gib / 2.0)) }),
        },
        Response::Resize { vcpus: None, memory: Some(resizing(Change::To(2.0 * gib))) },
        Response::Resize { vcpus: Some(resizing(Change::ByShare(-0.25))), memory: None },
        Response::Migrate,
        Response::Migrate,
        Response::Fisicalize { pool: "microservers".into() },
        Response::Notify { severity: Severity::Warning, message: "no room for ${resource}".into() },
        Response::Restart,
    ];
    let attempts = |index| if index == 0 { 2 } else { 1 };
    let rungs = responses.into_iter().enumerate();
    assert_eq!(policy.then, rungs.map(|(i, response)| Rung { response, attempts: attempts(i) }).collect::<Vec<_>>());
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: host-down}\nspec:\n  \
                select: {kind: host}\n  on: host.down\n  when: event.reason == \"panic\"\n  then: [evacuate]\n";
    let loaded = load_all(&[file("host.yaml", text)]);
    check(&loaded, expect!["host-down"]);
    let policy = &loaded.policies[0];
    assert_eq!(policy.on.as_ref().unwrap().as_str(), "host.down");
    assert_eq!((policy.mode, policy.priority), (Mode::Auto, 0));
    assert_eq!((policy.hold_for, policy.stale_after), (Duration::ZERO, Duration::from_mins(2)));
    assert_eq!(policy.cooldown, Duration::from_mins(5));
    assert!(policy.labels.is_empty() && policy.description.is_empty() && policy.select.match_labels.is_empty());
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

const TEST: &str = r#"apiVersion: homeostat.dev/v1alpha1
kind: PolicyTest
metadata: {name: cpu-pressure}
spec:
  policies: [vm-cpu-pressure.yaml]
  resources:
    - {id: vm/web-1, labels: {tier: web}, on: host/h1, capacity: {vcpus: 2, memory: 4Gi}, attributes: {state: running, cordoned: true, cores: 2, zone: "7"}}
    - {id: vm/web-2, capacity: {memory: 1024}}
  interval: 30s
  series:
    - {resource: vm/web-1, metric: cpu.utilization, values: "0.5x1 _ 1+0.5x1"}
  events:
    - {at: 3m, resource: vm/web-1, type: vm.crashed, attributes: {reason: panic}}
  actions:
    - {resource: vm/web-1, action: restart, fails: "no such host"}
    - {resource: vm/web-1, action: migrate, takes: 30s}
  expect:
    - at: 4m
      findings: []
      explain: {resource: vm/web-1, policy: vm-cpu-pressure, holds: false, because: "avg(cpu.utilization, 5m)", status: waiting}
    - at: 12m
      plans:
        - policy: vm-cpu-pressure
          subject: vm/web-1
          steps:
            - {resource: vm/web-1, action: resize, to: {vcpus: 4}}
            - {resource: vm/web-1, action: migrate, to: host/h2}
            - {resource: vm/web-1, action: restart, on: host/h3}
---
apiVersion: homeostat.dev/v1alpha1
kind: PolicyTest
spec:
  policies: [other.yaml]
  input: recorded.jsonl
  expect: [{at: 1h, findings: [{policy: other, resource: vm/unheard-of}]}]
"#;

#[test]
fn a_test_document_is_read_field_by_field() {
    let (tests, problems) = load_tests(&[file("cpu.test.yaml", TEST)]);
    assert!(problems.is_empty(), "{problems:?}");
    let [first, second] = &tests[..] else { panic!("{tests:?}") };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("cpu-pressure", "cpu.test.yaml"));
    expect![[r#"
        PolicyTest {
            file: "cpu.test.yaml",
            name: "cpu-pressure",
            policies: [
                "vm-cpu-pressure.yaml",
            ],
            resources: [
                Resource {
                    id: "vm/web-1",
                    adapter: None,
                    on: Some(
                        "host/h1",
                    ),
                    labels: {
                        "tier": "web",
                    },
                    attributes: {
                        "cordoned": Bool(
                            true,
                        ),
                        "cores": Number(
                            2.0,
                        ),
                        "state": Text(
                            "running",
                        ),
                        "zone": Text(
                            "7",
                        ),
                    },
                    capacity: Capacity {
                        vcpus: Some(
                            2.0,
                        ),
                        memory_bytes: Some(
                            4294967296,
                        ),
                    },
                },
                Resource {
                    id: "vm/web-2",
                    adapter: None,
                    on: None,
                    labels: {},
                    attributes: {},
                    capacity: Capacity {
                        vcpus: None,
                        memory_bytes: Some(
                            1024,
                        ),
                    },
                },
            ],
            interval: Duration(
                30000,
            ),
            series: [
                Series {
                    resource: "vm/web-1",
                    metric: "cpu.utilization",
                    values: [
                        Some(
                            0.5,
                        ),
                        Some(
                            0.5,
                        ),
                        None,
                        Some(
                            1.0,
                        ),
                        Some(
                            1.5,
                        ),
                    ],
                },
            ],
            events: [
                TestEvent {
                    at: Duration(
                        180000,
                    ),
                    resource: "vm/web-1",
                    event_type: "vm.crashed",
                    attributes: {
                        "reason": Text(
                            "panic",
                        ),
                    },
                },
            ],
            input: None,
            actions: [
                InjectedResult {
                    resource: "vm/web-1",
                    action: Restart,
                    fails: Some(
                        "no such host",
                    ),
                    takes: Duration(
                        0,
                    ),
                    place: Place {
                        span: 555..556,
                        line: 15,
                    },
                },
                InjectedResult {
                    resource: "vm/web-1",
                    action: Migrate,
                    fails: None,
                    takes: Duration(
                        30000,
                    ),
                    place: Place {
                        span: 622..623,
                        line: 16,
                    },
                },
            ],
            expect: [
                Expectation {
                    at: Duration(
                        240000,
                    ),
                    findings: Some(
                        [],
                    ),
                    explain: [
                        Explanation {
                            resource: "vm/web-1",
                            policy: Some(
                                "vm-cpu-pressure",
                            ),
                            holds: Some(
                                False,
                            ),
                            because: Some(
                                "avg(cpu.utilization, 5m)",
                            ),
                            status: Some(
                                "waiting",
                            ),
                            place: Place {
                                span: 729..730,
                                line: 20,
                            },
                        },
                    ],
                    plans: None,
                    place: Place {
                        span: 688..690,
                        line: 18,
                    },
                },
                Expectation {
                    at: Duration(
                        720000,
                    ),
                    findings: None,
                    explain: [],
                    plans: Some(
                        [
                            ExpectedPlan {
                                policy: "vm-cpu-pressure",
                                subject: Some(
                                    "vm/web-1",
                                ),
                                steps: Some(
                                    [
                                        ExpectedStep {
                                            resource: "vm/web-1",
                                            action: Resize,
                                            amount: Some(
                                                Amount {
                                                    vcpus: Some(
                                                        4.0,
                                                    ),
                                                    memory_bytes: None,
                                                },
                                            ),
                                            host: None,
                                            place: Place {
                                                span: 963..964,
                                                line: 26,
                                            },
                                        },
                                        ExpectedStep {
                                            resource: "vm/web-1",
                                            action: Migrate,
                                            amount: None,
                                            host: Some(
                                                "host/h2",
                                            ),
                                            place: Place {
                                                span: 1030..1031,
                                                line: 27,
                                            },
                                        },
                                        ExpectedStep {
                                            resource: "vm/web-1",
                                            action: Restart,
                                            amount: None,
                                            host: Some(
                                                "host/h3",
                                            ),
                                            place: Place {
                                                span: 1095..1096,
                                                line: 28,
                                            },
                                        },
                                    ],
                                ),
                                place: Place {
                                    span: 880..886,
                                    line: 23,
                                },
                            },
                        ],
                    ),
                    place: Place {
                        span: 849..851,
                        line: 21,
                    },
                },
            ],
        }
    "#]]
    .assert_debug_eq(first);
    assert_eq!(second.input.as_deref(), Some("recorded.jsonl"));
    assert_eq!(second.interval, Duration::from_secs(15));
    assert_eq!(second.expect[0].findings.as_ref().unwrap()[0].resource.as_str(), "vm/unheard-of");
}

/// What documents are made of, and some of what they are not.
const PIECES: [&str; 40] = [
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
        let sources = [file("heap.yaml", pieces.concat())];
        let Loaded { policies, mut problems, .. } = load_all(&sources);
        let (tests, more) = load_tests(&sources);
        problems.extend(more);
        for problem in &problems {
            prop_assert!(sources[0].text.get(problem.span()).is_some(), "{:?} of {:?}", problem.span(), sources[0].text);
            prop_assert!(!problem.code().is_empty() && problem.line() > 0 && problem.column() > 0);
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
    loaded.refuse_script(&name, Some(6), "Function not found: oops".into());
    assert!(loaded.policies.is_empty());
    let plain = loaded.problems[0].plain();
    assert_eq!((plain.line, plain.column), (6, 15), "{plain:?}");
    assert_eq!(plain.code, "homeostat::policy::script");
}
