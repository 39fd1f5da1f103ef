//! Complaint 12: a breaker that blocks recovery or replays old events.

use homeostat_engine::OperatorCommand;
use homeostat_model::*;
use homeostat_simulator::Assumption;

use crate::{
    bench::{Bench, CRASH, centre, guard, policy},
    plans, verbs,
};

/// NVSentinel #450, its PRs #1852 #1713: while it is open nothing is put right either, and when it closes everything is done that was meant
/// for a situation long past.
#[test]
fn complaint_12_a_breaker_that_blocks_recovery_or_replays_old_events() {
    let crash = policy("crash", &format!("{CRASH}then: [restart]"));
    let stopped = policy("stopped", "select: {kind: vm}\non: vm.stopped\nthen: [start]");
    let site = guard("site", "select: {kind: vm}\nbreaker: {failures: 1, within: 10m, pause: 20m}");
    let run = |yaml: &str| {
        let no = Some(StepResult::Failed { reason: "no".into() });
        let fails = Assumption { ends: no, times: Some(1), ..Assumption::default() };
        let mut bench = Bench::new(yaml, centre(5), vec![fails]);
        bench.event(10, "vm/a0", "vm.crashed", &[]);
        for number in 1..5 {
            bench.event(20 + number, &format!("vm/a{number}"), "vm.crashed", &[]);
        }
        bench.event(30, "vm/b0", "vm.stopped", &[]);
        // As fresh as can be when it is half open.
        bench.event(1_209, "vm/b1", "vm.crashed", &[]);
        plans(&mut bench, 7_200)
    };
    let all = run(&[crash.clone(), stopped.clone()].concat());
    assert_eq!(all.len(), 7, "without a breaker everything is done");
    let guarded = run(&[crash, stopped, site].concat());
    assert_eq!(verbs(&guarded), [Verb::Restart, Verb::Start, Verb::Restart]);
    let (started, fresh) = (&guarded[1], &guarded[2]);
    assert_eq!((started.0, started.1.subject.as_str()), (30, "vm/b0"), "what restores goes on while it is open");
    assert_eq!((fresh.0, fresh.1.subject.as_str()), (1_210, "vm/b1"), "of those that waited, only what is not old yet");

    // A person's pause is no different.
    let mut bench = Bench::new(&policy("crash", &format!("{CRASH}then: [restart]")), centre(2), vec![]);
    bench.operator(5, OperatorCommand::Pause { by: "an operator".into() }).event(10, "vm/a0", "vm.crashed", &[]);
    bench.event(500, "vm/a1", "vm.crashed", &[]).operator(600, OperatorCommand::Resume { by: "an operator".into() });
    let subjects: Vec<String> = plans(&mut bench, 900).iter().map(|(_, plan)| plan.subject.to_string()).collect();
    assert_eq!(subjects, ["vm/a1"]);

    // Nor is a pause after one's own deed, or another plan at work there; what a condition says is still so is no matter of the past.
    let run = |condition: &str| {
        let crash = policy(
            "crash",
            &format!(
                "select: {{kind: vm}}\non: vm.crashed\ncooldown: 6h\n{condition}then: [{{restart: , attempts: 2}}]"
            ),
        );
        let grown = policy("grown", "select: {kind: vm}\non: vm.grown\nthen: [{resize: {vcpus: +1}, timeout: 20m}]");
        let slow = Assumption { verb: Some(Verb::Resize), takes: Duration::from_mins(7), ..Assumption::default() };
        let mut bench = Bench::new(&[crash, grown].concat(), centre(2), vec![slow]);
        bench.event(60, "vm/a0", "vm.crashed", &[]).event(120, "vm/a0", "vm.crashed", &[]);
        bench.event(200, "vm/b0", "vm.grown", &[]).event(210, "vm/b0", "vm.crashed", &[]);
        let restarts = plans(&mut bench, 8 * 3_600).into_iter().filter(|(_, plan)| plan.policy.as_str() == "crash");
        let restarts: Vec<String> = restarts.map(|(second, plan)| format!("{second}s {}", plan.subject)).collect();
        let given_up = |record: &&Record| matches!(&record.entry, Entry::FindingClosed { reason, .. } if reason.contains("too old"));
        (restarts, bench.driver.records().iter().filter(given_up).count())
    };
    assert_eq!(run(""), (vec!["60s vm/a0".into()], 2));
    let still_so = run("when: state == \"running\"\n");
    assert_eq!(still_so, (vec!["60s vm/a0".into(), "620s vm/b0".into(), "21660s vm/a0".into()], 0));
}
