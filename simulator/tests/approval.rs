//! What people agree with: what they have seen, of the policy that they have read, and within what bounds the guards set by then.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, centre, guard, host, policy, vm};
use expect_test::expect;
use homeostat_engine::{Generation, OperatorCommand};
use homeostat_model::*;

fn vote(number: u64, by: &str, approve: bool) -> OperatorCommand {
    let plan = PlanId { generation: Generation(1), number };
    OperatorCommand::Vote { plan, by: by.into(), approve, hash: None }
}

/// Who agrees with what one text proposes has not read the next one.
#[test]
fn agreement_with_plans_of_an_old_text_promotes_no_new_one() {
    let text = |does: &str| policy("crash", &format!("{CRASH}mode: recommend\npromote: {{after: 2, to: auto}}\n{does}"));
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
    bench.replace(10, &[one("after"), two].concat()).operator(11, vote(1, "ann", true)).until(20, expect![[r#"
        1s opened one on vm/a0: event vm.crashed is true
        1s opened two on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for one, two: vm/a0 restart
        1s held one on vm/a0: mode approve: the plan waits for a person
        10s loaded ["one", "two"]
        10s closed one on vm/a0: the policy was changed or removed
        10s plan p1-1: Cancelled { reason: "its policy is another one by now" }
        10s plan p1-2 restart for two: vm/a0 restart
        10s held two on vm/a0: mode approve: the plan waits for a person
        11s refused ann's word about plan p1-1: plan p1-1 does not wait for approval: it is cancelled
    "#]]);
}

/// Bounds that are set while a plan waits are asked when it is to begin, like those that were there before.
#[test]
fn what_waits_is_held_to_the_bounds_of_when_it_begins() {
    let crash = policy("crash", &format!("{CRASH}mode: approve\nthen: [restart]"));
    let calm = guard("calm", "select: {kind: vm}\nceiling: none");
    let mut bench = Bench::new(&crash, centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).replace(10, &[crash.clone(), calm].concat());
    bench.operator(11, vote(1, "ann", true)).until(20, expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s held crash on vm/a0: mode approve: the plan waits for a person
        10s loaded ["crash"]
        11s ann approves of plan p1-1
        11s refused approval of plan p1-1: the situation has changed since it was made
        11s plan p1-1: Cancelled { reason: "the situation has changed since it was made" }
        11s skipped restart of crash on vm/a0: it interrupts what runs, and the ceiling of guard calm is none
        11s handed over crash on vm/a0: the ladder is at its end: restart
        11s told: a person has to go on with vm/a0: the ladder is at its end: restart
        11s closed crash on vm/a0: everything was tried
    "#]]);

    // One an hour: what was proposed before that was said counts, too.
    let slow = guard("slow", "select: {kind: vm}\nbudgets: [{max: 1, per: 1h}]");
    let mut bench = Bench::new(&crash, centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).event(2, "vm/b0", "vm.crashed", &[]);
    bench.replace(10, &[crash, slow].concat());
    bench.operator(11, vote(1, "ann", true)).operator(12, vote(2, "ann", true));
    bench.operator(13, vote(3, "ann", true)).operator(14, vote(4, "ann", true)).until(20, expect![[r#"
        1s opened crash on vm/a0: event vm.crashed is true
        1s plan p1-1 restart for crash: vm/a0 restart
        1s held crash on vm/a0: mode approve: the plan waits for a person
        2s opened crash on vm/b0: event vm.crashed is true
        2s plan p1-2 restart for crash: vm/b0 restart
        2s held crash on vm/b0: mode approve: the plan waits for a person
        10s loaded ["crash"]
        11s ann approves of plan p1-1
        11s refused approval of plan p1-1: the situation has changed since it was made
        11s plan p1-1: Cancelled { reason: "the situation has changed since it was made" }
        11s plan p1-3 restart for crash: vm/a0 restart
        11s held crash on vm/a0: mode approve: the plan waits for a person
        12s ann approves of plan p1-2
        12s refused approval of plan p1-2: the situation has changed since it was made
        12s plan p1-2: Cancelled { reason: "the situation has changed since it was made" }
        12s plan p1-4 restart for crash: vm/b0 restart
        12s held crash on vm/b0: mode approve: the plan waits for a person
        13s ann approves of plan p1-3
        13s begins p1-3/1
        13s ended p1-3/1: Done { observed: "assumed" }
        13s plan p1-3: Succeeded
        13s closed crash on vm/a0: the plan succeeded
        14s ann approves of plan p1-4
        14s refused approval of plan p1-4: budget of guard slow: 1 of 1 for all that it guards within 1h
    "#]]);
}

#[test]
fn a_move_that_waited_until_it_gains_too_little_is_not_made() {
    let spec = "select: {kind: vm, name: one}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\nmode: approve\nminGain: 20%\nthen: [migrate]";
    let resources =
        vec![host("host/a", 10.0, &[]), host("host/b", 10.0, &[]), vm("vm/one", "host/a", 2.0), vm("vm/two", "host/a", 4.0)];
    let mut bench = Bench::new(&policy("move", spec), resources, vec![]);
    bench.sample(1, "vm/one", "cpu", 0.9);
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    bench.describe(10, owned(vm("vm/three", "host/b", 3.0))).operator(11, vote(1, "ann", true)).until(20, expect![[r#"
        1s opened move on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        1s plan p1-1 migrate for move: vm/one migrate to host/b
        1s held move on vm/one: mode approve: the plan waits for a person
        11s ann approves of plan p1-1
        11s refused approval of plan p1-1: the situation has changed since it was made
        11s plan p1-1: Cancelled { reason: "the situation has changed since it was made" }
        11s skipped migrate of move on vm/one: it would gain 10% of room on host/b, and minGain is 20%
        11s handed over move on vm/one: the ladder is at its end: migrate
        11s told: a person has to go on with vm/one: the ladder is at its end: migrate
    "#]]);
}
