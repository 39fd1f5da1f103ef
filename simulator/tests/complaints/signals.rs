//! Complaint 7: no flap detection; a data gap read as resolved.

use homeostat_model::{Entry, Hold, Record};

use crate::{
    bench::{Bench, CRASH, centre, policy},
    holds, plans, records,
};

/// alertmanager #204 #3048, prometheus #14085: a source falls silent and that reads as well again; what comes and goes is acted on each time.
#[test]
fn complaint_07_a_gap_is_read_as_resolved_and_nothing_sees_flapping() {
    let gap = |on_unknown: &str| {
        let spec = format!(
            "select: {{kind: vm}}\nwhen: last(\"load\") > 80%\nonUnknown: {on_unknown}\nmode: observe\nthen: [restart]"
        );
        let mut bench = Bench::new(&policy("hot", &spec), centre(1), vec![]);
        bench.samples(10..=60, "vm/a0", "load", 0.9);
        let closed = |record: &&Record| matches!(record.entry, Entry::FindingClosed { .. });
        records(&mut bench, 3_600).iter().filter(closed).count()
    };
    assert_eq!(gap("hold"), 0, "an hour of silence resolves nothing");
    assert_eq!(gap("close"), 1, "unless the policy says so");

    let flapping = |guard: &str| {
        let yaml = policy("crash", &format!("{CRASH}{guard}then: [{{restart: , attempts: 50}}]"));
        let mut bench = Bench::new(&yaml, centre(1), vec![]);
        for turn in 0..10 {
            bench.event(10 + 30 * turn, "vm/a0", "vm.crashed", &[]);
        }
        let made = plans(&mut bench, 320).len();
        (made, holds(bench.driver.records()))
    };
    assert_eq!(flapping("").0, 10);
    let (made, held) = flapping("flap: {changes: 3, within: 10m}\n");
    assert_eq!(made, 2, "the third time it is left alone");
    assert!(held.iter().any(|(_, hold)| matches!(hold, Hold::Flapping { opened: 3, .. })), "{held:?}");
}
