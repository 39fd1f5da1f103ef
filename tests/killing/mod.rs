//! homeostat that is killed again and again at moments that are drawn, and begins anew each time.
//!
//! ```text
//!   start --> not ready yet --> ready --> a step is written down --> ... --> SIGKILL --> start
//!               ^ killed here    ^ or here    ^ or right here
//! ```

#![allow(dead_code, reason = "every test program compiles this module and uses a part of it")]

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::program::PATIENCE;

/// A source of numbers that is the same for the same seed: splitmix64, after Steele, Lea and Flood.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Those of the environment's `HOMEOSTAT_CRASH_SEED`, or others each time; the seed is printed.
    pub(crate) fn thrown(what: &str) -> Self {
        let given = std::env::var("HOMEOSTAT_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 32 | u64::from(clock_nanos()));
        println!("{what}: HOMEOSTAT_CRASH_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `from` to `to`, both included.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(self.between(from * 1000, to * 1000))
    }
}

fn clock_nanos() -> u32 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos()
}

/// When a homeostat is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start, ready or not.
    Starting(Duration),
    /// So long after it is ready.
    Working(Duration),
    /// So long after the next step is in the journal, at which time it is handed over.
    Dispatching(Duration),
}

/// A homeostat, and those that come after it.
#[derive(Debug)]
pub(crate) struct Victim {
    folder: PathBuf,
    port: u16,
    child: Child,
    dice: Dice,
    /// How long it may work, in milliseconds.
    longest: u64,
    pub(crate) kills: u64,
    /// How many of them before it was ready, while it worked, and right after a step was written down.
    pub(crate) moments: [u64; 3],
}

impl Victim {
    /// Starts it in `folder`, with policies in `policies` and the journal in `journal`, which may have `max_bytes`.
    /// It will be killed `longest` milliseconds after it is ready, at the latest.
    pub(crate) fn start(folder: &Path, max_bytes: &str, adapters: &str, longest: u64, dice: Dice) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  listen: 127.0.0.1:{port}\n  policies: [policies]\n\
             \x20 journal: {{path: journal, maxBytes: {max_bytes}}}\n  adapters: {adapters}\n"
        );
        fs::write(folder.join("homeostat.yaml"), configuration).unwrap();
        let mut victim =
            Self { folder: folder.to_owned(), port, child: begin(folder), dice, longest, kills: 0, moments: [0; 3] };
        victim.wait_until_ready();
        victim
    }

    /// Kills it at a moment that is drawn, and starts it again.
    pub(crate) fn die_and_rise(&mut self) {
        let moment = match self.dice.between(0, 9) {
            0..=1 => Moment::Starting(self.dice.millis(1, 150)),
            2..=5 => Moment::Working(self.dice.millis(5, self.longest)),
            _ => Moment::Dispatching(self.dice.millis(0, 4)),
        };
        let number = match moment {
            Moment::Starting(after) => {
                std::thread::sleep(after);
                0
            }
            Moment::Working(after) => {
                self.wait_until_ready();
                std::thread::sleep(after);
                1
            }
            Moment::Dispatching(after) => {
                self.wait_until_ready();
                wait_for_a_step(&self.folder.join("journal"));
                std::thread::sleep(after);
                2
            }
        };
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "homeostat ended by itself with {ended:?}:\n{}", self.log());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.kills += 1;
        self.moments[number] += 1;
        self.child = begin(&self.folder);
    }

    pub(crate) fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.get("/readyz").is_none_or(|(status, _)| status != 200) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "homeostat does not get ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Waits until no plan is in flight for as long as `quiet`. What hangs is found out by whoever starts next: homeostat is killed again
    /// when it does not come to rest within `patience`, ten times at most.
    pub(crate) fn come_to_rest(&mut self, quiet: Duration, patience: Duration) {
        for _ in 0..10 {
            if self.rests(quiet, patience) {
                return;
            }
            self.die_and_rise();
        }
        panic!("plans go on:\n{}\n{}", self.in_flight(), self.log());
    }

    fn rests(&mut self, quiet: Duration, patience: Duration) -> bool {
        self.wait_until_ready();
        let deadline = Instant::now() + patience;
        let mut since = Instant::now();
        while since.elapsed() < quiet && Instant::now() < deadline {
            if self.metric("homeostat_plans_in_flight") > 0.0 {
                since = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        since.elapsed() >= quiet
    }

    /// The plans in flight, as people are shown them.
    fn in_flight(&self) -> String {
        let server = format!("unix:{}", self.folder.join("journal/homeostat.sock").display());
        let asked = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .args(["plan", "list", "--server", &server, "--state", "running", "-o", "yaml"])
            .output();
        asked.map_or_else(|error| error.to_string(), |asked| String::from_utf8_lossy(&asked.stdout).into_owned())
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "homeostat ended with {status}\n{}", self.log());
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").expect("no metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(5))).build().into();
        let mut answer = agent.get(format!("http://127.0.0.1:{}{path}", self.port)).call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }

    /// The end of what all of them logged.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It has ended already if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn begin(folder: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let homeostat = env!("CARGO_BIN_EXE_homeostat");
    let mut command = Command::new(homeostat);
    command.args(["run", "--log", "info"]).arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

/// Waits until a step more is in the journal, or for a second.
fn wait_for_a_step(journal: &Path) {
    let newest = || {
        let names = fs::read_dir(journal).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        names.filter(|path| path.extension().is_some_and(|end| end == "journal")).max()
    };
    let Some(path) = newest() else { return };
    let Ok(mut file) = fs::File::open(path) else { return };
    file.seek(SeekFrom::End(0)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut seen = Vec::new();
    while Instant::now() < deadline {
        seen.clear();
        file.read_to_end(&mut seen).unwrap();
        if seen.windows(14).any(|part| part == b"stepDispatched") {
            return;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}
