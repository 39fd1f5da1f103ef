//! The commands as people type them: what they print, and how they end.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        io::{Read, Write},
        net::TcpListener,
        path::Path,
    };

    use expect_test::{expect, expect_file};

    use crate::program::{homeostat, homeostat_in, homeostat_piped, printed, root, scratch};

    const HOT: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: hot}\nspec:\n  select: {kind: vm}\n  \
                       when: avg(\"cpu\", 1m) > 90%\n  for: 30s\n  cooldown: 1m\n  then: [restart]\n";

    fn text(path: &Path) -> String {
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_example_tells_its_story() {
        let folder = root().join("examples/datacenter");
        let output = homeostat(&["simulate", &text(&folder)]);
        let (status, told) = printed(&output);
        assert_eq!(status, 0, "{told}");
        expect_file![folder.join("transcript.txt")].assert_eq(&told);
    }

    #[test]
    fn the_built_in_demonstration_is_the_example() {
        let folder = scratch();
        let run = |arguments: &[&str], decisions: &str| {
            let decisions = text(&folder.path().join(decisions));
            let (status, told) = printed(&homeostat(&[arguments, &["--decisions", &decisions]].concat()));
            assert_eq!(status, 0, "{told}");
            fs::read_to_string(decisions).unwrap()
        };
        let example = text(&root().join("examples/datacenter"));
        assert_eq!(run(&["simulate"], "a"), run(&["simulate", &example], "b"));
    }

    #[test]
    fn stock_policies_and_examples_have_no_problem_and_pass_their_tests() {
        for path in ["policies", "examples/datacenter"] {
            let (status, told) = printed(&homeostat(&["check", &text(&root().join(path))]));
            assert_eq!(status, 0, "{told}");
        }
        let (status, told) = printed(&homeostat(&["test", &text(&root().join("policies"))]));
        assert_eq!(status, 0, "{told}");
        assert!(told.contains(" passed, 0 failed"), "{told}");
    }

    #[test]
    fn check_says_everything_that_is_wrong_at_once() {
        let folder = scratch();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("good.yaml", &HOT.replace("\"cpu\"", "\"cpu.utilization\""));
        write("metric.yaml", &HOT.replace("name: hot", "name: metric").replace("\"cpu\"", "\"cpu.utilisation\""));
        write(
            "script.yaml",
            &HOT.replace("name: hot", "name: script").replace("avg(\"cpu\", 1m) > 90%", "if state == { 1 }"),
        );
        write("frob.yaml", &HOT.replace("name: hot", "name: frob").replace("avg(\"cpu\", 1m) > 90%", "frob(state)"));
        write("broken.yaml", "kind: [\n");
        let (status, told) = printed(&homeostat(&["check", &text(folder.path())]));
        assert_eq!(status, 1, "{told}");
        for part in [
            "cpu.utilization",
            "metric.yaml:6",
            "Rhai refuses the script",
            "script.yaml:6",
            "no function `frob`",
            "frob.yaml:6",
            "broken.yaml",
            "4 problems in 5 files; 1 policy without one",
        ] {
            assert!(told.contains(part), "no {part} in\n{told}");
        }
        let output = homeostat(&["check", "-o", "json", &text(folder.path())]);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), document["problems"].as_array().unwrap().len()), (Some(1), 4));
    }

    #[test]
    fn check_warns_of_policies_that_undo_each_other_with_the_values_at_which_they_do() {
        let folder = scratch();
        let (grow, shrink) = (folder.path().join("grow.yaml"), folder.path().join("shrink.yaml"));
        let at = HOT.replace("name: hot", "name: grow").replace("[restart]", "[{resize: {vcpus: +2}}]");
        let grows = at.replace("avg(\"cpu\", 1m) > 90%", "avg(\"cpu.utilization\", 5m) > 80%");
        let shrinks = grows.replace("grow", "shrink").replace("+2", "-2").replace("5m) > 80%", "1h) < 50%");
        fs::write(&grow, grows).unwrap();
        fs::write(&shrink, &shrinks).unwrap();
        let how = "at cpu.utilization 81.7% with 3 vcpus `grow` makes it 5, which gives 49%, at which `shrink` makes it 3 again";
        // It is a warning: both are good.
        let output = homeostat(&["check", "-o", "json", &text(folder.path())]);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let problems = document["problems"].as_array().unwrap();
        assert_eq!((output.status.code(), problems.len()), (Some(0), 1), "{document:#}");
        let warning = &problems[0];
        assert_eq!((&warning["message"], &warning["code"]), (&how.into(), &"homeostat::policy::oscillation".into()));
        assert_eq!((&warning["file"], &warning["line"]), (&text(&shrink).into(), &6.into()), "{warning:#}");
        let (status, told) = printed(&homeostat(&["check", &text(folder.path())]));
        let words = told.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [how, "shrink.yaml:6:", "grow.yaml:6:", "2 policies in 2 files: no problem, 1 warning"] {
            assert!(status == 0 && words.contains(part), "no {part} in\n{told}");
        }
        // With room between them for what they change there is none.
        fs::write(&shrink, shrinks.replace("< 50%", "< 20%")).unwrap();
        let (status, told) = printed(&homeostat(&["check", &text(folder.path())]));
        assert!(status == 0 && told.contains("2 policies in 2 files: no problem\n"), "{told}");
    }

    #[test]
    fn check_looks_at_a_configuration_however_its_path_is_written() {
        let folder = scratch();
        fs::write(
            folder.path().join("homeostat.yaml"),
            "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  speeed: 2\n",
        )
        .unwrap();
        for path in [".", "./", "./homeostat.yaml", "homeostat.yaml", &text(folder.path())] {
            let (status, told) = printed(&homeostat_in(folder.path(), &["check", path]));
            assert!(status == 1 && told.contains("speeed"), "{path}: {status}\n{told}");
        }
    }

    #[test]
    fn a_failing_policy_test_says_what_was_decided_instead() {
        let folder = scratch();
        fs::write(folder.path().join("hot.yaml"), HOT).unwrap();
        let test = "apiVersion: homeostat.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: too early}\nspec:\n  \
                    policies: [hot.yaml]\n  resources: [{id: vm/one, attributes: {state: running}}]\n  interval: 10s\n  \
                    series: [{resource: vm/one, metric: cpu, values: \"0.95x20\"}]\n  expect:\n    \
                    - {at: 1m, plans: [], findings: []}\n";
        fs::write(folder.path().join("hot.test.yaml"), test).unwrap();
        let (status, told) = printed(&homeostat(&["test", &text(folder.path())]));
        assert_eq!(status, 1, "{told}");
        expect![[r#"
            FAIL  too early (FOLDER/hot.test.yaml)
                  at 1m: open findings are hot on vm/one, expected none
                  at 1m: plans made since the expectation before:
                    hot on vm/one: vm/one restart
                  expected: none
            0 passed, 1 failed
        "#]]
        .assert_eq(&told.replace(&text(folder.path()), "FOLDER"));
    }

    #[test]
    fn backtest_prints_what_would_have_been_done() {
        let folder = scratch();
        fs::write(folder.path().join("hot.yaml"), HOT).unwrap();
        let mut lines = String::from("this is not JSON\n");
        for second in (0..300_u64).step_by(10) {
            let load = if (60..200).contains(&second) { 0.95 } else { 0.2 };
            let time = 1_700_000_000_000 + second * 1000;
            lines += &format!("{{\"resource\":\"vm/v1\",\"time\":{time},\"metrics\":{{\"cpu\":{load}}}}}\n");
        }
        fs::write(folder.path().join("input.jsonl"), lines).unwrap();
        let (policies, input) = (text(&folder.path().join("hot.yaml")), text(&folder.path().join("input.jsonl")));
        let (status, told) = printed(&homeostat(&["backtest", "--policies", &policies, "--input", &input]));
        assert_eq!(status, 0, "{told}");
        expect![[r#"
            22:13:20  policies  1 loaded (generation 1): hot
            22:15:40  finding   vm/v1 hot: avg("cpu", 1m) > 90% is true (avg(cpu, 1m) = 0.95)
            22:15:40  plan      p1-1 restart vm/v1 for hot, 1 step; then vm/v1 runs again
            22:15:40    step    p1-1/1 vm/v1 restart: it is to run again where it is
            22:15:40    step    p1-1/1 done: assumed
            22:15:40  plan      p1-1 restart vm/v1 succeeded
            22:16:40  handover  vm/v1 hot: a person has to go on; the ladder is at its end: restart
            22:16:40  notice    vm/v1 (critical): a person has to go on with vm/v1: the ladder is at its end: restart
            22:16:40  quarantine vm/v1: left alone until hot has been closed for 10m
            22:16:40  closed    vm/v1 hot: avg("cpu", 1m) > 90% is false (avg(cpu, 1m) = 0.825)

            policy  findings  plans  steps  skipped  held  handed over  plans/h
            hot            1      1      1        0     1            1   12.414

            30 samples and 0 events over 4m50s from 22:13:20 to 22:18:10; 1 lines and 0 samples were refused
            FOLDER/input.jsonl: line 1, column 2: it is not JSON: expected ident; write one JSON object a line
        "#]]
        .assert_eq(&told.replace(&text(folder.path()), "FOLDER"));
        let strict = homeostat(&["backtest", "--policies", &policies, "--input", &input, "--known-metrics-only"]);
        assert_eq!(printed(&strict).0, 2);
        let json = homeostat(&["backtest", "--policies", &policies, "--input", &input, "-o", "json"]);
        let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&document["policies"]["hot"]["plans"], &document["input"]["linesRefused"]), (&1.into(), &1.into()));
    }

    /// `cpu` of one VM, a sample every ten seconds from 22:13:20 on.
    fn lines(loads: &[f64]) -> String {
        let line = |(number, load): (usize, &f64)| {
            let time = 1_700_000_000_000 + number * 10_000;
            format!("{{\"resource\":\"vm/v1\",\"time\":{time},\"metrics\":{{\"cpu\":{load}}}}}\n")
        };
        loads.iter().enumerate().map(line).collect()
    }

    #[test]
    fn backtest_reads_all_of_a_pipe_and_ends_what_is_due_at_the_last_line() {
        let folder = scratch();
        fs::write(
            folder.path().join("hot.yaml"),
            HOT.replace("avg(\"cpu\", 1m)", "last(\"cpu\")").replace("30s", "0s"),
        )
        .unwrap();
        let policies = text(&folder.path().join("hot.yaml"));
        // More than any buffer holds of it.
        let mut loads = vec![0.2; 1000];
        loads.push(0.95);
        for input in ["-", "/dev/stdin"] {
            let arguments = ["backtest", "--policies", &policies, "--input", input];
            let (status, told) = printed(&homeostat_piped(&arguments, lines(&loads).into_bytes()));
            assert_eq!(status, 0, "{told}");
            for part in ["1001 samples", "0 lines", "p1-1/1 done: assumed", "restart vm/v1 succeeded"] {
                assert!(told.contains(part), "{input}: no {part} in\n{told}");
            }
        }
    }

    #[test]
    fn backtest_says_when_a_recording_cannot_be_repeated_exactly() {
        let folder = scratch();
        fs::write(folder.path().join("hot.yaml"), HOT).unwrap();
        let (policies, recording) =
            (text(&folder.path().join("hot.yaml")), text(&folder.path().join("recording.jsonl")));
        let load = |at: u64, policy: &str| {
            format!("{}\n", serde_json::json!({"at": at, "policies": [{"name": "hot.yaml", "text": policy}]}))
        };
        let (head, end) = ("{\"recording\":1,\"generation\":1}\n", "{\"at\":3000,\"end\":true}\n");
        let other = HOT.replace("90%", "80%");
        for (loads, said) in [
            (load(1000, HOT), None),
            (load(1000, &other), Some("not those of the recording")),
            (load(1000, HOT) + &load(2000, &other), Some("loaded 2 times")),
        ] {
            fs::write(&recording, format!("{head}{loads}{end}")).unwrap();
            let output = homeostat(&["backtest", "--policies", &policies, "--input", &recording]);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{told}");
            match said {
                Some(said) => assert!(told.contains(said) && told.contains("assumed to succeed"), "{told}"),
                None => assert_eq!(told, ""),
            }
        }
        fs::write(&recording, "{\"recording\":2,\"generation\":1}\n").unwrap();
        let (status, told) = printed(&homeostat(&["backtest", "--policies", &policies, "--input", &recording]));
        assert!(status == 2 && told.contains("version 2"), "{told}");
    }

    /// A configuration with this spec.
    fn configuration(spec: &str) -> String {
        format!("apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  {}\n", spec.replace('\n', "\n  "))
    }

    #[test]
    fn check_says_everything_that_is_wrong_with_a_configuration_of_any_name() {
        let folder = scratch();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        let declared =
            "metrics: [{name: cpu}]\npolicies: [hot.yaml]\nsources: [{jsonLines: {path: gone.jsonl, follow: true}}]";
        write("hot.yaml", HOT);
        write("good.yaml", &configuration(declared));
        write("scenario.yaml", "description: broken\nstart: tomorrow\nduration: 1h\nhosts: 7\n");
        write("lines.yaml", &configuration(&declared.replace(", follow: true", "")));
        write("odd.yaml", &configuration("listen: 127.0.0.1:0\nlissten: here"));
        write("torn.yaml", &configuration("listen: ["));
        write("none.yaml", &configuration("policies: [empty]"));
        let centres =
            "adapters: [{datacentre: {scenario: scenario.yaml}}, {datacentre: {name: b, scenario: scenario.yaml}}]";
        write("two.yaml", &configuration(centres));
        write(
            "one.yaml",
            &configuration("policies: [empty, gone]\nadapters: [{datacentre: {scenario: scenario.yaml}}]"),
        );
        let path = |name: &str| text(&folder.path().join(name));
        let config = "homeostat::configuration";
        let scenario = "homeostat::scenario::problem";
        type Expected<'a> = &'a [(&'a str, Option<u64>, &'a str, &'a str)];
        let cases: [(&str, Expected<'_>); 7] = [
            ("good.yaml", &[]),
            ("lines.yaml", &[("lines.yaml", Some(6), config, "gone.jsonl")]),
            ("odd.yaml", &[("odd.yaml", Some(5), config, "lissten")]),
            ("torn.yaml", &[("torn.yaml", Some(4), config, "")]),
            ("none.yaml", &[("none.yaml", Some(4), config, "nothing to watch")]),
            ("two.yaml", &[("two.yaml", Some(4), config, "2 embedded data centres")]),
            (
                "one.yaml",
                &[
                    ("scenario.yaml", Some(2), scenario, "`start`"),
                    ("scenario.yaml", Some(4), scenario, ""),
                    ("one.yaml", Some(4), config, "empty"),
                    ("one.yaml", Some(4), config, "gone"),
                ],
            ),
        ];
        for (name, expected) in cases {
            let output = homeostat(&["check", "-o", "json", &path(name)]);
            let told = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(i32::from(!expected.is_empty())), "{name}: {told}");
            let document: serde_json::Value = serde_json::from_str(&told).unwrap();
            let problems = document["problems"].as_array().unwrap();
            for (file, line, code, part) in expected {
                let fits = |problem: &&serde_json::Value| {
                    problem["file"] == path(file).as_str()
                        && problem["line"].as_u64() == *line
                        && problem["code"].as_str().unwrap().starts_with(code)
                        && problem["message"].as_str().unwrap().contains(part)
                };
                assert!(problems.iter().any(|problem| fits(&problem)), "{name}: no {file}:{line:?} {part} in\n{told}");
            }
            assert!(expected.is_empty() == problems.is_empty(), "{name}: {told}");
            // For people: each once, with its place, and never as `<input>`.
            let (_, told) = printed(&homeostat(&["check", &path(name)]));
            for (file, line, _, part) in expected {
                let place = line.map_or_else(|| path(file), |line| format!("{}:{line}:", path(file)));
                assert!(told.contains(&place) && told.contains(part) && !told.contains("<input>"), "{name}: {told}");
            }
            assert_eq!(told.matches(" × ").count(), problems.len(), "{name}: {told}");
        }
        // All at once; what several configurations name is counted once, and not as if it stood alone.
        let (status, told) = printed(&homeostat(&["check", &path("")]));
        assert!(status == 1 && told.contains("9 problems in 9 files; 1 policy without one"), "{told}");
    }

    #[test]
    fn run_begins_nothing_with_a_broken_configuration() {
        let folder = scratch();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("scenario.yaml", "description: broken\nstart: tomorrow\nduration: 1h\n");
        let path = |name: &str| text(&folder.path().join(name));
        let listen = "listen: 127.0.0.1:0\n";
        for (name, spec, parts) in [
            ("odd", "lissten: here", ["odd.yaml:6:", "lissten"]),
            ("parts", "include: [odd.yaml]", ["odd.yaml:4:", "given in two files"]),
            ("lines", "sources: [{jsonLines: {path: gone.jsonl}}]", ["gone.jsonl", "follow: true"]),
            ("one", "adapters: [{datacentre: {scenario: scenario.yaml}}]", ["scenario.yaml:2:", "tomorrow"]),
            (
                "two",
                "adapters: [{datacentre: {scenario: scenario.yaml}}, {datacentre: {name: b, scenario: scenario.yaml}}]",
                ["2 embedded data centres", "keep one"],
            ),
        ] {
            let name = format!("{name}.yaml");
            write(&name, &configuration(&format!("{listen}journal: journal\n{spec}")));
            let (status, told) = printed(&homeostat(&["run", &path(&name)]));
            assert_eq!(status, 2, "{name}: {told}");
            assert!(parts.iter().all(|part| told.contains(part)), "{name}: not all of {parts:?} in\n{told}");
            assert!(!told.contains("<input>") && !folder.path().join("journal").exists(), "{name}: {told}");
            assert_eq!(told.matches("rror: ").count(), 1, "{name}: {told}");
        }
    }

    #[test]
    fn explain_tells_a_server_that_is_not_homeostat() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for (stream, status) in listener.incoming().zip(["200 OK", "404 Not Found", "200 OK"]) {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all((head + "<html>Welcome!</html>").as_bytes());
            }
        });
        for format in ["table", "table", "json"] {
            let (status, told) = printed(&homeostat(&["explain", "vm/x", "--server", &server, "-o", format]));
            assert_eq!(status, 2, "{told}");
            assert!(told.contains(&format!("http://{server}/api/v1/explain/vm/x")), "{told}");
            assert!(told.contains("not homeostat's") && !told.contains("Welcome"), "{told}");
        }
    }

    #[test]
    fn schemas_are_of_every_kind_of_document_or_of_one() {
        let schema = |arguments: &[&str]| {
            let output = homeostat(&[&["schema"], arguments].concat());
            assert_eq!(output.status.code(), Some(0));
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
        };
        assert!(schema(&[])["then"].is_object());
        for (kind, name) in [("policy", "Policy"), ("guard", "Guard"), ("test", "PolicyTest")] {
            let one = schema(&[kind]);
            assert_eq!(one["properties"]["kind"]["const"], name);
            // What it refers to is in it.
            assert!(one["$schema"].is_string() && one["$defs"]["resourceId"].is_object(), "{kind}");
        }
    }

    #[test]
    fn mistakes_on_the_command_line_are_answered_with_what_to_do() {
        let folder = scratch();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let spec = format!(
            "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  listen: {}\n  sources: [{{alertmanager: {{}}}}]\n",
            taken.local_addr().unwrap()
        );
        fs::write(folder.path().join("homeostat.yaml"), &spec).unwrap();
        fs::write(folder.path().join("odd.yaml"), spec.replace("listen", "lissten")).unwrap();
        fs::write(folder.path().join("empty.jsonl"), "").unwrap();
        fs::create_dir(folder.path().join("nothing")).unwrap();
        fs::write(folder.path().join("nothing/comment.yaml"), "# kind: Policy\n").unwrap();
        let path = |name: &str| text(&folder.path().join(name));
        for (arguments, parts) in [
            (vec!["check", "/nowhere"], vec!["/nowhere", "No such file"]),
            (vec!["check", &path("nothing")], vec!["no policy", "nothing", "kind: Policy"]),
            (vec!["check", "-o", "json", &path("nothing")], vec!["no policy"]),
            (vec!["test", "/nowhere"], vec!["/nowhere"]),
            (vec!["run", "/nowhere"], vec!["/nowhere", "homeostat.yaml"]),
            (vec!["run", &path("")], vec!["cannot listen", "spec.listen"]),
            (vec!["run", &path("odd.yaml")], vec!["lissten", "listen"]),
            (vec!["simulate", &path("")], vec!["no embedded data centre", "datacentre"]),
            (vec!["backtest", "--input", &path("empty.jsonl")], vec!["--policies"]),
            (vec!["explain", "vm"], vec!["kind/name"]),
            (vec!["explain", "vm/x", "--server", "http://127.0.0.1:1"], vec!["cannot reach", "homeostat run"]),
            (vec!["frobnicate"], vec!["frobnicate", "--help"]),
        ] {
            let (status, told) = printed(&homeostat(&arguments));
            assert_eq!(status, 2, "{arguments:?}: {told}");
            for part in parts {
                assert!(told.contains(part), "{arguments:?}: no {part} in {told}");
            }
        }
    }

    #[test]
    fn bench_measures_every_scenario_beside_its_baseline() {
        let output = homeostat(&["bench", "--quick", "-o", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output).1);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(document["machine"]["cores"].as_u64() > Some(0), "{document:#}");
        let mut seen = String::new();
        for scenario in document["scenarios"].as_array().unwrap() {
            seen += &format!("{}\n", scenario["scenario"].as_str().unwrap());
            for figure in scenario["figures"].as_array().unwrap() {
                assert!(figure["value"].is_number(), "{figure:#}");
                let target = match &figure["target"] {
                    serde_json::Value::Null => "",
                    target if target["atLeast"].is_number() => ", at least",
                    target if target["atMost"].is_number() => ", at most",
                    other => panic!("no bound: {other}"),
                };
                let quoted = if figure["quoted"] == true { ", quoted" } else { "" };
                let (name, unit) = (figure["name"].as_str().unwrap(), figure["unit"].as_str().unwrap());
                seen += &format!("  {name} in {unit}{target}{quoted}\n");
            }
        }
        expect![[r#"
            samples
              homeostat in samples/s, at least
              by hand in samples/s
              time, homeostat / by hand in x, at most
            samples-200
              homeostat in samples/s, at least
              by hand in samples/s
              time, homeostat / by hand in x
            unrelated
              beside 1000 in samples/s
              beside 10 in samples/s
              slower by in %, at most
            events
              homeostat in events/s, at least
              homeostat, reading alone in events/s
              by hand: serde_json and a loop in events/s
              time, homeostat / by hand in x
              Event-Driven Ansible, end to end in events/s, quoted
              Event-Driven Ansible, its Drools core in events/s, quoted
            memory
              homeostat, resident in MB, at most
              homeostat, at its peak in MB
              by hand: the windows' samples only in MB
              beyond them, for each series in bytes, at most
            latency
              homeostat, p50 in us
              homeostat, p99 in us, at most
              homeostat, p99.9 in us
              homeostat, max in us
              by hand, p50 in us
              by hand, p99 in us
              by hand, p99.9 in us
              by hand, max in us
            start
              homeostat --version in ms, at most
              homeostat check, one policy in ms, at most
              /bin/true in ms
            journal
              journal, group commit in steps/s, at least
              journal, one at a time in steps/s
              redb, a transaction each in steps/s
              time, redb / journal in x
              replay of 2000 records, one core in s, at most
            executor
              homeostat, journalled in steps/s, at least
              redb, a transaction each in steps/s
              time, redb / homeostat in x
              a plan in flight, in memory in bytes, at most
              a plan as its record in the journal in bytes
        "#]]
        .assert_eq(&seen);
    }

    #[test]
    fn bench_measures_what_it_is_asked_for_and_knows_its_scenarios() {
        let output = homeostat(&["bench", "--quick", "start"]);
        let (status, told) = printed(&output);
        assert!(status == 0 && told.contains("/bin/true") && !told.contains("latency"), "{told}");
        let (status, told) = printed(&homeostat(&["bench", "--quick", "stat"]));
        assert!(status == 2 && told.contains("samples-200"), "{told}");
    }

    #[test]
    fn thirty_mistakes_in_a_folder_are_all_said_with_their_places_and_help() {
        let folder = text(&root().join("engine/policy/tests/mistakes"));
        let files: BTreeSet<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().display().to_string())
            .filter(|path| path.ends_with(".yaml"))
            .collect();
        let output = homeostat(&["check", "-o", "json", &folder]);
        assert_eq!(output.status.code(), Some(1));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let problems = said["problems"].as_array().unwrap();
        let named = |problem: &serde_json::Value| problem["file"].as_str().unwrap().replace(".rhai", ".yaml");
        let told: BTreeSet<String> = problems.iter().map(named).filter(|file| files.contains(file)).collect();
        assert!(files.len() >= 30, "{} files", files.len());
        assert!(problems.len() >= files.len(), "{} problems in {} files", problems.len(), files.len());
        assert!(told.len() + 1 >= files.len(), "all but the one whose mistake is in its script: {told:?}");
        for problem in problems {
            assert!(problem["line"].as_u64() > Some(0) && problem["column"].as_u64() > Some(0), "{problem}");
            assert!(problem["help"].as_str().is_some_and(|help| !help.is_empty()), "{problem}");
            assert!(problem["code"].as_str().is_some_and(|code| code.starts_with("homeostat::")), "{problem}");
        }
    }
}
