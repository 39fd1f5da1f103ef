//! What bounds a policy: its ceiling, flapping, ways back, people, and how far they trust it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use std::collections::BTreeMap;

use bench::{Bench, CRASH, centre, guard, host, id, plan, policy, slow, vm, vote};
use expect_test::expect;
use homeostat_engine::OperatorCommand;
use homeostat_model::*;
use homeostat_simulator::Assumption;

#[test]
fn a_ladder_does_not_go_above_its_ceiling() {
    let hot = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\nceiling: live\ncooldown: 10s\nthen:\n  - resize: {vcpus: +1, maxVcpus: 2}\n  - script: '\"restart\"'\n  - notify: {message: \"somebody has to look at ${resource}\"}\n";
    let calm = guard("calm", "select: {kind: vm, name: b0}\nceiling: none");
    let mut bench = Bench::new(&[policy("hot", hot), calm].concat(), centre(1), vec![]);
    bench.sample(1, "vm/a0", "cpu", 0.9).sample(1, "vm/b0", "cpu", 0.9);
    bench.until(
        20,
        expect![[r#"
            1s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s plan p1-1 resize for hot: vm/a0 resize to 2 vcpus
            1s begins p1-1/1
            1s ended p1-1/1: Done { observed: "assumed" }
            1s plan p1-1: Succeeded
            1s held hot on vm/a0: cooldown: the policy acted here not long ago
            1s opened hot on vm/b0: last("cpu") > 80% is true (last(cpu) = 0.9)
            1s skipped resize of hot on vm/b0: it changes what runs, and the ceiling of guard calm is none
            1s skipped script of hot on vm/b0: it interrupts what runs, and the ceiling of policy hot is live
            1s told: somebody has to look at vm/b0
            11s skipped script of hot on vm/a0: it interrupts what runs, and the ceiling of policy hot is live
            11s told: somebody has to look at vm/a0
        "#]],
    );
}

#[test]
fn what_flaps_is_left_alone_until_it_is_quiet() {
    let hot = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\ncooldown: 0s\nflap: {changes: 3, within: 1m}\nthen: [restart]";
    let mut bench = Bench::new(&policy("hot", hot), centre(1), vec![]);
    for second in (0..50).step_by(20) {
        bench.sample(second, "vm/a0", "cpu", 0.9).sample(second + 10, "vm/a0", "cpu", 0.1);
    }
    bench.sample(55, "vm/a0", "cpu", 0.9).until(
        100,
        expect![[r#"
            0s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            0s plan p1-1 restart for hot: vm/a0 restart
            0s begins p1-1/1
            0s ended p1-1/1: Done { observed: "assumed" }
            0s plan p1-1: Succeeded
            0s handed over hot on vm/a0: the ladder is at its end: restart
            0s told: a person has to go on with vm/a0: the ladder is at its end: restart
            0s quarantine of vm/a0 by hot on vm/a0, 10m
            10s closed hot on vm/a0: last("cpu") > 80% is false (last(cpu) = 0.1)
            20s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            30s closed hot on vm/a0: last("cpu") > 80% is false (last(cpu) = 0.1)
            40s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            40s held hot on vm/a0: flapping: it has opened 3 times within 1m
            50s closed hot on vm/a0: last("cpu") > 80% is false (last(cpu) = 0.1)
            55s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
            55s held hot on vm/a0: flapping: it has opened 3 times within 1m
        "#]],
    );
}

#[test]
fn nothing_is_sent_back_where_it_came_from_nor_moved_for_little() {
    let spec = "select: {kind: vm}\non: vm.move\ncooldown: 0s\nreturnAfter: 3m\nminGain: 20%\nthen: [{migrate: , attempts: 5}]";
    let resources = vec![
        host("host/a", 10.0, &[]),
        host("host/b", 10.0, &[]),
        vm("vm/one", "host/a", 2.0),
        vm("vm/two", "host/a", 4.0),
        vm("vm/three", "host/b", 1.0),
    ];
    let mut bench = Bench::new(&policy("move", spec), resources, vec![]);
    bench.event(1, "vm/one", "vm.move", &[]).until(
        10,
        expect![[r#"
        1s opened move on vm/one: event vm.move is true
        1s plan p1-1 migrate for move: vm/one migrate to host/b
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s closed move on vm/one: the plan succeeded
    "#]],
    );
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    // Now it is crowded there; back where it came from is more room, but not yet.
    bench.describe(20, owned(vm("vm/three", "host/b", 8.0))).event(30, "vm/one", "vm.move", &[]);
    bench.until(
        200,
        expect![[r#"
        30s opened move on vm/one: event vm.move is true
        30s held move on vm/one: returnAfter: vm/one left host/a not long ago
        181s plan p1-2 migrate for move: vm/one migrate to host/a
        181s begins p1-2/1
        181s ended p1-2/1: Done { observed: "assumed" }
        181s plan p1-2: Succeeded
        181s closed move on vm/one: the plan succeeded
    "#]],
    );
    bench.describe(210, owned(vm("vm/three", "host/b", 1.0))).event(220, "vm/two", "vm.move", &[]);
    bench.until(
        221,
        expect![[r#"
            220s opened move on vm/two: event vm.move is true
            220s skipped migrate of move on vm/two: it would gain 10% of room on host/b, and minGain is 20%
            220s handed over move on vm/two: the ladder is at its end: migrate
            220s told: a person has to go on with vm/two: the ladder is at its end: migrate
            220s closed move on vm/two: everything was tried
        "#]],
    );
}

/// What may not go back goes elsewhere, though there is less room; only where nowhere else is any room does it wait.
#[test]
fn what_may_not_go_back_goes_to_another_host() {
    let spec = "select: {kind: vm}\non: vm.move\ncooldown: 0s\nreturnAfter: 1h\nthen: [{migrate: , attempts: 5}]";
    let resources = vec![
        host("host/a", 20.0, &[]),
        host("host/b", 20.0, &[]),
        host("host/c", 5.0, &[]),
        vm("vm/one", "host/a", 2.0),
        vm("vm/two", "host/a", 4.0),
    ];
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    let mut bench = Bench::new(&policy("move", spec), resources.clone(), vec![]);
    bench.event(1, "vm/one", "vm.move", &[]).describe(20, owned(vm("vm/three", "host/b", 17.0)));
    bench.event(30, "vm/one", "vm.move", &[]).until(
        31,
        expect![[r#"
            1s opened move on vm/one: event vm.move is true
            1s plan p1-1 migrate for move: vm/one migrate to host/b
            1s begins p1-1/1
            1s ended p1-1/1: Done { observed: "assumed" }
            1s plan p1-1: Succeeded
            1s closed move on vm/one: the plan succeeded
            30s opened move on vm/one: event vm.move is true
            30s plan p1-2 migrate for move: vm/one migrate to host/c
            30s begins p1-2/1
            30s ended p1-2/1: Done { observed: "assumed" }
            30s plan p1-2: Succeeded
            30s closed move on vm/one: the plan succeeded
        "#]],
    );

    // An evacuation, too, takes the second best: vm/one has come from where there is most room.
    let evacuate =
        policy("empty", "select: {kind: host}\non: host.empty\ncooldown: 0s\nreturnAfter: 1h\nthen: [evacuate]");
    let mut bench = Bench::new(&[policy("move", spec), evacuate].concat(), resources, vec![]);
    bench.event(1, "vm/one", "vm.move", &[]).event(30, "host/b", "host.empty", &[]);
    bench.until(
        31,
        expect![[r#"
            1s opened move on vm/one: event vm.move is true
            1s plan p1-1 migrate for move: vm/one migrate to host/b
            1s begins p1-1/1
            1s ended p1-1/1: Done { observed: "assumed" }
            1s plan p1-1: Succeeded
            1s closed move on vm/one: the plan succeeded
            30s opened empty on host/b: event host.empty is true
            30s plan p1-2 evacuate for empty: host/b cordon on, vm/one after [1] migrate to host/c
            30s begins p1-2/1
            30s ended p1-2/1: Done { observed: "assumed" }
            30s begins p1-2/2
            30s ended p1-2/2: Done { observed: "assumed" }
            30s plan p1-2: Succeeded
            30s closed empty on host/b: the plan succeeded
        "#]],
    );
}

/// A host on which people work, that is marked or in quarantine is empty for that, and has the most room of all. Others take what has to
/// move; only where there is no other does it wait.
#[test]
fn what_has_to_move_does_not_wait_for_a_host_that_is_left_alone() {
    let spread = policy("spread", "select: {kind: vm}\non: vm.move\ncooldown: 0s\nthen: [migrate]");
    let empty = policy("empty", "select: {kind: host}\non: host.empty\ncooldown: 0s\nthen: [evacuate]");
    let works = guard(
        "works",
        "select: {kind: host, name: c}\nmaintenance: [{from: \"1970-01-01T00:00\", to: \"1970-01-01T00:03\"}]",
    );
    let resources = || {
        let marked = ("homeostat.dev/paused", Value::Bool(true));
        vec![
            host("host/a", 20.0, &[]),
            host("host/b", 18.0, &[]),
            host("host/c", 20.0, &[]),
            host("host/d", 20.0, &[marked]),
            vm("vm/one", "host/a", 2.0),
            vm("vm/two", "host/a", 4.0),
            vm("vm/three", "host/b", 1.0),
        ]
    };
    let site = [spread, empty, works].concat();
    let mut bench = Bench::new(&site, resources(), vec![]);
    bench.event(1, "vm/two", "vm.move", &[]).event(2, "host/a", "host.empty", &[]).until(
        10,
        expect![[r#"
        1s opened spread on vm/two: event vm.move is true
        1s plan p1-1 migrate for spread: vm/two migrate to host/b
        1s begins p1-1/1
        1s ended p1-1/1: Done { observed: "assumed" }
        1s plan p1-1: Succeeded
        1s closed spread on vm/two: the plan succeeded
        2s opened empty on host/a: event host.empty is true
        2s plan p1-2 evacuate for empty: host/a cordon on, vm/one after [1] migrate to host/b
        2s begins p1-2/1
        2s ended p1-2/1: Done { observed: "assumed" }
        2s begins p1-2/2
        2s ended p1-2/2: Done { observed: "assumed" }
        2s plan p1-2: Succeeded
        2s closed empty on host/a: the plan succeeded
    "#]],
    );

    // The only other one that has room is being worked on: it is said until when. Another one comes before that.
    let mut full = resources();
    full.push(vm("vm/four", "host/b", 15.0));
    let mut bench = Bench::new(&site, full.clone(), vec![]);
    bench.event(1, "vm/two", "vm.move", &[]).until(
        10,
        expect![[r#"
        1s opened spread on vm/two: event vm.move is true
        1s held spread on vm/two: maintenance, says guard works
    "#]],
    );
    let owned = |resource| Resource { adapter: Some(AdapterName::new("assumed").unwrap()), ..resource };
    bench.describe(20, owned(host("host/e", 20.0, &[]))).until(
        30,
        expect![[r#"
        20s plan p1-1 migrate for spread: vm/two migrate to host/e
        20s begins p1-1/1
        20s ended p1-1/1: Done { observed: "assumed" }
        20s plan p1-1: Succeeded
        20s closed spread on vm/two: the plan succeeded
    "#]],
    );
    let mut bench = Bench::new(&site, full, vec![]);
    bench.event(1, "vm/two", "vm.move", &[]);
    bench.driver.run_until(bench::at(10));
    bench.until(
        200,
        expect![[r#"
        1s opened spread on vm/two: event vm.move is true
        1s held spread on vm/two: maintenance, says guard works
        180s plan p1-1 migrate for spread: vm/two migrate to host/c
        180s begins p1-1/1
        180s ended p1-1/1: Done { observed: "assumed" }
        180s plan p1-1: Succeeded
        180s closed spread on vm/two: the plan succeeded
    "#]],
    );
}

#[test]
fn several_people_approve_of_what_they_have_seen() {
    let spec = format!("{CRASH}mode: approve\napproval: {{quorum: 2, within: 1h}}\nthen: [restart]");
    let mut bench = Bench::new(&policy("crash", &spec), centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).until(
        1,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: approval of 8c45a39b22687ae1: 0 of 2 people; when the time is over: reject
            1s told: plan p1-1 waits for approval by 2 people within 1h, after which it is dropped: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 8c45a39b22687ae1
        "#]],
    );
    let hash = Some("0123456789abcdef".into());
    bench.operator(10, OperatorCommand::Vote { plan: plan(1), by: "ann".into(), approve: true, hash });
    bench.operator(11, vote(1, "ann", true)).operator(12, vote(1, "ann", true));
    let why = bench.driver.engine().explain(&id("vm/a0")).remove(0);
    assert!(why.because.contains(": 1 of 2 people; when the time is over: reject"), "{}", why.because);
    bench.operator(13, vote(1, "bob", true)).until(
        20,
        expect![[r#"
            10s refused ann's word about plan p1-1: the hash of that plan is 8c45a39b22687ae1
            11s ann approves of plan p1-1
            12s ann approves of plan p1-1
            13s bob approves of plan p1-1
            13s begins plan p1-1
            13s begins p1-1/1
            13s ended p1-1/1: Done { observed: "assumed" }
            13s plan p1-1: Succeeded
            13s closed crash on vm/a0: the plan succeeded
        "#]],
    );
    // Nobody says anything, and then somebody rejects.
    bench.event(100, "vm/b0", "vm.crashed", &[]).until(
        4000,
        expect![[r#"
            100s opened crash on vm/b0: event vm.crashed is true
            100s plan p1-2 restart for crash: vm/b0 restart
            100s held crash on vm/b0: approval of 82c9d7e103103203: 0 of 2 people; when the time is over: reject
            100s told: plan p1-2 waits for approval by 2 people within 1h, after which it is dropped: restart vm/b0, 1 step; then vm/b0 runs again; its hash is 82c9d7e103103203
            3700s plan p1-2: Expired { reason: "too few people approved of it in time" }
            3700s handed over crash on vm/b0: the ladder is at its end: restart
            3700s told: a person has to go on with vm/b0: the ladder is at its end: restart
            3700s closed crash on vm/b0: everything was tried
        "#]],
    );
    bench.event(5000, "vm/a0", "vm.crashed", &[]).operator(5001, vote(3, "eve", false)).until(
        5002,
        expect![[r#"
            5000s opened crash on vm/a0: event vm.crashed is true
            5000s plan p1-3 restart for crash: vm/a0 restart
            5000s held crash on vm/a0: approval of 912e47a910e3c510: 0 of 2 people; when the time is over: reject
            5000s told: plan p1-3 waits for approval by 2 people within 1h, after which it is dropped: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 912e47a910e3c510
            5001s eve rejects plan p1-3
            5001s plan p1-3: Cancelled { reason: "rejected by eve" }
            5001s closed crash on vm/a0: the plan was called off
        "#]],
    );
}

#[test]
fn when_nobody_says_anything_it_is_as_was_declared() {
    let spec = format!("{CRASH}mode: approve\napproval: {{within: 1m, otherwise: approve}}\nthen: [restart]");
    let mut bench = Bench::new(&policy("crash", &spec), centre(1), vec![]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).until(
        100,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: approval of 8c45a39b22687ae1: 0 of 1 person; when the time is over: approve
            1s told: plan p1-1 waits for approval within 1m, after which it begins all the same: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 8c45a39b22687ae1
            61s the time limit approves of plan p1-1
            61s begins plan p1-1
            61s begins p1-1/1
            61s ended p1-1/1: Done { observed: "assumed" }
            61s plan p1-1: Succeeded
            61s closed crash on vm/a0: the plan succeeded
        "#]],
    );
}

#[test]
fn a_policy_is_promoted_by_agreement_and_falls_back_when_it_fails() {
    let spec = format!("{CRASH}mode: recommend\npromote: {{after: 2, to: auto}}\nthen: [restart]");
    let fails = Assumption {
        resource: Some(id("vm/b1")),
        ends: Some(StepResult::Failed { reason: "no".into() }),
        ..Assumption::default()
    };
    let mut bench = Bench::new(&policy("crash", &spec), centre(2), vec![fails]);
    bench.event(1, "vm/a0", "vm.crashed", &[]).operator(2, vote(1, "ann", true));
    bench.event(3, "vm/a1", "vm.crashed", &[]).operator(4, vote(2, "bob", false));
    bench.event(5, "vm/b0", "vm.crashed", &[]).operator(6, vote(3, "ann", true));
    bench.operator(7, vote(3, "bob", true)).event(8, "vm/a0", "vm.crashed", &[]);
    bench.operator(9, vote(4, "bob", true)).until(
        10,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: mode recommend: the plan is shown, not run
            1s closed crash on vm/a0: a plan was recommended
            2s ann approves of plan p1-1
            3s opened crash on vm/a1: event vm.crashed is true
            3s plan p1-2 restart for crash: vm/a1 restart
            3s held crash on vm/a1: mode recommend: the plan is shown, not run
            3s closed crash on vm/a1: a plan was recommended
            4s bob rejects plan p1-2
            5s opened crash on vm/b0: event vm.crashed is true
            5s plan p1-3 restart for crash: vm/b0 restart
            5s held crash on vm/b0: mode recommend: the plan is shown, not run
            5s closed crash on vm/b0: a plan was recommended
            6s ann approves of plan p1-3
            7s refused bob's word about plan p1-3: plan p1-3 was only shown: no word about it counts, one was said already, or its policy is another one by now
            8s opened crash on vm/a0: event vm.crashed is true
            8s plan p1-4 restart for crash: vm/a0 restart
            8s held crash on vm/a0: mode recommend: the plan is shown, not run
            8s closed crash on vm/a0: a plan was recommended
            9s bob approves of plan p1-4
            9s crash may auto: people agreed with 2 of its plans, one after the other
        "#]],
    );
    bench.event(11, "vm/a1", "vm.crashed", &[]).event(12, "vm/b1", "vm.crashed", &[]);
    bench.event(13, "vm/b0", "vm.crashed", &[]).until(
        20,
        expect![[r#"
            11s opened crash on vm/a1: event vm.crashed is true
            11s plan p1-5 restart for crash: vm/a1 restart
            11s begins p1-5/1
            11s ended p1-5/1: Done { observed: "assumed" }
            11s plan p1-5: Succeeded
            11s closed crash on vm/a1: the plan succeeded
            12s opened crash on vm/b1: event vm.crashed is true
            12s plan p1-6 restart for crash: vm/b1 restart
            12s begins p1-6/1
            12s ended p1-6/1: Failed { reason: "no" }
            12s plan p1-6: Failed { step: StepId(1), reason: "no" }
            12s crash may recommend: plan p1-6 did not succeed
            12s handed over crash on vm/b1: the ladder is at its end: restart
            12s told: a person has to go on with vm/b1: the ladder is at its end: restart
            12s quarantine of vm/b1 by crash on vm/b1, 10m
            12s closed crash on vm/b1: everything was tried
            13s opened crash on vm/b0: event vm.crashed is true
            13s plan p1-7 restart for crash: vm/b0 restart
            13s held crash on vm/b0: mode recommend: the plan is shown, not run
            13s closed crash on vm/b0: a plan was recommended
        "#]],
    );
}

/// When what began, of all plans.
fn begun(bench: &mut Bench, until: u64) -> String {
    bench.driver.run_until(bench::at(until));
    let (mut subjects, mut lines) = (BTreeMap::new(), Vec::new());
    for Record { at, entry } in bench.driver.records() {
        match entry {
            Entry::PlanMade(plan) => drop(subjects.insert(plan.id, plan.subject.name())),
            Entry::StepDispatched { plan, .. } => lines.push(format!("{}s {}", at.as_millis() / 1000, subjects[plan])),
            _ => {}
        }
    }
    lines.join(", ")
}

fn crash(bench: &mut Bench, vms: &[&str]) {
    for vm in vms {
        bench.event(1, &format!("vm/{vm}"), "vm.crashed", &[]);
    }
}

#[test]
fn a_guard_says_how_much_is_done_at_a_time() {
    let restarts = policy("crash", &format!("{CRASH}then: [restart]"));
    let at_most = |host| guard("few", &format!("select: {{kind: host, name: a}}\nparallel: {{host: {host}}}"));
    let more = guard("more", "select: {kind: vm}\nparallel: {host: 9, rack: 20}");
    let mut bench = Bench::new(&[restarts.clone(), at_most(2), more.clone()].concat(), centre(7), slow(20));
    crash(&mut bench, &["a0", "a1", "a2", "a3", "a4", "a5", "a6", "b0", "b1", "b2", "b3", "b4"]);
    // The least of what guards say holds; where one says more than is usual, more.
    let first = "1s a0, 1s a1, 1s b0, 1s b1, 1s b2, 1s b3, 1s b4";
    assert_eq!(begun(&mut bench, 10), first);
    let why = bench.driver.engine().explain(&id("vm/a2")).remove(0).because;
    let lane = "it waits for a lane: 2 of 2 steps are in flight on host/a (guard few)";
    assert!(why.starts_with(&format!("plan p1-3 is in flight; {lane}; ")), "{why}");
    let view = |bench: &mut Bench, number| {
        let plan = plan(number);
        bench.driver.engine().plan(plan).unwrap().steps.remove(0)
    };
    assert_eq!(view(&mut bench, 3).reason.as_deref(), Some(lane));
    assert_eq!((view(&mut bench, 3).state.as_str(), view(&mut bench, 1).reason), ("waiting", None));
    let second = format!("{first}, 21s a2, 21s a3");
    assert_eq!(begun(&mut bench, 29), second);
    // Who waits is looked at again when guards are replaced; where none says anything, it is as usual.
    bench.replace(30, &[restarts.clone(), at_most(3), more].concat());
    assert_eq!(begun(&mut bench, 30), format!("{second}, 30s a4"));
    bench.replace(31, &restarts);
    assert_eq!(begun(&mut bench, 60), format!("{second}, 30s a4, 31s a5, 41s a6"));
}

#[test]
fn who_waits_for_more_room_keeps_nobody_else_waiting() {
    let site = [
        policy("crash", &format!("{CRASH}then: [restart]")),
        guard("alone", "select: {kind: vm, name: a0}\nparallel: {host: 1}"),
    ]
    .concat();
    let short = Assumption { resource: Some(id("vm/a1")), takes: Duration::from_secs(10), ..Assumption::default() };
    let mut bench = Bench::new(&site, centre(7), std::iter::once(short).chain(slow(20)).collect());
    crash(&mut bench, &["a1", "a2", "a3", "a4", "a0", "a5", "a6"]);
    let rest = "11s a5, 21s a6, 41s a0";
    assert_eq!(begun(&mut bench, 100), format!("1s a1, 1s a2, 1s a3, 1s a4, {rest}"));
}

#[test]
fn what_is_moved_to_a_guarded_host_waits_for_its_turn_there() {
    let site = [
        policy("move", "select: {kind: vm}\non: vm.crashed\nthen: [migrate]"),
        guard("target", "select: {kind: host, name: b}\nparallel: {host: 1}"),
    ]
    .concat();
    let resources = vec![
        host("host/a", 8.0, &[]),
        host("host/b", 64.0, &[]),
        vm("vm/a0", "host/a", 2.0),
        vm("vm/a1", "host/a", 2.0),
        vm("vm/a2", "host/a", 2.0),
    ];
    let mut bench = Bench::new(&site, resources, slow(20));
    crash(&mut bench, &["a0", "a1"]);
    assert_eq!(begun(&mut bench, 100), "1s a0, 21s a1");
}

/// Hosts a and b are in one rack and c in another, with three machines each.
fn racks() -> Vec<Resource> {
    let on = |resource: Resource, rack: &str| Resource { on: Some(id(rack)), ..resource };
    let racks = ["rack/r0", "rack/r1"].map(|rack| Resource::named(id(rack)));
    let hosts = [("a", "rack/r0"), ("b", "rack/r0"), ("c", "rack/r1")];
    let vms =
        hosts.iter().flat_map(|(on, _)| (0..3).map(move |i| vm(&format!("vm/{on}{i}"), &format!("host/{on}"), 1.0)));
    let hosts = hosts.iter().map(|(name, rack)| on(host(&format!("host/{name}"), 64.0, &[]), rack));
    racks.into_iter().chain(hosts).chain(vms).collect()
}

/// Every host has room for four, and none has more than three to do: it is the rack, or the adapter, that has none.
#[test]
fn a_step_waits_for_its_rack_and_for_its_adapter_though_its_host_has_room() {
    let restarts = policy("crash", &format!("{CRASH}then: [restart]"));
    let all = ["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"];
    let site = |parallel: &str| {
        let few = guard("few", &format!("select: {{kind: vm}}\nparallel: {{{parallel}}}"));
        let mut bench = Bench::new(&[restarts.clone(), few].concat(), racks(), slow(20));
        crash(&mut bench, &all);
        bench
    };
    let waits = |bench: &mut Bench, vm: &str| {
        let because = bench.driver.engine().explain(&id(vm)).remove(0).because;
        because.split("; ").nth(1).unwrap().to_owned()
    };

    let mut of_rack = site("rack: 2");
    let first = "1s a0, 1s a1, 1s c0, 1s c1";
    assert_eq!(begun(&mut of_rack, 20), first, "two in each rack");
    assert_eq!(waits(&mut of_rack, "vm/b0"), "it waits for a lane: 2 of 2 steps are in flight on rack/r0 (guard few)");
    let second = format!("{first}, 21s a2, 21s b0, 21s c2");
    assert_eq!(begun(&mut of_rack, 40), second);
    assert_eq!(begun(&mut of_rack, 100), format!("{second}, 41s b1, 41s b2"));

    let mut of_adapter = site("adapter: 3");
    let first = "1s a0, 1s a1, 1s a2";
    assert_eq!(begun(&mut of_adapter, 20), first, "three in all");
    assert_eq!(
        waits(&mut of_adapter, "vm/c0"),
        "it waits for a lane: 3 of 3 steps are in flight on adapter assumed (guard few)"
    );
    let second = format!("{first}, 21s b0, 21s b1, 21s b2");
    assert_eq!(begun(&mut of_adapter, 40), second);
    assert_eq!(begun(&mut of_adapter, 100), format!("{second}, 41s c0, 41s c1, 41s c2"));

    // Nobody says anything: all at once.
    let mut free = Bench::new(&restarts, racks(), slow(20));
    crash(&mut free, &all);
    assert_eq!(begun(&mut free, 20), all.map(|name| format!("1s {name}")).join(", "));
}
