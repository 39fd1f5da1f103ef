//! Complaint 4: a restart of the controller triggers mass action.

use homeostat_model::*;

use crate::{
    bench::{Bench, guard, host, policy, vm},
    plans,
};

/// autoscaler #2180 (two or three thousand pods evicted), ProxLB #239: a controller that has just begun takes what it does not know yet for
/// what is wrong.
#[test]
fn complaint_04_a_restart_of_the_controller_triggers_mass_action() {
    // The first list is of a moment at which the network was away: every host is down. Half a minute later all are well.
    let centre = |state: &'static str| {
        (0..8).flat_map(move |number| {
            let name = format!("host/h{number}");
            [host(&name, 8.0, &[("state", state.into())]), vm(&format!("vm/v{number}"), &name, 1.0)]
        })
    };
    let spare = || host("host/spare", 64.0, &[]);
    let down = policy("down", "select: {kind: host}\nwhen: state == \"down\"\nthen: [evacuate]");
    let run = |yaml: &str| {
        let mut bench = Bench::new(yaml, centre("down").chain([spare()]).collect(), vec![]);
        for well in centre("up") {
            let adapter = Some(AdapterName::new("assumed").unwrap());
            bench.describe(30, Resource { adapter, ..well });
        }
        plans(&mut bench, 3_600).len()
    };
    assert_eq!(run(&down), 8, "all of it, at once");
    for (spec, most) in [("settle: 5m", 0), ("budgets: [{max: 1, per: 1h}]", 1)] {
        let guarded = [down.clone(), guard("site", &format!("select: {{kind: host}}\n{spec}"))].concat();
        assert_eq!(run(&guarded), most, "{spec}");
    }

    // What was not looked for long enough is not absent: nobody is restarted because the program has just begun to listen.
    let silent = policy("silent", "select: {kind: vm}\nwhen: absent(\"heartbeat\", 1m)\nthen: [restart]");
    let mut bench = Bench::new(&silent, centre("up").collect(), vec![]);
    assert_eq!(plans(&mut bench, 50).len(), 0);
    for number in 0..7 {
        bench.sample(55, &format!("vm/v{number}"), "heartbeat", 1.0);
    }
    let made = plans(&mut bench, 70);
    let subjects: Vec<&str> = made.iter().map(|(_, plan)| plan.subject.as_str()).collect();
    assert_eq!(subjects, ["vm/v7"], "the one that really is silent");
}
