//! Complaint 4: a restart of the controller triggers mass action.

use std::collections::BTreeSet;

use homeostat_model::*;

use crate::{
    bench::{Bench, centre, guard, host, on_vms, policy, slow, vm},
    plans, second,
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

/// Eight machines are hot for hours, and no restart of them mends that: two may be begun in any ten minutes, and none again within an hour.
/// Whenever the program is killed, it goes on as if it had not been; one that remembers nothing begins anew.
#[test]
fn complaint_04_a_program_that_begins_anew_does_no_more_than_one_that_goes_on() {
    let hot =
        on_vms("hot", "when: last(\"cpu\") > 80%\nstaleAfter: 1d\ncooldown: 1h\nthen: [{restart: , attempts: 9}]");
    let yaml = [hot, guard("site", "select: {kind: vm}\nbudgets: [{max: 2, per: 10m}]")].concat();
    let new = || Bench::new(&yaml, centre(4), slow(60));
    let all_hot = |bench: &mut Bench, second: u64| {
        for name in ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"] {
            bench.sample(second, &format!("vm/{name}"), "cpu", 0.9);
        }
    };
    let begun = |bench: &mut Bench, until: u64| {
        let (made, mut begun) = (plans(bench, until), Vec::new());
        for record in bench.driver.records() {
            if let Entry::StepDispatched { plan, .. } = &record.entry {
                let (_, plan) = made.iter().find(|(_, made)| made.id == *plan).unwrap();
                begun.push((second(record), plan.subject.to_string()));
            }
        }
        begun
    };
    let kept = |begun: &[(u64, String)]| {
        let subjects: BTreeSet<&String> = begun.iter().map(|(_, subject)| subject).collect();
        let apart = begun.windows(3).all(|three| three[0].0 + 600 <= three[2].0);
        subjects.len() == begun.len() && apart
    };

    // While steps are in flight, and goes on while they are, or when they have ended; while none is; when there is no room, and when there
    // is some again meanwhile.
    for (killed, back) in [(1, 2), (30, 45), (30, 90), (300, 310), (590, 650), (620, 640), (1_500, 1_900)] {
        let mut first = new();
        all_hot(&mut first, 1);
        let before = begun(&mut first, killed);
        let after = |mut next: Bench| {
            all_hot(&mut next, back);
            let open =
                next.driver.records().iter().filter(|one| matches!(one.entry, Entry::FindingOpened { .. })).count();
            assert_eq!(open, 8, "all is open at once");
            [before.clone(), begun(&mut next, 3_000)].concat()
        };
        let told = after(first.killed_until(back, &yaml));
        assert!(kept(&told) && told.len() == 8, "{killed} to {back}: {told:?}");
        assert!(!kept(&after(new())), "{killed} to {back}");
    }
}
