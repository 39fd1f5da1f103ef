//! What becomes of what several policies want of one resource: duplicates merge, opposites cancel, priorities decide, losers are
//! recorded.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, centre, host, id, plan, policy, slow, vm};
use expect_test::expect;
use homeostat_engine::OperatorCommand;
use homeostat_model::*;
use homeostat_simulator::Assumption;

/// A policy on VMs that answers the metric `cpu`, or another one.
fn on_vms(name: &str, lines: &str) -> String {
    policy(name, &format!("select: {{kind: vm}}\nstaleAfter: 1h\ncooldown: 1m\n{lines}"))
}

fn grow(name: &str, metric: &str, more: &str) -> String {
    on_vms(name, &format!("when: last(\"{metric}\") > 80%\n{more}\nthen: [resize: {{vcpus: +2}}]"))
}

fn shrink(name: &str, metric: &str, more: &str) -> String {
    on_vms(name, &format!("when: last(\"{metric}\") > 80%\n{more}\nthen: [resize: {{vcpus: -1}}]"))
}

fn one_vm() -> Vec<Resource> {
    vec![host("host/a", 16.0, &[]), vm("vm/one", "host/a", 2.0)]
}

fn because(bench: &mut Bench, policy: &str) -> String {
    let explained = bench.driver.engine().explain(&id("vm/one"));
    explained.into_iter().find(|one| one.policy.as_str() == policy).unwrap().because
}

#[test]
fn two_policies_that_ask_for_the_same_get_one_plan() {
    let yaml = [grow("first", "cpu", ""), grow("second", "cpu", "")].concat();
    let mut bench = Bench::new(&yaml, one_vm(), slow(20));
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        15,
        expect![[r#"
        10s opened first on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s opened second on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 resize for first, second: vm/one resize to 4 vcpus
        10s begins p1-1/1
    "#]],
    );
    expect![[r#"plan p1-1 is in flight; last("cpu") > 80% is true (last(cpu) = 0.9)"#]]
        .assert_eq(&because(&mut bench, "first"));
    expect![[r#"plan p1-1, made for first on vm/one, is in flight; last("cpu") > 80% is true (last(cpu) = 0.9)"#]]
        .assert_eq(&because(&mut bench, "second"));
    // Both rest, and both are done with it.
    bench.until(
        60,
        expect![[r#"
        30s ended p1-1/1: Done { observed: "assumed" }
        30s plan p1-1: Succeeded
        30s held first on vm/one: cooldown: the policy acted here not long ago
        30s held second on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
    bench.until(
        100,
        expect![[r#"
            90s handed over first on vm/one: the ladder is at its end: resize
            90s told: a person has to go on with vm/one: the ladder is at its end: resize
            90s handed over second on vm/one: the ladder is at its end: resize
            90s told: a person has to go on with vm/one: the ladder is at its end: resize
        "#]],
    );
}

#[test]
fn who_comes_later_joins_the_plan_in_flight() {
    let later = policy(
        "second",
        "select: {kind: vm}\nstaleAfter: 1h\nwhen: last(\"load\") > 80%\npriority: 5\ncooldown: 2m\nthen: [resize: {vcpus: +2}]",
    );
    let mut bench = Bench::new(&[grow("first", "cpu", ""), later].concat(), one_vm(), slow(20));
    bench.sample(10, "vm/one", "cpu", 0.9).sample(15, "vm/one", "load", 0.9).until(
        200,
        expect![[r#"
            10s opened first on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for first: vm/one resize to 4 vcpus
            10s begins p1-1/1
            15s opened second on vm/one: last("load") > 80% is true (last(load) = 0.9)
            15s second on vm/one joins plan p1-1
            30s ended p1-1/1: Done { observed: "assumed" }
            30s plan p1-1: Succeeded
            30s held second on vm/one: cooldown: the policy acted here not long ago
            30s held first on vm/one: cooldown: the policy acted here not long ago
            90s handed over first on vm/one: the ladder is at its end: resize
            90s told: a person has to go on with vm/one: the ladder is at its end: resize
            150s handed over second on vm/one: the ladder is at its end: resize
            150s told: a person has to go on with vm/one: the ladder is at its end: resize
        "#]],
    );
}

#[test]
fn a_plan_that_waits_for_a_person_waits_for_both_findings() {
    let yaml = [grow("first", "cpu", "mode: approve"), grow("second", "load", "mode: approve")].concat();
    let mut bench = Bench::new(&yaml, one_vm(), slow(5));
    bench.sample(10, "vm/one", "cpu", 0.9).sample(15, "vm/one", "load", 0.9);
    // The one that made it closes; the other one still wants it.
    bench.sample(20, "vm/one", "cpu", 0.5).until(
        25,
        expect![[r#"
            10s opened first on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for first: vm/one resize to 4 vcpus
            10s held first on vm/one: mode approve: the plan waits for a person
            10s told: plan p1-1 waits for approval: resize vm/one, 1 step; then vm/one has 4 vcpus; its hash is c78c16babd6dbee1
            15s opened second on vm/one: last("load") > 80% is true (last(load) = 0.9)
            15s second on vm/one joins plan p1-1
            20s closed first on vm/one: last("cpu") > 80% is false (last(cpu) = 0.5)
        "#]],
    );
    expect![[r#"mode approve: the plan waits for a person; last("load") > 80% is true (last(load) = 0.9)"#]]
        .assert_eq(&because(&mut bench, "second"));
    bench.operator(30, OperatorCommand::Approve(plan(1))).until(
        60,
        expect![[r#"
            30s an operator approves of plan p1-1
            30s begins plan p1-1
            30s begins p1-1/1
            35s ended p1-1/1: Done { observed: "assumed" }
            35s plan p1-1: Succeeded
            35s held second on vm/one: cooldown: the policy acted here not long ago
        "#]],
    );
    // When the last one closes, nobody wants it any more.
    let mut bench = Bench::new(&yaml, one_vm(), slow(5));
    bench.sample(10, "vm/one", "cpu", 0.9).sample(15, "vm/one", "load", 0.9);
    bench.sample(20, "vm/one", "cpu", 0.5).sample(25, "vm/one", "load", 0.5).until(
        30,
        expect![[r#"
            10s opened first on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for first: vm/one resize to 4 vcpus
            10s held first on vm/one: mode approve: the plan waits for a person
            10s told: plan p1-1 waits for approval: resize vm/one, 1 step; then vm/one has 4 vcpus; its hash is c78c16babd6dbee1
            15s opened second on vm/one: last("load") > 80% is true (last(load) = 0.9)
            15s second on vm/one joins plan p1-1
            20s closed first on vm/one: last("cpu") > 80% is false (last(cpu) = 0.5)
            25s closed second on vm/one: last("load") > 80% is false (last(load) = 0.5)
            25s plan p1-1: Cancelled { reason: "the finding has closed" }
        "#]],
    );
}

#[test]
fn who_may_act_by_itself_does_not_wait_for_whoever_may_not() {
    let yaml = [grow("first", "cpu", "mode: approve"), grow("second", "load", "")].concat();
    let mut bench = Bench::new(&yaml, one_vm(), slow(5));
    bench.sample(10, "vm/one", "cpu", 0.9).sample(15, "vm/one", "load", 0.9).until(
        60,
        expect![[r#"
            10s opened first on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for first: vm/one resize to 4 vcpus
            10s held first on vm/one: mode approve: the plan waits for a person
            10s told: plan p1-1 waits for approval: resize vm/one, 1 step; then vm/one has 4 vcpus; its hash is c78c16babd6dbee1
            15s opened second on vm/one: last("load") > 80% is true (last(load) = 0.9)
            15s plan p1-2 resize for second: vm/one resize to 4 vcpus
            15s plan p1-1: Cancelled { reason: "plan p1-2 does the same" }
            15s first on vm/one joins plan p1-2
            15s begins p1-2/1
            20s ended p1-2/1: Done { observed: "assumed" }
            20s plan p1-2: Succeeded
            20s held first on vm/one: cooldown: the policy acted here not long ago
            20s held second on vm/one: cooldown: the policy acted here not long ago
        "#]],
    );
}

#[test]
fn a_plan_that_fails_has_failed_for_both() {
    let yaml = [grow("first", "cpu", ""), grow("second", "cpu", "")].concat();
    let ends = Some(StepResult::Refused { reason: "locked".into() });
    let refuses = homeostat_simulator::Assumption { ends, ..Default::default() };
    let mut bench = Bench::new(&yaml, one_vm(), vec![refuses]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        60,
        expect![[r#"
            10s opened first on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s opened second on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for first, second: vm/one resize to 4 vcpus
            10s begins p1-1/1
            10s ended p1-1/1: Refused { reason: "locked" }
            10s plan p1-1: Failed { step: StepId(1), reason: "refused: locked" }
            10s handed over first on vm/one: the ladder is at its end: resize
            10s told: a person has to go on with vm/one: the ladder is at its end: resize
            10s handed over second on vm/one: the ladder is at its end: resize
            10s told: a person has to go on with vm/one: the ladder is at its end: resize
        "#]],
    );
}

#[test]
fn opposites_of_the_same_priority_cancel_until_one_of_them_closes() {
    let yaml = [grow("grow", "cpu", ""), shrink("shrink", "cpu", "")].concat();
    let mut bench = Bench::new(&yaml.replacen("> 80%", "> 70%", 1), one_vm(), slow(5));
    bench.sample(10, "vm/one", "cpu", 0.9).until(120, expect![[r#"
        10s opened grow on vm/one: last("cpu") > 70% is true (last(cpu) = 0.9)
        10s opened shrink on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s told: grow on vm/one wants vm/one resize to 4 vcpus, and shrink on vm/one the opposite; neither is done until one of them closes, since both policies have the same priority
        10s held grow on vm/one: shrink on vm/one wants the opposite of vm/one resize to 4 vcpus, and neither has priority
        10s held shrink on vm/one: grow on vm/one wants the opposite of vm/one resize to 1 vcpus, and neither has priority
    "#]]);
    expect![[r#"shrink on vm/one wants the opposite of vm/one resize to 4 vcpus, and neither has priority; last("cpu") > 70% is true (last(cpu) = 0.9)"#]].assert_eq(&because(&mut bench, "grow"));
    expect![[r#"grow on vm/one wants the opposite of vm/one resize to 1 vcpus, and neither has priority; last("cpu") > 80% is true (last(cpu) = 0.9)"#]].assert_eq(&because(&mut bench, "shrink"));
    bench.sample(130, "vm/one", "cpu", 0.75).until(
        180,
        expect![[r#"
        130s closed shrink on vm/one: last("cpu") > 80% is false (last(cpu) = 0.75)
        130s plan p1-1 resize for grow: vm/one resize to 4 vcpus
        130s begins p1-1/1
        135s ended p1-1/1: Done { observed: "assumed" }
        135s plan p1-1: Succeeded
        135s held grow on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

#[test]
fn what_was_done_is_not_taken_back_while_its_finding_is_open() {
    let yaml = [grow("grow", "cpu", ""), shrink("shrink", "idle", "")].concat();
    let mut bench = Bench::new(&yaml, one_vm(), slow(5));
    bench.sample(10, "vm/one", "cpu", 0.9).sample(20, "vm/one", "idle", 0.9).until(100, expect![[r#"
        10s opened grow on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s plan p1-1 resize for grow: vm/one resize to 4 vcpus
        10s begins p1-1/1
        15s ended p1-1/1: Done { observed: "assumed" }
        15s plan p1-1: Succeeded
        15s held grow on vm/one: cooldown: the policy acted here not long ago
        20s opened shrink on vm/one: last("idle") > 80% is true (last(idle) = 0.9)
        20s told: shrink on vm/one wants vm/one resize to 3 vcpus, and grow on vm/one the opposite; neither is done until one of them closes, since both policies have the same priority
        20s held shrink on vm/one: grow on vm/one wants the opposite of vm/one resize to 3 vcpus, and neither has priority
        75s handed over grow on vm/one: the ladder is at its end: resize
        75s told: a person has to go on with vm/one: the ladder is at its end: resize
    "#]]);
    bench.sample(110, "vm/one", "cpu", 0.1).until(
        200,
        expect![[r#"
            110s closed grow on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
            110s plan p1-2 resize for shrink: vm/one resize to 3 vcpus
            110s begins p1-2/1
            115s ended p1-2/1: Done { observed: "assumed" }
            115s plan p1-2: Succeeded
            115s held shrink on vm/one: cooldown: the policy acted here not long ago
            175s handed over shrink on vm/one: the ladder is at its end: resize
            175s told: a person has to go on with vm/one: the ladder is at its end: resize
        "#]],
    );
}

#[test]
fn of_opposites_the_one_of_greater_priority_wins_as_long_as_its_finding_is_open() {
    for (grows_first, expected) in [
        (
            true,
            expect![[r#"
                10s opened grow on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                10s plan p1-1 resize for grow: vm/one resize to 4 vcpus
                10s begins p1-1/1
                10s opened shrink on vm/one: last("idle") > 80% is true (last(idle) = 0.9)
                10s held shrink on vm/one: grow on vm/one wants the opposite of vm/one resize to 3 vcpus, and has priority
                15s ended p1-1/1: Done { observed: "assumed" }
                15s plan p1-1: Succeeded
                15s held grow on vm/one: cooldown: the policy acted here not long ago
                75s handed over grow on vm/one: the ladder is at its end: resize
                75s told: a person has to go on with vm/one: the ladder is at its end: resize
                110s closed grow on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
                110s plan p1-2 resize for shrink: vm/one resize to 3 vcpus
                110s begins p1-2/1
                115s ended p1-2/1: Done { observed: "assumed" }
                115s plan p1-2: Succeeded
                115s held shrink on vm/one: cooldown: the policy acted here not long ago
                175s handed over shrink on vm/one: the ladder is at its end: resize
                175s told: a person has to go on with vm/one: the ladder is at its end: resize
            "#]],
        ),
        (
            false,
            expect![[r#"
                10s opened shrink on vm/one: last("idle") > 80% is true (last(idle) = 0.9)
                10s plan p1-1 resize for shrink: vm/one resize to 1 vcpus
                10s begins p1-1/1
                10s opened grow on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                10s held grow on vm/one: plan p1-1 has vm/one in hand
                15s ended p1-1/1: Done { observed: "assumed" }
                15s plan p1-1: Succeeded
                15s plan p1-2 resize for grow: vm/one resize to 3 vcpus
                15s begins p1-2/1
                15s held shrink on vm/one: cooldown: the policy acted here not long ago
                20s ended p1-2/1: Done { observed: "assumed" }
                20s plan p1-2: Succeeded
                20s held grow on vm/one: cooldown: the policy acted here not long ago
                75s handed over shrink on vm/one: the ladder is at its end: resize
                75s told: a person has to go on with vm/one: the ladder is at its end: resize
                80s handed over grow on vm/one: the ladder is at its end: resize
                80s told: a person has to go on with vm/one: the ladder is at its end: resize
                110s closed grow on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
            "#]],
        ),
    ] {
        let yaml = [grow("grow", "cpu", "priority: 10"), shrink("shrink", "idle", "priority: 5")].concat();
        let mut bench = Bench::new(&yaml, one_vm(), slow(5));
        let (first, second) = if grows_first { ("cpu", "idle") } else { ("idle", "cpu") };
        bench.sample(10, "vm/one", first, 0.9).sample(10, "vm/one", second, 0.9);
        bench.sample(110, "vm/one", "cpu", 0.1).until(300, expected);
    }
}

#[test]
fn a_policy_that_may_only_watch_opposes_nobody() {
    for mode in ["observe", "recommend"] {
        let yaml = [grow("grow", "cpu", ""), shrink("shrink", "cpu", &format!("priority: 9\nmode: {mode}"))].concat();
        let mut bench = Bench::new(&yaml, one_vm(), slow(5));
        bench.sample(10, "vm/one", "cpu", 0.9).until(
            20,
            match mode {
                "observe" => expect![[r#"
                    10s opened shrink on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                    10s opened grow on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                    10s held shrink on vm/one: mode observe: findings only
                    10s plan p1-1 resize for grow: vm/one resize to 4 vcpus
                    10s begins p1-1/1
                    15s ended p1-1/1: Done { observed: "assumed" }
                    15s plan p1-1: Succeeded
                    15s held grow on vm/one: cooldown: the policy acted here not long ago
                "#]],
                _ => expect![[r#"
                    10s opened shrink on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                    10s opened grow on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                    10s plan p1-1 resize for shrink: vm/one resize to 1 vcpus
                    10s held shrink on vm/one: mode recommend: the plan is shown, not run
                    10s plan p1-2 resize for grow: vm/one resize to 4 vcpus
                    10s begins p1-2/1
                    15s ended p1-2/1: Done { observed: "assumed" }
                    15s plan p1-2: Succeeded
                    15s held grow on vm/one: cooldown: the policy acted here not long ago
                "#]],
            },
        );
    }
}

#[test]
fn starting_and_stopping_cancel_and_other_verbs_take_turns() {
    let yaml = |then: &str| {
        [
            on_vms("a", "when: last(\"x\") > 0\nthen: [stop]"),
            on_vms("b", &format!("when: last(\"x\") > 0\nthen: [{then}]")),
        ]
        .concat()
    };
    let mut bench = Bench::new(&yaml("restart"), one_vm(), slow(5));
    bench.sample(10, "vm/one", "x", 1.0).until(40, expect![[r#"
        10s opened a on vm/one: last("x") > 0 is true (last(x) = 1)
        10s opened b on vm/one: last("x") > 0 is true (last(x) = 1)
        10s told: a on vm/one wants vm/one stop, and b on vm/one the opposite; neither is done until one of them closes, since both policies have the same priority
        10s held a on vm/one: b on vm/one wants the opposite of vm/one stop, and neither has priority
        10s held b on vm/one: a on vm/one wants the opposite of vm/one restart, and neither has priority
    "#]]);
    let mut bench = Bench::new(&yaml("pause"), one_vm(), slow(5));
    bench.sample(10, "vm/one", "x", 1.0).until(
        40,
        expect![[r#"
        10s opened a on vm/one: last("x") > 0 is true (last(x) = 1)
        10s opened b on vm/one: last("x") > 0 is true (last(x) = 1)
        10s plan p1-1 stop for a: vm/one stop
        10s begins p1-1/1
        10s held b on vm/one: plan p1-1 has vm/one in hand
        15s ended p1-1/1: Done { observed: "assumed" }
        15s plan p1-1: Succeeded
        15s held a on vm/one: cooldown: the policy acted here not long ago
        15s plan p1-2 pause for b: vm/one pause
        15s begins p1-2/1
        20s ended p1-2/1: Done { observed: "assumed" }
        20s plan p1-2: Succeeded
        20s held b on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

#[test]
fn an_approved_plan_that_is_opposed_by_then_is_refused() {
    let yaml = [grow("grow", "cpu", "mode: approve"), shrink("shrink", "idle", "priority: 9")].concat();
    let mut bench = Bench::new(&yaml, one_vm(), slow(5));
    bench.sample(10, "vm/one", "cpu", 0.9).sample(20, "vm/one", "idle", 0.9);
    bench.operator(40, OperatorCommand::Approve(plan(1))).until(
        50,
        expect![[r#"
            10s opened grow on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for grow: vm/one resize to 4 vcpus
            10s held grow on vm/one: mode approve: the plan waits for a person
            10s told: plan p1-1 waits for approval: resize vm/one, 1 step; then vm/one has 4 vcpus; its hash is 88ff20fd9d7e243a
            20s opened shrink on vm/one: last("idle") > 80% is true (last(idle) = 0.9)
            20s plan p1-2 resize for shrink: vm/one resize to 1 vcpus
            20s begins p1-2/1
            25s ended p1-2/1: Done { observed: "assumed" }
            25s plan p1-2: Succeeded
            25s held shrink on vm/one: cooldown: the policy acted here not long ago
            40s an operator approves of plan p1-1
            40s held grow on vm/one: shrink on vm/one wants the opposite of vm/one resize to 4 vcpus, and has priority
        "#]],
    );
}

#[test]
fn the_loser_goes_on_when_the_winner_is_called_off() {
    let yaml = [grow("grow", "cpu", "priority: 9"), shrink("shrink", "cpu", "")].concat();
    let mut bench = Bench::new(&yaml, one_vm(), slow(20));
    bench
        .sample(10, "vm/one", "cpu", 0.9)
        .operator(15, OperatorCommand::Cancel { plan: plan(1), by: "an operator".into() })
        .until(
            60,
            expect![[r#"
                10s opened grow on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                10s opened shrink on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
                10s plan p1-1 resize for grow: vm/one resize to 4 vcpus
                10s begins p1-1/1
                10s held shrink on vm/one: grow on vm/one wants the opposite of vm/one resize to 3 vcpus, and has priority
                15s calls off p1-1: cancelled by an operator
                30s ended p1-1/1: Cancelled
                30s plan p1-1: Cancelled { reason: "cancelled by an operator" }
                30s held grow on vm/one: its plan was called off: nothing more is done until the finding closes
                30s plan p1-2 resize for shrink: vm/one resize to 1 vcpus
                30s begins p1-2/1
                50s ended p1-2/1: Done { observed: "assumed" }
                50s plan p1-2: Succeeded
                50s held shrink on vm/one: cooldown: the policy acted here not long ago
            "#]],
        );
}

/// Who joins a plan has done what stands before it in its ladder, and has interrupted what the plan interrupts: its own end is told, and
/// followed by quarantine, also where homeostat was started anew in between.
#[test]
fn who_joins_a_plan_tells_what_comes_before_and_ends_as_if_it_had_made_it() {
    let hot = "when: last(\"cpu\") > 80%";
    let one = on_vms("one", &format!("{hot}\npriority: 2\nhandOver: {{quarantine: false}}\nthen: [restart]"));
    let before = "{notify: {message: look, severity: info}}, {fisicalize: {pool: none}}";
    let two = on_vms("two", &format!("{hot}\nthen: [{before}, restart]"));
    let site = [one, two].concat();
    let no = Some(StepResult::Failed { reason: "no".into() });
    let fails = Assumption { ends: no, takes: Duration::from_secs(20), ..Assumption::default() };
    let mut bench = Bench::new(&site, centre(1), vec![fails]);
    bench.sample(1, "vm/a0", "cpu", 0.9).until(10, expect![[r#"
        1s opened one on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        1s opened two on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        1s told: look
        1s skipped fisicalize of two on vm/a0: none of 0 machines of the pool `none` is free and has 1 vcpus and 8192 MiB
        1s plan p1-1 restart for one, two: vm/a0 restart
        1s two on vm/a0 joins plan p1-1
        1s begins p1-1/1
    "#]]);
    let mut killed = bench.killed_until(12, &site);
    bench.until(
        90,
        expect![[r#"
        21s ended p1-1/1: Failed { reason: "no" }
        21s plan p1-1: Failed { step: StepId(1), reason: "no" }
        21s handed over one on vm/a0: the ladder is at its end: restart
        21s told: a person has to go on with vm/a0: the ladder is at its end: restart
        21s held two on vm/a0: cooldown: the policy acted here not long ago
        61s handed over two on vm/a0: the ladder is at its end: notify, fisicalize, restart
        61s told: a person has to go on with vm/a0: the ladder is at its end: notify, fisicalize, restart
        61s quarantine of vm/a0 by two on vm/a0, 10m
    "#]],
    );
    killed.sample(13, "vm/a0", "cpu", 0.9).until(
        90,
        expect![[r#"
        13s opened one on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        13s opened two on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        21s ended p1-1/1: Failed { reason: "no" }
        21s plan p1-1: Failed { step: StepId(1), reason: "no" }
        21s handed over one on vm/a0: the ladder is at its end: restart
        21s told: a person has to go on with vm/a0: the ladder is at its end: restart
        21s held two on vm/a0: cooldown: the policy acted here not long ago
        61s handed over two on vm/a0: the ladder is at its end: notify, fisicalize, restart
        61s told: a person has to go on with vm/a0: the ladder is at its end: notify, fisicalize, restart
        61s quarantine of vm/a0 by two on vm/a0, 10m
    "#]],
    );
}
