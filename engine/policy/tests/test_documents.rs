//! What tests of policies may say about inputs, results of steps, and what is to be so.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use expect_test::expect;
use homeostat_policy::{PolicyTest, SourceText, load_tests};

/// A test document with this spec besides what it always has.
fn read(spec: &str) -> PolicyTest {
    let text = format!(
        "apiVersion: homeostat.dev/v1alpha1\nkind: PolicyTest\nspec:\n  policies: [a.yaml]\n  \
         resources: [{{id: vm/a}}, {{id: vm/b}}]\n{spec}"
    );
    let (tests, problems) = load_tests(&[SourceText { name: "a.test.yaml".into(), text }]);
    assert!(problems.is_empty(), "{problems:?}");
    tests.into_iter().next().unwrap()
}

const NOTHING: &str = "  expect: [{at: 1m, plans: []}]\n";

#[test]
fn resources_appear_change_and_go_in_the_order_of_time() {
    let spec = "  inventory:
    - {at: 3m, remove: vm/c}
    - {at: 1m, add: {id: vm/c, on: host/h1, labels: {tier: web}, capacity: {memory: 1Gi}}}
    - {at: 2m, change: {id: vm/c, attributes: {state: crashed}}}
    - {at: 4m, add: {id: vm/c}}
  events: [{at: 90s, resource: vm/c, type: vm.crashed}]
";
    expect![[r#"
        [
            InventoryChange {
                at: Duration(
                    60000,
                ),
                edit: Add(
                    Resource {
                        id: "vm/c",
                        adapter: None,
                        on: Some(
                            "host/h1",
                        ),
                        labels: {
                            "tier": "web",
                        },
                        attributes: {},
                        capacity: Capacity {
                            vcpus: None,
                            memory_bytes: Some(
                                1073741824,
                            ),
                        },
                    },
                ),
            },
            InventoryChange {
                at: Duration(
                    120000,
                ),
                edit: Change(
                    Resource {
                        id: "vm/c",
                        adapter: None,
                        on: None,
                        labels: {},
                        attributes: {
                            "state": Text(
                                "crashed",
                            ),
                        },
                        capacity: Capacity {
                            vcpus: None,
                            memory_bytes: None,
                        },
                    },
                ),
            },
            InventoryChange {
                at: Duration(
                    180000,
                ),
                edit: Remove(
                    "vm/c",
                ),
            },
            InventoryChange {
                at: Duration(
                    240000,
                ),
                edit: Add(
                    Resource {
                        id: "vm/c",
                        adapter: None,
                        on: None,
                        labels: {},
                        attributes: {},
                        capacity: Capacity {
                            vcpus: None,
                            memory_bytes: None,
                        },
                    },
                ),
            },
        ]
    "#]]
    .assert_debug_eq(&read(&(spec.to_owned() + NOTHING)).inventory);
}

#[test]
fn a_sample_may_be_measured_before_it_arrives() {
    let spec = "  samples:
    - {at: 3m, resource: vm/a, metric: cpu.utilization, value: 95%}
    - {at: 3m, time: 1m, resource: vm/a, metric: cpu.utilization, value: -1e-3}
";
    expect![[r#"
        [
            TestSample {
                at: Duration(
                    180000,
                ),
                time: Duration(
                    180000,
                ),
                resource: "vm/a",
                metric: "cpu.utilization",
                value: 0.9500000000000001,
            },
            TestSample {
                at: Duration(
                    180000,
                ),
                time: Duration(
                    60000,
                ),
                resource: "vm/a",
                metric: "cpu.utilization",
                value: -0.001,
            },
        ]
    "#]]
    .assert_debug_eq(&read(&(spec.to_owned() + NOTHING)).samples);
}

#[test]
fn a_step_ends_as_the_test_wants_as_often_as_it_wants() {
    let spec = "  actions:
    - {resource: vm/a, action: restart, fails: no disk, times: 2}
    - {resource: vm/a, action: restart, refuses: it is locked, takes: 3s}
    - {resource: vm/a, action: resize, unknown: true}
    - {resource: vm/a, action: resize, unknown: the line is dead}
    - {resource: vm/b, action: restart, takes: 1h}
";
    let actions = read(&(spec.to_owned() + NOTHING)).actions;
    let told: Vec<String> = actions
        .iter()
        .map(|one| {
            format!("{} {} {:?} takes {} times {:?}", one.resource, one.action, one.outcome, one.takes, one.times)
        })
        .collect();
    expect![[r#"
        vm/a restart Fails("no disk") takes 0s times Some(2)
        vm/a restart Refuses("it is locked") takes 3s times None
        vm/a resize Unknown("the test wants it so") takes 0s times None
        vm/a resize Unknown("the line is dead") takes 0s times None
        vm/b restart Done takes 1h times None"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn clauses_times_and_notifications_can_be_expected() {
    let spec = "  expect:
    - at: 2m
      notified: []
      explain:
        resource: vm/a
        status: held back
        clauses: {'avg(\"cpu\", 1m) > 90%': true, absent: unknown}
        actsAt: 3m
    - at: 4m
      notified:
        - {policy: hot, resource: vm/a, severity: critical, contains: 0.95}
        - {policy: hot}
";
    expect![[r#"
        [
            Expectation {
                at: Duration(
                    120000,
                ),
                findings: None,
                explain: [
                    Explanation {
                        resource: "vm/a",
                        policy: None,
                        holds: None,
                        because: None,
                        status: Some(
                            "held back",
                        ),
                        clauses: [
                            (
                                "avg(\"cpu\", 1m) > 90%",
                                True,
                            ),
                            (
                                "absent",
                                Unknown,
                            ),
                        ],
                        acts_at: Some(
                            Duration(
                                180000,
                            ),
                        ),
                        place: Place {
                            span: 182..190,
                            line: 10,
                        },
                    },
                ],
                plans: None,
                notified: Some(
                    [],
                ),
                place: Place {
                    span: 133..135,
                    line: 7,
                },
            },
            Expectation {
                at: Duration(
                    240000,
                ),
                findings: None,
                explain: [],
                plans: None,
                notified: Some(
                    [
                        ExpectedNotification {
                            policy: "hot",
                            resource: Some(
                                "vm/a",
                            ),
                            severity: Some(
                                Critical,
                            ),
                            contains: Some(
                                "0.95",
                            ),
                            place: Place {
                                span: 346..347,
                                line: 16,
                            },
                        },
                        ExpectedNotification {
                            policy: "hot",
                            resource: None,
                            severity: None,
                            contains: None,
                            place: Place {
                                span: 422..423,
                                line: 17,
                            },
                        },
                    ],
                ),
                place: Place {
                    span: 313..315,
                    line: 14,
                },
            },
        ]
    "#]]
    .assert_debug_eq(&read(spec).expect);
}
