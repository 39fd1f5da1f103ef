//! What people agree with: what they have seen, of the policy that they have read, and within what bounds the guards set by then.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, at, centre, guard, host, id, policy, slow, vm, vote};
use expect_test::expect;
use homeostat_engine::OperatorCommand;
use homeostat_model::*;

/// Who agrees with what one text proposes has not read the next one.
#[test]
fn agreement_with_plans_of_an_old_text_promotes_no_new_one() {
    let text =
        |does: &str| policy("crash", &format!("{CRASH}mode: recommend\npromote: {{after: 2, to: auto}}\n{does}"));
    let mut bench = Bench::new(&text("then: [restart]"), centre(2), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).event(2, "vm/a1", "vm.crashed", &[]);
    bench.replace(10, &text("then: [kill]")).operator(11, vote(1, "ann", true)).operator(12, vote(2, "ann", true));
    bench.event(20, "vm/b0", "vm.crashed", &[]).until(30, expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s held crash on vm/a0: mode recommend: the plan is shown, not run
        1s closed crash on vm/a0: a plan was recommended
        2s opened crash on vm/a1: event vm.crashed is true
        2s plan p1-2 restart for crash: vm/a1 restart
        2s held crash on vm/a1: mode recommend: the plan is shown, not run
        2s closed crash on vm/a1: a plan was recommended
        10s loaded ["crash"]
        11s refused ann's word about plan p1-1: plan p1-1 was only shown: no word about it counts, one was said already, or its policy is another one by now
        12s refused ann's word about plan p1-2: plan p1-2 was only shown: no word about it counts, one was said already, or its policy is another one by now
        20s opened crash on vm/b0: event vm.crashed is true
        20s plan p1-3 kill for crash: vm/b0 kill
        20s held crash on vm/b0: mode recommend: the plan is shown, not run
        20s closed crash on vm/b0: a plan was recommended
    "#]]);
}

/// A plan waits for two policies. The one that made it is edited: people approve of what it proposes now.
#[test]
fn a_plan_of_an_edited_policy_does_not_go_on_waiting_for_another_one() {
    let one = |description: &str| {
        policy("one", &format!("{CRASH}description: {description}\nmode: approve\npriority: 2\nthen: [restart]"))
    };
    let two = policy("two", &format!("{CRASH}mode: approve\nthen: [restart]"));
    let mut bench = Bench::new(&[one("before"), two.clone()].concat(), centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]);
    bench.replace(10, &[one("after"), two].concat()).operator(11, vote(1, "ann", true)).until(
        20,
        expect![[r#"
            1s opened one on vm/a0: event vm.crashed is true
            1s opened two on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for one, two: vm/a0 restart
            1s held one on vm/a0: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 00d3e3391f3f43c3
            10s loaded ["one", "two"]
            10s closed one on vm/a0: the policy was changed or removed
            10s plan p1-1: Cancelled { reason: "its policy is another one by now" }
            10s plan p1-2 restart for two: vm/a0 restart
            10s held two on vm/a0: mode approve: the plan waits for a person
            10s told: plan p1-2 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is e6ecd1672b890dbe
            11s refused ann's word about plan p1-1: plan p1-1 does not wait for approval: it is cancelled
        "#]],
    );
}

/// Bounds that are set while a plan waits are asked when it is to begin, like those that were there before.
#[test]
fn what_waits_is_held_to_the_bounds_of_when_it_begins() {
    let crash = policy("crash", &format!("{CRASH}mode: approve\nthen: [restart]"));
    let calm = guard("calm", "select: {kind: vm}\nceiling: none");
    let mut bench = Bench::new(&crash, centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).replace(10, &[crash.clone(), calm].concat());
    bench.operator(11, vote(1, "ann", true)).until(
        20,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 8c45a39b22687ae1
            10s loaded ["crash"]
            11s ann approves of plan p1-1
            11s refused approval of plan p1-1: the situation has changed since it was made
            11s plan p1-1: Cancelled { reason: "the situation has changed since it was made" }
            11s skipped restart of crash on vm/a0: it interrupts what runs, and the ceiling of guard calm is none
            11s handed over crash on vm/a0: the ladder is at its end: restart
            11s told: a person has to go on with vm/a0: the ladder is at its end: restart
            11s closed crash on vm/a0: everything was tried
        "#]],
    );

    // One an hour: what was proposed before that was said counts, too.
    let slow = guard("slow", "select: {kind: vm}\nbudgets: [{max: 1, per: 1h}]");
    let mut bench = Bench::new(&crash, centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).event(2, "vm/b0", "vm.crashed", &[]);
    bench.replace(10, &[crash, slow].concat());
    bench.operator(11, vote(1, "ann", true)).operator(12, vote(2, "ann", true));
    bench.operator(13, vote(3, "ann", true)).operator(14, vote(4, "ann", true)).until(
        20,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 8c45a39b22687ae1
            2s opened crash on vm/b0: event vm.crashed is true
            2s plan p1-2 restart for crash: vm/b0 restart
            2s held crash on vm/b0: mode approve: the plan waits for a person
            2s told: plan p1-2 waits for approval: restart vm/b0, 1 step; then vm/b0 runs again; its hash is 82c9d7e103103203
            10s loaded ["crash"]
            11s ann approves of plan p1-1
            11s refused approval of plan p1-1: the situation has changed since it was made
            11s plan p1-1: Cancelled { reason: "the situation has changed since it was made" }
            11s plan p1-3 restart for crash: vm/a0 restart
            11s held crash on vm/a0: mode approve: the plan waits for a person
            11s told: plan p1-3 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 912e47a910e3c510
            12s ann approves of plan p1-2
            12s refused approval of plan p1-2: the situation has changed since it was made
            12s plan p1-2: Cancelled { reason: "the situation has changed since it was made" }
            12s plan p1-4 restart for crash: vm/b0 restart
            12s held crash on vm/b0: mode approve: the plan waits for a person
            12s told: plan p1-4 waits for approval: restart vm/b0, 1 step; then vm/b0 runs again; its hash is 971beb3c0af9d1d5
            13s ann approves of plan p1-3
            13s begins plan p1-3
            13s begins p1-3/1
            13s ended p1-3/1: Done { observed: "assumed" }
            13s plan p1-3: Succeeded
            13s closed crash on vm/a0: the plan succeeded
            14s ann approves of plan p1-4
            14s held crash on vm/b0: budget of guard slow: 1 of 1 for all that it guards within 1h
        "#]],
    );
}

#[test]
fn a_move_that_waited_until_it_gains_too_little_is_not_made() {
    let spec = "select: {kind: vm, name: one}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\nmode: approve\nminGain: 20%\nthen: [migrate]";
    let resources = vec![
        host("host/a", 10.0, &[]),
        host("host/b", 10.0, &[]),
        vm("vm/one", "host/a", 2.0),
        vm("vm/two", "host/a", 4.0),
    ];
    let mut bench = Bench::new(&policy("move", spec), resources, vec![]);
    bench.sample(1, "vm/one", "cpu", 0.9);
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    bench.describe(10, owned(vm("vm/three", "host/b", 3.0))).operator(11, vote(1, "ann", true)).until(
        20,
        expect![[r#"
            1s opened move on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s plan p1-1 migrate for move: vm/one migrate to host/b
            1s held move on vm/one: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: migrate vm/one, 1 step; then vm/one runs on host/b; its hash is 2ab380e31ea043fd
            11s ann approves of plan p1-1
            11s refused approval of plan p1-1: the situation has changed since it was made
            11s plan p1-1: Cancelled { reason: "the situation has changed since it was made" }
            11s skipped migrate of move on vm/one: it would gain 10% of room on host/b, and minGain is 20%
            11s handed over move on vm/one: the ladder is at its end: migrate
            11s told: a person has to go on with vm/one: the ladder is at its end: migrate
        "#]],
    );
}

const HOT: &str = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1d\nmode: approve\n";

/// The second one is let through by the time limit while the budget has no room for it: it begins when there is.
#[test]
fn what_is_approved_of_while_a_budget_holds_it_begins_when_there_is_room() {
    let spec = format!(
        "{HOT}approval: {{within: 1m, otherwise: approve}}\nbudgets: [{{max: 1, inFlight: true}}]\nthen: [{{resize: {{vcpus: +1, maxVcpus: 2}}}}]"
    );
    let mut bench = Bench::new(&policy("grow", &spec), centre(1), slow(30));
    bench.sample(1, "vm/a0", "cpu", 0.9).sample(1, "vm/b0", "cpu", 0.9).until(
        200,
        expect![[r#"
            1s opened grow on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s plan p1-1 resize for grow: vm/a0 resize to 2 vcpus
            1s held grow on vm/a0: approval of 10708aa5294876f4: 0 of 1 person; when the time is over: approve
            1s told: plan p1-1 waits for approval within 1m, after which it begins all the same: resize vm/a0, 1 step; then vm/a0 has 2 vcpus; its hash is 10708aa5294876f4
            1s opened grow on vm/b0: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s plan p1-2 resize for grow: vm/b0 resize to 2 vcpus
            1s held grow on vm/b0: approval of 231962e9b782723d: 0 of 1 person; when the time is over: approve
            1s told: plan p1-2 waits for approval within 1m, after which it begins all the same: resize vm/b0, 1 step; then vm/b0 has 2 vcpus; its hash is 231962e9b782723d
            61s the time limit approves of plan p1-1
            61s begins plan p1-1
            61s begins p1-1/1
            61s the time limit approves of plan p1-2
            61s held grow on vm/b0: budget of policy grow: 1 of 1 for policy grow in flight, such as plan p1-1
            91s ended p1-1/1: Done { observed: "assumed" }
            91s plan p1-1: Succeeded
            91s held grow on vm/a0: cooldown: the policy acted here not long ago
            91s begins plan p1-2
            91s begins p1-2/1
            121s ended p1-2/1: Done { observed: "assumed" }
            121s plan p1-2: Succeeded
            121s held grow on vm/b0: cooldown: the policy acted here not long ago
        "#]],
    );
}

/// Who has approved is not asked again because a guard let nothing begin for a while; `explain` says when it could act, and not when a
/// plan would be given up.
#[test]
fn what_is_approved_of_outside_of_its_hours_begins_within_them() {
    let hours = guard("hours", "select: {kind: vm}\nonlyWithin: [{schedule: \"10 0 * * *\", duration: 10m}]");
    let spec = format!("{HOT}approval: {{within: 5m}}\nthen: [restart]");
    let mut bench = Bench::new(&[hours, policy("hot", &spec)].concat(), centre(1), vec![]);
    bench.sample(1, "vm/a0", "cpu", 0.9).sample(2, "vm/b0", "cpu", 0.9);
    let acts_at = |bench: &mut Bench| bench.driver.engine().explain(&id("vm/a0")).remove(0).acts_at;
    assert_eq!(acts_at(&mut bench), None, "that it is given up is no deed");
    bench.operator(10, vote(1, "ann", true)).operator(11, vote(2, "ann", true));
    assert_eq!(acts_at(&mut bench), Some(at(600)));
    let why = bench.driver.engine().explain(&id("vm/a0")).remove(0).because;
    assert!(why.starts_with("plan p1-1 was approved of; outside of the times"), "{why}");
    // Somebody thinks better of it.
    bench.operator(20, vote(2, "bob", false)).until(
        700,
        expect![[r#"
            1s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s plan p1-1 restart for hot: vm/a0 restart
            1s held hot on vm/a0: approval of 5957e7fefec42f09: 0 of 1 person; when the time is over: reject
            1s told: plan p1-1 waits for approval within 5m, after which it is dropped: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 5957e7fefec42f09
            2s opened hot on vm/b0: last("cpu") > 80% is true (last(cpu) = 0.9)
            2s plan p1-2 restart for hot: vm/b0 restart
            2s held hot on vm/b0: approval of 5f9fb03f4f91655a: 0 of 1 person; when the time is over: reject
            2s told: plan p1-2 waits for approval within 5m, after which it is dropped: restart vm/b0, 1 step; then vm/b0 runs again; its hash is 5f9fb03f4f91655a
            10s ann approves of plan p1-1
            10s held hot on vm/a0: outside of the times in which guard hours lets anything be disrupted
            11s ann approves of plan p1-2
            11s held hot on vm/b0: outside of the times in which guard hours lets anything be disrupted
            20s bob rejects plan p1-2
            20s plan p1-2: Cancelled { reason: "rejected by bob" }
            20s held hot on vm/b0: its plan was called off: nothing more is done until the finding closes
            600s begins plan p1-1
            600s begins p1-1/1
            600s ended p1-1/1: Done { observed: "assumed" }
            600s plan p1-1: Succeeded
            600s held hot on vm/a0: cooldown: the policy acted here not long ago
        "#]],
    );
}

/// An event that people have approved of answering is answered for as long as one that has just come.
#[test]
fn what_answers_an_event_is_given_up_when_a_guard_holds_it_for_too_long() {
    let crash = policy("crash", &format!("{CRASH}mode: approve\nthen: [restart]"));
    let mut bench = Bench::new(&crash, centre(1), vec![]);
    let by = || "max".to_owned();
    bench.event(1, "vm/a0", "vm.crashed", &[]).event(2, "vm/b0", "vm.crashed", &[]);
    bench.operator(400, OperatorCommand::Pause { by: by() });
    bench.operator(401, vote(1, "ann", true)).operator(690, vote(2, "ann", true));
    bench.driver.run_until(at(800));
    bench.operator(801, OperatorCommand::Resume { by: by() }).until(
        900,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 8c45a39b22687ae1
            2s opened crash on vm/b0: event vm.crashed is true
            2s plan p1-2 restart for crash: vm/b0 restart
            2s held crash on vm/b0: mode approve: the plan waits for a person
            2s told: plan p1-2 waits for approval: restart vm/b0, 1 step; then vm/b0 runs again; its hash is 82c9d7e103103203
            400s paused by max
            401s ann approves of plan p1-1
            401s held crash on vm/a0: paused by an operator
            690s ann approves of plan p1-2
            690s held crash on vm/b0: paused by an operator
            701s closed crash on vm/a0: it was held back until it was too old to be answered: paused by an operator
            701s plan p1-1: Cancelled { reason: "the finding has closed" }
            801s resumed by max
            801s begins plan p1-2
            801s begins p1-2/1
            801s ended p1-2/1: Done { observed: "assumed" }
            801s plan p1-2: Succeeded
            801s closed crash on vm/b0: the plan succeeded
        "#]],
    );
}

/// Nobody has said anything in time: the ladder goes on, and people hear of it.
#[test]
fn a_ladder_goes_on_when_too_few_approve_in_time() {
    let ladder = |then: &str| policy("hot", &format!("{HOT}approval: {{within: 5m}}\nthen:\n{then}"));
    let two = ladder("  - restart\n  - notify: {message: \"nobody lets ${resource} be restarted\"}");
    let mut bench = Bench::new(&two, centre(1), vec![]);
    bench.sample(1, "vm/a0", "cpu", 0.9).until(
        1000,
        expect![[r#"
            1s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s plan p1-1 restart for hot: vm/a0 restart
            1s held hot on vm/a0: approval of 5957e7fefec42f09: 0 of 1 person; when the time is over: reject
            1s told: plan p1-1 waits for approval within 5m, after which it is dropped: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 5957e7fefec42f09
            301s plan p1-1: Expired { reason: "too few people approved of it in time" }
            301s told: nobody lets vm/a0 be restarted
        "#]],
    );

    let mut bench = Bench::new(&ladder("  - restart:\n    attempts: 2"), centre(1), vec![]);
    bench.sample(1, "vm/a0", "cpu", 0.9).until(
        2000,
        expect![[r#"
            1s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s plan p1-1 restart for hot: vm/a0 restart
            1s held hot on vm/a0: approval of 5957e7fefec42f09: 0 of 1 person; when the time is over: reject
            1s told: plan p1-1 waits for approval within 5m, after which it is dropped: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 5957e7fefec42f09
            301s plan p1-1: Expired { reason: "too few people approved of it in time" }
            311s plan p1-2 restart for hot: vm/a0 restart
            311s held hot on vm/a0: approval of 32a5611f1f0dc821: 0 of 1 person; when the time is over: reject
            311s told: plan p1-2 waits for approval within 5m, after which it is dropped: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 32a5611f1f0dc821
            611s plan p1-2: Expired { reason: "too few people approved of it in time" }
            611s handed over hot on vm/a0: the ladder is at its end: restart
            611s told: a person has to go on with vm/a0: the ladder is at its end: restart
        "#]],
    );
}
