//! Measuring: who gets how much of the processors, and what that draws.

use std::collections::BTreeMap;

use homeostat_model::{Duration, Observation, ResourceId, Sample};

use super::{DataCentre, agenda::Due, host::Host};
use crate::number;

/// What one workload asks of the processors of its host.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Demand {
    /// The cores it would use.
    wants: f64,
    /// Its share when there is not enough for all.
    weight: f64,
}

/// What is in use on one host.
#[derive(Debug, Default)]
struct Use {
    cores: f64,
    memory: f64,
}

impl DataCentre {
    /// Emits one sample of every metric of everything that can be reached, in the order of ids.
    pub(super) fn sample(&mut self) {
        let elapsed = self.now.since(self.start);
        self.kill_the_greedy(elapsed);
        let granted = self.granted(elapsed);
        let mut in_use: BTreeMap<ResourceId, Use> = BTreeMap::new();
        let mut samples = Vec::new();
        for (id, workload) in &self.workloads {
            let Some((wants, cores)) = granted.get(id).copied() else { continue };
            let memory = workload.memory_used(elapsed);
            let used = in_use.entry(workload.host.clone()).or_default();
            used.cores += cores;
            used.memory += memory;
            if self.hosts.get(&workload.host).is_some_and(Host::is_up) {
                let memory_share = memory / number::from_u64(workload.memory_bytes);
                samples.push((id, "cpu.cores", cores));
                samples.push((id, "cpu.steal", (wants - cores).max(0.0) / workload.vcpus));
                samples.push((id, "cpu.utilization", cores / workload.vcpus));
                if let Some((used, size)) = workload.disk(elapsed) {
                    samples.push((id, "disk.size", size));
                    samples.push((id, "disk.used", used));
                }
                samples.push((id, "memory.used", memory));
                samples.push((id, "memory.utilization", memory_share));
            }
        }
        let mut racks: BTreeMap<&ResourceId, f64> = self.racks.keys().map(|id| (id, 0.0)).collect();
        for (id, host) in &self.hosts {
            let used = in_use.remove(id).unwrap_or_default();
            let busy = used.cores / host.cores;
            *racks.entry(&host.rack).or_default() += host.watts(busy);
            if host.is_up() {
                samples.push((id, "cpu.utilization", busy));
                samples.push((id, "memory.used", used.memory));
                samples.push((id, "memory.utilization", used.memory / number::from_u64(host.memory_bytes)));
                samples.push((id, "power.watts", host.watts(busy)));
                samples.push((id, "up", 1.0));
            }
        }
        let watts: f64 = racks.values().sum();
        samples.extend(racks.into_iter().map(|(id, watts)| (id, "power.watts", watts)));
        let named = samples.into_iter().filter_map(|(id, metric, value)| {
            let metric = self.vocabulary.metric(metric)?;
            Some(Sample { resource: id.clone(), metric, time: self.now, value: number::rounded(value) })
        });
        let observations: Vec<Observation> = named.map(Observation::Sample).collect();
        observations.into_iter().for_each(|observation| self.observed(observation));
        self.account(elapsed, &granted, watts);
        self.agenda.add(self.now + self.sample_every, Due::Sample);
    }

    /// What wants more memory than it has is killed by the kernel, where that is so.
    fn kill_the_greedy(&mut self, elapsed: Duration) {
        let greedy = self.workloads.iter().filter(|(_, workload)| workload.runs_out_of_memory(elapsed));
        for id in greedy.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.crash(&id, Some("out of memory"));
        }
    }

    /// The cores that each workload wants and gets. What does not run is not listed.
    fn granted(&self, elapsed: Duration) -> BTreeMap<ResourceId, (f64, f64)> {
        let mut by_host: BTreeMap<&ResourceId, Vec<(&ResourceId, Demand)>> = BTreeMap::new();
        for (id, workload) in self.workloads.iter().filter(|(_, workload)| workload.is_active()) {
            let demand = Demand { wants: workload.wants(elapsed), weight: workload.vcpus };
            by_host.entry(&workload.host).or_default().push((id, demand));
        }
        let mut granted = BTreeMap::new();
        for (host, demands) in by_host {
            let Some(host) = self.hosts.get(host) else { continue };
            let shares = share(host.cores, &demands.iter().map(|(_, demand)| *demand).collect::<Vec<_>>());
            for ((id, demand), cores) in demands.into_iter().zip(shares) {
                granted.insert(id.clone(), (demand.wants, cores));
            }
        }
        granted
    }
}

/// Shares `cores` by weight: nobody gets more than it wants, and what one does not want goes to the others.
///
/// Who wants least for its weight is served first; then each of the others gets its share of what is left, or less when
/// that is all it wants.
fn share(cores: f64, demands: &[Demand]) -> Vec<f64> {
    let mut order: Vec<(usize, Demand)> = demands.iter().copied().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| (a.wants / a.weight).total_cmp(&(b.wants / b.weight)));
    let mut weights: f64 = demands.iter().map(|demand| demand.weight).sum();
    let mut left = cores;
    let mut shares = vec![0.0; demands.len()];
    for (index, demand) in order {
        let fair = left * (demand.weight / weights).min(1.0);
        let given = demand.wants.min(fair).max(0.0);
        if let Some(share) = shares.get_mut(index) {
            *share = given;
        }
        left -= given;
        weights -= demand.weight;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_by_weight_and_none_is_lost() {
        // cores, (wants, weight)..., shares...
        type Case<'a> = (f64, &'a [(f64, f64)], &'a [f64]);
        let cases: &[Case<'_>] = &[
            (8.0, &[(1.0, 2.0), (3.0, 4.0)], &[1.0, 3.0]),
            (4.0, &[(4.0, 4.0), (4.0, 4.0)], &[2.0, 2.0]),
            (4.0, &[(1.0, 4.0), (4.0, 4.0)], &[1.0, 3.0]),
            (6.0, &[(8.0, 8.0), (4.0, 4.0)], &[4.0, 2.0]),
            (4.0, &[(4.0, 4.0), (0.5, 2.0), (4.0, 4.0)], &[1.75, 0.5, 1.75]),
            (4.0, &[], &[]),
        ];
        for (cores, demands, expected) in cases {
            let demands: Vec<Demand> = demands.iter().map(|&(wants, weight)| Demand { wants, weight }).collect();
            assert_eq!(share(*cores, &demands), *expected, "{cores} cores for {demands:?}");
        }
    }
}
