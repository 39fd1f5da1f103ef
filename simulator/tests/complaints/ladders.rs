//! Complaints 9 and 10: silent escalation, and remediation without end.

use homeostat_model::*;
use homeostat_policy::{Catalogue, SourceText, UnknownMetrics, load};
use homeostat_simulator::Assumption;

use crate::{
    bench::{Bench, centre, guard, policy},
    handed_over, plans, verbs,
};

/// autoscaler #8720 #10174 #10181: when the gentle way does not work, something harsher is done, and nobody had asked for that.
#[test]
fn complaint_09_silent_escalation_to_something_more_disruptive() {
    let written = |then: &str, ceiling: &str| {
        policy(
            "hot",
            &format!("select: {{kind: vm}}\nwhen: last(\"load\") > 80%\ncooldown: 10s\n{ceiling}then: {then}"),
        )
    };
    let run = |then: &str, site: &str| {
        let no = Some(StepResult::Refused { reason: "no".into() });
        let fails = Assumption { verb: Some(Verb::Resize), ends: no, ..Assumption::default() };
        let mut bench = Bench::new(&[site.to_owned(), written(then, "")].concat(), centre(1), vec![fails]);
        bench.samples(10..=300, "vm/a0", "load", 0.9);
        let made = plans(&mut bench, 300);
        (verbs(&made), handed_over(bench.driver.records()), bench)
    };
    // What is not written is not done, though the only response fails.
    let (done, over, _) = run("[{resize: {vcpus: 2}}]", "");
    assert_eq!((done, over.len()), (vec![Verb::Resize], 1));
    // What is written above the policy's own ceiling is refused when it is loaded.
    let ladder = "[{resize: {vcpus: 2}}, restart, kill]";
    let source = SourceText { name: "hot.yaml".into(), text: written(ladder, "ceiling: live\n") };
    assert_eq!(load(&[source], &Catalogue::new(UnknownMetrics::Allow)).problems.len(), 2);
    // Above that of a guard it is passed over, and that is said.
    let (done, over, bench) = run(ladder, &guard("site", "select: {kind: vm}\nceiling: live"));
    assert_eq!((done, over.len()), (vec![Verb::Resize], 1));
    let skipped = bench.driver.records().iter().filter(|record| {
        matches!(&record.entry, Entry::Skipped { reason, .. } if reason.contains("the ceiling of guard site is live"))
    });
    assert_eq!(skipped.count(), 2);
    // Without the ceiling it is done.
    assert_eq!(run(ladder, "").0, [Verb::Resize, Verb::Restart, Verb::Kill]);
}

/// pfnet-research/node-operation-controller #31: the same thing is tried again and again, and no person ever hears of it.
#[test]
fn complaint_10_endless_remediation_and_no_hand_over_to_a_person() {
    let crash_loop = |attempts: usize| {
        let spec =
            format!("select: {{kind: vm}}\non: vm.crashed\ncooldown: 0s\nthen: [{{restart: , attempts: {attempts}}}]");
        let mut bench = Bench::new(&policy("crash", &spec), centre(1), vec![]);
        for turn in 0..20 {
            bench.event(10 + 20 * turn, "vm/a0", "vm.crashed", &[]);
        }
        let made = plans(&mut bench, 420).len();
        (made, handed_over(bench.driver.records()).len())
    };
    assert_eq!(crash_loop(3), (3, 1));
    assert_eq!(crash_loop(100).0, 20, "as often as it is told to");

    // Also where the deed itself makes the condition go and come again, and never helps.
    let spec = "select: {kind: vm}\nwhen: last(\"load\") > 80%\ncooldown: 20s\n\
        then: [{resize: {vcpus: +1}, verify: {that: last(\"load\") < 50%, within: 30s}}]";
    let mut bench = Bench::new(&policy("hot", spec), centre(1), vec![]);
    for turn in 0..20 {
        let start = 10 + 60 * turn;
        bench.sample(start, "vm/a0", "load", 0.9).sample(start + 10, "vm/a0", "load", 0.7).sample(
            start + 40,
            "vm/a0",
            "load",
            0.7,
        );
    }
    let made = plans(&mut bench, 1_300).len();
    let over = handed_over(bench.driver.records()).len();
    assert!(made <= 2 && over == 1, "{made} plans, and {over} times a person was told");
}
