//! Many containers on one engine, and what the engine's own processes cost.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use super::{Engine, unique, variable};

/// Containers that are started at a time: an engine gains nothing by more.
const AT_A_TIME: usize = 4;

/// Says so when it is told by a signal to use more memory than it may, in a process of its own: that one is killed, and the
/// container goes on. Told by another one, it does so itself and ends.
const SCRIPT: &str = "trap 'tail /dev/zero' USR1; trap 'exec tail /dev/zero' USR2; trap 'exit 0' TERM; \
                      while :; do sleep 100000 & wait; done";

/// Containers of one engine that may use 16 MiB each. They are removed with this value.
#[derive(Debug)]
pub(crate) struct Fleet<'a> {
    engine: &'a Engine,
    /// Their names, as of a container.
    pub(crate) names: Vec<String>,
}

impl<'a> Fleet<'a> {
    /// Starts so many.
    pub(crate) fn start(engine: &'a Engine, count: usize) -> Self {
        let names: Vec<String> = (0..count).map(|_| unique("fleet")).collect();
        let image = variable("HOMEOSTAT_TEST_IMAGE");
        let limits = ["--network", "none", "--memory", "16m", "--memory-swap", "16m"];
        let share = count.div_ceil(AT_A_TIME).max(1);
        thread::scope(|scope| {
            for names in names.chunks(share) {
                let image = image.as_str();
                scope.spawn(move || {
                    for name in names {
                        let mut arguments = vec!["run", "--detach", "--name", name];
                        arguments.extend(limits);
                        arguments.extend([image, "sh", "-c", SCRIPT]);
                        engine.client(&arguments);
                    }
                });
            }
        });
        Self { engine, names }
    }

    /// The first process of each, in their order; 0 for one that does not run.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mut arguments = vec!["inspect", "--format", "{{.State.Pid}}"];
        arguments.extend(self.names.iter().map(String::as_str));
        self.engine.client(&arguments).lines().map(|pid| pid.parse().unwrap()).collect()
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        let mut arguments = vec!["rm", "--force", "--volumes"];
        arguments.extend(self.names.iter().map(String::as_str));
        let _ = self.engine.run(&arguments);
    }
}

/// Sends a process a signal, such as `KILL`.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(pid > 1, "no process");
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// How often the kernel has killed something for want of memory in the control group of `pid`, and how to ask again.
pub(crate) struct OomKills(PathBuf);

impl OomKills {
    pub(crate) fn of(pid: u32) -> Self {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let path = |of: &str| groups.lines().find_map(|line| line.split_once(of)).map(|(_, path)| path.to_owned());
        Self(match path(":memory:") {
            Some(path) => format!("/sys/fs/cgroup/memory{path}/memory.oom_control").into(),
            None => format!("/sys/fs/cgroup{}/memory.events", path("0::").expect("no control group")).into(),
        })
    }

    /// `None` when the group is gone.
    pub(crate) fn count(&self) -> Option<u64> {
        let text = fs::read_to_string(&self.0).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
    }
}

/// Seconds of processor time that the daemons of `engine` have used: all processes that name its folder, the containers' own
/// supervisors with them.
pub(crate) fn engine_seconds(engine: &Engine) -> f64 {
    let socket = engine.endpoint.trim_start_matches("unix://");
    let folder = format!("{}/", Path::new(socket).parent().unwrap().display());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(&folder).then_some(pid)
    });
    ours.filter_map(cpu_seconds).sum()
}

/// Seconds of processor time that a process has used; `None` when it is gone.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<f64> = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
    // User and system time, in ticks of which Linux has 100 a second for whoever asks.
    Some(fields.iter().sum::<f64>() / 100.0)
}
