//! Complaint 13: "done" is not verified; several owners of a cordon.

use homeostat_model::*;
use homeostat_simulator::Assumption;

use crate::{
    bench::{Bench, centre, host, policy, slow, vm},
    plans, result, verbs,
};

/// ProxLB #276 #232, NVSentinel #1427, kured #314, descheduler #1114: a call that was accepted counts as done; whoever is ready takes a
/// cordon off that somebody else had put on.
#[test]
fn complaint_13_done_is_not_verified_and_a_cordon_has_several_owners() {
    let grow = |verify: &str| {
        let spec = format!(
            "select: {{kind: vm}}\nwhen: last(\"load\") > 80%\ncooldown: 1h\nthen: [{{resize: {{vcpus: 2}}{verify}}}]"
        );
        let mut bench = Bench::new(&policy("hot", &spec), centre(1), vec![]);
        bench.samples(10..=300, "vm/a0", "load", 0.9);
        plans(&mut bench, 300);
        let undone = |record: &Record| matches!(&record.entry, Entry::StepDispatched { key, .. } if key.attempt().undo);
        let records = bench.driver.records();
        (result(records, 1), records.iter().any(undone))
    };
    assert_eq!(grow(""), (Some(PlanResult::Succeeded), false), "as the adapter says");
    let (verified, undone) = grow(", verify: {that: last(\"load\") < 70%, within: 1m}");
    assert!(matches!(verified, Some(PlanResult::Unverified { .. })) && undone, "{verified:?}");
    one_owner_of_a_cordon();
}

fn one_owner_of_a_cordon() {
    let empty =
        |name: &str| policy(name, "select: {kind: host, name: a}\nwhen: last(\"drain\") > 50%\nthen: [evacuate]");
    let centre = |cordoned: bool| {
        vec![
            host("host/a", 8.0, &[("cordoned", cordoned.into())]),
            host("host/b", 8.0, &[]),
            vm("vm/one", "host/a", 2.0),
        ]
    };
    let mut bench = Bench::new(&[empty("first"), empty("second")].concat(), centre(false), slow(30));
    bench.sample(10, "host/a", "drain", 1.0);
    let made = plans(&mut bench, 20);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].1.findings.len(), 2, "one plan for both");

    // The move fails: a cordon of our own is taken off again, one that was there before stays.
    let after_failure = |cordoned: bool| {
        let no = Some(StepResult::Refused { reason: "no".into() });
        let fails = Assumption { verb: Some(Verb::Migrate), ends: no, ..Assumption::default() };
        let mut bench = Bench::new(&empty("first"), centre(cordoned), vec![fails]);
        bench.sample(10, "host/a", "drain", 1.0);
        let made = plans(&mut bench, 100);
        assert_eq!(verbs(&made), [Verb::Cordon, Verb::Migrate]);
        bench.driver.engine().topology().get(&"host/a".parse().unwrap()).unwrap().flag("cordoned")
    };
    assert!(!after_failure(false) && after_failure(true));
}
