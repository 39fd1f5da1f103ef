//! homeostat is killed again and again while it restarts and resizes real containers; Docker's own events say how often that was done.

#[cfg(test)]
mod chronicle;
#[cfg(test)]
mod killing;
#[cfg(test)]
mod program;
#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    };

    use homeostat_model::{StepResult, Verb};
    use serde_json::Value;

    use crate::{
        chronicle::{Chronicle, count_plans},
        killing::{Dice, Victim},
        program::scratch,
        testbed::{Container, Engine, variable},
    };

    const KILLS: u64 = 200;
    const PLANS: usize = 1_000;

    /// Longer than homeostat lets a response rest that has failed, which is ten seconds: what is wrong after that stays wrong.
    const QUIET: Duration = Duration::from_secs(16);

    /// What is stopped is restarted, what stands still is restarted, what is too small is made larger. All at once: what a crash has cut off is
    /// under way for seconds more, and nothing takes its place on its host meanwhile.
    const POLICIES: &str = r#"
apiVersion: homeostat.dev/v1alpha1
kind: Guard
metadata: {name: wide}
spec:
  select: {kind: container}
  parallel: {host: 32}
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: restart}
spec:
  select: {kind: container, matchLabels: {crash-test: "yes"}}
  when: state == "exited" || state == "paused"
  cooldown: 50ms
  then: [{restart: {}, attempts: 100}]
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: grow}
spec:
  select: {kind: container, matchLabels: {crash-test: "yes"}}
  when: state == "running" && capacity.memory < 70Mi
  cooldown: 50ms
  then: [{resize: {memory: 80Mi}, attempts: 100}]
"#;

    /// It takes a while to end, so that homeostat is killed in between.
    const SLOW: &str = "trap 'sleep 0.2; exit 0' TERM; while :; do sleep 0.05; done";

    /// From and to, in milliseconds since the epoch.
    type Span = (i64, i64);

    fn now() -> i64 {
        homeostat_port::Clock::system().now().as_millis()
    }

    /// Everything that Docker tells from now on, in a file.
    struct Events {
        child: Child,
        path: PathBuf,
    }

    impl Events {
        fn record(engine: &Engine, folder: &Path) -> Self {
            let path = folder.join("events");
            let file = fs::File::create(&path).unwrap();
            let child = Command::new(variable("HOMEOSTAT_TEST_DOCKER_BIN"))
                .args(["--host", &engine.endpoint, "events", "--filter", "type=container", "--format", "{{json .}}"])
                .stdin(Stdio::null())
                .stdout(file)
                .spawn()
                .unwrap();
            Self { child, path }
        }

        /// When each of the events with this name was, in milliseconds, by the containers' names.
        fn of(&self, name: &str) -> BTreeMap<String, Vec<i64>> {
            let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
            for line in fs::read_to_string(&self.path).unwrap().lines() {
                let event: Value = serde_json::from_str(line).unwrap();
                if event["Action"] == name {
                    let container = event["Actor"]["Attributes"]["name"].as_str().unwrap().to_owned();
                    times.entry(container).or_default().push(event["timeNano"].as_i64().unwrap() / 1_000_000);
                }
            }
            times
        }
    }

    impl Drop for Events {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Kills, pauses and shrinks containers until it is told to leave them in peace. Gives when each was shrunk, in milliseconds.
    fn disturb(engine: &Engine, names: &[String], mut dice: Dice, calm: &AtomicBool) -> BTreeMap<String, Vec<Span>> {
        let docker = |arguments: &[&str]| {
            let client = variable("HOMEOSTAT_TEST_DOCKER_BIN");
            // What does not run can be neither killed nor paused.
            Command::new(client).args(["--host", &engine.endpoint]).args(arguments).output().unwrap().status.success()
        };
        let mut shrunk: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        while !calm.load(Ordering::Relaxed) {
            std::thread::sleep(dice.millis(1, 15));
            let last = u64::try_from(names.len() - 1).unwrap();
            let name = &names[usize::try_from(dice.between(0, last)).unwrap()];
            match dice.between(0, 9) {
                0..=2 => drop(docker(&["kill", "--signal", "KILL", name])),
                3 => drop(docker(&["pause", name])),
                _ => {
                    let began = now();
                    if docker(&["update", "--memory", "64m", "--memory-swap", "64m", name]) {
                        shrunk.entry(name.clone()).or_default().push((began, now()));
                    }
                }
            }
        }
        shrunk
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn containers_are_driven_through_hundreds_of_crashes() {
        let began = Instant::now();
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let mut dice = Dice::thrown("crash test on containers");
        let options = ["--memory", "80m", "--memory-swap", "80m", "--stop-timeout", "2", "--label", "crash-test=yes"];
        let containers: Vec<Container<'_>> = (0..32).map(|_| engine.container(SLOW, &options)).collect();
        let names: Vec<String> = containers.iter().map(|container| container.name.clone()).collect();
        let events = Events::record(&engine, folder.path());
        let policies = folder.path().join("policies");
        fs::create_dir(&policies).unwrap();
        fs::write(policies.join("all.yaml"), POLICIES).unwrap();
        let adapters = format!("[{{container: {{endpoint: \"{}\"}}}}]", engine.endpoint);
        let mut victim = Victim::start(folder.path(), "1Gi", &adapters, 1_500, dice.split());
        let journal = folder.path().join("journal");

        let calm = Arc::new(AtomicBool::new(false));
        let shrunk = std::thread::scope(|scope| {
            let (engine, names, dice, calm_too) = (&engine, &names, dice.split(), calm.clone());
            let disturber = scope.spawn(move || disturb(engine, names, dice, &calm_too));
            while victim.kills < KILLS || count_plans(&journal) < PLANS {
                for _ in 0..10 {
                    victim.die_and_rise();
                }
            }
            calm.store(true, Ordering::Relaxed);
            disturber.join().unwrap()
        });
        let killing = began.elapsed();
        victim.die_and_rise();
        victim.come_to_rest(QUIET, Duration::from_secs(150));
        let (kills, [early, working, dispatching]) = (victim.kills, victim.moments);
        victim.stop();

        let chronicle = Chronicle::read(&journal);
        let mut wrongs = chronicle.wrongs.clone();
        let (restarts, mut updates) = (events.of("restart"), events.of("update"));
        leave_out_own(&chronicle, &mut updates, &shrunk, &mut wrongs);
        let undone = [
            judge(&chronicle, Verb::Restart, &restarts, &["exited", "paused"], &mut wrongs),
            // The limit that the test gave it.
            judge(&chronicle, Verb::Resize, &updates, &["64"], &mut wrongs),
        ];
        for container in &containers {
            let (state, limit) = (container.state(), container.memory_limit());
            if state != "running" || limit != 80 << 20 {
                wrongs.push(format!("{} is {state} with {limit} bytes in the end", container.name));
            }
        }
        let [succeeded, unverified, failed, cancelled] = chronicle.results();
        let (plans, deeds) = (chronicle.stories.len(), chronicle.deeds().count());
        println!(
            "crash test on containers: {kills} kills ({early} before it was ready, {working} at work, {dispatching} right after a step was \
             written down) in {killing:?}, {:?} in all; {plans} plans: {succeeded} succeeded, {unverified} did not help, {failed} failed, \
             {cancelled} cancelled; {deeds} tries of steps; Docker tells of {} restarts and {} updates besides the test's own, of which {} and \
             {} were undone by the test before homeostat saw them; journal: {} records, verified; {} wrongs",
            began.elapsed(),
            restarts.values().map(Vec::len).sum::<usize>(),
            updates.values().map(Vec::len).sum::<usize>(),
            undone[0],
            undone[1],
            chronicle.records,
            wrongs.len(),
        );
        if !wrongs.is_empty() {
            let kept = folder.keep();
            panic!("{} wrongs, see {}:\n{}", wrongs.len(), kept.display(), wrongs.join("\n"));
        }
        assert!(kills >= KILLS && plans >= PLANS, "{kills} kills, {plans} plans");
    }

    /// For each try that is said to be done there is one deed that Docker tells of, while it was being done; there is no other one, but for
    /// those whose effect was gone again, as the journal says with one of these words, when homeostat looked. Gives how many those are.
    fn judge(
        chronicle: &Chronicle,
        verb: Verb,
        told: &BTreeMap<String, Vec<i64>>,
        gone: &[&str],
        wrongs: &mut Vec<String>,
    ) -> usize {
        let (mut unclaimed, mut undone) = (told.clone(), 0);
        for (name, span, key, result) in tries(chronicle, verb) {
            let times = unclaimed.entry(name).or_default();
            let count = times.iter().filter(|time| is_in(**time, span)).count();
            times.retain(|time| !is_in(*time, span));
            let fits = match &result {
                // A size may have been found so; whether something was restarted cannot be found so.
                StepResult::Done { .. } if verb == Verb::Resize => count <= 1,
                StepResult::Done { .. } => count == 1,
                StepResult::Unknown { .. } => count <= 1,
                StepResult::Failed { reason } if count == 1 => {
                    undone += 1;
                    gone.iter().any(|word| reason.contains(word))
                }
                _ => count == 0,
            };
            if !fits {
                wrongs.push(format!("{key}: {verb} {count} times from {} to {}: {result:?}", span.0, span.1));
            }
        }
        for (name, times) in unclaimed.into_iter().filter(|(_, times)| !times.is_empty()) {
            wrongs.push(format!("{verb} of {name} at {times:?}, of which the journal knows nothing"));
        }
        undone
    }

    /// Takes those away that the test itself has done, each once: rather one that homeostat cannot have done, or of which it can have done
    /// another one only.
    fn leave_out_own(
        chronicle: &Chronicle,
        updates: &mut BTreeMap<String, Vec<i64>>,
        own: &BTreeMap<String, Vec<Span>>,
        wrongs: &mut Vec<String>,
    ) {
        let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for (name, span, ..) in tries(chronicle, Verb::Resize) {
            spans.entry(name).or_default().push(span);
        }
        for (name, span) in own.iter().flat_map(|(name, own)| own.iter().map(move |span| (name, *span))) {
            let times = updates.entry(name.clone()).or_default();
            let doubt = |time: i64| match spans.get(name).and_then(|all| all.iter().find(|span| is_in(time, **span))) {
                None => 0,
                Some(span) if times.iter().filter(|time| is_in(**time, *span)).count() > 1 => 1,
                Some(_) => 2,
            };
            let own = times.iter().enumerate().filter(|(_, time)| is_in(**time, span));
            let likely = own.min_by_key(|(_, time)| doubt(**time)).map(|(number, _)| number);
            match likely {
                Some(number) => drop(times.remove(number)),
                None => {
                    wrongs.push(format!("{name} was updated by the test at {span:?}, and Docker does not tell of it"))
                }
            }
        }
    }

    /// All tries of steps that do this, with the container, when it was being done, the key and how it ended.
    fn tries(chronicle: &Chronicle, verb: Verb) -> impl Iterator<Item = (String, Span, String, StepResult)> {
        chronicle.deeds().filter(move |(_, _, action)| action.verb() == verb).map(|(plan, deed, _)| {
            let (ended, result) = deed.ended.clone().unwrap();
            let span = (deed.dispatched.as_millis(), ended.as_millis());
            (plan.step(deed.step).unwrap().resource.name().to_owned(), span, deed.key.to_string(), result)
        })
    }

    fn is_in(time: i64, (from, to): Span) -> bool {
        (from..=to).contains(&time)
    }
}
