//! What people agree with: what they have seen, of the policy that they have read, and within what bounds the guards set by then.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, centre, policy};
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
