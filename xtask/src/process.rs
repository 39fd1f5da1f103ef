//! Processes: starting daemons, and ending exactly those that are ours.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};

/// How often something that is waited for is looked at: quick enough not to be felt, slow enough to cost nothing.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// A process by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessId(i32);

impl ProcessId {
    /// This process.
    pub(crate) fn own() -> Self {
        Self(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// From text, as pid files have it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|pid| *pid > 1).map(Self)
    }

    /// The process of `child`.
    pub(crate) fn of(child: &Child) -> Option<Self> {
        i32::try_from(child.id()).ok().map(Self)
    }

    fn raw(self) -> Option<Pid> {
        Pid::from_raw(self.0)
    }

    /// Whether it runs; one that has ended and was not waited for does not.
    pub(crate) fn runs(self) -> bool {
        self.raw().is_some_and(|pid| test_kill_process(pid).is_ok())
            && self.field(2).is_some_and(|state| state != "Z" && state != "X")
    }

    /// When it was started, in clock ticks since boot: tells it from a later one of the same number.
    pub(crate) fn started(self) -> Option<String> {
        self.field(21)
    }

    fn parent(self) -> Option<Self> {
        self.field(3).and_then(|text| text.parse().ok()).map(Self)
    }

    /// Field `index` of `/proc/PID/stat`, counted from 0 as proc(5) lists them; from 2 on, behind the name in brackets.
    fn field(self, index: usize) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(index.checked_sub(2)?).map(str::to_owned)
    }

    /// Asks it to end and gives it `patience`; then ends it. One that is gone already is fine.
    pub(crate) fn end(self, patience: Duration) {
        self.signal(Signal::TERM);
        wait_until(patience, || !self.runs());
        self.kill();
    }

    /// Ends it at once.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        // The kernel takes a moment; two seconds are more than any process needs that is not stuck in a device.
        wait_until(Duration::from_secs(2), || !self.runs());
    }

    fn signal(self, signal: Signal) {
        if let Some(pid) = self.raw() {
            // It fails when the process is gone, which is what was wanted.
            let _ = kill_process(pid, signal);
        }
    }
}

impl std::fmt::Display for ProcessId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Ends a child and the process group that it leads: asks, waits for `patience`, then ends it.
pub(crate) fn end_group(child: &mut Child, patience: Duration) {
    let group = ProcessId::of(child).and_then(ProcessId::raw);
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    let _ = signal(Signal::TERM);
    wait_until(patience, || matches!(child.try_wait(), Ok(Some(_))));
    let _ = signal(Signal::KILL);
    let _ = child.wait();
}

/// Starts `command` as a daemon: its own process group, no input, both outputs appended to `log`.
pub(crate) fn spawn_daemon(command: &mut Command, log: &Path) -> Result<Child, String> {
    let output = File::options().create(true).append(true).open(log);
    let outputs = output.and_then(|file| Ok((file.try_clone()?, file)));
    let (out, err) = outputs.map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))
}

/// Runs `command` to its end and gives what it printed; an error says what it printed to standard error.
pub(crate) fn output_of(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} ended with {}: {}", program.display(), output.status, why.trim()))
    }
}

/// Looks at `done` until it says yes or `patience` is over; gives its last answer.
pub(crate) fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Every process that names `folder` in its command line, and all their descendants; never this one or those above it.
pub(crate) fn naming(folder: &Path) -> BTreeSet<ProcessId> {
    let mut needle = folder.as_os_str().as_bytes().to_vec();
    needle.push(b'/');
    let all: Vec<ProcessId> = processes().unwrap_or_default();
    let names = |pid: &ProcessId| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.windows(needle.len()).any(|window| window == needle))
    };
    let mut ours: BTreeSet<ProcessId> = all.iter().copied().filter(names).collect();
    loop {
        let before = ours.len();
        let children = all.iter().copied().filter(|pid| pid.parent().is_some_and(|parent| ours.contains(&parent)));
        ours.extend(children.collect::<Vec<_>>());
        if ours.len() == before {
            break;
        }
    }
    let mut above = Some(ProcessId::own());
    while let Some(pid) = above {
        ours.remove(&pid);
        above = pid.parent().filter(|parent| parent.0 > 1);
    }
    ours
}

fn processes() -> io::Result<Vec<ProcessId>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.flatten().filter_map(|entry| ProcessId::parse(entry.file_name().to_str()?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_the_folder_is_found_with_its_children() {
        let folder = std::env::temp_dir().join(format!("xtask-naming-{}", std::process::id()));
        let script = format!("sleep 60 & echo {}/x > /dev/null; wait", folder.display());
        let mut ours = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let ours_id = ProcessId::of(&ours).unwrap();
        assert!(wait_until(Duration::from_secs(5), || naming(&folder).len() == 2), "{:?}", naming(&folder));
        let found = naming(&folder);
        assert!(found.contains(&ours_id) && !found.contains(&ProcessId::of(&other).unwrap()));
        found.iter().for_each(|pid| pid.kill());
        ours.wait().unwrap();
        assert!(!ours_id.runs() && ProcessId::of(&other).unwrap().runs());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_pid_file_with_nonsense_names_no_process() {
        for text in ["", "0", "1", "-5", "x", "99999999999"] {
            assert_eq!(ProcessId::parse(text), None, "{text:?}");
        }
    }
}
