//! What a policy test can say is read.

use expect_test::expect;
use homeostat_model::Duration;
use homeostat_policy::load_tests;

use crate::file;

const TEST: &str = include_str!("../good/whole.test.yaml");

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
            inventory: [],
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
            samples: [],
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
                    outcome: Fails(
                        "no such host",
                    ),
                    takes: Duration(
                        0,
                    ),
                    times: None,
                    place: Place {
                        span: 555..556,
                        line: 15,
                    },
                },
                InjectedResult {
                    resource: "vm/web-1",
                    action: Migrate,
                    outcome: Done,
                    takes: Duration(
                        30000,
                    ),
                    times: None,
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
                            clauses: [],
                            acts_at: None,
                            place: Place {
                                span: 729..730,
                                line: 20,
                            },
                        },
                    ],
                    plans: None,
                    notified: None,
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
                                                    cpu_shares: None,
                                                    cpus: None,
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
                    notified: None,
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
