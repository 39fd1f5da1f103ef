//! Events from senders that know nothing of homeostat, into the real program.

#[cfg(test)]
mod program;
#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command, time::Duration};

    use crate::{
        program::{Program, homeostat, printed, root, scratch},
        testbed::{Alertmanager, variable},
    };

    const POLICY: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: failed-disk}\nspec:\n  \
                          select: {kind: host}\n  on: disk.failed\n  when: event.slot < 5\n  \
                          then:\n    - notify: {message: \"the disk ${event.model} of ${resource} failed\"}\n";

    const SPEC: &str = "events: [disk.failed]\nsources:\n  - cloudEvents: {name: smart, token: {file: token}}\n  \
                        - alertmanager: {}\n";

    fn start(folder: &Path) -> Program {
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::write(folder.join("policies/failed-disk.yaml"), POLICY).unwrap();
        fs::write(folder.join("token"), "s3cret\n").unwrap();
        Program::start(folder, SPEC)
    }

    /// What became of what came to `source`: taken and repeated.
    fn counted(program: &Program, source: &str) -> (f64, f64) {
        let count = |what: &str| program.metric(&format!("homeostat_source_{what}_total{{source=\"{source}\"}}"));
        (count("taken"), count("repeated"))
    }

    fn refused(program: &Program, source: &str, reason: &str) -> f64 {
        program.metric(&format!("homeostat_source_refused_total{{source=\"{source}\",reason=\"{reason}\"}}"))
    }

    #[test]
    fn an_event_that_is_sent_again_is_answered_once() {
        let folder = scratch();
        let program = start(folder.path());
        let event = r#"{"specversion": "1.0", "id": "1", "source": "/smart", "type": "disk.failed", "subject": "host/h1",
            "data": {"slot": 1, "model": "M1"}}"#;
        let (path, json) = ("/webhook/cloudevents", ("Content-Type", "application/cloudevents+json"));
        let token = ("Authorization", "Bearer s3cret");
        assert_eq!(program.post_with(path, &[json], event).0, 401);
        assert_eq!(program.post_with(path, &[json, token], "{").0, 400);
        for (taken, repeated) in [(1, 0), (0, 1), (0, 1)] {
            let answer = program.post_with(path, &[json, token], event);
            assert_eq!(answer, (202, format!("{{\"accepted\":{taken},\"repeated\":{repeated},\"refused\":[]}}")));
        }
        program.wait_for("notification", || program.entries("notified").first().map(drop));
        assert_eq!((counted(&program, "smart"), program.entries("notified").len()), ((1.0, 2.0), 1));
        let refusals = ["unauthorized", "malformed", "busy"].map(|reason| refused(&program, "smart", reason));
        assert_eq!(refusals, [1.0, 1.0, 0.0]);
        assert_eq!(program.metric("homeostat_source_received_total{source=\"smart\"}"), 5.0);
        let told = program.stop();
        assert!(told.contains("the disk M1 of host/h1 failed"), "{told}");
    }

    #[test]
    fn an_event_is_answered_once_also_when_the_token_is_another_one_by_then() {
        let folder = scratch();
        let program = start(folder.path());
        let event = r#"{"specversion": "1.0", "id": "1", "source": "/smart", "type": "disk.failed", "subject": "host/h1",
            "data": {"slot": 1, "model": "M1"}}"#;
        let post = |token: &str| {
            let headers = [("Content-Type", "application/cloudevents+json"), ("Authorization", token)];
            program.post_with("/webhook/cloudevents", &headers, event)
        };
        assert_eq!(post("Bearer s3cret"), (202, r#"{"accepted":1,"repeated":0,"refused":[]}"#.into()));
        fs::write(folder.path().join("token"), "0ther\n").unwrap();
        let answer =
            program.wait_for("the other token", || Some(post("Bearer 0ther")).filter(|(status, _)| *status != 401));
        assert_eq!(answer, (202, r#"{"accepted":0,"repeated":1,"refused":[]}"#.into()));
        assert_eq!(post("Bearer s3cret").0, 401);
        program.stop();
    }

    #[test]
    fn a_policy_may_name_the_events_that_a_source_brings() {
        let folder = scratch();
        let path = folder.path().to_str().unwrap();
        fs::write(folder.path().join("failed-disk.yaml"), POLICY.replace("kind: host", "kind: container")).unwrap();
        for (events, sources, status, parts) in [
            (
                "",
                "alertmanager: {}",
                1,
                vec!["homeostat::policy::unknown_event", "disk.failed", "known: `alert.firing`"],
            ),
            ("  events: [disk.faled]\n", "alertmanager: {}", 1, vec!["did you mean `disk.faled`"]),
            ("  events: [disk failed]\n", "alertmanager: {}", 1, vec!["homeostat.yaml", "disk failed"]),
            ("  events: [disk.failed]\n", "cloudEvents: {}", 0, vec!["no problem"]),
            ("  events: [disk.failed]\n", "cloudEvents: {path: /metrics}", 1, vec!["two listen on `/metrics`"]),
            ("  events: [disk.failed]\n", "cloudEvents: {token: {file: none}}", 1, vec!["token", "No such file"]),
        ] {
            let configuration = format!(
                "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  policies: [failed-disk.yaml]\n{events}  \
                 adapters: [{{container: {{endpoint: \"unix:///nowhere\"}}}}]\n  sources: [{{{sources}}}]\n"
            );
            fs::write(folder.path().join("homeostat.yaml"), &configuration).unwrap();
            let (found, told) = printed(&homeostat(&["check", path]));
            assert_eq!(found, status, "{configuration}\n{told}");
            // Messages are broken into lines where they are shown.
            let words = told.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
            assert!(parts.iter().all(|part| words.contains(part)), "{parts:?} in\n{told}");
        }
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn events_of_the_official_sdk_are_taken_in_all_three_modes() {
        let folder = scratch();
        let program = start(folder.path());
        let send = |mode: &str, token: &str| {
            let script = root().join("tests/senders/send_cloudevents.py");
            let url = program.url("/webhook/cloudevents");
            let sent =
                Command::new(variable("HOMEOSTAT_TEST_PYTHON")).arg(script).args([&url, token, mode]).output().unwrap();
            assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
            String::from_utf8(sent.stdout).unwrap().trim().to_owned()
        };
        for (mode, events) in [("structured", 1), ("binary", 1), ("batched", 2)] {
            assert_eq!(send(mode, "s3cret"), format!("202 {{\"accepted\":{events},\"repeated\":0,\"refused\":[]}}"));
            assert_eq!(send(mode, "s3cret"), format!("202 {{\"accepted\":0,\"repeated\":{events},\"refused\":[]}}"));
        }
        assert!(send("binary", "guess").starts_with("401 "));
        // What each says was read the same, whatever the mode.
        let hosts = ["structured-1", "binary-1", "batched-1", "batched-2"];
        program.wait_for("four notifications", || (program.entries("notified").len() == 4).then_some(()));
        assert_eq!(counted(&program, "smart"), (4.0, 4.0));
        let recording = fs::read_to_string(folder.path().join("recording.jsonl")).unwrap();
        let note = "Euro € 😀 \\\"95 %\\\"";
        assert_eq!(recording.matches(note).count(), 4, "{recording}");
        let told = program.stop();
        for host in hosts {
            assert!(told.contains(&format!("the disk M 1 of host/{host} failed")), "{host}: {told}");
        }
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn of_a_group_that_a_real_alertmanager_sends_again_what_is_new_is_taken() {
        let folder = scratch();
        let program = start(folder.path());
        let alertmanager = Alertmanager::grouping(&program.url("/webhook/alertmanager"), "alertname");
        let alert =
            |vm: &str, more: &str| format!("{{\"labels\": {{\"alertname\": \"Hot\", \"vm\": \"{vm}\"}}{more}}}");
        alertmanager.tell(&format!("[{}]", alert("a", "")));
        program.wait_for("first alert", || (counted(&program, "alertmanager") == (1.0, 0.0)).then_some(()));
        // The group has both now, and comes as a whole.
        alertmanager.tell(&format!("[{}]", alert("b", "")));
        program.wait_for("second alert", || (counted(&program, "alertmanager") == (2.0, 1.0)).then_some(()));
        // One is over; the other goes on, and is told of again.
        let over = format!(", \"endsAt\": \"{}\"", jiff::Timestamp::now());
        alertmanager.tell(&format!("[{}]", alert("b", &over)));
        program.wait_for("end of the second", || (counted(&program, "alertmanager") == (3.0, 2.0)).then_some(()));
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(counted(&program, "alertmanager").0, 3.0);
        program.stop();
    }
}
