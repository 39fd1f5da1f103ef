//! A Prometheus and an Alertmanager of the test's own, on free ports of the loopback interface, with short intervals.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{folder, variable, wait_for};

/// How long a daemon may take until it is ready. It takes a second; a busy machine is given more.
pub(super) const START: Duration = Duration::from_secs(60);

/// A port that nobody listens on at this moment. Somebody else may take it first; then the daemon says so and the test fails.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A daemon that ends with this value, by its own process number, and its folder with it.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    pub(super) folder: PathBuf,
    pub(super) port: u16,
}

impl Daemon {
    fn start(program: &str, folder: PathBuf, arguments: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        Self::start_ready(program, folder, "/-/ready", arguments)
    }

    /// Starts it and waits until it answers on the path `ready`.
    pub(super) fn start_ready(
        program: &str,
        folder: PathBuf,
        ready: &str,
        arguments: impl FnOnce(&Path, u16) -> Vec<String>,
    ) -> Self {
        let port = free_port();
        let log = File::create(folder.join("log")).unwrap();
        let child = Command::new(program)
            .args(arguments(&folder, port))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut daemon = Self { child, folder, port };
        wait_for("answer from the daemon", START, || {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("{program} ended with {status}: {}", fs::read_to_string(daemon.folder.join("log")).unwrap());
            }
            get(port, ready).filter(|answer| answer.starts_with("HTTP/1.0 200"))
        });
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The whole answer to a GET of `path`; `None` when there was none.
pub(super) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// An Alertmanager that sends every alert to one webhook within a second or so, also when it is over.
#[derive(Debug)]
pub(crate) struct Alertmanager(Daemon);

impl Alertmanager {
    /// Starts one that sends to `webhook`, such as `http://127.0.0.1:9095/alertmanager`, each alert by itself.
    pub(crate) fn start(webhook: &str) -> Self {
        Self::grouping(webhook, "...")
    }

    /// The same, for alerts with an equal `label` together: all of them again when one is new.
    pub(crate) fn grouping(webhook: &str, label: &str) -> Self {
        let folder = folder("alertmanager");
        let settings = format!(
            "route:\n  receiver: homeostat\n  group_by: ['{label}']\n  group_wait: 100ms\n  group_interval: 1s\n\
             \x20 repeat_interval: 1h\nreceivers:\n  - name: homeostat\n    webhook_configs:\n      - url: '{webhook}'\n\
             \x20       send_resolved: true\n"
        );
        fs::write(folder.join("settings.yml"), settings).unwrap();
        Self(Daemon::start(&variable("HOMEOSTAT_TEST_ALERTMANAGER_BIN"), folder, |folder, port| {
            vec![
                format!("--config.file={}", folder.join("settings.yml").display()),
                format!("--storage.path={}", folder.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--cluster.listen-address=".into(),
            ]
        }))
    }

    /// Tells it of alerts, as Prometheus does: a list in JSON.
    pub(crate) fn tell(&self, alerts: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.0.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let head = "POST /api/v2/alerts HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{alerts}", alerts.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }
}

/// A Prometheus that scrapes and evaluates every second.
#[derive(Debug)]
pub(crate) struct Prometheus(Daemon);

impl Prometheus {
    /// Starts one that scrapes itself and `targets` (`host:port`, at `/metrics`), with the rules of a rule file as text, and
    /// that tells `alertmanager` about alerts.
    pub(crate) fn start(rules: &str, targets: &[&str], alertmanager: &Alertmanager) -> Self {
        let folder = folder("prometheus");
        let list = |addresses: &[&str]| addresses.iter().map(|a| format!("'{a}'")).collect::<Vec<_>>().join(", ");
        let settings = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: ['{rules}']\nalerting:\n\
             \x20 alertmanagers:\n    - static_configs: [{{targets: [{alertmanager}]}}]\nscrape_configs:\n\
             \x20 - job_name: test\n    static_configs: [{{targets: [{targets}]}}]\n",
            rules = folder.join("rules.yml").display(),
            alertmanager = list(&[&alertmanager.address()]),
            targets = list(targets),
        );
        fs::write(folder.join("rules.yml"), rules).unwrap();
        fs::write(folder.join("settings.yml"), settings).unwrap();
        Self(Daemon::start(&variable("HOMEOSTAT_TEST_PROMETHEUS_BIN"), folder, |folder, port| {
            vec![
                format!("--config.file={}", folder.join("settings.yml").display()),
                format!("--storage.tsdb.path={}", folder.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--log.level=warn".into(),
                // It begins to send some seconds after its start; an alert from before that would come a minute later.
                "--rules.alert.resend-delay=1s".into(),
            ]
        }))
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }
}
