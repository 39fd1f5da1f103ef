use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{Catalogue, SourceText, UnknownMetrics, load};

/// Two or more policies in short: a name and what stands under `spec`, one a line of its own.
fn warnings(policies: &[(&str, &str)]) -> Vec<String> {
    let document = |(name, spec): &(&str, &str)| {
        let spec: String = spec.split("; ").map(|line| format!("  {line}\n")).collect();
        let select = if spec.contains("select:") { "" } else { "  select: {kind: vm}\n" };
        format!(
            "---\napiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n{select}{spec}"
        )
    };
    let text = policies.iter().map(document).collect();
    let loaded = load(&[SourceText { name: "test".into(), text }], &Catalogue::new(UnknownMetrics::Allow));
    assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
    assert_eq!(loaded.policies.len(), policies.len());
    loaded.warnings.iter().map(ToString::to_string).collect()
}

fn check(policies: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&warnings(policies).join("\n"));
}

const GROW: &str = "when: avg(\"cpu.utilization\", 5m) > 80%; then: [resize: {vcpus: +2}]";

#[test]
fn pairs_that_oscillate_are_shown_with_the_values_at_which_they_do() {
    // The gap is too small for the response.
    check(
        &[("grow", GROW), ("shrink", "when: avg(\"cpu.utilization\", 1h) < 50%; then: [resize: {vcpus: -2}]")],
        expect![[
            r#"at cpu.utilization 81.7% with 3 vcpus `grow` makes it 5, which gives 49%, at which `shrink` makes it 3 again"#
        ]],
    );
    // Shares, over several responses, and only for a certain size.
    check(
        &[
            ("grow", "when: last(\"cpu.utilization\") > 70%; then: [resize: {vcpus: +50%}]"),
            ("shrink", "when: last(\"cpu.utilization\") < 60%; then: [resize: {vcpus: -25%}]"),
        ],
        expect![[
            r#"at cpu.utilization 71.7% with 9 vcpus `grow` makes it 14, which gives 46.1%, at which `shrink` makes it 11, which gives 58.6%, at which `shrink` makes it 9 again"#
        ]],
    );
    check(
        &[
            ("grow", "when: last(\"cpu.utilization\") > 80%; then: [resize: {vcpus: 8}]"),
            ("shrink", "when: last(\"cpu.utilization\") < 30%; then: [resize: {vcpus: 2}]"),
        ],
        expect![[
            r#"at cpu.utilization 90% with 2 vcpus `grow` makes it 8, which gives 22.5%, at which `shrink` makes it 2 again"#
        ]],
    );
    check(
        &[
            (
                "grow",
                "select: {kind: container}; when: 90% <= last(\"memory.utilization\"); then: [resize: {memory: +512Mi}]",
            ),
            (
                "shrink",
                "select: {kind: container}; when: max(\"memory.utilization\", 1d) < 40%; then: [resize: {memory: -512Mi}]",
            ),
        ],
        expect![[
            r#"at memory.utilization 95% with 256 MiB of memory `grow` makes it 768 MiB, which gives 31.7%, at which `shrink` makes it 256 MiB again"#
        ]],
    );
    // What stands beside it suits both.
    check(
        &[
            (
                "grow",
                "when: last(\"cpu.utilization\") > 80% && last(\"users\") > 3 && !absent(\"users\", 5m); then: [resize: {vcpus: +2}]",
            ),
            (
                "shrink",
                "when: last(\"cpu.utilization\") < 50% && last(\"users\") < 9; then: [notify: {message: small}, resize: {vcpus: -2}]",
            ),
        ],
        expect![[
            r#"at cpu.utilization 81.7% with 3 vcpus `grow` makes it 5, which gives 49%, at which `shrink` makes it 3 again"#
        ]],
    );
}

#[test]
fn pairs_that_want_opposite_things_of_the_same_values_are_shown() {
    check(
        &[("grow", GROW), ("shrink", "when: avg(\"cpu.utilization\", 1h) < 90%; then: [resize: {vcpus: -2}]")],
        expect![[r#"at cpu.utilization 85% with 3 vcpus `grow` makes it larger and `shrink` smaller"#]],
    );
    check(
        &[
            ("a", "select: {kind: container}; when: last(\"errors\") > 5; then: [restart]"),
            ("b", "select: {kind: container}; when: last(\"errors\") >= 5 && last(\"users\") < 1; then: [stop]"),
        ],
        expect![[r#"`a` and `b` want opposite things at errors 7.5 and users 0.5"#]],
    );
    check(
        &[
            ("a", "when: last(\"cpu.utilization\") > 90%; then: [fisicalize]"),
            ("b", "when: last(\"cpu.utilization\") < 95%; then: [release]"),
        ],
        expect![[r#"`a` and `b` want opposite things at cpu.utilization 92.5%"#]],
    );
    // Within branches.
    check(
        &[
            (
                "a",
                "when: last(\"cpu.utilization\") > 10%; then: [{resize: {vcpus: +1}, if: last(\"cpu.utilization\") > 90%}, restart]",
            ),
            ("b", "when: last(\"cpu.utilization\") > 95%; then: [resize: {vcpus: -1}]"),
        ],
        expect![[r#"at cpu.utilization 97.5% with 2 vcpus `a` makes it larger and `b` smaller"#]],
    );
}

#[test]
fn policies_that_move_workloads_to_and_fro_are_shown() {
    let balance = "when: host.avg(\"cpu.utilization\", 5m) > 60% && last(\"cpu.utilization\") > 10%; then: [migrate]";
    let consolidate =
        |below: &str| format!("select: {{kind: host}}; when: avg(\"cpu.utilization\", 5m) < {below}; then: [evacuate]");
    check(
        &[("balance", balance), ("consolidate", &consolidate("65%"))],
        expect![[
            r#"`balance` moves workloads off a host, and `consolidate` empties it onto others, both at its cpu.utilization 62.5%"#
        ]],
    );
    let own = "when: 60% < host.last(\"cpu.utilization\"); then: [{notify: {message: m}}, {fisicalize: {pool: micro}}]";
    check(
        &[("z-own", own), ("consolidate", &consolidate("65%"))],
        expect![[
            r#"`z-own` moves workloads off a host, and `consolidate` empties it onto others, both at its cpu.utilization 62.5%"#
        ]],
    );
    // With a gap between them, or where both relieve what is full, or of other metrics.
    check(&[("balance", balance), ("consolidate", &consolidate("50%"))], expect![[""]]);
    let relieve = "select: {kind: host}; when: avg(\"cpu.utilization\", 5m) > 90%; then: [evacuate]";
    check(&[("balance", balance), ("relieve", relieve)], expect![[""]]);
    let memory = "select: {kind: host}; when: avg(\"memory.utilization\", 5m) < 65%; then: [evacuate]";
    check(&[("balance", balance), ("memory", memory)], expect![[""]]);
}

#[test]
fn pairs_that_cannot_are_not_shown_nor_is_what_cannot_be_read() {
    let never = [
        // The gap is wide enough: at two vcpus or more, two make at most twice as many.
        "when: last(\"cpu.utilization\") < 26%; then: [resize: {vcpus: -2, minVcpus: 2}]",
        "when: last(\"cpu.utilization\") < 20%; then: [resize: {vcpus: -1}]",
        // Other resources.
        "select: {kind: container}; when: last(\"cpu.utilization\") < 50%; then: [resize: {vcpus: -2}]",
        // Something else is changed, or in the same direction.
        "when: last(\"cpu.utilization\") < 50%; then: [resize: {memory: -1Gi}]",
        "when: last(\"cpu.utilization\") < 50%; then: [resize: {vcpus: +2}]",
        "when: last(\"cpu.utilization\") < 50%; then: [restart]",
        // Of another metric, which the response does not change.
        "when: last(\"users\") < 5; then: [resize: {vcpus: -2}]",
        // Of a size that the other one never makes.
        "when: last(\"cpu.utilization\") < 50% && capacity.vcpus < 3; then: [resize: {vcpus: -2}]",
        // What cannot be read.
        "when: last(\"cpu.utilization\") < 50% && state == \"idle\"; then: [resize: {vcpus: -2}]",
        "when: last(\"cpu.utilization\") < 50% || last(\"users\") < 1; then: [resize: {vcpus: -2}]",
        "when: host.last(\"cpu.utilization\") < 50%; then: [resize: {vcpus: -2}]",
        "when: last(\"cpu.utilization\") < 50%; on: idle; then: [resize: {vcpus: -2}]",
        "when: last(\"cpu.utilization\") < 50%; then: [resize: {vcpus: 'last(\"wanted\")'}]",
    ];
    for spec in never {
        assert_eq!(warnings(&[("grow", GROW), ("shrink", spec)]), Vec::<String>::new(), "{spec}");
    }
}

#[test]
fn policies_of_different_resources_leave_each_other_alone() {
    let shrink = "when: last(\"cpu.utilization\") < 50%; then: [resize: {vcpus: -2}]";
    let pairs = [
        ("{kind: vm, matchLabels: {tier: web}}", "{kind: vm, matchLabels: {tier: db}}", false),
        ("{kind: vm, matchLabels: {tier: web}}", "{kind: vm, matchLabels: {team: a}}", true),
        (
            "{kind: vm, matchLabels: {tier: web}}",
            "{kind: vm, matchExpressions: [{key: tier, operator: NotIn, values: [web]}]}",
            false,
        ),
        (
            "{kind: vm, matchLabels: {tier: web}}",
            "{kind: vm, matchExpressions: [{key: tier, operator: DoesNotExist}]}",
            false,
        ),
        ("{kind: vm, matchLabels: {tier: web}}", "{kind: vm, matchExpressions: [{key: tier, operator: Exists}]}", true),
        ("{kind: vm, name: one}", "{kind: vm, name: two}", false),
        ("{kind: vm, name: one}", "{kind: vm}", true),
        ("{kind: vm, within: {kind: host, name: a}}", "{kind: vm, within: {kind: host, name: b}}", false),
        ("{kind: vm, within: {kind: host, name: a}}", "{kind: vm, within: {kind: rack, name: b}}", true),
    ];
    for (one, other, shown) in pairs {
        let (grow, shrink) = (format!("select: {one}; {GROW}"), format!("select: {other}; {shrink}"));
        assert_eq!(!warnings(&[("grow", &grow), ("shrink", &shrink)]).is_empty(), shown, "{one} and {other}");
    }
}

/// What is known of a policy in the model: whether it holds above or below a utilization, and what it does to the vcpus.
#[derive(Debug, Clone, Copy)]
struct Simple {
    above: bool,
    percent: u32,
    change: i32,
    bound: u32,
}

impl Simple {
    fn spec(self) -> String {
        let Self { above, percent, change, bound } = self;
        let sign = if above { ">" } else { "<" };
        let bound = format!("{}: {bound}", if change > 0 { "maxVcpus" } else { "minVcpus" });
        format!("when: last(\"cpu.utilization\") {sign} {percent}%; then: [resize: {{vcpus: {change:+}, {bound}}}]")
    }

    /// The vcpus after it has acted at this load; `None` when it does not.
    fn acts(self, load: f64, vcpus: u32) -> Option<u32> {
        let (value, limit) = (load / f64::from(vcpus), f64::from(self.percent) / 100.0);
        let holds = if self.above { value > limit } else { value < limit };
        let after = vcpus.saturating_add_signed(self.change);
        let after = if self.change > 0 { after.min(self.bound) } else { after.max(self.bound) };
        let same_way = (after > vcpus) == (self.change > 0) && after != vcpus;
        (holds && same_way).then_some(after)
    }
}

/// What becomes of a resource under two policies at a steady load, from all sizes and loads: `Some(true)` when both act at once somewhere
/// against each other, `Some(false)` when it never comes to rest somewhere, by both of them.
fn simulated(one: Simple, other: Simple) -> Option<bool> {
    let limits = [one.percent, other.percent];
    let mut edges: Vec<f64> =
        (1..=64).flat_map(|vcpus| limits.map(|limit| f64::from(vcpus) * f64::from(limit) / 100.0)).collect();
    edges.push(0.0);
    edges.sort_by(f64::total_cmp);
    let loads: Vec<f64> =
        edges.windows(2).filter(|pair| pair[1] - pair[0] > 1e-6).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    let mut never_rests = false;
    for load in &loads {
        for first in 1..=32 {
            let (mut vcpus, mut seen) = (first, Vec::new());
            loop {
                let (ours, theirs) = (one.acts(*load, vcpus), other.acts(*load, vcpus));
                let (who, after) = match (ours, theirs) {
                    (Some(ours), Some(theirs)) if (ours > vcpus) != (theirs > vcpus) => return Some(true),
                    (Some(after), _) => (0, after),
                    (None, Some(after)) => (1, after),
                    (None, None) => break,
                };
                if let Some(place) = seen.iter().position(|(_, size)| *size == vcpus) {
                    let round: &[(i32, u32)] = &seen[place..];
                    never_rests |= (0..2).all(|who| round.iter().any(|(by, _)| *by == who));
                    break;
                }
                seen.push((who, vcpus));
                vcpus = after;
            }
        }
    }
    never_rests.then_some(false)
}

fn simple() -> impl Strategy<Value = Simple> {
    let change = prop_oneof![-6..=-1_i32, 1..=6_i32];
    (any::<bool>(), 5..=95_u32, change, 1..=24_u32).prop_map(|(above, percent, change, bound)| Simple {
        above,
        percent,
        change,
        bound,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_lint_agrees_with_a_simulation_of_load_over_capacity(one in simple(), other in simple()) {
        let found = warnings(&[("one", &one.spec()), ("other", &other.spec())]);
        let told = found.first().map(|text| text.contains("makes it larger and"));
        prop_assert_eq!(told, simulated(one, other), "{:?}", found);
    }
}
