//! homeostat as a user runs it: a process with a configuration, policies in a folder, and HTTP on a free port.

#![allow(dead_code, reason = "every test program compiles this module and uses a part of it")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take that is waited for. Machines are slow at times; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const BINARY: &str = env!("CARGO_BIN_EXE_homeostat");

/// A running homeostat. It is killed with this value, if it was not stopped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    pub(crate) folder: PathBuf,
    port: u16,
}

impl Program {
    /// Starts it in `folder` with `spec` as the configuration's spec (`listen` and `policies` are added) and waits until it
    /// is ready. Decisions, recording and log go to files in `folder`.
    pub(crate) fn start(folder: &Path, spec: &str) -> Self {
        Self::start_with(folder, "policies", spec)
    }

    /// The same, with other `policies` than the folder of that name.
    pub(crate) fn start_with(folder: &Path, policies: &str, spec: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let recording = folder.join("recording.jsonl");
        Self::start_on(port, folder, policies, spec, Some(&recording))
    }

    /// The same on a port that is known, with a recording of its own or without one. The journal is the folder of that name, unless `spec`
    /// says something of it.
    pub(crate) fn start_on(port: u16, folder: &Path, policies: &str, spec: &str, recording: Option<&Path>) -> Self {
        fs::create_dir_all(folder.join("policies")).unwrap();
        let journal = if spec.contains("journal:") { "" } else { "journal: journal\n" };
        let spec: String = journal.lines().chain(spec.trim().lines()).map(|line| format!("  {line}\n")).collect();
        let configuration = format!(
            "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  listen: 127.0.0.1:{port}\n  policies: [{policies}]\n\
             {spec}"
        );
        fs::write(folder.join("homeostat.yaml"), configuration).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(BINARY)
            .args(["run", "--log", "info"])
            .arg(folder)
            .args(["--decisions".as_ref(), folder.join("decisions.jsonl").as_os_str()])
            .args(recording.into_iter().flat_map(|recording| ["--record".as_ref(), recording.as_os_str()]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut program = Self { child, folder: folder.to_owned(), port };
        let deadline = Instant::now() + PATIENCE;
        while !program.is_ready() {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "homeostat did not get ready:\n{}", program.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        program
    }

    /// `http://127.0.0.1:PORT` and `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its unix socket, as `--server` has it.
    pub(crate) fn socket(&self) -> String {
        format!("unix:{}", self.folder.join("journal/homeostat.sock").display())
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it says so, through its socket: over the network it may speak TLS.
    fn is_ready(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.folder.join("journal/homeostat.sock")) else { return false };
        let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        // It may end while it is asked.
        let asked = stream.write_all(request).and_then(|()| stream.read_to_string(&mut answer));
        asked.is_ok() && answer.starts_with("HTTP/1.1 200")
    }

    /// Status and body of a GET; `None` when there was no answer.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        answer(agent().get(self.url(path)).call())
    }

    /// Status and body of a POST.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        let request = agent().post(self.url(path)).header("Content-Type", "application/json");
        answer(request.send(body)).expect("no answer")
    }

    /// Status and body of a POST with headers of its own.
    pub(crate) fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let request = agent().post(self.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        answer(request.send(body)).expect("no answer")
    }

    /// The value of a metric of homeostat's own, 0 when it is not there yet.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").expect("no metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// Ends it at once, as a failing machine does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // User and system time, in ticks of which Linux has 100 a second for whoever asks.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// The decisions so far.
    pub(crate) fn decisions(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("decisions.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The entries of the decisions of one sort, such as `planFinished`.
    pub(crate) fn entries(&self, sort: &str) -> Vec<Value> {
        self.decisions().iter().filter_map(|decision| decision["entry"].get(sort).cloned()).collect()
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Puts a policy into force.
    pub(crate) fn write_policy(&self, name: &str, text: &str) {
        fs::write(self.folder.join("policies").join(name), text).unwrap();
    }

    /// Looks until there is something. Panics after [`PATIENCE`] with what homeostat decided and logged.
    pub(crate) fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() > deadline {
                let decisions: Vec<String> = self.decisions().iter().map(ToString::to_string).collect();
                panic!("no {what} within {PATIENCE:?}\ndecisions:\n{}\nlog:\n{}", decisions.join("\n"), self.log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks it to end, as a service manager does; gives what it told people. Panics when it does not end well.
    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        let mut told = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "homeostat ended with {status}\n{}", self.log());
        told
    }

    /// The same, without reading what it tells people.
    pub(crate) fn stop_unheard(mut self) {
        self.terminate();
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "homeostat does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(status.success(), "homeostat ended with {status}\n{}", self.log());
    }

    /// Waits until it ends by itself; gives its exit status and its log.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), self.log());
            }
            assert!(Instant::now() < deadline, "homeostat does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to read its files again.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn terminate(&self) {
        self.signal("-TERM");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a homeostat command to its end.
pub(crate) fn homeostat(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap()
}

/// The same, in a folder: what it tells of files does not depend on where the checkout is.
pub(crate) fn homeostat_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    // What it would show of the surroundings is for a test to say.
    command.current_dir(folder).env_remove("DOCKER_HOST");
    command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap()
}

/// The same, with `input` coming through a pipe as standard input.
pub(crate) fn homeostat_piped(arguments: &[&str], input: Vec<u8>) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // It may end before it has read everything, which is for the test to judge.
    std::thread::spawn(move || pipe.write_all(&input));
    child.wait_with_output().unwrap()
}

/// What a command printed, and its exit status.
pub(crate) fn printed(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// A folder that goes with the value.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn agent() -> ureq::Agent {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(10)));
    config.build().into()
}

fn answer(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Option<(u16, String)> {
    let mut answer = answer.ok()?;
    Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
}
