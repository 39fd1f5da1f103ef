//! Mistakes that people and other programs make: each gets an error that says what, where and what next, and all else goes on.
//! And ends that come at a bad moment: what was decided until then can be decided again.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        io::Write,
        path::Path,
        process::Command,
        time::{Duration, SystemTime},
    };

    use serde_json::{Value, json};

    use crate::program::{Program, homeostat, printed, root, scratch};

    const WATCH: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: watch}\nspec:\n  \
                         select: {kind: vm}\n  metrics: [{name: load, unit: ratio}]\n  when: last(\"load\") > 90%\n  \
                         mode: observe\n  then: [restart]\n";
    const ALERT: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: alerted}\nspec:\n  \
                         select: {kind: vm}\n  on: alert.firing\n  mode: observe\n  then: [restart]\n";
    const SCENARIO: &str = "description: nothing happens\nstart: 2026-01-01T00:00:00Z\nduration: 1h\n\
                            racks: [{name: r1}]\nhosts: [{name: h1, rack: r1, cores: 4, memory: 8Gi, power: {idle: 50W, busy: 90W}}]\n\
                            vms: [{name: web-1, on: h1, vcpus: 1, memory: 1Gi, load: {base: 0.1}}]\n";
    const SPEC: &str = "adapters:\n  - datacentre: {scenario: scenario.yaml}\nsources:\n  - alertmanager: {}\n  \
                        - jsonLines: {path: input.jsonl, follow: true}\n";

    fn start(folder: &Path) -> Program {
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::write(folder.join("policies/watch.yaml"), WATCH).unwrap();
        fs::write(folder.join("policies/alerted.yaml"), ALERT).unwrap();
        fs::write(folder.join("scenario.yaml"), SCENARIO).unwrap();
        fs::write(folder.join("input.jsonl"), "").unwrap();
        Program::start(folder, SPEC)
    }

    fn opened(program: &Program, policy: &str) -> usize {
        program.entries("findingOpened").iter().filter(|entry| entry["finding"]["policy"] == policy).count()
    }

    #[test]
    fn a_broken_policy_keeps_the_old_ones_in_force_and_says_why() {
        let folder = scratch();
        let program = start(folder.path());
        let failures = "homeostat_policy_reloads_total{result=\"failure\"}";
        program.write_policy("broken.yaml", &WATCH.replace("name: watch", "name: broken").replace("last(", "lst("));
        program.wait_for("refusal", || (program.metric(failures) >= 1.0).then_some(()));
        let log = program.log();
        for part in ["broken.yaml", "lst", "last", "stays in force"] {
            assert!(log.contains(part), "no {part} in\n{log}");
        }
        assert_eq!(program.metric("homeostat_policies"), 2.0);
        // The old ones still decide.
        writeln!(append(folder.path()), r#"{{"resource":"vm/web-1","metrics":{{"load":0.95}}}}"#).unwrap();
        program.wait_for("finding", || (opened(&program, "watch") == 1).then_some(()));
        // Mended, it is taken.
        program.write_policy("broken.yaml", &WATCH.replace("name: watch", "name: mended"));
        program.wait_for("reload", || (program.metric("homeostat_policies") == 3.0).then_some(()));
        program.wait_for("finding of the mended policy", || (opened(&program, "mended") == 1).then_some(()));
        assert_eq!(opened(&program, "watch"), 1, "the unchanged policy kept its finding");
        program.stop();
    }

    #[test]
    fn a_broken_line_stops_no_other_line() {
        let folder = scratch();
        let program = start(folder.path());
        let lines = [
            r#"{"resource":"vm/web-1","metrics":{"load":"high"}}"#,
            r#"{"resource":"web-1","metrics":{"load":0.95}}"#,
            r#"{"resource":"vm/web-1","metrics":{"load":0.95}"#,
            "not even JSON",
            r#"{"resource":"vm/web-1","metrics":{"load":0.97}}"#,
        ];
        append(folder.path()).write_all(format!("{}\n", lines.join("\n")).as_bytes()).unwrap();
        program.wait_for("finding of the good line", || (opened(&program, "watch") == 1).then_some(()));
        let log = program.log();
        for number in 1..=4 {
            assert!(log.contains(&format!("line {number}")), "line {number} is not named in\n{log}");
        }
        program.stop();
    }

    #[test]
    fn a_broken_webhook_body_stops_no_other_alert() {
        let folder = scratch();
        let program = start(folder.path());
        let alert = |labels: &str, fingerprint: &str| {
            format!(
                r#"{{"status":"firing","labels":{labels},"annotations":{{}},"startsAt":"2026-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"{fingerprint}"}}"#
            )
        };
        let body = |version: &str, alerts: &str| {
            format!(
                r#"{{"version":"{version}","groupKey":"g","truncatedAlerts":0,"status":"firing","receiver":"r","groupLabels":{{}},"commonLabels":{{}},"commonAnnotations":{{}},"externalURL":"","alerts":[{alerts}]}}"#
            )
        };
        let good = alert(r#"{"alertname":"Hot","resource":"vm/web-1"}"#, "f1");
        let path = "/webhook/alertmanager";
        for (what, text, named) in [
            ("no JSON", "{\"version\":".to_owned(), "\"line\":1"),
            ("another version", body("3", &good), "version"),
            ("a wrong type", body("4", &good).replace("\"alerts\":[", "\"alerts\":7,\"was\":["), "alerts"),
        ] {
            let (status, answer) = program.post(path, &text);
            assert_eq!(status, 400, "{what}: {answer}");
            assert!(answer.contains(named), "{what}: no {named} in {answer}");
        }
        let homeless = alert(r#"{"alertname":"Hot"}"#, "f2");
        let (status, answer) = program.post(path, &body("4", &format!("7,{homeless},{good}")));
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let refused: Vec<u64> =
            answer["refused"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
        assert_eq!((answer["accepted"].as_u64(), refused), (Some(1), vec![0, 1]), "{answer}");
        program.wait_for("finding of the good alert", || (opened(&program, "alerted") == 1).then_some(()));
        program.stop();
    }

    #[test]
    fn nobody_reading_the_story_holds_up_nothing() {
        let folder = scratch();
        let program = start(folder.path());
        // More findings than a pipe holds lines.
        let count = 2000;
        append(folder.path()).write_all(flaps(count).as_bytes()).unwrap();
        let closed = "{\"findingClosed\"";
        program.wait_for("end of all findings", || {
            let decisions = fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
            (u128::try_from(decisions.matches(closed).count()).unwrap() == count).then_some(())
        });
        assert_eq!(program.get("/readyz").unwrap().0, 200);
        program.stop_unheard();
    }

    #[test]
    fn a_policy_file_beside_the_journal_is_loaded_again_when_it_changes_and_only_then() {
        let folder = scratch();
        fs::write(folder.path().join("watch.yaml"), WATCH).unwrap();
        let program = Program::start_with(folder.path(), "watch.yaml", "sources: [{alertmanager: {}}]");
        let loads = || program.entries("policiesLoaded").len();
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(loads(), 1, "{}", program.log());
        fs::write(folder.path().join("watch.yaml"), WATCH.replace("90%", "80%")).unwrap();
        program.wait_for("second load", || (loads() == 2).then_some(()));
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(loads(), 2, "{}", program.log());
        program.stop();
    }

    /// What was decided live, and again from the recording.
    fn decided(folder: &Path, policies: Option<&str>) -> (String, String, String) {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (recording, again) = (path("recording.jsonl"), path("again.jsonl"));
        let mut arguments = vec!["backtest", "--input", &recording, "--decisions", &again];
        let policies = policies.map(path);
        arguments.extend(policies.iter().flat_map(|policies| ["--policies", policies]));
        let (status, told) = printed(&homeostat(&arguments));
        assert_eq!(status, 0, "{told}");
        let read = |name: &str| fs::read_to_string(path(name)).unwrap();
        (read("decisions.jsonl"), read("again.jsonl"), told)
    }

    #[test]
    fn an_end_in_mid_plan_is_decided_again_byte_for_byte() {
        let folder = scratch();
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        fs::copy(
            root().join("examples/datacenter/policies/host-down.yaml"),
            folder.path().join("policies/host-down.yaml"),
        )
        .unwrap();
        let scenario = SCENARIO.replace(
            "hosts: [",
            "hosts: [{name: h2, rack: r1, cores: 4, memory: 8Gi, power: {idle: 50W, busy: 90W}}, ",
        ) + "timeline: [{at: 2s, kill: host/h1}]\n";
        fs::write(folder.path().join("scenario.yaml"), scenario).unwrap();
        let program = Program::start(folder.path(), "adapters:\n  - datacentre: {scenario: scenario.yaml}\nspeed: 2\n");
        program.wait_for("first step", || program.entries("stepDispatched").pop());
        let log = folder.path().join("log");
        // The host is being fenced, which takes two seconds and a half; the restart of the VM would be next.
        let told = program.stop();
        let log = fs::read_to_string(log).unwrap();
        assert!(told.contains("p1-1/1 done: off, fenced"), "{told}");
        assert!(log.contains("the plan was not finished plan=p1-1") && !log.contains("p1-1/2"), "{log}");
        for policies in [None, Some("policies")] {
            let (live, again, _) = decided(folder.path(), policies);
            assert!(
                live.contains("stepFinished") && !live.contains("planFinished") && !live.contains("p1-1/2"),
                "{live}"
            );
            assert_eq!(live, again, "{policies:?}");
        }
    }

    #[test]
    fn what_was_decided_before_a_crash_is_decided_again() {
        let folder = scratch();
        let program = start(folder.path());
        writeln!(append(folder.path()), r#"{{"resource":"vm/web-1","metrics":{{"load":0.95}}}}"#).unwrap();
        program.wait_for("finding", || (opened(&program, "watch") == 1).then_some(()));
        // Killed, in the middle of a line.
        drop(program);
        let recording = folder.path().join("recording.jsonl");
        OpenOptions::new().append(true).open(recording).unwrap().write_all(b"{\"at\":17000000").unwrap();
        let (live, again, told) = decided(folder.path(), None);
        assert!(live.contains("findingOpened"));
        assert_eq!(live, again);
        assert!(told.contains("recording.jsonl:") && told.contains("the last line was cut off"), "{told}");
    }

    /// Lines of a sample that is now above the threshold and now below it.
    fn flaps(count: u128) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() - 4 * count;
        let line = |number: u128, load: f64| {
            format!("{{\"resource\":\"vm/web-1\",\"time\":{},\"metrics\":{{\"load\":{load}}}}}\n", now + number)
        };
        (0..count).map(|flap| line(2 * flap, 0.95) + &line(2 * flap + 1, 0.1)).collect()
    }

    #[test]
    fn what_anybody_was_told_of_is_in_the_journal_whenever_it_is_killed() {
        let folder = scratch();
        let mut known: Vec<Value> = Vec::new();
        for round in 0..3 {
            let program = start(folder.path());
            append(folder.path()).write_all(flaps(3000).as_bytes()).unwrap();
            program.wait_for("some findings", || (program.entries("findingClosed").len() > 50 * round).then_some(()));
            program.kill();
            // Its last line may have been cut off.
            let told = fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
            known.extend(told.lines().filter_map(|line| serde_json::from_str(line).ok()));
            let journal = folder.path().join("journal");
            let (status, audited) = printed(&homeostat(&["audit", "-o", "json", journal.to_str().unwrap()]));
            assert_eq!(status, 0, "{audited}");
            let audited = audited
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .map(|record: Value| json!({"at": record["at"], "entry": record["entry"]}));
            // What counts towards its `for` is kept, and told to nobody.
            let mut audited: Vec<Value> = audited.filter(|record| record["entry"]["counted"].is_null()).collect();
            assert!(audited.starts_with(&known), "{} records, {} were told", audited.len(), known.len());
            // Whatever else had become durable counts for the next round.
            std::mem::swap(&mut known, &mut audited);
            let (status, verified) = printed(&homeostat(&["audit", "--verify", journal.to_str().unwrap()]));
            assert!(status == 0 && verified.starts_with("whole: "), "{verified}");
        }
    }

    /// Whether a command was carried out.
    fn done(command: &str, arguments: &[&str]) -> bool {
        Command::new(command).args(arguments).output().is_ok_and(|output| output.status.success())
    }

    /// What is undone at the end, also of a test that fails.
    struct Undo<'a>(&'static str, Vec<&'a str>);

    impl Drop for Undo<'_> {
        fn drop(&mut self) {
            done(self.0, &self.1);
        }
    }

    #[test]
    fn inputs_are_taken_in_while_the_disk_stands_still_and_nothing_is_done_before_it_answers() {
        let folder = scratch();
        let (image, journal) = (folder.path().join("image"), folder.path().join("journal"));
        let (image, journal) = (image.to_str().unwrap(), journal.to_str().unwrap());
        fs::create_dir(journal).unwrap();
        let made = done("truncate", &["-s", "8M", image]) && done("mkfs.ext4", &["-q", image]);
        if !made || !done("mount", &["-o", "loop", image, journal]) {
            // Only root may, and not everywhere.
            return;
        }
        let _mounted = Undo("umount", vec![journal]);
        let program = start(folder.path());
        program.wait_for("first decision", || program.entries("policiesLoaded").pop());
        // After the program, so that a failing test lets it write again before it waits for its end.
        let frozen = Undo("fsfreeze", vec!["-u", journal]);
        if !done("fsfreeze", &["-f", journal]) {
            return;
        }
        let taken = || program.metric("homeostat_samples_total");
        for round in 1..=3 {
            let before = taken();
            append(folder.path()).write_all(flaps(100).as_bytes()).unwrap();
            program.wait_for("samples", || (taken() >= before + 200.0).then_some(()));
            assert_eq!(program.get("/readyz").unwrap().0, 200, "the loop stands still in round {round}");
        }
        assert_eq!(opened(&program, "watch"), 0, "somebody was told of what was not on the disk");
        drop(frozen);
        program.wait_for("findings", || (opened(&program, "watch") >= 3).then_some(()));
        program.stop();
    }

    #[test]
    fn a_journal_that_cannot_be_written_ends_the_program_and_says_why() {
        let folder = scratch();
        let journal = folder.path().join("journal");
        fs::create_dir(&journal).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "homeostat-test"]).arg(&journal).output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            // Only root may; the journal's own tests have the same with a disk that pretends to be full.
            return;
        }
        let program = start(folder.path());
        append(folder.path()).write_all(flaps(5000).as_bytes()).unwrap();
        let (status, log) = program.ended();
        let unmounted = Command::new("umount").arg(&journal).status().unwrap();
        assert_eq!(status, Some(2), "{log}");
        for part in ["the journal cannot be written", "00000001.journal", "No space left on device", "make room"] {
            assert!(log.contains(part), "no {part} in\n{log}");
        }
        assert!(unmounted.success());
    }

    fn append(folder: &Path) -> fs::File {
        OpenOptions::new().append(true).open(folder.join("input.jsonl")).unwrap()
    }
}
