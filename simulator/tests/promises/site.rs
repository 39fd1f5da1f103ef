//! A small data centre, drawn: racks, hosts that are rather full, machines on them.

use std::collections::BTreeMap;

use homeostat_model::{Duration, ResourceId, Timestamp};
use homeostat_simulator::{Curve, HostSpec, Link, OutOfMemory, RackSpec, Scenario, WorkloadSpec};

use crate::draw::Draw;

/// When time begins: not long before a midnight.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_221_400_000);

const GIB: u64 = 1 << 30;

/// The data centre of a seed.
pub(crate) fn site(draw: &mut Draw) -> Scenario {
    let mut scenario = Scenario {
        description: String::new(),
        start: START,
        duration: Duration::from_secs(86_400),
        seed: draw.next(),
        // What is measured comes from elsewhere: here nothing ever reads what a data centre of its own would measure.
        sample_every: Duration::from_secs(30 * 86_400),
        migration: Link { bytes_per_second: 2e8, pause: Duration::from_millis(200) },
        racks: Vec::new(),
        hosts: Vec::new(),
        workloads: Vec::new(),
        timeline: Vec::new(),
    };
    for rack in 0..2 + u64::from(draw.chance(30)) + u64::from(draw.chance(10)) {
        let id: ResourceId = format!("rack/r{rack}").parse().unwrap();
        scenario.racks.push(RackSpec { id: id.clone(), labels: BTreeMap::new() });
        for host in 0..2 + u64::from(draw.chance(30)) + u64::from(draw.chance(10)) {
            let host = host_of(draw, &id, &format!("{rack}{host}"));
            fill(draw, &host, &mut scenario.workloads);
            scenario.hosts.push(host);
        }
    }
    scenario
}

fn host_of(draw: &mut Draw, rack: &ResourceId, name: &str) -> HostSpec {
    let micro = draw.chance(12);
    let pool = if micro { "micro" } else { *draw.pick(&["general", "general", "general", "other"]) };
    HostSpec {
        id: format!("host/h{name}").parse().unwrap(),
        rack: rack.clone(),
        labels: BTreeMap::from([("pool".to_owned(), pool.to_owned())]),
        cores: 4.0,
        memory_bytes: 16 * GIB,
        overcommit: if draw.chance(30) { 2.0 } else { 1.0 },
        idle_watts: 100.0,
        busy_watts: 200.0,
        on: !micro || draw.chance(50),
        boot_time: draw.seconds(10, 60),
    }
}

/// Up to four machines, as many as fit in.
fn fill(draw: &mut Draw, host: &HostSpec, workloads: &mut Vec<WorkloadSpec>) {
    if !host.on || host.labels["pool"] == "micro" {
        return;
    }
    let (mut cores, mut memory) = (host.cores, host.memory_bytes);
    for _ in 0..draw.below(5) {
        let (vcpus, bytes) = (draw.between(1, 2) as f64, draw.between(1, 6) * GIB);
        if vcpus > cores || bytes > memory {
            return;
        }
        (cores, memory) = (cores - vcpus, memory - bytes);
        workloads.push(WorkloadSpec {
            id: format!("vm/v{}", workloads.len()).parse().unwrap(),
            host: host.id.clone(),
            labels: BTreeMap::from([("tier".to_owned(), (*draw.pick(&["web", "db"])).to_owned())]),
            vcpus,
            memory_bytes: bytes,
            load: Curve::default(),
            memory_use: Curve::default(),
            out_of_memory: OutOfMemory::Waits,
            disk: None,
            running: draw.chance(92),
            start_time: draw.seconds(1, 20),
            stop_time: draw.seconds(0, 5),
            restarts: draw.chance(10).then(|| Duration::from_secs(20)),
        });
    }
}
