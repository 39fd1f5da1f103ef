//! Complaint 1: eviction and migration thrash, moves that overload the target.

use homeostat_model::*;

use crate::{
    bench::{Bench, host, policy, slow, vm},
    holds, plans,
};

const HOT: &str = "select: {kind: vm}\nwhen: last(\"load\") > 80%\ncooldown: 1m\nthen: [{migrate: , attempts: 9}]\n";

fn hot(guards: &str) -> String {
    policy("hot", &format!("{HOT}{guards}"))
}

/// descheduler #424 #707 #1713, ProxLB #23 #173 #249, karpenter #1851: what is moved off a full host fills the next one, and comes back.
#[test]
fn complaint_01_moves_thrash_and_overload_the_target() {
    // Three leave at the same moment; in the host beside there is room for one of them.
    let mut bench = Bench::new(&hot(""), crowded(), slow(30));
    for name in ["vm/one", "vm/two", "vm/three"] {
        bench.sample(10, name, "load", 0.9);
    }
    let made = plans(&mut bench, 20);
    assert_eq!(made.len(), 1, "{made:?}");
    // With more room more of them go: it is the room that decides. The third would gain nothing by then.
    let roomy = crowded().into_iter().map(|mut one| {
        if one.id.as_str() == "host/b" {
            one.capacity.vcpus = Some(64.0);
        }
        one
    });
    let mut bench = Bench::new(&hot(""), roomy.collect(), slow(30));
    for name in ["vm/one", "vm/two", "vm/three"] {
        bench.sample(10, name, "load", 0.9);
    }
    assert_eq!(plans(&mut bench, 20).len(), 2);

    // Somebody else fills the new host: without a guard, it goes back where it came from.
    let back = |guards: &str| {
        let mut bench = Bench::new(&hot(guards), pair(), vec![]);
        bench.sample(10, "vm/one", "load", 0.9).describe(20, vm("vm/other", "host/b", 3.0));
        bench.samples(30..=600, "vm/one", "load", 0.9);
        let made = plans(&mut bench, 600);
        (made.len(), holds(bench.driver.records()))
    };
    let (thrash, _) = back("");
    assert_eq!(thrash, 2, "it goes there and back");
    let (guarded, held) = back("returnAfter: 1h\n");
    assert_eq!(guarded, 1);
    assert!(held.iter().any(|(_, hold)| matches!(hold, Hold::Return { .. })), "{held:?}");
    // There is little to gain in going back, so that a least gain does the same.
    assert_eq!(back("minGain: 20%\n").0, 1);
}

fn crowded() -> Vec<Resource> {
    let vms = ["vm/one", "vm/two", "vm/three"].map(|name| vm(name, "host/a", 3.0));
    [host("host/a", 9.0, &[]), host("host/b", 5.0, &[])].into_iter().chain(vms).collect()
}

fn pair() -> Vec<Resource> {
    let hosts = ["host/a", "host/b"].map(|name| host(name, 8.0, &[]));
    hosts.into_iter().chain([vm("vm/one", "host/a", 4.0), vm("vm/two", "host/a", 2.0)]).collect()
}
