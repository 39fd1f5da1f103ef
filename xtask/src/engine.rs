//! A container engine of the test bed: Docker or Podman, in a network namespace of its own, started by hand.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
    time::Duration,
};

use crate::{
    criu, http, image,
    process::{ProcessId, naming, output_of, spawn_daemon, wait_until},
    run::{Run, write},
};

/// How long an engine may take until it answers. It takes a second or two; a busy machine is given a lot more.
const START: Duration = Duration::from_secs(60);

/// How long an engine may take to end in good order before it is killed. Docker takes a second or two.
const STOP: Duration = Duration::from_secs(20);

/// The engines that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// dockerd with a containerd of its own.
    Docker,
    /// podman system service.
    Podman,
}

impl Make {
    fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl FromStr for Make {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Docker, Self::Podman]
            .into_iter()
            .find(|make| make.word() == text)
            .ok_or_else(|| format!("`{text}` is no engine; docker and podman are"))
    }
}

/// One engine of a run, running or not.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    run: &'a Run,
    make: Make,
    /// `docker-main` and the like; names its folders and its namespace.
    label: String,
}

impl<'a> Engine<'a> {
    /// The engine of `run` that is called `name`.
    pub(crate) fn new(run: &'a Run, make: Make, name: &str) -> Result<Self, String> {
        // The name becomes part of paths of sockets, which may have 107 bytes, and of command lines.
        if name.is_empty() || name.len() > 16 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(format!("`{name}` is not a name for an engine: at most 16 of letters, digits and `-`"));
        }
        Ok(Self { run, make, label: format!("{}-{name}", make.word()) })
    }

    /// Its API.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("sock")
    }

    /// Starts it, waits until it answers and gives it the image. Containers that outlived it are taken over.
    pub(crate) fn start(&self) -> Result<(), String> {
        for folder in [self.dir(), self.data()] {
            fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        self.make_namespace()?;
        let archive = image::build(&self.run.data)?;
        let mut command = match self.make {
            Make::Docker => self.docker()?,
            Make::Podman => self.podman()?,
        };
        let log = self.data().join("log");
        let mut child = spawn_daemon(&mut command, &log)?;
        let pid = ProcessId::of(&child).ok_or("the process number is out of range")?;
        write(&self.pid_file(), &pid.to_string())?;
        let answers = || matches!(http::request(&self.socket(), "GET", "/_ping", b""), Ok((200, _)));
        let mut ended = false;
        wait_until(START, || {
            ended = matches!(child.try_wait(), Ok(Some(_)));
            ended || answers()
        });
        if ended || !answers() {
            pid.kill();
            return Err(format!("{} does not answer; the end of its log:\n{}", self.label, tail(&log)));
        }
        image::import(&self.socket(), &archive)
    }

    /// Kills the daemon, as a crash would; its containers go on.
    pub(crate) fn kill(&self) {
        if let Some(pid) = self.pid() {
            pid.kill();
        }
        let _ = fs::remove_file(self.pid_file());
    }

    /// Removes all its containers and ends it.
    pub(crate) fn stop(&self) {
        let Some(pid) = self.pid() else { return };
        if let Ok((200, list)) = http::request(&self.socket(), "GET", "/containers/json?all=true", b"") {
            for id in container_ids(&list) {
                // What cannot be removed this way is swept away with the run.
                let _ = http::request(&self.socket(), "DELETE", &format!("/containers/{id}?force=true&v=true"), b"");
            }
        }
        pid.end(STOP);
        let _ = fs::remove_file(self.pid_file());
    }

    /// The daemon, if it runs.
    fn pid(&self) -> Option<ProcessId> {
        let pid = ProcessId::parse(&fs::read_to_string(self.pid_file()).ok()?)?;
        naming(&self.dir()).contains(&pid).then_some(pid)
    }

    fn pid_file(&self) -> PathBuf {
        self.dir().join("pid")
    }

    fn dir(&self) -> PathBuf {
        self.run.dir.join(&self.label)
    }

    fn data(&self) -> PathBuf {
        self.run.data.join(&self.label)
    }

    fn namespace(&self) -> String {
        format!("{}{}", namespace_prefix(self.run), self.label)
    }

    fn make_namespace(&self) -> Result<(), String> {
        let name = self.namespace();
        if !Path::new("/run/netns").join(&name).exists() {
            output_of(Command::new("ip").args(["netns", "add", &name]))?;
        }
        output_of(Command::new("ip").args(["-n", &name, "link", "set", "lo", "up"])).map(drop)
    }

    /// `program` in the engine's namespace. Not `ip netns exec`, which hides /sys/fs/cgroup.
    fn within(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace())).arg(program);
        command
    }

    fn docker(&self) -> Result<Command, String> {
        let (dir, data) = (self.dir(), self.data());
        let driver = if overlay_works(&data) { "overlay2" } else { "vfs" };
        // live-restore: containers go on while the daemon is away. Few open files: the default can be above what
        // this machine lets us set. The bridge's addresses only have to be free within the namespace.
        let settings = format!(
            r#"{{
  "data-root": "{data}/root", "exec-root": "{dir}/exec", "pidfile": "{dir}/dockerd.pid",
  "hosts": ["unix://{socket}"], "storage-driver": "{driver}", "live-restore": true,
  "exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": "/{cgroup}",
  "experimental": true, "iptables": false, "ip6tables": false, "bip": "10.88.7.1/24",
  "default-ulimits": {{"nofile": {{"Name": "nofile", "Hard": 4096, "Soft": 4096}}}}
}}
"#,
            data = data.display(),
            dir = dir.display(),
            socket = self.socket().display(),
            cgroup = cgroup(self.run),
        );
        let file = dir.join("daemon.json");
        write(&file, &settings)?;
        // Daemons that were killed leave their pid files. Docker takes the number's new owner, or a zombie, for them.
        for stale in ["dockerd.pid", "exec/containerd/containerd.pid"] {
            let stale = dir.join(stale);
            let pid = fs::read_to_string(&stale).ok().and_then(|text| ProcessId::parse(&text));
            if pid.is_some_and(|pid| !naming(&dir).contains(&pid)) {
                let _ = fs::remove_file(stale);
            }
        }
        let mut command = self.within("dockerd");
        // runc looks for criu there, for checkpoints of containers, which count as an experiment.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", criu::install()?.display()));
        command.arg("--config-file").arg(file);
        Ok(command)
    }

    fn podman(&self) -> Result<Command, String> {
        let (dir, data) = (self.dir(), self.data());
        // runc, since crun fails on a hybrid cgroup mount. Locks in files, since those in shared memory are one set
        // for all of the machine and every new engine would reset them.
        let settings = "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
                        [engine]\nevents_logger = \"file\"\ncgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\n\
                        lock_type = \"file\"\n";
        let file = dir.join("containers.conf");
        write(&file, settings)?;
        let mut command = self.within("podman");
        command.env("CONTAINERS_CONF", file).arg("--root").arg(data.join("root"));
        command.arg("--runroot").arg(dir.join("run")).arg("--tmpdir").arg(dir.join("tmp"));
        command.args(["--storage-driver", if overlay_works(&data) { "overlay" } else { "vfs" }]);
        command.args(["system", "service", "--time=0"]).arg(format!("unix://{}", self.socket().display()));
        Ok(command)
    }
}

/// What every network namespace of `run` is called at its beginning.
pub(crate) fn namespace_prefix(run: &Run) -> String {
    format!("homeostat-{}-", run.id)
}

/// The cgroup below which Docker's containers of `run` live, in every hierarchy.
pub(crate) fn cgroup(run: &Run) -> String {
    format!("homeostat-{}", run.id)
}

/// Whether an overlay can be mounted in `folder`: not when it lies on another overlay.
fn overlay_works(folder: &Path) -> bool {
    let probe = folder.join("probe");
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| probe.join(name));
    let made = [&lower, &upper, &work, &merged].iter().all(|folder| fs::create_dir_all(folder).is_ok());
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    let mut mount = Command::new("mount");
    mount.args(["-t", "overlay", "overlay", "-o", &options]).arg(&merged);
    let works = made && output_of(&mut mount).is_ok();
    if works {
        let _ = output_of(Command::new("umount").arg(&merged));
    }
    let _ = fs::remove_dir_all(probe);
    works
}

/// The ids in an engine's list of containers.
fn container_ids(list: &str) -> Vec<&str> {
    let ids = list.split("\"Id\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())).collect()
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_are_found_and_nothing_else() {
        let list = r#"[{"Id":"0a1b","Names":["/x"],"ImageID":"sha256:ff"},{"Id":"ff00","Labels":{"Id":"not me"}}]"#;
        assert_eq!(container_ids(list), ["0a1b", "ff00"]);
        assert!(container_ids("[]").is_empty());
    }

    #[test]
    fn a_name_that_would_break_a_path_is_refused() {
        let run = Run { id: "1".into(), dir: "/nowhere".into(), data: "/nowhere".into() };
        for (name, fine) in [("main", true), ("a-1", true), ("", false), ("../x", false), ("seventeen-letters", false)]
        {
            assert_eq!(Engine::new(&run, Make::Docker, name).is_ok(), fine, "{name:?}");
        }
    }
}
