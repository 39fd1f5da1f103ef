//! homeostat is killed hundreds of times while it carries out plans: none is lost, nothing is done twice. The systems count.

#[cfg(test)]
mod chronicle;
#[cfg(test)]
mod killing;
#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        path::Path,
        process::{Child, Command, Stdio},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    };

    use homeostat_model::{Action, IdempotencyKey, PlanId, StepId, StepResult, Verb};
    use homeostat_port::Adapter;
    use homeostat_simulator::{CentreAddress, Fault, Incident, RemoteCentre, Statement};
    use tokio::runtime::Runtime;

    use crate::{
        chronicle::{Archive, Chronicle, count_plans},
        killing::{Dice, Victim},
        program::{PATIENCE, scratch},
    };

    /// How long it goes on, and how large the journal may become meanwhile.
    struct Ordeal {
        kills: u64,
        plans: usize,
        max_bytes: &'static str,
    }

    /// Hosts that break, each once: what runs on them is started elsewhere.
    const BREAKING: u64 = 6;
    const RESTARTED: u64 = 40;
    const RESIZED: u64 = 30;

    const SCENARIO: &str = "
description: Workloads that crash all the time, some of which are resized before and after, and hosts that break.
start: 2026-03-02T09:00:00Z
duration: 1h
sampleEvery: 15s
racks: [{name: 'r{1..3}'}]
hosts:
  - {name: 'a{1..6}', rack: r1, cores: 64, memory: 512Gi, power: {idle: 100W, busy: 300W}}
  - {name: 'b{1..6}', rack: r2, cores: 64, memory: 512Gi, power: {idle: 100W, busy: 300W}}
  - {name: 'old{1..6}', rack: r3, cores: 16, memory: 64Gi, power: {idle: 100W, busy: 300W}}
vms:
  - {name: 'quick-{1..40}', on: 'a{1..6}', vcpus: 1, memory: 1Gi, labels: {job: quick}, startTime: 60ms, stopTime: 20ms}
  - {name: 'sized-{1..30}', on: 'b{1..6}', vcpus: 2, memory: 1Gi, labels: {job: sized}, startTime: 200ms, stopTime: 50ms}
  - {name: 'undone-{1..4}', on: 'a{1..6}', vcpus: 2, memory: 1Gi, labels: {job: undone}}
  - {name: 'moved-{1..18}', on: 'old{1..6}', vcpus: 1, memory: 1Gi, labels: {job: moved}, startTime: 500ms}
";

    const POLICIES: &str = r#"
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: restart}
spec:
  select: {kind: vm, matchLabels: {job: quick}}
  when: state == "crashed"
  cooldown: 50ms
  then: [{restart: {}, attempts: 100}]
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: grow}
spec:
  select: {kind: vm, matchLabels: {job: sized}}
  when: state == "crashed" && capacity.vcpus < 3
  cooldown: 50ms
  then: [{resize: {vcpus: 3}, attempts: 100, verify: {that: capacity.vcpus == 3, within: 5s}}]
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: restart-grown}
spec:
  select: {kind: vm, matchLabels: {job: sized}}
  when: state == "crashed" && capacity.vcpus == 3
  cooldown: 50ms
  then: [{restart: {}, attempts: 100}]
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: shrink}
spec:
  select: {kind: vm, matchLabels: {job: sized}}
  when: state == "running" && capacity.vcpus == 3
  cooldown: 50ms
  then: [{resize: {vcpus: 2}, attempts: 100}]
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: host-down}
spec:
  select: {kind: host}
  when: state == "down"
  cooldown: 1s
  then: [{evacuate: {}, attempts: 100}]
"#;

    /// Never helps, and is undone each time, as long as this policy is there.
    const UNDONE: &str = r#"
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: in-vain}
spec:
  select: {kind: vm, matchLabels: {job: undone}}
  when: capacity.vcpus == 2
  cooldown: 50ms
  then: [{resize: {vcpus: 3}, attempts: 100, verify: {that: capacity.vcpus == 4, within: 1s}}]
"#;

    /// The data centre in its process, which goes with this value.
    struct Centre {
        child: Child,
        address: CentreAddress,
    }

    impl Centre {
        fn start(folder: &Path) -> Self {
            let (scenario, socket) = (folder.join("scenario.yaml"), folder.join("centre.sock"));
            fs::write(&scenario, SCENARIO).unwrap();
            let address: CentreAddress = format!("unix:{}", socket.display()).parse().unwrap();
            let child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
                .args(["datacentre", "serve"])
                .arg(&scenario)
                .args(["--listen", &address.to_string()])
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            let deadline = Instant::now() + PATIENCE;
            while !socket.exists() {
                assert!(Instant::now() < deadline, "the data centre is not served");
                std::thread::sleep(Duration::from_millis(10));
            }
            Self { child, address }
        }

        fn client(&self) -> RemoteCentre {
            RemoteCentre::new("datacentre".parse().unwrap(), self.address.clone())
        }
    }

    impl Drop for Centre {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Lets things happen to the data centre until it is told to leave it in peace.
    fn disturb(client: &RemoteCentre, mut dice: Dice, calm: &AtomicBool) {
        let runtime = Runtime::new().unwrap();
        let crash = |job: &str, number: u64| Incident::Crash(format!("vm/{job}-{number}").parse().unwrap());
        let mut broken = 0;
        while !calm.load(Ordering::Relaxed) {
            std::thread::sleep(dice.millis(5, 25));
            let incident = match dice.between(0, 199) {
                0 if broken < BREAKING => {
                    broken += 1;
                    Incident::Kill(format!("host/old{broken}").parse().unwrap())
                }
                1..=4 => {
                    let fault =
                        [Fault::Hang, Fault::Lie, Fault::LoseAnswer][usize::try_from(dice.between(0, 2)).unwrap()];
                    runtime.block_on(client.go_wrong(fault, 1)).unwrap();
                    continue;
                }
                5..=119 => crash("quick", dice.between(1, RESTARTED)),
                _ => crash("sized", dice.between(1, RESIZED)),
            };
            runtime.block_on(client.inject(&incident)).unwrap();
        }
    }

    #[test]
    fn a_data_centre_is_driven_through_hundreds_of_crashes() {
        endure(&Ordeal { kills: 200, plans: 1_000, max_bytes: "1Gi" });
    }

    /// Whatever is known of what was dropped is in the snapshots of the segments since.
    #[test]
    fn a_data_centre_is_driven_through_crashes_while_its_journal_drops_its_oldest_segments() {
        let folder = endure(&Ordeal { kills: 100, plans: 1_000, max_bytes: "1Mi" });
        Archive::of(&folder.path().join("journal"), &folder.path().join("archive")).covers_what_was_dropped();
    }

    /// Gives the folder, in which the journal is, and all that there ever was of it in `archive`.
    fn endure(&Ordeal { kills: least_kills, plans: least_plans, max_bytes }: &Ordeal) -> tempfile::TempDir {
        let began = Instant::now();
        let folder = scratch();
        let mut dice = Dice::thrown("crash test on the data centre");
        let centre = Centre::start(folder.path());
        let policies = folder.path().join("policies");
        fs::create_dir(&policies).unwrap();
        fs::write(policies.join("all.yaml"), POLICIES).unwrap();
        fs::write(policies.join("in-vain.yaml"), UNDONE).unwrap();
        let adapters = format!("[{{datacentre: {{at: \"{}\"}}}}]", centre.address);
        let mut victim = Victim::start(folder.path(), max_bytes, &adapters, 400, dice.split());
        let archive = Archive::of(&folder.path().join("journal"), &folder.path().join("archive"));

        let calm = Arc::new(AtomicBool::new(false));
        let disturber = std::thread::spawn({
            let (client, dice, calm) = (centre.client(), dice.split(), calm.clone());
            move || disturb(&client, dice, &calm)
        });
        while victim.kills < least_kills || count_plans(archive.folder()) < least_plans {
            for _ in 0..10 {
                victim.die_and_rise();
                archive.keep();
            }
        }
        calm.store(true, Ordering::Relaxed);
        disturber.join().unwrap();
        let killing = began.elapsed();
        // Whatever still hangs is found out by one start more; then everything is left to come to its end.
        victim.die_and_rise();
        fs::remove_file(policies.join("in-vain.yaml")).unwrap();
        victim.wait_until_ready();
        victim.come_to_rest(Duration::from_secs(5), Duration::from_secs(30));
        let (kills, moments) = (victim.kills, victim.moments);
        victim.stop();

        archive.keep();
        let chronicle = Chronicle::read(archive.folder());
        let runtime = Runtime::new().unwrap();
        let stated = runtime.block_on(centre.client().ledger()).unwrap();
        let mut wrongs = chronicle.wrongs.clone();
        judge(&chronicle, &stated, &mut wrongs);
        sizes(&chronicle, &runtime.block_on(centre.client().discover()).unwrap(), &mut wrongs);
        let [succeeded, unverified, failed, cancelled] = chronicle.results();
        let (plans, deeds) = (chronicle.stories.len(), chronicle.deeds().count());
        let (applied, [early, working, dispatching]) = (effects(&stated), moments);
        println!(
            "crash test on the data centre, journal of {max_bytes}: {kills} kills ({early} before it was ready, {working} at work, {dispatching} right after a \
             step was written down) in {killing:?}, {:?} in all; {plans} plans: {succeeded} succeeded, {unverified} did not help, \
             {failed} failed, {cancelled} cancelled; {deeds} tries of steps; {applied} effects in the data centre, {} twice; journal: \
             {} records, verified",
            began.elapsed(),
            stated.keys.values().filter(|account| account.applied > 1).count(),
            chronicle.records,
        );
        if !wrongs.is_empty() {
            let kept = folder.keep();
            panic!("{} wrongs, see {}:\n{}", wrongs.len(), kept.display(), wrongs.join("\n"));
        }
        assert!(kills >= least_kills && plans >= least_plans, "{kills} kills, {plans} plans");
        folder
    }

    fn effects(stated: &Statement) -> u64 {
        stated.effects.values().flat_map(|verbs| verbs.values()).sum()
    }

    /// Compares what the journal says was done with what the data centre says was done.
    fn judge(chronicle: &Chronicle, stated: &Statement, wrongs: &mut Vec<String>) {
        if stated.forgotten > 0 || !stated.ran_twice.is_empty() {
            wrongs.push(format!("{} keys forgotten; ran on two hosts: {:?}", stated.forgotten, stated.ran_twice));
        }
        let mut dispatched: BTreeMap<&IdempotencyKey, _> = BTreeMap::new();
        for (plan, deed, action) in chronicle.deeds() {
            dispatched.insert(&deed.key, (plan, deed, action));
        }
        // What the data centre did was in the journal before, once, and every effect has its key.
        let mut by_step: BTreeMap<(PlanId, StepId, bool), u64> = BTreeMap::new();
        let mut by_verb: BTreeMap<(String, Verb), u64> = BTreeMap::new();
        for (key, account) in &stated.keys {
            if account.begun > 1 || account.applied > 1 {
                wrongs.push(format!("{key} was done more than once: {account:?}"));
            }
            let Some((plan, deed, action)) = dispatched.get(key) else {
                wrongs.push(format!("{key} is not in the journal: {account:?}"));
                continue;
            };
            if action.verb() != account.verb {
                wrongs.push(format!("{key} is {action} in the journal: {account:?}"));
            }
            *by_step.entry((plan.id, deed.step, key.attempt().undo)).or_default() += account.applied;
            *by_verb.entry((account.resource.to_string(), account.verb)).or_default() += account.applied;
        }
        for (step, times) in by_step.into_iter().filter(|(_, times)| *times > 1) {
            wrongs.push(format!("{times} tries of {step:?} had an effect"));
        }
        for (resource, verbs) in &stated.effects {
            for (verb, count) in verbs {
                let known = by_verb.remove(&(resource.to_string(), *verb)).unwrap_or(0);
                if known != *count {
                    wrongs.push(format!("{verb} of {resource}: {count} times, under keys {known} times"));
                }
            }
        }
        // How a try is said to have ended is how it ended.
        for (key, (_, deed, action)) in &dispatched {
            let account = stated.keys.get(key);
            let (applied, found) = account.map_or((0, 0), |account| (account.applied, account.found));
            let fits = match (&deed.ended, action) {
                (None, _) => false,
                // How things are does not show whether it was restarted: only the key does.
                (Some((_, StepResult::Done { .. })), Action::Restart { .. }) => applied == 1,
                (Some((_, StepResult::Done { .. })), _) => applied + found <= 1,
                (Some((_, StepResult::Unknown { .. })), _) => true,
                (Some(_), _) => applied == 0,
            };
            if !fits {
                wrongs
                    .push(format!("{key}, {action}: {:?} in the journal, in the data centre {account:?}", deed.ended));
            }
        }
    }

    /// Every workload has the size that the last step gave it which is known to have been done.
    fn sizes(chronicle: &Chronicle, all: &[homeostat_model::Resource], wrongs: &mut Vec<String>) {
        let mut last = BTreeMap::new();
        for (plan, deed, action) in chronicle.deeds() {
            let Action::Resize(amount) = action else { continue };
            let resource = plan.step(deed.step).unwrap().resource.clone();
            match &deed.ended {
                Some((at, StepResult::Done { .. })) => {
                    let entry = last.entry(resource).or_insert_with(|| (*at, amount.clone()));
                    if entry.0 <= *at {
                        *entry = (*at, amount);
                    }
                }
                Some((_, StepResult::Unknown { .. })) => drop(last.remove(&resource)),
                _ => {}
            }
        }
        for (resource, (_, amount)) in last {
            let found = all.iter().find(|found| found.id == resource).unwrap();
            if found.capacity.vcpus != amount.vcpus {
                wrongs.push(format!("{resource} has {:?}, and was given {amount:?}", found.capacity.vcpus));
            }
        }
    }
}
