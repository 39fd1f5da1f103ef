//! Mistakes that people and other programs make: each gets an error that says what, where and what next, and all else goes on.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        io::Write,
        path::Path,
    };

    use crate::program::{Program, scratch};

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
        for part in ["broken.yaml", "lst", "last", "stay in force"] {
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
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let refused: Vec<u64> =
            answer["refused"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
        assert_eq!((answer["accepted"].as_u64(), refused), (Some(1), vec![0, 1]), "{answer}");
        program.wait_for("finding of the good alert", || (opened(&program, "alerted") == 1).then_some(()));
        program.stop();
    }

    fn append(folder: &Path) -> fs::File {
        OpenOptions::new().append(true).open(folder.join("input.jsonl")).unwrap()
    }
}
