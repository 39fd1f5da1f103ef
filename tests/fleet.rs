//! Many real containers on one real engine: what watching them costs, how soon a lack of memory is decided on, and that no
//! death is missed or seen twice when the engine is killed and comes back.
//!
//! `cargo xtask test` does it with 40 containers, which a machine with two cores starts in ten seconds. The figures for a full
//! host are those of
//!
//! ```text
//!   eval "$(cargo xtask testbed --detach)"
//!   HOMEOSTAT_TEST_FLEET=300 cargo test --release --test fleet -- --ignored --nocapture --test-threads 1
//! ```

#[cfg(test)]
mod program;
#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        net::TcpListener,
        path::Path,
        process::{Command, Stdio},
        sync::atomic::{AtomicBool, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use serde_json::Value;

    use crate::{
        program::{PATIENCE, Program, scratch},
        testbed::{Engine, Fleet, OomKills, cpu_seconds, engine_seconds, signal, variable},
    };

    /// Containers where nothing else was asked for.
    const FEW: usize = 40;

    /// Kills whose decisions are timed.
    const KILLS: usize = 25;

    /// Notices what happens, once for each time.
    const POLICIES: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: oom}\nspec:\n  \
        select: {kind: container}\n  on: container.oom\n  when: state != \"none\"\n  cooldown: 1s\n  \
        then: [{notify: {severity: warning, message: \"${resource} lacks memory\"}}]\n---\n\
        apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: full}\nspec:\n  \
        select: {kind: container}\n  when: avg(\"memory.utilization\", 1m) > 0.9 && last(\"cpu.utilization\") > 0.9\n  cooldown: 1m\n  \
        then: [{notify: {severity: warning, message: \"${resource} is full\"}}]\n";

    fn count() -> usize {
        std::env::var("HOMEOSTAT_TEST_FLEET")
            .map_or(FEW, |count| count.parse().expect("HOMEOSTAT_TEST_FLEET is a number"))
    }

    /// How long something is measured. Each container's supervisor tidies up its memory every 30 s, by itself: only in a
    /// multiple of that are the engine's figures without and with a watcher the same work.
    fn span() -> Duration {
        Duration::from_secs(if count() > FEW { 60 } else { 12 })
    }

    fn start(folder: &Path, engine: &Engine, statistics: &str, recorded: bool) -> Program {
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::write(folder.join("policies/notice.yaml"), POLICIES).unwrap();
        let adapter = format!(
            "adapters:\n  - container: {{endpoint: \"{}\", sampleEvery: 2s, statistics: {statistics}}}\n",
            engine.endpoint
        );
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let recording = folder.join("recording.jsonl");
        Program::start_on(port, folder, "policies", &adapter, recorded.then_some(recording.as_path()))
    }

    /// The shares of one core that a process and the engine's daemons use from now on.
    fn shares(engine: &Engine, pid: u32) -> (f64, f64) {
        let used = || (cpu_seconds(pid).expect("it has ended"), engine_seconds(engine));
        let (began, before) = (Instant::now(), used());
        thread::sleep(span());
        let (seconds, after) = (began.elapsed().as_secs_f64(), used());
        ((after.0 - before.0) / seconds, (after.1 - before.1) / seconds)
    }

    /// The same of homeostat, and the samples that it took a second.
    fn watched(engine: &Engine, count: usize, statistics: &str) -> (f64, f64, f64) {
        let folder = scratch();
        let program = start(folder.path(), engine, statistics, false);
        let samples = || program.metric("homeostat_samples_total");
        // Each container has been read twice.
        program.wait_for("samples of all containers", || {
            let (_, text) = program.get("/metrics")?;
            let resources =
                text.lines().find_map(|line| line.strip_prefix("homeostat_resources ")?.parse::<usize>().ok());
            (resources? > count).then_some(())
        });
        thread::sleep(Duration::from_secs(6));
        let before = samples();
        let (ours, theirs) = shares(engine, program.pid());
        let rate = (samples() - before) / span().as_secs_f64();
        program.stop_unheard();
        (ours, theirs, rate)
    }

    /// The engine's own client, which asks for the statistics of all containers.
    fn asked(engine: &Engine) -> (f64, f64) {
        let mut client = Command::new(variable("HOMEOSTAT_TEST_DOCKER_BIN"));
        client.args(["--host", &engine.endpoint, "stats"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut client = client.spawn().unwrap();
        thread::sleep(Duration::from_secs(6));
        let shares = shares(engine, client.id());
        client.kill().unwrap();
        client.wait().unwrap();
        shares
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn watching_many_containers_costs_little() {
        let (engine, count) = (Engine::private("docker"), count());
        let began = Instant::now();
        let fleet = Fleet::start(&engine, count);
        println!("{count} containers were started in {:.1} s", began.elapsed().as_secs_f64());
        let percent = |share: f64| share * 100.0;
        let told = |what: &str, ours: f64, engines: f64| {
            println!("  {what:<46} {:6.2} % of a core, the engine beside it {:6.2} %", percent(ours), percent(engines));
        };
        let (nobody, idle) = shares(&engine, std::process::id());
        told("nobody watches", nobody, idle);
        let (ours, beside, rate) = watched(&engine, count, "auto");
        told(&format!("homeostat, control groups, {rate:.0} samples/s"), ours, beside);
        let (streams, streamed, rate) = watched(&engine, count, "engine");
        told(&format!("homeostat, the engine's streams, {rate:.0} samples/s"), streams, streamed);
        let (client, served) = asked(&engine);
        told("docker stats", client, served);
        assert!(ours < 0.10, "{ours} of a core");
        // What is read from the kernel costs the engine nothing: that is what is gained.
        assert!(ours + beside < streams + streamed, "{ours} + {beside}, {streams} + {streamed}");
        drop(fleet);
    }

    /// The median, and the one that 99 % do not exceed, in milliseconds.
    fn median_and_p99(mut times: Vec<Duration>) -> (f64, f64) {
        times.sort();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        (at(50), at(99))
    }

    /// How long after the kernel's kill the decision on it can be read on the disk, and how long after it was provoked: the
    /// kill is seen up to a millisecond late, or later where the machine is busy.
    fn decided_after(program: &Program, name: &str, pid: u32, how: &str) -> (Duration, Duration) {
        let kills = OomKills::of(pid);
        let before = kills.count().expect("no count of kills");
        let decisions = || fs::read(program.folder.join("decisions.jsonl")).unwrap_or_default();
        let seen = decisions().len();
        let provoked = Instant::now();
        signal(pid, how);
        let deadline = Instant::now() + PATIENCE;
        let killed = loop {
            // A group that is gone has seen its kill within the last millisecond.
            if kills.count().is_none_or(|count| count > before) {
                break Instant::now();
            }
            assert!(Instant::now() < deadline, "nothing was killed in {name}");
            thread::sleep(Duration::from_micros(500));
        };
        let resource = format!("\"container/{name}\"");
        loop {
            let text = decisions();
            let news = String::from_utf8_lossy(&text[seen.min(text.len())..]).into_owned();
            if news.lines().any(|line| line.contains("\"findingOpened\"") && line.contains(&resource)) {
                return (killed.elapsed(), provoked.elapsed());
            }
            assert!(Instant::now() < deadline, "no decision on {name}:\n{news}\n{}", program.log());
            thread::sleep(Duration::from_micros(500));
        }
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_lack_of_memory_is_decided_on_within_fifty_milliseconds() {
        let (folder, engine, count) = (scratch(), Engine::private("docker"), count());
        let fleet = Fleet::start(&engine, count);
        let processes = fleet.processes();
        let program = start(folder.path(), &engine, "auto", true);
        thread::sleep(Duration::from_secs(5));
        for (what, how) in [("a process of the container", "USR1"), ("the container itself", "USR2")] {
            let of = if how == "USR1" { 0..KILLS.min(count / 2) } else { count / 2..(count / 2 + KILLS).min(count) };
            let times = of.map(|number| {
                let time = decided_after(&program, &fleet.names[number], processes[number], how);
                thread::sleep(Duration::from_millis(300));
                time
            });
            let (after_kill, provoked): (Vec<Duration>, Vec<Duration>) = times.unzip();
            let (kills, (median, p99)) = (after_kill.len(), median_and_p99(after_kill));
            let (since, since_p99) = median_and_p99(provoked);
            println!("  {kills} kills of {what}: decided on after {median:.1} ms (median), {p99:.1} ms (99 %)");
            println!("    since a process began to use the memory: {since:.1} ms, {since_p99:.1} ms");
            assert!(median < 50.0, "{median} ms");
        }
        // Where the time goes when a disk is busy.
        let journal = |what: &str| program.metric(&format!("homeostat_journal_append_seconds_{what}"));
        let (appends, mean) = (journal("count"), journal("sum") / journal("count") * 1e3);
        println!("  of that, the disk takes {mean:.1} ms on the average, in {appends} writes");
        program.stop_unheard();
    }

    /// How often homeostat was told of a container's death, by name; `missed` says whether it was told later.
    fn deaths(folder: &Path) -> BTreeMap<String, Vec<bool>> {
        let recording = fs::read_to_string(folder.join("recording.jsonl")).unwrap();
        let mut deaths: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for line in recording.lines().filter(|line| line.contains(r#""type":"container.died""#)) {
            let line: Value = serde_json::from_str(line).unwrap();
            let event = find(&line, "type").unwrap_or_else(|| panic!("no event: {line}"));
            let name = event["resource"].as_str().unwrap().trim_start_matches("container/").to_owned();
            deaths.entry(name).or_default().push(event["attributes"]["missed"] == true);
        }
        deaths
    }

    /// The object that has `key`, however deep.
    fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
        match value {
            Value::Object(map) if map.contains_key(key) => Some(value),
            Value::Object(map) => map.values().find_map(|value| find(value, key)),
            _ => None,
        }
    }

    /// Docker with live-restore: its containers go on without it. Some die before it is killed, while it is away, while it
    /// starts and right after that, at a rate of ten a second.
    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn every_death_around_a_restart_of_the_engine_is_seen_once() {
        let (folder, engine, count) = (scratch(), Engine::private("docker"), count());
        let fleet = Fleet::start(&engine, count);
        let processes = fleet.processes();
        let program = start(folder.path(), &engine, "auto", true);
        thread::sleep(Duration::from_secs(3));
        let (stop, victims) = (AtomicBool::new(false), count * 3 / 4);
        let killed = thread::scope(|scope| {
            let killer = scope.spawn(|| {
                let mut killed = 0;
                while killed < victims && !(stop.load(Ordering::SeqCst) && killed > victims / 2) {
                    signal(processes[killed], "KILL");
                    killed += 1;
                    thread::sleep(Duration::from_millis(100));
                }
                killed
            });
            thread::sleep(Duration::from_millis(500));
            engine.kill();
            thread::sleep(Duration::from_secs(1));
            engine.start();
            thread::sleep(Duration::from_millis(500));
            stop.store(true, Ordering::SeqCst);
            killer.join().unwrap()
        });
        let mut wanted: Vec<&String> = fleet.names.iter().take(killed).collect();
        wanted.sort();
        program.wait_for("word of all deaths", || (deaths(folder.path()).len() >= killed).then_some(()));
        // Whatever comes twice has come by now.
        thread::sleep(Duration::from_secs(5));
        let seen = deaths(folder.path());
        assert_eq!(seen.keys().collect::<Vec<_>>(), wanted);
        assert!(seen.values().all(|times| times.len() == 1), "{seen:?}");
        let missed = seen.values().filter(|times| times[0]).count();
        println!(
            "  {killed} deaths around a restart of the engine: {missed} while nobody could tell of them, each seen once"
        );
        assert!(missed > 0 && missed < killed, "nothing died at the wrong moment: {seen:?}");
        program.stop_unheard();
    }
}
