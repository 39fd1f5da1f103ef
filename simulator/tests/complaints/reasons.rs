//! Complaints 3 and 11: nobody says what would be done, nor why nothing is.

use homeostat_engine::Status;

use crate::{
    bench::{Bench, CRASH, at, centre, guard, policy, slow},
    explain, plans, records, verbs,
};

/// karpenter #711, karpenter-provider-aws #3732, autoscaler #1377, enhancements #3149: no way to see what it would do before it does, nor
/// why it does not.
#[test]
fn complaint_03_there_is_no_dry_run_and_no_why_not() {
    let run = |mode: &str| {
        let spec = format!(
            "select: {{kind: vm}}\nwhen: last(\"load\") > 80%\nmode: {mode}\nthen: [{{resize: {{vcpus: +1}}}}]"
        );
        let mut bench = Bench::new(&policy("hot", &spec), centre(1), slow(10));
        bench.sample(10, "vm/a0", "load", 0.9);
        let begins =
            |line: &homeostat_model::Record| matches!(line.entry, homeostat_model::Entry::StepDispatched { .. });
        let made = plans(&mut bench, 15);
        let begun = records(&mut bench, 15).iter().filter(|record| begins(record)).count();
        (made, begun, explain(&mut bench, 15, "vm/a0"))
    };
    let (shown, begun, why) = run("recommend");
    let (done, really_begun, _) = run("auto");
    assert_eq!((begun, really_begun), (0, 1));
    assert_eq!(shown[0].1.steps, done[0].1.steps, "what is shown is what would be done");
    assert_eq!(verbs(&shown), verbs(&done));
    assert!(why[0].because.contains("recommend"), "{why:?}");

    // And where nothing is to be done: which clause, with its value.
    let mut bench = Bench::new(
        &policy("hot", "select: {kind: vm}\nwhen: last(\"load\") > 80%\nfor: 1m\nthen: [{resize: {vcpus: +1}}]"),
        centre(1),
        vec![],
    );
    bench.sample(10, "vm/a0", "load", 0.7);
    let why = explain(&mut bench, 15, "vm/a0");
    assert_eq!((why[0].status, why[0].acts_at), (Status::No, None));
    assert!(why[0].because.contains("last(load) = 0.7"), "{why:?}");
    bench.sample(20, "vm/a0", "load", 0.9);
    let why = explain(&mut bench, 30, "vm/a0");
    assert_eq!((why[0].status, why[0].acts_at), (Status::Waiting, Some(at(80))), "{why:?}");
}

/// cluster-api #10722 #5451 #11826: a limit is in force, nothing happens, and nothing says which one and how far it is used.
#[test]
fn complaint_11_limits_that_nobody_can_see() {
    for (limit, guarded, wanted) in [
        ("budgets: [{max: 1, per: 10m}]\n", "", "1 of 1 for policy crash within 10m"),
        ("budgets: [{scope: host, max: 1}]\n", "", "1 of 1 for host/a in flight, such as plan p1-1"),
        ("maxUnhealthy: 1\n", "", "maxUnhealthy of policy crash: 2 of 4 have a finding, and 1 may"),
        ("", "maxUnhealthy: 25%\n", "maxUnhealthy of guard site: 2 of 4 have a finding, and 1 may"),
        ("", "budgets: [{max: 1, per: 10m}]\n", "budget of guard site: 1 of 1 for all that it guards within 10m"),
    ] {
        let crash = policy("crash", &format!("{CRASH}{limit}then: [restart]"));
        let site =
            if guarded.is_empty() { String::new() } else { guard("site", &format!("select: {{kind: vm}}\n{guarded}")) };
        let mut bench = Bench::new(&[crash, site].concat(), centre(2), slow(60));
        bench.event(10, "vm/a0", "vm.crashed", &[]).event(20, "vm/a1", "vm.crashed", &[]);
        let why = explain(&mut bench, 30, "vm/a1");
        assert_eq!(why[0].status, Status::HeldBack);
        assert!(why[0].because.contains(wanted), "{}", why[0].because);
        assert!(crate::holds(bench.driver.records()).iter().any(|(_, hold)| hold.to_string().contains(wanted)));
    }
}
