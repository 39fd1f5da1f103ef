//! Container engines and containers, through the Docker client, which speaks to both.

use std::{
    process::{Command, Output},
    time::Duration,
};

use super::{unique, variable, wait_for};

/// How long a container may take to be up.
const START: Duration = Duration::from_secs(60);

/// A container engine: one that all tests share, or one that a test has to itself.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Its address, as homeostat and the Docker client take it.
    pub(crate) endpoint: String,
    private: Option<(&'static str, String)>,
}

impl Engine {
    /// The shared Docker. It must not be stopped.
    pub(crate) fn docker() -> Self {
        Self { endpoint: variable("HOMEOSTAT_TEST_DOCKER"), private: None }
    }

    /// The shared Podman. It must not be stopped.
    pub(crate) fn podman() -> Self {
        Self { endpoint: variable("HOMEOSTAT_TEST_PODMAN"), private: None }
    }

    /// A new `docker` or `podman` for one test alone, which may kill it and start it again. It ends with this value.
    pub(crate) fn private(make: &'static str) -> Self {
        // At most 16 characters are allowed.
        let name = unique("p");
        let endpoint = xtask(make, &name, "start");
        Self { endpoint, private: Some((make, name)) }
    }

    /// Kills a private engine's daemon, as a crash would. Its containers go on.
    pub(crate) fn kill(&self) {
        self.ask("kill");
    }

    /// Starts a private engine again after it was killed; its containers are still there.
    pub(crate) fn start(&self) {
        self.ask("start");
    }

    fn ask(&self, verb: &str) {
        let (make, name) = self.private.as_ref().expect("a shared engine is not for one test to stop");
        xtask(make, name, verb);
    }

    /// The Docker client with these arguments; gives what it printed.
    pub(crate) fn client(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {}: {errors}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        let client = variable("HOMEOSTAT_TEST_DOCKER_BIN");
        Command::new(client).args(["--host", &self.endpoint]).args(arguments).output().unwrap()
    }

    /// Starts a container that runs the shell `script`, with more `options` of `docker run`, such as
    /// `["--memory", "64m", "--memory-swap", "64m", "--label", "tier=web"]`.
    pub(crate) fn container(&self, script: &str, options: &[&str]) -> Container<'_> {
        let name = unique("test");
        let image = variable("HOMEOSTAT_TEST_IMAGE");
        let mut arguments = vec!["run", "--detach", "--network", "none", "--name", &name];
        arguments.extend(options);
        arguments.extend([image.as_str(), "sh", "-c", script]);
        self.client(&arguments);
        let container = Container { engine: self, name };
        wait_for("container that was started", START, || (container.state() != "created").then_some(()));
        container
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some((make, name)) = &self.private {
            let _ = Command::new(variable("HOMEOSTAT_TEST_XTASK")).args(["engine", make, name, "stop"]).output();
        }
    }
}

fn xtask(make: &str, name: &str, verb: &str) -> String {
    let output = Command::new(variable("HOMEOSTAT_TEST_XTASK")).args(["engine", make, name, verb]).output().unwrap();
    assert!(output.status.success(), "engine {make} {name} {verb}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container with a name of its own. It is removed with this value.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    engine: &'a Engine,
    /// Its name, in the engine and behind `container/`.
    pub(crate) name: String,
}

impl Container<'_> {
    /// What the engine says, by a template of `docker inspect`, such as `{{.State.Pid}}`.
    pub(crate) fn inspect(&self, template: &str) -> String {
        self.engine.client(&["inspect", "--format", template, &self.name])
    }

    /// `running`, `exited` and so on.
    pub(crate) fn state(&self) -> String {
        self.inspect("{{.State.Status}}")
    }

    /// When it was last started; another text after each start.
    pub(crate) fn started_at(&self) -> String {
        self.inspect("{{.State.StartedAt}}")
    }

    /// Its process, as this machine numbers it; 0 when it does not run.
    pub(crate) fn pid(&self) -> u32 {
        self.inspect("{{.State.Pid}}").parse().unwrap()
    }

    /// Its limit in bytes, read back from the engine; 0 when there is none.
    pub(crate) fn memory_limit(&self) -> u64 {
        self.inspect("{{.HostConfig.Memory}}").parse().unwrap()
    }

    /// Its limit in bytes, read back from the kernel.
    pub(crate) fn kernel_memory_limit(&self) -> u64 {
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid())).unwrap();
        let path = |of: &str| groups.lines().find_map(|line| line.split_once(of)).map(|(_, path)| path.to_owned());
        let file = match path(":memory:") {
            Some(path) => format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"),
            None => format!("/sys/fs/cgroup{}/memory.max", path("0::").expect("no control group of memory")),
        };
        std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }

    /// Its limit of processor time in cores, read back from the engine; 0 when there is none.
    pub(crate) fn vcpus(&self) -> f64 {
        let read = self.inspect("{{.HostConfig.NanoCpus}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}}");
        let numbers: Vec<f64> = read.split(' ').map(|number| number.parse().unwrap()).collect();
        match numbers[..] {
            [_, quota, period] if quota > 0.0 => quota / if period > 0.0 { period } else { 100_000.0 },
            [nano, ..] => nano / 1e9,
            [] => 0.0,
        }
    }

    /// Kills its process with SIGKILL, behind the engine's back.
    pub(crate) fn kill_process(&self) {
        let pid = self.pid();
        assert!(pid > 1, "{} does not run", self.name);
        assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.engine.run(&["rm", "--force", "--volumes", &self.name]);
    }
}
