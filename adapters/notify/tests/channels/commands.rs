//! Commands.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use homeostat_model::Severity;
use homeostat_notify::{Command, CommandConfig, Notifier};

use super::{Running, a_day, notification};

fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("tell");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn channel(argv: &[&str], timeout: &str) -> Arc<Command> {
    let config = serde_json::json!({"argv": argv, "timeout": timeout});
    let config: CommandConfig = serde_json::from_value(config).unwrap();
    Arc::new(Command::new(config))
}

#[tokio::test]
async fn a_command_is_given_everything_and_no_shell_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let program = script(
        folder.path(),
        &format!(
            "{{ printf '%s\\n' \"$1\" \"$HOMEOSTAT_SEVERITY $HOMEOSTAT_RESOURCE $HOMEOSTAT_MESSAGE $CARGO\"; cat; }} > {}",
            file.display()
        ),
    );
    let mut running = Running::start(channel(&[&program, "$(touch pwned); x"], "10s"), a_day());
    let message = "`id` $HOME; rm -rf \"x\"\0\n";
    let told = notification(3, Severity::Warning, message);
    running.outbox.hand(told.clone());
    assert_eq!(running.report().await.given_up, None);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("$(touch pwned); x\nwarning vm/web-1 `id` $HOME; rm -rf \"x\" \n"), "{text}");
    let json = text.rsplit('\n').next().unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["message"], message);
    assert_eq!(json["id"], format!("n1-3.{}", told.at.as_millis()));
    // It was set here by cargo, as a secret may be.
    assert!(!text.contains("cargo"), "{text}");
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_what_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let program = script(folder.path(), &format!("sleep 600 & echo $$ $! > {}\nwait", file.display()));
    let error = channel(&[&program], "500ms").deliver(&notification(1, Severity::Info, "m")).await.unwrap_err();
    assert!(error.to_string().contains("not done within 500ms"), "{error}");
    let pids = std::fs::read_to_string(file).unwrap();
    let alive = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    assert_eq!(pids.split_whitespace().count(), 2);
    for pid in pids.split_whitespace() {
        for _ in 0..100 {
            if alive(pid) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(!alive(pid), "{pid} is left running");
    }
}

#[tokio::test]
async fn a_command_that_fails_is_run_again_and_its_last_words_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(
        folder.path(),
        &format!(
            "test -e {0}/there && exit 0; touch {0}/there; echo first; echo 'no pager' >&2; exit 3",
            folder.path().display()
        ),
    );
    let failing = channel(&[&program], "10s");
    let error = failing.deliver(&notification(1, Severity::Info, "m")).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3: no pager"), "{error}");
    std::fs::remove_file(folder.path().join("there")).unwrap();
    let mut running = Running::start(failing, a_day());
    running.outbox.hand(notification(1, Severity::Info, "m"));
    assert_eq!(running.report().await.given_up, None);
    assert_eq!(running.tally.figures().failed, 1);
}

#[tokio::test]
async fn output_without_end_and_input_that_nobody_reads_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(folder.path(), "exec 0<&-\nhead -c 5000000 /dev/zero\n(sleep 600 &)\nexit 0");
    let began = std::time::Instant::now();
    channel(&[&program], "20s").deliver(&notification(1, Severity::Info, &"x".repeat(200_000))).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "what it has left running holds its output open");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_told_by_its_name() {
    let error = channel(&["/nowhere/tell"], "1s").deliver(&notification(1, Severity::Info, "m")).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/tell cannot be started"), "{error}");
    assert!(
        serde_json::from_str::<CommandConfig>(r#"{"argv": []}"#).unwrap_err().to_string().contains("has no program")
    );
}
