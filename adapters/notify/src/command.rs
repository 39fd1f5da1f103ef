//! Runs a command for every notification: no shell, the notification as JSON on its standard input and in variables.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration as Wall,
};

use async_trait::async_trait;
use homeostat_model::{ChannelName, Duration, Notification, Severity};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command as Process},
};

use crate::{
    DeliveryError, Notifier, Patience,
    patience::some_time,
    payload::{payload, stable_id, time},
};

/// Bytes of each of its outputs that are kept for the log; the rest is read and dropped.
const MAX_OUTPUT_BYTES: usize = 4 * 1024;
/// How long its output may go on after its end: something that it has started may hold it open.
const OUTPUT_AFTER: Wall = Wall::from_millis(200);
/// Characters of the message that its variable holds: as much as a policy can write.
const MAX_VARIABLE: usize = 4096;
/// What of the environment it is given: what programs need to find others, and no secret of ours.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// The command.
///
/// ```yaml
/// name: page
/// argv: [/usr/local/bin/page, --team, infra]
/// timeout: 30s
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CommandConfig {
    /// The channel's name, by which policies mean it.
    #[serde(default = "default_name")]
    pub name: ChannelName,
    /// The program and its arguments.
    argv: Argv,
    /// The least urgent notifications that it is run for unless a policy names the channel.
    #[serde(default)]
    pub min_severity: Severity,
    /// The longest that it may run.
    #[serde(default = "default_timeout", deserialize_with = "some_time")]
    timeout: Duration,
    /// How old a notification may become undelivered until it is given up.
    #[serde(default)]
    pub give_up_after: Patience,
}

/// At least a program.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Vec<String>")]
struct Argv {
    program: PathBuf,
    arguments: Vec<String>,
}

/// There is no program in it.
#[derive(Debug, Error)]
#[error("`argv` has no program; write argv: [/path/to/program, argument]")]
struct NoProgram;

impl TryFrom<Vec<String>> for Argv {
    type Error = NoProgram;

    fn try_from(argv: Vec<String>) -> Result<Self, NoProgram> {
        let mut argv = argv.into_iter();
        let program = argv.next().filter(|program| !program.is_empty()).ok_or(NoProgram)?;
        Ok(Self { program: program.into(), arguments: argv.collect() })
    }
}

#[expect(clippy::expect_used, reason = "a constant that is a name")]
fn default_name() -> ChannelName {
    ChannelName::new("command").expect("a name")
}

/// Long enough to send a mail.
fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

impl CommandConfig {
    /// What is in force where nothing is given, by the names of the fields.
    #[must_use]
    pub fn defaults(&self) -> serde_json::Value {
        let Self { name, min_severity, timeout, give_up_after, .. } = self;
        json!({"name": name, "minSeverity": min_severity, "timeout": timeout, "giveUpAfter": give_up_after})
    }

    /// Makes the program's path absolute where it is one; a mere name is looked for in `PATH`.
    pub fn resolve(&mut self, absolute: impl Fn(&Path) -> PathBuf) {
        if self.argv.program.components().count() > 1 {
            self.argv.program = absolute(&self.argv.program);
        }
    }
}

/// The channel.
#[derive(Debug)]
pub struct Command {
    name: ChannelName,
    argv: Argv,
    timeout: Wall,
}

impl Command {
    /// One that runs what `config` says.
    #[must_use]
    pub fn new(config: CommandConfig) -> Self {
        let timeout = Wall::from_millis(config.timeout.as_millis());
        Self { name: config.name, argv: config.argv, timeout }
    }

    fn start(&self, notification: &Notification) -> Result<Running, DeliveryError> {
        let Argv { program, arguments } = &self.argv;
        let mut process = Process::new(program);
        process.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what it starts ends with it.
        process.process_group(0).kill_on_drop(true).env_clear();
        process.envs(PASSED_ON.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // A variable cannot hold a NUL, nor very much; the input has all of it.
        let message: String = notification.message.replace('\0', " ").chars().take(MAX_VARIABLE).collect();
        process.env("HOMEOSTAT_ID", stable_id(notification)).env("HOMEOSTAT_TIME", time(notification.at));
        process.env("HOMEOSTAT_SEVERITY", notification.severity.to_string()).env("HOMEOSTAT_MESSAGE", message);
        process.env("HOMEOSTAT_POLICY", notification.finding.policy.as_str());
        process.env("HOMEOSTAT_RESOURCE", notification.finding.resource.as_str());
        if let Some(asks) = &notification.asks {
            process.env("HOMEOSTAT_PLAN", asks.plan.to_string()).env("HOMEOSTAT_PLAN_HASH", &asks.hash);
        }
        let child = process.spawn().map_err(|error| {
            let command = program.display().to_string();
            DeliveryError::NotStarted { command, error }
        })?;
        Ok(Running(child))
    }
}

/// A command that runs; its whole group is killed with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // After its end its number may be another's; but it has not been waited for then, or the group is empty or its own.
        let group = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[async_trait]
impl Notifier for Command {
    async fn deliver(&self, notification: &Notification) -> Result<(), DeliveryError> {
        let mut running = self.start(notification)?;
        let ended = tokio::time::timeout(self.timeout, attend(&mut running.0, payload(notification).to_string()));
        let (status, said) = ended.await.map_err(|_| DeliveryError::TimedOut(self.timeout))??;
        if !said.is_empty() {
            tracing::info!(channel = %self.name, notification = %notification.id, output = said, "the command has said something");
        }
        if status.success() {
            return Ok(());
        }
        let said = said.trim().lines().next_back().unwrap_or_default().to_owned();
        Err(DeliveryError::Failed { status: status.to_string(), said })
    }
}

/// Waits for its end; its exit status and what it has printed, its errors last.
async fn attend(child: &mut Child, input: String) -> Result<(std::process::ExitStatus, String), DeliveryError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // Whoever does not want to know has closed it.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let status = {
        let reading = async { tokio::join!(feed, keep(stdout, &mut out), keep(stderr, &mut errors)) };
        tokio::pin!(reading);
        tokio::select! {
            status = child.wait() => {
                let _ = tokio::time::timeout(OUTPUT_AFTER, reading).await;
                status
            }
            _ = &mut reading => child.wait().await,
        }
    };
    let status = status
        .map_err(|error| DeliveryError::Failed { status: "an unknown status".into(), said: error.to_string() })?;
    Ok((status, String::from_utf8_lossy(&[out, errors].concat()).trim().to_owned()))
}

/// Keeps the begin of a stream and reads the rest, so that nobody waits who writes it.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = MAX_OUTPUT_BYTES.saturating_sub(kept.len());
        kept.extend(buffer.iter().take(read.min(room)));
    }
}
